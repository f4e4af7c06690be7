from __future__ import annotations

import math

import pytest
import torch

from eegora.checkpoints.statistics import looks_initialised, tensor_statistics

NORMAL = torch.randn(64, 48, generator=torch.Generator().manual_seed(0)) / math.sqrt(48)
UNIFORM = (torch.rand(64, 48, generator=torch.Generator().manual_seed(0)) * 2 - 1) / math.sqrt(48)


def test_numbers() -> None:
    s = tensor_statistics("w", torch.tensor([[1.0, 2.0], [3.0, 6.0]], dtype=torch.bfloat16))
    assert (s.name, s.shape, s.dtype, s.n_numbers) == ("w", (2, 2), "bfloat16", 4)
    assert (s.mean, s.low, s.high) == (3.0, 1.0, 6.0)
    assert s.std == pytest.approx(math.sqrt(3.5))
    assert s.to_dict()["shape"] == [2, 2]


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        (torch.zeros(3, 4), "all zero"),
        (torch.full((3,), 2.5), "constant 2.5"),
        (torch.tensor([1.0, math.nan, math.inf]), "2 NaN or infinite"),
        (torch.full((4,), math.nan), "4 NaN or infinite"),
        (torch.zeros(0), "empty"),
        (UNIFORM, "as initialised"),
        (NORMAL * 100, "odd deviation: 1e+02"),
        (NORMAL / 100, "odd deviation"),
    ],
)
def test_suspicious(tensor: torch.Tensor, words: str) -> None:
    assert words in ", ".join(tensor_statistics("w", tensor).suspicious)


@pytest.mark.parametrize(
    "tensor",
    [NORMAL, UNIFORM * 1.3, torch.ones(()), torch.arange(5.0), torch.zeros(4, dtype=torch.int64), torch.randn(1, 9)],
    ids=str,
)
def test_not_suspicious(tensor: torch.Tensor) -> None:
    assert tensor_statistics("w", tensor).suspicious == ()


def drawn(*shape: int, bound: float) -> torch.Tensor:
    return bound * (2 * torch.rand(shape, generator=torch.Generator().manual_seed(0)) - 1)


FRESH = {"a.weight": drawn(8, 64, bound=64**-0.5), "a.bias": drawn(8, bound=0.1)}
GAUSS = torch.randn(8, 64, generator=torch.Generator().manual_seed(0)) / 8


@pytest.mark.parametrize(
    ("part", "initialised"),
    [
        (FRESH, True),
        (FRESH | {"b.weight": drawn(192, 64, bound=(6 / 256) ** 0.5)}, True),  # Glorot's bounds
        (FRESH | {"b.weight": torch.zeros(3, 8)}, True),
        (FRESH | {"b.weight": GAUSS}, False),
        ({"a.weight": GAUSS}, False),
        ({"a.weight": GAUSS, "a.bias": torch.zeros(8)}, True),
        ({"a.weight": GAUSS, "a.bias": torch.zeros(8), "b.bias": torch.tensor([0, 1e-3])}, False),
        ({"scale": torch.ones(1, 4, 1)}, True),
        ({"scale": torch.tensor([[[1.0], [1.1]]])}, False),
        ({"a.weight": 2 * FRESH["a.weight"], "a.bias": FRESH["a.bias"]}, False),
        ({}, False),
    ],
    ids=range(11),
)
def test_a_part_as_its_initialisation_left_it(part: dict[str, torch.Tensor], initialised: bool) -> None:
    assert looks_initialised(part) is initialised
