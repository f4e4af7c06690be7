"""Arrays to and from files without being resident as a whole: written a portion at a time, left on disk where large. Knows no result."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eegora.windows import let_go

PORTION = 1 << 24  # bytes read or written at a time
LARGE = 1 << 26  # bytes of an array that may stay on disk

# Numbers as safetensors call them, and as NumPy does.
KINDS = {"BOOL": "|b1"} | {f"{k.upper()}{8 * n}": f"<{k}{n}" for k in "fiu" for n in (1, 2, 4, 8) if k + str(n) != "f1"}
NAMES = {kind[1:]: name for name, kind in KINDS.items()}

Arrays = Mapping[str, NDArray[Any]]


def write_npz(path: Path, arrays: Arrays) -> None:
    """Write what ``numpy.savez`` writes."""
    with zipfile.ZipFile(path, "w") as members:
        for name, array in arrays.items():
            with members.open(f"{name}.npy", "w", force_zip64=True) as file:
                array = _in_order(array)
                np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
                for portion in _portions(array):
                    file.write(portion)


def write_safetensors(path: Path, arrays: Arrays, metadata: Mapping[str, str]) -> None:
    """Write the format of safetensors: length of the header, header, arrays; wide numbers first, which keeps all aligned."""
    ordered = {k: _in_order(v) for k, v in sorted(arrays.items(), key=lambda item: (-item[1].itemsize, item[0]))}
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    end = 0
    for name, array in ordered.items():
        header[name] = {
            "dtype": NAMES[array.dtype.str[1:]],
            "shape": array.shape,
            "data_offsets": (end, end + array.nbytes),
        }
        end += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in ordered.values():
            for portion in _portions(array):
                file.write(portion)


def large_of_npz(path: Path) -> dict[str, NDArray[Any]]:
    """Return the large arrays of an ``.npz`` as memory maps; each is read through once, as its checksum wants."""
    found: dict[str, NDArray[Any]] = {}
    with zipfile.ZipFile(path) as members, path.open("rb") as raw:
        for info in members.infolist():
            if info.file_size < LARGE or info.compress_type != zipfile.ZIP_STORED:
                continue
            with members.open(info) as file:
                if np.lib.format.read_magic(file) != (1, 0):
                    continue
                shape, turned, kind = np.lib.format.read_array_header_1_0(file)
                inside = file.tell()
                while file.read(PORTION):
                    pass
            raw.seek(info.header_offset + 26)  # the lengths of the two fields between a member's header and its bytes
            start = info.header_offset + 30 + sum(struct.unpack("<HH", raw.read(4))) + inside
            found[info.filename.removesuffix(".npy")] = np.memmap(path, kind, "r", start, shape, "F" if turned else "C")
    return found


def large_of_safetensors(path: Path) -> dict[str, NDArray[Any]]:
    """Return the large arrays of a ``.safetensors`` file as memory maps."""
    with path.open("rb") as raw:
        size = int.from_bytes(raw.read(8), "little")
        header = json.loads(raw.read(size))
    found: dict[str, NDArray[Any]] = {}
    for name, entry in header.items():
        start, stop = entry.get("data_offsets", (0, 0))
        if stop - start >= LARGE and entry["dtype"] in KINDS:
            found[name] = np.memmap(path, KINDS[entry["dtype"]], "r", 8 + size + start, tuple(entry["shape"]))
    return found


def _in_order(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array whose bytes lie as files have them."""
    return np.asanyarray(array, dtype=array.dtype.newbyteorder("<"), order="C")


def _portions(array: NDArray[Any]) -> Iterator[bytes]:
    """Yield an array's bytes, and give the memory back that they took on their way."""
    flat = array.reshape(-1)
    n = max(1, PORTION // max(1, array.itemsize))
    for start in range(0, len(flat), n):
        yield flat[start : start + n].tobytes()
        let_go(array)
