"""A recording × a model: the recipe is run, no network is. What a recording is by itself is `look`'s affair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from shlex import quote
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from eegora import registry
from eegora.check import filling, forward, said, training
from eegora.check.look import Look, look_at
from eegora.check.verdict import Finding, Verdict, WindowCount
from eegora.check.ways import Attempt, ways_on
from eegora.errors import ASK, EegoraError, UsageError
from eegora.preparation import Preparation, annotated
from eegora.recipes import resample_blocks, streamed
from eegora.recipes.event_steps import events_of
from eegora.recipes.recipe import Recipe
from eegora.recipes.steps import STEPS
from eegora.recordings.source import without
from eegora.registry import find_recipe
from eegora.signal import Signal
from eegora.spec import ModelSpec, Variant, act
from eegora.stream import LIMIT, Room
from eegora.windows import Windows

if TYPE_CHECKING:
    from eegora.recordings.source import Source

EXCERPT_S = 120.0  # of a recording that was not read as a whole
FROM_RESULTS = "decode"  # the task that starts from saved embeddings


def check_recording(
    source: Source | Look,
    spec: ModelSpec,
    *,
    variant: str | None = None,
    task: str = "embed",
    network: bool = False,
    **how: Any,
) -> Verdict:
    """Say whether a model can use a recording, what would be done to it, and what would be lost.

    Parameters
    ----------
    source : path, mne Raw, (array, ch_names, sfreq[, unit]), Signal, or what `look_at` made of one
    spec : ModelSpec
    variant : str, optional
        For the command that goes on, and for the tasks that its published checkpoint is trained for.
    task : str
    network : bool
        Estimate also how long the network will take; its parameters are not needed for that, torch is.
    **how
        ``recipe``, ``missing``, ``unknown``, ``exclude``, ``line_freq``, ``reject_annotated``: as in `Preparation`.

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
    one = spec.variant(variant) if variant else spec.variants[0]
    if one is None:
        raise UsageError("unknown_model", f"{spec.title} has no variant {variant!r}")
    fills = task in filling.TASKS
    given = _of_whole(Preparation(**how), task) if fills else Preparation(**how)
    chosen = given.applied(find_recipe(spec, given.recipe or one.recipe).checked())
    model, exclude = registry.full_name(spec, one), given.exclude
    command = _command(look, model, task, given) + " --checkpoint FILE" * (task not in one.trained)
    findings = [
        *(filling.of_reading(look) if fills else look.findings),
        *_task(spec, one.trained, task, model, look.typed),
    ]
    findings += _default(spec.recipe_doubt(task, chosen, chosen=given.recipe is not None))
    verdict = Verdict(look.name, model, chosen.name, task, tuple(findings), look.plan, numbers=look.numbers)
    if look.signal is None:
        return replace(verdict, next=look.findings[-1].next)
    if task not in spec.tasks or task == FROM_RESULTS:
        return replace(verdict, next=findings[-1].next)
    if fills:
        return _filled(look, verdict, spec, one, chosen, exclude, command, network)
    signal = without(_excerpt(look, look.signal, chosen), exclude)
    attempt = Attempt(
        without(look.trials, exclude) if look.trials else signal, chosen, spec, task, given.missing, given.unknown
    )
    start = perf_counter()
    try:
        windows, remarks = attempt.run()
        took = (perf_counter() - start) * look.n_times / max(signal.n_times, 1)
        count = _count(look, chosen, windows)
        ahead = forward.forward(spec, one, task, windows, count.n_windows) if network else None
    except UsageError:
        raise
    except EegoraError as error:
        refused = _refused(error, attempt, command)
        return replace(verdict, findings=(*findings, *refused), next=refused[0].next)
    findings += [
        *said.reaching(look, chosen, windows, count, task == "reconstruct"),
        *remarks,
        *said.line_noise(look, chosen),
        *(Finding("warning", "line_freq", told, "leave --line-freq out") for told in given.unheeded(chosen)),
    ]
    findings += [*said.reference(look, chosen, windows), *said.bads(signal, chosen), *said.places(windows)]
    findings += [*training.amplitude(spec, chosen, windows), *training.coverage(spec, windows)]
    size, temporary = _size(look, signal, attempt)
    held, sizes = training.memory(look, windows, count.n_windows, ahead)
    findings += size or held
    findings += said.remarks(signal, windows, look.is_whole)
    numbers = {**look.numbers, **_numbers(windows, count), **sizes, "temporary_bytes": temporary}
    errors = [f for f in findings if f.severity == "error"]
    return replace(
        verdict,
        findings=tuple(findings),
        plan=windows.plan,
        windows=count,
        numbers=numbers,
        next=errors[0].next if errors else command,
        prepare_s=round(took, 3),
        network=ahead,
    )


