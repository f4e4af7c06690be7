"""The four panels of the demo's picture: traces, channel plan, spectrum, attention. Each draws into an axes it is given."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from eegora.plan import ChannelPlan
from eegora.recordings.channels import same_electrode
from eegora.report.head import draw_map, draw_outline, flat_positions
from eegora.report.style import BLUE, GREEN, GREY, INK, ORANGE, PALE, RED, bare
from eegora.signal import Annotation, Array, Signal
from eegora.windows import Windows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.gridspec import SubplotSpec

    from eegora.results import Attention

MOST_TRACES = 32
MOST_HZ = 250.0
TITLE_PAD = 16  # points: room for the names of annotations
SECONDS = 12.0
PLAN_LINES, PLAN_WIDTH = 4, 74  # of the words below the channel plan
SPECTRUM_SECONDS = 300.0  # enough for a smooth spectrum, short enough for a day's recording


def draw_traces(axes: Axes, signal: Signal) -> None:
    """Draw the beginning of a recording, channels stacked, with a scale bar, annotations shaded, bad channels in red."""
    n_times = min(signal.n_times, round(SECONDS * signal.sfreq))
    shown = np.unique(np.linspace(0, len(signal.ch_names) - 1, MOST_TRACES).round().astype(int))
    volts = signal.to_volts()[shown, :n_times] * 1e6
    volts = volts - np.median(volts, axis=-1, keepdims=True)
    names = [signal.ch_names[i] for i in shown]
    low, high = np.percentile(volts, [2.5, 97.5], axis=-1)
    step = 1.15 * float(np.median(high - low)) or 1.0
    times = np.arange(n_times) / signal.sfreq
    for row, (name, trace) in enumerate(zip(names, volts, strict=True)):
        color = RED if name in signal.bads else INK
        # clipped so that one loose electrode does not hide the others
        axes.plot(times, np.clip(trace / step, -2.5, 2.5) - row, color=color, linewidth=0.5, zorder=2)
    axes.set_yticks(-np.arange(len(names)), names, fontsize=8 if len(names) <= 24 else 6.5)
    for label, name in zip(axes.get_yticklabels(), names, strict=True):
        label.set_color(RED if name in signal.bads else INK)
    end = n_times / signal.sfreq
    axes.set(xlim=(0, end), ylim=(-len(names) + 0.2, min(0.6 + 0.05 * len(names), 1.6)), xlabel="seconds")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    _shade(axes, signal.annotations, names, end)
    _scale_bar(axes, step, end)
    some = "" if len(names) == len(signal.ch_names) else f"{len(names)} of {len(signal.ch_names)} channels, "
    bad = "; red: marked bad" if set(names) & set(signal.bads) else ""
    axes.set_title(f"Recording ({some}first {end:g} s, as recorded{bad})", pad=TITLE_PAD)


def draw_plan(axes: Axes, signal: Signal, windows: Windows) -> None:
    """Draw which electrodes reach the model, and as what: alone, as derivations (lines), filled in, or not at all."""
    pairs = [row.split("-") for row in windows.ch_names if "-" in row]
    alone = [row for row in windows.ch_names if "-" not in row]
    used = list(dict.fromkeys([name for pair in pairs for name in pair] + alone))
    left = [n for n in signal.ch_names if "-" not in n and not any(same_electrode(n, u) for u in used)]
    names = [*used, *left]
    place = dict(zip(names, flat_positions(names), strict=True))
    for there, ch_pos in ((windows.ch_names, windows.ch_pos), (signal.ch_names, signal.ch_pos)):
        for name, own, xy in zip(there, ch_pos, flat_positions(there, ch_pos), strict=True):
            if np.isfinite(own).all():  # the recording's own positions win
                place[name] = xy
    filled = {use.row for use in windows.plan.uses if use.action == "filled"}
    draw_outline(axes, radius=_reach([place[n] for n in names]))
    for first, second in pairs:
        _arrow(axes, place[first], place[second])
    size = 17 if len(names) <= 32 else 13 if len(names) <= 70 else 10
    for name in names:
        if not np.isfinite(place[name]).all():
            continue
        face, edge, ink = (BLUE, BLUE, "white") if name not in left else ("white", "#b5b5b5", GREY)
        if name in filled:
            face, edge, ink = "white", ORANGE, INK
        axes.plot(
            *place[name][:, None], "o", markersize=size, color=face, markeredgecolor=edge, markeredgewidth=1, zorder=4
        )
        spelled = next((n for n in signal.ch_names if same_electrode(n, name)), name)
        style: dict[str, Any] = {
            "ha": "center",
            "va": "center",
            "fontsize": size * (0.41 if len(spelled) < 4 else 0.34),
            "zorder": 5,
        }
        axes.text(place[name][0], place[name][1], spelled, color=ink, **style)
    axes.set_title(f"Channel plan ({windows.plan})", pad=TITLE_PAD)


def describe_plan(axes: Axes, plan: ChannelPlan) -> None:
    """Write what the drawing cannot show: what lines mean, renamed channels, and dropped ones with the reason."""
    lines = []
    if any(use.action == "derived" for use in plan.uses):
        lines.append("Each line is a derivation, its arrow points to the electrode subtracted.")
    if any(use.action == "filled" for use in plan.uses):
        lines.append("Orange: filled in, not measured.")
    old_new = [(" ".join(use.sources), use.row) for use in plan.uses if use.action == "renamed" and use.row]
    if renamed := [f"{old} → {new}" for old, new in old_new if old.upper() != new.upper()]:
        lines.append(f"Renamed: {_some(renamed, 8)}.")
    reasons: dict[str, list[str]] = {}
    for use in plan.uses:
        if use.action == "dropped":
            reasons.setdefault(use.reason or "no reason given", []).extend(use.sources)
    lines += [f"Dropped ({reason}): {_some(labels, 8)}." for reason, labels in reasons.items()]
    text = [part for line in lines for part in wrap(line, PLAN_WIDTH)]
    if len(text) > PLAN_LINES:
        text = [*text[: PLAN_LINES - 1], text[PLAN_LINES - 1][: PLAN_WIDTH - 2] + " …"]
    bare(axes)
    axes.text(0.5, 1, "\n".join(text), ha="center", va="top", fontsize=8, color=GREY, linespacing=1.5)


def draw_spectrum(axes: Axes, signal: Signal, windows: Windows) -> None:
    """Draw the power spectrum before and after preparation: median over channels and the middle 80 %."""
    top = 0.0
    before = signal.to_volts()[None, :, : round(SPECTRUM_SECONDS * signal.sfreq)]
    whole = (windows.n_valid == windows.data.shape[-1]) & (windows.onsets < SPECTRUM_SECONDS)
    after = windows.to_volts()[whole if whole.any() else slice(1)]
    n_rows = len(windows.ch_names)
    for volts, sfreq, color, text in (
        (before, signal.sfreq, GREY, f"recorded, {len(signal.ch_names)} channels at {signal.sfreq:g} Hz"),
        (after, windows.sfreq, BLUE, f"prepared, {n_rows} rows at {windows.sfreq:g} Hz, back in µV"),
    ):
        frequencies, power = spectrum(volts * 1e6, sfreq)
        low, median, high = np.percentile(power, [10, 50, 90], axis=0)
        axes.fill_between(frequencies, low, high, color=color, alpha=0.18, linewidth=0)
        axes.plot(frequencies, median, color=color, linewidth=1.4, label=text)
        top = min(max(top, float(frequencies[-1])), MOST_HZ)
        if color == GREY:
            _mark_mains(axes, frequencies, median)
            bulk = median[(frequencies >= 1) & (frequencies <= 45)]
    axes.set(xscale="log", yscale="log", xlim=(0.5, top), xlabel="Hz", ylabel="µV² / Hz")
    if bulk.size and bulk.min() > 0:  # what a filter pushes to nothing must not flatten the rest
        axes.set_ylim(bottom=max(axes.get_ylim()[0], bulk.min() / 300))
    ticks = [t for t in (0.5, 1, 2, 5, 10, 20, 50, 100, 200) if t <= top]
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axes.minorticks_off()
    axes.grid(color=PALE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(loc="lower left")
    axes.set_title("Spectrum before and after preparation")


def spectrum(data: Array, sfreq: float) -> tuple[Array, Array]:
    """Return frequencies (Hz, above 0) and power density, shape (n_channels, n_frequencies), averaged over windows.

    Welch's method: 4 s pieces, half overlapping, Hann.
    """
    from scipy.signal import welch

    n_times = data.shape[-1]
    frequencies, power = welch(data, sfreq, nperseg=min(n_times, round(4 * sfreq)), axis=-1)
    return frequencies[1:], np.maximum(power.mean(axis=0)[:, 1:], 1e-12)


def draw_attention(figure: Figure, spec: SubplotSpec, attention: Attention, ch_pos: Array) -> None:
    """Draw each query's mean attention over the head, with the names of its three favourite channels."""
    mean = attention.mean() * 100
    n_queries = len(mean)
    behind = figure.add_subplot(spec)
    bare(behind)
    behind.set_title("Attention of each query over the channels (mean over time)")
    flat = flat_positions(attention.ch_names, ch_pos)
    if not np.isfinite(flat).all(axis=1).any():
        draw_note(behind, "no channel has a known position")
        return
    n_rows = 1 if n_queries <= 4 else 2
    n_columns = -(-n_queries // n_rows)
    grid = spec.subgridspec(n_rows, n_columns + 1, width_ratios=[1.0] * n_columns + [0.06], wspace=0.05, hspace=0.05)
    limits = (0.0, float(mean.max()))
    image: Any = None
    for query, best in enumerate(attention.top_channels(3)):
        axes = figure.add_subplot(grid[divmod(query, n_columns)])
        image = draw_map(axes, mean[query], flat, limits=limits)
        low, high = axes.get_ylim()
        axes.set_ylim(low - 0.85, high + 0.42)  # room for words that cannot meet the neighbour's
        axes.text(0, high, f"query {query + 1}", ha="center", va="bottom", fontsize=8.5)
        words = "\n".join(f"{name} {weight:.1%}" for name, weight in best)
        axes.text(0, low, words, ha="center", va="top", fontsize=7.5 if n_rows == 1 else 6.5, linespacing=1.3)
    bar = figure.colorbar(image, cax=figure.add_subplot(grid[:, -1]))
    bar.outline.set_visible(False)
    bar.set_label(f"% of a query's attention (even share {100 / mean.shape[1]:.1f})", fontsize=8)
    bar.ax.tick_params(labelsize=7.5)


def draw_note(axes: Axes, text: str) -> None:
    """Fill a panel with a note on why there is nothing to see."""
    axes.set(xticks=[], yticks=[], facecolor="#f3f3f3")
    for spine in axes.spines.values():
        spine.set_visible(False)
    style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 11, "color": GREY, "linespacing": 1.6}
    axes.text(0.5, 0.5, text, transform=axes.transAxes, **style)


