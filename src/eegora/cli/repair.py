"""``eegora repair`` and ``eegora upsample``: a recording in, the same recording with what was missing filled in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from eegora.cli.options import (
    ModelOptions,
    OutputOptions,
    RecordingOptions,
    SamplerOptions,
    check_writable,
    expand,
    model_name,
    output_path,
    result_path,
    words,
)
from eegora.cli.score import ScoreOptions, Scoring
from eegora.cli.session import Session, preparation
from eegora.errors import UsageError

N_TOLD = 5  # stretches that the last line lists
ENDINGS = (".fif",)
HELD = 5  # times a recording's samples, what the work takes of memory at most
ACTS = {"repair": "repairing", "upsample": "upsampling"}

Annotations = Annotated[bool, typer.Option(help="Stretches annotated BAD are bad, and filled.")]
Draws = Annotated[
    int, typer.Option(min=1, help="Answers per segment: their mean, and beside it their standard deviation.")
]
Filtered = Annotated[bool, typer.Option("--filtered", help="Write the model's version: its rate, filtered, EEG alone.")]
Like = Annotated[bool, typer.Option("--like-original", help="Do as the original does, its known defects included.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("repair", help="Fill bad channels and stretches, and what is not a number; all else stays as it is.")(
        expand(repair)
    )
    app.command(
        "upsample",
        help="Add electrodes to a recording, and fill its bad channels, BAD stretches and what is not a number.",
    )(expand(upsample))


def repair(
    recording: RecordingOptions,
    model: ModelOptions,
    output: OutputOptions,
    score: ScoreOptions,
    sampler: SamplerOptions,
    span: Annotated[
        list[str] | None, typer.Option(metavar="START:STOP[:CHANNEL]", help="A bad stretch in seconds; repeatable.")
    ] = None,
    mask: Annotated[list[Path] | None, typer.Option(metavar="FILE.npz", help="A mask file; repeatable.")] = None,
    annotations: Annotations = True,
    flat: Annotated[float | None, typer.Option(help="Fill tokens whose deviation is below this.")] = None,
    noisy: Annotated[float | None, typer.Option(help="Fill tokens whose deviation is above this.")] = None,
    draws: Draws = 1,
    like_original: Like = False,
    filtered: Filtered = False,
    save_mask: Annotated[Path | None, typer.Option(metavar="FILE.npz", help="Write which cells were filled.")] = None,
) -> None:
    """Fill what is bad."""
    wanted: dict[str, Any] = {
        "bads": words(recording.bads),
        "spans": [_span(text) for text in span or ()],
        "mask_files": list(mask or ()),
        "use_annotations": annotations,
        "flat": flat,
        "noisy": noisy,
        "draws": draws,
        "like_original": like_original,
    }
    _run("repair", recording, model, output, wanted | {"seed": 0} | sampler.settings, filtered, save_mask, score)


def upsample(
    recording: RecordingOptions,
    model: ModelOptions,
    output: OutputOptions,
    sampler: SamplerOptions,
    to: Annotated[int | None, typer.Option(min=1, help="How many channels there are to be.")] = None,
    channels: Annotated[list[str] | None, typer.Option(metavar="A,B", help="Electrodes to add.")] = None,
    montage: Annotated[
        str | None, typer.Option(help="Add what it has: 10-20, 10-10, 10-05, or the name of a cap that MNE has.")
    ] = None,
    annotations: Annotations = True,
    draws: Draws = 1,
    like_original: Like = False,
    filtered: Filtered = False,
) -> None:
    """Add electrodes, and fill what is bad."""
    if [to is not None, bool(channels), montage is not None].count(True) != 1:
        raise UsageError(
            "bad_options",
            "nothing says what to add, or two things do",
            hint="--to N, --channels A,B or --montage 10-10",
        )
    wanted: dict[str, Any] = {"add": to if to is not None else words(channels), "montage": montage, "draws": draws}
    wanted |= {"use_annotations": annotations, "like_original": like_original, "bads": words(recording.bads)}
    _run("upsample", recording, model, output, wanted | {"seed": 0} | sampler.settings, filtered, None)


def _run(
    task: str,
    recording: RecordingOptions,
    model: ModelOptions,
    output: OutputOptions,
    wanted: dict[str, Any],
    filtered: bool,
    save_mask: Path | None,
    score: ScoreOptions = ScoreOptions(),  # noqa: B008, it is frozen
) -> None:
    from eegora.results.repair import left_out_note, spread_path
    from eegora.results.windows import refuse_windows

    session = Session(output)
    name = model_name(model.model, task)
    source = recording.recording
    path = output_path(output, f"{source.stem}_desc-{task}_raw.fif", source, ENDINGS)
    if wanted["draws"] > 1:
        result_path(spread_path(path), "", output.overwrite, source)
    if save_mask is not None:
        check_writable(save_mask)
    refuse_windows(source, "a recording")
    session.foresee(name, task, model, recording)
    if recording.non_finite == "refuse":  # what is not a number is filled
        recording = replace(recording, non_finite="keep")
    scoring = Scoring(score, session, path, source)
    signal, raw = session.read(recording, HELD)
    ready = session.load(name, model)
    how = preparation(recording)
    scoring.plan(signal, ready, how, wanted | {"batch_size": model.batch_size})
    function = ready.repair if task == "repair" else ready.upsample
    with session.phase("run the network"), session.progress(ACTS[task]) as progress:
        result = function(signal, how, batch_size=model.batch_size, progress=progress, **wanted)
    with session.phase("save"):
        result.save(path, like=raw, filtered=filtered)
        if save_mask is not None:
            result.details.save_mask(save_mask)
    session.say_notes(result.details.windows, ready)
    left_out = result.left_out(raw)
    for line in (*left_out_note(left_out), *([result.honesty] if result.annotations else ())):
        session.note(line)
    facts: dict[str, Any] = {
        "standard_deviation": str(spread_path(path)) if result.spread is not None else None,
        "filled": [[a.onset, a.duration, list(a.ch_names)] for a in result.annotations],
        "added": list(result.added),
        "still_bad": list(result.details.bads),
        "left_out": list(left_out),
        **scoring.run(ready),
    }
    n_filled, n_added = len(result.annotations), len(result.added)
    told = f"{path}: {n_filled} stretch{'es' * (n_filled != 1)} filled{_listed(': ', result.besides)}"
    if task == "upsample":
        told = f"{path}: {n_added} channel{'s' * (n_added != 1)} added{_listed('; filled besides: ', result.besides)}"
    if not result.annotations:
        nothing = "nothing was bad" + (", and nothing was added" if task == "upsample" else "")
        told = f"{path}: {nothing}: the file is {'the filtered recording' if filtered else 'a copy'}"
    session.done(session.record(path, result.provenance, **facts), told)


def _listed(begin: str, filled: tuple[str, ...]) -> str:
    """Say what was filled, the first few."""
    n_more = len(filled) - N_TOLD
    more = f"; and {n_more} more stretch{'es' * (n_more != 1)}" if n_more > 0 else ""
    return f"{begin}{', '.join(filled[:N_TOLD])}{more}" if filled else ""


def _span(text: str) -> tuple[Any, ...]:
    """Read ``12.5:14`` or ``30:31:Fp1``."""
    try:
        start, stop, *channel = text.split(":", 2)
        if ":" in "".join(channel) or channel == [""]:
            raise ValueError
        return (float(start), float(stop), *channel)
    except ValueError:
        raise UsageError("bad_option", f"--span {text!r} came, wanted START:STOP or START:STOP:CHANNEL") from None
