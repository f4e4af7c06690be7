"""Attention on one thread of a CPU by NumPy's products of matrices, for short sequences and small heads. Knows no network.

torch's attention cuts a sequence into tiles, whose products are too small for its library where heads have 25 features;
and it subtracts each row's largest score, which is needed only where scores are so large that their exponentials overflow.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

LONGEST = 256  # tokens; above, tiles are large enough
PORTION = 2**19  # scores at a time: they stay in the cache from one step to the next
LEAST, MOST = 2.0**-60, 2.0**90  # of a row's sum: in between nothing that counts has under- or overflowed
LONG = 64  # tokens; below, tiles are whole sequences and nothing is gained,
EVEN = 8  # multiples of it, as features of a head, the tiles' products take fast enough
TINY, MANY = 8, 512  # but for very short ones, if there are many of them (sequences times heads)
_allowed: ContextVar[tuple[bool, bool]] = ContextVar("allowed", default=(False, False))


@contextmanager
def allowed(long: bool = True, tiny: bool = True) -> Iterator[None]:
    """Let layers attend this way to long or tiny sequences; for machines where it was found to be faster there."""
    before = _allowed.set((long, tiny))
    try:
        yield
    finally:
        _allowed.reset(before)


def suits(q: Tensor, k: Tensor) -> bool:
    """Say whether attention of these queries to these keys, each (batch, head, tokens, features), is to run this way."""
    long, tiny = _allowed.get()
    if not (long or tiny) or q.dtype != torch.float32 or q.is_cuda or torch.is_grad_enabled():
        return False
    n_batch, n_heads, n, d = q.shape
    longest = max(n, k.shape[2])
    odd = bool(d % EVEN)
    suited = (long and odd and LONG <= longest <= LONGEST) or (tiny and longest <= TINY and n_batch * n_heads >= MANY)
    return suited and torch.get_num_threads() == 1


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Return softmax(q kᵀ / √d) v with the heads side by side.

    Parameters
    ----------
    q : Tensor, shape (batch, head, n, d)
        float32, on the CPU, without gradients.
    k, v : Tensor, shape (batch, head, m, d)

    Returns
    -------
    Tensor, shape (batch, n, head · d)
    """
    n_batch, n_heads, n, d = q.shape
    out = torch.empty(n_batch, n, n_heads, d)
    size = max(1, PORTION // (n_heads * n * k.shape[2]))
    with _numpys_library().limit(limits=1):
        for parts in zip(*(part.split(size) for part in (q, k, v, out)), strict=True):
            _portion(*parts)
    return out.flatten(2)


@cache
def _numpys_library() -> Any:
    """Return what sets the threads of NumPy's products: it has its own number, and threads that wait for each other on busy cores."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


def _portion(q: Tensor, k: Tensor, v: Tensor, out: Tensor) -> None:
    with np.errstate(all="ignore"):  # what is no number shows in the sums
        scores = np.matmul(q.numpy(), k.numpy().swapaxes(2, 3))
    powers = torch.from_numpy(scores).mul_(math.log2(math.e) * q.shape[-1] ** -0.5).exp2_()
    sums = powers.sum(-1)  # (batch, head, n)
    low, high = torch.aminmax(sums)
    if not (low.item() > LEAST and high.item() < MOST):
        good = ((sums > LEAST) & (sums < MOST)).flatten(1).all(1)
        for i in range(len(out)):
            part = slice(i, i + 1)
            if good[i]:
                _portion(q[part], k[part], v[part], out[part])
            else:
                out[part] = F.scaled_dot_product_attention(q[part], k[part], v[part]).transpose(1, 2)
        return
    np.matmul(scores, v.numpy(), out=out.numpy().swapaxes(1, 2))
    out.div_(sums.transpose(1, 2)[..., None])
