"""Attention over all of a sequence, in the shape that a device's fast kernels take. The sum is the same everywhere."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

MULTIPLE = 8  # of features per head: what fused kernels of GPUs ask for


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Return softmax(q kᵀ / √d) v.

    On a GPU an odd head size is filled up with zeros, which change no score and are cut off again; on a CPU that was
    measured to cost more than it brings.

    Parameters
    ----------
    q : Tensor, shape (batch, head, n_queries, d)
    k, v : Tensor, shape (batch, head, n_keys, d)

    Returns
    -------
    Tensor, shape (batch, head, n_queries, d)
    """
    d = q.shape[-1]
    missing = -d % MULTIPLE
    if not missing or not q.is_cuda:
        return F.scaled_dot_product_attention(q, k, v)
    q, k, v = (F.pad(x, (0, missing)) for x in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v, scale=d**-0.5)[..., :d]
