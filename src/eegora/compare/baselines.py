"""What fills a hidden channel without a model: MNE's spherical splines, the nearest electrode, the mean; a line or zeros in time.

Knows arrays in which nothing of what is hidden is left; hiding is `hiding`'s, judging is `measures`'.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eegora.recipes.fill import weights
from eegora.recordings.opening import quietly, set_positions
from eegora.signal import Array

SPLINE = "spherical spline"
SPATIAL = (SPLINE, "nearest neighbour", "mean of the others")
LINE, ZEROS = "linear bridge", "zeros"
TEMPORAL = (LINE, ZEROS)


def spatial(
    data: Array, ch_names: Sequence[str], ch_pos: Array, hidden: Sequence[int], sfreq: float
) -> dict[str, Array]:
    """Fill channels from the others, sample by sample.

    Parameters
    ----------
    data : ndarray, shape (n_channels, n_times)
        Volts of good channels; rows of `hidden` are not read.
    ch_names : sequence of str
    ch_pos : ndarray, shape (n_channels, 3)
        Metres, head frame.
    hidden : sequence of int
        Rows.
    sfreq : float
        Hz.

    Returns
    -------
    dict of str to ndarray, shape (n_hidden, n_times)
        One entry per method of `SPATIAL`.
    """
    rows = list(hidden)
    visible = np.setdiff1d(np.arange(len(ch_names)), rows)
    want = {ch_names[i]: ch_pos[i] for i in rows}
    nearest, mean = (weights(policy, ch_pos[visible], want) @ data[visible] for policy in ("nearest", "mean"))
    return dict(zip(SPATIAL, (spherical_spline(data, ch_names, ch_pos, rows, sfreq), nearest, mean), strict=True))


def spherical_spline(data: Array, ch_names: Sequence[str], ch_pos: Array, hidden: Sequence[int], sfreq: float) -> Array:
    """Return what ``raw.interpolate_bads()`` of MNE makes of hidden rows, shape (n_hidden, n_times)."""
    import mne

    shown = np.array(data, np.float64)
    shown[list(hidden)] = 0.0
    with quietly(SPLINE):
        raw = mne.io.RawArray(shown, mne.create_info(list(ch_names), sfreq, "eeg"), copy=None, verbose="ERROR")
        set_positions(raw, dict(zip(ch_names, ch_pos, strict=True)))
        raw.info["bads"] = [ch_names[i] for i in hidden]
        raw.interpolate_bads(reset_bads=False, verbose="ERROR")
        return np.asarray(raw.get_data(verbose="ERROR")[list(hidden)])


def temporal(data: Array, start: int, stop: int) -> dict[str, Array]:
    """Fill a stretch of time from what is before and after it.

    Parameters
    ----------
    data : ndarray, shape (n_channels, n_times)
        Samples from `start` to `stop` are not read.

    Returns
    -------
    dict of str to ndarray, shape (n_channels, stop - start)
        One entry per method of `TEMPORAL`.
    """
    return {LINE: bridged(data, start, stop)[:, start:stop], ZEROS: np.zeros((len(data), stop - start))}


def bridged(data: Array, start: int, stop: int) -> Array:
    """Return a copy with a straight line from the sample before a stretch to the one behind it.

    At the recording's ends the line is level; where nothing is outside the stretch it is zero.
    """
    out = np.array(data)
    outside = np.r_[start - 1 if start else [], stop if stop < data.shape[-1] else []].astype(int)
    inside = np.arange(start, stop)
    for row in out:
        row[inside] = np.interp(inside, outside, row[outside]) if len(outside) else 0.0
    return out
