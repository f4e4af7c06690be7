"""Arrays into files a portion at a time, so that those that lie on disk are never resident as a whole. What they mean, `storage` knows."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eegora.windows import let_go

PORTION = 1 << 24  # bytes written at a time

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
        assert array.dtype.kind in "fiub", f"{name} holds no numbers"
        kind = "BOOL" if array.dtype == bool else f"{array.dtype.kind.upper()}{8 * array.itemsize}"
        header[name] = {"dtype": kind, "shape": array.shape, "data_offsets": (end, end + array.nbytes)}
        end += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in ordered.values():
            for portion in _portions(array):
                file.write(portion)


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
