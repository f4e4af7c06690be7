"""What a figure was measured on: processor, GPU, versions, how busy, and how fast a product of matrices gets there."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from eegora.benchmark.measure import in_turn, timed

QUIET = 0.6  # load per core above which a machine is called busy; a run of ours makes up to one core of it


def facts(device: str = "cpu") -> dict[str, Any]:
    """Return what a reader needs to know of the machine; nothing that names its owner."""
    import torch

    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    cores = os.cpu_count() or 1
    found: dict[str, Any] = {
        "cpu": _cpu(),
        "cores": cores,
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": _version("numpy"),
        "eegora": _version("eegora"),
        "blas": "MKL" if torch.backends.mkl.is_available() else "other",
        "onednn": torch.backends.mkldnn.is_available(),
        "load": round(load, 2),
        "quiet": load < QUIET * cores,
    }
    if device.startswith("cuda"):
        properties = torch.cuda.get_device_properties(torch.device(device))
        found["gpu"] = properties.name
        found["gpu_memory_gib"] = round(properties.total_memory / 2**30, 1)
        found["cuda"] = torch.version.cuda
    return found


def slug(found: dict[str, Any]) -> str:
    """Return a file name for a machine: its GPU, else its processor with the number of cores."""
    name = found.get("gpu") or f"{found['cpu']} {found['cores']} cores"
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def product_rate(device: str = "cpu", dtype: str = "float32") -> float:
    """Return the best rate of a large product of matrices, in GFLOP/s, by whichever way `compute` would take."""
    import torch
    from torch.nn import functional as F

    from eegora.compute.accelerate import number_format
    from eegora.compute.device import Device
    from eegora.compute.prepacked import Choice, prepack

    place = Device(device, dtype, "benchmark")
    n = 8192 if device.startswith("cuda") else 1536
    x, weight = (torch.randn(n, n, dtype=place.torch_dtype, device=device) for _ in range(2))
    ways = {"plain": lambda: timed(lambda: F.linear(x, weight), lambda: wait(device))}
    if device == "cpu" and dtype == "float32":
        layer = torch.nn.Linear(n, n, bias=False).requires_grad_(False)
        prepack(layer, Choice(True, True))
        ways["packed"] = lambda: timed(lambda: layer(x), lambda: None)
    judged = "cpu" if device == "cpu" and torch.get_num_threads() == 1 else "wall"
    with torch.inference_mode(), number_format(place):
        found = in_turn(ways, warmup=1, runs=5, judged=judged, seconds=5)
    best = min(getattr(sample, judged) for times in found.values() for sample in times.samples)
    return round(2 * n**3 / float(best) / 1e6, 1)


def wait(device: str) -> None:
    """Return when a device has finished."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize(device)


def _cpu() -> str:
    """Return the processor's name; with family and model where the name alone does not tell its generation."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="ignore").split("\n\n", 1)[0].splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    found = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    name = found.get("model name", platform.machine())
    return f"{name} family {found['cpu family']} model {found['model']}" if "cpu family" in found else name


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "source"
