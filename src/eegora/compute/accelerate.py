"""A network and its functions, made faster without changing what they compute: prepacked linears (CPU), captured graphs (CUDA), compiled if asked for.

Knows which technique belongs to which device; the techniques are in `prepacked` and `graphs`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from eegora.compute.device import Device

if TYPE_CHECKING:
    import torch

Function = Callable[["torch.nn.Module", "dict[str, torch.Tensor]"], "torch.Tensor"]


def accelerate(network: torch.nn.Module, device: Device, functions: Mapping[str, Function]) -> dict[str, Function]:
    """Make a network and the functions that run it faster.

    Parameters
    ----------
    network : torch.nn.Module
        On its device already; its linear maps are changed in place. Its state_dict stays as it is.
    device : Device
    functions : dict of str to callable
        (network, inputs) → tensor.

    Returns
    -------
    dict of str to callable
        The same functions: equal in float32 to within 1e-5 of outputs of order 1. On CUDA each keeps its captured graphs
        and holds to the device's number format whatever torch's global switches say.
    """
    if device.name == "cpu":
        from eegora.compute.memory import keep

        keep()
    if device.name == "cpu" and device.dtype == "float32":
        from eegora.compute import prepacked

        choice = prepacked.choose()
        prepacked.prepack(network, choice)
        if choice.long or choice.tiny:
            return {
                name: _with_exponentials(function, choice.long, choice.tiny) for name, function in functions.items()
            }
    if device.name.startswith("cuda"):
        from eegora.compute.fastest import choose_linears
        from eegora.compute.graphs import Graphs

        choose_linears(network)
        return {
            name: _in_format(device, Graphs(function, fuse=device.compiled)) for name, function in functions.items()
        }
    return dict(functions)


def _with_exponentials(function: Function, long: bool, tiny: bool) -> Function:
    from eegora.compute.exponentials import allowed

    def run(network: torch.nn.Module, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        with allowed(long, tiny):
            return function(network, inputs)

    return run


def _in_format(device: Device, function: Function) -> Function:
    def run(network: torch.nn.Module, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        with number_format(device):
            return function(network, inputs)

    return run


@contextmanager
def number_format(device: Device) -> Iterator[None]:
    """Allow TF32 in products and convolutions for the dtype ``tf32``, and for it alone (spec performance.md, section 4)."""
    import torch

    switches: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [switch.allow_tf32 for switch in switches]
    try:
        for switch in switches:
            switch.allow_tf32 = device.dtype == "tf32"
        yield
    finally:
        for switch, value in zip(switches, before, strict=True):
            switch.allow_tf32 = value
