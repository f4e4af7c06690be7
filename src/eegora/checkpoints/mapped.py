"""Tensors as views of a safetensors file that is mapped into memory, of which no more than a part is held there at a time.

It trusts the header, which `read` has had checked; what the tensors mean it leaves to others.
"""

from __future__ import annotations

import json
import math
import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

HELD = 64_000_000  # bytes of tensors handed out before the pages of earlier ones are let go
DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
    "C64": "complex64",
}


class MappedTensors(Mapping[str, "torch.Tensor"]):
    """The tensors of a safetensors file, by name; asking for one costs no memory until its numbers are looked at.

    Numbers that were looked at stay in memory only until `HELD` more bytes were asked for: the pages are the file's own,
    and come back by themselves where a tensor is still used.

    Parameters
    ----------
    path : path
        A file whose header was checked against its length.

    Raises
    ------
    ValueError
        A number format that torch does not have.
    """

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(size))
            # A private copy on writing: torch wants writable memory; nobody writes.
            self._pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        header.pop("__metadata__", None)
        strange = next((f"{k} is {e['dtype']}" for k, e in header.items() if e["dtype"] not in DTYPES), None)
        if strange:
            raise ValueError(f"{strange}, a number format that is not read")
        self._entries = {
            str(key): (DTYPES[entry["dtype"]], tuple(entry["shape"]), 8 + size + entry["data_offsets"][0])
            for key, entry in header.items()
        }
        self._handed_out = 0

    def __getitem__(self, key: str) -> torch.Tensor:
        """Return one tensor, on the CPU, in the number format of the file."""
        import torch

        dtype, shape, offset = self._entries[key]
        number = getattr(torch, dtype)
        count = math.prod(shape)
        if not count:
            return torch.empty(shape, dtype=number)
        self._handed_out += count * number.itemsize
        if self._handed_out > HELD:
            self.release()
        return torch.frombuffer(self._pages, dtype=number, count=count, offset=offset).view(shape)

    def __iter__(self) -> Iterator[str]:
        """Go through the names."""
        return iter(self._entries)

    def __len__(self) -> int:
        """Return the number of tensors."""
        return len(self._entries)

    def release(self) -> None:
        """Let go of the file's pages; where a system cannot be told so, it takes them when it needs memory."""
        self._handed_out = 0
        if hasattr(mmap, "MADV_DONTNEED"):
            self._pages.madvise(mmap.MADV_DONTNEED)


class RenamedTensors(Mapping[str, "torch.Tensor"]):
    """Some of the tensors of a mapping, under other names.

    Parameters
    ----------
    tensors : dict of str to Tensor, or any other mapping
    names : dict of str to str
        The new name → the one in `tensors`.
    """

    def __init__(self, tensors: Mapping[str, torch.Tensor], names: Mapping[str, str]) -> None:
        self.tensors, self.names = tensors, names

    def __getitem__(self, key: str) -> torch.Tensor:
        """Return one tensor by its new name."""
        return self.tensors[self.names[key]]

    def __iter__(self) -> Iterator[str]:
        """Go through the new names."""
        return iter(self.names)

    def __len__(self) -> int:
        """Return the number of tensors."""
        return len(self.names)


def release(tensors: Mapping[str, torch.Tensor]) -> None:
    """Let go of the pages behind tensors, where they are a file's."""
    while isinstance(tensors, RenamedTensors):
        tensors = tensors.tensors
    if isinstance(tensors, MappedTensors):
        tensors.release()
