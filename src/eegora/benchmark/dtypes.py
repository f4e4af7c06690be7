"""What each number format costs and gives: time, memory of the parameters, and the error against float64."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from eegora.benchmark.subject import Subject
from eegora.benchmark.sweeps import Plan, Point, sweep
from eegora.compute.device import Device, choose_device
from eegora.errors import DeviceError

if TYPE_CHECKING:
    import torch

DTYPES = ("float64", "float32", "bfloat16", "float16")
DRAWN = 400  # pairs of numbers kept for a chart
EDGES = np.linspace(-12, 1, 53)  # decades of the error's distribution


def dtypes(plan: Plan) -> Iterator[dict[str, Any]]:
    """Yield a row per model and number format.

    Yields
    ------
    dict
        What `sweep` yields, and ``parameters_mib``, ``max_abs``, ``rmse``, ``r`` against float64 on the CPU with the same
        parameters and input, ``relative`` (RMSE over the standard deviation of the float64 result), ``pairs`` (some numbers of
        float64 and of this format) and ``error_counts`` (numbers per quarter of a decade of the absolute error).
    """
    wanted = plan.dtypes if plan.dtypes != Plan.dtypes else DTYPES[1:3] if plan.quick else DTYPES
    for name in plan.names:
        reference = Subject(plan.what(name), Device("cpu", "float64", "the reference"), plan.checkpoint)
        exact = reference.run(reference.inputs(1)).double()
        for dtype in wanted:
            try:
                device = choose_device(plan.device, dtype)
            except DeviceError as error:
                yield {"name": name, "dtype": dtype, "device": plan.device, "refused": error.message}
                continue
            subject = Subject(plan.what(name), device, plan.checkpoint)
            bytes_ = sum(value.numel() * value.element_size() for value in subject.network.state_dict().values())
            subject.accelerate()
            found = subject.run(subject.inputs(1)).double().cpu()
            one = replace(plan, threads=plan.threads[:1])
            for row in sweep(name, [Point()], one, dtype):
                yield row | {"parameters_mib": round(bytes_ / 2**20, 2)} | errors(found, exact)


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
