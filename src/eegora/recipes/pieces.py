"""What steps share that run on a recording read piece by piece: a first pass, and channels as a whole by way of a file. Knows no step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeVar

import numpy as np

from eegora.recipes.spill import Rows, size_of
from eegora.recipes.undo import merged, one_scale
from eegora.signal import Array, Signal
from eegora.stream import Room, Stream
from eegora.windows import Windows

CHANNELS = (
    1 << 23
)  # values of the channels that are transformed as a whole at a time: a transform takes five times that

Found = TypeVar("Found")
Blocks = Callable[[], Iterator[Windows]]  # windows a few at a time, as often as one asks


@dataclass
class Work:
    """Where temporary files go, and how large they will be.

    Parameters
    ----------
    room : Room
    planning : bool
        Nothing is to be read yet: only what the work will take is asked.
    n_bytes : int
        Of temporary files, counted as steps are put one behind the other.
    """

    room: Room
    planning: bool = False
    n_bytes: int = 0

    def learned(self, find: Callable[[], Found], guess: Found) -> Found:
        """Return what a first pass over the recording finds, or a guess of the same kind while nothing may be read."""
        return guess if self.planning else find()


def by_channel(stream: Stream, work: Work, head: Signal, change: Callable[[Signal], Signal], n_out: int) -> Stream:
    """Send channels through a step as a whole, a few at a time, by way of a temporary file.

    Parameters
    ----------
    stream : Stream
    work : Work
    head : Signal
        What is known behind the step.
    change : callable
        The step, on some rows; the way back to volts goes through it as the data do.
    n_out : int
        Samples behind it.
    """
    n_shift, head = in_rows(stream.head, head)
    n, longest = len(head.ch_names) + n_shift, max(stream.n_times, n_out)
    work.n_bytes += size_of((n, longest), np.float64)

    @cache
    def filled() -> Rows:
        store = Rows(n, longest, work.room.folder)
        for start, piece in stream.pieces(work.room):
            store.write(0, start, rows_of(piece, n_shift))
        group = max(1, CHANNELS // longest)
        for first in range(0, n, group):
            data = store.read(first, min(group, n - first), 0, stream.n_times)
            names, nowhere = tuple(map(str, range(len(data)))), np.zeros((len(data), 3))
            store.write(first, 0, change(Signal(data, names, nowhere, stream.sfreq, stream.head.annotations)).data)
            work.room.tell(min(first + group, n), n)
        return store

    return Stream(head, n_out, lambda start, stop: of_rows(head, filled().read(0, n, start, stop), n_shift))


def in_rows(before: Signal, head: Signal) -> tuple[int, Signal]:
    """Return how many rows the way back has that go through time as the data do, and the head that such rows leave.

    Raises
    ------
    UsageError
        ``bad_recipe`` if the scale itself runs along time.
    """
    one_scale(before)
    both = merged(before)
    n_shift = len(both.shift) if both.shift.shape[-1] > 1 or both.shift.any() else 0
    return n_shift, replace(
        of_rows(head, np.zeros((len(head.ch_names) + n_shift, 2)), n_shift), annotations=head.annotations
    )


def rows_of(signal: Signal, n_shift: int) -> Array:
    """Return data, and the way back where it has rows, one below the other."""
    if not n_shift:
        return signal.data
    shift = merged(signal).shift
    return np.concatenate([signal.data, np.broadcast_to(shift, (n_shift, signal.n_times))])


def of_rows(head: Signal, rows: Array, n_shift: int) -> Signal:
    """Return the samples, as a signal like `head`, of what became of `rows_of`."""
    n = len(rows) - n_shift
    made = replace(head, data=rows[:n], annotations=())
    return replace(made, shift=rows[n:], level=np.zeros((1, 1))) if n_shift else made
