"""Steps along the time axis: resampling and the cut into windows. Filters are `filter_steps`', the numbers `kernels`'."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eegora.errors import RecordingError, UsageError
from eegora.recipes import kernels, resample_blocks
from eegora.recipes.pieces import Work, by_channel, in_rows, of_rows, rows_of
from eegora.recipes.undo import State, flagged, lossy, noted, through_time
from eegora.signal import Annotation, Array, Signal
from eegora.stream import Stream, chained, stretch
from eegora.windows import Windows

ANNOTATED = "annotated:"  # begins the flag of a window that overlaps an annotation
LONGER = "give a longer recording, or a shorter window"


def resample(
    state: State,
    *,
    rate: float | None = None,
    samples: int | None = None,
    method: str = "fft",
    truncate: bool = False,
    round_rate: bool = False,
) -> State:
    """Change the sampling rate.

    Parameters
    ----------
    state : Signal or Windows
    rate : float, optional
        Hz. Give it or `samples`.
    samples : int, optional
        Wanted number of samples of the signal or of each window.
    method : str
        ``fft`` as MNE's ``raw.resample``, or ``nearest``: pick samples, no filter (it aliases).
    truncate : bool
        Leave a recording alone whose rate without its decimals is `rate`, as some training scripts do.
    round_rate : bool
        The same for the rounded rate.

    Raises
    ------
    RecordingError
        ``too_short`` if no sample is left.
    """
    n_times = state.data.shape[-1]
    state, goal, wanted = aim(state, n_times, rate, samples, method, truncate=truncate, round_rate=round_rate)
    if (goal, wanted) == (state.sfreq, n_times):
        return state
    if method == "nearest":
        changed = _picked(state, kernels.nearest_index(n_times, wanted))
    elif resample_blocks.in_blocks(kernels.Grid(n_times, state.sfreq, goal)):
        state = noted(state, resample_blocks.NOTE)
        changed = through_time(state, partial(resample_blocks.resample, sfreq=state.sfreq, rate=goal))
    else:
        changed = through_time(state, partial(kernels.resample, sfreq=state.sfreq, rate=goal))
    if isinstance(changed, Windows):
        mask = changed.missing
        if mask is not None and mask.shape[-1] > 1:
            mask = mask[..., kernels.nearest_index(n_times, wanted)]
        n_valid = np.minimum(np.rint(changed.n_valid * wanted / n_times).astype(np.int64), wanted)
        return lossy(replace(changed, missing=mask, n_valid=n_valid, sfreq=goal), "resample")
    return lossy(replace(changed, sfreq=goal), "resample")


def resample_stream(stream: Stream, work: Work, **options: Any) -> Stream:
    """Resample in pieces: one transform of each channel, by way of a file, or of each block where a channel is too long."""
    aims = {name: options[name] for name in ("method", "truncate", "round_rate") if name in options}
    head, goal, wanted = aim(stream.head, stream.n_times, options.get("rate"), options.get("samples"), **aims)
    if (goal, wanted) == (stream.sfreq, stream.n_times):
        return stream.told(*head.notes)
    head = lossy(head, "resample", sfreq=goal)
    if aims.get("method") == "nearest":
        return _nearest_stream(stream, head, wanted)
    grid = kernels.Grid(stream.n_times, stream.sfreq, goal)
    if not resample_blocks.in_blocks(grid):
        return by_channel(stream, work, head, partial(resample, **options), wanted)
    n_shift, head = in_rows(stream.head, noted(head, resample_blocks.NOTE))
    size = round(resample_blocks.BLOCK_S * goal)

    def rows(start: int, stop: int) -> Array:
        return rows_of(stream.read(start, stop), n_shift)

    @lru_cache(maxsize=2)
    def block(number: int) -> Signal:
        first = number * size
        made = resample_blocks.block(rows, grid, first, min(first + size, wanted), resample_blocks.BLOCK_S)
        return of_rows(head, made, n_shift)

    def read(start: int, stop: int) -> Signal:
        numbers = range(start // size, (stop - 1) // size + 1)
        return chained([stretch(block(k), max(start - k * size, 0), min(stop - k * size, size)) for k in numbers])

    return Stream(head, wanted, read)


def _nearest_stream(stream: Stream, head: Signal, wanted: int) -> Stream:
    """Pick samples in pieces: those that an output sample takes are where they are."""

    def read(start: int, stop: int) -> Signal:
        index = kernels.nearest_index(stream.n_times, wanted, start, stop)
        first = int(index[0])
        part = stream.read(first, int(index[-1]) + 1)
        return replace(_picked(part, index - first), sfreq=head.sfreq, not_undone=head.not_undone)

    return Stream(head, wanted, read)


def _picked(state: State, index: NDArray[np.intp]) -> State:
    """Return some samples of data, scale and shift."""

    def pick(values: Array) -> Array:
        return values if values.shape[-1] == 1 else np.take(values, index, axis=-1)

    return replace(state, data=np.take(state.data, index, axis=-1), scale=pick(state.scale), shift=pick(state.shift))


def aim(
    state: State,
    n_times: int,
    rate: float | None,
    samples: int | None,
    method: str = "fft",
    *,
    truncate: bool = False,
    round_rate: bool = False,
) -> tuple[State, float, int]:
    """Return the rate and the number of samples that `resample` makes of `n_times`; the state's own if it does nothing."""
    if (rate is None) == (samples is None) or method not in ("fft", "nearest") or (samples and method == "fft"):
        raise UsageError(
            "bad_recipe",
            f"resample wants a rate, or samples with method 'nearest'; came rate={rate}, samples={samples}, method='{method}'",
        )
    if (rate if rate is not None else samples or 0) <= 0:
        raise UsageError("bad_option", f"resample to rate={rate}, samples={samples} came, wanted more than 0")
    wanted = samples if samples is not None else round(n_times * float(rate or 0) / state.sfreq)
    goal = float(rate) if rate is not None else state.sfreq * wanted / max(n_times, 1)
    near = abs(state.sfreq - goal) <= 1e-6 * goal
    if (truncate and int(state.sfreq) == goal) or (round_rate and round(state.sfreq) == goal):
        note = f"{state.sfreq:g} Hz is left as it is and taken for {goal:g} Hz, as the original does"
        return (state if near else noted(state, note)), state.sfreq, n_times
    if near and (rate is not None or wanted == n_times):  # a long recording too, where 1e-6 is a sample
        return state, state.sfreq, n_times
    if wanted == 0:
        raise _too_short(state, f"{1 / goal:g} s, one sample at {goal:g} Hz")
    return state, goal, wanted


