"""A file as a whole or not at all: written beside its place, flushed to the disk, and only then named. Knows no format."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path


def write_whole(path: Path, write: Callable[[Path], object], *, replace: bool = True) -> None:
    """Write beside the target, flush to the disk, and only then give the file its name.

    Parameters
    ----------
    path : Path
        In a folder that is there.
    write : callable
        Given a temporary name with the same ending; there is no file of it yet.
    replace : bool
        False refuses to replace a file, also one that came into being meanwhile.

    Raises
    ------
    OSError
        ``FileExistsError`` without `replace`; whatever the system refuses.
    """
    part = path.with_name(f".{secrets.token_hex(4)}.{path.name}")
    try:
        part.touch(exist_ok=False)
        mode = part.stat().st_mode  # as the user's umask wants it; some libraries write with another
        part.unlink()
        write(part)
        part.chmod(mode)
        put(part, path, replace=replace)
    finally:
        part.unlink(missing_ok=True)


def as_text(text: str) -> Callable[[Path], object]:
    """Return a writer of text, in UTF-8, for `write_whole`."""
    return lambda part: part.write_text(text, encoding="utf-8")


def put(part: Path, path: Path, *, replace: bool = True) -> None:
    """Flush a finished file to the disk and give it its name, on the same disk. Raises as `write_whole`."""
    _to_disk(part)
    if replace:
        part.replace(path)
    else:
        _name_once(part, path)
    if os.name == "posix":  # the new name itself
        _to_disk(path.parent, os.O_RDONLY)


def _name_once(part: Path, path: Path) -> None:
    """Give a file its name unless it is taken: a second link to it is refused by the system itself."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:  # a disk without links
        if path.exists():
            raise FileExistsError(f"{path} exists") from None
        part.replace(path)


def _to_disk(path: Path, flags: int = os.O_RDWR) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
