"""Attention by exponentials: the same numbers whatever the scores, and only where it is allowed and suits."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from eegora.compute import exponentials
from eegora.compute.exponentials import allowed, attend, suits
from eegora.layers.attention import attention


def heads(n_batch=3, n_heads=2, n=70, d=25, scale=1.0):
    """Queries, keys and values as a packed projection leaves them."""
    packed = torch.randn(n_batch, n, 3 * n_heads * d, generator=torch.Generator().manual_seed(0))
    q, k, v = packed.unflatten(-1, (3, n_heads, d)).permute(2, 0, 3, 1, 4)
    return q * scale, k, v


def expected(q, k, v):
    """In float64, by the definition."""
    q, k, v = (part.double() for part in (q, k, v))
    weights = (q @ k.transpose(2, 3) / math.sqrt(q.shape[-1])).softmax(-1)
    return (weights @ v).transpose(1, 2).flatten(2)


@pytest.fixture
def one_thread(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)


@pytest.mark.parametrize("portion", [1, exponentials.PORTION])
@pytest.mark.parametrize("n_read", [70, 1])
def test_the_numbers_are_those_of_the_definition(monkeypatch, portion, n_read):
    monkeypatch.setattr(exponentials, "PORTION", portion)
    q, k, v = heads()
    q = q[:, :, :n_read]
    before = [part.clone() for part in (q, k, v)]
    assert (attend(q, k, v) - expected(q, k, v)).abs().max() < 1e-6
    assert all(torch.equal(a, b) for a, b in zip(before, (q, k, v), strict=True))


@pytest.mark.parametrize("scale", [50.0, 1e6])
def test_scores_too_large_for_their_exponentials_are_taken_by_torch(scale):
    q, k, v = heads()
    q[1] *= scale
    found = attend(q, k, v)
    assert (found - expected(q, k, v)).abs().max() < (1e-4 if scale < 1e6 else 1)
    assert torch.equal(found[1], F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)[1])
    assert torch.equal(found[[0, 2]], attend(q[[0, 2]], k[[0, 2]], v[[0, 2]]))


def test_scores_far_below_zero_are_taken_by_torch():
    q, k, v = heads(n_batch=1)
    q, k = q.abs() * 30, -k.abs() - 1
    assert (attend(q, k, v) - expected(q, k, v)).abs().max() < 1e-4


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_stays_in_its_window(value):
    q, k, v = heads()
    k = k.clone()
    k[1, 0, 0, 0] = value
    found = attend(q, k, v)
    assert not found[1].isfinite().all()
    assert (found[[0, 2]] - expected(q, k, v)[[0, 2]]).abs().max() < 1e-6


def test_a_window_has_the_same_answer_in_any_batch():
    q, k, v = heads(n_batch=5)
    assert torch.equal(attend(q, k, v)[3:], attend(q[3:], k[3:], v[3:]))


def test_only_where_it_is_allowed_and_suits(one_thread, monkeypatch):
    q, k, _ = heads()
    with torch.inference_mode():
        assert not suits(q, k)
        with allowed():
            assert suits(q, k)
            assert suits(q[:, :, :1], k)
            assert not suits(q.double(), k.double())
            assert not suits(q[:, :, :8], k[:, :, :8])
            assert suits(*heads(n_batch=256, n=8)[:2])
            assert not suits(*heads(n_batch=256, n=9)[:2])
            assert not suits(*heads(n=exponentials.LONGEST + 1)[:2])
            assert not suits(*heads(d=32)[:2])
            with allowed(long=False):
                assert not suits(q, k)
                assert suits(*heads(n_batch=256, n=8)[:2])
            with allowed(tiny=False):
                assert suits(q, k)
                assert not suits(*heads(n_batch=256, n=8)[:2])
            with torch.enable_grad():
                assert not suits(q, k)
            monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
            assert not suits(q, k)
        assert not suits(q, k)


def test_layers_attend_this_way_where_it_suits(one_thread):
    q, k, v = heads()
    with torch.inference_mode():
        plain = attention(q, k, v)
        with allowed():
            fast = attention(q, k, v)
    assert torch.equal(fast, attend(q, k, v))
    assert not torch.equal(fast, plain)


def test_numpys_products_take_one_thread_and_have_theirs_back(monkeypatch):
    from threadpoolctl import threadpool_limits

    seen, matmul = [], np.matmul

    def watched(*given, **named):
        seen.append(numpys_threads())
        return matmul(*given, **named)

    monkeypatch.setattr(np, "matmul", watched)
    exponentials._numpys_library.cache_clear()  # other tests have loaded libraries since it was looked up
    q = torch.randn(1, 2, 70, 4, generator=torch.Generator().manual_seed(0))
    with threadpool_limits(3, user_api="blas"):
        attend(q, q, q)
        assert seen == [1, 1]
        assert numpys_threads() == 3


def numpys_threads():
    """The most threads of any library of products."""
    from threadpoolctl import threadpool_info

    return max(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
