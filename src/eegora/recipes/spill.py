"""Arrays that wait on disk, in files without a name: they are gone when nobody holds them, however the process ends. Knows no step."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from eegora.errors import UsageError
from eegora.signal import Array

SMALL = 1 << 24  # bytes that stay in memory
SPARE = 1 << 28  # bytes of the disk that are left to others


def place(folder: str | Path | None) -> Path:
    """Return the folder for temporary files.

    Raises
    ------
    UsageError
        ``no_folder``.
    """
    found = Path(folder or tempfile.gettempdir())
    if not found.is_dir():
        raise UsageError(
            "no_folder", f"temporary files were to go to {found}, which is no folder", hint=f"mkdir {found}"
        )
    return found


def check_free(folder: str | Path | None, n_bytes: int, what: str) -> None:
    """Refuse work whose temporary files the disk cannot hold.

    Raises
    ------
    UsageError
        ``disk_full``, ``no_folder``.
    """
    where = place(folder)
    free = shutil.disk_usage(where).free
    if n_bytes + SPARE * (n_bytes > SMALL) > free:
        raise UsageError(
            "disk_full",
            f"{what} in pieces takes {n_bytes / 1e9:.3g} GB of temporary files, {where} has {free / 1e9:.3g} GB free",
            hint="--temp DIR (in Python Room(folder=…)) with a folder on a larger disk",
        )


class Rows:
    """Signals as rows of one file, written a stretch of time at a time and read a row at a time, or the other way round.

    Parameters
    ----------
    n_rows, n_times : int
    folder : path or None
    """

    def __init__(self, n_rows: int, n_times: int, folder: str | Path | None) -> None:
        self._file = _file(folder)
        self.n_rows, self.n_times = n_rows, n_times

    def __del__(self) -> None:
        """Close the file, which removes it."""
        self._file.close()

    def write(self, first: int, start: int, values: Array) -> None:
        """Write rows from `first` on at samples from `start` on; `values` has shape (n_some_rows, n_some_times)."""
        for row, line in enumerate(values, first):
            self._file.seek(8 * (row * self.n_times + start))
            _write(self._file, np.ascontiguousarray(line, dtype=np.float64))

    def read(self, first: int, n_rows: int, start: int, stop: int) -> NDArray[np.float64]:
        """Read samples of `n_rows` rows from `first` on, shape (n_rows, stop - start)."""
        out = np.empty((n_rows, stop - start))
        for row, line in enumerate(out, first):
            self._file.seek(8 * (row * self.n_times + start))
            left = memoryview(line.data).cast("B")
            while n_read := self._file.readinto(left):  # less at a time than was asked for, beyond 2 GB
                left = left[n_read:]
        return out


class Growing:
    """An array that grows along its first axis: in memory while it will be small, else in a file.

    Parameters
    ----------
    length : int
        Entries of the first axis that are expected at most.
    folder : path or None
    """

    def __init__(self, length: int, folder: str | Path | None) -> None:
        self._length, self._folder = length, folder
        self._parts: list[NDArray[Any]] = []
        self._file: IO[bytes] | None = None
        self._n = 0

    def __del__(self) -> None:
        """Close the file; a memory map of it lives on."""
        if self._file is not None:
            self._file.close()

    def append(self, values: NDArray[Any]) -> None:
        """Add entries, all of one shape and type."""
        if not self._n and len(values) and values[:1].nbytes * self._length > SMALL:
            self._file = _file(self._folder)
        self._n += len(values)
        if self._file is None:
            self._parts.append(values)
        else:
            self._parts = [values[:0]]
            if len(values):
                _write(self._file, np.ascontiguousarray(values))

    def array(self) -> NDArray[Any]:
        """Return all entries; a memory map that keeps its file alive if there is one."""
        if self._file is None:
            return np.concatenate(self._parts)
        kind, shape = self._parts[0].dtype, self._parts[0].shape[1:]
        return np.memmap(self._file, dtype=kind, mode="r", shape=(self._n, *shape))


def size_of(shape: tuple[int, ...], dtype: DTypeLike) -> int:
    """Return the bytes of an array."""
    return int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize


def _file(folder: str | Path | None) -> Any:
    return tempfile.TemporaryFile(prefix="eegora-", dir=place(folder), buffering=0)


def _write(file: Any, values: NDArray[Any]) -> None:
    """Write all of an array; an unbuffered file may take less at a time."""
    left = memoryview(values.data).cast("B")
    try:
        while len(left):
            left = left[file.write(left) :]
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(
            "disk_full",
            f"a temporary file cannot be written: {reason}",
            hint="--temp DIR with a folder on a larger disk",
        ) from error
