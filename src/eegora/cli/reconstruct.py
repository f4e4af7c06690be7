"""``eegora reconstruct`` and ``eegora decode``: a recording, or embeddings of one, in, the model's version of it out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from eegora.cli.options import (
    ModelOptions,
    OutputOptions,
    SamplerOptions,
    SaveInputs,
    WindowOptions,
    check_folder,
    expand,
    model_name,
    output_path,
)
from eegora.cli.session import Session, with_inputs

ROOMY = (".safetensors", ".npz")


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("reconstruct", help="Let the model reconstruct a recording's channels.")(expand(reconstruct))
    app.command("decode", help="Bring saved embeddings back to signal.")(expand(decode))


def reconstruct(
    recording: WindowOptions,
    model: ModelOptions,
    output: OutputOptions,
    sampler: SamplerOptions,
    save_inputs: SaveInputs = False,
    figures: Annotated[Path | None, typer.Option(metavar="DIR", help="Draw input against output there.")] = None,
) -> None:
    """Reconstruct a recording."""
    from eegora.results.reconstruction import ENDINGS

    session = Session(output)
    name = model_name(model.model, "reconstruct")
    source = recording.recording
    path = output_path(output, f"{source.stem}_{name}_raw.fif", source, ENDINGS, ROOMY, save_inputs)
    session.foresee(name, "reconstruct", model, recording)
    check_folder(figures)
    signal, raw = session.read(recording)
    ready = session.load(name, model)
    windows, how = session.prepare(ready, signal, recording, "reconstruct")
    how = replace(how, settings={**how.settings, **sampler.settings})
    with session.phase("run the network"), session.progress("reconstructing") as progress:
        result = ready.reconstruct(windows, how, batch_size=model.batch_size, progress=progress)
    result = with_inputs(result, ready, windows, how, save_inputs)
    with session.phase("save"):
        result.save(path, like=raw)
    if figures is not None:
        from eegora.report.figures import reconstruct_figures

        reconstruct_figures(figures, result, session.timings)
    session.say_notes(windows, ready)
    session.note(result.honesty)
    rmse = {name: float(value) for name, value in zip(result.ch_names, result.rmse.mean(axis=0), strict=True)}
    session.detail("\n".join(f"   {name}: RMSE {value:.3f} in model units" for name, value in rmse.items()))
    facts = {"windows": len(windows), "rmse": rmse, "honesty": result.honesty, "channels": windows.plan.to_dicts()}
    mean = sum(rmse.values()) / len(rmse)
    line = f"{path}: {len(windows)} windows, {len(rmse)} channels, mean RMSE {mean:.3f} in model units"
    session.done(session.record(path, result.provenance, **facts), line)


def decode(
    embeddings: Annotated[
        Path, typer.Argument(metavar="EMBEDDINGS", help="What `eegora embed -o NAME.safetensors` wrote.")
    ],
    model: ModelOptions,
    output: OutputOptions,
    sampler: SamplerOptions,
) -> None:
    """Bring embeddings back to signal, on the clock of the recording that they were made of."""
    from eegora import registry
    from eegora.preparation import Preparation
    from eegora.results.embeddings import Embeddings
    from eegora.results.reconstruction import ENDINGS
    from eegora.tasks.decode import check_whole

    session = Session(output)
    path = output_path(output, f"{embeddings.stem}_decoded_raw.fif", embeddings, ENDINGS)
    with session.phase("read the embeddings"):
        found = Embeddings.load(embeddings)
    own = found.provenance.full_name
    registry.check_offers(registry.find(model.model or own)[1], "decode")
    check_whole(found)  # before a checkpoint is looked for
    ready = session.load(model.model or own, model)
    how = Preparation(settings=sampler.settings)
    with session.phase("run the network"), session.progress("decoding") as progress:
        result = ready.decode(found, how, batch_size=model.batch_size, progress=progress)
    with session.phase("save"):
        result.save(path)
    session.say_notes(result.windows, ready)
    session.note(result.honesty)
    record = session.record(path, result.provenance, windows=len(result), honesty=result.honesty)
    session.done(record, f"{path}: {len(result)} windows, {len(result.ch_names)} channels")
