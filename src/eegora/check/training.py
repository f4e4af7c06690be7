"""What reaches a model held against what it was trained on: amplitudes, channel sets; and what it takes in memory."""

from __future__ import annotations

import numpy as np

from eegora.check.forward import Forward
from eegora.check.look import Look
from eegora.check.verdict import Finding
from eegora.recipes.recipe import Recipe
from eegora.spec import ModelSpec
from eegora.windows import Windows

ABOUT = 2.0  # "about" in a specification: half to twice


def amplitude(spec: ModelSpec, recipe: Recipe, windows: Windows) -> list[Finding]:
    """Hold the windows' amplitudes, in microvolts, against those of the model's training data, where they are known."""
    known = spec.amplitude
    if known is None or not windows.data.size or windows.scale.shape[-1] != 1:  # no one factor per row leads to volts
        return []
    gain = 1e6 * np.abs(windows.scale)
    found = []
    if known.std_uv is not None:
        low, high = known.std_uv
        middle = float(np.median(gain[..., 0] * windows.data.std(axis=-1)))
        told = (
            f"rows vary by {middle:.3g} µV (median), {{}} the about {low:g} to {high:g} µV of training ({known.source})"
        )
        place = "within" if low <= middle <= high else "below" if middle < low else "above"
        if place == "within":
            found.append(Finding("ok", "training_amplitude", told.format(place)))
        elif low / ABOUT <= middle <= high * ABOUT:
            next_step = "nothing to do if this is how large your EEG is; nothing was rescaled"
            found.append(Finding("note", "training_amplitude", told.format(f"a little {place}"), next_step))
        else:
            next_step = "--units, if the file's unit is wrong; nothing was rescaled"
            found.append(Finding("warning", "training_amplitude", told.format(f"far {place}"), next_step))
    if known.peak_uv is not None and not any(step.name == "reject" for step in recipe.steps):
        n_beyond = int((np.abs(gain * windows.data).max(axis=(1, 2)) >= known.peak_uv).sum())
        told = f"{n_beyond} of {len(windows)} windows reach {known.peak_uv:g} µV; in training none did ({known.source})"
        found.append(Finding("warning" if n_beyond else "ok", "training_amplitude", told))
    return found


def coverage(spec: ModelSpec, windows: Windows) -> list[Finding]:
    """Say which of the model's training sets comes closest."""
    have = {name.upper() for name in windows.ch_names}
    shares = {name: sum(row.upper() in have for row in rows) for name, rows in spec.electrodes.items()}
    if not shares:
        return []
    best = max(shares, key=lambda name: shares[name] / len(spec.electrodes[name]))
    known = {row.upper() for rows in spec.electrodes.values() for row in rows}
    new = [name for name in windows.ch_names if name.upper() not in known]
    sentence = f"closest training set: {best}, {shares[best]} of its {len(spec.electrodes[best])} channels"
    if new:
        return [Finding("note", "training", f"{sentence}; in none of them: {', '.join(new)}")]
    return [Finding("ok", "training", sentence)]


def memory(
    look: Look, windows: Windows, n_windows: int, network: Forward | None = None
) -> tuple[list[Finding], dict[str, int]]:
    """Say what the recording, its windows and the network's parameters hold in memory."""
    assert look.signal is not None
    sizes = {
        "signal_bytes": 8 * len(look.signal.ch_names) * int(look.n_times),
        "input_bytes": 4 * n_windows * int(np.prod(windows.data.shape[1:])),
    }
    told = f"the samples take {_size(sizes['signal_bytes'])}, the prepared windows {_size(sizes['input_bytes'])}"
    rest = "the network comes on top"
    if network is not None:
        told += f", the network's parameters {_size(network.parameter_bytes)}"
        rest = "what it computes on the way comes on top"
    return [Finding("ok", "memory", f"{told}; {rest}")], sizes


def _size(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.3g} MB"
