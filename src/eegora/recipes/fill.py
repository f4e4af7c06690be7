"""How an electrode that a recording lacks is made from those it has: one row of weights each. Knows positions, no signal."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from eegora.errors import ChannelError
from eegora.signal import Array

POLICIES = ("refuse", "skip", "any", "zero", "nearest", "inverse-distance", "mean", "spline")
CHOICES = tuple(policy for policy in POLICIES if policy != "any")  # that one is for recipes: no note of what is lacking

LEAST_ON_A_SPHERE = 4


def weights(
    policy: str, have: Array, want: Mapping[str, NDArray[np.float64] | None], recording: str = "recording"
) -> Array:
    """Return the matrix that makes missing electrodes from present ones.

    Parameters
    ----------
    policy : str
        ``zero``, ``mean``, ``nearest``, ``inverse-distance`` (weights 1/d), ``spline`` (MNE's spherical splines).
    have : ndarray, shape (n_present, 3)
        Positions in metres, head frame; electrodes without one (NaN) are not used by the last three policies.
    want : dict of str to ndarray of shape (3,), or None
        Missing electrodes and their positions.
    recording : str
        For messages.

    Returns
    -------
    ndarray, shape (n_missing, n_present)

    Raises
    ------
    ChannelError
        ``no_positions``; ``too_few_channels`` if MNE can lay no sphere through the electrodes.
    """
    matrix = np.zeros((len(want), len(have)))
    if policy == "zero":
        return matrix
    if policy == "mean":
        return matrix + 1 / len(have)
    placed = np.flatnonzero(np.isfinite(have).all(axis=1))
    unknown = [name for name, position in want.items() if position is None]
    if unknown or not len(placed):
        raise ChannelError(
            "no_positions",
            f"{recording}: {policy} needs the positions of {', '.join(unknown) or 'its electrodes'}, which are unknown",
            hint="say missing='mean', 'zero' or 'skip'",
        )
    targets = np.array([position for position in want.values() if position is not None])
    if policy == "spline":
        few = f"{recording}: {len(placed)} electrodes with a position are too few for a spherical spline"
        try:
            if len(placed) < LEAST_ON_A_SPHERE:  # MNE counts those that it makes, too
                raise ValueError(few)
            matrix[:, placed] = _spline(have[placed], targets)
        except ValueError as error:
            raise ChannelError("too_few_channels", few, hint="say missing='nearest', 'mean' or 'skip'") from error
        return matrix
    distance = np.linalg.norm(targets[:, None] - have[None, placed], axis=-1)
    if policy == "nearest":
        matrix[np.arange(len(want)), placed[distance.argmin(axis=1)]] = 1.0
        return matrix
    near = 1 / np.maximum(distance, 1e-9)
    matrix[:, placed] = near / near.sum(axis=1, keepdims=True)
    return matrix


def _spline(have: Array, want: Array) -> Array:
    """Let MNE interpolate unit signals."""
    import mne

    names = [f"EEG{i}" for i in range(len(have) + len(want))]
    info = mne.create_info(names, 1.0, "eeg", verbose="error")
    positions = dict(zip(names, np.concatenate([have, want]), strict=True))
    with info._unlock():
        info["bads"] = names[len(have) :]
    unit = np.concatenate([np.eye(len(have)), np.zeros((len(want), len(have)))])
    evoked = mne.EvokedArray(unit, info, verbose="error")
    evoked.set_montage(mne.channels.make_dig_montage(positions, coord_frame="head"), verbose="error")
    evoked.interpolate_bads(verbose="error")
    return np.asarray(evoked.data[len(have) :])
