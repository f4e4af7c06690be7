"""``eegora demo``: the main job on a recording that it makes, or on yours: vectors, and a picture of what was done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eegora.cli.options import ModelOptions, OutputOptions, RecordingOptions, model_name, result_path
from eegora.cli.session import Session

if TYPE_CHECKING:
    from eegora.model import Model


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo", help="Embed a recording (yours, or a synthetic one) and draw what was done.")(demo)


def demo(
    model: Annotated[str | None, typer.Option("--model", "-m", help="Model and variant.")] = None,
    recording: Annotated[Path | None, typer.Option(help="Your recording; default: a synthetic one.")] = None,
    recipe: Annotated[str | None, typer.Option(help="A recipe of the model, or a .toml file.")] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="A checkpoint file of your own.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Never ask the network.")] = False,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the results.")] = Path("demo"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace results that are there.")] = False,
) -> None:
    """Run the main job and say where the results are."""
    from eegora.report.figures import demo_picture

    session = Session(OutputOptions(verbose=True))
    name = model_name(model, "embed")
    path = recording or _synthetic(out, session)
    wanted = RecordingOptions(recording=path, recipe=recipe)
    table = result_path(out / f"{path.stem}_{name}.parquet", "", overwrite, path)
    picture = result_path(out / f"{path.stem}_{name}.png", "", overwrite, path)
    signal, _ = session.read(wanted)
    ready = _load(session, name, ModelOptions(checkpoint=checkpoint, offline=offline))
    windows, how = session.prepare(ready, signal, wanted, "embed")
    with session.phase("run the network"), session.progress("embedding") as progress:
        result = ready.embed(windows, how, progress=progress)
    attention = None
    if not ready.untrained and "attention" in ready.tasks:
        with session.phase("look where it attends"):
            attention = ready.attention(windows, how)
    with session.phase("save and draw"):
        result.save(table)
        demo_picture(
            picture,
            signal=signal,
            windows=windows,
            attention=attention,
            title=f"{path.name} through {ready.spec.title} {ready.variant}",
            untrained=ready.untrained,
        )
    session.say_notes(windows, ready)
    session.done({}, f"vectors: {table}\npicture: {picture}")


def _synthetic(out: Path, session: Session) -> Path:
    """Make the demo's recording; the same file comes out every time."""
    from eegora.recordings.synthetic import synthetic_raw
    from eegora.recordings.write import save_raw
    from eegora.results.storage import refusals

    path = out / "synthetic_raw.fif"
    with session.phase("make a synthetic recording"), refusals(path):
        out.mkdir(parents=True, exist_ok=True)
        save_raw(synthetic_raw(60, 0), path)
    return path


def _load(session: Session, name: str, options: ModelOptions) -> Model:
    """Load the published checkpoint; where the hub cannot be reached, go on with random parameters and say so."""
    from eegora.errors import HubError

    try:
        return session.load(name, options)
    except HubError as error:
        session.note(f"{error.message}; going on with an untrained network")
        return session.load(name, replace(options, untrained=True))
