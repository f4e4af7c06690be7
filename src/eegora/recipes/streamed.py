"""A recipe on a recording too large to be held: steps pull what they need, windows go to a file.

How a step treats pieces so that the numbers are those of the whole, it says itself (`steps.StepInfo`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from eegora.recipes.blocks import check_finite
from eegora.recipes.pieces import Blocks, Work
from eegora.recipes.recipe import Recipe, Step
from eegora.recipes.spill import Growing, check_free
from eegora.recipes.steps import STEPS
from eegora.recipes.time_steps import crops_of
from eegora.signal import Array, Signal
from eegora.stream import Room, Stream, times_in_a_piece
from eegora.windows import Windows, joined

Run = Callable[[Any, Iterable[Step]], Any]


def in_pieces(stream: Stream, recipe: Recipe, run: Run, room: Room) -> Windows:
    """Run a recipe on a recording without holding it.

    Parameters
    ----------
    stream : Stream
    recipe : Recipe
    run : callable
        State and steps → state.
    room : Room

    Returns
    -------
    Windows
        Data float32, a memory map if large. What keeps `scale` and `shift` small or large decides `Room.way_back`.

    Raises
    ------
    UsageError
        ``disk_full`` before anything is read.
    """
    n_bytes, _ = foreseen(stream.head, stream.n_times, recipe, room)
    check_free(room.folder, n_bytes, stream.head.name)
    stream, grid = _to_the_cut(stream, recipe, Work(room))
    blocks: Blocks = partial(_crops, stream, grid, room)
    for step in recipe.behind:
        treat = STEPS[step.name].blocks
        blocks = treat(blocks, **step.options) if treat else partial(_each, blocks, run, step)
    return _collected(blocks(), len(grid), room)


def foreseen(known: Signal, n_times: int, recipe: Recipe, room: Room) -> tuple[int, Signal]:
    """Say what working in pieces will take.

    Parameters
    ----------
    known : Signal
        All of the recording but its samples.
    n_times : int
    recipe, room
        As in `in_pieces`.

    Returns
    -------
    n_bytes : int
        Of temporary files.
    head : Signal
        What is known of the recording before the cut, notes included.
    """

    def never(start: int, stop: int) -> Signal:
        raise AssertionError("nothing is read")

    head = replace(known, data=np.zeros((len(known.ch_names), 2)))
    work = Work(room, planning=True)
    stream, grid = _to_the_cut(Stream(head, n_times, never), recipe, work)
    window: Any = _blank(stream.head, grid.data.shape[-1])
    for step in recipe.behind:
        if STEPS[step.name].blocks is None:
            window = STEPS[step.name].function(window, **step.options)
    kept = (window.scale, window.shift, window.level) if room.way_back else ()
    each = 4 * window.data.size + sum(values.nbytes for values in kept)
    return work.n_bytes + len(grid) * each, stream.head


def _to_the_cut(stream: Stream, recipe: Recipe, work: Work) -> tuple[Stream, Windows]:
    """Return the stream before the cut, and its windows on one channel of zeros."""
    for step in recipe.before:
        info = STEPS[step.name]
        if info.stream is None:
            stream = stream.map(partial(info.function, **step.options))
        else:
            stream = info.stream(stream, work, **step.options)
    row = np.broadcast_to(np.float16(0), (1, stream.n_times))
    head, nothing = stream.head, np.zeros((1, 1))
    one = replace(head, data=row, ch_names=head.ch_names[:1], ch_pos=head.ch_pos[:1], bads=())
    flat = replace(one, scale=nothing + 1, shift=nothing, level=nothing)
    grid = STEPS[recipe.cut.name].function(flat, **recipe.cut.options)
    return stream, replace(grid, data=np.broadcast_to(row[:, :1], grid.data.shape))  # zeros that take no memory


def _each(blocks: Blocks, run: Run, step: Step) -> Iterator[Windows]:
    return (run(some, [step]) for some in blocks())


def _blank(head: Signal, length: int) -> Windows:
    """Return one window of zeros, as it comes out of the cut."""
    scale, shift = (v if v.shape[-1] == 1 else np.ones((len(v), length)) for v in (head.scale, head.shift))
    signal = replace(head, data=np.zeros((len(head.ch_names), length)), scale=scale, shift=shift)
    return crops_of(signal, np.zeros(1, np.int64), np.array([length]), length)


def _crops(stream: Stream, grid: Windows, room: Room) -> Iterator[Windows]:
    """Yield windows a few at a time, in order."""
    length = grid.data.shape[-1]
    starts = np.rint(grid.onsets * stream.sfreq).astype(np.int64)
    every = max(length, int(np.median(np.diff(starts))) if len(starts) > 1 else 0)
    n = max(1, times_in_a_piece(len(stream.ch_names)) // every)
    for first in range(0, len(grid), n):
        some = grid.take(slice(first, first + n))
        at = starts[first : first + n]
        low, high = int(at.min()), int((at + some.n_valid).max())
        made = crops_of(stream.read(low, high), at - low, some.n_valid, length)
        yield replace(
            made, onsets=some.onsets, index=some.index, flags=some.flags, notes=some.notes, annotations=some.annotations
        )
        room.tell(min(first + n, len(grid)), len(grid))


@dataclass
class _Along:
    """An array of the windows that comes a few entries at a time; where all windows share one entry, that one."""

    length: int
    room: Room
    n: int = 0
    shared: Array | None = None
    grown: Growing | None = field(default=None)

    def append(self, values: Array, n: int) -> None:
        """Add the entries of `n` windows."""
        if self.n == 0 and len(values) == 1:
            self.shared = values
        elif self.shared is not None and (len(values) != 1 or not np.array_equal(values, self.shared)):
            self._grow(np.broadcast_to(self.shared, (self.n, *self.shared.shape[1:])))
            self.shared = None
        if self.shared is None:
            self._grow(np.broadcast_to(values, (n, *values.shape[1:])))
        self.n += n

    def _grow(self, values: Array) -> None:
        self.grown = self.grown or Growing(self.length, self.room.folder)
        self.grown.append(values)

    def array(self) -> Array:
        """Return the whole."""
        if self.shared is not None:
            return self.shared
        return self.grown.array() if self.grown is not None else np.empty((0, 1, 1))


def _collected(blocks: Iterable[Windows], length: int, room: Room) -> Windows:
    """Put blocks together, data in float32; data and the way back in files where they are large."""
    data = Growing(length, room.folder)
    back = {name: _Along(length, room) for name in ("scale", "shift", "level")}
    parts: list[Windows] = []
    for block in blocks:
        values = np.ascontiguousarray(block.data, dtype=np.float32)
        check_finite(replace(block, data=values))
        data.append(values)
        if room.way_back:
            for name, along in back.items():
                along.append(getattr(block, name), len(block))
        lost = np.full((1, 1, 1), np.nan)
        parts.append(replace(block, data=np.empty((len(block), 0, 0), np.float32), scale=lost, shift=lost, level=lost))
    whole = joined(parts, data.array())
    if not room.way_back:
        return whole
    scale, shift, level = (along.array() for along in back.values())
    return replace(whole, scale=scale, shift=shift, level=level)
