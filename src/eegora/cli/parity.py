"""``eegora parity``: a model against its reference vectors, tensor by tensor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from eegora.cli.options import words


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("parity", help="Compare a model with reference vectors of the original, stage by stage.")(parity)


def parity(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model whose vectors these are.")],
    vectors: Annotated[list[Path], typer.Option(metavar="FILE", help="Vector files; repeatable.")],
    manifests: Annotated[
        list[str] | None, typer.Option(metavar="DIR,DIR", help="Folders with manifests; then beside the file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Every tensor as JSON.")] = False,
    export: Annotated[Path | None, typer.Option(metavar="FILE", help="Save what was computed (.safetensors).")] = None,
    evidence: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the summary into this evidence file.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only files that failed.")] = False,
) -> None:
    """Run vector files; exit 1 beyond a limit."""
    from eegora import registry
    from eegora.errors import UsageError
    from eegora.parity import evidence as records
    from eegora.parity.run import run_vectors
    from eegora.report.tables import show

    if export is not None and len(vectors) > 1:
        raise UsageError("bad_options", f"--export holds one vector file, {len(vectors)} came", hint="one --vectors")
    folder, _, _ = registry.find(model)
    reports = []
    for path in vectors:
        report = run_vectors(
            path,
            code=registry.code(folder),
            reference=registry.reference(folder),
            manifest_folders=[Path(word) for word in words(manifests)],
        )
        reports.append(report)
        if not as_json and not (quiet and report.ok):
            show(report.table())
        if export is not None:
            report.export(export)
        if evidence is not None:
            records.write_evidence(report, evidence)
    if as_json:
        found = [json.loads(report.to_json()) for report in reports]
        typer.echo(json.dumps(found[0] if len(found) == 1 else found, indent=2))
    if not all(report.ok for report in reports):
        raise typer.Exit(1)
