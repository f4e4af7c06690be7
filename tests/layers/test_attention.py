"""All ways of attention give the same, whatever the device would choose."""

import math

import pytest
import torch

from eegora.layers import attention as module
from eegora.layers.attention import attention, self_attention


def heads(n_batch=2, n_heads=3, n=4, d=5, seed=0):
    """Queries, keys and values (3, batch, head, n, d) as a packed projection leaves them: strided, float64."""
    packed = torch.randn(
        n_batch, n, 3 * n_heads * d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    return packed.unflatten(-1, (3, n_heads, d)).permute(2, 0, 3, 1, 4)


def by_definition(q, k, v):
    weights = (torch.einsum("bhnd,bhmd->bhnm", q, k) / math.sqrt(q.shape[-1])).softmax(-1)
    return torch.einsum("bhnm,bhmd->bnhd", weights, v).flatten(2)


@pytest.mark.parametrize("way", ["_products", "_sums"])
@pytest.mark.parametrize("n_batch", [1, 2])
@pytest.mark.parametrize("n_read", [4, 2])
def test_a_way_is_attention(way, n_batch, n_read):
    q, k, v = heads(n_batch)
    q = q[:, :, :n_read]
    assert (getattr(module, way)(q, k, v) - by_definition(q, k, v)).abs().max() < 1e-14


def test_attention_and_self_attention_are_by_definition():
    packed = heads()
    expected = by_definition(*packed)
    assert (attention(*packed) - expected).abs().max() < 1e-14
    assert (self_attention(packed) - expected).abs().max() < 1e-14
    assert (self_attention(packed, 1) - expected[:, :1]).abs().max() < 1e-14


def test_filling_up_heads_changes_nothing():
    q, k, v = heads()
    filled = [torch.nn.functional.pad(part, (0, 3)) for part in (q, k, v)]
    assert (module._fused(*filled, 5) - by_definition(q, k, v)).abs().max() < 1e-14


@pytest.mark.parametrize(
    ("shape", "dtype", "offered"),
    [
        ((2, 3, 4, 5), torch.float32, ["fused", "products", "sums"]),
        ((2, 3, 40, 5), torch.float32, ["fused", "products"]),
        ((4096, 8, 200, 32), torch.float32, ["fused"]),
        ((2, 3, 4, 5), torch.bfloat16, ["fused"]),
    ],
)
def test_what_a_gpu_chooses_from(monkeypatch, shape, dtype, offered):
    seen = []
    monkeypatch.setattr(module, "fastest", lambda key, ways: seen.extend(ways))

    class OnGpu:
        """As much of a tensor on a GPU as is looked at before the choice."""

        is_cuda, device = True, torch.device("cuda:0")

        def __init__(self):
            self.shape, self.dtype = torch.Size(shape), dtype

        def stride(self):
            return (1,)

    attention(OnGpu(), OnGpu(), OnGpu())
    assert seen == offered