def _shade(axes: Axes, annotations: Sequence[Annotation], names: Sequence[str], end: float) -> None:
    last = -np.inf  # where the previous text stands
    for note in annotations:
        if note.onset >= end or note.onset + note.duration < 0:
            continue
        stop = min(note.onset + max(note.duration, 0.02), end)
        rows: list[float] = [names.index(n) for n in note.ch_names if n in names] or [-1.1, len(names) - 1.3]
        bottom, height = -max(rows) - 0.5, max(rows) - min(rows) + 1.0
        box: dict[str, Any] = {"color": ORANGE, "alpha": 0.22, "linewidth": 0, "zorder": 1}
        axes.broken_barh([(note.onset, stop - note.onset)], (bottom, height), **box)
        if note.onset - last > 0.012 * end * (len(note.text) + 2):
            style: dict[str, Any] = {"ha": "left", "va": "bottom", "fontsize": 7.5, "color": "#8a5a00"}
            axes.text(note.onset, 1.005, note.text, transform=axes.get_xaxis_transform(), **style)
            last = note.onset


def _scale_bar(axes: Axes, step: float, end: float) -> None:
    size = max((m * 10.0**e for e in range(-3, 7) for m in (1, 2, 5) if m * 10.0**e <= 2 * step), default=step)
    bottom = axes.get_ylim()[0] + 0.2
    x = 1.012 * end
    axes.plot([x, x], [bottom, bottom + size / step], color=INK, linewidth=2, clip_on=False, solid_capstyle="butt")
    style: dict[str, Any] = {"rotation": 90, "ha": "left", "va": "bottom", "fontsize": 8, "clip_on": False}
    axes.text(x + 0.006 * end, bottom, f"{size:g} µV", **style)


