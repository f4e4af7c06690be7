"""Filled stretches: no step at their edges, and annotations that name them (spec zuna-pipeline.md, A6). Knows arrays of any rate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eegora.models.zuna.masks import Cells
from eegora.models.zuna.spec import RATE
from eegora.signal import Annotation, Array, runs


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
