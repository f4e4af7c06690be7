"""A recipe on a recording too large to be held: steps pull what they need, windows go to a file. What a step does is its own affair.

The numbers are those of the whole recording in memory, but for rounding: a filter reads half its length more on both
sides, a transform of a whole channel goes through a temporary file, a z-score of the recording looks at it twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from eegora.recipes import kernels, resample_blocks, time_steps, value_steps
from eegora.recipes.blocks import finite, joined
from eegora.recipes.spill import Growing, Rows, check_free, size_of
from eegora.recipes.steps import STEPS
from eegora.recipes.undo import merged, noted
from eegora.signal import Annotation, Array, Signal
from eegora.stream import PIECE, Room, Stream, chained, stretch
from eegora.windows import Windows

if TYPE_CHECKING:
    from eegora.recipes.recipe import Step

Run = Callable[[Any, Iterable["Step"]], Any]

CHANNELS = (
    1 << 23
)  # values of the channels that are transformed as a whole at a time: a transform takes five times that


def obstacle(steps: Sequence[Step]) -> str:
    """Return the name of the first step that needs the whole recording in memory; empty if there is none."""
    behind = False
    for step in steps:
        info = STEPS[step.name]
        behind |= info.where == "cut"
        if info.where == "cut":
            continue
        if behind and not info.per_window and info.summed is None:
            return step.name
        if not behind and info.whole != "sample" and step.name not in _WAYS:
            return step.name
        if not behind and (step.options.get("detect") or step.options.get("over") == "channel"):
            return step.name
    return ""


def in_pieces(stream: Stream, steps: Sequence[Step], run: Run, room: Room) -> Windows:
    """Run a recipe on a recording without holding it.

    Parameters
    ----------
    stream : Stream
    steps : sequence of Step
        One cut; no `obstacle`.
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
    stream, grid, length, n_bytes = _planned(stream, steps, run, room)
    behind = steps[1 + _place(steps) :]
    check_free(room.folder, n_bytes, stream.head.name)
    peaks: list[list[Array]] = [[] for _ in behind]

    def through(block: Windows) -> Windows:
        for step, found in zip(behind, peaks, strict=True):
            summed = STEPS[step.name].summed
            if summed is None:
                block = run(block, [step])
                continue
            found.append(summed[0](block))
            block = summed[1](block, found[-1], **step.options)
        return block

    windows = _collected((through(block) for block in _crops(stream, grid, length, room)), len(grid), room)
    for step, found in zip(behind, peaks, strict=True):
        summed = STEPS[step.name].summed
        if summed is not None:
            windows = summed[2](windows, np.concatenate(found), **step.options)
    return windows