def _mark_mains(axes: Axes, frequencies: Array, power: Array) -> None:
    """Mark 50 and 60 Hz where the spectrum has a peak there."""
    for mains in (50, 60):
        near = np.abs(frequencies - mains) <= 0.6
        around = (np.abs(frequencies - mains) > 1.5) & (np.abs(frequencies - mains) < 6)
        if near.any() and around.any() and power[near].max() > 2 * np.median(power[around]):
            axes.axvline(mains, color=RED, linewidth=0.9, linestyle=(0, (2, 2)), zorder=1)
            style: dict[str, Any] = {"rotation": 90, "ha": "right", "va": "bottom", "fontsize": 8, "color": RED}
            axes.text(0.985 * mains, 0.03, f"{mains} Hz mains", transform=axes.get_xaxis_transform(), **style)


def _arrow(axes: Axes, start: Array, stop: Array) -> None:
    axes.plot(*np.stack([start, stop], axis=-1), color=GREEN, linewidth=1.6, zorder=2, solid_capstyle="round")
    angle = float(np.degrees(np.arctan2(*(stop - start)[::-1]))) - 90
    middle = start + 0.53 * (stop - start)
    axes.plot(*middle[:, None], marker=(3, 0, angle), markersize=6, color=GREEN, markeredgewidth=0, zorder=3)


def _reach(places: Sequence[Array]) -> float:
    """Return the radius of a head that holds all these, 1 at least."""
    far = [float(np.hypot(*xy)) for xy in places if np.isfinite(xy).all()]
    return max([1.0, *(r - 0.1 for r in far)])


def _some(words: Sequence[str], most: int) -> str:
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more
