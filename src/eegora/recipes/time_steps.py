"""Steps along the time axis: filters, resampling and the cut into windows. The numbers are `kernels`' and MNE's; channels are `channel_steps`'."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eegora.errors import RecordingError, UsageError
from eegora.recipes import kernels, resample_blocks
from eegora.recipes.undo import State, flagged, lossy, noted, through_time
from eegora.signal import Annotation, Array, Signal
from eegora.windows import Windows

LONGER = "give a longer recording, or a shorter window"
SPLITTERS = ("edge", "bad_acq_skip")


def filter(state: State, *, l_freq: float | None = None, h_freq: float | None = None, method: str = "fir") -> State:
    """High-pass, low-pass or band-pass, as MNE's ``raw.filter`` does by default; each stretch between gaps on its own.

    Parameters
    ----------
    state : Signal or Windows
    l_freq, h_freq : float, optional
        Pass-band edges in Hz.
    method : str
        ``fir``: zero phase, Hamming-windowed sinc. ``iir``: Butterworth, order 4, forward and backward, by MNE.

    Raises
    ------
    RecordingError
        ``bad_rate`` if an edge is not between 0 and half the sampling rate.
    UsageError
        ``bad_option`` if the edges leave no band between them, or there is no such method.
    """
    if method not in ("fir", "iir"):
        raise UsageError("bad_option", f"filter method = '{method}' came, wanted fir or iir")
    for option, edge in (("l_freq", l_freq), ("h_freq", h_freq)):
        _check_edge(state, option, edge)
    if l_freq is None and h_freq is None:
        return state
    if l_freq is not None and h_freq is not None and l_freq >= h_freq:
        raise UsageError(
            "bad_option",
            f"filter l_freq = {l_freq:g} and h_freq = {h_freq:g} Hz leave nothing to pass",
            hint="give l_freq below h_freq; notch takes bands out",
        )
    if method == "iir":
        done = _filtered(state, "filter", partial(_butterworth, sfreq=state.sfreq, l_freq=l_freq, h_freq=h_freq))
    else:
        done = _fir(state, "filter", kernels.design(float(state.sfreq), l_freq, h_freq))
    flat = constant(state.data)
    if l_freq is None or not flat.any():
        return done
    # A high-pass leaves nothing of a constant; on a recording shorter than the filter the zeros beyond the reflection
    # would make a slow wave of it, which a z-score then blows up to look like a signal.
    return replace(done, data=np.where(flat[..., None], 0.0, done.data))


def notch(state: State, *, freqs: float | Sequence[float] = (), detect: bool = False) -> State:
    """Take out narrow lines, all with one FIR filter, as MNE's ``raw.notch_filter`` does by default.

    Parameters
    ----------
    state : Signal or Windows
    freqs : float or sequence of float
        Hz. Nothing happens if there are none.
    detect : bool
        Look for lines in the spectrum of the good channels instead (before the cut only).

    Raises
    ------
    RecordingError
        ``bad_rate`` if a stop band reaches half the sampling rate; ``UsageError`` if two overlap.
    """
    lines = (float(freqs),) if isinstance(freqs, int | float) else tuple(sorted(map(float, freqs)))
    if detect:
        if isinstance(state, Windows):
            raise UsageError(
                "bad_recipe", "notch detect = true needs a continuous recording", hint="put it before the cut"
            )
        from eegora.recipes.lines import find_lines

        good = [i for i, name in enumerate(state.ch_names) if name not in state.bads]
        lines = find_lines(state.data[good], state.sfreq)
        found = f"line noise found at {', '.join(f'{f:g}' for f in lines)} Hz" if lines else "no line noise found"
        state = noted(state, found)
    if not lines:
        return state
    edges = kernels.notch_edges(lines)
    _check_edge(state, "freqs", edges[0][0])
    _check_edge(state, "freqs", edges[-1][1])
    if any(above >= below for (_, above), (below, _) in pairwise(edges)):
        if not detect:
            raise UsageError(
                "bad_recipe", f"notch freqs {lines} stand too close for one filter", hint="use two notch steps"
            )
        lines = lines[:1]
    return _fir(state, "notch", kernels.design_notch(float(state.sfreq), lines))


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
        index = kernels.nearest_index(n_times, wanted)
        pick = partial(np.take, indices=index, axis=-1)
        changed = replace(
            state,
            data=pick(state.data),
            scale=state.scale if state.scale.shape[-1] == 1 else pick(state.scale),
            shift=state.shift if state.shift.shape[-1] == 1 else pick(state.shift),
        )
    elif resample_blocks.Grid(n_times, state.sfreq, goal).in_blocks:
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
    adjacent = bool((np.diff(starts) == n_samples).all() and (n_valid == n_samples).all())

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
        axis=signal.axis,
    )
    return windows


def without_rejected(windows: Windows, reject_by_annotation: bool, gaps: str) -> Windows:
    """Flag windows that overlap annotations, and drop those that the options drop."""
    begins, ends = windows.onsets, windows.onsets + windows.n_valid / windows.sfreq
    flags: dict[int, list[str]] = {}
    drop: dict[int, str] = {}
    for annotation in windows.annotations:
        text = annotation.text.lower()
        if not text.startswith(("bad", "edge")):
            continue
        hit = (annotation.onset < ends) & (annotation.onset + annotation.duration > begins)
        for i in np.flatnonzero(hit):
            flags.setdefault(int(i), []).append(f"annotated:{annotation.text}")
            gap = text.startswith("bad_acq_skip") and gaps == "drop"
            if gap or (reject_by_annotation and text.startswith("bad")):
                drop[int(i)] = annotation.text
    windows = flagged(windows, {i: dict.fromkeys(found) for i, found in flags.items()})
    if not drop:
        return windows
    reasons = ", ".join(dict.fromkeys(drop.values()))
    if len(drop) == len(windows):
        raise RecordingError(
            "no_windows",
            f"{windows.name}: all {len(windows)} windows overlap {reasons}",
            hint="set the cut step's reject_by_annotation = false"
            if reject_by_annotation
            else "give a longer recording",
        )
    kept = windows.take([i for i in range(len(windows)) if i not in drop])
    return noted(kept, f"{len(drop)} of {len(windows)} windows dropped, they overlap {reasons}")


def constant(data: Array) -> NDArray[np.bool_]:
    """Say which rows never change, shape (…, n_channels): two samples that differ spare the look at the others."""
    flat: NDArray[np.bool_] = data[..., 0] == data[..., data.shape[-1] // 2]
    if flat.any():
        flat = data.max(-1) == data.min(-1)
    return flat


def stretches(n_times: int, sfreq: float, annotations: Sequence[Annotation]) -> list[tuple[int, int]]:
    """Return the parts (start, stop) between gaps and edges, in samples, that a filter treats one by one."""
    breaks = sorted(
        (round(a.onset * sfreq), round((a.onset + a.duration) * sfreq))
        for a in annotations
        if a.text.lower().startswith(SPLITTERS)
    )
    parts, at = [], 0
    for start, stop in breaks:
        if min(start, n_times) > at:
            parts.append((at, min(start, n_times)))
        at = max(at, stop)
    return [*parts, (at, n_times)] if at < n_times else parts


def _fir(state: State, step: str, taps: Array) -> State:
    state = noted(state, *distorted(step, len(taps), _parts(state)))
    return _filtered(state, step, partial(kernels.convolve, taps=taps))


def distorted(step: str, n_taps: int, parts: Sequence[tuple[int, int]]) -> tuple[str, ...]:
    """Say it if a filter is longer than one of the stretches that it treats."""
    shortest = min((b - a for a, b in parts), default=n_taps)
    told = f"{step} of {n_taps} taps on {shortest} samples: the ends are likely distorted"
    return (told,) if n_taps > shortest else ()


def _filtered(state: State, step: str, convert: Callable[[Array], Array]) -> State:
    parts = _parts(state)
    if parts == [(0, state.data.shape[-1])]:
        return lossy(through_time(state, convert), step)

    def by_part(values: Array) -> Array:
        out = values.copy()
        for start, stop in parts:
            out[..., start:stop] = convert(values[..., start:stop])
        return out

    return lossy(through_time(state, by_part), step)


def _parts(state: Signal | Windows) -> list[tuple[int, int]]:
    if isinstance(state, Windows):
        return [(0, state.data.shape[-1])]
    return stretches(state.n_times, state.sfreq, state.annotations)


def _butterworth(data: Array, *, sfreq: float, l_freq: float | None, h_freq: float | None) -> Array:
    import mne

    return np.asarray(mne.filter.filter_data(data, sfreq, l_freq, h_freq, method="iir", verbose="error"))


def _check_edge(state: Signal | Windows, option: str, edge: float | None) -> None:
    if edge is not None and not 0 < edge < state.sfreq / 2:
        raise RecordingError(
            "bad_rate",
            f"{state.name}: {option} = {edge:g} Hz came, wanted between 0 and {state.sfreq / 2:g} Hz, half of the sampling rate",
            hint=f"set the option {option} lower, or give a recording with a higher rate",
        )


def _too_short(state: Signal | Windows, wanted: str) -> RecordingError:
    found = state.data.shape[-1] / state.sfreq
    return RecordingError(
        "too_short",
        f"{state.name} has {found:g} s, wanted at least {wanted}",
        hint=LONGER,
    )
