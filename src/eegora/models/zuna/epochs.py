"""What the first generation's pipeline does besides its recipe: artefact rules, and epochs back to volts (spec zuna-pipeline.md, B).

Data are in its z units, before the division by 10. The recipe `zuna` has the rest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eegora.signal import Array

FLAT_MADS, FLAT_SHARE, FLAT_LEAST = 3.0, 0.01, 1e-6
CLIPPED_SHARE, CLIPPED_NEAR = 0.005, 1e-3
NOISY = 3.0  # times the mean deviation
QUIET = 0.1
PEAK_TO_PEAK = 20.0


def bad_channels(z: Array) -> NDArray[np.bool_]:
    """Find flat, clipped and noisy channels (B4).

    Parameters
    ----------
    z : ndarray, shape (n_channels, n_times)

    Returns
    -------
    ndarray of bool, shape (n_channels,)
    """
    deviation = z.std(axis=1)
    median = float(np.median(deviation))
    mad = float(np.median(np.abs(deviation - median)))
    least = median - FLAT_MADS * mad if mad > 0 else FLAT_SHARE * median
    bad = np.asarray(deviation < max(least, FLAT_LEAST * median))
    near = CLIPPED_NEAR * deviation[:, None]
    at_limit = np.isclose(z, z.max(axis=1, keepdims=True), atol=near) | np.isclose(
        z, z.min(axis=1, keepdims=True), atol=near
    )
    bad |= at_limit.mean(axis=1) > CLIPPED_SHARE
    if not bad.all():
        bad |= ~bad & (deviation > NOISY * deviation[~bad].mean())
    return bad


def without_artefacts(epochs: Array, bad: NDArray[np.bool_]) -> Array:
    """Zero bad channels, and channels of single epochs that are too loud, too quiet or too wide (B4).

    Parameters
    ----------
    epochs : ndarray, shape (n_epochs, n_channels, n_times)
    bad : ndarray of bool, shape (n_channels,)
    """
    deviation = epochs.std(axis=2)
    usual = deviation.mean() if deviation.size else 0.0
    out = (deviation > NOISY * usual) | (deviation < QUIET * usual) | (np.ptp(epochs, axis=2) > PEAK_TO_PEAK)
    return np.where((out | bad)[..., None], 0.0, epochs)


def without_bad_epochs(epochs: Array) -> Array:
    """Zero epochs in which fewer than half of the channels have a sample that is not zero (B4)."""
    share = (epochs != 0).any(axis=2).mean(axis=1)
    return np.where((share < 0.5)[:, None, None], 0.0, epochs)


def to_volts(epochs: Array, mean: float, deviation: float) -> Array:
    """Bring a model's epochs (n_epochs, n_channels, n_times) in z units back to volts, in float32, one after the other (B8)."""
    joined = np.concatenate(list(np.asarray(epochs, np.float32)), axis=1)
    return joined * np.float32(deviation) + np.float32(mean)
