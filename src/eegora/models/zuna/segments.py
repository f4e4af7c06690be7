"""A recording cut into segments, each referenced and scaled by itself, and the way back to volts (spec zuna-pipeline.md, A3 and A6).

Knows which cells count in a segment's statistics and where a channel without good ones takes its scale from; float32, as the original.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eegora.errors import RecordingError, UsageError
from eegora.models.zuna.masks import Cells
from eegora.models.zuna.spec import PATCH, RATE, SHORTEST_S
from eegora.recipes import kernels
from eegora.recipes.fill import weights
from eegora.signal import Array, Signal
from eegora.windows import Windows

Float32 = NDArray[np.float32]
Bounds = list[tuple[int, int]]

DATA_NORM = np.float32(10)
EPSILON = np.float32(1e-6)  # volts, added to every deviation
SHORTEST = round(SHORTEST_S * RATE)  # samples
N_KNOWN = 128  # good samples that a channel's own scale needs


def segments(n_times: int, seconds: float, tail: str = "cover") -> Bounds:
    """Return (start, stop) of segments in samples at 256 Hz: whole tokens, one after the other.

    Raises
    ------
    UsageError
        ``bad_option``.
    RecordingError
        ``too_short`` if there is not one token.
    """
    if not seconds > 0 or not np.isfinite(seconds):
        raise UsageError("bad_option", f"segments of {seconds} s came, wanted more than 0", hint="in Python seconds=5")
    length = max(PATCH, round(seconds * RATE) // PATCH * PATCH)
    end = -(-n_times // PATCH) * PATCH if tail == "cover" else n_times // PATCH * PATCH
    if n_times < PATCH:
        raise RecordingError(
            "too_short", f"{n_times / RATE:g} s of recording, wanted {PATCH / RATE} s or more", hint="give a longer one"
        )
    bounds = [(start, min(start + length, end)) for start in range(0, end, length)]
    if tail == "cover" and len(bounds) > 1 and bounds[-1][1] - bounds[-1][0] < SHORTEST:
        bounds[-2:] = [(bounds[-2][0], end)]
    return bounds


def long_enough(data: Array, length: int) -> Array:
    """Cut, or extend by odd reflection."""
    more = length - data.shape[1]
    return kernels.reflect(data, 0, more) if more > 0 else data[:, :length]


@dataclass(frozen=True)
class Scaled:
    """Segments in the model's units, and the way back.

    Parameters
    ----------
    tokens : list of ndarray, shape (n_channels, n_times of the segment)
    references : list of ndarray, shape (n_times of the segment,)
        Volts.
    means, deviations : ndarray, shape (n_segments, n_channels)
        Volts.
    """

    tokens: list[Float32]
    references: list[Float32]
    means: Float32
    deviations: Float32


def scaled_segments(
    volts: Float32, bounds: Bounds, cells: Cells, real: Cells, signal: Signal, statistics: str, scale: str
) -> Scaled:
    """Reference and scale each segment in float32 (A3).

    Parameters
    ----------
    volts : ndarray of float32, shape (n_channels, n_times)
    bounds : list of (start, stop)
    cells : ndarray of bool, shape (n_channels, n_tokens)
        Bad ones.
    real : ndarray of bool, shape (n_channels,)
        False for added channels, which never count.
    signal : Signal
        For names and positions.
    statistics, scale : str
        As in `repair.RepairOptions`.
    """
    counted = ~np.repeat(cells, PATCH, axis=1) if statistics == "good" else np.ones(volts.shape, bool)
    counted &= real[:, None]
    rows, references, means, deviations = [], [], [], []
    for start, stop in bounds:
        part, good = volts[:, start:stop], counted[:, start:stop]
        reference = _reference(part, good, real)
        x = part - reference
        own = good if statistics == "good" else np.ones_like(good)
        known = own.sum(axis=1) >= (min(N_KNOWN, stop - start) if scale == "neighbours" else 1)
        # Sums over a mask round otherwise than sums over all.
        chosen = True if (own.all(axis=1) | ~known).all() else own | ~known[:, None]
        mean = x.mean(axis=1, where=chosen)
        deviation = x.std(axis=1, where=chosen) + EPSILON
        if scale == "neighbours":
            mean[~known], deviation[~known] = np.nan, np.nan
        rows.append(x)
        references.append(reference)
        means.append(mean)
        deviations.append(deviation)
    mean, deviation = np.array(means), np.array(deviations)
    if scale == "neighbours":
        mean, deviation = _from_neighbours(mean, signal), _from_neighbours(deviation, signal)
    tokens = [(x - m[:, None]) / d[:, None] / DATA_NORM for x, m, d in zip(rows, mean, deviation, strict=True)]
    return Scaled(tokens, references, mean, deviation)


def _reference(part: Float32, good: Cells, real: Cells) -> Float32:
    """Return the mean over channels at each sample; straight lines where no channel is good."""
    if good[real].all():
        return np.asarray(part[real].mean(axis=0))
    there = good.any(axis=0)
    out = np.zeros(part.shape[1], np.float32)
    out[there] = part[:, there].mean(axis=0, where=good[:, there])
    if there.any():
        out[~there] = np.interp(np.flatnonzero(~there), np.flatnonzero(there), out[there])
    return out


def _from_neighbours(values: Float32, signal: Signal) -> Float32:
    """Fill what is NaN in (n_segments, n_channels): from the electrodes around, else from the nearest segment."""
    out = np.array(values)
    for row in out:
        known = np.isfinite(row)
        if known.any() and not known.all():
            want = {signal.ch_names[i]: signal.ch_pos[i] for i in np.flatnonzero(~known)}
            row[~known] = weights("inverse-distance", signal.ch_pos[known], want, signal.name) @ row[known]
    empty = ~np.isfinite(out).all(axis=1)
    if empty.all():
        raise RecordingError(
            "all_bad",
            f"{signal.name}: no channel has half a second of good data in any segment",
            hint="mark less as bad, or in Python model.repair(…, seconds=30)",
        )
    full = np.flatnonzero(~empty)
    for i in np.flatnonzero(empty):
        out[i] = out[full[np.abs(full - i).argmin()]]
    return out


def odd_tokens(tokens: list[Float32], real: Cells, flat: float | None, noisy: float | None) -> Cells:
    """Mark tokens (n_channels, n_tokens) that are too flat or too noisy in units of their segment's deviation."""
    joined = np.concatenate(tokens, axis=1) * DATA_NORM
    deviation = joined.reshape(len(joined), -1, PATCH).std(axis=-1)
    odd = np.zeros(deviation.shape, bool)
    if flat is not None:
        odd |= deviation < flat
    if noisy is not None:
        odd |= deviation > noisy
    return odd & real[:, None]


