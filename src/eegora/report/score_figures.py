"""A score drawn: what was hidden beside what came back, errors per channel and method, who won where on the head. Computes no score."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from eegora.report.head import draw_outline, flat_positions
from eegora.report.page import Section, table_html
from eegora.report.style import BLUE, GREEN, GREY, INK, ORANGE, PALE, RED, SKY, new_figure, save_png
from eegora.results.score import KINDS, SUMMED, Score, Trace

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


COLORS = (BLUE, ORANGE, GREEN, SKY, RED, GREY)
MEANINGLESS = "the checkpoint is not trained: its figures mean nothing"
TITLES = {
    "r": "correlation r per channel (higher is better)",
    "nmse": "NMSE per channel (1 is what zeros reach; lower is better)",
}
N_TRACES = 3
LEAST = 0.001  # NMSE: bars of less are drawn as this, a logarithm knows no zero
MOST_METHODS = 32  # channels beside which all methods still have room for a bar each


def score_picture(path: str | Path, score: Score) -> Path:
    """Write the figure of the first kind of hiding that was tried as PNG, whole or not at all."""
    return save_png(score_figure(score, score.kinds[0]), path)


def score_sections(score: Score) -> list[Section]:
    """Return a page's sections: the sentence with the table of medians, a figure per kind of hiding, every row."""
    head = f"<p><b>{escape(score.sentence)}</b></p><p>{escape(score.conditions)}</p>"
    names = ("kind", "method", "n", "won", *(f"{name}{end}" for name in SUMMED for end in ("", "_q1", "_q3")))
    sections = [Section("In short", head + table_html(score.summary(), names))]
    sections += [Section(f"Hidden: {KINDS[kind]}", score_figure(score, kind)) for kind in score.kinds]
    names = ("kind", "area", "method", "n", "won", *SUMMED)
    sections.append(Section("By part of the head (medians)", table_html(score.summary("area"), names)))
    columns = [name for name in score.table[0] if name not in ("run", "n_samples")]
    sections.append(Section("Every hidden channel", table_html(score.table, columns)))
    told = json.dumps(json.loads(score.provenance.to_json()), indent=1, ensure_ascii=False)
    record = f"<pre style='white-space:pre-wrap'>{escape(told)}</pre>"
    return [*sections, Section("Where it comes from", record)]


def score_figure(score: Score, kind: str) -> Figure:
    """Draw one kind of hiding: traces and the map of winners above, correlation and error per channel below."""
    hidden = {row["channel"] for row in score.table if row["kind"] == kind}
    channels = [name for name in score.ch_names if name in hidden]
    with new_figure(max(12.8, min(24.0, 3 + 0.2 * len(channels))), 11.2) as figure:
        title = f"{score.model} and plainer methods on {score.provenance.recording}: {KINDS[kind]} hidden"
        figure.text(0.045, 0.982, title, fontsize=14, fontweight="bold", va="top")
        told = "\n".join(wrap(score.conditions.partition(" Not tried")[0], 170))
        figure.text(0.045, 0.936, told, fontsize=9, color=GREY, va="top", linespacing=1.4)
        mark = f"{MEANINGLESS}; imputed, not measured" if score.meaningless else "imputed, not measured"
        color = RED if score.meaningless else GREY
        figure.text(0.045, 0.957, mark, fontsize=9.5, color=color, va="top", style="italic")
        rows = figure.add_gridspec(
            3, 1, left=0.055, right=0.985, top=0.878, bottom=0.04, height_ratios=[1.7, 0.8, 0.8], hspace=0.3
        )
        top = rows[0].subgridspec(1, 2, width_ratios=[2.05, 1], wspace=0.06)
        _draw_traces(figure, top[0], score, kind)
        draw_winners(figure.add_subplot(top[1]), score, kind)
        for place, number in ((rows[1], "r"), (rows[2], "nmse")):
            draw_bars(figure.add_subplot(place), score, kind, number, channels)
        _name_methods(figure.axes[-2], score, _methods(score, kind, channels))
    return figure


