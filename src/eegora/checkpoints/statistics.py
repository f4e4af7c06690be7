"""Numbers about the tensors of a checkpoint, and what is suspicious about them. Knows no model and no names."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

# A layer's matrix, times the square root of its inputs, has a deviation near 1; trained ones stay within a factor of 30.
ODD = (1 / 30, 30.0)


@dataclass(frozen=True)
class TensorStatistics:
    """One tensor in numbers.

    Parameters
    ----------
    name : str
    shape : tuple of int
    dtype : str
    mean, std, low, high : float or None
        Over the finite entries, in float64; None if there are none.
    suspicious : tuple of str
        ``NaN or infinite``, ``all zero``, ``constant``, ``odd deviation``, ``as initialised``; empty if nothing is.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    mean: float | None
    std: float | None
    low: float | None
    high: float | None
    suspicious: tuple[str, ...]

    @property
    def n_numbers(self) -> int:
        """Entries."""
        return math.prod(self.shape)

    def to_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return asdict(self) | {"shape": list(self.shape), "suspicious": list(self.suspicious)}


def tensor_statistics(name: str, tensor: torch.Tensor) -> TensorStatistics:
    """Return the numbers of one tensor; only this one is brought to float64 meanwhile."""
    import torch

    shape, dtype = tuple(tensor.shape), str(tensor.dtype).removeprefix("torch.")
    values = tensor.detach().to(torch.float64).flatten()
    finite = values[torch.isfinite(values)]
    found = [f"{len(values) - len(finite)} NaN or infinite"] if len(finite) < len(values) else []
    if not len(finite):
        return TensorStatistics(name, shape, dtype, None, None, None, None, tuple(found or ["empty"]))
    mean, std = finite.mean().item(), finite.std(correction=0).item()
    low, high = (extreme.item() for extreme in finite.aminmax())
    if tensor.is_floating_point():
        found += _suspicions(shape, std, low, high)
    return TensorStatistics(name, shape, dtype, mean, std, low, high, tuple(found))


def _suspicions(shape: tuple[int, ...], std: float, low: float, high: float) -> Iterable[str]:
    if low == high and math.prod(shape) > 1:
        return ["all zero" if low == 0 else f"constant {low:g}"]
    if len(shape) < 2 or math.prod(shape[1:]) < 2 or shape[0] < 2:
        return []
    bound = 1 / math.sqrt(math.prod(shape[1:]))
    # Six standard errors of the deviation of so many even draws.
    margin = 6 / math.sqrt(5 * math.prod(shape)) + 1e-3
    if max(-low, high) <= bound * (1 + 1e-3) and abs(std * math.sqrt(3) / bound - 1) < margin:
        return ["as initialised: even between ±1/√inputs, never trained?"]
    if not ODD[0] < std / bound < ODD[1]:
        return [f"odd deviation: {std / bound:.2g} times 1/√inputs"]
    return []
