"""Every case that a model folder lists in its ``peer.py``: the peer's network and ours, in turn, on the same inputs.

Knows what a case is and what is reported of it; the peer's process is `peers`', the network `subject`'s.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from eegora import registry
from eegora.benchmark import machine
from eegora.benchmark.measure import Times, in_turn, ratio
from eegora.benchmark.peers import Peer, peer_module
from eegora.benchmark.subject import Adapt, Subject, What, distance, firsts
from eegora.benchmark.sweeps import Plan
from eegora.compute.device import Device, choose_device
from eegora.errors import UsageError

if TYPE_CHECKING:
    import torch

Python = Callable[[], Path]


@dataclass(frozen=True)
class Case:
    """One row of the bars.

    Parameters
    ----------
    variant : str
    batch : int
    threads : int or None
        None on a GPU.
    n_channels, n_times : int
    bar, aim : float or None
        How many times faster than the peer we must be, and want to be.
    bar_ms, aim_ms : float or None
        For a case without a peer: milliseconds that are not to be exceeded.
    task, part : str
        What runs; its name in the row.
    fields, settings, without
        As in `What`.
    device, dtype : str
        ``cpu`` or ``gpu``; ours alone: the peer runs in float32, as its users have it.
    alone : bool
        Whether there is no peer for it.
    """

    variant: str
    batch: int
    threads: int | None
    n_channels: int
    n_times: int
    bar: float | None = None
    aim: float | None = None
    bar_ms: float | None = None
    aim_ms: float | None = None
    task: str = "embed"
    part: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    without: str = ""
    device: str = "cpu"
    dtype: str = "float32"
    alone: bool = False


def cases(names: Sequence[str], device: str) -> Iterator[tuple[str, Case]]:
    """Yield a model's full name and a case for every one that the folders list for a device.

    Parameters
    ----------
    names : sequence of str
        Models, or models and variants; empty for all.
    device : str
        As `choose_device` takes it.
    """
    kind = "cpu" if device == "cpu" else "gpu"
    wanted = [registry.find(name) for name in names]
    for folder, spec in registry.specs().items():
        module = peer_module(folder)
        for listed in module.CASES if module else ():
            case = Case(**listed)
            variant = spec.variant(case.variant)
            assert variant is not None
            asked = not names or any(f == folder and v in (None, variant) for f, _, v in wanted)
            if asked and case.device == kind:
                yield registry.full_name(spec, variant), case


def what(name: str, case: Case) -> What:
    """Return what a case has running."""
    return What(name, case.task, case.n_channels, case.n_times, case.fields, case.settings, case.without)


def title(name: str, case: Case) -> str:
    """Return a case's name: the model, what of it, and the window."""
    depth = f"depth {case.fields['depth']}" if "depth" in case.fields else ""
    return " ".join(word for word in (name, case.part, depth, f"{case.n_channels}×{case.n_times}") if word)


def adapt(module: ModuleType | None) -> Adapt:
    """Return what a folder's ``peer.py`` adds to the inputs of its cases."""
    found: Adapt = getattr(module, "adapt", lambda inputs, task: inputs)
    return found


def peers(plan: Plan) -> Iterator[dict[str, Any]]:
    """Yield every bar: the networks'; on a CPU, with no model named, those of preparing and loading too, on one thread.

    None is left out: each has its rounds, however little time there is.
    """
    from eegora.benchmark.environment import peers_python
    from eegora.benchmark.load import load
    from eegora.benchmark.prepare import preparing

    yield from rows(plan, lambda: plan.peers or peers_python(announce))
    if plan.device == "cpu" and not plan.models:
        one = replace(plan, models=firsts(), threads=(1,), seconds=plan.seconds / 4)
        yield from preparing(one)
        yield from load(one)


def announce(line: str) -> None:
    """Say what is about to be installed."""
    sys.stderr.write(f"eegora: {line}\n")


def rows(plan: Plan, python: Python) -> Iterator[dict[str, Any]]:
    """Measure every case of the plan's models on its device.

    Parameters
    ----------
    plan : Plan
    python : callable
        Returns the Python of the peers' environment; asked once a peer is needed.

    Yields
    ------
    dict
        ``name``, ``peer``, ``batch``, ``threads``, ``peer_ms``, ``ours_ms`` (medians), ``ratio``, ``bar``, ``max_abs_diff``
        (None where the peer computes something else), ``roofline``, and what a reader needs to judge them.
    """
    last: tuple[Any, ...] = ()
    every = list(cases(plan.models, plan.device))
    with ExitStack() as stack:
        for name, case in every:
            key = (what(name, case), choose_device(plan.device, case.dtype), case.alone)
            with machine.threads(case.threads):
                if key != last:
                    stack.close()
                    last, pair = key, _Pair(*key[:2], stack, None if case.alone else python)
                yield pair.row(case, replace(plan, seconds=plan.seconds / len(every)))


