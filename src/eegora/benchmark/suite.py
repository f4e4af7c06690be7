"""The sections of a benchmark by name, and how one is run: with the machine's state, its settings and its rows.

Knows no section's content; each imports what it needs when it runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from eegora.benchmark import machine
from eegora.benchmark.sweeps import Plan

Row = dict[str, Any]
Rows = Callable[[Plan, Path | None], Iterator[Row]]  # with the Python of the peers' environment, if one was named


def _of(module: str, function: str) -> Rows:
    """Return a section that is a function of the plan, imported when it runs."""

    def rows(plan: Plan, peers: Path | None) -> Iterator[Row]:
        yield from getattr(import_module(f"eegora.benchmark.{module}"), function)(plan)

    return rows


def _peers(plan: Plan, peers: Path | None) -> Iterator[Row]:
    """Yield the networks' rows; on a CPU, with no model named, those of preparing and loading too."""
    from eegora.benchmark import against
    from eegora.benchmark.environment import peers_python

    yield from against.rows(
        plan.models,
        plan.device,
        lambda: peers or peers_python(announce),
        warmup=plan.warmup,
        runs=plan.runs,
        seconds=plan.seconds,
    )
    if plan.device == "cpu" and not plan.models:
        yield from _prepare(replace(plan, threads=(1,)), peers)
        yield from _load(plan, peers)


def _prepare(plan: Plan, peers: Path | None) -> Iterator[Row]:
    from importlib.metadata import version

    from eegora.benchmark.prepare import WORKLOADS, rows

    chosen = WORKLOADS[:2] if plan.quick else WORKLOADS
    for workload in chosen:
        for row in rows(max(plan.runs, 5), plan.threads, (workload,)):
            yield {**EMPTY, **row, "peer": f"mne {version('mne')}", "quiet": machine.quiet()}


def _load(plan: Plan, peers: Path | None) -> Iterator[Row]:
    """Yield loading as rows of the bars: large files against reading them, small ones by the time to a first embedding."""
    from eegora.benchmark.load import rows

    for row in rows(plan.models, min(plan.runs, 5)):
        part = " ".join(f"{key} {value}" for key, value in row["fields"].items())
        facts = {"details": row, "quiet": machine.quiet(), "ours_ms": row["load_ms"]}
        if "ratio" in row["bars"]:
            facts |= {"peer": "reading the file", "peer_ms": row["read_ms"], "bar": round(1 / row["bars"]["ratio"], 2)}
            facts["ratio"] = round(row["read_ms"] / row["load_ms"], 3)
        else:
            facts |= {"ours_ms": row["first_ms"], "bar_ms": row["bars"]["first_ms"]}
        what = "load" if "ratio" in row["bars"] else "load and first embedding"
        yield {**EMPTY, "name": " ".join(word for word in (row["name"], what, part) if word), **facts}


# What every row of `peers` has, for the rows that have no such thing.
EMPTY: Row = dict.fromkeys(("peer", "batch", "threads", "peer_ms", "ratio", "bar", "max_abs_diff", "roofline"))
SECTIONS: dict[str, Rows] = {
    "peers": _peers,
    "latency": _of("sweeps", "latency"),
    "channels": _of("sweeps", "channels"),
    "time": _of("sweeps", "lengths"),
    "batch": _of("sweeps", "batches"),
    "distribution": _of("sweeps", "distribution"),
    "stages": _of("stages", "stages"),
    "memory": _of("memory", "memory"),
    "dtypes": _of("dtypes", "dtypes"),
    "prepare": _prepare,
    "load": _load,
}
ON_CPU = ("prepare", "load")  # measured there alone
QUICK = ("latency", "channels", "time", "stages", "dtypes", "prepare")


def quick(plan: Plan) -> Plan:
    """Return the plan of ``--quick``: one thread, few runs, fewer points."""
    return replace(plan, threads=plan.threads[:1], batches=plan.batches[:1], warmup=1, runs=3, seconds=1.0, quick=True)


def run(name: str, plan: Plan, peers: Path | None, tell: Callable[[str, Row], None]) -> dict[str, Any]:
    """Measure one section.

    Parameters
    ----------
    name : str
        One of `SECTIONS`.
    plan : Plan
    peers : path or None
        Python of the peers' environment; None: it is made when it is needed and missing.
    tell : callable
        Given every row as it is made.

    Returns
    -------
    dict
        ``settings``, ``load``, ``quiet`` and ``rows``.
    """
    facts = machine.facts()
    rows = []
    for row in SECTIONS[name](plan, peers):
        rows.append(row)
        tell(name, row)
    settings = {"warmup": plan.warmup, "runs": plan.runs, "seconds": plan.seconds, "quick": plan.quick}
    return {"settings": settings, "load": facts["load"], "quiet": facts["quiet"], "rows": rows}


def announce(line: str) -> None:
    """Say what is about to be installed."""
    sys.stderr.write(f"eegora: {line}\n")
