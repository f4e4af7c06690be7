"""Signals as tokens of 32 samples, in either generation's order, and where each token is (spec zuna.md, section 3). Knows no network."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eegora.models.zuna.spec import PATCH


def position_bins(positions: NDArray[np.floating], n_bins: int, half_range: float) -> NDArray[np.int64]:
    """Return the box that each position lies in (spec section 3).

    Parameters
    ----------
    positions : ndarray, shape (..., 3)
        Metres, head frame.
    n_bins : int
        Boxes per axis.
    half_range : float
        Metres from the origin to the side of the whole; what lies outside counts as at the side.

    Returns
    -------
    ndarray of int64, shape (..., 3)
        Computed in float32 with exactly the original's operations: in float64 points on an edge fall elsewhere.
    """
    half = np.float32(half_range)
    share = (np.asarray(positions, np.float32) + half) / (half + half)
    return np.clip((share * np.float32(n_bins)).astype(np.int64), 0, n_bins - 1)


def token_indices(bins: Tensor, time: Tensor, order: str) -> Tensor:
    """Return each token's bins and its number in time: bins (1, C, 3), time (1, T) → (1, S, 4) in the order of tokens."""
    n_channels, n_steps = bins.shape[1], time.shape[1]
    place = bins[:, :, None].expand(-1, -1, n_steps, -1)
    when = time[:, None, :, None].expand(-1, n_channels, -1, 1)
    return in_order(torch.cat([place, when], dim=-1), order)


def to_tokens(signal: Tensor, order: str) -> Tensor:
    """Cut a signal (B, C, N) into tokens (B, S, 32): time-major for order ``A``, channel-major for ``B``."""
    return in_order(signal.unflatten(-1, (-1, PATCH)), order)


def by_channel(tokens: Tensor, n_channels: int, order: str) -> Tensor:
    """Bring tokens (B, S, n) back to (B, C, T, n)."""
    split = (-1, n_channels) if order == "A" else (n_channels, -1)
    cells: Tensor = tokens.unflatten(1, split)
    return cells.transpose(1, 2) if order == "A" else cells


def in_order(cells: Tensor, order: str) -> Tensor:
    """Line up cells (B, C, T, n) as tokens (B, S, n)."""
    return (cells.transpose(1, 2) if order == "A" else cells).flatten(1, 2)


def whole_tokens(missing: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Extend missing samples (..., N) to the tokens that they lie in."""
    cells = missing.reshape(*missing.shape[:-1], -1, PATCH).any(-1)
    return np.repeat(cells, PATCH, axis=-1)
