"""``eegora embed``: a recording in, vectors out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eegora.cli.options import ModelOptions, OutputOptions, RecordingOptions, expand, model_name, output_path
from eegora.cli.session import Session, with_inputs

ENDINGS = (".parquet", ".safetensors", ".npz")
ROOMY = ENDINGS


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("embed", help="Embed a recording: one vector per window, or every token.")(expand(embed))


def embed(
    recording: RecordingOptions,
    model: ModelOptions,
    output: OutputOptions,
    pooling: Annotated[
        str | None, typer.Option(help="How tables get one vector per window; default: the model's first.")
    ] = None,
    figures: Annotated[Path | None, typer.Option(metavar="DIR", help="Draw charts of the embeddings there.")] = None,
) -> None:
    """Embed a recording."""
    session = Session(output)
    name = model_name(model.model, "embed")
    source = recording.recording
    path = output_path(output, f"{source.stem}_{name}.parquet", source, ENDINGS, ROOMY)
    signal, _ = session.read(recording)
    ready = session.load(name, model)
    windows, how = session.prepare(ready, signal, recording, "embed")
    with session.phase("run the network"), session.progress("embedding") as progress:
        result = ready.embed(windows, how, batch_size=model.batch_size, progress=progress)
    result = with_inputs(result, ready, windows, output.save_inputs)
    if pooling is not None:
        result = result.pool(pooling)
    with session.phase("save"):
        result.save(path)
    if figures is not None:
        from eegora.report.figures import embed_figures

        embed_figures(figures, result, session.timings)
    session.say_notes(windows, ready)
    shape = dict(zip(result.axes, result.data.shape, strict=True))
    session.done(
        {
            "output": str(path),
            "task": "embed",
            "shape": shape,
            "seconds_per_window": windows.seconds,
            "untrained": ready.untrained,
            "channels": windows.plan.to_dicts(),
            "notes": list(result.provenance.notes),
            "timings": session.timings,
        },
        f"{path}: {' × '.join(map(str, shape.values()))} ({' × '.join(shape)}); channels: {windows.plan}"
        + ("; UNTRAINED" if ready.untrained else ""),
    )
