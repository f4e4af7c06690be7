"""Every case becomes a row: both sides on the same inputs, the difference of their results, and the bar."""

import importlib.util
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from eegora import registry
from eegora.benchmark import against
from eegora.benchmark.against import Case, cases, rows
from eegora.benchmark.sweeps import Plan


@pytest.fixture
def fake(monkeypatch, name):
    """Let the smallest model's folder alone have a peer: a stand-in."""
    path = Path(__file__).with_name("peer.py")
    spec = importlib.util.spec_from_file_location("stand_in", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = registry.find(name)[0]
    monkeypatch.setattr(against, "peer_module", lambda asked: module if asked == folder else None)
    return module


def test_rows_hold_what_was_asked_for(fake, name):
    first, alone = rows(Plan((name,), warmup=1, runs=2), lambda: Path(sys.executable))
    assert (first["name"], first["batch"], first["threads"], first["bar"]) == (f"{name} 19×400", 2, 1, 0.5)
    assert first["peer"].startswith("numpy ")
    assert first["ratio"] == pytest.approx(first["peer_ms"] / first["ours_ms"], abs=2e-3)
    assert first["max_abs_diff"] == 1.0  # twice the half by which the stand-in's `comparable` differs
    assert first["roofline"] == pytest.approx(first["gflop"] * 1e3 / first["ours_ms"] / 100.0, abs=2e-3)
    assert len(first["ours"]["samples"]) == len(first["peers"]["samples"]) == 2
    assert (alone["peer"], alone["ratio"], alone["max_abs_diff"], alone["bar_ms"]) == (None, None, None, 1e9)


def test_no_peer_is_asked_for_where_there_is_none(fake, name, monkeypatch):
    monkeypatch.setattr(fake, "CASES", fake.CASES[1:])

    def never():
        raise AssertionError

    (row,) = rows(Plan((name,), warmup=1, runs=2), never)
    assert row["ours_ms"] > 0


def test_where_the_peer_computes_something_else_there_is_no_difference(fake, name, monkeypatch):
    monkeypatch.setattr(fake, "CASES", fake.CASES[:1])
    monkeypatch.setattr(fake, "comparable", lambda ours, task: None)
    (row,) = rows(Plan((name,), warmup=1, runs=2), lambda: Path(sys.executable))
    assert row["max_abs_diff"] is None
    assert row["ratio"] > 0


def test_cases_are_of_one_device(fake, name):
    assert [case.device for _, case in cases([], "cpu")] == ["cpu", "cpu"]
    assert [case.device for _, case in cases([], "cuda:0")] == ["gpu"]


def test_every_folder_lists_cases_that_can_be_read():
    listed = [(name, case) for device in ("cpu", "cuda") for name, case in cases([], device)]
    assert {registry.find(name)[0] for name, _ in listed} == set(registry.specs())
    for name, case in listed:
        assert (case.bar is None) == (case.bar_ms is not None), name
        assert case.aim is None or case.aim > case.bar, name
        assert (case.threads is None) == (case.device == "gpu"), name
        module = against.peer_module(registry.find(name)[0])
        assert case.alone or case.task in module.PACKAGES, name


def test_cases_can_be_asked_for_by_variant():
    spec = next(s for f, s in registry.specs().items() if len({n for n, _ in cases([f], "cpu")}) > 1)
    variant = registry.full_name(spec, spec.variants[0])
    assert {n for n, _ in cases([variant], "cpu")} == {variant}
    assert {f.name for f in fields(Case)} >= {"variant", "batch", "device", "dtype", "bar"}
