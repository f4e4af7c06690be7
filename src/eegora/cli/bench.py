"""``eegora bench``: how fast models run on this machine, by what it depends on, and beside their peers."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eegora.benchmark.sections import SECTIONS
from eegora.cli.options import check_writable, expand, settings, words

if TYPE_CHECKING:
    from eegora.benchmark.sweeps import Plan

app = typer.Typer(
    help="Time models on this machine, and beside their peers. Without a command: all sections, a quarter of an hour;"
    " `peers` takes most of it, every other section less than a minute. Options before a section are the section's too.",
    rich_markup_mode=None,
    invoke_without_command=True,
)


@dataclass(frozen=True)
class BenchOptions:
    """What is measured, how, and where the figures go."""

    models: Annotated[
        list[str] | None, typer.Argument(metavar="[MODEL]…", help="Models; default: the smaller ones, one of each.")
    ] = None
    batch: Annotated[str, typer.Option(help="Batch sizes.", metavar="N,N")] = "1"
    threads: Annotated[str, typer.Option(help="Numbers of CPU threads.", metavar="N,N")] = "1"
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:N or mps.")] = "cpu"
    dtype: Annotated[str, typer.Option(metavar="A,B", help="float32, float64, tf32, bfloat16, float16.")] = "float32"
    checkpoint: Annotated[Path | None, typer.Option(help="A checkpoint; without one, seeded random parameters.")] = None
    set: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A choice that the model offers.")
    ] = None
    peers: Annotated[
        Path | None,
        typer.Option(metavar="PYTHON", help="Python of an environment that holds the peers; default: one is made."),
    ] = None
    warmup: Annotated[int, typer.Option(min=1, help="Rounds that do not count.")] = 3
    runs: Annotated[int, typer.Option(min=2, help="Rounds that count.")] = 10
    seconds: Annotated[
        float,
        typer.Option(
            min=0,
            help="For a section's measurements, in equal parts for its models: fewer rounds, but three, where they are"
            " long; what would not fit is left out, and said. A bar never is.",
        ),
    ] = 40.0
    quick: Annotated[bool, typer.Option("--quick", help="Few runs and points: under a minute for all.")] = False
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Put the figures into this .json, or into the machine's own in a folder."),
    ] = None


ALL = {f.name for f in fields(BenchOptions)} - {"models"}  # before a section, or without one
FLAGS = {"quick", "as_json"}
OF_A_MODEL = {"checkpoint", "set"}


def _command(name: str) -> Callable[..., None]:
    """Return a section's command, with its own options and defaults."""

    def command(options: BenchOptions) -> None:
        _run({name: options})

    section = SECTIONS[name]
    return expand(command, {f.name for f in fields(BenchOptions) if section.takes(f.name)}, section.defaults)


def _everything(context: typer.Context, options: BenchOptions) -> None:
    """Run every section; or hand what was given to the one that follows, whose own options win."""
    given = {name: value for name, value in vars(options).items() if _was_typed(context, name)}
    name = context.invoked_subcommand
    if name is None:
        _refuse(OF_A_MODEL & set(given), "without a section", "eegora bench latency MODEL --checkpoint FILE")
        _run({each: BenchOptions(**{**section.defaults, **given}) for each, section in SECTIONS.items()})
        return
    takes = SECTIONS[name].takes if name in SECTIONS else {"as_json"}.__contains__
    _refuse([option for option in given if not takes(option)], f"for `{name}`", f"eegora bench {name} --help")
    context.default_map = {name: given}