def draw_bars(axes: Axes, score: Score, kind: str, number: str, channels: list[str]) -> None:
    """Draw a bar per channel and method: the median over what was hidden of it."""
    methods = _methods(score, kind, channels)
    found = {(r["channel"], r["method"]): r[number] for r in score.summary("channel") if r["kind"] == kind}
    start = 1.0 if number == "nmse" else 0.0
    width = 0.8 / len(methods)
    for k, method in enumerate(methods):
        heights = np.array([found.get((channel, method), np.nan) for channel in channels])
        heights = np.maximum(heights, LEAST if number == "nmse" else -1.0)
        there = np.isfinite(heights)
        places = np.arange(len(channels))[there] + (k - (len(methods) - 1) / 2) * width
        axes.bar(places, heights[there] - start, width * 0.92, bottom=start, color=_color(score, method), label=method)
    axes.axhline(start, color=INK, linewidth=0.7)
    axes.set_xticks(range(len(channels)), channels, fontsize=8, rotation=90 if len(channels) > 24 else 0)
    axes.set_xlim(-0.6, len(channels) - 0.4)
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="y", color=PALE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_title(TITLES[number])
    if number == "nmse":
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, 0.5), max(high, 2.0))
        ticks = [t for t in (0.01, 0.1, 0.2, 0.5, 1, 2, 5, 10, 100, 1000) if min(low, 0.5) <= t <= max(high, 2.0)]
        axes.set_yticks(ticks, [f"{t:g}" for t in ticks])
        axes.minorticks_off()


def _methods(score: Score, kind: str, channels: list[str]) -> list[str]:
    """Return the methods that bars are drawn of: all that were tried, or the first two where there is no room."""
    tried = [method for method in score.methods if score.rows(method, kind)]
    return tried if len(channels) <= MOST_METHODS else tried[:2]


def _name_methods(axes: Axes, score: Score, methods: list[str]) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(color=_color(score, method), label=method) for method in methods]
    axes.legend(handles=handles, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=len(methods), borderaxespad=0.2)


def draw_winners(axes: Axes, score: Score, kind: str) -> None:
    """Draw each electrode in the colour of the method with the least error there; what was never hidden is hollow."""
    flat = flat_positions(score.ch_names, score.ch_pos)
    wins: dict[str, dict[str, int]] = {}
    for row in score.summary("channel"):
        if row["kind"] == kind:
            wins.setdefault(row["channel"], {})[row["method"]] = row["won"]
    radius = max(1.0, float(np.nanmax(np.hypot(*flat.T))) + 0.08)
    draw_outline(axes, radius=radius)
    size = 19 if len(flat) <= 32 else 14 if len(flat) <= 70 else 10
    for name, (x, y) in zip(score.ch_names, flat, strict=True):
        winner = _winner(wins.get(name, {}))
        face = "white" if winner is None else _color(score, winner)
        edge = "#b5b5b5" if winner is None else face
        axes.plot(x, y, "o", markersize=size, color=face, markeredgecolor=edge, markeredgewidth=1, zorder=4)
        ink = INK if winner is None or face in (SKY, ORANGE) else "white"
        axes.text(x, y, name, color=ink, fontsize=size * 0.4, ha="center", va="center", zorder=5)
    _legend(axes, score, [_winner(wins.get(name, {})) for name in score.ch_names])
    axes.set_title("Least error (NMSE) at each electrode", pad=4)


def _legend(axes: Axes, score: Score, winners: list[str | None]) -> None:
    """Name the winners' colours below the head, with how often each won."""
    from matplotlib.lines import Line2D

    style: dict[str, Any] = {"linestyle": "", "marker": "o", "markersize": 7}
    counted = [(method, winners.count(method)) for method in score.methods if method in winners]
    handles = [Line2D([], [], color=_color(score, method), **style) for method, _ in counted]
    names = [f"{method}: {n}" for method, n in counted]
    if None in winners:
        handles.append(Line2D([], [], markerfacecolor="white", markeredgecolor="#b5b5b5", **style))
        names.append(f"not hidden, or a tie: {winners.count(None)}")
    axes.legend(
        handles, names, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=2, columnspacing=1.2, handletextpad=0.2
    )


