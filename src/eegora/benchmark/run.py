"""The benchmark of one model: phases of one use, then forward passes accelerated, unaccelerated and by a peer, interleaved.

Knows what is compared with what; the clock is `measure`'s, the peer's process `peers`'. Imports nothing that needs MNE.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eegora import assembly, registry
from eegora.benchmark import machine
from eegora.benchmark.measure import in_turn, ratio, timed
from eegora.benchmark.peers import Peer
from eegora.compute.accelerate import accelerate, number_format
from eegora.compute.device import Device, choose_device, exact_float32
from eegora.spec import Config, ModelCode
from eegora.windows import Windows

if TYPE_CHECKING:
    import torch

    from eegora.spec import Inputs

SEED = 0
AGREE = 1e-5  # of outputs of order 1: what acceleration in float32 may change


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Parameters
    ----------
    batches, threads : tuple of int
        Threads are left alone on a GPU.
    device, dtype : str
    warmup, runs : int
    peers : path or None
        Python of the environment that holds the peers.
    checkpoint : path or None
        None: the full-size network with seeded random parameters, which takes the same time.
    settings : dict
        Choices of the call, laid over the configuration.
    """

    batches: Sequence[int] = (1, 8, 32)
    threads: Sequence[int] = (1, 2)
    device: str = "cpu"
    dtype: str = "float32"
    warmup: int = 3
    runs: int = 10
    peers: Path | None = None
    checkpoint: Path | None = None
    settings: tuple[tuple[str, Any], ...] = ()


def benchmark(name: str, plan: Plan) -> dict[str, Any]:
    """Measure one model.

    Parameters
    ----------
    name : str
        Model and variant, as typed.
    plan : Plan

    Returns
    -------
    dict
        ``model``, ``checkpoint``, ``phases`` (milliseconds), ``rows``: per number of threads and batch the times of
        ``ours``, ``plain`` (the same network, unaccelerated) and ``peer``, their ratios, the largest difference of the
        results, and the share of the machine's own rate of products.
    """
    import torch

    bench = _Bench.prepared(name, plan)
    rows = []
    threads_before = torch.get_num_threads()
    try:
        for threads in plan.threads if bench.device.name == "cpu" else (threads_before,):
            torch.set_num_threads(threads)
            rows += bench.rows(threads)
    finally:
        torch.set_num_threads(threads_before)
        bench.close()
    return {
        "model": name,
        "task": "embed",
        "shape": list(bench.windows.data.shape[1:]),
        "device": bench.device.name,
        "dtype": bench.device.dtype,
        "checkpoint": bench.checkpoint,
        "phases": bench.phases,
        "peer": bench.peer.facts if bench.peer else None,
        "rows": rows,
    }


