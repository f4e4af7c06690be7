"""A recording × a model: the recipe is run, no network is. What a recording is by itself is `look`'s affair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from eegora import registry
from eegora.check import training
from eegora.check.look import Look, look_at
from eegora.check.verdict import Finding, Verdict, WindowCount
from eegora.check.ways import Attempt, edited, ways_on
from eegora.errors import EegoraError, UsageError
from eegora.plan import ChannelPlan
from eegora.recipes import resample_blocks, streamed
from eegora.recipes.event_steps import events_of
from eegora.recipes.recipe import Recipe
from eegora.recipes.steps import STEPS
from eegora.recordings.source import without
from eegora.registry import find_recipe
from eegora.signal import Signal
from eegora.spec import ModelSpec
from eegora.stream import LIMIT, Room
from eegora.windows import Windows

if TYPE_CHECKING:
    from eegora.recordings.source import Source

EXCERPT_S = 120.0  # of a recording that was not read as a whole


def check_recording(
    source: Source | Look,
    spec: ModelSpec,
    *,
    variant: str | None = None,
    recipe: Recipe | str | Path | None = None,
    task: str = "embed",
    missing: str | None = None,
    unknown: str | None = None,
    exclude: Sequence[str] = (),
) -> Verdict:
    """Say whether a model can use a recording, what would be done to it, and what would be lost.

    Parameters
    ----------
    source : path, mne Raw, (array, ch_names, sfreq[, unit]), Signal, or what `look_at` made of one
    spec : ModelSpec
    variant : str, optional
        For the command that goes on, and for the tasks that its published checkpoint is trained for.
    recipe, missing, unknown, exclude
        As in `eegora.model.Preparation`.
    task : str

    Returns
    -------
    Verdict
        Whatever is wrong with the recording's content is in it.

    Raises
    ------
    RecordingError
        Only if the file cannot be understood.
    UsageError
        What was asked for does not exist: a recipe, a variant, a channel to exclude.

    Examples
    --------
    >>> verdict = check_recording("rec.edf", registry.find(name)[1])  # doctest: +SKIP
    >>> verdict.answer, verdict.next  # doctest: +SKIP
    """
    look = source if isinstance(source, Look) else look_at(source)
    chosen = find_recipe(spec, recipe).checked()
    one = spec.variant(variant) if variant else spec.variants[0]
    if one is None:
        raise UsageError("unknown_model", f"{spec.title} has no variant {variant!r}")
    model = registry.full_name(spec, one)
    options = {"recipe": recipe, "missing": missing, "unknown": unknown, "exclude": exclude}
    command = _command(look, model, task, options)
    findings = [*look.findings, *_task(spec, one.trained, task, model)]
    verdict = Verdict(look.name, model, chosen.name, task, tuple(findings), look.plan, numbers=look.numbers)
    if look.signal is None:
        return replace(verdict, next=look.findings[-1].next)
    signal = without(_excerpt(look, look.signal, chosen), exclude)
    attempt = Attempt(without(look.trials, exclude) if look.trials else signal, chosen, spec, task, missing, unknown)
    start = perf_counter()
    try:
        windows, remarks = attempt.run()
        took = (perf_counter() - start) * look.n_times / max(signal.n_times, 1)
        count = _count(look, chosen, windows)
    except UsageError:
        raise
    except EegoraError as error:
        refused = _refused(error, attempt, command)
        return replace(verdict, findings=(*findings, *refused), next=refused[0].next)
    findings += [*_input(look, chosen, windows, count), *remarks, *_lines(look, chosen)]
    findings += [*_reference(look, chosen, windows), *_bads(signal, chosen), *_places(windows)]
    findings += [*training.amplitude(spec, chosen, windows), *training.coverage(spec, windows)]
    size, temporary = _size(look, signal, attempt)
    held, sizes = training.memory(look, windows, count)
    findings += size or held
    findings += [Finding("note", "recipe", note) for note in windows.notes if note not in signal.notes]
    numbers = {**look.numbers, **_numbers(windows, count), **sizes, "temporary_bytes": temporary}
    plan: ChannelPlan = windows.plan
    errors = [f for f in findings if f.severity == "error"]
    return replace(
        verdict,
        findings=tuple(findings),
        plan=plan,
        windows=count,
        numbers=numbers,
        next=errors[0].next if errors else command,
        prepare_s=round(took, 3),
    )


def _excerpt(look: Look, signal: Signal, recipe: Recipe) -> Signal:
    """Return the signal that the recipe runs on: all of it, or the beginning of what was read of a long recording."""
    if look.is_whole:
        return signal
    n = min(signal.n_times, round(EXCERPT_S * signal.sfreq))
    found = events_of(look.annotations, _events(recipe) or ())
    here = tuple(replace(event, onset=n / 2 / signal.sfreq) for event in found[:1])  # one in the middle stands for all
    return replace(signal, data=signal.data[:, :n], annotations=here)


def _events(recipe: Recipe) -> Any:
    """Return the events that a recipe cuts at; None if it cuts on a grid."""
    return recipe.cut.options.get("events")


def _refused(error: EegoraError, attempt: Attempt, command: str) -> list[Finding]:
    """Return the recipe's refusal, with what works instead or what else is in the way."""
    ways, obstacle = ways_on(error, attempt, command)
    found = [replace(Finding.of_error(error), next=ways[0].command if ways else (obstacle or error).hint)]
    if len(ways) > 1:
        told = ", ".join(f"{way.words} ({way.n_rows} rows)" for way in ways)
        made = "; filled rows are made of the others, not recorded" if "--missing zero" in told else ""
        found.append(Finding("note", "ways_on", f"these work: {told}{made}"))
    if obstacle is not None:
        found.append(Finding.of_error(obstacle))
    return found