def _draw_traces(figure: Figure, place: Any, score: Score, kind: str) -> None:
    """Draw some hidden channels, from the model's best to its worst: what was measured, the model's answer, its rival's."""
    chosen = _chosen(score, kind)
    grid = place.subgridspec(len(chosen), 1, hspace=0.62)
    rival = next(method for method in score.methods[1:] if score.rows(method, kind))
    for i, trace in enumerate(chosen):
        axes = figure.add_subplot(grid[i])
        times = trace.start + np.arange(len(trace.truth)) / score.sfreq
        if kind in ("span", "gap"):
            axes.axvspan(*trace.hidden, color=PALE, linewidth=0, zorder=0)
        axes.plot(times, trace.truth * 1e6, color=INK, linewidth=1.5, alpha=0.55, label="measured")
        axes.plot(times, trace.answers[rival] * 1e6, color=_color(score, rival), linewidth=1.0, label=rival)
        axes.plot(times, trace.answers[score.model] * 1e6, color=BLUE, linewidth=0.9, label=score.model)
        most, widest = (
            1e6 * float(np.abs(x).max()) for x in (trace.truth, [trace.answers[score.model], trace.answers[rival]])
        )
        reach = 1.1 * max(most, min(widest, 2 * most)) or 1.0  # a wild answer must not flatten what was measured
        axes.set(xlim=(times[0], times[-1] + 1 / score.sfreq), ylim=(-reach, reach))
        axes.set_yticks([-_round(0.8 * reach), 0, _round(0.8 * reach)])
        axes.tick_params(labelsize=7.5)
        axes.text(0.005, 1.02, _caption(score, trace, rival), transform=axes.transAxes, fontsize=8, va="bottom")
        axes.set_ylabel("µV", fontsize=8, labelpad=1)
        if i == 0:
            axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, borderaxespad=0.1)
    figure.axes[-1].set_xlabel("seconds of the recording", labelpad=2)


def _round(value: float) -> float:
    """Return the largest of 1, 2 and 5 times a power of ten that is not above a value."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(max(step * power for step in (1, 2, 5) if step * power <= value))


def _chosen(score: Score, kind: str) -> list[Trace]:
    """Choose a few traces, evenly from the model's least error to its largest."""
    errors = {(r["channel"], r["start"]): r["nmse"] for r in score.rows(score.model, kind)}
    traces = [trace for trace in score.traces if trace.kind == kind]
    traces.sort(key=lambda trace: errors[trace.channel, trace.hidden[0]])
    picked = np.unique(np.linspace(0, len(traces) - 1, min(N_TRACES, len(traces))).round().astype(int))
    return [traces[i] for i in picked]


def _caption(score: Score, trace: Trace, rival: str) -> str:
    numbers = []
    for method in (score.model, rival):
        row = next(
            r for r in score.rows(method, trace.kind, channel=trace.channel) if (r["start"], r["stop"]) == trace.hidden
        )
        r = "undefined" if np.isnan(row["r"]) else f"{row['r']:.2f}"
        numbers.append(f"{method} r {r}, NMSE {row['nmse']:.2f}")
    return f"{trace.channel}   {'   '.join(numbers)}"


def _winner(wins: dict[str, int]) -> str | None:
    """Return the method that won most often, if it is one."""
    most = max(wins.values(), default=0)
    best = [method for method, n in wins.items() if n == most]
    return best[0] if most and len(best) == 1 else None


def _color(score: Score, method: str) -> str:
    return COLORS[score.methods.index(method) % len(COLORS)]
