"""What a benchmark's file says, for people: charts beside it, machines side by side, and the README's table. Measures nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.markup import escape
from rich.table import Table

from eegora.report.style import BLUE, GREEN, GREY, INK, ORANGE, PALE, RED, SKY, new_figure, save_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = Mapping[str, Any]
COLOURS = (BLUE, ORANGE, GREEN, RED, SKY, INK, GREY)


def benchmark_figures(path: Path, evidence: Mapping[str, Any]) -> tuple[Path, ...]:
    """Write the charts of a benchmark's file beside it, one per kind of measurement that it holds.

    Parameters
    ----------
    path : path
        The file: ``<machine>.json`` gets ``<machine>-latency.png`` and so on.
    evidence : dict
        What it holds.
    """
    sections = {
        name: [row for row in section["rows"] if "refused" not in row] for name, section in evidence["sections"].items()
    }
    machine = machine_words(evidence["machine"]).rpartition(", ")[0]
    drawn = []
    for name, (section, draw) in CHARTS.items():
        if sections.get(section):
            figure = draw(sections[section], machine)
            drawn.append(save_png(figure, path.with_name(f"{path.stem}-{name}.png")))
    return tuple(drawn)


def latency_figure(rows: Sequence[Row], machine: str) -> Figure:
    """Draw the median time of each row, with its range."""
    return _dots(rows, f"latency on {machine}", lambda row: row["ms"])


def speed_up_figure(rows: Sequence[Row], machine: str) -> Figure:
    """Draw how many times faster than its peer each row is, and its bar."""
    rows = [row for row in rows if row.get("ratio") is not None]
    with new_figure(10, 1.3 + 0.24 * len(rows)) as figure:
        axes = _list_axes(figure, [_words(row) for row in rows])
        at = -np.arange(len(rows))
        ratios = [row["ratio"] for row in rows]
        met = [row.get("bar") is None or row["ratio"] >= row["bar"] for row in rows]
        axes.barh(at, ratios, height=0.62, color=[GREEN if good else ORANGE for good in met])
        bars = [(y, row["bar"]) for y, row in zip(at, rows, strict=True) if row.get("bar") is not None]
        axes.plot([bar for _, bar in bars], [y for y, _ in bars], "|", color=INK, markersize=9, markeredgewidth=1.6)
        axes.axvline(1, color=GREY, linewidth=0.8)
        axes.set(xlabel="times as fast as the peer (green: bar met; the stroke is the bar)")
        axes.set_title(f"against peers on {machine}")
    return figure


def channels_figure(rows: Sequence[Row], machine: str) -> Figure:
    """Draw time against the number of channels."""
    return _lines(rows, f"time by channels on {machine}", "channels", "channels")


def time_figure(rows: Sequence[Row], machine: str) -> Figure:
    """Draw time against the window's length."""
    return _lines(rows, f"time by length of the window on {machine}", "seconds", "seconds of EEG")


def batch_figure(rows: Sequence[Row], machine: str) -> Figure:
    """Draw windows a second against the batch."""
    with _axes_figure(f"throughput on {machine}") as (figure, axes):
        _draw_lines(axes, rows, "batch", lambda row: row["windows_per_second"])
        axes.set(xlabel="batch", ylabel="windows a second", xscale="log", yscale="log")
    return figure


def load_figure(rows: Sequence[Row], machine: str) -> Figure:
    """Draw how long loading takes."""
    return _dots(rows, f"loading on {machine}", _medians)


def prepare_figure(rows: Sequence[Row], machine: str) -> Figure:
    """Draw how long preparing a recording takes."""
    return _dots(rows, f"preparing recordings on {machine}", _medians)


def distribution_figure(rows: Sequence[Row], machine: str) -> Figure:
    """Draw the share of runs that took at most so long, relative to the median."""
    with _axes_figure(f"distribution of times on {machine}") as (figure, axes):
        for colour, row in zip(COLOURS, rows, strict=False):
            samples = np.sort(row["ms"]["samples"])
            share = np.arange(1, len(samples) + 1) / len(samples)
            axes.step(samples / row["ms"]["median"], share, color=colour, where="post", label=_words(row))
        axes.set(xlabel="time over the median", ylabel="share of runs", xlim=(0.8, 2.0))
        axes.legend()
    return figure


