"""A score as tables for the terminal: medians with their spread, and every hidden channel. Computes no score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.markup import escape
from rich.table import Table

from eegora.report.tables import new_table
from eegora.results.score import SUMMED, Score

HEADS = {"nmse": "NMSE", "r": "r", "snr_db": "SNR dB", "spectral": "spectral error"}


def score_table(summary: Sequence[Mapping[str, Any]], by: str) -> Table:
    """Return a row per kind of hiding, group and method of a score's summary: medians, and quartiles in brackets.

    Parameters
    ----------
    summary : sequence of dict
        From `Score.summary`.
    by : str
        As given to it.
    """
    groups = [] if by == "kind" else [by]
    names = {"nmse": "NMSE", "r": "r", "snr_db": "SNR dB", "spectral": "spectral error"}
    right = ("won", *names.values())
    table = new_table("hidden and brought back: median [quartiles]", "kind", *groups, "method", *right, right=right)
    before: tuple[Any, ...] = ()
    for row in summary:
        group = tuple(row[name] for name in ("kind", *groups))
        spread = (f"{_short(row[n])} [{_short(row[f'{n}_q1'])}, {_short(row[f'{n}_q3'])}]" for n in names)
        shown = ("",) * len(group) if group == before else group
        table.add_row(*map(escape, (*shown, row["method"], f"{row['won']} of {row['n']}", *spread)))
        before = group
    return table


def channel_table(score: Score, kinds: Sequence[str]) -> Table:
    """Return a row per hidden channel: the numbers of the model and of its rival side by side, and who of all was best.

    Parameters
    ----------
    score : Score
    kinds : sequence of str
        Kinds of hiding to show.
    """
    columns = [f"{mark}{HEADS[name]}" for mark in ("", "/ ") for name in SUMMED]
    title = f"every hidden channel: {score.model} / {', '.join(dict.fromkeys(map(score.rival, kinds)))}"
    table = new_table(title, "hidden", "channel", "area", *columns, "best", right=columns)
    for kind in kinds:
        for ours, theirs in zip(score.rows(score.model, kind), score.rows(score.rival(kind), kind), strict=True):
            place = {name: ours[name] for name in ("hidden", "channel", "start")}
            best = next((m for m in score.methods for row in score.rows(m, kind, **place) if row["won"]), "–")
            numbers = [_short(row[name]) for row in (ours, theirs) for name in SUMMED]
            label = "" if ours["hidden"] == ours["channel"] else ours["hidden"]
            table.add_row(*map(escape, (label, ours["channel"], ours["area"], *numbers, best)))
    return table


def _short(value: float) -> str:
    return "–" if np.isnan(value) else "∞" if np.isposinf(value) else f"{value:.2f}"
