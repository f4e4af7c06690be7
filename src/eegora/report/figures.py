"""Figures as files: the demo's picture and the charts of embeddings and reconstructions. Computes no model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eegora.report import panels
from eegora.report.style import BLUE, GREY, INK, ORANGE, PALE, SKY, new_figure, save_png
from eegora.results import Attention, Embeddings, Reconstruction
from eegora.signal import Array, Signal
from eegora.windows import Windows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NOT_SHOWN = "untrained checkpoint:\nattention is not shown;\nnumbers mean nothing"
NOT_COMPUTED = "attention was not computed"


def demo_picture(
    path: str | Path,
    *,
    signal: Signal,
    windows: Windows,
    attention: Attention | None,
    title: str,
    untrained: bool,
) -> Path:
    """Write one PNG (1600 × 1200) that shows a recording, what became of it, and what the model looked at.

    Parameters
    ----------
    path : str or Path
    signal : Signal
        The recording as read, in volts.
    windows : Windows
        What the recipe made of it; its plan is drawn.
    attention : Attention or None
        Not drawn for an untrained checkpoint.
    title : str
    untrained : bool

    Raises
    ------
    UsageError
        ``cannot_write``.
    """
    return save_png(demo_figure(signal, windows, attention, title, untrained=untrained), path)


def demo_figure(
    signal: Signal, windows: Windows, attention: Attention | None, title: str, *, untrained: bool
) -> Figure:
    """Return the figure that `demo_picture` writes."""
    attention, why_not = (None, NOT_SHOWN) if untrained else (attention, NOT_COMPUTED)
    with new_figure(12.8, 9.6) as figure:
        figure.text(0.06, 0.972, title, fontsize=15, fontweight="bold", va="top")
        figure.text(0.06, 0.938, _subtitle(signal, windows), fontsize=9.5, color=GREY, va="top")
        rows = figure.add_gridspec(
            2, 1, left=0.06, right=0.965, top=0.865, bottom=0.06, height_ratios=[1.45, 1], hspace=0.24
        )
        top = rows[0].subgridspec(1, 2, width_ratios=[1.35, 1], wspace=0.13)
        panels.draw_traces(figure.add_subplot(top[0]), signal)
        plan = top[1].subgridspec(2, 1, height_ratios=[1, 0.14], hspace=0.03)
        panels.draw_plan(figure.add_subplot(plan[0]), signal, windows)
        panels.describe_plan(figure.add_subplot(plan[1]), windows.plan)
        bottom = rows[1].subgridspec(1, 2, width_ratios=[2, 1] if attention is None else [1, 1.25], wspace=0.1)
        panels.draw_spectrum(figure.add_subplot(bottom[0]), signal, windows)
        if attention is None:
            panels.draw_note(figure.add_subplot(bottom[1]), why_not)
        else:
            panels.draw_attention(figure, bottom[1], attention, windows.ch_pos)
    return figure


def embed_figures(folder: str | Path, embeddings: Embeddings, timings: Mapping[str, float]) -> tuple[Path, ...]:
    """Write the charts of embeddings and return their paths.

    ``timing.png``, ``window_statistics.png``, ``distribution.png``, ``dimensions.png``.

    Parameters
    ----------
    folder : str or Path
        Made if it is missing.
    timings : dict of str to float
        Phase → seconds.
    """
    values, untrained = embeddings.data, embeddings.provenance.untrained
    name = _name(embeddings)
    return _save_all(
        folder,
        {
            "timing": timing_figure(timings, name, untrained=untrained),
            "window_statistics": window_figure(values, embeddings.onsets, name, untrained=untrained),
            "distribution": distribution_figure(values, name, untrained=untrained),
            "dimensions": dimension_figure(values, name, untrained=untrained),
        },
    )


def reconstruct_figures(
    folder: str | Path, reconstruction: Reconstruction, timings: Mapping[str, float]
) -> tuple[Path, ...]:
    """Write the charts of a reconstruction and return their paths.

    ``timing.png``, ``waveforms.png``, ``window_statistics.png``, ``rmse.png``; parameters as in `embed_figures`.
    """
    r, untrained, name = reconstruction, reconstruction.provenance.untrained, _name(reconstruction)
    return _save_all(
        folder,
        {
            "timing": timing_figure(timings, name, untrained=untrained),
            "waveforms": waveform_figure(r, name),
            "window_statistics": window_figure(r.data, r.onsets, name, untrained=untrained),
            "rmse": rmse_figure(r, name),
        },
    )


def timing_figure(timings: Mapping[str, float], name: str, *, untrained: bool) -> Figure:
    """Draw the seconds that each phase took."""
    with new_figure(7, 1.4 + 0.38 * len(timings), untrained=untrained) as figure:
        axes = figure.add_axes((0.22, 0.55 / figure.get_figheight(), 0.68, 1 - 1.2 / figure.get_figheight()))
        rows = -np.arange(len(timings))
        bars = axes.barh(rows, list(timings.values()), height=0.6, color=BLUE)
        axes.bar_label(bars, [f"{s:.3g} s" for s in timings.values()], padding=4, fontsize=8.5)
        axes.set_yticks(rows, list(timings))
        axes.set(xlabel="seconds", title=f"{name}: time by phase, {sum(timings.values()):.3g} s in all")
        axes.margins(x=0.14)
        axes.tick_params(axis="y", length=0)
    return figure


def waveform_figure(reconstruction: Reconstruction, name: str) -> Figure:
    """Draw input against output, in model units, for at most two windows (columns) and four channels (rows)."""
    r = reconstruction
    columns, rows = _spread(len(r), 2), _spread(len(r.ch_names), 4)
    with new_figure(11, 1.5 + 1.35 * max(len(rows), 1), untrained=r.provenance.untrained) as figure:
        heading = f"{name}: input and output in model units ({r.windows.name})"
        figure.text(0.06, 1 - 0.32 / figure.get_figheight(), heading, fontsize=10.5, fontweight="bold", va="top")
        if not columns.size or not rows.size:
            return figure
        high = figure.get_figheight()
        room = {
            "left": 0.06,
            "right": 0.98,
            "bottom": 0.55 / high,
            "top": 1 - 0.95 / high,
            "hspace": 0.25,
            "wspace": 0.12,
        }
        grid = figure.subplots(len(rows), len(columns), sharex="col", sharey="row", squeeze=False, gridspec_kw=room)
        times = np.arange(r.data.shape[-1]) / r.sfreq
        for axes, (row, column) in zip(grid.flat, ((i, j) for i in rows for j in columns), strict=True):
            n = int(r.windows.n_valid[column])
            axes.plot(times[:n], r.windows.data[column, row, :n], color=SKY, alpha=0.6, linewidth=2.2, label="input")
            axes.plot(times[:n], r.data[column, row, :n], color=INK, linewidth=0.7, label="output")
            _corner(axes, f"{r.ch_names[row]}  RMSE {r.rmse[column, row]:.3g}")
        for axes, column in zip(grid[0], columns, strict=True):
            axes.set_title(f"window at {r.onsets[column]:g} s", fontsize=9, fontweight="normal", pad=15)
        for axes in grid[-1]:
            axes.set(xlabel="seconds in the window", xlim=(0, r.windows.seconds))
        figure.legend(
            *grid[0, 0].get_legend_handles_labels(), loc="upper right", ncols=2, bbox_to_anchor=(0.98, 1 - 0.25 / high)
        )
    return figure


def window_figure(values: Array, onsets: Array, name: str, *, untrained: bool) -> Figure:
    """Draw mean, standard deviation and norm of each window's numbers over the recording."""
    flat = values.reshape(len(values), int(np.prod(values.shape[1:]))).astype(np.float64)
    with new_figure(9, 5.6, untrained=untrained) as figure:
        numbers = (
            ("mean", flat.mean(-1)),
            ("standard deviation", flat.std(-1)),
            ("norm", np.linalg.norm(flat, axis=-1)),
        )
        grid = figure.subplots(3, 1, sharex=True, gridspec_kw={"left": 0.1, "right": 0.97, "bottom": 0.1, "top": 0.89})
        for axes, (label, per_window) in zip(grid, numbers, strict=True):
            axes.plot(
                onsets, per_window, color=BLUE, linewidth=1, marker="o", markersize=3.5 if len(onsets) < 200 else 0
            )
            axes.set_ylabel(label)
            axes.grid(color=PALE, linewidth=0.6)
        grid[0].set_title(f"{name}: statistics of each window ({len(onsets)} windows)")
        grid[-1].set_xlabel("start of the window, seconds")
        figure.align_ylabels()
    return figure


