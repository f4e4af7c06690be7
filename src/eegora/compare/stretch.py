"""Which part of a recording is tried, and which samples of it count: seconds, samples and annotations. Knows no channel's worth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from eegora.compare.hiding import Hidden
from eegora.signal import Signal


def quietest(signal: Signal, seconds: float) -> float:
    """Return where a stretch with the fewest bad samples begins: the one nearest to the middle, in seconds."""
    if signal.seconds <= seconds:
        return 0.0
    last = signal.n_times - round(seconds * signal.sfreq)
    starts = np.unique(np.linspace(0, last, 2 * int(signal.seconds / seconds) + 1).round().astype(int))
    bad = np.concatenate([[0], np.cumsum(sum(spoilt(signal, name).astype(int) for name in signal.ch_names))])
    costs = bad[starts + signal.n_times - last] - bad[starts]
    best = starts[costs == costs.min()]
    return float(best[np.abs(best - last / 2).argmin()] / signal.sfreq)


def cropped(signal: Signal, start: float, seconds: float) -> Signal:
    """Return a stretch of a signal with the annotations that reach into it."""
    first = round(start * signal.sfreq)
    stop = min(signal.n_times, first + round(seconds * signal.sfreq))
    kept = []
    for a in signal.annotations:
        low, high = max(a.onset - start, 0.0), min(a.onset + a.duration - start, (stop - first) / signal.sfreq)
        if low < high:
            kept.append(replace(a, onset=low, duration=high - low))
    return replace(signal, data=signal.data[:, first:stop], annotations=tuple(kept))


def spoilt(signal: Signal, name: str) -> NDArray[np.bool_]:
    """Mark the samples of a channel that an annotation calls bad, shape (n_times,)."""
    out = np.zeros(signal.n_times, bool)
    for a in signal.annotations:
        if a.is_bad and (not a.ch_names or name in a.ch_names):
            start, stop = np.rint(np.array([a.onset, a.onset + a.duration]) * signal.sfreq).astype(int)
            out[max(start, 0) : max(stop, 0)] = True
    return out


def within(item: Hidden, signal: Signal) -> tuple[int, int]:
    """Return the samples (start, stop) of a hidden thing."""
    return round(item.start * signal.sfreq), min(round(item.stop * signal.sfreq), signal.n_times)