def _was_typed(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _refuse(options: Collection[str], where: str, hint: str) -> None:
    """Refuse options that mean nothing there."""
    from eegora.errors import UsageError

    if options:
        spelled = " ".join(f"--{name.removeprefix('as_')}" for name in sorted(options))
        raise UsageError("bad_options", f"{spelled} means nothing {where}", hint=hint)


app.callback()(expand(_everything, ALL, dict.fromkeys(ALL - FLAGS)))


@app.command("show")
def show(
    files: Annotated[list[Path], typer.Argument(metavar="A.json [B.json]…", help="Files that -o wrote.")],
    every: Annotated[bool, typer.Option("--all", help="Also what one of the machines alone has measured.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Every row, as JSON.")] = False,
) -> None:
    """Hold machines beside each other: milliseconds of what they have measured."""
    from eegora.benchmark import evidence
    from eegora.report.benchmarks import machines_table
    from eegora.report.tables import show as show_table

    files = _of_figures(files)
    machines, rows = [evidence.read(path)["machine"] for path in files], evidence.beside(files)
    if as_json:
        typer.echo(json.dumps({"machines": machines, "rows": rows}, indent=1))
        return
    shared = [row for row in rows if sum(ms is not None for ms in row["ms"]) > 1]
    shown = rows if every or len(files) == 1 else shared
    if shown:
        show_table(machines_table([path.stem for path in files], machines, shown))
    if len(shown) < len(rows):
        typer.echo(f"{len(rows) - len(shown)} rows that one machine alone has were left out: --all")


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
            sys.stderr.write(f"left out: {path} is no file of benchmark figures\n")
            continue
        kept.append(path)
    return kept


def _run(chosen: Mapping[str, BenchOptions]) -> None:
    """Measure, print, and put into the evidence file, section by section, with its charts."""
    from eegora.benchmark import evidence, machine, suite
    from eegora.benchmark.subject import firsts
    from eegora.benchmark.sweeps import Plan
    from eegora.compute.device import choose_device
    from eegora.report.benchmarks import benchmark_figures

    options = next(iter(chosen.values()))
    plans = {name: _plan(each) for name, each in chosen.items()}
    if len(chosen) > 1:
        for name, section in SECTIONS.items():
            if (options.quick and not section.quick) or (options.device != "cpu" and section.on_cpu):
                del plans[name]
    if not options.models and set(plans) - {"peers", "prepare"}:
        large = ", ".join(set(firsts()) - set(Plan().names))
        sys.stderr.write(f"measured only when named, but for `peers`: {large}\n")

    def tell(section: str, row: dict[str, Any]) -> None:
        if not options.as_json:
            typer.echo(f"{section}: {evidence.line(section, row)}")

    device = choose_device(options.device)
    if device.warning:
        sys.stderr.write(f"{device.warning}\n")
    facts, found = machine.facts(device.name), {}
    path = None if options.out is None else _file(options.out, machine.slug(facts))
    if path is not None and path.exists():
        evidence.read(path)  # a file of something else is found out before the work, not after it
    if path is not None:
        check_writable(path)
    for name, plan in plans.items():
        found[name] = {"command": _typed(name, chosen[name]), **suite.run(name, plan, tell)}
        if path is not None:
            evidence.put(path, facts, {name: found[name]})
    if path is not None:
        benchmark_figures(path, evidence.read(path))
    if options.as_json:
        whole = {"sections": found} if len(chosen) > 1 else next(iter(found.values()))
        typer.echo(json.dumps({**whole, "machine": facts}, indent=1))


def _typed(name: str, options: BenchOptions) -> str:
    """Return the command that measures this section so, without the paths of this machine."""
    told = ["eegora", "bench", name, *(options.models or ())]
    usual = {**vars(BenchOptions()), **SECTIONS[name].defaults}
    for option, value in vars(options).items():
        if value != usual[option] and option not in {"models", "as_json", "out", "peers", "checkpoint"}:
            values = value if isinstance(value, list) else [value]
            told += [f"--{option}"] if value is True else [word for v in values for word in (f"--{option}", f"{v}")]
    return " ".join(told)


def _plan(options: BenchOptions) -> Plan:
    from eegora.benchmark import suite
    from eegora.benchmark.sweeps import Plan

    plan = Plan(
        models=tuple(options.models or ()),
        batches=_numbers(options.batch),
        threads=_numbers(options.threads),
        device=options.device,
        dtypes=words([options.dtype]),
        warmup=options.warmup,
        runs=options.runs,
        seconds=options.seconds,
        checkpoint=options.checkpoint,
        settings=tuple(settings(options.set).items()),
        peers=options.peers,
    )
    return suite.quick(plan) if options.quick else plan


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


for _name, _section in SECTIONS.items():
    app.command(_name, help=_section.help)(_command(_name))
