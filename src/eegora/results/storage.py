"""Whole files or none, and the record that every saved result carries. Knows no kind of result (its neighbours do)."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eegora import whole
from eegora.errors import UsageError
from eegora.provenance import UNTRAINED, Provenance
from eegora.results.arrays import large_of_npz, large_of_safetensors, write_npz, write_safetensors

LAYOUT = "eegora-result-1"
KEY = "eegora"  # where the record lies: a metadata key, or a member of an .npz

Arrays = dict[str, NDArray[Any]]
Record = dict[str, Any]


def write_whole(path: str | Path, write: Callable[[Path], object]) -> None:
    """Write a file so that it is there as a whole or not at all.

    Parameters
    ----------
    path : str or Path
        A missing folder is created; an existing file is replaced at the end, in one step; a link is followed.
    write : callable
        Given a temporary name beside `path`, with the same ending.

    Raises
    ------
    UsageError
        ``cannot_write``: `path` is a folder or a device, or the system refuses (permission, full disk).
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        what = "is a folder" if target.is_dir() else "is not a plain file"
        raise UsageError("cannot_write", f"{path} {what}", hint="give the name of a file")
    with refusals(path):
        target.parent.mkdir(parents=True, exist_ok=True)
        whole.write_whole(target, write)


@contextmanager
def refusals(path: str | Path) -> Iterator[None]:
    """Say in one line what the system refuses (permission, full disk): UsageError ``cannot_write``."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError("cannot_write", f"cannot write {path}: {reason}", hint="give another place") from error


def ending(path: str | Path, endings: Sequence[str], what: str, verb: str = "saved as") -> str:
    """Return the ending of a file name, in lower case.

    Raises
    ------
    UsageError
        ``unknown_suffix``: none of `endings`, which the message lists.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in endings:
        came = suffix or "no ending"
        raise UsageError(
            "unknown_suffix", f"{what} cannot be {verb} {Path(path).name} ({came})", hint=f"use {', '.join(endings)}"
        )
    return suffix


def record(kind: str, provenance: Provenance, **more: Any) -> Record:
    """Return what a file says about its contents, ready for JSON."""
    statement = {"statement": UNTRAINED} if provenance.untrained else {}
    return {
        "layout": LAYOUT,
        "kind": kind,
        "untrained": provenance.untrained,
        **statement,
        "provenance": json.loads(provenance.to_json()),
        **more,
    }


def provenance_of(found: Record) -> Provenance:
    """Read the provenance that `record` wrote."""
    return Provenance.from_json(json.dumps(found["provenance"]))


def to_text(found: Record) -> str:
    """Return the record as JSON, keys in a fixed order."""
    return json.dumps(found, sort_keys=True)


def save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]], found: Record) -> None:
    """Write arrays and their record to a ``.safetensors`` or ``.npz`` file, whole or not at all."""

    def write(part: Path) -> None:
        if path.suffix.lower() == ".npz":
            write_npz(part, {KEY: np.array(to_text(found)), **arrays})
        else:  # keys beside the record: readable by people and by tools that do not parse it
            write_safetensors(part, arrays, {KEY: to_text(found), **_plain(found)})

    write_whole(path, write)


def load_arrays(path: Path, kind: str, *, on_disk: bool = False) -> tuple[Arrays, Record]:
    """Read what `save_arrays` wrote; `on_disk` leaves large arrays there, as memory maps that cannot be written to.

    Raises
    ------
    UsageError
        ``not_found``; ``bad_result``: damaged, not a result of this library, or of another kind.
    """
    check_there(path)
    try:
        if path.suffix.lower() == ".npz":
            mapped = large_of_npz(path) if on_disk else {}
            with np.load(path, allow_pickle=False) as members:
                arrays = mapped | {name: members[name] for name in members.files if name not in mapped}
            text = str(arrays.pop(KEY, ""))
        else:
            from safetensors import safe_open

            with safe_open(path, "np") as opened:
                mapped, names = large_of_safetensors(path) if on_disk else {}, opened.keys()
                arrays = mapped | {name: opened.get_tensor(name) for name in names if name not in mapped}
                text = (opened.metadata() or {}).get(KEY, "")
    except Exception as error:  # each library has its own errors for a damaged file
        raise _unreadable(path, error) from error
    return arrays, check_record(path, text, kind)


