"""Tables for the terminal and the docs: channel plan, electrodes, recipe, models, checkpoints, what queries looked at. Knows no command."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from eegora.checkpoints.rename import Coverage
from eegora.checkpoints.statistics import TensorStatistics
from eegora.plan import ChannelPlan
from eegora.recipes.recipe import Recipe
from eegora.registry import full_name
from eegora.results.attention import Attention
from eegora.signal import Array
from eegora.spec import ModelSpec, Variant


def show(table: Table, *, stderr: bool = False, wide: bool = False) -> None:
    """Print a table; plain where nobody watches, and then, if `wide`, without folding long names."""
    console = Console(stderr=stderr, highlight=False)
    if wide and not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = 200
    console.print(table)


def plan_table(plan: ChannelPlan) -> Table:
    """Return a row per channel: what became of it, from which labels, and why."""
    table = new_table(f"channels: {plan}", "row", "action", "from", "reason")
    for use in plan.uses:
        style = "dim" if use.row is None else None
        table.add_row(*map(escape, (use.row or "–", use.action, " ".join(use.sources), use.reason)), style=style)
    return table


def electrode_table(ch_names: Sequence[str], ch_pos: Array) -> Table:
    """Return a row per channel of the model's input with its position in millimetres, head frame.

    Parameters
    ----------
    ch_names : sequence of str
    ch_pos : ndarray, shape (n_channels, 3)
        Metres; NaN where unknown.
    """
    table = new_table(
        "electrodes: millimetres to the right, to the front, up", "", "channel", "x", "y", "z", right="xyz"
    )
    for i, (name, place) in enumerate(zip(ch_names, ch_pos, strict=True)):
        table.add_row(str(i), escape(name), *(f"{1000 * v:.1f}" if np.isfinite(v) else "unknown" for v in place))
    return table


def top_channels_table(attention: Attention, k: int = 3) -> Table:
    """Return a row per query with the `k` channels that it attends to most, and their mean weights."""
    untrained = " (untrained: it means nothing)" if attention.provenance.untrained else ""
    table = new_table(f"attention: top {k} channels per query{untrained}", "query", *(f"{i + 1}." for i in range(k)))
    for query, best in enumerate(attention.top_channels(k)):
        table.add_row(str(query + 1), *(f"{escape(name)} {weight:.3f}" for name, weight in best))
    return table


def recipe_table(recipe: Recipe) -> Table:
    """Return a row per step: its options and where their numbers come from."""
    table = new_table(
        f"{recipe.name}: {recipe.title}" if recipe.title else recipe.name, "", "step", "options", "source"
    )
    for i, row in enumerate(recipe.describe()):
        table.add_row(str(i + 1), *map(escape, row))
    return table


def model_rows(specs: Iterable[ModelSpec], *, wide: bool = False) -> list[dict[str, Any]]:
    """Return a row per variant, ready for JSON; `wide` adds what it takes, recipes, poolings, repository, licence and paper."""
    return [_model_row(spec, variant, wide) for spec in specs for variant in spec.variants]


def model_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return the rows of `model_rows` for people; wide ones one below the other, a line per field."""
    if rows and "paper" in rows[0]:
        table = new_table("", "", "")
        for row in rows:
            first, *others = row.items()
            table.add_row(f"[bold]{first[0]}[/bold]", f"[bold]{escape(_words(first[1]))}[/bold]")
            for name, value in others:
                table.add_row(name, escape(_words(value)))
            table.add_row()
        table.show_header = False
        return table
    table = new_table("", *(rows[0] if rows else ()), right=("parameters", "megabytes"))
    for row in rows:
        table.add_row(*(escape(_words(value)) for value in row.values()))
    return table


def coverage_table(coverage: Coverage) -> Table:
    """Return what became of a file's tensors: a row per kind, where kinds differ by more than a layer's number."""
    ours = {new: old for old, new in coverage.renamed.items()}
    rows = [(ours.get(key, key), key, "") for key in coverage.used]
    rows += [(old, "dropped", reason) for old, reason in coverage.dropped.items()]
    counts: dict[tuple[str, ...], int] = {}
    for row in rows:
        kind = tuple(re.sub(r"(?<=\.)\d+(?=\.)", "*", part) for part in row)
        counts[kind] = counts.get(kind, 0) + 1
    table = new_table(f"tensors: {coverage}", "n", "in the file", "becomes", "because", right=("n",))
    for (old, new, why), n in counts.items():
        same = "the same" if old == new else new
        table.add_row(str(n), *map(escape, (old, same, why)), style="dim" if new == "dropped" else None)
    return table


