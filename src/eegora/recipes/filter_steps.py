"""Filters: each stretch between gaps on its own, and a recording in pieces by reading half a filter more. The numbers are `kernels`' and MNE's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eegora.errors import RecordingError, UsageError
from eegora.recipes import kernels
from eegora.recipes.line_noise import find_lines, find_lines_in, line_noise_in
from eegora.recipes.pieces import Work, by_channel
from eegora.recipes.undo import State, lossy, noted, spare, through_time
from eegora.signal import Annotation, Array, Signal
from eegora.stream import Stream, chained, stretch
from eegora.windows import Windows

FEW = 16  # stretches that are enough to see whether the mains are still there


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
    flat = constant(state.data)  # asked first: the filter may write over them
    if method == "iir":
        done = _filtered(state, "filter", partial(_butterworth, sfreq=state.sfreq, l_freq=l_freq, h_freq=h_freq))
    else:
        done = _fir(state, "filter", kernels.design(float(state.sfreq), l_freq, h_freq))
    if l_freq is None or not flat.any():
        return done
    # A high-pass leaves nothing of a constant; on a recording shorter than the filter the zeros beyond the reflection
    # would make a slow wave of it, which a z-score then blows up to look like a signal.
    return replace(done, data=np.where(flat[..., None], 0.0, done.data))


def filter_stream(stream: Stream, work: Work, **options: Any) -> Stream:
    """Filter in pieces. Forward and backward (iir) nothing less than a channel will do."""
    change = partial(filter, **options)
    if options.get("method") == "iir":
        probe = filter(replace(stream.head, data=np.zeros((len(stream.ch_names), 64))), **options)
        head = replace(probe, data=stream.head.data, shift=stream.head.shift)
        return by_channel(stream, work, head, change, stream.n_times)
    edges = options.get("l_freq"), options.get("h_freq")
    taps = None if edges == (None, None) else partial(kernels.design, stream.sfreq, *edges)
    return _along_time(stream, "filter", taps, change)


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
    if not detect:
        done = _without_lines(state, freqs)
        if isinstance(state, Windows) or done is state:
            return done
        good = _good(state)
        return noted(done, *_left(lambda start, stop: done.data[good, start:stop], done, done.n_times, freqs))
    if isinstance(state, Windows):
        raise UsageError("bad_recipe", "notch detect = true needs a continuous recording", hint="put it before the cut")
    lines = find_lines(state.data[_good(state)], state.sfreq)
    return _without_lines(noted(state, _told(lines)), _apart(lines))


def notch_stream(stream: Stream, work: Work, *, freqs: float | Sequence[float] = (), detect: bool = False) -> Stream:
    """Take lines out in pieces; where they are to be detected, the same spectrum is summed up in a pass of its own."""
    if detect:
        good = _good(stream.head)

        def read(start: int, stop: int) -> Array:
            work.room.tell(stop, stream.n_times)
            return stream.read(start, stop).data[good]

        guess: tuple[float, ...] = ()
        found = work.learned(lambda: find_lines_in(read, len(good), stream.n_times, stream.sfreq), guess)
        stream, freqs = stream.told(_told(found)), _apart(found)
    lines = _sorted(freqs)
    if not lines:
        return stream
    taps = partial(kernels.design_notch, stream.sfreq, lines)
    done = _along_time(stream, "notch", taps, partial(_without_lines, freqs=lines))
    if detect:
        return done
    good = _good(done.head)
    return done.told(
        *work.learned(
            lambda: _left(lambda a, b: done.read(a, b).data[good], done.head, done.n_times, lines), tuple[str, ...]()
        )
    )


def _left(
    read: Callable[[int, int], Array], signal: Signal, n_times: int, freqs: float | Sequence[float]
) -> tuple[str, ...]:
    """Say it if the mains still stand out behind a notch, because it is at the other frequency."""
    notched = _sorted(freqs)
    found = line_noise_in(read, n_times, signal.sfreq, most=FEW) if len(_good(signal)) else None
    left = [f"{line:g}" for line in found or () if line not in notched]
    if not left:
        return ()
    told = f"line noise at {' and '.join(left)} Hz is still there: the notch is at {', '.join(map('{:g}'.format, notched))} Hz"
    return (f"{told}; --line-freq {left[0]} moves it (in Python line_freq={left[0]})",)


def _good(signal: Signal) -> list[int]:
    """Return the rows in which lines are looked for."""
    return [i for i, name in enumerate(signal.ch_names) if name not in signal.bads]


def _told(lines: Sequence[float]) -> str:
    """Say what was found."""
    return f"line noise found at {', '.join(f'{f:g}' for f in lines)} Hz" if lines else "no line noise found"


def _sorted(freqs: float | Sequence[float]) -> tuple[float, ...]:
    """Return lines in order, one or several."""
    return (float(freqs),) if isinstance(freqs, int | float) else tuple(sorted(map(float, freqs)))


def _overlap(lines: tuple[float, ...]) -> bool:
    """Say whether the stop bands of neighbours meet."""
    return any(above >= below for (_, above), (below, _) in pairwise(kernels.notch_edges(lines)))


def _apart(lines: tuple[float, ...]) -> tuple[float, ...]:
    """Return detected lines, or the first if one filter cannot take them all."""
    return lines[:1] if lines and _overlap(lines) else lines


def _without_lines(state: State, freqs: float | Sequence[float]) -> State:
    lines = _sorted(freqs)
    if not lines:
        return state
    edges = kernels.notch_edges(lines)
    _check_edge(state, "freqs", edges[0][0])
    _check_edge(state, "freqs", edges[-1][1])
    if _overlap(lines):
        raise UsageError(
            "bad_recipe", f"notch freqs {lines} stand too close for one filter", hint="use two notch steps"
        )
    return _fir(state, "notch", kernels.design_notch(float(state.sfreq), lines))


def _along_time(
    stream: Stream, step: str, taps: Callable[[], Array] | None, change: Callable[[Signal], Signal]
) -> Stream:
    """Filter stretch by stretch: each piece is read with half a filter more on both sides, which is cut off again."""
    head = change(stream.head)  # refuses what it would refuse of the whole
    if taps is None:
        return stream
    n_taps = len(taps())
    half = n_taps // 2
    parts = stretches(stream.n_times, stream.sfreq, stream.head.annotations)
    head = noted(replace(head, notes=stream.head.notes), *distorted(step, n_taps, parts))

    def piece(start: int, stop: int) -> Signal:
        inside = next(((a, b) for a, b in parts if a <= start < b), None)
        if inside is None:
            return stream.read(start, stop)  # in a gap
        low, high = max(inside[0], start - half), min(inside[1], stop + half)
        return stretch(change(stream.read(low, high)), start - low, stop - low)

    def read(start: int, stop: int) -> Signal:
        edges = sorted({start, stop, *(e for part in parts for e in part if start < e < stop)})
        made = chained([piece(a, b) for a, b in pairwise(edges)])
        return replace(head, data=made.data, scale=made.scale, shift=made.shift, level=made.level, annotations=())

    return Stream(head, stream.n_times, read)


def constant(data: Array) -> NDArray[np.bool_]:
    """Say which rows never change, shape (…, n_channels): two samples that differ spare the look at the others."""
    flat: NDArray[np.bool_] = data[..., 0] == data[..., data.shape[-1] // 2]
    if flat.any():
        flat = data.max(-1) == data.min(-1)
    return flat


def stretches(n_times: int, sfreq: float, annotations: Sequence[Annotation]) -> list[tuple[int, int]]:
    """Return the parts (start, stop) between gaps and edges, in samples, that a filter treats one by one."""
    breaks = sorted(
        (round(a.onset * sfreq), round((a.onset + a.duration) * sfreq)) for a in annotations if a.is_gap or a.is_edge
    )
    parts, at = [], 0
    for start, stop in breaks:
        if min(start, n_times) > at:
            parts.append((at, min(start, n_times)))
        at = max(at, stop)
    return [*parts, (at, n_times)] if at < n_times else parts


def _fir(state: State, step: str, taps: Array) -> State:
    def convert(values: Array) -> Array:
        own = spare(values)
        return kernels.convolve(values, taps, out=own if own is not None and own.flags.c_contiguous else None)

    state = noted(state, *distorted(step, len(taps), _parts(state)))
    return _filtered(state, step, convert)


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
