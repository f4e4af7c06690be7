"""A function's operations, recorded once for given shapes and compiled by torch so that neighbours share a kernel. Knows no model.

What it costs is half a minute the first time, and a compiler (Triton; a C compiler) on the machine; torch keeps its results
in its own cache folder. Whether the outcome may be trusted is for the caller to check.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

Inputs = dict[str, Tensor]
Function = Callable[[nn.Module, Inputs], Tensor]
Part = Callable[..., Tensor]
Kept = dict[Hashable, Part]  # a part with its owner and shapes → compiled

MOST = 5000  # operations: the largest embedding has about 1500; a sampler's loop would be compiled for hours
_parts: list[Kept] = []  # where parts are compiled at present


def fused(function: Function, network: nn.Module, inputs: Inputs) -> Function:
    """Return a function that does the same for inputs of these shapes and this network, where its parameters are now.

    The function is run once and its operations are written down, so whatever Python is in it (callbacks, tables that are
    kept) is the recording's affair, as for a CUDA graph. Of a function that has a `part`, the parts alone are compiled.

    Parameters
    ----------
    function : callable
        (network, inputs) → tensor.
    network : torch.nn.Module
    inputs : dict of str to Tensor

    Raises
    ------
    RuntimeError
        If there are too many operations; else whatever torch or a compiler raises, of which there is no list.
    """
    with _compiling({}) as kept:
        function(network, inputs)
    if kept:
        return _with(kept, function)
    names = sorted(inputs)

    def flat(*values: Tensor) -> Tensor:
        return function(network, dict(zip(names, values, strict=True)))

    compiled = _compiled(flat, [inputs[name] for name in names])

    def run(network: nn.Module, inputs: Inputs) -> Tensor:
        out: Tensor = compiled(*(inputs[name] for name in names))
        return out

    return run


def _with(kept: Kept, function: Function) -> Function:
    def run(network: nn.Module, inputs: Inputs) -> Tensor:
        with _compiling(kept):
            return function(network, inputs)

    return run


def part(function: Part, owner: nn.Module, *given: Tensor) -> Tensor:
    """Run a function that a longer one calls over and over; where the longer one is `fused`, this one is compiled instead.

    Parameters
    ----------
    function : callable
        (owner, *tensors) → tensor, whose only inputs are these.
    owner : torch.nn.Module
        Whose parameters it reads.
    given : tuple of Tensor
    """
    if not _parts:
        return function(owner, *given)
    key = (function, owner, *((tuple(value.shape), value.stride(), value.dtype) for value in given))
    if key not in _parts[-1]:
        _parts[-1][key] = _compiled(lambda *values: function(owner, *values), given)
    out: Tensor = _parts[-1][key](*given)
    return out


@contextmanager
def _compiling(kept: Kept) -> Iterator[Kept]:
    """Compile parts as they come, into `kept`."""
    _parts.append(kept)
    try:
        yield kept
    finally:
        _parts.pop()


def _compiled(flat: Callable[..., Tensor], given: Sequence[Tensor]) -> Callable[..., Tensor]:
    from torch.fx.experimental.proxy_tensor import make_fx

    recorded = make_fx(flat)(*given)
    if len(recorded.graph.nodes) > MOST:
        raise RuntimeError(f"{len(recorded.graph.nodes)} operations came, at most {MOST} are compiled")
    compiled: Callable[..., Tensor] = torch.compile(recorded, fullgraph=True, dynamic=False)
    return compiled
