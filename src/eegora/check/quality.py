"""What the samples themselves show: flat, clipped, noisy channels, the reference. Arrays in, findings out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eegora.check.verdict import Finding
from eegora.recordings.checks import LIKELY_STD_V, louder, stds
from eegora.recordings.references import references
from eegora.signal import Signal, runs

Volts = NDArray[np.float64]

QUIET = 0.1
CLIPPED_RUN = 4  # equal samples in a row at a channel's extreme: rounding seldom gives that many
CLIPPED_SHARE = 1e-3
AVERAGED = 0.01  # the mean over channels against a channel: what 16-bit rounding leaves of an average reference


def amplitude(signal: Signal, volts: Volts) -> tuple[list[Finding], dict[str, float]]:
    """Say whether amplitudes are those of EEG in volts, and which channels differ from the others.

    Returns
    -------
    findings : list of Finding
        Codes ``unit``, ``noisy``, ``quiet``.
    numbers : dict of str to float
        Microvolts per channel, means of seconds removed.
    """
    spread = np.minimum(stds(volts, signal.sfreq), 1e300) * 1e6  # damaged files hold numbers near the end of the range
    numbers = {name: round(float(value), 4) for name, value in zip(signal.ch_names, spread, strict=True)}
    alive = spread[spread > 0]
    if not len(alive):
        return [], numbers
    middle = float(np.median(alive))
    low, high = (limit * 1e6 for limit in LIKELY_STD_V)
    told = f"channels vary by {alive.min():.3g} to {alive.max():.3g} µV, the median one by {middle:.3g} µV"
    found = [Finding("ok", "unit", told)]
    if not low <= middle <= high:
        found = [
            Finding(
                "warning",
                "unit",
                f"unit? {told}; EEG varies by 1 to 100 µV; nothing was rescaled",
                "if the file's unit is wrong, give the right one: --units uV (or V, mV)",
            )
        ]
    if len(alive) >= 4:
        loud = louder(signal.ch_names, spread)
        weak = [f"{n} ({v:.2g} µV)" for n, v in numbers.items() if 0 < v < QUIET * middle]
        if loud:
            told = _some([f"{name} ({times:.0f} times the median)" for name, times in loud.items()])
            found.append(Finding("warning", "noisy", f"far louder than the others: {told}", f"--bads {','.join(loud)}"))
        if weak:
            found.append(Finding("note", "quiet", f"hardly varies: {_some(weak)}: a bridge or the reference?"))
    return found, numbers


def dead(signal: Signal, volts: Volts) -> list[Finding]:
    """Name channels that do not change: codes ``flat`` and ``clipped``. Gaps do not count."""
    inside = np.ones(volts.shape[1], bool)
    for start, stop in signal.gaps:
        inside[round(start * signal.sfreq) : round(stop * signal.sfreq)] = False
    flat, clipped = {}, {}
    length = max(2, round(signal.sfreq))
    for name, row in zip(signal.ch_names, volts, strict=True):
        kept = row[inside]
        n_blocks = len(kept) // length
        if not n_blocks:
            continue
        blocks = kept[: n_blocks * length].reshape(n_blocks, length)
        flat[name] = float((blocks.min(axis=1) == blocks.max(axis=1)).mean())
        if flat[name] < 1:
            clipped[name] = max(_clipped(kept, kept.max()), _clipped(kept, kept.min()))
    found = []
    named = {name: share for name, share in flat.items() if share > 0}
    if named:
        told = _some([f"{name} ({share:.0%} of the time)" for name, share in named.items()])
        found.append(Finding("warning", "flat", f"no change at all: {told}", f"--exclude {','.join(named)}, or --bads"))
    named = {name: share for name, share in clipped.items() if share > CLIPPED_SHARE}
    if named:
        told = _some([f"{name} ({share:.1%} of its samples)" for name, share in named.items()])
        next_step = "record with a larger range, or leave them out: --exclude " + ",".join(named)
        found.append(Finding("warning", "clipped", f"stuck at the amplifier's limit: {told}", next_step))
    return found


def reference(signal: Signal, volts: Volts) -> str:
    """Say against what was recorded, as far as labels and data tell."""
    pairs = [name for name in signal.ch_names if "-" in name]
    if len(pairs) == len(signal.ch_names):
        return "bipolar derivations"
    said = set(references(signal.plan).values())
    mixed = f", {len(pairs)} bipolar derivations among them" if pairs else ""
    if len(said) > 1:
        return f"recorded against several references: {', '.join(sorted(said))}{mixed}"
    alive = volts[[bool(row.any()) for row in volts]]
    if len(alive) >= 3 and not pairs:
        step = max(1, alive.shape[1] // 20_000)
        part = alive[:, ::step]
        middle = float(np.median(part.std(axis=1)))
        if middle and part.mean(axis=0).std() < AVERAGED * middle:
            return "average-referenced already, as the data show"
    return (f"recorded against {said.pop()}, by the labels" if said else "labels do not tell the reference") + mixed


def _clipped(row: Volts, extreme: float) -> float:
    """Return the share of samples that stand at an extreme in runs."""
    lengths = (stop - start for start, stop in runs(row == extreme))
    return sum(n for n in lengths if n >= CLIPPED_RUN) / len(row)


def _some(items: Sequence[str], n: int = 6) -> str:
    return ", ".join(items[:n]) + (f" and {len(items) - n} more" if len(items) > n else "")
