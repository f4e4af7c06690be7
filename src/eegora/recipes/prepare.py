"""Running a recipe: on a recording, on trials, on a stream, or on windows that came ready-made. Knows no step by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from eegora.errors import ASK, RecordingError, UsageError
from eegora.recipes import streamed
from eegora.recipes.blocks import check_finite, in_blocks
from eegora.recipes.fill import CHOICES
from eegora.recipes.recipe import Recipe, Step
from eegora.recipes.steps import STEPS
from eegora.recipes.time_steps import without_flagged
from eegora.recipes.undo import giving_up, noted, valid, with_fields
from eegora.recordings.references import mixed
from eegora.signal import Array, Signal, Trials
from eegora.stream import Room, Stream
from eegora.windows import Windows, join

UNKNOWN = ("refuse", "drop")
Watch = Callable[[Step, Signal | Windows], None]


def prepare(
    source: Signal | Stream | Trials | Windows,
    recipe: Recipe,
    *,
    missing: str | None = None,
    unknown: str | None = None,
    watch: Watch | None = None,
    room: Room | None = None,
) -> Windows:
    """Run a recipe on a recording.

    Parameters
    ----------
    source : Signal, Stream, Trials or Windows
        A Stream is worked through in pieces. With Windows only the steps behind the cut run.
    recipe : Recipe
    missing : str, optional
        What to do about channels that the recording lacks, for the steps that ask: ``refuse``, ``skip``, ``zero``,
        ``nearest``, ``inverse-distance``, ``mean``, ``spline``. Default: what the recipe says.
    unknown : str, optional
        What to do about channels without a position, for the steps that ask: ``refuse`` or ``drop``.
    watch : callable, optional
        Called as ``watch(step, state)`` after every step; the state must not be changed. Not called for a Stream.
    room : Room, optional
        Where a Stream's temporary files go, and what of it is kept.

    Returns
    -------
    Windows
        Data float32, contiguous, finite; of a Stream perhaps a memory map.

    Raises
    ------
    RecordingError
        ``too_short``, ``no_windows``, ``bad_rate``, ``constant_data``, ``non_finite``.
    ChannelError
        ``missing_channels``, ``no_channels``, ``no_positions``, ``bipolar``.
    UsageError
        ``bad_recipe``, ``bad_option``.

    Examples
    --------
    >>> windows = prepare(to_signal(raw), recipe, missing="skip")  # doctest: +SKIP
    """
    for option, value, known in (("missing", missing, CHOICES), ("unknown", unknown, UNKNOWN)):
        if value is not None and value not in known:
            raise UsageError("bad_option", f"{option} = '{value}' came, wanted one of {', '.join(known)}")
    recipe = recipe.checked().choosing(missing=missing, unknown=unknown)

    def run(state: Any, some: Iterable[Step]) -> Any:
        for step in some:
            # Pieces of a stream may be views of a block that is kept for the next piece.
            theirs = watch is not None or isinstance(source, Stream) or _is_of(source, state.data)
            with giving_up(None if theirs else state.data):
                state = STEPS[step.name].function(state, **step.options)
            if isinstance(state, Windows):
                state = _blank_after_end(state)
            if watch is not None:
                watch(step, state)
        return state

    if isinstance(source, Stream):
        watch = None  # nothing is there to be shown
        windows = streamed.in_pieces(source, recipe, run, room or Room())
    else:
        if isinstance(source, Windows):
            names = ", ".join(step.name for step in (*recipe.before, recipe.cut))
            windows = replace(source, notes=(*source.notes, f"windows came ready-made: {names} did not run"))
        else:
            windows = _cut(source, run, recipe)
        separable = watch is None and len(windows) and all(STEPS[step.name].blocks is None for step in recipe.behind)
        windows = (
            in_blocks(windows, lambda some: run(some, recipe.behind)) if separable else run(windows, recipe.behind)
        )
        windows = check_finite(with_fields(windows, data=np.ascontiguousarray(windows.data, dtype=np.float32)))
    windows = noted(windows, *_flat_notes(windows))
    if isinstance(source, Windows):
        return windows
    _check_varies(windows, recipe)
    head = source.head if isinstance(source, Stream) else source.parts[0] if isinstance(source, Trials) else source
    against = mixed(head.plan, windows.plan)
    windows = noted(windows, *([f"{against}; --exclude leaves a channel out"] if against else []))
    return _with_bads(with_fields(windows, recipe=recipe.to_toml()), head, recipe)


def _is_of(source: Signal | Trials | Windows, data: Array) -> bool:
    """Say whether an array may be the caller's own."""
    if isinstance(source, Trials):
        return any(np.may_share_memory(data, part.data) for part in source.parts)
    return np.may_share_memory(data, source.data)


