"""Rows of preparing and loading become rows of the bars: faster than the peer is more than 1, whatever they were measured as."""

from dataclasses import replace

import pytest

from eegora.benchmark import load, prepare, suite
from eegora.benchmark.measure import BAR_ROW
from eegora.benchmark.subject import firsts
from eegora.benchmark.sweeps import Plan

LOADED = {"name": "m", "fields": {}, "read_ms": 100.0, "load_ms": 80.0, "first_ms": 300.0, "ratio": 0.8}
NEEDED = {"name", "peer", "batch", "threads", "peer_ms", "ours_ms", "ratio", "bar", "max_abs_diff", "roofline"}


@pytest.fixture(autouse=True)
def measured(monkeypatch):
    """Rows as the two modules give them, without measuring."""
    large = LOADED | {"fields": {"part": True}, "bars": {"peak": 1.15, "ratio": 1.3}}
    both = [LOADED | {"bars": {"first_ms": 1200.0}}, large]
    monkeypatch.setattr(load, "rows", lambda names, runs, seconds: both)
    row = BAR_ROW | {"name": "w", "peer_ms": 4.0, "ours_ms": 1.0, "ratio": 4.0, "bar": 6.0}
    monkeypatch.setattr(prepare, "_row", lambda workload, path, plan, threads: row | {"threads": threads})
    monkeypatch.setattr(prepare, "_recording", lambda workload, folder: folder)


def tell(section, row):
    """Nobody listens."""


def test_a_small_file_is_judged_by_its_first_embedding_a_large_one_against_reading():
    small, large = suite.run("load", Plan(models=("m",)), tell)["rows"]
    assert (small["ours_ms"], small["bar_ms"], small["ratio"]) == (300.0, 1200.0, None)
    assert (large["peer_ms"], large["ours_ms"], large["ratio"]) == (100.0, 80.0, 1.25)
    assert large["bar"] == pytest.approx(1 / 1.3, abs=0.01)
    assert large["name"] == "m load part True"


def test_preparing_is_of_every_workload_and_number_of_threads():
    rows = suite.run("prepare", Plan(threads=(1, 2)), tell)["rows"]
    assert [row["threads"] for row in rows] == [1, 2] * len(prepare.WORKLOADS)
    assert len(suite.run("prepare", Plan(quick=True), tell)["rows"]) == 2


def test_without_a_model_named_the_bars_are_all_there(monkeypatch):
    from eegora.benchmark import against

    monkeypatch.setattr(against, "rows", lambda plan, python: iter([dict.fromkeys(NEEDED)]))
    told = []
    found = suite.run("peers", Plan(threads=(2,)), lambda section, row: told.append(row))
    assert found["rows"] == told
    assert len(told) == 1 + len(prepare.WORKLOADS) + 2 * len(firsts())
    assert all(row.keys() >= NEEDED for row in told)
    assert {row["threads"] for row in told[1:]} == {1}
    assert len(suite.run("peers", Plan(models=("m",)), tell)["rows"]) == 1


def test_a_section_says_how_it_was_measured():
    found = suite.run("load", Plan(runs=7, warmup=2), tell)
    assert (found["settings"]["runs"], found["settings"]["warmup"]) == (7, 2)
    assert found["load"] >= 0


def test_quick_is_less_of_everything_and_never_more():
    plan = Plan(threads=(2, 4), dtypes=("a", "b", "c"), runs=2)
    few = suite.quick(plan)
    assert (few.threads, few.dtypes, few.runs, few.quick) == ((2,), ("a", "b"), 2, True)
    assert few.seconds < plan.seconds
    assert suite.quick(replace(plan, seconds=1.0)).seconds == 1