def _filled(
    look: Look,
    verdict: Verdict,
    spec: ModelSpec,
    variant: Variant,
    recipe: Recipe,
    exclude: Sequence[str],
    command: str,
    network: bool,
) -> Verdict:
    """Answer for a task that fills in a recording: by what its command does before the network runs."""
    assert look.signal is not None
    registry.code(registry.find(spec.name)[0])  # imported before the clock starts
    start = perf_counter()
    try:
        windows, n_filled = filling.tried(look, spec, recipe, verdict.task, exclude)
    except UsageError:
        raise
    except EegoraError as error:
        findings = (*verdict.findings, Finding.of_error(error))
        return replace(verdict, findings=findings, next=error.hint)
    share = look.n_times / max(look.signal.n_times, 1)
    took = (perf_counter() - start) * share
    # Of a long recording it is not known here which segments are bad: all of them is the most.
    n_windows = round(len(windows) * share)
    n_through = n_filled if look.is_whole else n_windows
    ahead = forward.forward(spec, variant, verdict.task, windows, n_through) if network else None
    held, sizes = training.memory(look, windows, n_windows, ahead)
    found = [
        *filling.findings(look, windows, n_filled),
        *said.reference(look, recipe, windows),
        *held,
        *said.remarks(look.signal, windows, look.is_whole),
    ]
    return replace(
        verdict,
        findings=(*verdict.findings, *found),
        plan=windows.plan,
        numbers={**verdict.numbers, **sizes},
        next=command,
        prepare_s=round(took, 3),
        network=ahead,
    )


def _of_whole(given: Preparation, task: str) -> Preparation:
    """Return choices, and refuse those that commands which fill in whole recordings do not have."""
    for name in ("line_freq", "reject_annotated"):
        if getattr(given, name) not in (None, False):
            option = f"--{name.replace('_', '-')}"
            raise UsageError(
                "bad_option", f"{option} is not for {task}: it fills a recording in whole", hint=f"leave {option} out"
            )
    return given


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
    hint = (obstacle or error).hint.replace(f"; {ASK}", "")  # that is what was just asked
    found = [replace(Finding.of_error(error), next=ways[0].command if ways else hint)]
    if len(ways) > 1:
        fills = [way for way in ways if way.fill]
        told = [f"{way.words} ({way.n_rows} rows)" for way in ways if not way.fill]
        if fills:
            names = ", ".join(way.fill for way in fills)
            told.append(f"--missing with one of {names} ({fills[0].n_rows} rows, made of the others, not recorded)")
        found.append(Finding("note", "ways_on", f"these work: {', '.join(told)}"))
    if obstacle is not None:
        found.append(Finding.of_error(obstacle))
    return found


def _command(look: Look, model: str, task: str, given: Preparation) -> str:
    """Return what to type to run the task as it was checked."""
    recipe = getattr(given.recipe, "name", given.recipe)
    options = {"recipe": recipe, "missing": given.missing, "unknown": given.unknown, "exclude": ",".join(given.exclude)}
    options |= {"line-freq": given.line_freq, **look.reading}
    if task == "upsample":
        options["montage"] = filling.ADDED
    told = [f"--{name} {quote(str(value))}" for name, value in options.items() if value]
    told += ["--reject-annotated"] * given.reject_annotated
    return " ".join(["eegora", task, look.typed, "--model", model, *told])


def _task(spec: ModelSpec, trained: Sequence[str], task: str, model: str, typed: str) -> list[Finding]:
    if task not in spec.tasks:
        try:
            registry.check_offers(spec, task)
        except UsageError as error:
            return [replace(Finding.of_error(error), next=f"eegora {task} {typed} {error.hint}")]
    if task == FROM_RESULTS:
        sentence = f"to {task} takes embeddings, not a recording"
        return [Finding("error", "not_a_recording", sentence, f"eegora embed -o NAME.safetensors, then eegora {task}")]
    if task not in trained:
        sentence = f"the published {model} is not trained to {act(task)}: it takes a checkpoint of your own"
        return [Finding("warning", "own_checkpoint", sentence, "--checkpoint FILE")]
    return []


def _default(doubt: str) -> list[Finding]:
    return [Finding("warning", "default_recipe", doubt, "--recipe NAME")] if doubt else []


def _count(look: Look, recipe: Recipe, windows: Windows) -> WindowCount:
    """Count windows over the whole recording from its length and annotations alone."""
    if look.trials:
        part = look.trials.parts[0]
        grid = _grid(replace(look, n_times=part.n_times), recipe, rejecting=False)
        whole = len(grid) * len(look.trials.parts)
        lost = part.seconds - float((grid.onsets + grid.n_valid / grid.sfreq).max())
        return WindowCount(
            len(windows), whole - len(windows), annotated(windows), windows.seconds, round(max(0.0, lost), 6)
        )
    grid = _grid(look, recipe, rejecting=False)
    kept = windows if look.is_whole else _grid(look, recipe, rejecting=True)
    end = float((grid.onsets + grid.n_valid / grid.sfreq).max(initial=0.0))
    lost = round(max(0.0, look.seconds - end), 6) if _events(recipe) is None else 0.0
    return WindowCount(len(kept), len(grid) - len(kept), annotated(kept), windows.seconds, lost)


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


def _numbers(windows: Windows, count: WindowCount) -> dict[str, Any]:
    data = windows.data
    return {
        "input_std": float(data.std()) if data.size else 0.0,
        "input_max": float(np.abs(data).max(initial=0.0)),
        "input_shape": [count.n_windows, *data.shape[1:]],
    }