class _Pair:
    """Our network and the peer's, with the same parameters where the peer takes them."""

    def __init__(self, what: What, device: Device, stack: ExitStack, python: Python | None) -> None:
        module = peer_module(registry.find(what.name)[0])
        assert module is not None
        self.module, self.device, self.what = module, device, what
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self.subject = Subject(what, device, adapt=adapt(module))
        self.peer = None if python is None else stack.enter_context(closing(self._start(python())))
        self.gflop = 0.0  # of one window

    def _start(self, python: Path) -> Peer:
        from safetensors.torch import save_file

        path = self.folder / "checkpoint.safetensors"
        save_file(self.subject.tensors(), path)
        windows = self.subject.windows
        arguments = {
            "config": {key: value for key, value in self.subject.config.items() if _plain(value)},
            "ch_names": list(windows.ch_names),
            "ch_pos": np.nan_to_num(windows.ch_pos).tolist(),
            "n_times": windows.data.shape[-1],
            "sfreq": windows.sfreq,
            "checkpoint": str(path),
        }
        peer = Peer(python, Path(str(self.module.__file__)), self.what.task, arguments, self.device.name)
        path.unlink()
        return peer

    def row(self, case: Case, plan: Plan) -> dict[str, Any]:
        """Measure one case."""
        subject = self.subject
        inputs = subject.inputs(case.batch)
        if subject.fast is None:  # counted on the network as it is; every batch has the same per window
            self.gflop = subject.gflop(inputs) / case.batch
            subject.accelerate()
        ways = {"ours": lambda: subject.timed(inputs)}
        if self.peer is not None:
            path = self.folder / "inputs.npz"
            arrays: dict[str, Any] = {key: value.numpy() for key, value in subject.packed(case.batch).items()}
            np.savez(path, **arrays)
            self.peer.feed(path, case.threads or 1)
            ways = {"peer": self.peer.run, **ways}
        judged = "cpu" if case.threads == 1 else "wall"  # other programs' work is not in a processor's time
        times = in_turn(ways, warmup=plan.warmup, runs=plan.runs, judged=judged, seconds=plan.seconds)
        gflop = self.gflop * case.batch
        ours, answer = times["ours"], subject.run(inputs)
        return {
            "name": title(self.what.name, case),
            "model": self.what.name,
            "peer": None if self.peer is None else f"{self.peer.facts['package']} {self.peer.facts['version']}",
            "batch": case.batch,
            "threads": case.threads,
            "device": self.device.label,
            "dtype": self.device.dtype,
            **self._judged(case, times),
            "max_abs_diff": self._difference(answer),
            **machine.roofline(gflop, ours.median, self.device, case.threads),
            "error_against_float32": self._error(case, answer),
            "quiet": machine.quiet(),
            "ours": ours.record(),
        } | (self._peer_facts(times["peer"], gflop, case.threads) if self.peer else {})

    def _judged(self, case: Case, times: Mapping[str, Times]) -> dict[str, Any]:
        found: dict[str, Any] = {
            "peer_ms": None,
            "ours_ms": round(times["ours"].median, 3),
            "ratio": None,
            "bar": case.bar,
            "aim": case.aim,
        }
        if case.bar_ms is not None:
            found |= {"bar_ms": case.bar_ms, "aim_ms": case.aim_ms}
        if "peer" in times:
            found |= {"peer_ms": round(times["peer"].median, 3)} | ratio(times["peer"], times["ours"])
        return found

    def _peer_facts(self, times: Times, gflop: float, threads: int | None) -> dict[str, Any]:
        assert self.peer is not None
        exact = replace(self.device, dtype="float32")
        share = machine.roofline(gflop, times.median, exact, threads)["roofline"]
        return {"peer_roofline": share, "peer_torch": self.peer.facts["torch"], "peers": times.record()}

    def _error(self, case: Case, ours: torch.Tensor) -> float | None:
        """Return how far a rougher number format is from float32 on the same device."""
        if self.device.dtype == "float32":
            return None
        exact = Subject(self.what, replace(self.device, dtype="float32"), adapt=self.subject.adapt)
        return distance(ours, exact.run(exact.inputs(case.batch)))[0]

    def _difference(self, ours: torch.Tensor) -> float | None:
        import torch

        mine = self.module.comparable(ours.float().cpu(), self.what.task) if self.peer else None
        if mine is None or self.peer is None:
            return None
        path = self.folder / "output.npy"
        self.peer.save(path)
        theirs = torch.from_numpy(np.load(path))
        if theirs.shape != mine.shape:
            raise UsageError(
                "no_peer", f"{self.what.name}: the peer's result is {tuple(theirs.shape)}, ours {tuple(mine.shape)}"
            )
        return distance(mine, theirs)[0]


def _plain(value: Any) -> bool:
    return isinstance(value, str | int | float | list | tuple | dict | None.__class__)