def require(signal: Signal, *, seconds: float) -> Signal:
    """Refuse recordings shorter than `seconds`, as some training sets left them out."""
    check_seconds(signal.name, signal.seconds, seconds)
    return signal


def require_stream(stream: Stream, work: Work, *, seconds: float) -> Stream:
    """Refuse what is too short before any of it is read."""
    check_seconds(stream.head.name, stream.seconds, seconds)
    return stream


def check_seconds(name: str, found: float, wanted: float) -> None:
    """Refuse a recording that is shorter than wanted."""
    if found < wanted:
        raise RecordingError("too_short", f"{name} has {found:g} s, wanted at least {wanted:g} s", hint=LONGER)


def cut(
    signal: Signal,
    *,
    seconds: float | None = None,
    samples: int | None = None,
    tail: str | int = "drop",
    reject_by_annotation: bool = False,
    gaps: str = "drop",
    skip: float = 0.0,
    every: float | None = None,
) -> Windows:
    """Cut a recording into windows from its first sample on.

    Parameters
    ----------
    signal : Signal
    seconds, samples : float, int
        Length of a window; give one of them.
    tail : ``drop`` or int
        An int m: windows are a multiple of m samples long, counted at the rounded rate, and the last one is kept, cut
        down to such a multiple and filled up with zeros (`Windows.n_valid` tells).
    reject_by_annotation : bool
        Drop windows that overlap an annotation whose text begins with ``bad``.
    gaps : str
        ``drop`` windows that overlap a gap in the recording (``BAD_ACQ_SKIP``), or ``keep`` them.
    skip : float
        Seconds to leave out at the start and at the end.
    every : float, optional
        Seconds from the start of one window to that of the next, less than its length makes
        windows overlap, more leaves stretches out. Default: one after the other.

    Raises
    ------
    RecordingError
        ``too_short``; ``no_windows`` if annotations or gaps leave none.
    """
    if (seconds is None) == (samples is None) or gaps not in ("drop", "keep"):
        raise UsageError("bad_recipe", f"cut wants seconds or samples, one of them; came {seconds} and {samples}")
    if skip < 0 or (tail != "drop" and (isinstance(tail, str) or tail < 1)):
        raise UsageError(
            "bad_option", f"cut skip = {skip:g}, tail = {tail!r} came; wanted 0 or more, and 'drop' or a number"
        )
    sfreq, n_times = signal.sfreq, signal.n_times
    length = (
        float(samples) if samples is not None else float(seconds or 0) * (sfreq if tail == "drop" else round(sfreq))
    )
    hop = length if every is None else every * sfreq
    first, end = round(skip * sfreq), n_times - round(skip * sfreq)
    n_samples = round(length)
    if hop < 1 or n_samples < 1:  # less than a sample: several windows would be the same
        raise UsageError(
            "bad_recipe", f"cut: windows of {length / sfreq:g} s every {hop / sfreq:g} s do not advance at {sfreq:g} Hz"
        )
    multiple = 0 if tail == "drop" else int(tail)
    if multiple:
        n_samples = max(multiple, n_samples // multiple * multiple)
        hop = n_samples if every is None else hop
    starts = first + np.arange(max(int((end - first) / hop) + 1, 0)) * hop
    # Cut off, not rounded, as MNE's events are: 2.3 s at 100 Hz are 229.99… samples, and begin at 0, 229, 459, … (section 5).
    starts = starts.astype(np.int64)
    least = multiple or n_samples
    starts = starts[starts + least <= end]
    if not len(starts):
        raise _too_short(signal, f"{(least + 2 * first) / sfreq:g} s")
    n_valid = np.minimum(end - starts, n_samples)
    if multiple:
        n_valid = n_valid // multiple * multiple
    windows = crops_of(signal, starts, n_valid, n_samples)
    return without_rejected(windows, reject_by_annotation, gaps)


def crops_of(signal: Signal, starts: NDArray[Any], n_valid: NDArray[Any], n_samples: int) -> Windows:
    """Copy windows out of a signal, with whatever of scale and shift runs along time."""
    adjacent = bool((starts[1:] - starts[:-1] == n_samples).all() and (n_valid == n_samples).all())

    def crops(values: Array, rest: float = 0.0) -> Array:
        if values.shape[-1] == 1:
            return values[None]
        if adjacent:  # a view: the first step behind the cut makes the copy
            part = values[:, starts[0] : starts[0] + len(starts) * n_samples]
            return part.reshape(len(values), len(starts), n_samples).swapaxes(0, 1)
        out = np.full((len(starts), values.shape[0], n_samples), rest, values.dtype)
        for i, (start, n) in enumerate(zip(starts, n_valid, strict=True)):
            out[i, :, :n] = values[:, start : start + n]
        return out

    every = np.arange(len(starts), dtype=np.int64)
    windows = Windows(
        data=crops(signal.data),
        ch_names=signal.ch_names,
        ch_pos=signal.ch_pos,
        sfreq=signal.sfreq,
        onsets=starts / signal.sfreq,
        index=every,
        n_valid=n_valid.astype(np.int64),
        scale=crops(signal.scale, 1.0),
        shift=crops(signal.shift),
        level=crops(signal.level),
        not_undone=signal.not_undone,
        plan=signal.plan,
        flags=((),) * len(starts),
        notes=signal.notes,
        annotations=signal.annotations,
        name=signal.name,
        path=signal.path,
        axis=signal.axis,
    )
    return windows


def without_rejected(windows: Windows, reject_by_annotation: bool, gaps: str) -> Windows:
    """Flag windows that overlap annotations, and drop those that the options drop."""
    marked = [annotation for annotation in windows.annotations if annotation.is_bad or annotation.is_edge]
    if not marked:
        return windows
    begins, ends = windows.onsets, windows.onsets + windows.n_valid / windows.sfreq
    flags: dict[int, list[str]] = {}
    for annotation in marked:
        hit = (annotation.onset < ends) & (annotation.onset + annotation.duration > begins)
        for i in np.flatnonzero(hit):
            flags.setdefault(int(i), []).append(f"{ANNOTATED}{annotation.text}")
    return without_flagged(
        flagged(windows, {i: dict.fromkeys(found) for i, found in flags.items()}), reject_by_annotation, gaps
    )


def without_flagged(windows: Windows, reject_by_annotation: bool, gaps: str) -> Windows:
    """Drop windows that are flagged as overlapping what the options drop."""
    drop: dict[int, str] = {}
    for i, flags in enumerate(windows.flags):
        for flag in flags:
            text = flag.removeprefix(ANNOTATED) if flag.startswith(ANNOTATED) else ""
            annotation = Annotation(0.0, 0.0, text)
            if (annotation.is_gap and gaps == "drop") or (annotation.is_bad and reject_by_annotation):
                drop[i] = text
    if not drop:
        return windows
    reasons = ", ".join(dict.fromkeys(drop.values()))
    if len(drop) == len(windows):
        raise RecordingError(
            "no_windows",
            f"{windows.name}: {f'all {len(drop)} windows overlap' if len(drop) > 1 else 'its only window overlaps'} {reasons}",
            hint="leave --reject-annotated out, or set the cut step's reject_by_annotation = false"
            if reject_by_annotation
            else "give a longer recording",
        )
    kept = windows.take([i for i in range(len(windows)) if i not in drop])
    return noted(kept, f"{len(drop)} of {len(windows)} windows dropped, they overlap {reasons}")


def _too_short(state: Signal | Windows, wanted: str) -> RecordingError:
    found = state.data.shape[-1] / state.sfreq
    return RecordingError(
        "too_short",
        f"{state.name} has {found:g} s, wanted at least {wanted}",
        hint=LONGER,
    )