def foreseen(known: Signal, n_times: int, steps: Sequence[Step], room: Room) -> tuple[int, Signal]:
    """Say what working in pieces will take.

    Parameters
    ----------
    known : Signal
        All of the recording but its samples.
    n_times : int
    steps, room
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

    def run(state: Any, some: Iterable[Step]) -> Any:
        for step in some:
            state = STEPS[step.name].function(state, **step.options)
        return state

    head = replace(known, data=np.zeros((len(known.ch_names), 2)))
    stream, _, _, n_bytes = _planned(Stream(head, n_times, never), steps, run, room)
    return n_bytes, stream.head


def _place(steps: Sequence[Step]) -> int:
    return next(i for i, step in enumerate(steps) if STEPS[step.name].where == "cut")


def _planned(stream: Stream, steps: Sequence[Step], run: Run, room: Room) -> tuple[Stream, Windows, int, int]:
    """Return the stream before the cut, windows without data, their length, and the bytes of temporary files."""
    place = _place(steps)
    work = _Work(room)
    for step in steps[:place]:
        stream = _taken(stream, step, work)
    head = stream.head
    row = np.broadcast_to(np.float16(0), (1, stream.n_times))
    one = replace(head, data=row, ch_names=head.ch_names[:1], ch_pos=head.ch_pos[:1], bads=())
    nothing = np.zeros((1, 1))
    grid = run(replace(one, scale=nothing + 1, shift=nothing, level=nothing), [steps[place]])
    length = grid.data.shape[-1]
    plain = [step for step in steps[place + 1 :] if STEPS[step.name].summed is None]
    n_bytes = work.n_bytes + len(grid) * _bytes_of_window(run(_blank(head, length), plain), room)
    return stream, replace(grid, data=np.empty((len(grid), 0, 0), np.float32)), length, n_bytes


@dataclass
class _Work:
    """Where temporary files go, and how large they will be."""

    room: Room
    n_bytes: int = 0


def _taken(stream: Stream, step: Step, work: _Work) -> Stream:
    """Return what a step makes of a stream; nothing is read yet."""
    info = STEPS[step.name]
    if info.whole == "sample":
        return stream.map(lambda signal: info.function(signal, **step.options))
    return _WAYS[step.name](stream, work, step.options)


def _filtered(stream: Stream, work: _Work, options: Mapping[str, Any]) -> Stream:
    if options.get("method") == "iir":
        probe = replace(stream.head, data=np.zeros((len(stream.ch_names), 64)))
        checked = replace(time_steps.filter(probe, **options), data=stream.head.data, shift=stream.head.shift)
        return _by_channel(stream, work, checked, lambda part: time_steps.filter(part, **options), stream.n_times)
    l_freq, h_freq = options.get("l_freq"), options.get("h_freq")
    none = l_freq is None and h_freq is None
    checked = time_steps.filter(stream.head, **options)
    n_taps = 0 if none else len(kernels.design(stream.sfreq, l_freq, h_freq))
    return _along_time(stream, "filter", n_taps, checked, lambda part: time_steps.filter(part, **options))


def _notched(stream: Stream, work: _Work, options: Mapping[str, Any]) -> Stream:
    freqs = options.get("freqs", ())
    lines = (float(freqs),) if isinstance(freqs, int | float) else tuple(sorted(map(float, freqs)))
    checked = time_steps.notch(stream.head, **options)
    n_taps = len(kernels.design_notch(stream.sfreq, lines)) if lines else 0
    return _along_time(stream, "notch", n_taps, checked, lambda part: time_steps.notch(part, **options))


def _blank(head: Signal, length: int) -> Windows:
    """Return one window of zeros, as it comes out of the cut."""
    shift = head.shift if head.shift.shape[-1] == 1 else np.zeros((len(head.shift), length))
    signal = replace(head, data=np.zeros((len(head.ch_names), length)), shift=shift)
    return time_steps.crops_of(signal, np.zeros(1, np.int64), np.array([length]), length)


def _bytes_of_window(window: Windows, room: Room) -> int:
    """Return what one prepared window takes on disk."""
    kept = (window.scale, window.shift, window.level) if room.way_back else ()
    return 4 * window.data.size + sum(values.nbytes for values in kept)


def _along_time(stream: Stream, step: str, n_taps: int, checked: Signal, change: Callable[[Signal], Signal]) -> Stream:
    """Filter stretch by stretch: each piece is read with half a filter more on both sides, which is cut off again."""
    if not n_taps:
        return stream
    half = n_taps // 2
    parts = time_steps.stretches(stream.n_times, stream.sfreq, stream.head.annotations)
    head = replace(checked, notes=stream.head.notes)
    head = noted(head, *time_steps.distorted(step, n_taps, parts))

    def piece(start: int, stop: int) -> Signal:
        inside = next(((a, b) for a, b in parts if a <= start < b), None)
        if inside is None:
            return stream.read(start, stop)  # in a gap
        low, high = max(inside[0], start - half), min(inside[1], stop + half)
        return stretch(change(stream.read(low, high)), start - low, stop - low)

    def read(start: int, stop: int) -> Signal:
        edges = sorted({start, stop, *(e for part in parts for e in part if start < e < stop)})
        made = chained([piece(a, b) for a, b in pairwise(edges)])
        return _like(head, made)

    return Stream(head, stream.n_times, read)


def _resampled(stream: Stream, work: _Work, options: Mapping[str, Any]) -> Stream:
    plain = {name: options.get(name) for name in ("rate", "samples")}
    flags = {name: bool(options.get(name)) for name in ("truncate", "round_rate")}
    method = options.get("method", "fft")
    head, goal, wanted = time_steps.aim(stream.head, stream.n_times, plain["rate"], plain["samples"], method, **flags)
    if (goal, wanted) == (stream.sfreq, stream.n_times):
        return replace(stream, head=head).map(lambda signal: replace(signal, notes=head.notes))
    grid = resample_blocks.Grid(stream.n_times, stream.sfreq, goal)
    head = replace(head, sfreq=goal, not_undone=(*head.not_undone, "resample"))
    if method == "nearest" or not grid.in_blocks:
        return _by_channel(stream, work, head, lambda part: time_steps.resample(part, **options), wanted)
    head = noted(head, resample_blocks.NOTE)
    size = round(resample_blocks.BLOCK_S * goal)
    n_shift = _n_shift(stream.head)
    head = _of_rows(head, np.zeros((len(head.ch_names) + n_shift, 2)), n_shift, head, head.annotations)

    def rows(start: int, stop: int) -> Array:
        return _rows(stream.read(start, stop), n_shift)

    @lru_cache(maxsize=2)
    def block(number: int) -> Signal:
        first = number * size
        made = resample_blocks.block(rows, grid, first, min(first + size, wanted), resample_blocks.BLOCK_S)
        return _of_rows(head, made, n_shift, stream.read(0, 1))

    def read(start: int, stop: int) -> Signal:
        numbers = range(start // size, (stop - 1) // size + 1)
        return chained([stretch(block(k), max(start - k * size, 0), min(stop - k * size, size)) for k in numbers])

    return Stream(head, wanted, read)


def _by_channel(stream: Stream, work: _Work, head: Signal, change: Callable[[Signal], Signal], n_out: int) -> Stream:
    """Send channels through a step as a whole, a few at a time, by way of a temporary file."""
    n_shift = _n_shift(stream.head)
    n, longest = len(head.ch_names) + n_shift, max(stream.n_times, n_out)
    head = _of_rows(head, np.zeros((n, 2)), n_shift, head, head.annotations)
    work.n_bytes += size_of((n, longest), np.float64)

    @cache
    def filled() -> tuple[Rows, Signal]:
        store = Rows(n, longest, work.room.folder)
        piece = stream.head
        for start, piece in stream.pieces(work.room):
            store.write(0, start, _rows(piece, n_shift))
        group = max(1, CHANNELS // longest)
        for first in range(0, n, group):
            data = store.read(first, min(group, n - first), 0, stream.n_times)
            some = Signal(
                data, tuple(map(str, range(len(data)))), np.zeros((len(data), 3)), stream.sfreq, stream.head.annotations
            )
            store.write(first, 0, change(some).data)
            work.room.tell(min(first + group, n), n)
        return store, piece

    def read(start: int, stop: int) -> Signal:
        store, last = filled()
        return _of_rows(head, store.read(0, n, start, stop), n_shift, last)

    return Stream(head, n_out, read)


def _n_shift(head: Signal) -> int:
    """Return how many rows the way back has that go through time as the data do."""
    both = merged(head)
    return len(both.shift) if both.shift.shape[-1] > 1 or both.shift.any() else 0


def _rows(signal: Signal, n_shift: int) -> Array:
    """Return data, and the way back where it has rows, one below the other."""
    if not n_shift:
        return signal.data
    shift = merged(signal).shift
    return np.concatenate([signal.data, np.broadcast_to(shift, (n_shift, signal.n_times))])


def _of_rows(
    head: Signal, rows: Array, n_shift: int, constant: Signal, annotations: tuple[Annotation, ...] = ()
) -> Signal:
    """Return the signal of what became of `_rows`; `constant` holds what does not go through time."""
    n = len(rows) - n_shift
    made = replace(head, data=rows[:n], scale=constant.scale, annotations=annotations)
    if n_shift:
        return replace(made, shift=rows[n:], level=np.zeros((1, 1)))
    return replace(made, shift=constant.shift, level=constant.level)


def _scored(stream: Stream, work: _Work, options: Mapping[str, Any]) -> Stream:
    """Take the z-score of the whole recording: a first pass for mean and deviation, then as it is read."""
    dtype = options.get("dtype", "float64")

    @cache
    def found() -> tuple[float, float]:
        n, mean, squares = 0, 0.0, 0.0
        for start, piece in stream.pieces(work.room):
            signal = replace(piece, annotations=stream.head.annotations)
            some = value_steps.counted(signal, np.asarray(piece.data, dtype=dtype), start)
            if not some.size:
                continue
            own = float(some.mean(dtype=np.float64))
            more = n + some.size
            squares += float(np.square(some - own, dtype=np.float64).sum()) + (own - mean) ** 2 * n * some.size / more
            mean += (own - mean) * some.size / more
            n = more
        if not n:
            raise value_steps.nothing_to_score(stream.head)
        deviation = float(np.sqrt(squares / (n - options.get("ddof", 0))))
        return mean, value_steps.varying(stream.head, mean, deviation)

    def read(start: int, stop: int) -> Signal:
        part = stream.read(start, stop)
        return value_steps.scored(part, np.asarray(part.data, dtype=dtype), *found(), options.get("eps", 0.0))

    # Any number but 0: steps behind it see that there is something to bring back.
    return Stream(replace(stream.head, level=stream.head.level + 1.0), stream.n_times, read)


def _required(stream: Stream, work: _Work, options: Mapping[str, Any]) -> Stream:
    """Refuse what is too short before any of it is read."""
    time_steps.check_seconds(stream.head.name, stream.seconds, options["seconds"])
    return stream


_WAYS: Mapping[str, Callable[[Stream, _Work, Mapping[str, Any]], Stream]] = {
    "filter": _filtered,
    "notch": _notched,
    "resample": _resampled,
    "zscore": _scored,
    "require": _required,
}


def _like(head: Signal, made: Signal) -> Signal:
    """Return samples with what is known of the recording behind a step."""
    return replace(head, data=made.data, scale=made.scale, shift=made.shift, level=made.level, annotations=())


def _crops(stream: Stream, grid: Windows, length: int, room: Room) -> Iterator[Windows]:
    """Yield windows a few at a time, in order."""
    starts = np.rint(grid.onsets * stream.sfreq).astype(np.int64)
    n_channels = len(stream.ch_names)
    every = max(length, int(np.median(np.diff(starts))) if len(starts) > 1 else 0)
    n = max(1, PIECE // (n_channels * every))
    for first in range(0, len(grid), n):
        some = grid.take(slice(first, first + n))
        at = starts[first : first + n]
        low, high = int(at.min()), int((at + some.n_valid).max())
        made = time_steps.crops_of(stream.read(low, high), at - low, some.n_valid, length)
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
        finite(replace(block, data=values))
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
