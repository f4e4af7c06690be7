"""Attention over all of a sequence, in the shape that a device's fast kernels take. The sum is the same everywhere."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

MULTIPLE = 8  # of features per head: what fused kernels of GPUs ask for


def self_attention(heads: Tensor, n_read: int | None = None) -> Tensor:
    """Return softmax(q kᵀ / √d) v.

    On a GPU an odd head size is filled up with zeros, which change no score and are cut off again; on a CPU that was
    measured to cost more than it brings.

    Parameters
    ----------
    heads : Tensor, shape (3, batch, head, length, d)
        Queries, keys and values.
    n_read : int, optional
        Only the first so many queries; default: all.

    Returns
    -------
    Tensor, shape (batch, head, length or n_read, d)
    """
    d = heads.shape[-1]
    if heads.is_cuda and d % MULTIPLE:
        heads = F.pad(heads, (0, -d % MULTIPLE))
    q, k, v = heads
    return F.scaled_dot_product_attention(q[:, :, :n_read], k, v, scale=d**-0.5)[..., :d]
