"""``eegora benchmark``: how fast a model runs on this machine, beside its plain network and beside a peer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from eegora.cli.options import words


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("benchmark", help="Time a model on this machine, interleaved with a peer where there is one.")(
        benchmark
    )


def benchmark(
    models: Annotated[list[str], typer.Argument(metavar="MODEL…", help="Models; `eegora models` lists them.")],
    batch: Annotated[str, typer.Option(help="Batch sizes.", metavar="N,N")] = "1,8,32",
    threads: Annotated[str, typer.Option(help="Numbers of CPU threads.", metavar="N,N")] = "1,2",
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    dtype: Annotated[str, typer.Option(help="float32, tf32, bfloat16 or float16.")] = "float32",
    warmup: Annotated[int, typer.Option(min=1, help="Rounds that do not count.")] = 3,
    runs: Annotated[int, typer.Option(min=2, help="Rounds that count.")] = 10,
    checkpoint: Annotated[Path | None, typer.Option(help="A checkpoint; without one, random parameters.")] = None,
    peers: Annotated[
        Path | None, typer.Option(metavar="PYTHON", help="Python of an environment that holds the peers.")
    ] = None,
    set: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A choice that the model offers.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Add the figures to this file, or to a folder.")
    ] = None,
) -> None:
    """Measure, print, and add to the evidence file."""
    from eegora.benchmark import evidence, machine
    from eegora.benchmark.run import Plan, benchmark
    from eegora.cli.options import settings

    plan = Plan(
        batches=_numbers(batch),
        threads=_numbers(threads),
        device=device,
        dtype=dtype,
        warmup=warmup,
        runs=runs,
        peers=peers,
        checkpoint=checkpoint,
        settings=tuple(settings(set).items()),
    )
    facts = machine.facts(device)
    found = []
    for model in models:
        report = benchmark(model, plan)
        found.append(report)
        if out is not None:
            path = out / f"{machine.slug(facts)}.json" if out.is_dir() else out
            evidence.add(path, facts, report)
        if not as_json:
            for line in evidence.lines(report):
                typer.echo(line)
    if as_json:
        typer.echo(json.dumps({"machine": facts, "runs": found}, indent=1))


def _numbers(text: str) -> tuple[int, ...]:
    from eegora.errors import UsageError

    try:
        found = tuple(int(word) for word in words([text]))
    except ValueError:
        found = ()
    if not found or min(found) < 1:
        raise UsageError("bad_numbers", f"{text!r} came, wanted whole numbers above 0 with commas between them")
    return found
