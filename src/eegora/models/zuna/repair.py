"""A recording with bad cells in, the same recording with those cells filled out (spec zuna-pipeline.md, A): plain functions on arrays.

Knows segments, their scales, seams and what the original gets wrong; masks are `masks.py`'s, the network is reached
through one callable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from eegora.errors import ChannelError, UsageError
from eegora.models.zuna import electrodes, masks
from eegora.models.zuna.masks import Cells, MaskFile, Span
from eegora.models.zuna.repaired import Repaired
from eegora.models.zuna.seams import filled_annotations, without_seams
from eegora.models.zuna.segments import (
    Bounds,
    Float32,
    Scaled,
    long_enough,
    odd_tokens,
    scaled_segments,
    segments,
    to_volts,
    to_windows,
)
from eegora.models.zuna.spec import LONGEST_S, PATCH, RATE, SHORTEST_S
from eegora.plan import ChannelUse
from eegora.recipes.recipe import Recipe
from eegora.recipes.steps import STEPS
from eegora.recipes.undo import use_of
from eegora.signal import Array, Signal
from eegora.spec import Run
from eegora.windows import Windows


@dataclass(frozen=True)
class RepairOptions:
    """What to repair, and how. The defaults correct what the original gets wrong; `like_original` does as it does.

    Parameters
    ----------
    bads : tuple of str
        Bad channels besides those that the recording marks.
    spans : tuple of Span
        Bad stretches.
    mask_files : tuple of MaskFile
    use_annotations : bool
        Annotations that begin with BAD are bad stretches too. Acquisition gaps (``BAD_ACQ_SKIP``) are never filled.
    blank : tuple of str
        Channels to fill that still count in the reference and are not bad.
    add : tuple of str, int or None
        Electrodes to add, or how many channels there are to be.
    montage : str or None
        Add the electrodes of this system or cap that are not there.
    flat, noisy : float or None
        Tokens whose deviation, in units of their segment's, is below or above are bad too.
    seconds : float
        Length of a segment.
    overlap : float
        Share of a token that must be bad before all of it is.
    draws : int
        Several answers per segment: their mean is taken, their deviation is kept.
    everything : bool
        Sample also segments without a bad cell, for `Repaired.full`.
    label : str
        Text of the annotations on filled cells.
    frame : str
        ``head``; the original places added electrodes in ``mri`` coordinates beside the recording's own.
    scale : str
        ``neighbours``: a channel without enough good samples takes the amplitude of the electrodes around it; ``own``:
        its own, whatever it is.
    statistics : str
        ``good``: bad cells count neither in the reference nor in a channel's scale; ``all``.
    tail : str
        ``cover``: the last segment reaches to the end, and is never shorter than half a second; ``drop`` up to 31 samples.
    choice : str
        ``spread`` or ``farthest``: which electrodes a number in `add` means.
    """

    bads: tuple[str, ...] = ()
    spans: tuple[Span, ...] = ()
    mask_files: tuple[MaskFile, ...] = ()
    use_annotations: bool = True
    blank: tuple[str, ...] = ()
    add: tuple[str, ...] | int | None = None
    montage: str | None = None
    flat: float | None = None
    noisy: float | None = None
    seconds: float = 5.0
    overlap: float = 0.0
    draws: int = 1
    everything: bool = False
    label: str = "ZUNA_infilled"
    frame: str = "head"
    scale: str = "neighbours"
    statistics: str = "good"
    tail: str = "cover"
    choice: str = "spread"

    def like_original(self) -> RepairOptions:
        """Return the same task done as the original does it."""
        return replace(
            self, frame="mri", scale="own", statistics="all", tail="drop", choice="farthest", label="ZUNA1.1_infilled"
        )


def options_of(wanted: Mapping[str, Any]) -> RepairOptions:
    """Read options by name, as a command or a caller of `Model.repair` gives them.

    Parameters
    ----------
    wanted : dict
        Fields of `RepairOptions`, where a span may be (start, stop, channel …) and a mask file its path; and
        ``like_original``.

    Raises
    ------
    UsageError
        ``bad_option`` for a name that is not there; ``not_found`` and ``bad_mask`` of mask files.
    """
    fields = dict(wanted)
    like_original = bool(fields.pop("like_original", False))
    known = list(RepairOptions.__dataclass_fields__)
    unknown = [name for name in fields if name not in known]
    if unknown:
        raise UsageError("bad_option", f"repair has no option {unknown[0]}", hint=f"there are {', '.join(known)}")
    spans = [
        s if isinstance(s, Span) else Span(float(s[0]), float(s[1]), tuple(s[2:])) for s in fields.get("spans", ())
    ]
    files = [f if isinstance(f, MaskFile) else masks.read_mask(f) for f in fields.get("mask_files", ())]
    options = RepairOptions(**{**fields, "spans": tuple(spans), "mask_files": tuple(files)})
    if not SHORTEST_S <= options.seconds <= LONGEST_S:
        told = f"segments of {options.seconds} s came, wanted {SHORTEST_S:g} to {LONGEST_S:g} s, as in training"
        raise UsageError("bad_option", told, hint="in Python seconds=5")
    for span in options.spans:
        if not 0 <= span.start < span.stop:
            raise UsageError("bad_option", f"span {span.start}:{span.stop} came, wanted start before stop, in seconds")
    return options.like_original() if like_original else options


def repair_recording(signal: Signal, recipe: Recipe, wanted: Mapping[str, Any], run: Run) -> Repaired:
    """Fill the bad cells of a recording (`repair`) with options by name (`options_of`)."""
    return repair(signal, recipe, options_of(wanted), run)


def upsample_recording(signal: Signal, recipe: Recipe, wanted: Mapping[str, Any], run: Run) -> Repaired:
    """Add electrodes to a recording, and fill its bad cells on the way.

    Raises
    ------
    UsageError
        ``bad_option`` if neither of the options ``add`` and ``montage`` is there.
    """
    if not wanted.get("add") and not wanted.get("montage"):
        raise UsageError(
            "bad_option",
            "nothing to add: no names, no number and no montage came",
            hint="--channels A,B, --to N or --montage 10-10",
        )
    return repair_recording(signal, recipe, wanted, run)


def repair(signal: Signal, recipe: Recipe, options: RepairOptions, run: Run) -> Repaired:
    """Fill the bad cells of a recording, and add electrodes.

    Parameters
    ----------
    signal : Signal
        As read, at its own rate.
    recipe : Recipe
        Its steps on the whole recording are taken: pick, resample, filter, notch.
    options : RepairOptions
    run : callable
        The network: gets the segments, the numbers of those that have a bad cell, and the number of the draw.

    Returns
    -------
    Repaired

    Raises
    ------
    ChannelError
        ``unknown_channels``, ``too_few_channels``, ``all_bad``.
    RecordingError
        ``too_short``.
    """
    prepared, missing = _prepared(signal, recipe)
    recording = _with_added(prepared, options)
    bounds = segments(recording.n_times, options.seconds, options.tail)
    length = bounds[-1][1]
    real = np.array([use_of(recording, name).action != "filled" for name in recording.ch_names])
    void = masks.gap_samples(recording.gaps, length, RATE)
    gap = void.reshape(-1, PATCH)
    # What an acquisition gap touches is not believed, but nothing was measured there: it is not filled either.
    touched: Cells = np.asarray(gap.any(axis=1))
    spans = _spans(recording, options)
    asked = _cells(recording, real, missing, spans, touched, options)
    cells = asked | touched
    volts = long_enough(recording.data, length).astype(np.float32)
    scaled = scaled_segments(volts, bounds, cells, real, recording, options.statistics, options.scale)
    if options.flat is not None or options.noisy is not None:
        odd = odd_tokens(scaled.tokens, real, options.flat, options.noisy)
        cells, asked = cells | odd, asked | odd
        scaled = scaled_segments(volts, bounds, cells, real, recording, options.statistics, options.scale)
    windows = to_windows(recording, bounds, cells, scaled)
    notes = _cut_notes(options.spans, recording.seconds)
    notes += masks.widened([*spans, *missing], len(gap), RATE, options.overlap, recording.seconds)
    windows = replace(windows, notes=(*windows.notes, *notes))
    filled = asked & ~gap.all(axis=1)
    full, spread = _answers(windows, bounds, scaled, filled, options, run)
    kept = to_volts(np.clip(windows.data, -1, 1), bounds, scaled)
    n_times = min(length, recording.n_times)
    void = void[:n_times]
    masked = np.repeat(filled, PATCH, axis=1)[:, :n_times] & ~void
    full, kept = full[:, :n_times], kept[:, :n_times]
    throughout = {name for name, row in zip(recording.ch_names, masked, strict=True) if row[~void].all()}
    return Repaired(
        windows=windows,
        hybrid=without_seams(np.where(masked, full, kept), masked, void),
        full=full,
        spread=None if spread is None else spread[:, :n_times],
        cells=filled,
        annotations=filled_annotations(masked, recording.ch_names, options.label),
        bads=tuple(name for name in recording.bads if name not in throughout),
        added=tuple(name for name, is_real in zip(recording.ch_names, real, strict=True) if not is_real),
        means=scaled.means,
        deviations=scaled.deviations,
    )


def _prepared(signal: Signal, recipe: Recipe) -> tuple[Signal, list[Span]]:
    """Bridge what is not a number, then run the recipe's steps on the whole recording; return also what was bridged."""
    missing = masks.missing_spans(signal.data, signal.ch_names, signal.sfreq)
    if missing:
        signal = replace(signal, data=_bridged(signal.data))
    for step in recipe.limiting:
        signal = STEPS[step.name].function(signal, **step.options)
    if len(signal.ch_names) < 3:
        raise ChannelError(
            "too_few_channels",
            f"{signal.name}: {len(signal.ch_names)} channels with a position ({' '.join(signal.ch_names)}), wanted 3 or more",
            hint="give positions (--montage NAME), or a recording with more electrodes",
        )
    return signal, missing


