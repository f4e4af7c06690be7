"""``eegora embed``: a recording in, vectors out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from eegora.cli.options import (
    ModelOptions,
    OutputOptions,
    RecordingOptions,
    RoomOptions,
    SaveInputs,
    expand,
    model_name,
    output_path,
    words,
)
from eegora.cli.session import Session, preparation, with_inputs
from eegora.stream import Room

ENDINGS = (".parquet", ".safetensors", ".npz")
ROOMY = ENDINGS


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("embed", help="Embed a recording: one vector per window, or every token.")(expand(embed))


def embed(
    recording: RecordingOptions,
    model: ModelOptions,
    output: OutputOptions,
    pieces: RoomOptions,
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
    """Embed a recording."""
    from eegora.tasks.embed import Written

    session = Session(output)
    names = words([model_name(model.model, "embed")])
    if len(names) > 1:
        return _aligned(session, names, recording, model, every, save_inputs, pieces.room())
    (name,) = names
    source = recording.recording
    path = output_path(output, f"{source.stem}_{name}.parquet", source, ENDINGS, ROOMY, save_inputs)
    session.foresee(name, model, recording, path, pooling)
    room = pieces.room(way_back=path.suffix.lower() != ".parquet")
    signal, _ = session.read_any(recording, room)
    ready = session.load(name, model, "embed")
    windows, how = session.prepare(ready, signal, recording, "embed", every=every, room=room)
    with session.phase("run the network and save"), session.progress("embedding") as progress:
        pace: dict[str, Any] = {"batch_size": model.batch_size, "progress": progress}
        if figures is None and not save_inputs:
            done = ready.embed_to(windows, path, how, pooling=pooling, **pace)
        else:
            how = how.reading(ready.spec.poolings[pooling]) if pooling is not None else how
            result = with_inputs(ready.embed(windows, how, **pace), ready, windows, how, save_inputs)
            result = result.pool(pooling) if pooling is not None else result
            kept = result.pool() if path.suffix.lower() == ".parquet" else result
            done = Written(result.save(path), kept.axes, kept.data.shape, kept.pooling, result.provenance)
    if figures is not None:
        from eegora.report.figures import embed_figures

        embed_figures(figures, result, session.timings)
    session.say_notes(windows, ready)
    shape = dict(zip(done.axes, done.shape, strict=True))
    session.done(
        {
            "output": str(path),
            "task": "embed",
            "shape": shape,
            "pooling": done.pooling,
            "seconds_per_window": windows.seconds,
            "untrained": ready.untrained,
            "channels": windows.plan.to_dicts(),
            "notes": list(done.provenance.notes),
            "timings": session.timings,
        },
        f"{path}: {' × '.join(map(str, shape.values()))} ({' × '.join(shape)}{f', pooling {done.pooling}' if done.pooling else ''});"
        f" channels: {windows.plan}" + ("; UNTRAINED" if ready.untrained else ""),
    )


def _aligned(
    session: Session,
    names: Sequence[str],
    recording: RecordingOptions,
    options: ModelOptions,
    every: float | None,
    save_inputs: bool,
    room: Room,
) -> None:
    """Embed with several models on a common grid of starts: one table, a row per model and start."""
    from eegora.errors import UsageError
    from eegora.results.aligned import save_aligned

    if options.checkpoint is not None:
        raise UsageError("bad_options", "--checkpoint goes with one model", hint="one --model")
    source = recording.recording
    path = output_path(
        session.output, f"{source.stem}_{len(names)}models.parquet", source, (".parquet",), (), save_inputs
    )
    for name in names:
        session.foresee(name, options, recording, path)
    signal, _ = session.read_any(recording, room)
    models = [session.load(name, options, "embed") for name in names]
    how = replace(preparation(recording), room=room)
    longest = max(model.window_seconds(how) for model in models)
    how = replace(how, every=every or longest)
    results = []
    for model in models:
        name = f"{model.spec.name}-{model.variant}"
        with session.phase(f"embed with {name}"), session.progress(f"embedding with {name}") as progress:
            windows = model.prepare(signal, how)
            results.append(model.embed(windows, how, batch_size=options.batch_size, progress=progress))
        session.say_notes(windows, model)
    save_aligned(path, results)
    record = {
        "output": str(path),
        "task": "embed",
        "every": how.every,
        "rows": {f"{r.provenance.model}-{r.provenance.variant}": len(r) for r in results},
        "timings": session.timings,
    }
    session.done(record, f"{path}: a row per model and start, every {how.every:g} s; {record['rows']}")