def _command(look: Look, model: str, task: str, options: dict[str, Any]) -> str:
    """Return what to type to run the task as it was checked."""
    words = ["eegora", task, look.typed, "--model", model]
    for name in ("recipe", "missing"):
        if options[name] is not None:
            words += [f"--{name}", str(getattr(options[name], "name", options[name]))]
    if options["unknown"] is not None:
        words += ["--unknown", options["unknown"]]
    if options["exclude"]:
        words += ["--exclude", ",".join(options["exclude"])]
    for name, value in look.reading.items():
        words += [f"--{name}", str(value)]
    return " ".join(words)


def _task(spec: ModelSpec, trained: Sequence[str], task: str, model: str) -> list[Finding]:
    if task not in spec.tasks:
        able = [other.name for other in registry.specs().values() if task in other.tasks]
        sentence = f"{spec.title} does not {task}; models that do: {', '.join(able) or 'none'}"
        return [Finding("error", "no_such_task", sentence, f"--model {able[0]}" if able else "another task")]
    if task not in trained:
        sentence = f"the published {model} is not trained to {task}: a checkpoint of your own is needed"
        return [Finding("note", "own_checkpoint", sentence, "--checkpoint FILE")]
    return []


def _count(look: Look, recipe: Recipe, windows: Windows) -> WindowCount:
    """Count windows over the whole recording from its length and annotations alone."""
    if look.trials:
        part = look.trials.parts[0]
        grid = _grid(replace(look, n_times=part.n_times), recipe, rejecting=False)
        whole = len(grid) * len(look.trials.parts)
        lost = part.seconds - float((grid.onsets + grid.n_valid / grid.sfreq).max())
        return WindowCount(len(windows), whole - len(windows), 0, windows.seconds, round(max(0.0, lost), 6))
    grid = _grid(look, recipe, rejecting=False)
    kept = windows if look.is_whole else _grid(look, recipe, rejecting=True)
    end = float((grid.onsets + grid.n_valid / grid.sfreq).max(initial=0.0))
    annotated = sum(any(flag.startswith("annotated:") for flag in flags) for flags in kept.flags)
    lost = round(max(0.0, look.seconds - end), 6) if _events(recipe) is None else 0.0
    return WindowCount(len(kept), len(grid) - len(kept), annotated, windows.seconds, lost)


