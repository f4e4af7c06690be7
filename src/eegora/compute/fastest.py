"""Several ways to compute one thing on a CUDA device: each timed once per shape, the fastest right one kept. Knows no network.

Which kernel a library takes for a shape, and how good it is there, cannot be known beforehand (decision 7): a small product
with a bias takes three times as long as the same product with an addition behind it, a large one does not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Way = Callable[[], Tensor]

REPEATS = 20  # of a way in the recording that is timed
LONG = 0.3  # milliseconds; above, what launching takes does not matter
# How far apart two results may be, relative to the largest value.
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}
TF32, HALF = 5e-3, 3e-2
_kept: dict[Hashable, str] = {}
_open: list[bool] = []


@contextmanager
def choosing() -> Iterator[None]:
    """Let `fastest` time what it has not timed yet; not while a graph is being recorded."""
    _open.append(True)
    try:
        yield
    finally:
        _open.pop()


def fastest(key: tuple[Hashable, ...], ways: Mapping[str, Way], clock: Callable[[Way], float] | None = None) -> Tensor:
    """Compute by the fastest way known for a key, else by the first.

    Parameters
    ----------
    key : tuple
        What is computed and in which shapes; number format and device are added.
    ways : dict of str to callable
        The first is the plain one. All give the same to within rounding; one that does not is left out.
    clock : callable, optional
        Time of a way; default: on the device, from a recording.
    """
    plain = next(iter(ways))
    key = (*key, torch.backends.cuda.matmul.allow_tf32)
    if _open and key not in _kept:
        _kept[key] = plain  # what runs while timing chooses nothing
        expected = ways[plain]()
        times = {name: _time(way, expected, clock or _on_device) for name, way in ways.items()}
        _kept[key] = min(times, key=times.__getitem__)  # the first of equals
    return ways[_kept.get(key, plain)]()


def _time(way: Way, expected: Tensor, clock: Callable[[Way], float]) -> float:
    """Return how long a way takes; for ever if it fails or gives something else."""
    try:
        return clock(way) if same(way(), expected) else math.inf
    except RuntimeError:  # no kernel for it, or no memory
        return math.inf


def same(found: Tensor, expected: Tensor) -> bool:
    """Say whether two results are one but for rounding, in their number format and that of the products behind them."""
    limit = TOLERANCE.get(expected.dtype, HALF)
    if expected.dtype == torch.float32 and torch.backends.cuda.matmul.allow_tf32:
        limit = TF32
    if found.shape != expected.shape:
        return False
    scale = expected.abs().max().item() if expected.numel() else 0.0
    far = (found - expected).abs().max().item() if expected.numel() else 0.0
    return bool(far <= limit * scale)


def _on_device(way: Way) -> float:
    """Return milliseconds of a way; of a short one as part of a graph, because launching it takes longer than running it."""
    found = min(_elapsed(way) for _ in range(3))
    if found > LONG:
        return found
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(REPEATS):
            way()
    return min(_elapsed(graph.replay) for _ in range(4)) / REPEATS


def _elapsed(run: Callable[[], object]) -> float:
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    run()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end))


class TimedLinear(nn.Linear):
    """A linear map with a bias, by whichever way is fastest for the number of rows. Made from an existing one by `choose_linears`."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., n_in) to (..., n_out)."""
        if not x.is_cuda or torch.is_grad_enabled() or not x.numel():
            return super().forward(x)
        key = ("linear", x.numel() // x.shape[-1], *self.weight.shape, x.dtype, x.is_contiguous(), x.device.index)
        return fastest(key, linear_ways(x, self.weight, self.bias))


def linear_ways(x: Tensor, weight: Tensor, bias: Tensor) -> dict[str, Way]:
    """Return ways to map x (..., n_in) to x weightᵀ + bias (..., n_out): the bias in the product's own pass, behind it, or before."""
    shape = (*x.shape[:-1], len(weight))

    def rows() -> Tensor:
        return x.reshape(-1, x.shape[-1])

    return {
        "together": lambda: F.linear(x, weight, bias),
        "behind": lambda: torch.mm(rows(), weight.t()).add_(bias).view(shape),
        "before": lambda: torch.addmm(bias.expand(len(rows()), -1), rows(), weight.t()).view(shape),
    }


def choose_linears(network: nn.Module) -> None:
    """Let the plain linear maps with a bias of a network choose; it is changed in place, its parameters and names stay."""
    for module in network.modules():
        if type(module) is nn.Linear and module.bias is not None:
            module.__class__ = TimedLinear
