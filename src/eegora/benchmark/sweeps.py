"""Times over one thing that changes: variant, batch, threads, channels, seconds, or nothing at all. Knows no peer and no file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eegora import registry
from eegora.benchmark import machine
from eegora.benchmark.measure import Budget, in_turn, ratio, timed
from eegora.benchmark.subject import AGREE, Subject, What, distance, firsts, takes, windows_of
from eegora.compute.accelerate import number_format
from eegora.compute.device import choose_device

if TYPE_CHECKING:
    import torch

    from eegora.spec import Inputs

SMALL = 50_000_000  # parameters up to which a variant is measured when none was named
CHANNELS = (1, 2, 4, 8, 12, 16, 19, 22, 32, 48, 62, 64, 128)
LENGTHS = (0.25, 0.5, 1.0, 2.0, 4.0)  # times the default window


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
        For the measurements of a section, in equal parts for its models: what would not fit even with the fewest rounds
        is left out.
    checkpoint : path or None
        Of your own; else seeded random parameters.
    settings : tuple of (str, value)
        Choices of the call.
    peers : path or None
        Python of the peers' environment; None: it is made when it is needed and missing.
    quick : bool
        Fewer points.
    """

    models: tuple[str, ...] = ()
    batches: tuple[int, ...] = (1,)
    threads: tuple[int, ...] = (1,)
    device: str = "cpu"
    dtypes: tuple[str, ...] = ("float32",)
    warmup: int = 3
    runs: int = 10
    seconds: float = 40.0
    checkpoint: Path | None = None
    settings: tuple[tuple[str, Any], ...] = ()
    peers: Path | None = None
    quick: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The models to measure, by their full names."""
        return self.models or firsts(SMALL)

    def what(self, name: str, **shape: Any) -> What:
        """Return what is timed of a model."""
        return What(name, settings=dict(self.settings), **shape)

    def threads_on(self, device: str) -> tuple[int | None, ...]:
        """Return the numbers of threads to measure on a device: those of the CPU matter there alone."""
        return self.threads if device == "cpu" else (None,)


@dataclass(frozen=True)
class Point:
    """A window's shape and how many at once; None: the model's default window."""

    batch: int = 1
    n_channels: int | None = None
    n_times: int | None = None


def latency(plan: Plan) -> Iterator[dict[str, Any]]:
    """Yield times of every model, number format, number of threads and batch, beside the same network unaccelerated."""
    return _sweeps(plan, lambda name: [Point(batch) for batch in plan.batches], plain=True)


def batches(plan: Plan) -> Iterator[dict[str, Any]]:
    """Yield times by batch: how many windows a second, and every sample."""
    return _sweeps(plan, lambda name: [Point(batch) for batch in plan.batches])


def channels(plan: Plan) -> Iterator[dict[str, Any]]:
    """Yield times by number of channels, as far as a model takes them."""
    return _sweeps(plan, lambda name: [Point(batch, n) for batch in plan.batches for n in _some(CHANNELS, plan)])


def lengths(plan: Plan) -> Iterator[dict[str, Any]]:
    """Yield times by length of the window, as far as a model takes it."""

    def points(name: str) -> list[Point]:
        default = windows_of(registry.find(name)[1]).data.shape[-1]
        shares = _some(LENGTHS, plan)
        return [Point(batch, None, round(default * share)) for batch in plan.batches for share in shares]

    return _sweeps(plan, points)


def _some(values: Sequence[Any], plan: Plan) -> Sequence[Any]:
    return values[:: -(-len(values) // 3)] if plan.quick else values


def _sweeps(plan: Plan, points: Callable[[str], Sequence[Point]], *, plain: bool = False) -> Iterator[dict[str, Any]]:
    """Yield the rows of every model and number format, and what a model does not take."""
    share = replace(plan, seconds=plan.seconds / len(plan.names) / len(plan.dtypes))
    for name in plan.names:
        why = {p: takes(plan.what(name, n_channels=p.n_channels, n_times=p.n_times)) for p in points(name)}
        for dtype in plan.dtypes:
            taken = [point for point, reason in why.items() if reason is None]
            yield from sweep(name, taken, share, dtype, plain=plain)
        refused = {reason: point for point, reason in why.items() if reason is not None}
        yield from ({"name": name, "refused": f"not taken: {reason}"} for reason in refused)


def sweep(
    name: str, points: Sequence[Point], plan: Plan, dtype: str, *, plain: bool = False
) -> Iterator[dict[str, Any]]:
    """Yield one row per number of threads and point, of one network; the first point is always measured."""
    device = choose_device(plan.device, dtype)
    every = plan.threads_on(device.name)
    work = {}
    with machine.threads(every[0]):
        subject = Subject(plan.what(name), device, plan.checkpoint)
        shapes = {(p.n_channels, p.n_times): windows_of(subject.spec, p.n_channels, p.n_times) for p in points}
        for shape, windows in shapes.items():
            subject.windows = windows
            work[shape] = subject.gflop(subject.inputs(1))
        other = subject.load(device.storage).network.to(device.name) if plain else None
        subject.accelerate()
    rates = {}  # GFLOP/s, at first of a product, then of the last measurement
    for threads in every:
        with machine.threads(threads):
            rates[threads] = max(machine.product_rates(device, threads).values())
    budget = Budget(plan.seconds, len(points) * len(every))
    for threads in every:
        for point in points:
            shape = (point.n_channels, point.n_times)
            subject.windows, gflop = shapes[shape], work[shape] * point.batch
            row = {"name": name, **_where(subject, point.batch, threads)}
            part, late = budget.part(), budget.too_little(gflop / rates[threads] * 1e3, 1 + plain)
            if late is not None and (point, threads) != (points[0], every[0]):
                yield row | {"refused": late}
                continue
            with machine.threads(threads):
                row |= times_of(subject, point.batch, gflop, threads, replace(plan, seconds=part), other)
            rates[threads] = gflop / row["ms"]["wall_median"] * 1e3
            yield row


def times_of(
    subject: Subject,
    batch: int,
    gflop: float,
    threads: int | None,
    plan: Plan,
    plain: torch.nn.Module | None = None,
) -> dict[str, Any]:
    """Time windows of the subject's shape on the threads that are set, beside an unaccelerated network if one is given."""
    inputs = subject.inputs(batch)
    ways = {"ours": lambda: subject.timed(inputs)}
    if plain is not None:
        ways["plain"] = lambda: timed(
            lambda: _plainly(subject, plain, inputs), lambda: machine.wait(subject.device.name)
        )
    judged = "cpu" if threads == 1 else "wall"
    times = in_turn(ways, warmup=plan.warmup, runs=plan.runs, judged=judged, seconds=plan.seconds)
    row: dict[str, Any] = {
        "ms": times["ours"].record(),
        "windows_per_second": round(batch / times["ours"].median * 1e3, 2),
        "quiet": machine.quiet(),
        **machine.roofline(gflop, times["ours"].median, subject.device, threads),
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


def _where(subject: Subject, batch: int, threads: int | None) -> dict[str, Any]:
    """Say what is measured."""
    shape = subject.windows.data.shape
    return {
        "batch": batch,
        "channels": shape[1],
        "samples": shape[2],
        "seconds": round(subject.windows.seconds, 4),
        "threads": threads,
        "device": subject.device.label,
        "dtype": subject.device.dtype,
    }


def _plainly(subject: Subject, network: torch.nn.Module, inputs: Inputs) -> torch.Tensor:
    import torch

    with torch.inference_mode(), number_format(subject.device):
        return subject.function(network, inputs)