def _least_seconds(recipe: Recipe) -> float | None:
    """Return what a recipe needs of a recording at least; None if that depends on its rate."""
    return recipe.window_seconds if recipe.cut.options.get("tail", "drop") == "drop" else None


def _cut(source: Signal | Trials, run: Callable[[Any, Iterable[Step]], Any], recipe: Recipe) -> Windows:
    """Run the steps up to the cut: on trials one by one, so that what stands behind it sees the windows of all of them."""
    if isinstance(source, Signal):
        windows: Windows = run(source, (*recipe.before, recipe.cut))
        return windows
    if recipe.cut.options.get("events"):
        told = f"{source.name} holds epochs, which are cut at their events already; recipe {recipe.name} cuts at events"
        hint = "give the recording itself, or a recipe with the step cut: results name each epoch's event"
        raise RecordingError("not_continuous", told, hint=hint)
    found, seconds = source.parts[0].seconds, _least_seconds(recipe)
    if seconds is not None and found < seconds - 1 / source.sfreq:
        told = (
            f"{source.name} holds epochs, not a continuous recording: {found:g} s each, wanted at least {seconds:g} s"
        )
        hint = "give the recording itself, longer epochs, or a recipe with shorter windows"
        raise RecordingError("not_continuous", told, hint=hint)
    # What an annotation drops is dropped from all of them together: no epoch has to keep a window.
    cut = replace(recipe.cut, options={**recipe.cut.options, "reject_by_annotation": False, "gaps": "keep"})
    parts = [run(part, (*recipe.before, cut)) for part in source.parts]
    left = found - max(float(np.max(part.onsets + part.n_valid / part.sfreq)) for part in parts)
    lost = (
        (f"the last {left:.3g} s of each epoch of {found:g} s are in no window",) if left > 1.5 / source.sfreq else ()
    )
    placed = [
        replace(part, onsets=part.onsets + at, flags=tuple((*flags, *more) for more in part.flags))
        for part, at, flags in zip(parts, source.onsets, source.flags or ((),) * len(parts), strict=True)
    ]
    chosen = recipe.cut.options
    windows = without_flagged(
        join(placed), bool(chosen.get("reject_by_annotation", False)), str(chosen.get("gaps", "drop"))
    )
    return replace(windows, notes=(*windows.notes, *source.notes, *lost), axis=None)


def _with_bads(windows: Windows, signal: Signal, recipe: Recipe) -> Windows:
    """Say which rows come from channels that the recording marks as bad: most recipes use them all the same."""
    marked = {label for name in signal.bads if (use := signal.plan.of(name)) for label in use.sources}
    bads = tuple(use.row for use in windows.plan.uses if use.row is not None and marked.intersection(use.sources))
    if not bads:
        return windows
    gone = [
        name
        for name in signal.bads
        if (use := signal.plan.of(name))
        and any(set(use.sources).intersection(row.sources) for row in windows.plan.uses if row.row in bads)
    ]
    skip = " --missing skip" if any(_refuses_missing(step) for step in recipe.before) else ""
    told = f"--exclude {','.join(gone)}{skip} leaves {'it' if len(gone) == 1 else 'them'} out"
    note = f"marked bad, but among the model's channels: {', '.join(bads)}; {told}"
    return replace(windows, bads=bads, notes=(*windows.notes, note))


def _check_varies(windows: Windows, recipe: Recipe) -> None:
    """Refuse windows that hold nothing but zeros: the network would answer all the same."""
    if windows.data.size and not windows.data[0].any() and not windows.data.any():
        raise RecordingError(
            "constant_data",
            f"{windows.name}: recipe {recipe.name} leaves nothing but zeros in all {len(windows.ch_names)} rows",
            hint=f"give a recording with more electrodes; {ASK}",
        )


def _refuses_missing(step: Step) -> bool:
    """Say whether a step wants channels by name, and refuses a recording without them."""
    wants = {"names", "rows"} & set(step.options)
    return bool(wants) and step.options.get("missing", "refuse") == "refuse"


def _flat_notes(windows: Windows) -> list[str]:
    """Say once per channel in how many windows it was flat."""
    flat = Counter(flag.partition(":")[2] for flags in windows.flags for flag in flags if flag.startswith("flat:"))
    return [f"{name} is flat in {n} of {len(windows)} windows: set to 0" for name, n in flat.items()]


def _blank_after_end(windows: Windows) -> Windows:
    """Keep what lies behind the end of a shorter window at zero, whatever the step made of it."""
    inside = valid(windows)
    if inside is True:
        return windows
    return replace(windows, data=np.where(inside, windows.data, 0.0).astype(windows.data.dtype))
