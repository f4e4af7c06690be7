"""How fast this machine is just now, from one short product: enough to say "about 3 min" before a long run. Knows no model."""

from __future__ import annotations

from functools import cache
from time import perf_counter
from typing import TYPE_CHECKING

from eegora.compute.device import Device

if TYPE_CHECKING:
    import torch

SHARE = 0.9  # of a plain product's rate that a whole network reaches, roughly: packed matrices make up for attention and norms
RUNS = 3


@cache
def product_rate(device: Device) -> float:
    """Return floating-point operations per second in products of the size that networks have; takes about 0.1 s."""
    import torch

    rows, width = (8192, 4096) if device.name.startswith("cuda") else (512, 1024)
    with torch.inference_mode():
        x = torch.ones(rows, width, dtype=device.torch_dtype, device=device.name)
        weight = torch.ones(width, width, dtype=device.torch_dtype, device=device.name)
        _seconds(x, weight)
        best = min(_seconds(x, weight) for _ in range(RUNS))
    return 2.0 * rows * width * width / max(best, 1e-9)


def seconds_for(work: float, device: Device) -> float:
    """Estimate how long some floating-point operations of a network take."""
    return work / (SHARE * product_rate(device))


def _seconds(x: torch.Tensor, weight: torch.Tensor) -> float:
    start = perf_counter()
    (x @ weight)[0, 0].item()  # reading a value waits for the device
    return perf_counter() - start