def consistency_figure(rows: Sequence[Row], machine: str) -> Figure:
    """Draw every run in its order, so that drift and disturbances are seen."""
    with _axes_figure(f"run after run on {machine}") as (figure, axes):
        for colour, row in zip(COLOURS, rows, strict=False):
            samples = np.asarray(row["ms"]["samples"])
            axes.plot(samples / row["ms"]["median"], ".", color=colour, markersize=3, label=_words(row))
        axes.set(xlabel="run", ylabel="time over the median")
        axes.legend()
    return figure


def stages_figure(rows: Sequence[Row], machine: str) -> Figure:
    """Draw where the time of a recording goes."""
    with new_figure(10, 1.5 + 0.45 * len(rows)) as figure:
        axes = _list_axes(figure, [_words(row) for row in rows])
        left = np.zeros(len(rows))
        for colour, stage in zip(COLOURS, rows[0]["stages"], strict=False):
            share = np.array([100 * row["stages"][stage]["median"] / row["total_ms"] for row in rows])
            axes.barh(-np.arange(len(rows)), share, left=left, height=0.6, color=colour, label=stage)
            left += share
        seconds = rows[0]["recording_seconds"]
        axes.set(xlabel="% of the time", title=f"embedding {seconds:g} s of EEG on {machine}", xlim=(0, 100))
        figure.legend(*axes.get_legend_handles_labels(), ncols=5, loc="upper right")
    return figure


def memory_figure(rows: Sequence[Row], machine: str) -> Figure:
    """Draw the peak of memory by phase."""
    rows = [row for row in rows if row.get("run_mib") is not None]
    with new_figure(9, 1.3 + 0.36 * len(rows)) as figure:
        axes = _list_axes(figure, [_words(row) for row in rows])
        at = -np.arange(len(rows))
        for key, colour, label in (
            ("run_mib", SKY, "a run"),
            ("load_mib", BLUE, "loading"),
            ("after_imports_mib", GREY, "imports"),
        ):
            axes.barh(at, [row[key] for row in rows], height=0.6, color=colour, label=label)
        axes.set(xlabel="MiB resident at most", title=f"memory on {machine}")
        axes.legend()
    return figure


def precision_figure(rows: Sequence[Row], machine: str) -> Figure:
    """Draw each number format's results against those of float64."""
    names = list(dict.fromkeys(row["name"] for row in rows))
    with new_figure(3.8 * len(names), 4.4) as figure:
        grid = figure.subplots(1, len(names), squeeze=False)
        figure.subplots_adjust(left=0.28 / len(names), right=0.98, bottom=0.13, top=0.82, wspace=0.35)
        for axes, name in zip(grid[0], names, strict=True):
            for colour, row in zip(COLOURS, (row for row in rows if row["name"] == name), strict=False):
                exact, found = np.asarray(row["pairs"]).T
                axes.plot(exact, found - exact, ".", color=colour, markersize=3, label=row["dtype"])
            axes.set(xlabel="float64", title=name)
            axes.set_yscale("symlog", linthresh=1e-7)
        grid[0][0].set_ylabel("difference from float64")
        figure.legend(*grid[0][0].get_legend_handles_labels(), loc="upper right", ncols=4, markerscale=3)
        figure.suptitle(f"number formats on {machine}", x=0.02, ha="left", fontsize=10.5, fontweight="bold")
    return figure