def _grid(look: Look, recipe: Recipe, *, rejecting: bool) -> Windows:
    """Run only what changes the time axis, on one channel of zeros."""
    assert look.signal is not None
    nowhere = np.full((1, 3), np.nan)
    state: Any = Signal(
        np.zeros((1, look.n_times), np.float16), ("row",), nowhere, look.signal.sfreq, look.annotations, name=look.name
    )
    for step in recipe.before:
        if step.name == "resample":
            # Picking samples makes as many as the FFT, and needs no float64.
            state = STEPS[step.name].function(state, **{**step.options, "method": "nearest"})
    everything = {} if rejecting else {"reject_by_annotation": False, "gaps": "keep"}
    windows: Windows = STEPS[recipe.cut.name].function(state, **{**recipe.cut.options, **everything})
    return windows


def _input(look: Look, recipe: Recipe, windows: Windows, count: WindowCount) -> list[Finding]:
    """Say what reaches the model, and what is lost on the way."""
    length = windows.data.shape[-1]
    made = f"{count.n_windows} window{'s' * (count.n_windows != 1)} of {windows.seconds:g} s"
    sentence = f"{recipe.name} makes {made}: {len(windows.ch_names)} rows × {length} samples at {windows.sfreq:g} Hz"
    found = [Finding("ok", "windows", sentence)]
    if count.n_dropped:
        sentence = f"{count.n_dropped} of {count.n_windows + count.n_dropped} windows are dropped: bad, or in a gap"
        found.append(Finding("warning", "dropped_windows", sentence))
    if count.n_annotated:
        sentence = f"{count.n_annotated} windows overlap stretches annotated as bad, and are used"
        next_step = "the recipe's cut step with reject_by_annotation = true leaves them out (eegora recipe show --toml)"
        found.append(Finding("warning", "annotated_windows", sentence, next_step))
    if count.lost_s > 0:
        found.append(
            Finding("note", "tail", f"the last {count.lost_s:g} s{' of each epoch' * bool(look.trials)} fill no window")
        )
    assert look.signal is not None
    if look.signal.sfreq < windows.sfreq * (1 - 1e-6):
        sentence = (
            f"recorded at {look.signal.sfreq:g} Hz, the model takes {windows.sfreq:g} Hz: it is resampled, and holds"
            f" nothing above {look.signal.sfreq / 2:g} Hz"
        )
        found.append(Finding("note", "rate", sentence))
    else:
        done = "as it is" if look.signal.sfreq == windows.sfreq else f"resampled to {windows.sfreq:g} Hz"
        found.append(Finding("ok", "rate", f"{look.signal.sfreq:g} Hz, {done}"))
    if windows.not_undone:
        sentence = f"the way back to volts cannot undo {', '.join(dict.fromkeys(windows.not_undone))}"
        found.append(Finding("note", "not_undone", sentence))
    if any(step.name == "clip" for step in recipe.steps) and windows.data.size:
        share = float((np.abs(windows.data) >= np.abs(windows.data).max()).mean())
        if share > 1e-3:
            found.append(Finding("warning", "clip_step", f"the recipe clips {share:.1%} of the samples"))
    return found


def _size(look: Look, signal: Signal, attempt: Attempt) -> tuple[list[Finding], int]:
    """Say of a recording too large to be held how it is worked through, and the bytes of its temporary files."""
    recipe = attempt.recipe.choosing(missing=attempt.missing, unknown=attempt.unknown)
    size = f"{look.n_times * len(signal.ch_names) * 8 / 1e9:.3g} GB of samples"
    if look.n_times * len(signal.ch_names) * 8 <= LIMIT:
        return [], 0
    known = replace(signal, annotations=look.annotations)
    n_bytes, head = streamed.foreseen(known, look.n_times, recipe, Room(way_back=False))
    sentence = f"{size} are worked through in pieces, with {n_bytes / 1e9:.3g} GB of temporary files (--temp)"
    blocks = [Finding("note", "resample", note) for note in head.notes if note == resample_blocks.NOTE]
    return [Finding("note", "size", sentence), *blocks], n_bytes


