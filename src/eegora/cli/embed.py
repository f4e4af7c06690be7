"""``eegora embed``: recordings in, vectors out."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eegora.cli.options import (
    ModelOptions,
    OutputOptions,
    RoomOptions,
    SaveInputs,
    WindowOptions,
    check_folder,
    expand,
    model_name,
    output_path,
    pairs,
    words,
)
from eegora.cli.session import Session, preparation, with_inputs

if TYPE_CHECKING:
    from eegora.model import Model
    from eegora.preparation import Preparation
    from eegora.tasks.embed import Written
    from eegora.windows import Windows


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("embed", help="Embed recordings: one vector per window, or every token.")(expand(embed))


@dataclass(frozen=True)
class Wanted:
    """What was typed, for one recording as for several."""

    names: tuple[str, ...]
    recording: WindowOptions
    model: ModelOptions
    pieces: RoomOptions
    save_inputs: bool
    pooling: str | None
    every: float | None
    figures: Path | None

    def of(self, path: Path, *, several: bool) -> Wanted:
        """Return the same for one of the recordings; each of several has charts of its own."""
        figures = self.figures / path.stem if self.figures is not None and several else self.figures
        return replace(self, recording=replace(self.recording, recording=path), figures=figures)


def embed(
    recordings: WindowOptions,
    model: ModelOptions,
    output: OutputOptions,
    pieces: RoomOptions,
    recording: Annotated[
        list[Path],
        typer.Argument(metavar="RECORDING...", help="Files that MNE reads, or CSV; of several, -o is a folder."),
    ],
    save_inputs: SaveInputs = False,
    pooling: Annotated[
        str | None, typer.Option(help="How tables get one vector per window; default: the model's first.")
    ] = None,
    every: Annotated[
        float | None,
        typer.Option(help="Seconds between starts of windows; with several models: a common grid, the longest window."),
    ] = None,
    figures: Annotated[Path | None, typer.Option(metavar="DIR", help="Draw charts of the embeddings there.")] = None,
) -> None:
    """Embed a recording, or several, each into a file of its own."""
    names = words([model_name(model.model, "embed")])
    wanted = Wanted(names, recordings, model, pieces, save_inputs, pooling, every, figures)
    if len(recording) > 1:
        return _several(wanted, recording, output)
    session = Session(output)
    session.done(*_one(session, wanted.of(recording[0], several=False), {}))


def _several(wanted: Wanted, recordings: Sequence[Path], output: OutputOptions) -> None:
    """Embed recordings one after the other with one model; leave with the code of the worst that was refused."""
    from eegora.errors import EegoraError, UsageError
    from eegora.results.embeddings import ENDINGS

    folder = output.out or Path()
    if folder.is_file() or folder.suffix.lower() in ENDINGS:
        raise UsageError("bad_output", f"{folder} is one file, for {len(recordings)} recordings", hint="-o FOLDER")
    stems = [path.stem for path in recordings]
    twice = next((stem for stem in stems if stems.count(stem) > 1), None)
    if twice is not None:
        raise UsageError("bad_output", f"several recordings are called {twice}: one file would replace the other")
    label = wanted.names[0] if len(wanted.names) == 1 else f"{len(wanted.names)}models"
    session, first = Session(output), wanted.of(recordings[0], several=True).recording
    several = len(wanted.names) > 1
    recipes = recipe_of_each(first.recipe, wanted.names) if several else dict.fromkeys(wanted.names, first.recipe)
    for name in wanted.names:
        session.foresee(name, "embed", wanted.model, replace(first, recipe=recipes[name]), wanted.pooling)
    check_folder(folder)
    ready = {name: session.load(name, wanted.model, "embed") for name in wanted.names}
    records: list[dict[str, Any]] = []
    codes = [0]
    for path in recordings:
        one = Session(replace(output, out=folder / f"{path.stem}_{label}.parquet"))
        try:
            done, line = _one(one, wanted.of(path, several=True), ready)
            record = {"recording": str(path), **done}
        except EegoraError as error:
            codes.append(error.exit_code)
            record, line = {"recording": str(path), "output": None, "error": str(error)}, ""
            named = "" if path.name in error.message else f"{path.name}: "
            sys.stderr.write(f"eegora: {named}{error}\n")
        records.append(record)
        if line and not output.as_json:
            one.done(record, line)
    n_done = len(recordings) - (len(codes) - 1)
    told = f"{n_done} of {len(recordings)} recordings embedded into {folder}/; {len(codes) - 1} refused"
    session.done({"task": "embed", "results": records}, told)
    if max(codes):
        raise typer.Exit(2 if 2 in codes else max(codes))


def _one(session: Session, wanted: Wanted, loaded: Mapping[str, Model]) -> tuple[dict[str, Any], str]:
    """Embed one recording; return what was done, as a record and in one line."""
    from eegora.results.embeddings import ENDINGS

    if len(wanted.names) > 1:
        return _aligned(session, wanted, loaded)
    (name,), output, recording = wanted.names, session.output, wanted.recording
    source, pooling = recording.recording, wanted.pooling
    path = output_path(output, f"{source.stem}_{name}.parquet", source, ENDINGS, ENDINGS, wanted.save_inputs)
    session.foresee(name, "embed", wanted.model, recording, pooling)
    check_folder(wanted.figures)
    room = wanted.pieces.room(way_back=path.suffix.lower() != ".parquet")
    signal, _ = session.read_any(recording, room)
    ready = loaded.get(name) or session.load(name, wanted.model, "embed")
    windows, how = session.prepare(ready, signal, recording, "embed", every=wanted.every, room=room)
    done = _written(session, wanted, ready, windows, how, path)
    session.say_notes(windows, ready)
    shape = dict(zip(done.axes, done.shape, strict=True))
    facts = {"shape": shape, "pooling": done.pooling, "seconds_per_window": windows.seconds}
    record = session.record(path, done.provenance, **facts, channels=windows.plan.to_dicts())
    axes = f"{' × '.join(shape)}{f', pooling {done.pooling}' if done.pooling else ''}"
    told = f"{path}: {' × '.join(map(str, shape.values()))} ({axes}); channels: {windows.plan}"
    return record, told


def _written(session: Session, wanted: Wanted, ready: Model, windows: Windows, how: Preparation, path: Path) -> Written:
    """Run the network and save what it gives, and charts of it if they are wanted."""
    from eegora.tasks.embed import Written

    pooling, figures = wanted.pooling, wanted.figures
    with session.phase("run the network and save"), session.progress("embedding") as progress:
        pace: dict[str, Any] = {"batch_size": wanted.model.batch_size, "progress": progress}
        if figures is None and not wanted.save_inputs:
            return ready.embed_to(windows, path, how, pooling=pooling, **pace)
        how = how.narrowed(ready.spec.poolings[pooling]) if pooling is not None else how
        result = with_inputs(ready.embed(windows, how, **pace), ready, windows, how, wanted.save_inputs)
        result = result.pool(pooling) if pooling is not None else result
        kept = result.pool() if path.suffix.lower() == ".parquet" else result
        done = Written(result.save(path), kept.axes, kept.data.shape, kept.pooling, result.provenance)
    if figures is not None:
        from eegora.report.figures import embed_figures

        embed_figures(figures, result, session.timings)
    return done


def _aligned(session: Session, wanted: Wanted, loaded: Mapping[str, Model]) -> tuple[dict[str, Any], str]:
    """Embed with several models on a common grid of starts: one table, a row per model and start."""
    from eegora.errors import UsageError
    from eegora.results.aligned import save_aligned
    from eegora.windows import Windows

    names, recording, options = wanted.names, wanted.recording, wanted.model
    if options.checkpoint is not None:
        raise UsageError("bad_options", "--checkpoint goes with one model", hint="one --model")
    source, room = recording.recording, wanted.pieces.room()
    path = output_path(
        session.output, f"{source.stem}_{len(names)}models.parquet", source, (".parquet",), (), wanted.save_inputs
    )
    recipes = recipe_of_each(recording.recipe, names)
    for name in names:
        session.foresee(name, "embed", options, replace(recording, recipe=recipes[name]))
    signal, _ = session.read_any(recording, room)
    models = [loaded.get(name) or session.load(name, options, "embed") for name in names]
    ways = [replace(preparation(recording), room=room, recipe=recipes[name]) for name in names]
    for model, how in zip(models, ways, strict=True):
        if model.recipe(how).cut.options.get("events"):
            told = f"several models share a grid of windows; recipe {model.recipe(how).name} has its windows at events"
            raise UsageError(
                "bad_recipe", told, hint="embed with one --model at a time, or take a recipe with the step cut"
            )
    every = wanted.every
    if every is None and not isinstance(signal, Windows):  # windows that came ready-made have a grid
        every = max(model.window_seconds(how) for model, how in zip(models, ways, strict=True))
    results = []
    for model, typed, plain in zip(models, names, ways, strict=True):
        name, how = f"{model.spec.name}-{model.variant}", replace(plain, every=every)
        with session.phase(f"embed with {name}"), session.progress(f"embedding with {name}") as progress:
            windows = _prepared(model, signal, how, typed)
            results.append(model.embed(windows, how, batch_size=options.batch_size, progress=progress))
        session.say_notes(windows, model, about=f"{name}: ")
    save_aligned(path, results)
    record: dict[str, Any] = {
        "output": str(path),
        "task": "embed",
        "every": every,
        "rows": {r.provenance.full_name: len(r) for r in results},
        "untrained": [r.provenance.full_name for r in results if r.provenance.untrained],
        "timings": session.timings,
    }
    rows = ", ".join(f"{name} {n}" for name, n in record["rows"].items())
    grid = "" if every is None else f", every {every:g} s"
    return record, f"{path}: a row per model and start{grid}: {rows}"


def _prepared(model: Model, signal: Any, how: Preparation, typed: str) -> Windows:
    """Prepare for one of several models; what is refused, and the ways on, say for which."""
    from eegora.errors import ChannelError

    try:
        return model.prepare(signal, how)
    except ChannelError as error:
        hint = error.hint.replace("--recipe ", f"--recipe {typed}=")
        raise ChannelError(error.code, f"{typed}: {error.message}", hint=hint) from None


def recipe_of_each(given: str | None, names: Sequence[str]) -> dict[str, str | None]:
    """Return the recipe of each model: ``MODEL=RECIPE``, comma-separated, or one for all of them.

    Raises
    ------
    UsageError
        ``bad_option`` for a model that was not named.
    """
    from eegora import registry
    from eegora.errors import UsageError

    if given is None or "=" not in given:
        return dict.fromkeys(names, given)
    found = pairs([given], "--recipe", "MODEL=RECIPE")
    known = {registry.plain(name): name for name in names}
    for name in found:
        if registry.plain(name) not in known:
            raise UsageError("bad_option", f"--recipe {name}=… came", hint=f"models here are {', '.join(names)}")
    chosen = {registry.plain(name): recipe for name, recipe in found.items()}
    return {name: chosen.get(plain) for plain, name in known.items()}