def to_windows(signal: Signal, bounds: Bounds, cells: Cells, scaled: Scaled) -> Windows:
    """Line up segments as windows, the shorter ones filled up with zeros."""
    starts, stops = np.array(bounds).T
    n_valid = stops - starts
    shape = (len(bounds), len(signal.ch_names), int(n_valid.max()))
    data, missing, shift = np.zeros(shape, np.float32), np.zeros(shape, bool), np.zeros(shape)
    masked = np.repeat(cells, PATCH, axis=1)
    for i, (start, stop) in enumerate(bounds):
        n = stop - start
        data[i, :, :n] = scaled.tokens[i]
        missing[i, :, :n] = masked[:, start:stop]
        shift[i, :, :n] = scaled.means[i][:, None] + scaled.references[i]
    return Windows(
        data=data,
        ch_names=signal.ch_names,
        ch_pos=signal.ch_pos,
        sfreq=RATE,
        onsets=starts / RATE,
        index=np.arange(len(bounds), dtype=np.int64),
        n_valid=n_valid.astype(np.int64),
        missing=missing,
        scale=(scaled.deviations * DATA_NORM)[..., None].astype(np.float64),
        shift=shift,
        not_undone=signal.not_undone,
        plan=signal.plan,
        notes=signal.notes,
        annotations=signal.annotations,
        name=signal.name,
        axis=signal.axis,
    )


def to_volts(data: Float32, bounds: Bounds, scaled: Scaled) -> Float32:
    """Join segments in the model's units (n_segments, n_channels, n_times) as volts, in float32 (A6)."""
    parts = [
        data[i, :, : stop - start] * DATA_NORM * scaled.deviations[i][:, None]
        + scaled.means[i][:, None]
        + scaled.references[i]
        for i, (start, stop) in enumerate(bounds)
    ]
    return np.concatenate(parts, axis=1, dtype=np.float32)