def _lines(look: Look, recipe: Recipe) -> list[Finding]:
    """Hold line noise against the recipe's notch."""
    found = look.numbers["line_noise_db"]
    freqs: set[float] = set()
    detects = False
    for step in recipe.steps:
        if step.name == "notch":
            value = step.options.get("freqs", ())
            freqs |= {float(f) for f in (value if isinstance(value, tuple) else (value,))}
            detects |= bool(step.options.get("detect"))
    notched = f"{', '.join(f'{f:g}' for f in sorted(freqs))} Hz" if freqs else "where it finds lines" * detects
    if found is None:
        return [Finding("note", "line_noise", "too short, or sampled too slowly, to tell line noise")]
    if not found:
        return [
            Finding("ok", "line_noise", "no line noise at 50 or 60 Hz" + f"; the notch is at {notched}" * bool(notched))
        ]
    told = " and ".join(f"{hz} Hz ({level:g} dB above its neighbours)" for hz, level in found.items())
    if detects or {float(hz) for hz in found} <= freqs:
        return [Finding("ok", "line_noise", f"line noise at {told}; the recipe's notch takes it out ({notched})")]
    if not freqs:
        return [
            Finding("note", "line_noise", f"line noise at {told}; the recipe has no notch, as in the model's training")
        ]
    wanted = ", ".join(f"{float(hz):g}.0" for hz in found)
    write, use = edited(recipe, [("freqs", f"[{wanted}]")], f"{'-'.join(found)}hz")
    next_step = f"{write}; then {use}"
    return [
        Finding("warning", "line_noise", f"line noise at {told}, but the recipe's notch is at {notched}", next_step)
    ]


def _reference(look: Look, recipe: Recipe, windows: Windows) -> list[Finding]:
    told = look.numbers["reference"]
    names = {step.name for step in recipe.steps}
    if "average_reference" in names:
        return [Finding("ok", "reference", f"{told}; the recipe takes the average")]
    if any(use.action == "derived" for use in windows.plan.uses):
        severity: Any = "warning" if "several" in told else "ok"
        return [Finding(severity, "reference", f"{told}; the recipe's differences cancel a common one")]
    sentence = f"{told}; the model takes it as it is: compare only recordings of one reference"
    return [Finding("warning" if "several" in told else "note", "reference", sentence)]


def _places(windows: Windows) -> list[Finding]:
    """Say which rows have no position; whether the model needs them, its recipe's first step knows."""
    nowhere = [n for n, place in zip(windows.ch_names, windows.ch_pos, strict=True) if not np.isfinite(place).all()]
    if not nowhere:
        return []
    next_step = f"--montage with the cap's name in MNE, or --exclude {','.join(nowhere)}"
    return [Finding("warning", "rows_without_position", f"rows without a position: {', '.join(nowhere)}", next_step)]


def _bads(signal: Signal, recipe: Recipe) -> list[Finding]:
    if not signal.bads:
        return []
    names = ", ".join(signal.bads)
    if any(s.name == "average_reference" and s.options.get("over", "good") == "good" for s in recipe.steps):
        return [Finding("note", "bads_used", f"{names}: bad, left out of the average, but a row like the others")]
    sentence = f"{names}: marked bad, but the recipe uses them like the others"
    return [Finding("warning", "bads_used", sentence, f"--exclude {','.join(signal.bads)}, or repair them first")]


def _numbers(windows: Windows, count: WindowCount) -> dict[str, Any]:
    data = windows.data
    return {
        "input_std": float(data.std()) if data.size else 0.0,
        "input_max": float(np.abs(data).max(initial=0.0)),
        "input_shape": [count.n_windows, *data.shape[1:]],
    }
