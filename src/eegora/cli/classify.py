"""``eegora classify``: a recording and a fine-tuned checkpoint in, class probabilities out."""

from __future__ import annotations

from typing import Annotated

import typer

from eegora.cli.options import (
    ModelOptions,
    OutputOptions,
    RoomOptions,
    SaveInputs,
    WindowOptions,
    expand,
    model_name,
    output_path,
    words,
)
from eegora.cli.session import Session, with_inputs

ROOMY = (".safetensors", ".npz")


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("classify", help="Class probabilities per window, with a fine-tuned checkpoint.")(expand(classify))


def classify(
    recording: WindowOptions,
    model: ModelOptions,
    output: OutputOptions,
    pieces: RoomOptions,
    save_inputs: SaveInputs = False,
    classes: Annotated[
        list[str] | None, typer.Option(metavar="A,B", help="Names of the classes, in the head's order.")
    ] = None,
    multilabel: Annotated[bool, typer.Option("--multilabel", help="Classes do not exclude each other.")] = False,
    allow_untrained: Annotated[
        bool,
        typer.Option("--allow-untrained", help="Also with a head that was never trained: the numbers mean nothing."),
    ] = False,
) -> None:
    """Classify the windows of a recording."""
    from eegora.results.classification import ENDINGS, check_free

    session = Session(output)
    name = model_name(model.model, "classify")
    source = recording.recording
    path = output_path(output, f"{source.stem}_{name}_probs.csv", source, ENDINGS, ROOMY, save_inputs)
    check_free(path)
    session.foresee(name, "classify", model, recording)
    room = pieces.room()
    signal, _ = session.read_any(recording, room)
    ready = session.load(name, model)
    windows, how = session.prepare(ready, signal, recording, "classify", room=room)
    with session.phase("run the network"), session.progress("classifying") as progress:
        result = ready.classify(
            windows,
            how,
            classes=words(classes),
            multilabel=multilabel,
            allow_untrained=allow_untrained,
            batch_size=model.batch_size,
            progress=progress,
        )
    result = with_inputs(result, ready, windows, how, save_inputs)
    with session.phase("save"):
        result.save(path)
    session.say_notes(windows, ready, "classify")
    mean = {name: float(p) for name, p in zip(result.classes, result.probabilities.mean(axis=0), strict=True)}
    facts = {"windows": len(windows), "mean_probability": mean, "channels": windows.plan.to_dicts()}
    told = ", ".join(f"{name} {p:.3f}" for name, p in mean.items())
    line = f"{path}: {len(windows)} windows; mean probability {told}"
    session.done(session.record(path, result.provenance, **facts), line)
