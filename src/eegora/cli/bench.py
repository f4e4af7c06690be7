"""``eegora bench``: how fast models run on this machine, by what it depends on, and beside their peers."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from eegora.cli.options import expand, settings, words

app = typer.Typer(
    help="Time models on this machine, and beside their peers. Without a command: all of them.",
    rich_markup_mode=None,
    invoke_without_command=True,
)

SECTIONS = {
    "peers": "Every bar: other people's networks and MNE beside ours, in turn, on the same inputs.",
    "latency": "Times by variant, batch, threads, device and number format.",
    "channels": "Times by number of channels.",
    "time": "Times by length of the window.",
    "batch": "Windows a second by batch.",
    "distribution": "Many runs of one window, every sample kept.",
    "stages": "Where the time of a recording goes: read, prepare, pack, forward, save.",
    "memory": "Peaks of memory, each in a process of its own.",
    "dtypes": "Speed, memory and error against float64 of each number format.",
    "prepare": "Preparing recordings, beside MNE.",
    "load": "Loading checkpoints.",
}


@dataclass(frozen=True)
class BenchOptions:
    """How to measure, and where the figures go."""

    warmup: Annotated[int, typer.Option(min=1, help="Rounds that do not count.")] = 3
    runs: Annotated[int, typer.Option(min=2, help="Rounds that count.")] = 10
    seconds: Annotated[
        float, typer.Option(min=0, help="After this time a measurement ends, but not before its third round.")
    ] = 10.0
    quick: Annotated[bool, typer.Option("--quick", help="Few runs and points: under a minute for all.")] = False
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Put the figures into this .json, or into the machine's own in a folder."),
    ] = None


@dataclass(frozen=True)
class SubjectOptions:
    """Which networks, where."""

    models: Annotated[
        list[str] | None, typer.Argument(metavar="[MODEL]…", help="Models; default: the smaller ones, one of each.")
    ] = None
    batch: Annotated[str, typer.Option(help="Batch sizes.", metavar="N,N")] = "1,8"
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:N or mps.")] = "cpu"
    dtype: Annotated[str, typer.Option(metavar="A,B", help="float32, float64, tf32, bfloat16, float16.")] = "float32"
    checkpoint: Annotated[Path | None, typer.Option(help="A checkpoint; without one, seeded random parameters.")] = None
    set: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A choice that the model offers.")
    ] = None


Threads = Annotated[str, typer.Option(help="Numbers of CPU threads.", metavar="N,N")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:N or mps.")]
Models = Annotated[list[str] | None, typer.Argument(metavar="[MODEL]…", help="Models; default: all.")]
Peers = Annotated[
    Path | None,
    typer.Option(metavar="PYTHON", help="Python of an environment that holds the peers; default: one is made."),
]


def _add_sections() -> None:
    for name, help_ in SECTIONS.items():
        app.command(name, help=help_)(expand(_command(name)))


def _command(name: str) -> Callable[..., None]:
    """Return a section's command, with the options that mean something to it."""

    def against_peers(
        options: BenchOptions, models: Models = None, device: Device = "cpu", peers: Peers = None
    ) -> None:
        _run((name,), options, SubjectOptions(models, device=device), peers=peers)

    def preparing(options: BenchOptions, threads: Threads = "1,2") -> None:
        _run((name,), options, SubjectOptions(), threads)

    def loading(options: BenchOptions, models: Models = None) -> None:
        _run((name,), options, SubjectOptions(models))

    def of_networks(subject: SubjectOptions, options: BenchOptions, threads: Threads = "1,2") -> None:
        _run((name,), options, subject, threads)

    own: dict[str, Callable[..., None]] = {"peers": against_peers, "prepare": preparing, "load": loading}
    return own.get(name, of_networks)


@app.callback()
@expand
def everything(
    context: typer.Context,
    options: BenchOptions,
    threads: Threads = "1,2",
    device: Device = "cpu",
    peers: Peers = None,
) -> None:
    """Run every section."""
    if context.invoked_subcommand is None:
        _run(None, options, SubjectOptions(device=device), threads, peers)


@app.command("show")
def show(
    files: Annotated[list[Path], typer.Argument(metavar="A.json [B.json]…", help="Files that -o wrote.")],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Hold machines beside each other: milliseconds of what each has measured."""
    from eegora.benchmark import evidence
    from eegora.report.benchmarks import machines_table
    from eegora.report.tables import show as show_table

    files = _of_figures(files)
    rows = evidence.beside(files)
    if as_json:
        machines = [evidence.read(path)["machine"] for path in files]
        typer.echo(json.dumps({"machines": machines, "rows": rows}, indent=1))
    else:
        show_table(machines_table([path.stem for path in files], rows))


def _of_figures(files: list[Path]) -> list[Path]:
    """Leave out files of other kinds, saying so, unless none is left."""
    from eegora.benchmark import evidence
    from eegora.errors import UsageError

    kept: list[Path] = []
    for path in files:
        try:
            evidence.read(path)
        except UsageError as error:
            if error.code == "not_found" or len(files) == 1 or (path is files[-1] and not kept):
                raise
            sys.stderr.write(f"left out: {error}\n")
            continue
        kept.append(path)
    return kept


def _run(
    names: tuple[str, ...] | None,
    options: BenchOptions,
    subject: SubjectOptions,
    threads: str = "1,2",
    peers: Path | None = None,
) -> None:
    """Measure, print, and put into the evidence file, section by section, with its charts."""
    from eegora.benchmark import evidence, machine, suite
    from eegora.benchmark.sweeps import Plan
    from eegora.compute.device import choose_device
    from eegora.report.benchmarks import benchmark_figures

    plan = Plan(
        models=tuple(subject.models or ()),
        batches=_numbers(subject.batch),
        threads=_numbers(threads),
        device=subject.device,
        dtypes=words([subject.dtype]),
        warmup=options.warmup,
        runs=options.runs,
        seconds=options.seconds,
        checkpoint=subject.checkpoint,
        settings=tuple(settings(subject.set).items()),
    )
    if names is None:
        chosen = suite.QUICK if options.quick else tuple(suite.SECTIONS)
        names = tuple(name for name in chosen if plan.device == "cpu" or name not in suite.ON_CPU)
    plan = suite.quick(plan) if options.quick else plan

    def tell(section: str, row: dict[str, Any]) -> None:
        if not options.as_json:
            typer.echo(f"{section}: {evidence.line(section, row)}")

    facts, found = machine.facts(choose_device(plan.device).name), {}
    path = None if options.out is None else _file(options.out, machine.slug(facts))
    if path is not None and path.exists():
        evidence.read(path)  # a file of something else is found out before the work, not after it
    for name in names:
        found[name] = suite.run(name, plan, peers, tell)
        if path is not None:
            evidence.put(path, facts, {name: found[name]})
    if path is not None:
        benchmark_figures(path, evidence.read(path))
    if options.as_json:
        whole = found[names[0]] if len(names) == 1 else {"sections": found}
        typer.echo(json.dumps({**whole, "machine": facts}, indent=1))


def _file(out: Path, slug: str) -> Path:
    return out if out.suffix == ".json" else out / f"{slug}.json"


def _numbers(text: str) -> tuple[int, ...]:
    from eegora.errors import UsageError

    try:
        found = tuple(int(word) for word in words([text]))
    except ValueError:
        found = ()
    if not found or min(found) < 1:
        raise UsageError("bad_numbers", f"{text!r} came, wanted whole numbers above 0 with commas between them")
    return found


_add_sections()
