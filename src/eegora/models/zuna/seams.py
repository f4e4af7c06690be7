"""Filled cells back into the recording that came: its rate, its reference, no step at the edges (spec zuna-pipeline.md, A6).

Knows arrays of both rates; what is filled, and with what, is `repair.py`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from eegora.models.zuna import masks
from eegora.models.zuna.masks import Cells
from eegora.models.zuna.spec import PATCH, RATE
from eegora.recipes import kernels
from eegora.signal import Annotation, Array, Signal, runs

if TYPE_CHECKING:
    from eegora.models.zuna.repair import Repaired


def at_own_rate(repaired: Repaired, signal: Signal) -> Array:
    """Put filled cells into the recording as it was read: its rate, its reference, its filters.

    Parameters
    ----------
    repaired : Repaired
    signal : Signal
        What `repair` got.

    Returns
    -------
    ndarray, shape (n_channels of the signal + n_added, n_times)
        Volts, float64. Every other sample is that of the recording, to the bit; added channels are zero in acquisition gaps.
    """
    filled = kernels.resample(repaired.hybrid.astype(np.float64), RATE, signal.sfreq)
    filled = np.pad(filled, ((0, 0), (0, max(0, signal.n_times - filled.shape[1]))), mode="edge")[:, : signal.n_times]
    out, void = [*signal.data], masks.gap_samples(signal.gaps, signal.n_times, signal.sfreq)
    for name, row, mask in zip(repaired.ch_names, filled, _masked(repaired, signal), strict=True):
        if name in repaired.added:
            out.append(np.where(void, 0.0, row))
        elif mask.any():
            i = _row_of(signal, repaired, name)
            out[i] = without_seams(np.where(mask, row, signal.data[i])[None], mask[None], void)[0]
    return np.array(out)


def spread_at_own_rate(repaired: Repaired, signal: Signal) -> Array | None:
    """Return the deviation over draws of each sample of `at_own_rate`, volts: zero where nothing was filled; None of one draw."""
    if repaired.spread is None:
        return None
    here, there = np.arange(signal.n_times) / signal.sfreq, np.arange(repaired.spread.shape[1]) / RATE
    out = np.zeros((len(signal.ch_names) + len(repaired.added), signal.n_times))
    for name, row, mask in zip(repaired.ch_names, repaired.spread, _masked(repaired, signal), strict=True):
        added = name in repaired.added
        i = len(signal.ch_names) + repaired.added.index(name) if added else _row_of(signal, repaired, name)
        # Straight lines: a filter would ring below zero.
        out[i] = np.where(mask, np.interp(here, there, row), 0.0)
    return out


def _masked(repaired: Repaired, signal: Signal) -> Cells:
    """Return which samples of a recording lie in filled cells, (rows of `repaired`, n_times)."""
    token = np.floor(np.arange(signal.n_times) / signal.sfreq * RATE / PATCH).astype(int)
    inside = token < repaired.cells.shape[1]
    masked = np.zeros((len(repaired.cells), signal.n_times), bool)
    masked[:, inside] = repaired.cells[:, token[inside]]
    # Added channels reach to the last sample, wherever the tokens end.
    masked[[name in repaired.added for name in repaired.ch_names]] = True
    return masked & ~masks.gap_samples(signal.gaps, signal.n_times, signal.sfreq)


def _row_of(signal: Signal, repaired: Repaired, name: str) -> int:
    """Find the row that a channel came from, whatever a recipe calls it."""
    if name in signal.ch_names:
        return signal.ch_names.index(name)
    use = repaired.windows.plan.of(name)
    before = {signal.plan.of(n): i for i, n in enumerate(signal.ch_names)}
    return next(i for u, i in before.items() if u is not None and use is not None and u.sources == use.sources)


def without_seams(values: Array, masked: Cells, void: Cells | None = None) -> Array:
    """Tilt each filled stretch so that it begins and ends at its neighbours' values (A6).

    Parameters
    ----------
    values : ndarray, shape (n_channels, n_times)
    masked : ndarray of bool, same shape
        Stretches without a neighbour, as of channels that are filled throughout, stay as they are.
    void : ndarray of bool, shape (n_times,), optional
        Samples that are no neighbours: of acquisition gaps.
    """
    out = np.array(values)
    there = np.ones(out.shape[1], bool) if void is None else ~void
    for row, mask in zip(out, masked, strict=True):
        for start, stop in runs(mask):
            left = row[start - 1] - row[start] if start and there[start - 1] else None
            right = row[stop] - row[stop - 1] if stop < len(row) and there[stop] else None
            if left is None and right is None:
                continue
            if left is None or right is None:
                row[start:stop] += right if left is None else left
            elif stop - start == 1:
                row[start] += (left + right) / 2
            else:
                tilt = np.linspace(0, 1, stop - start) * float(right - left)
                row[start:stop] = (row[start:stop] + left) + tilt
    return out


def filled_annotations(masked: Cells, ch_names: Sequence[str], label: str) -> tuple[Annotation, ...]:
    """Return one annotation per filled stretch, channels with the same one together; all channels: none is named."""
    spans: dict[tuple[int, int], list[str]] = {}
    for name, row in zip(ch_names, masked, strict=True):
        for run in runs(row):
            spans.setdefault(run, []).append(name)
    return tuple(
        Annotation(start / RATE, (stop - start) / RATE, label, () if len(names) == len(ch_names) else tuple(names))
        for (start, stop), names in sorted(spans.items())
    )