def error_figure(rows: Sequence[Row], machine: str) -> Figure:
    """Draw how the errors against float64 are distributed."""
    edges = np.linspace(-12, 1, 53)
    with _axes_figure(f"error against float64 on {machine}") as (figure, axes):
        for colour, (dtype, group) in zip(COLOURS, _groups(rows, "dtype").items(), strict=False):
            counts = np.sum(
                [np.asarray(row["error_counts"]) / max(1, sum(row["error_counts"])) for row in group], axis=0
            )
            axes.stairs(counts / len(group), 10.0**edges, color=colour, label=dtype, fill=True, alpha=0.55)
        axes.set(xlabel="absolute error", ylabel="share of numbers", xscale="log")
        axes.legend()
    return figure


CHARTS: dict[str, tuple[str, Callable[[Sequence[Row], str], Figure]]] = {
    "latency": ("latency", latency_figure),
    "speed-up": ("peers", speed_up_figure),
    "channels": ("channels", channels_figure),
    "time": ("time", time_figure),
    "batch": ("batch", batch_figure),
    "load": ("load", load_figure),
    "prepare": ("prepare", prepare_figure),
    "distribution": ("distribution", distribution_figure),
    "consistency": ("distribution", consistency_figure),
    "stages": ("stages", stages_figure),
    "memory": ("memory", memory_figure),
    "precision": ("dtypes", precision_figure),
    "errors": ("dtypes", error_figure),
}


def machines_table(names: Sequence[str], machines: Sequence[Row], rows: Iterable[Row]) -> Table:
    """Return milliseconds of what each machine has measured, and how many times as fast as the first each is.

    Parameters
    ----------
    names : sequence of str
        Of the files.
    machines : sequence of dict
        What each says of its machine.
    rows : iterable of dict
        As `eegora.benchmark.evidence.beside` returns them.
    """
    letters = ascii_uppercase[: len(names)]
    told = [f"{a}  {name}: {machine_words(facts)}" for a, name, facts in zip(letters, names, machines, strict=True)]
    title = "\n".join([*told, "milliseconds, and how many times as fast as A"])
    table = Table(title=escape(title), title_justify="left", box=None)
    table.add_column("section", no_wrap=True)
    table.add_column("what", overflow="fold")
    for letter in letters:
        table.add_column(letter, justify="right", no_wrap=True)
    for row in rows:
        first, *others = row["ms"]
        cells = ["–" if first is None else f"{first:.4g}"]
        for ms in others:
            faster = "" if first is None or not ms else f" ({first / ms:.2f}×)"
            cells.append("–" if ms is None else f"{ms:.4g}{faster}")
        table.add_row(*map(escape, (row["section"], row["row"], *cells)))
    return table


def machine_words(machine: Row) -> str:
    """Name a machine: its GPU, or its processor with the number of cores; and its torch."""
    where = str(machine.get("gpu") or f"{machine.get('cpu')}, {machine.get('cores')} cores")
    return f"{where}, torch {machine.get('torch')}"


def peers_markdown(evidence: Mapping[str, Any]) -> str:
    """Return the README's table of one machine's file: every row that was measured beside a peer."""
    where, _, torch = machine_words(evidence["machine"]).rpartition(", ")
    section = evidence["sections"]["peers"]
    busy = sum(not row.get("quiet", True) for row in section["rows"])
    lines = [
        f"**{where}**, {torch}" + (f" (busy in {busy} of {len(section['rows'])} rows)" if busy else ""),
        "",
        "| what | batch | threads | peer | peer ms | ours ms | ratio | bar | of the product rate | largest difference |",
        "|---|--:|--:|---|--:|--:|--:|--:|--:|--:|",
    ]
    for row in section["rows"]:
        number = ("–" if row.get(key) is None else f"{row[key]:.{n}g}" for key, n in (("peer_ms", 4), ("ours_ms", 4)))
        ratio = "–" if row.get("ratio") is None else f"{row['ratio']:.2f}×"
        bar = (
            f"{row['bar']:g}×" if row.get("bar") is not None else f"{row['bar_ms']:g} ms" if row.get("bar_ms") else "–"
        )
        share = "–" if row.get("roofline") is None else f"{row['roofline']:.0%}"
        far = "–" if row.get("max_abs_diff") is None else f"{row['max_abs_diff']:.0e}"
        plain = (str(row[key]) if row.get(key) is not None else "–" for key in ("batch", "threads", "peer"))
        dtype = "" if row.get("dtype") in (None, "float32") else f", {row['dtype']}"
        lines.append(f"| {row['name']}{dtype} | {' | '.join([*plain, *number, ratio, bar, share, far])} |")
    return "\n".join(lines)


