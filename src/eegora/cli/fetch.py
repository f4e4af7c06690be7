"""``eegora fetch``: published checkpoints into the cache, or into a folder to carry to a machine without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("fetch", help="Fetch published checkpoints, into the cache or a bundle to carry offline.")(fetch)


def fetch(
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help="Models; `eegora models` lists them.")],
    to: Annotated[Path | None, typer.Option(metavar="DIR", help="A bundle folder; default: the hub's cache.")] = None,
    repo: Annotated[str | None, typer.Option(help="Another repository than the published one.")] = None,
    revision: Annotated[str | None, typer.Option(help="Another revision.")] = None,
) -> None:
    """Fetch published checkpoints."""
    from eegora import registry
    from eegora.checkpoints.resolve import fetch as fetch_one
    from eegora.errors import UsageError

    wanted = []
    for name in models:
        _, spec, variant = registry.find(name)
        wanted += [(spec, v) for v in ([variant] if variant else spec.variants)]
    for spec, variant in wanted:
        if variant.published is None:
            raise UsageError("not_published", f"{registry.full_name(spec, variant)} is published nowhere")
        found = fetch_one(variant.published.at(repo, revision), to, say=lambda line: typer.echo(line, err=True))
        typer.echo(f"{found.path}: {registry.full_name(spec, variant)}, sha256 {found.sha256}, {found.licence}")