def distribution_figure(values: Array, name: str, *, untrained: bool) -> Figure:
    """Draw the histogram of all numbers against the normal distribution with mean 0 and deviation 1."""
    flat = values.reshape(-1).astype(np.float64)
    with new_figure(7.5, 4.6, untrained=untrained) as figure:
        axes = figure.add_axes((0.1, 0.13, 0.87, 0.73))
        reach = max(4.0, float(np.percentile(np.abs(flat), 99.9))) if flat.size else 4.0
        bins = np.linspace(-reach, reach, 121)
        axes.hist(flat, bins.tolist(), density=bool(flat.size), color=BLUE, alpha=0.75, label=f"{flat.size:,} numbers")
        normal = np.exp(-(bins**2) / 2) / np.sqrt(2 * np.pi)
        axes.plot(bins, normal, color=ORANGE, linewidth=2, label="normal, mean 0, deviation 1")
        words = f"mean {flat.mean():.3g}, deviation {flat.std():.3g}" if flat.size else "no windows"
        axes.set(xlabel="value", ylabel="density", title=f"{name}: distribution ({words})")
        axes.legend(loc="upper right")
    return figure


def dimension_figure(values: Array, name: str, *, untrained: bool) -> Figure:
    """Draw mean and standard deviation of each feature over windows and tokens."""
    flat = values.reshape(-1, values.shape[-1]).astype(np.float64)
    with new_figure(9, 5.0, untrained=untrained) as figure:
        grid = figure.subplots(2, 1, sharex=True, gridspec_kw={"left": 0.1, "right": 0.97, "bottom": 0.11, "top": 0.88})
        features = np.arange(flat.shape[-1])
        numbers = (flat.mean(0), flat.std(0)) if len(flat) else (np.zeros(len(features)),) * 2
        for axes, label, per_feature in zip(grid, ("mean", "standard deviation"), numbers, strict=True):
            axes.bar(features, per_feature, width=1.0, color=BLUE)
            axes.axhline(0, color=INK, linewidth=0.6)
            axes.set_ylabel(label)
        grid[0].set_title(f"{name}: statistics of each feature ({len(features)} features)")
        grid[-1].set(xlabel="feature", xlim=(-0.5, max(len(features), 1) - 0.5))
        figure.align_ylabels()
    return figure