@contextmanager
def _axes_figure(title: str) -> Iterator[tuple[Figure, Axes]]:
    """Give a figure with one pair of axes."""
    with new_figure(7.5, 4.6) as figure:
        axes = figure.add_axes((0.1, 0.13, 0.87, 0.74))
        axes.set_title(title)
        axes.grid(color=PALE, linewidth=0.6)
        axes.set_axisbelow(True)
        yield figure, axes


def _list_axes(figure: Figure, labels: Sequence[str]) -> Axes:
    """Return axes for one horizontal bar per label, the first on top."""
    high = figure.get_figheight()
    axes = figure.add_axes((0.36, 0.6 / high, 0.6, 1 - 1.15 / high))
    axes.set_yticks(-np.arange(len(labels)), labels)
    axes.tick_params(axis="y", length=0)
    return axes


def _dots(rows: Sequence[Row], title: str, ms: Callable[[Row], Row]) -> Figure:
    """Draw medians with their range, one row each, and the peer's where there is one."""
    with new_figure(10, 1.4 + 0.24 * len(rows)) as figure:
        axes = _list_axes(figure, [_words(row) for row in rows])
        for y, row in zip(-np.arange(len(rows)), rows, strict=True):
            found = ms(row)
            axes.plot([found.get("min", found["median"]), found.get("max", found["median"])], [y, y], color=GREY)
            axes.plot(found["median"], y, "o", color=BLUE, markersize=6)
            if row.get("peer_ms") is not None:
                axes.plot(row["peer_ms"], y, "o", color=ORANGE, markersize=6)
        peers = "; orange: the peer" if any(row.get("peer_ms") is not None for row in rows) else ""
        axes.set(xlabel=f"milliseconds, median and range{peers}", title=title, xscale="log")
        axes.grid(color=PALE, linewidth=0.6)
        axes.margins(y=0.8 / max(1, len(rows)))
    return figure


def _lines(rows: Sequence[Row], title: str, key: str, label: str) -> Figure:
    """Draw medians with their range against one quantity, one line per model and number of threads."""
    with _axes_figure(title) as (figure, axes):
        _draw_lines(axes, rows, key, lambda row: row["ms"]["median"])
        axes.set(xlabel=label, ylabel="milliseconds", xscale="log", yscale="log")
    return figure


def _draw_lines(axes: Axes, rows: Sequence[Row], key: str, value: Callable[[Row], float]) -> None:
    for colour, (name, group) in zip(COLOURS, _groups(rows, "name").items(), strict=False):
        for style, (threads, part) in zip(("o-", "s--", "^:"), _groups(group, "threads").items(), strict=False):
            words = name if threads is None else f"{name}, {threads} thread{'s' if threads > 1 else ''}"
            axes.plot([row[key] for row in part], [value(row) for row in part], style, color=colour, label=words)
    axes.legend()


def _medians(row: Row) -> Row:
    return {"median": row["ours_ms"]}


def _groups(rows: Sequence[Row], key: str) -> dict[Any, list[Row]]:
    """Return rows by a value, in the order in which it first comes."""
    found: dict[Any, list[Row]] = {}
    for row in rows:
        found.setdefault(row[key], []).append(row)
    return found


def _words(row: Row) -> str:
    """Name a row in a chart."""
    words = [str(row["name"])]
    words += [str(row[key]) for key in ("dtype",) if row.get(key) not in (None, "float32")]
    words += [f"batch {row['batch']}"] if row.get("batch") is not None else []
    words += [f"{row['threads']} thread{'s' if row['threads'] > 1 else ''}"] if row.get("threads") else []
    return ", ".join(words)