def device_table(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return a row per device and number format: its time, and how far its answer is from the first one's."""
    columns = ("seconds", "r", "RMSE", "max abs", "of a scale of")
    table = new_table(f"{title}: against the first", "device", "format", *columns, "float32 agrees", right=columns)
    for row in rows:
        numbers = ("–" if row[key] is None else f"{row[key]:.4g}" for key in ("rmse", "max_abs", "scale"))
        r = "–" if row["r"] is None else f"{row['r']:.9f}"
        verdict = {True: "yes", False: "no", None: "–"}[row["agrees"]]
        table.add_row(row["device"], row["dtype"], f"{row['seconds']:.3f}", r, *numbers, verdict)
    return table


def parts_table(parts: Mapping[str, int]) -> Table:
    """Return how many numbers each part of a checkpoint has."""
    table = new_table("parts", "part", "numbers", "share", right=("numbers", "share"))
    for name, n in parts.items():
        table.add_row(escape(name), f"{n:,}", f"{n / max(1, sum(parts.values())):.1%}")
    return table


def tensor_table(statistics: Iterable[TensorStatistics]) -> Table:
    """Return a row per tensor of a checkpoint, and what is suspicious about it."""
    table = new_table("tensors", "name", "shape", "format", "mean", "std", "suspicious", right=("mean", "std"))
    for s in statistics:
        numbers = ("–" if value is None else f"{value:.4g}" for value in (s.mean, s.std))
        cells = (s.name, "×".join(map(str, s.shape)) or "one number", s.dtype, *numbers, ", ".join(s.suspicious))
        table.add_row(*map(escape, cells), style="bold red" if s.suspicious else None)
    return table


def checkpoint_markdown(specs: Iterable[ModelSpec]) -> str:
    """Return a Markdown table of every published checkpoint: where, how large, under which licence, whether its hash is known."""
    rows = ["| model | where | file | size | licence | SHA-256 | revision |", "|---|---|---|--:|---|---|---|"]
    for spec in specs:
        for variant in spec.variants:
            name = full_name(spec, variant)
            published = variant.published
            if published is None:
                rows.append(f"| `{name}` | published nowhere | – | – | – | – | – |")
                continue
            repos = ", ".join(f"`{repo}`" for repo in published.repos)
            files = ", ".join(f"`{file}`" for file in published.files)
            sha256 = f"`{published.sha256[:12]}…`" if published.sha256 else "not recorded"
            revision = f"`{published.revision[:12]}`" if published.revision else "the newest"
            size = f"{published.size / 1e6:,.1f} MB"
            rows.append(f"| `{name}` | {repos} | {files} | {size} | {published.licence} | {sha256} | {revision} |")
    return "\n".join(rows)


def _model_row(spec: ModelSpec, variant: Variant, wide: bool) -> dict[str, Any]:
    published = variant.published
    row: dict[str, Any] = {
        "model": full_name(spec, variant),
        "parameters": variant.parameters,
        "megabytes": None if published is None else round(published.size / 1e6, 1),
        "trained": list(variant.trained),
        "own checkpoint": [task for task in spec.tasks if task not in variant.trained],
    }
    if wide:
        row |= {
            "takes": spec.summary,
            "recipes": [recipe.name for recipe in spec.recipes],
            "poolings": list(spec.poolings),
            "repository": published.repos[0] if published else None,
            "licence": published.licence if published else None,
            "paper": spec.paper,
        }
    return row


def _words(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return ", ".join(value) if isinstance(value, list) else "–" if value is None else str(value)


def new_table(title: str, *columns: str, right: Iterable[str] = ()) -> Table:
    """Return a table without rows in the house's style; columns named in `right` are aligned to the right."""
    table = Table(
        title=escape(title) or None, title_justify="left", box=None, padding=(0, 2, 0, 0), header_style="bold"
    )
    numbers = set(right)
    for name in columns:
        table.add_column(name, justify="right" if name in numbers else "left", overflow="fold")
    return table