def _bridged(volts: Array) -> Array:
    """Replace NaN and infinity by straight lines between what is there; a channel without anything becomes zero."""
    out = np.array(volts)
    for row in out:
        bad = ~np.isfinite(row)
        if bad.all():
            row[:] = 0.0
        elif bad.any():
            row[bad] = np.interp(np.flatnonzero(bad), np.flatnonzero(~bad), row[~bad])
    return out


def _with_added(signal: Signal, options: RepairOptions) -> Signal:
    """Append rows of zeros for electrodes to add."""
    have = (signal.ch_names, signal.ch_pos)
    added: electrodes.Added = []
    if isinstance(options.add, int):
        if options.choice == "spread":
            added = electrodes.spread(options.add, *have)
        else:
            added = electrodes.farthest(options.add, *have, options.frame)
    elif options.add:
        if options.frame == "head":  # the original adds it beside itself
            electrodes.check_new(options.add, signal.ch_names)
        signal = _with_note_of_present(signal, options.add)
        added = electrodes.named(options.add, signal.ch_names, options.frame)
    elif options.montage:
        added = electrodes.of_montage(options.montage, signal.ch_names, options.frame)
    if not added:
        return signal
    names = tuple(name for name, _ in added)
    old = [use_of(signal, name) for name in signal.ch_names]
    new = [ChannelUse("filled", name, (), "added: imputed") for name in names]
    return replace(
        signal,
        data=np.concatenate([signal.data, np.zeros((len(added), signal.n_times))]),
        ch_names=signal.ch_names + names,
        ch_pos=np.concatenate([signal.ch_pos, [place for _, place in added]]),
        scale=np.ones((1, 1)),
        shift=np.zeros((1, 1)),
        level=np.zeros((1, 1)),
        plan=replace(signal.plan, uses=(*old, *new)),
    )


