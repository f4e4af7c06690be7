"""A function's operations, recorded once for given shapes and compiled by torch so that neighbours share a kernel. Knows no model.

What it costs is half a minute the first time, and a compiler (Triton; a C compiler) on the machine; torch keeps its results
in its own cache folder. Whether the outcome may be trusted is for the caller to check.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

Inputs = dict[str, Tensor]
Function = Callable[[nn.Module, Inputs], Tensor]

MOST = 5000  # operations: the largest embedding has about 1500; a sampler's loop would be compiled for hours


def fused(function: Function, network: nn.Module, inputs: Inputs) -> Function:
    """Return a function that does the same for inputs of these shapes and this network, where its parameters are now.

    The function is run once and its operations are written down, so whatever Python is in it (callbacks, tables that are
    kept) is the recording's affair, as for a CUDA graph.

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
    from torch.fx.experimental.proxy_tensor import make_fx

    names = sorted(inputs)

    def flat(*values: Tensor) -> Tensor:
        return function(network, dict(zip(names, values, strict=True)))

    recorded = make_fx(flat)(*(inputs[name] for name in names))
    if len(recorded.graph.nodes) > MOST:
        raise RuntimeError(f"{len(recorded.graph.nodes)} operations came, at most {MOST} are compiled")
    compiled: Any = torch.compile(recorded, fullgraph=True, dynamic=False)

    def run(network: nn.Module, inputs: Inputs) -> Tensor:
        out: Tensor = compiled(*(inputs[name] for name in names))
        return out

    return run
