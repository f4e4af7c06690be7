"""Which epoch and which event a window stands at, as its flags say (``epoch:3``, ``event:left``). Sets no flag itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Flags = Sequence[Sequence[str]]


def told(flags: Flags, word: str) -> tuple[str | None, ...]:
    """Return what the first flag ``word:…`` of each window says, or None."""
    begin = f"{word}:"
    return tuple(next((flag[len(begin) :] for flag in some if flag.startswith(begin)), None) for some in flags)


def events(flags: Flags, n_windows: int) -> tuple[str | None, ...]:
    """Return the event that each window stands at, or whose epoch it is cut from."""
    return told(flags or ((),) * n_windows, "event")


def epochs(flags: Flags, n_windows: int) -> tuple[int | None, ...]:
    """Return the number of the epoch that each window is cut from, counted from 0 as in the epochs that were given."""
    return tuple(None if text is None else int(text) for text in told(flags or ((),) * n_windows, "epoch"))


def columns(flags: Flags, n_windows: int) -> dict[str, Any]:
    """Return the pyarrow columns epoch, event (null where there is none) and flags of a table of windows."""
    import pyarrow as pa

    return {
        "epoch": pa.array(epochs(flags, n_windows), pa.int32()),
        "event": pa.array(events(flags, n_windows), pa.string()),
        "flags": pa.array([list(some) for some in flags or ((),) * n_windows], pa.list_(pa.string())),
    }
