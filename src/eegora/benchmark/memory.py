"""How much memory a model takes: each measured in a process of its own, so that no other's peak is in it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from eegora.benchmark.subject import Subject, What
from eegora.benchmark.sweeps import Plan
from eegora.compute.device import choose_device
from eegora.errors import UsageError


def memory(plan: Plan) -> Iterator[dict[str, Any]]:
    """Yield a row per model and batch: MiB resident after the imports, and the peaks of loading and of a run."""
    for name in plan.names:
        for batch in plan.batches:
            command = [sys.executable, "-W", "ignore", "-m", __spec__.name]
            arguments = json.dumps([name, plan.device, plan.dtypes[0], batch, dict(plan.settings)])
            done = subprocess.run([*command, arguments], capture_output=True, text=True, check=False)
            if done.returncode:
                said = done.stderr.strip().splitlines() or ["nothing"]
                raise UsageError("no_memory_figure", f"the process that measures {name} said: {said[-1]}")
            yield json.loads(done.stdout)


def measured(name: str, device: str, dtype: str, batch: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Measure this process."""
    import torch

    torch.set_num_threads(1)
    place = choose_device(device, dtype)
    row: dict[str, Any] = {"name": name, "device": place.name, "dtype": dtype, "batch": batch}
    row["after_imports_mib"] = peak_mib()
    subject = Subject(What(name, settings=settings), place)
    state = subject.network.state_dict().values()
    row["parameters_mib"] = round(sum(v.numel() * v.element_size() for v in state) / 2**20, 1)
    row["load_mib"] = peak_mib()
    subject.accelerate()
    inputs = subject.inputs(batch)
    for _ in range(3):
        subject.run(inputs)
    row["run_mib"] = peak_mib()
    if place.name.startswith("cuda"):
        row["gpu_mib"] = round(torch.cuda.max_memory_allocated(place.name) / 2**20, 1)
    return row


def peak_mib() -> float | None:
    """Return the most memory that this process has had resident, in MiB; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20, 1)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measured(*json.loads(sys.argv[1]))))
