"""Attention over a sequence, in the shape that a device's fast kernels take. The sum is the same everywhere."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from eegora.compute import exponentials
from eegora.compute.fastest import Way, fastest

MULTIPLE = 8  # of features per head: what fused kernels of GPUs ask for
MOST = 2**27  # numbers that a way may write between its steps: half a gigabyte
SHORT = 16  # tokens: up to here sums may beat products


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Return softmax(q kᵀ / √d) v with the heads side by side.

    On a GPU in three ways of which the fastest is taken: torch's fused kernel, made for long sequences; products of
    matrices; sums, for very short sequences. On a CPU by `compute.exponentials` where that was found to be faster, else by torch.

    Parameters
    ----------
    q : Tensor, shape (batch, head, n, d)
    k, v : Tensor, shape (batch, head, m, d)

    Returns
    -------
    Tensor, shape (batch, n, head · d)
    """
    return _by_device(q, k, v, lambda: _fused(q, k, v, q.shape[-1]))


def self_attention(heads: Tensor, n_read: int | None = None) -> Tensor:
    """Return `attention` within a sequence, whose queries, keys and values come in one piece.

    On a GPU an odd head size is filled up with zeros for the fused kernel; they change no score and are cut off again. On a
    CPU that was measured to cost more than it brings.

    Parameters
    ----------
    heads : Tensor, shape (3, batch, head, length, d)
    n_read : int, optional
        Only the first so many queries; default: all.

    Returns
    -------
    Tensor, shape (batch, length or n_read, head · d)
    """
    q, k, v = heads[0, :, :, :n_read], heads[1], heads[2]

    def filled() -> Tensor:
        d = heads.shape[-1]
        more = F.pad(heads, (0, -d % MULTIPLE)) if d % MULTIPLE else heads
        return _fused(more[0, :, :, :n_read], more[1], more[2], d)

    return _by_device(q, k, v, filled)


def _by_device(q: Tensor, k: Tensor, v: Tensor, fused: Way) -> Tensor:
    if exponentials.suits(q, k):
        return exponentials.attend(q, k, v)
    if not q.is_cuda:
        return _fused(q, k, v, q.shape[-1])
    (n_batch, n_heads, n, d), m = q.shape, k.shape[2]
    ways = {"fused": fused}
    if q.dtype == torch.float32:  # in half precision the others round the scores
        if n_batch * n_heads * n * m <= MOST:
            ways["products"] = lambda: _products(q, k, v)
        if max(n, m) <= SHORT and n_batch * n_heads * n * m * d <= MOST:
            ways["sums"] = lambda: _sums(q, k, v)
    return fastest(("attention", q.shape, q.stride(), k.shape, q.dtype, q.device.index), ways)


def _merged(x: Tensor) -> Tensor:
    """Put heads side by side: (batch, head, n, d) → (batch, n, head · d)."""
    return x.transpose(1, 2).flatten(2)


def _fused(q: Tensor, k: Tensor, v: Tensor, d: int) -> Tensor:
    """Run torch's own attention on heads of which the first `d` features count."""
    return _merged(F.scaled_dot_product_attention(q, k, v, scale=d**-0.5)[..., :d])


def _products(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    q3, k3, v3 = (part.flatten(0, 1) for part in (q, k, v))
    scores = torch.baddbmm(q.new_empty(1, 1, 1), q3, k3.transpose(1, 2), beta=0, alpha=q.shape[-1] ** -0.5)
    return _merged(torch.bmm(scores.softmax(-1), v3).unflatten(0, q.shape[:2]))


def _sums(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    scores = (q[:, :, :, None] * k[:, :, None]).sum(-1) * q.shape[-1] ** -0.5
    return _merged((scores.softmax(-1)[..., None] * v[:, :, None]).sum(3))
