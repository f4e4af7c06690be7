"""What a recipe makes of a recording, said in findings: windows, losses, line noise, reference, bads. Who runs it is `fit`'s affair."""

from __future__ import annotations

import numpy as np

from eegora.check.look import Look
from eegora.check.verdict import Finding, WindowCount
from eegora.check.ways import edited
from eegora.preparation import used_annotated
from eegora.recipes.fill import LEAST_ON_A_SPHERE
from eegora.recipes.recipe import Recipe
from eegora.recordings.references import mixed
from eegora.signal import Signal
from eegora.windows import Windows


def reaching(look: Look, recipe: Recipe, windows: Windows, count: WindowCount, way_back: bool) -> list[Finding]:
    """Say what reaches the model, what is lost on the way, and, for tasks that lead back to volts, what cannot be undone."""
    length = int(windows.n_valid.max())  # of a short recording's only window
    made = f"{count.n_windows} window{'s' * (count.n_windows != 1)} of {length / windows.sfreq:g} s"
    sentence = f"{recipe.name} makes {made}: {len(windows.ch_names)} rows × {length} samples at {windows.sfreq:g} Hz"
    found = [Finding("ok", "windows", sentence)]
    if count.n_dropped:
        sentence = f"{count.n_dropped} of {count.n_windows + count.n_dropped} windows dropped, they are bad or in a gap"
        told = [note for note in windows.notes if "windows dropped, they overlap" in note]
        sentence = told[0] if told and look.is_whole else sentence
        found.append(Finding("warning", "dropped_windows", sentence))
    if count.n_annotated:
        used = used_annotated(count.n_annotated)
        found.append(Finding("warning", "annotated_windows", used, "--reject-annotated leaves them out"))
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
    lacking = [name for use in windows.plan.uses if use.action == "missing" for name in use.sources]
    if lacking:
        some = ", ".join(lacking[:12]) + (f" and {len(lacking) - 12} more" if len(lacking) > 12 else "")
        sentence = f"not in the recording, and left out: {some}"
        placed = int(np.isfinite(look.signal.ch_pos).all(axis=1).sum())
        fill = "spline" if placed >= LEAST_ON_A_SPHERE else "nearest"
        next_step = f"--missing {fill} fills them from the others; --missing refuse wants all of them"
        found.append(Finding("warning", "missing_electrodes", sentence, next_step))
    if windows.not_undone and way_back:
        sentence = f"the way back to volts cannot undo {', '.join(dict.fromkeys(windows.not_undone))}"
        found.append(Finding("note", "not_undone", sentence))
    if any(step.name == "clip" for step in recipe.steps) and windows.data.size:
        share = float((np.abs(windows.data) >= np.abs(windows.data).max()).mean())
        if share > 1e-3:
            found.append(Finding("warning", "clip_step", f"the recipe clips {share:.1%} of the samples"))
    return found


def line_noise(look: Look, recipe: Recipe) -> list[Finding]:
    """Hold line noise against the recipe's notch."""
    found = look.numbers["line_noise_db"]
    freqs = set(recipe.line_freqs)
    detects = any(step.name == "notch" and step.options.get("detect") for step in recipe.steps)
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
    next_step = f"--line-freq {next(iter(found))}"
    if len(found) > 1:
        wanted = ", ".join(f"{float(hz):g}.0" for hz in found)
        write, use = edited(recipe, [("freqs", f"[{wanted}]")], f"{'-'.join(found)}hz")
        next_step = f"{write}; then {use}"
    return [
        Finding("warning", "line_noise", f"line noise at {told}, but the recipe's notch is at {notched}", next_step)
    ]


def reference(look: Look, recipe: Recipe, windows: Windows) -> list[Finding]:
    """Say what the rows are against, and what the recipe makes of that."""
    assert look.signal is not None
    told = look.numbers["reference"]
    names = {step.name for step in recipe.steps}
    if against := mixed(look.signal.plan, windows.plan):
        next_step = "give a recording against one reference, or --exclude the channels of the others"
        return [Finding("warning", "reference", against, next_step)]
    if "average_reference" in names:
        return [Finding("ok", "reference", f"{told}; the recipe takes the average")]
    if any(use.action == "derived" for use in windows.plan.uses):
        return [Finding("ok", "reference", f"{told}; the recipe's differences cancel it")]
    sentence = f"{told}; the model takes it as it is: compare only recordings of one reference"
    return [Finding("note", "reference", sentence)]


def places(windows: Windows) -> list[Finding]:
    """Say which rows have no position; whether the model needs them, its recipe's first step knows."""
    nowhere = [n for n, place in zip(windows.ch_names, windows.ch_pos, strict=True) if not np.isfinite(place).all()]
    if not nowhere:
        return []
    next_step = f"--montage with the cap's name in MNE, or --exclude {','.join(nowhere)}"
    return [Finding("warning", "rows_without_position", f"rows without a position: {', '.join(nowhere)}", next_step)]


def bads(signal: Signal, recipe: Recipe) -> list[Finding]:
    """Say what becomes of channels that are marked bad."""
    if not signal.bads:
        return []
    names = ", ".join(signal.bads)
    if any(s.name == "average_reference" and s.options.get("over", "good") == "good" for s in recipe.steps):
        return [Finding("note", "bads_used", f"{names}: bad, left out of the average, but a row like the others")]
    sentence = f"{names}: marked bad, but the recipe uses them like the others"
    return [Finding("warning", "bads_used", sentence, f"--exclude {','.join(signal.bads)}, or repair them first")]


def remarks(signal: Signal, windows: Windows, whole: bool) -> list[Finding]:
    """Return what recipe and model note; but for what a finding with its numbers says too."""
    said = (
        "marked bad, but among",
        "recorded against different references",
        "is still there: the notch",
        *(["electrodes are missing", "windows dropped, they overlap"] if whole else []),
    )
    told = [note for note in windows.notes if note not in signal.notes and not any(text in note for text in said)]
    return [Finding("note", "recipe", note) for note in told]
