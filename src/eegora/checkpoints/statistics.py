"""Numbers about the tensors of a checkpoint, and what is suspicious about them. Knows no model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

# A layer's matrix, times the square root of its inputs, has a deviation near 1; trained ones stay within a factor of 30.
ODD = (1 / 30, 30.0)
MANY = 1000  # entries from which an even distribution is told from any other without knowing its bounds


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
    if _even(max(-low, high), std, bound, math.prod(shape)):
        return ["as initialised: even between ±1/√inputs, never trained?"]
    if not ODD[0] < std / bound < ODD[1]:
        return [f"odd deviation: {std / bound:.2g} times 1/√inputs"]
    return []


def looks_initialised(part: Mapping[str, torch.Tensor]) -> bool:
    """Say whether a part of a network is as an initialisation leaves it.

    That is: all biases 0, or all matrices even between two bounds or 0, or, without matrices, all tensors constant. Training
    moves the biases, and leaves the bounds or bends the distribution; other initialisations are not recognised.

    Parameters
    ----------
    part : dict of str to Tensor
        A bias is what is called so.
    """
    values = {key: value.double() for key, value in part.items()}
    biases = [value for key, value in values.items() if key.endswith("bias")]
    matrices = [value.flatten(1) for value in values.values() if value.ndim > 1 and value.numel() > len(value) > 1]
    if biases and not any(bias.any() for bias in biases):
        return True
    if not matrices:
        return bool(values) and all(value.numel() > 1 and value.std() == 0 for value in values.values())
    return all(not matrix.any() or _drawn(matrix) for matrix in matrices)


def _drawn(matrix: torch.Tensor) -> bool:
    """Say whether a matrix is even between ±1/√inputs, or a large one between any bounds (other rules of initialisation)."""
    high, bound = matrix.abs().max().item(), matrix.shape[1] ** -0.5
    if high > bound * (1 + 1e-3) and matrix.numel() >= MANY:
        bound = high
    return _even(high, matrix.std(correction=0).item(), bound, matrix.numel())


def _even(high: float, std: float, bound: float, count: int) -> bool:
    """Say whether the deviation is that of so many even draws between ±bound, within six of its standard errors."""
    margin = 6 / math.sqrt(5 * count) + 1e-3
    return high <= bound * (1 + 1e-3) and abs(std * math.sqrt(3) / bound - 1) < margin
