"""Rows of preparing and loading become rows of the bars: faster than the peer is more than 1, whatever they were measured as."""

import pytest

from eegora.benchmark import load, prepare, suite
from eegora.benchmark.sweeps import Plan

LOADED = {"name": "m", "fields": {}, "read_ms": 100.0, "load_ms": 80.0, "first_ms": 300.0, "ratio": 0.8}
NEEDED = {"name", "peer", "batch", "threads", "peer_ms", "ours_ms", "ratio", "bar", "max_abs_diff", "roofline"}


@pytest.fixture(autouse=True)
def measured(monkeypatch):
    """Rows as the two modules give them, without measuring."""
    large = LOADED | {"fields": {"part": True}, "bars": {"peak": 1.15, "ratio": 1.3}}
    monkeypatch.setattr(load, "rows", lambda names, runs: [LOADED | {"bars": {"first_ms": 1200.0}}, large])
    row = {"name": "w", "threads": 1, "peer_ms": 4.0, "ours_ms": 1.0, "ratio": 4.0, "bar": 6.0, "max_abs_diff": 0.0}
    monkeypatch.setattr(prepare, "rows", lambda runs, threads, workloads: [row])


def test_a_small_file_is_judged_by_its_first_embedding_a_large_one_against_reading():
    small, large = suite.run("load", Plan(), None, lambda section, row: None)["rows"]
    assert (small["ours_ms"], small["bar_ms"], small["ratio"]) == (300.0, 1200.0, None)
    assert (large["peer_ms"], large["ours_ms"], large["ratio"]) == (100.0, 80.0, 1.25)
    assert large["bar"] == pytest.approx(1 / 1.3, abs=0.01)
    assert large["name"] == "m load part True"


def test_preparing_is_beside_mne():
    rows = suite.run("prepare", Plan(quick=True), None, lambda section, row: None)["rows"]
    assert len(rows) == 2
    assert rows[0]["peer"].startswith("mne ")


def test_without_a_model_named_the_bars_are_all_there(monkeypatch):
    from eegora.benchmark import against

    monkeypatch.setattr(against, "rows", lambda *names, **how: iter([dict.fromkeys(NEEDED)]))
    told = []
    found = suite.run("peers", Plan(), None, lambda section, row: told.append(row))
    assert found["rows"] == told
    assert len(told) == 1 + len(prepare.WORKLOADS) + 2
    assert all(row.keys() >= NEEDED for row in told)
    assert len(suite.run("peers", Plan(models=("m",)), None, lambda section, row: None)["rows"]) == 1


def test_a_section_says_how_it_was_measured():
    found = suite.run("load", Plan(runs=7, warmup=2), None, lambda section, row: None)
    assert (found["settings"]["runs"], found["settings"]["warmup"]) == (7, 2)
    assert found["load"] >= 0
