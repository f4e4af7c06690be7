"""Times over one thing that changes: variant, batch, threads, channels, seconds, or nothing at all. Knows no peer and no file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eegora import registry
from eegora.benchmark import machine
from eegora.benchmark.measure import in_turn, ratio, timed
from eegora.benchmark.subject import AGREE, Subject, What, distance, takes, windows_of
from eegora.compute.accelerate import number_format
from eegora.compute.device import choose_device

if TYPE_CHECKING:
    import torch

    from eegora.spec import Inputs

SMALL = 50_000_000  # parameters up to which a variant is measured when none was named
CHANNELS = (1, 2, 4, 8, 12, 16, 19, 22, 32, 48, 62, 64, 128)
LENGTHS = (0.25, 0.5, 1.0, 2.0, 4.0)  # times the default window
BATCHES = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True)
class Plan:
    """How to measure.

    Parameters
    ----------
    models : tuple of str
        Empty: the first variant of every model that is not large.
    batches, threads : tuple of int
        Threads are left alone on a GPU.
    device : str
    dtypes : tuple of str
    warmup, runs : int
    seconds : float
        After this time a measurement ends, but not before its third round.
    checkpoint : path or None
        Of your own; else seeded random parameters.
    settings : tuple of (str, value)
        Choices of the call.
    quick : bool
        Fewer points.
    """

    models: tuple[str, ...] = ()
    batches: tuple[int, ...] = (1, 8)
    threads: tuple[int, ...] = (1, 2)
    device: str = "cpu"
    dtypes: tuple[str, ...] = ("float32",)
    warmup: int = 3
    runs: int = 10
    seconds: float = 10.0
    checkpoint: Path | None = None
    settings: tuple[tuple[str, Any], ...] = ()
    quick: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The models to measure, by their full names."""
        if self.models:
            return self.models
        firsts = [(spec, spec.variants[0]) for spec in registry.specs().values()]
        return tuple(registry.full_name(spec, v) for spec, v in firsts if v.parameters <= SMALL)

    def what(self, name: str, **shape: Any) -> What:
        """Return what is timed of a model."""
        return What(name, settings=dict(self.settings), **shape)


@dataclass(frozen=True)
class Point:
    """A window's shape and how many at once; None: the model's default window."""

    batch: int = 1
    n_channels: int | None = None
    n_times: int | None = None


def latency(plan: Plan) -> Iterator[dict[str, Any]]:
    """Yield times of every model, number format, number of threads and batch, beside the same network unaccelerated."""
    points = [Point(batch) for batch in plan.batches]
    for name in plan.names:
        for dtype in plan.dtypes:
            yield from sweep(name, points, plan, dtype, plain=True)


def batches(plan: Plan) -> Iterator[dict[str, Any]]:
    """Yield times by batch: how many windows a second."""
    for name in plan.names:
        yield from sweep(name, [Point(batch) for batch in _some(BATCHES, plan)], plan, plan.dtypes[0])


def channels(plan: Plan) -> Iterator[dict[str, Any]]:
    """Yield times by number of channels, as far as a model takes them."""
    for name in plan.names:
        points = [Point(plan.batches[0], n) for n in _some(CHANNELS, plan)]
        yield from sweep(name, _taken(name, points, plan), plan, plan.dtypes[0])


def lengths(plan: Plan) -> Iterator[dict[str, Any]]:
    """Yield times by length of the window, as far as a model takes it."""
    for name in plan.names:
        default = windows_of(registry.find(name)[1]).data.shape[-1]
        points = [Point(plan.batches[0], None, round(default * share)) for share in _some(LENGTHS, plan)]
        yield from sweep(name, _taken(name, points, plan), plan, plan.dtypes[0])


def distribution(plan: Plan) -> Iterator[dict[str, Any]]:
    """Yield many runs of one window, every sample kept."""
    many = replace(plan, runs=20 if plan.quick else max(plan.runs, 200), seconds=4 * plan.seconds)
    for name in plan.names:
        yield from sweep(name, [Point(plan.batches[0])], many, plan.dtypes[0])


def sweep(
    name: str, points: Sequence[Point], plan: Plan, dtype: str, *, plain: bool = False
) -> Iterator[dict[str, Any]]:
    """Yield one row per number of threads and point, of one network."""
    import torch

    device = choose_device(plan.device, dtype)
    subject = Subject(plan.what(name), device, plan.checkpoint)
    shaped = [(point, windows_of(subject.spec, point.n_channels, point.n_times)) for point in points]
    work = []
    for point, windows in shaped:
        subject.windows = windows
        work.append(subject.gflop(subject.inputs(1)) * point.batch)
    other = subject.load(device.storage).network.to(device.name) if plain else None
    subject.accelerate()
    before = torch.get_num_threads()
    try:
        for threads in plan.threads if device.name == "cpu" else (None,):
            torch.set_num_threads(threads or before)
            for (point, windows), gflop in zip(shaped, work, strict=True):
                subject.windows = windows
                row = _row(subject, other, point, threads, plan)
                yield row | machine.roofline(gflop, row["ms"]["median"], device, threads)
    finally:
        torch.set_num_threads(before)


def _row(
    subject: Subject, plain: torch.nn.Module | None, point: Point, threads: int | None, plan: Plan
) -> dict[str, Any]:
    """Time one point."""
    inputs = subject.inputs(point.batch)
    ways = {"ours": lambda: subject.timed(inputs)}
    if plain is not None:
        ways["plain"] = lambda: timed(
            lambda: _plainly(subject, plain, inputs), lambda: machine.wait(subject.device.name)
        )
    judged = "cpu" if threads == 1 else "wall"
    times = in_turn(ways, warmup=plan.warmup, runs=plan.runs, judged=judged, seconds=plan.seconds)
    shape = subject.windows.data.shape
    row: dict[str, Any] = {
        "name": subject.what.name,
        "batch": point.batch,
        "channels": shape[1],
        "samples": shape[2],
        "seconds": round(subject.windows.seconds, 4),
        "threads": threads,
        "device": subject.device.name,
        "dtype": subject.device.dtype,
        "ms": times["ours"].record(),
        "windows_per_second": round(point.batch / times["ours"].median * 1e3, 2),
        "quiet": machine.quiet(),
    }
    if plain is not None:
        far, scale = distance(subject.run(inputs), _plainly(subject, plain, inputs))
        exact = subject.device.dtype == "float32"
        row |= {
            "plain": times["plain"].record(),
            "against_plain": ratio(times["plain"], times["ours"]),
            "max_abs_diff": far,
            "scale": scale,
            "agrees": far <= AGREE * max(scale, 1.0) if exact else None,
        }
    return row


def _plainly(subject: Subject, network: torch.nn.Module, inputs: Inputs) -> torch.Tensor:
    import torch

    with torch.inference_mode(), number_format(subject.device):
        return subject.function(network, inputs)


def _taken(name: str, points: Sequence[Point], plan: Plan) -> list[Point]:
    """Return the points that a model takes."""
    return [p for p in points if takes(plan.what(name, n_channels=p.n_channels, n_times=p.n_times)) is None]


def _some(values: Sequence[Any], plan: Plan) -> Sequence[Any]:
    return values[:: -(-len(values) // 3)] if plan.quick else values
