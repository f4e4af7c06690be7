"""``eegora attention``: where a model looks, per window, patch, query and channel."""

from __future__ import annotations

import typer

from eegora.cli.options import (
    ModelOptions,
    OutputOptions,
    RoomOptions,
    WindowOptions,
    expand,
    model_name,
    output_path,
)
from eegora.cli.session import Session


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("attention", help="Which channels a model looks at: a table of the first three, and all of it.")(
        expand(attention)
    )


def attention(recording: WindowOptions, model: ModelOptions, output: OutputOptions, pieces: RoomOptions) -> None:
    """Save a model's attention over channels."""
    from eegora.report.tables import show, top_channels_table
    from eegora.results.attention import ENDINGS

    session = Session(output)
    name = model_name(model.model, "attention")
    source = recording.recording
    path = output_path(output, f"{source.stem}_{name}_attention.safetensors", source, ENDINGS)
    session.foresee(name, "attention", model, recording)
    room = pieces.room()
    signal, _ = session.read_any(recording, room)
    ready = session.load(name, model)
    windows, how = session.prepare(ready, signal, recording, "attention", room=room)
    with session.phase("run the network"), session.progress("reading attention") as progress:
        result = ready.attention(windows, how, batch_size=model.batch_size, progress=progress)
    with session.phase("save"):
        result.save(path)
    session.say_notes(windows, ready)
    if not output.quiet and not output.as_json:
        show(top_channels_table(result))
    top = [[[name, round(float(weight), 6)] for name, weight in query] for query in result.top_channels()]
    shape = list(result.data.shape)
    facts = {"shape": shape, "top_channels": top, "channels": windows.plan.to_dicts()}
    line = f"{path}: {' × '.join(map(str, shape))} (window × patch × query × channel)"
    session.done(session.record(path, result.provenance, **facts), line)
