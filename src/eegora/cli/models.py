"""``eegora models``: what there is, from the specs alone."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("models", help="List the models, their variants and what they can do.")(models)


def models(
    wide: Annotated[bool, typer.Option("--wide", help="Also recipes, repository, licence and paper.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List the models."""
    from eegora import registry
    from eegora.report.tables import model_rows, model_table, show

    rows = model_rows(registry.specs().values(), wide=wide)
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    else:
        show(model_table(rows))
