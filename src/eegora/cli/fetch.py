"""``eegora fetch``: published checkpoints into the cache, or into a folder to carry to a machine without a network."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from eegora.cli.options import check_folder


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("fetch", help="Fetch published checkpoints, into the cache or a bundle to carry offline.")(fetch)


def fetch(
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help="Models; `eegora models` lists them.")],
    to: Annotated[Path | None, typer.Option(metavar="DIR", help="A bundle folder; default: the hub's cache.")] = None,
    repo: Annotated[str | None, typer.Option(help="Another repository than the published one.")] = None,
    revision: Annotated[str | None, typer.Option(help="Another revision.")] = None,
    hf_cache: Annotated[
        Path | None, typer.Option("--hf-cache", metavar="DIR", help="The hub's cache, instead of HF_HUB_CACHE.")
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Only copy what the cache holds.")] = False,
) -> None:
    """Fetch published checkpoints."""
    from eegora import registry
    from eegora.checkpoints.resolve import fetch as fetch_one
    from eegora.errors import UsageError

    wanted = []
    for name in models:
        _, spec, variant = registry.find(name)
        wanted += [(registry.full_name(spec, v), v.published) for v in ([variant] if variant else spec.variants)]
    for name, published in wanted:  # before anything is downloaded
        if published is None:
            raise UsageError("not_published", f"{name} is published nowhere", hint="`eegora models` lists checkpoints")
    check_folder(to)
    for name, published in dict(wanted).items():
        assert published is not None
        with _bar(name) as watch:
            found = fetch_one(
                published.at(repo, revision),
                to,
                say=lambda line: typer.echo(line, err=True),
                watch=watch,
                offline=offline,
                cache_dir=hf_cache,
            )
        state = "equals the recorded one" if published.sha256 else "none is recorded to compare it with"
        typer.echo(f"{found.path}: {name}, {found.path.stat().st_size:,} bytes, from {found.source}")
        typer.echo(f"  sha256 {found.sha256}, {state}")
        typer.echo(f"  licence: {found.licence}")


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show bytes on stderr as they come; without a terminal nothing moves."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)