def _with_note_of_present(signal: Signal, names: tuple[str, ...]) -> Signal:
    """Note which electrodes to add are there already."""
    have = {name.lower() for name in signal.ch_names}
    there = ", ".join(name for name in names if name.lower() in have)
    note = f"not added, for they are in the recording: {there}; --bads fills a channel that is there"
    return replace(signal, notes=(*signal.notes, note)) if there else signal


def _spans(signal: Signal, options: RepairOptions) -> list[Span]:
    """Return the bad stretches that the user or the recording names."""
    names = signal.ch_names
    for span in options.spans:
        if span.start >= signal.seconds:
            raise UsageError(
                "bad_option",
                f"span {span.start:g}:{span.stop:g} begins behind the end of {signal.name}, which lasts {signal.seconds:g} s",
                hint="--span START:STOP in seconds from the first sample",
            )
    spans = [
        replace(s, ch_names=tuple(names[i] for i in masks.rows_of(s.ch_names, names, "a bad span", signal.plan)))
        for s in options.spans
    ]
    return [*spans, *masks.annotated(signal.annotations)] if options.use_annotations else spans


def _cut_notes(spans: tuple[Span, ...], seconds: float) -> tuple[str, ...]:
    """Say which spans reach beyond the end."""
    return tuple(
        f"span {s.start:g}:{s.stop:g} was cut to {s.start:g}-{seconds:g} s, where the recording ends"
        for s in spans
        if s.stop > seconds + 0.5 / RATE
    )


