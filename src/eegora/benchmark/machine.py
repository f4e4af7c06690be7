"""What a figure was measured on: processor, GPU, versions, how busy, and how fast a product of matrices gets there."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from eegora.benchmark.measure import in_turn, timed
from eegora.compute.device import Device, set_threads

QUIET = 0.6  # load per core above which a machine is called busy; a run of ours makes up to one core of it


def facts(device: str = "cpu") -> dict[str, Any]:
    """Return what a reader needs to know of the machine; nothing that names its owner."""
    import torch

    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    cores = os.cpu_count() or 1
    found: dict[str, Any] = {
        "cpu": _cpu(),
        "cores": cores,
        "threads": torch.get_num_threads(),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": _version("numpy"),
        "eegora": _version("eegora"),
        "blas": "MKL" if torch.backends.mkl.is_available() else "other",
        "onednn": torch.backends.mkldnn.is_available(),
        "load": round(load, 2),
        "quiet": quiet(),
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


def quiet() -> bool:
    """Return whether others leave the machine alone just now."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return load < QUIET * (os.cpu_count() or 1)


@cache
def product_rates(device: Device, threads: int | None = None) -> dict[str, float]:
    """Return the rate of a large product of matrices, in GFLOP/s, by torch's own library and by each way `compute` may take.

    Measured once per process, device, number format and number of threads: it is the ceiling that times are held against.

    Parameters
    ----------
    device : Device
    threads : int or None
        As torch is set at the time; it only tells measurements apart.
    """
    import torch
    from torch.nn import functional as F

    from eegora.compute.accelerate import number_format
    from eegora.compute.prepacked import Choice, prepack

    gpu = device.name != "cpu"
    n = 8192 if gpu else 1536
    x, weight = (torch.randn(n, n, dtype=device.torch_dtype, device=device.name) for _ in range(2))
    ways = {"plain": lambda: timed(lambda: F.linear(x, weight), lambda: wait(device.name))}
    if not gpu and device.dtype == "float32":
        layer = torch.nn.Linear(n, n, bias=False).requires_grad_(False)
        prepack(layer, Choice(True, True))
        ways["packed"] = lambda: timed(lambda: layer(x), lambda: None)
    judged = "cpu" if not gpu and threads == 1 else "wall"
    with torch.inference_mode(), number_format(device):
        found = in_turn(ways, warmup=1, runs=5, judged=judged, seconds=2)
    best = {way: min(getattr(sample, judged) for sample in times.samples) for way, times in found.items()}
    return {way: round(2 * n**3 / float(ms) / 1e6, 1) for way, ms in best.items()}


def roofline(gflop: float, ms: float, device: Device, threads: int | None = None) -> dict[str, Any]:
    """Return a row's work, the machine's own rate of products, and the share of it that is reached."""
    rates = product_rates(device, threads)
    share = gflop / ms * 1e3 / max(rates.values())
    return {"gflop": round(gflop, 4), "product_gflops": rates, "roofline": round(share, 3)}


@contextmanager
def threads(n: int | None) -> Iterator[None]:
    """Let torch and the recipes' kernels use so many CPU threads for a while; None: as many as they do."""
    import torch

    before, named = torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")
    set_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        os.environ.pop("OMP_NUM_THREADS", None)
        if named is not None:
            os.environ["OMP_NUM_THREADS"] = named


def wait(device: str) -> None:
    """Return when a device has finished."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize(device)
    elif device == "mps":
        import torch

        torch.mps.synchronize()


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