def peek(path: Path) -> Record:
    """Return the record of a file of arrays without reading these; KeyError, ValueError or OSError where there is none."""
    if path.suffix.lower() == ".npz":
        with np.load(path, allow_pickle=False) as members:
            text = str(members[KEY])
    else:
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, "np") as opened:
                text = (opened.metadata() or {})[KEY]
        except SafetensorError as error:
            raise ValueError(str(error)) from error
    found: Record = json.loads(text)
    return found


def save_table(path: Path, table: Any) -> None:
    """Write a pyarrow table to a ``.parquet`` file, whole or not at all."""
    from pyarrow import parquet

    write_whole(path, lambda part: parquet.write_table(table, part))


def save_tables(path: Path, tables: Iterator[Any]) -> None:
    """Write pyarrow tables as row groups of one ``.parquet`` file as they come, whole or not at all.

    Parameters
    ----------
    tables : iterator of pyarrow.Table
        Of one schema, at least one; the first one's metadata are the file's.
    """
    from pyarrow import parquet

    def write(part: Path) -> None:
        first = next(tables)
        with parquet.ParquetWriter(part, first.schema) as file:
            file.write_table(first)
            for table in tables:
                file.write_table(table)

    write_whole(path, write)


def load_table(path: Path, kind: str) -> tuple[Any, Record]:
    """Read a ``.parquet`` file and the record in its metadata; errors as in `load_arrays`."""
    check_there(path)
    from pyarrow import parquet

    try:
        table = parquet.read_table(path, partitioning=None)
    except Exception as error:
        raise _unreadable(path, error) from error
    return table, check_record(path, (table.schema.metadata or {}).get(KEY.encode(), b"").decode(), kind)


def with_record(table: Any, found: Record) -> Any:
    """Return a pyarrow table with the record in its metadata."""
    metadata = {KEY: to_text(found), **_plain(found)}
    return table.replace_schema_metadata(metadata)


def column_of_vectors(array: NDArray[Any]) -> Any:
    """Return a pyarrow column with one flattened entry of `array` per row: ``fixed_size_list``."""
    import pyarrow as pa

    size = int(np.prod(array.shape[1:], dtype=int))
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(array).reshape(-1)), size)


def vectors_of_column(column: Any, shape: Sequence[int]) -> NDArray[Any]:
    """Read what `column_of_vectors` made; `shape` is that of one row."""
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return np.array(flat).reshape(len(column), *shape)


def check_there(path: Path) -> None:
    """Raise ``not_found`` unless there is a file of this name."""
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise UsageError("not_found", f"{path} {what}", hint="give the name of a saved result")


def check_record(path: Path, text: str, kind: str) -> Record:
    """Return the record in `text`, or raise ``bad_result`` if the file is of another kind or maker."""
    try:
        found: Record = json.loads(text)
        layout, came = found["layout"], found["kind"]
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError("bad_result", f"{path} is not a result of eegora", hint="give one it saved") from error
    if layout != LAYOUT:
        raise UsageError("bad_result", f"{path} has layout {layout}, this version reads {LAYOUT}", hint="update eegora")
    if came != kind:
        raise UsageError("bad_result", f"{path} holds {came}, not {kind}", hint=f"give a file of {kind}")
    return found


def _plain(found: Record) -> dict[str, str]:
    provenance = found["provenance"]
    plain = {name: str(provenance[name]) for name in ("model", "variant")}
    return plain | {"untrained": str(found["untrained"]).lower()}


def _unreadable(path: Path, error: Exception) -> UsageError:
    reason = str(error).partition("\n")[0]
    return UsageError("bad_result", f"{path} cannot be read: {reason}", hint="compute and save it again")
