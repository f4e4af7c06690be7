"""Captured CUDA graphs: a function's kernels, recorded once per set of input shapes and launched as one.

Knows when a recording can be trusted; anything that cannot be recorded runs as it is. Batch 1 is bound by launches
(spec performance.md, section 4). A recording reads a function's tables where they were: they must be kept for good
(`functools.cache`), never thrown out.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from eegora.compute.fastest import choosing, same
from eegora.compute.fused import Function, Inputs, fused

Shapes = tuple[tuple[str, tuple[int, ...], torch.dtype], ...]

LIMIT = 8  # graphs kept per function; the one that was used longest ago goes first
WARM_UP = 3


@dataclass(frozen=True)
class Captured:
    """A recorded run.

    Parameters
    ----------
    graph : torch.cuda.CUDAGraph
    inputs : dict of str to Tensor
        Where the recording reads.
    output : Tensor
        Where it writes.
    function : callable
        What was recorded: it may own tensors that the recording reads.
    """

    graph: torch.cuda.CUDAGraph
    inputs: Inputs
    output: Tensor
    function: Function

    def replay(self, inputs: Inputs) -> Tensor:
        """Run on other values of the same shapes; the result is the caller's own."""
        for name, value in inputs.items():
            self.inputs[name].copy_(value)
        self.graph.replay()
        return self.output.clone()


class Graphs:
    """A function (network, inputs) → tensor that replays a recording from the second call with the same shapes on.

    Parameters
    ----------
    function : callable
    limit : int
        Recordings kept.
    fuse : bool
        Record what `fused` makes of the function, where that works and agrees.

    Attributes
    ----------
    captured : dict
        Shapes → recording; None for shapes that were seen once, and for those that cannot be recorded.
    refused : dict
        Shapes → why they cannot be recorded.
    unfused : dict
        Shapes → why they were recorded as they are although `fuse` was asked for.
    """

    def __init__(self, function: Function, limit: int = LIMIT, *, fuse: bool = False) -> None:
        self.function, self.limit, self.fuse = function, limit, fuse
        self.captured: OrderedDict[Shapes, Captured | None] = OrderedDict()
        self.refused: dict[Shapes, str] = {}
        self.unfused: dict[Shapes, str] = {}
        self._watched: tuple[nn.Module, list[tuple[nn.Module, str]]] | None = None
        self._state: tuple[object, ...] = ()
        self._pool: object = None

    def __call__(self, network: nn.Module, inputs: Inputs) -> Tensor:
        """Run, by a recording where there is one."""
        if not all(value.is_cuda for value in inputs.values()) or torch.is_grad_enabled():
            return self.function(network, inputs)
        state = self._where(network)
        if state != self._state:  # a recording reads where the parameters were
            self.captured.clear()
            self.refused.clear()
            self._state = state
        key = tuple((name, tuple(value.shape), value.dtype) for name, value in sorted(inputs.items()))
        seen = key in self.captured
        captured = self.captured.get(key)
        if captured is None and seen and key not in self.refused:
            captured = self.captured[key] = self._capture(key, network, inputs)
        elif not seen:
            self.captured[key] = None
        self.captured.move_to_end(key)
        while len(self.captured) > self.limit:
            self.captured.popitem(last=False)
        return self.function(network, inputs) if captured is None else captured.replay(inputs)

    def _where(self, network: nn.Module) -> tuple[object, ...]:
        """Return where the first and the last parameter are: converting or moving a network moves them all.

        Going through all parameters for it took 0.2 ms, a fifth of a small network's run; so where they stand is kept.
        """
        if self._watched is None or self._watched[0] is not network:
            self._watched = (network, _ends(network))
        return (network, *(getattr(module, name).data_ptr() for module, name in self._watched[1]))

    def _capture(self, key: Shapes, network: nn.Module, inputs: Inputs) -> Captured | None:
        """Record a run; None if that is impossible or the recording does not do what the function does.

        Running out of memory is the caller's affair: it halves the batch.
        """
        fixed = {name: value.clone() for name, value in inputs.items()}
        here = torch.cuda.current_stream()
        aside = torch.cuda.Stream()
        aside.wait_stream(here)
        with torch.cuda.stream(aside):
            with choosing():
                expected = self.function(network, fixed)
            function = self._fused(key, network, fixed, expected) if self.fuse else self.function
            for _ in range(WARM_UP):
                function(network, fixed)
        here.wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()
        try:
            # A recording that breaks off warns that it is empty; as an error, that would leave torch's generator mid-way.
            with warnings.catch_warnings(action="ignore"), torch.cuda.graph(graph, pool=self._pool):  # type: ignore[arg-type]
                output = function(network, fixed)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            self.refused[key] = str(error).splitlines()[0]
            _close_recording()
            return None
        captured = Captured(graph, fixed, output, function)
        if not same(captured.replay(inputs), expected):
            self.refused[key] = "a replay gave another result"
            return None
        return captured

    def _fused(self, key: Shapes, network: nn.Module, inputs: Inputs, expected: Tensor) -> Function:
        """Return the function compiled, or as it is where that fails or gives something else; why is noted."""
        try:
            with warnings.catch_warnings(action="ignore"):  # torch's own, about itself
                function = fused(self.function, network, inputs)
                found = function(network, inputs)
            if same(found, expected):
                return function
            self.unfused[key] = "compiled it gave another result"
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # any of a compiler's
            self.unfused[key] = f"{type(error).__name__}: {error}".splitlines()[0]
        warnings.warn(f"not compiled, runs as it is: {self.unfused[key]}", stacklevel=2)
        return self.function


def _close_recording() -> None:
    """Make a recording of nothing much: one that broke off leaves torch's generator believing that it is still recorded."""
    torch.cuda.synchronize()
    value = torch.zeros(1, device="cuda")
    with torch.cuda.graph(torch.cuda.CUDAGraph()):
        value.add_(1)


def _ends(network: nn.Module) -> list[tuple[nn.Module, str]]:
    """Return the modules that own the first and the last parameter, with its name there."""
    names = [name for name, _ in network.named_parameters()]
    owners = (name.rpartition(".") for name in ([names[0], names[-1]] if names else []))
    return [(network.get_submodule(path), name) for path, _, name in owners]
