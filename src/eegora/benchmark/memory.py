"""How much memory a model takes: each measured in a process of its own, so that no other's peak is in it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eegora import assembly, registry
from eegora.benchmark.child import in_child, peak
from eegora.benchmark.subject import SEED, Subject, What, chosen
from eegora.benchmark.sweeps import Plan
from eegora.compute.device import choose_device

AT_ONCE = 2  # processes: each only starts, loads and runs once; nothing is timed meanwhile
RUNS = 2  # the first packs what the second needs


def memory(plan: Plan) -> Iterator[dict[str, Any]]:
    """Yield a row per model, number format and batch: MiB resident after the imports, and the peaks of loading and of a run."""
    for name in plan.names:
        yield from peaks(name, plan, [(dtype, batch) for dtype in plan.dtypes for batch in plan.batches])


def peaks(name: str, plan: Plan, cases: Sequence[tuple[str, int]]) -> list[dict[str, Any]]:
    """Measure one model in number formats and batches, in the same order: from a file, as its users load it."""

    def one(case: tuple[str, int]) -> dict[str, Any]:
        return in_child(__name__, "measured", name, plan.device, *case, dict(plan.settings), str(path))

    with checkpoint(name, plan.checkpoint) as path, ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, cases))


@contextmanager
def checkpoint(name: str, given: Path | None = None) -> Iterator[Path]:
    """Give the user's checkpoint, or a full-size seeded one in a temporary file."""
    if given is not None:
        yield given
        return
    from safetensors.numpy import save_file

    from eegora.checkpoints.synthetic import synthetic_state_dict

    folder, _, variant = chosen(name)
    layout = registry.code(folder).layout(variant.config)
    drawn = {key: entry for key, entry in layout.items() if entry[1] != assembly.CONSTANT}
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "checkpoint.safetensors"
        save_file(synthetic_state_dict(drawn, SEED), path)
        yield path


def measured(name: str, device: str, dtype: str, batch: int, settings: dict[str, Any], path: str) -> dict[str, Any]:
    """Measure this process."""
    import torch

    torch.set_num_threads(1)
    place = choose_device(device, dtype)
    row: dict[str, Any] = {"name": name, "device": place.name, "dtype": dtype, "batch": batch}
    row["after_imports_mib"] = _mib(peak())
    subject = Subject(What(name, settings=settings), place, Path(path))
    state = subject.network.state_dict().values()
    row["parameters_mib"] = _mib(sum(v.numel() * v.element_size() for v in state))
    row["load_mib"] = _mib(peak())
    subject.accelerate()
    inputs = subject.inputs(batch)
    for _ in range(RUNS):
        subject.run(inputs)
    row["run_mib"] = _mib(peak())
    if place.name.startswith("cuda"):
        row["gpu_mib"] = _mib(torch.cuda.max_memory_allocated(place.name))
    return row


def _mib(bytes_: int) -> float | None:
    return round(bytes_ / 2**20, 1) or None