def rmse_figure(reconstruction: Reconstruction, name: str) -> Figure:
    """Draw the error of each channel: median over windows and the middle 80 %."""
    rmse, names = reconstruction.rmse, reconstruction.ch_names
    with new_figure(max(6.0, 1.5 + 0.3 * len(names)), 4.2, untrained=reconstruction.provenance.untrained) as figure:
        axes = figure.add_axes((0.7 / figure.get_figwidth(), 0.24, 1 - 0.9 / figure.get_figwidth(), 0.61))
        for column, per_window in enumerate(rmse.T):
            measured = per_window[np.isfinite(per_window)]
            if measured.size:
                low, median, high = np.percentile(measured, [10, 50, 90])
                axes.plot([column, column], [low, high], color=GREY, linewidth=1.5)
                axes.plot(column, median, "o", color=BLUE, markersize=5)
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
        axes.set(ylabel="RMSE, model units", xlim=(-0.6, len(names) - 0.4), title=f"{name}: output against input")
        axes.set_ylim(bottom=0)
        axes.grid(axis="y", color=PALE, linewidth=0.6)
    return figure


def _save_all(folder: str | Path, figures: Mapping[str, Figure]) -> tuple[Path, ...]:
    return tuple(save_png(figure, Path(folder) / f"{stem}.png") for stem, figure in figures.items())


def _subtitle(signal: Signal, windows: Windows) -> str:
    recorded = f"{signal.name}: {len(signal.ch_names)} channels, {signal.sfreq:g} Hz, {signal.seconds:.4g} s"
    prepared = f"{len(windows)} windows of {windows.seconds:g} s, {len(windows.ch_names)} rows, {windows.sfreq:g} Hz"
    return f"{recorded}   →   {prepared}"


def _name(result: Embeddings | Reconstruction) -> str:
    return f"{result.provenance.model} {result.provenance.variant}".strip()


def _spread(n: int, most: int) -> Array:
    """Return up to `most` row numbers, evenly spread over `n`."""
    return np.unique(np.linspace(0, n - 1, min(most, n)).round().astype(int))


def _corner(axes: Axes, text: str) -> None:
    axes.text(0.005, 1.0, text, transform=axes.transAxes, fontsize=8, va="bottom", color=INK)
