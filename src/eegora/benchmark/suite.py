"""How a section is run: with the machine's state, its settings and its rows.

Knows no section's content; each is imported when it runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import Any

from eegora.benchmark import machine
from eegora.benchmark.sections import SECTIONS
from eegora.benchmark.sweeps import Plan

Row = dict[str, Any]
QUICK_SECONDS = 4.5  # for one section


def quick(plan: Plan) -> Plan:
    """Return the plan of ``--quick``: few runs, fewer points, one thread, two number formats at most."""
    few = replace(plan, threads=plan.threads[:1], dtypes=plan.dtypes[:2], warmup=1, runs=min(plan.runs, 3))
    return replace(few, seconds=min(plan.seconds, QUICK_SECONDS), quick=True)


def run(name: str, plan: Plan, tell: Callable[[str, Row], None]) -> dict[str, Any]:
    """Measure one section.

    Parameters
    ----------
    name : str
        One of `SECTIONS`.
    plan : Plan
    tell : callable
        Given every row as it is made.

    Returns
    -------
    dict
        ``settings``, ``load``, ``quiet`` and ``rows``.
    """
    facts = machine.facts()
    module, function = SECTIONS[name].rows.split(".")
    rows = []
    for row in getattr(import_module(f"eegora.benchmark.{module}"), function)(plan):
        rows.append(row)
        tell(name, row)
    settings = {"warmup": plan.warmup, "runs": plan.runs, "seconds": plan.seconds, "quick": plan.quick}
    return {"settings": settings, "load": facts["load"], "quiet": facts["quiet"], "rows": rows}