class _Bench:
    """One model, its window, and its peer if there is one."""

    def __init__(
        self, plan: Plan, code: ModelCode, config: Config, device: Device, windows: Windows, phases: dict[str, float]
    ) -> None:
        self.plan, self.code, self.config, self.device = plan, code, config, device
        self.windows, self.phases = windows, phases
        self.checkpoint: dict[str, Any] = {}
        self.load: Callable[[str], assembly.Loaded]
        self.peer: Peer | None = None
        self.folder = tempfile.TemporaryDirectory()
        self.comparable: Callable[[torch.Tensor], torch.Tensor | None]

    @classmethod
    def prepared(cls, name: str, plan: Plan) -> _Bench:
        """Load, prepare and pack once, timing each, and start the peer."""
        folder, spec, variant = registry.find(name)
        variant = variant or spec.variants[0]
        device = choose_device(plan.device, plan.dtype)
        phases: dict[str, float] = {}
        code = _phase(phases, "import", lambda: registry.code(folder))

        def load(dtype: str) -> assembly.Loaded:
            if plan.checkpoint is None:
                return assembly.untrained_network(code, variant.config, seed=SEED, dtype=dtype)
            return assembly.load_network(code, plan.checkpoint, dtype=dtype)

        loaded = _phase(phases, "load", lambda: load(device.storage))
        config = {**loaded.config, **dict(plan.settings)}
        windows = _phase(phases, "prepare", lambda: assembly.probe_windows(spec))
        _phase(phases, "pack", lambda: code.pack(windows, config))
        bench = cls(plan, code, config, device, windows, phases)
        bench.load = load
        bench.checkpoint = {"untrained": SEED} if plan.checkpoint is None else {"sha256": _sha256(plan.checkpoint)}
        bench._start_peer(folder, loaded.config)
        return bench

    def _start_peer(self, folder: str, config: Config) -> None:
        script = Path(str(import_module(f"eegora.models.{folder}").__file__)).with_name("peer.py")
        if self.plan.peers is None or not script.exists():
            return
        from safetensors.numpy import save_file

        from eegora.checkpoints.synthetic import synthetic_state_dict

        path = Path(self.folder.name) / "checkpoint.safetensors"
        layout = {key: entry for key, entry in self.code.layout(config).items() if entry[1] != assembly.CONSTANT}
        save_file(synthetic_state_dict(layout, SEED), path)
        arguments = {
            "config": dict(config),
            "ch_names": list(self.windows.ch_names),
            "ch_pos": np.nan_to_num(self.windows.ch_pos).tolist(),
            "n_times": self.windows.data.shape[-1],
            "sfreq": self.windows.sfreq,
            "checkpoint": str(self.plan.checkpoint or path),
        }
        self.peer = Peer(self.plan.peers, script, arguments, self.device.name)
        self.comparable = import_module(f"eegora.models.{folder}.peer").comparable

    def rows(self, threads: int) -> list[dict[str, Any]]:
        """Measure every batch on this number of threads."""
        exact_float32()
        plain, ours = (self.load(self.device.storage).network for _ in range(2))
        for network in (plain, ours):
            network.to(self.device.name)
        fast = accelerate(ours, self.device, {"embed": self.code.embed})["embed"]
        rate = machine.product_rate(self.device.name, self.device.dtype)
        rows = [self._row(threads, batch, plain, ours, fast, rate) for batch in self.plan.batches]
        return rows if self.device.dtype == "float32" else [row | self._error(row["batch"], fast, ours) for row in rows]

    def _error(self, batch: int, fast: Any, ours: torch.nn.Module) -> dict[str, float]:
        """Return how far this number format is from float32 on the same device."""
        import torch

        exact = replace(self.device, dtype="float32")
        network = self.load(exact.storage).network.to(exact.name)
        with torch.inference_mode():
            mine = fast(ours, self._inputs(batch, self.device)[1])
            with number_format(exact):
                reference = self.code.embed(network, self._inputs(batch, exact)[1])
        return {"error_against_float32": _distance(mine, reference)[0]}

    def _row(
        self, threads: int, batch: int, plain: torch.nn.Module, ours: torch.nn.Module, fast: Any, rate: float
    ) -> dict[str, Any]:
        import torch

        place = self.device
        x, inputs = self._inputs(batch, place)
        results: dict[str, torch.Tensor] = {}

        def run(way: str, function: Any, network: torch.nn.Module) -> None:
            with torch.inference_mode(), number_format(place):
                results[way] = function(network, inputs)

        def wait() -> None:
            machine.wait(place.name)

        ways = {
            "ours": lambda: timed(lambda: run("ours", fast, ours), wait),
            "plain": lambda: timed(lambda: run("plain", self.code.embed, plain), wait),
        }
        if self.peer is not None:
            path = Path(self.folder.name) / "x.npy"
            np.save(path, x)
            self.peer.feed(path, threads, place.dtype == "tf32")
            ways["peer"] = self.peer.run
        judged = "cpu" if place.name == "cpu" and threads == 1 else "wall"
        times = in_turn(ways, warmup=self.plan.warmup, runs=self.plan.runs, judged=judged)
        work = _work(lambda: run("counted", self.code.embed, plain)) / 1e6
        far, scale = _distance(results["ours"], results["plain"])
        row: dict[str, Any] = {
            "batch": batch,
            "threads": threads,
            "quiet": machine.facts()["quiet"],
            "gflop": round(work / 1e3, 4),
            "product_gflops": rate,
            "roofline": round(work / times["ours"].median / rate, 3),
            "against_plain": ratio(times["plain"], times["ours"]),
            "max_abs_diff": far,
            "scale": scale,
            "agrees": far <= AGREE * max(scale, 1.0) if place.dtype == "float32" else None,
        }
        if self.peer is not None:
            row["against_peer"] = ratio(times["peer"], times["ours"])
            row["peer_roofline"] = round(work / times["peer"].median / rate, 3)
            row["peer_max_abs_diff"] = self._peer_distance(results["ours"])
        return row | {"ms": {way: found.record() for way, found in times.items()}}

    def _inputs(self, batch: int, place: Device) -> tuple[np.ndarray, Inputs]:
        """Return seeded noise in the window's shape, and the network's inputs made of it, on the device."""
        noise = np.random.RandomState(SEED).standard_normal((batch, *self.windows.data.shape[1:])).astype(np.float32)
        one = np.zeros(batch, np.int64)
        windows = replace(self.windows.take(one), data=noise)
        packed = self.code.pack(windows, self.config)
        placed = {
            key: value.to(place.name, place.torch_dtype) if value.is_floating_point() else value.to(place.name)
            for key, value in packed.items()
        }
        return packed["x"].numpy() if "x" in packed else noise, placed

    def _peer_distance(self, ours: torch.Tensor) -> float | None:
        """Return the largest difference from the peer's result; None where it computes something else."""
        import torch

        assert self.peer is not None
        mine = self.comparable(ours.float().cpu())
        if mine is None:
            return None
        path = Path(self.folder.name) / "output.npy"
        self.peer.save(path)
        return _distance(mine, torch.from_numpy(np.load(path)))[0]

    def close(self) -> None:
        """End the peer and remove what was written for it."""
        if self.peer is not None:
            self.peer.close()
        self.folder.cleanup()


def _phase(phases: dict[str, float], name: str, work: Callable[[], Any]) -> Any:
    start = time.perf_counter()
    out = work()
    phases[name] = round((time.perf_counter() - start) * 1e3, 2)
    return out


def _work(run: Callable[[], Any]) -> float:
    """Count the floating-point operations of products, convolutions and attention in one run."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        run()
    return float(counter.get_total_flops())


def _distance(one: torch.Tensor, two: torch.Tensor) -> tuple[float, float]:
    return float((one.double() - two.double()).abs().max()), float(two.double().abs().max())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
