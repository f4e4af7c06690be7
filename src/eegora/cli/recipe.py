"""``eegora recipe``: what a recipe does, where each number comes from, and what it makes of a recording."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eegora.cli.options import (
    Include,
    LineFreq,
    OutputOptions,
    Pick,
    RejectAnnotated,
    Rename,
    RoomOptions,
    expand,
    pairs,
    result_path,
    words,
)

if TYPE_CHECKING:
    from eegora.recipes.recipe import Recipe

app = typer.Typer(
    help="Show the recipes that bring a recording into a model's form, and run them.", rich_markup_mode=None
)


@app.command("list", help="List every recipe of every model.")
def list_recipes() -> None:
    """List the recipes."""
    from eegora import registry

    for spec in registry.specs().values():
        for i, recipe in enumerate(spec.recipes):
            typer.echo(f"{recipe.name}{' (default)' if i == 0 else ''}: {spec.title}, {recipe.title}")


@app.command("show", help="Print a recipe with the source of every number, or as TOML to edit.")
def show(
    name: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe's name, or a .toml file.")],
    toml: Annotated[bool, typer.Option("--toml", help="As TOML: save it, edit it, pass it with --recipe.")] = False,
) -> None:
    """Print a recipe."""
    from eegora.report.tables import recipe_table
    from eegora.report.tables import show as show_table

    recipe = _find(name)
    if toml:
        typer.echo(recipe.to_toml(), nl=False)
    else:
        show_table(recipe_table(recipe))


@app.command("run", help="Write the windows that a recipe makes of a recording; no model is needed.")
@expand
def run(
    recording: Annotated[Path, typer.Argument(metavar="RECORDING", help="A file that MNE reads, or CSV.")],
    name: Annotated[str, typer.Option("--recipe", help="A recipe's name (`eegora recipe list`), or a .toml file.")],
    pieces: RoomOptions,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The file to write: .npz or .safetensors.")] = None,
    missing: Annotated[
        str | None,
        typer.Option(help="Missing electrodes: refuse, skip, zero, nearest, inverse-distance, mean, spline."),
    ] = None,
    exclude: Annotated[list[str] | None, typer.Option(metavar="A,B", help="Channels to leave out.")] = None,
    bads: Annotated[list[str] | None, typer.Option(metavar="A,B", help="Channels to mark bad.")] = None,
    line_freq: LineFreq = None,
    reject_annotated: RejectAnnotated = False,
    units: Annotated[str | None, typer.Option(help="Unit of the samples where the file does not say.")] = None,
    sfreq: Annotated[float | None, typer.Option(help="Sampling rate in Hz where the file does not say.")] = None,
    montage: Annotated[str | None, typer.Option(help="Take electrode positions from this MNE montage.")] = None,
    rename: Rename = None,
    include: Include = None,
    pick: Pick = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Prepare a recording and save its windows, with all that leads back to volts."""
    from eegora.cli.session import Session
    from eegora.preparation import Preparation
    from eegora.recipes.prepare import prepare
    from eegora.recordings.source import load, marked_bad, without
    from eegora.results.storage import ending
    from eegora.results.windows import ENDINGS, save_windows

    session = Session(OutputOptions(as_json=as_json))
    how = Preparation(missing=missing, exclude=words(exclude), line_freq=line_freq, reject_annotated=reject_annotated)
    recipe = how.applied(_find(name))
    path = result_path(out, f"{recording.stem}_{recipe.name}.npz", overwrite, recording)
    ending(path, ENDINGS, "windows")
    room = pieces.room(way_back=True)
    named = {"rename": pairs(rename), "include": words(include), "channels": words(pick)}
    with session.told(room, "looking through") as told:
        signal, _ = load(recording, told, units=units, sfreq=sfreq, montage=montage, **named)
    signal = without(marked_bad(signal, words(bads)), how.exclude)
    with session.told(room, "preparing") as told:
        windows = prepare(signal, recipe, missing=missing, room=told)
    windows = replace(windows, notes=(*windows.notes, *how.remarks(recipe, windows)))
    save_windows(path, windows, how.choices | {k: v for k, v in named.items() if v} | {"bads": list(words(bads))})
    for note in windows.notes:
        session.note(note)
    shape = " × ".join(map(str, windows.data.shape))
    session.done(
        {
            "output": str(path),
            "recipe": recipe.name,
            "shape": list(windows.data.shape),
            "sfreq": windows.sfreq,
            "channels": windows.plan.to_dicts(),
            "not_undone": list(windows.not_undone),
            "notes": list(windows.notes),
        },
        f"{path}: {shape} (window × channel × time) at {windows.sfreq:g} Hz; channels: {windows.plan}",
    )


def _find(name: str) -> Recipe:
    """Return a recipe of any model by name, or one from a file."""
    from eegora import registry
    from eegora.errors import UsageError
    from eegora.recipes.recipe import Recipe

    if name.endswith(".toml"):
        return Recipe.from_toml(Path(name))
    known = {r.name: r for spec in registry.specs().values() for r in spec.recipes}
    if name not in known:
        raise UsageError(
            "unknown_recipe",
            f"no recipe is called {name!r}; there are {', '.join(known)}",
            hint="eegora recipe list",
        )
    return known[name]
