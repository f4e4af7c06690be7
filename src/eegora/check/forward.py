"""How long a network will take and what it holds, without its parameters: its operations are counted on shapes alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eegora import registry
from eegora.compute.rate import SHARE, product_rate
from eegora.spec import ModelSpec, Variant
from eegora.windows import Windows

# What a task runs: a head is small beside the network under it, and filling is reconstructing.
RUNS = {"classify": "embed", "repair": "reconstruct", "upsample": "reconstruct"}
Shapes = tuple[tuple[str, tuple[int, ...], bool], ...]  # of inputs: name, shape, whether of floats


@dataclass(frozen=True)
class Forward:
    """What a network has to do.

    Parameters
    ----------
    n_windows : int
    gflop : float
        Operations of one window, in 10⁹: products, convolutions and attention.
    product_gflops : float
        How many a second this machine does in plain products, measured just now.
    device : str
        That a command takes by itself.
    parameter_bytes : int
        In float32.
    """

    n_windows: int
    gflop: float
    product_gflops: float
    device: str
    parameter_bytes: int

    @property
    def seconds(self) -> float:
        """Time for all windows, roughly: at the share of that rate that a whole network reaches, parameters loaded."""
        return self.n_windows * self.gflop / (SHARE * self.product_gflops)


def forward(spec: ModelSpec, variant: Variant, task: str, windows: Windows, n_windows: int) -> Forward | None:
    """Count what a variant does with windows like the first of these.

    Parameters
    ----------
    spec, variant
    task : str
    windows : Windows
        At least one.
    n_windows : int
        That will go through.

    Returns
    -------
    Forward, or None
        None where operations depend on the numbers, so that shapes alone do not tell them.

    Raises
    ------
    EegoraError
        What the model says of windows that it does not take.
    """
    from eegora.compute.device import choose_device

    folder = registry.find(spec.name)[0]
    code, run, one = registry.code(folder), RUNS.get(task, task), windows.take(slice(0, 1))
    config = _config(folder, variant, task)
    packed = code.packed(run, one, config)
    told = tuple((name, tuple(tensor.shape), tensor.is_floating_point()) for name, tensor in packed.items())
    work, n_bytes = _counted(folder, variant, task, told)
    if code.work is not None:
        work = code.work(run, one, config)
    device = choose_device()
    if work is None:
        return None
    return Forward(n_windows, work / 1e9, product_rate(device) / 1e9, device.name, n_bytes)


def _config(folder: str, variant: Variant, task: str) -> dict[str, Any]:
    """Return the configuration with which a command loads a variant for a task."""
    code, parts = registry.code(folder), registry.specs()[folder].parts.get(task, ())
    shapes = {key: shape for key, (shape, _) in code.layout(variant.config).items()}
    return {**code.detect(shapes), **variant.config, **dict.fromkeys(parts, True)}


# Keyed by what there is few of, and not by the variant itself: it holds a dict.
_known: dict[Any, tuple[float | None, int]] = {}


def _counted(folder: str, variant: Variant, task: str, shapes: Shapes) -> tuple[float | None, int]:
    """Return the operations on inputs of these shapes, None where they cannot be told, and the bytes of the parameters."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    key = (folder, variant.name, task, shapes)
    if key in _known:
        return _known[key]
    code = registry.code(folder)
    with torch.device("meta"):
        network = code.build(_config(folder, variant, task)).eval()
        inputs = {
            name: torch.empty(shape, dtype=torch.float32 if floats else torch.int64) for name, shape, floats in shapes
        }
    work: float | None = None
    if code.work is None:
        try:
            with torch.inference_mode(), FlopCounterMode(display=False) as counter:
                getattr(code, RUNS.get(task, task))(network, inputs)
            work = float(counter.get_total_flops())
        except (AssertionError, RuntimeError):  # a part that this variant has not, or an operation without a shape rule
            pass
    _known[key] = work, 4 * sum(parameter.numel() for parameter in network.parameters())
    return _known[key]
