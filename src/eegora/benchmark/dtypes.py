"""What each number format costs and gives: time, memory, and the error against float64."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from eegora.benchmark import machine
from eegora.benchmark.memory import checkpoint, peaks
from eegora.benchmark.subject import Subject
from eegora.benchmark.sweeps import Plan, times_of
from eegora.compute.device import Device, choose_device
from eegora.errors import DeviceError

if TYPE_CHECKING:
    import torch

DRAWN = 400  # pairs of numbers kept for a chart
EDGES = np.linspace(-12, 1, 53)  # decades of the error's distribution


def dtypes(plan: Plan) -> Iterator[dict[str, Any]]:
    """Yield a row per model, number format and number of threads.

    Yields
    ------
    dict
        What a sweep's row has, what `memory` measures, and ``max_abs``, ``rmse``, ``r`` against float64 on the CPU with the same
        parameters and input, ``relative`` (RMSE over the standard deviation of the float64 result), ``pairs`` (some numbers of
        float64 and of this format) and ``error_counts`` (numbers per quarter of a decade of the absolute error).
    """
    share = plan.seconds / len(plan.names) / len(plan.dtypes) / len(plan.threads)
    for name in plan.names:
        with checkpoint(name, plan.checkpoint) as path:
            yield from _of_model(name, replace(plan, seconds=share, checkpoint=path))


def _of_model(name: str, plan: Plan) -> Iterator[dict[str, Any]]:
    devices = {}
    for dtype in plan.dtypes:
        try:
            devices[dtype] = choose_device(plan.device, dtype)
        except DeviceError as error:
            yield {"name": name, "dtype": dtype, "device": plan.device, "refused": error.message}
    held = dict(zip(devices, peaks(name, plan, [(dtype, 1) for dtype in devices]), strict=True))
    with machine.threads(plan.threads[0]):
        reference = Subject(plan.what(name), Device("cpu", "float64", "the reference"), plan.checkpoint)
        inputs = reference.inputs(1)
        gflop, exact = reference.gflop(inputs), reference.run(inputs).double()
    for dtype, device in devices.items():
        for threads in plan.threads_on(device.name):
            with machine.threads(threads):
                subject = Subject(plan.what(name), device, plan.checkpoint)
                subject.accelerate()
                wrong = errors(subject.run(subject.inputs(1)).double().cpu(), exact)
                times = times_of(subject, 1, gflop, threads, plan)
            yield {**held[dtype], "threads": threads, **times, **wrong}


def errors(found: torch.Tensor, exact: torch.Tensor) -> dict[str, Any]:
    """Return how far one result is from another, both float64."""
    one, two = found.flatten().numpy(), exact.flatten().numpy()
    error = np.abs(one - two)
    rmse, spread = float(np.sqrt(np.mean(error**2))), float(two.std())
    seen = np.log10(np.maximum(error, 10.0 ** EDGES[0]))
    some = np.linspace(0, len(two) - 1, min(DRAWN, len(two))).astype(int)
    return {
        "max_abs": float(error.max()),
        "rmse": rmse,
        "relative": rmse / spread if spread else None,
        "r": float(np.corrcoef(one, two)[0, 1]) if spread and one.std() else None,
        "scale": float(np.abs(two).max()),
        "pairs": [[float(f"{a:.6g}"), float(f"{b:.6g}")] for a, b in zip(two[some], one[some], strict=True)],
        "error_counts": np.histogram(seen, EDGES)[0].tolist(),
    }