def _cells(
    signal: Signal, real: Cells, missing: list[Span], spans: list[Span], gap: Cells, options: RepairOptions
) -> Cells:
    """Return the union of all that is bad, (n_channels, n_tokens); `gap` says which tokens an acquisition gap touches."""
    names, n_tokens = signal.ch_names, len(gap)
    throughout = [*(name for name in signal.bads if name in names), *options.blank, *options.bads]
    # To whole samples of this rate: a sample of the recording lies in one, wherever rounding would put it.
    missing = [Span(np.floor(s.start * RATE) / RATE, np.ceil(s.stop * RATE) / RATE, s.ch_names) for s in missing]
    out = masks.span_tokens(missing, names, n_tokens, RATE, 0.0) | np.repeat(~real[:, None], n_tokens, axis=1)
    out[masks.rows_of(throughout, names, "the list of bads", signal.plan)] = True
    out |= masks.span_tokens(spans, names, n_tokens, RATE, options.overlap)
    for file in options.mask_files:
        out |= masks.file_tokens(file, names, signal.n_times, n_tokens, options.overlap)
    if (out | gap).all():
        raise ChannelError(
            "all_bad",
            f"{signal.name}: every cell of every channel is bad, nothing is left to repair from",
            hint="--bads",
        )
    return out


def _answers(
    windows: Windows, bounds: Bounds, scaled: Scaled, filled: Cells, options: RepairOptions, run: Run
) -> tuple[Float32, Float32 | None]:
    """Sample what has to be sampled; return the mean over draws and their deviation in volts."""
    if options.draws < 1:
        raise UsageError("bad_option", f"draws = {options.draws} came, wanted 1 or more", hint="--draws 1")
    needed = [filled[:, start // PATCH : stop // PATCH].any() for start, stop in bounds]
    wanted = np.flatnonzero(np.array(needed) | options.everything)
    answers: list[Float32] = []
    for draw in range(options.draws):
        made = np.clip(windows.data, -1, 1)
        if len(wanted):
            made[wanted] = run(windows, wanted, draw)
        answers.append(to_volts(made, bounds, scaled))
    if options.draws == 1:
        return answers[0], None
    return np.mean(answers, axis=0), np.std(answers, axis=0)
