"""The benchmark of preparation compares equal results, and leaves threads as they were. No test here looks at a clock's value."""

import os

import numpy as np
import pytest

from eegora.benchmark import prepare
from eegora.benchmark.prepare import SMALL, WORKLOADS, Workload, preparing
from eegora.benchmark.sweeps import Plan

TINY = (
    Workload("after the read", SMALL[:3], 11.0, 300.0, 4.0),
    Workload("with the read", SMALL[:3], 11.0, 300.0, 3.0, reading=True),
    Workload("with the read of EDF", SMALL[:3], 11.0, 300.0, None, reading=True, suffix=".edf"),
)


@pytest.mark.parametrize("before", [None, "3"])
def test_rows_hold_equal_results_of_every_workload_and_number_of_threads(monkeypatch, before):
    if before is None:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    else:
        monkeypatch.setenv("OMP_NUM_THREADS", before)
    monkeypatch.setattr(prepare, "WORKLOADS", TINY)
    found = list(preparing(Plan(warmup=1, runs=2, threads=(1, 2))))
    assert [(row["name"], row["threads"], row["bar"]) for row in found] == [
        ("after the read", 1, 4.0),
        ("after the read", 2, 4.0),
        ("with the read", 1, 3.0),
        ("with the read", 2, 3.0),
        ("with the read of EDF", 1, None),
        ("with the read of EDF", 2, None),
    ]
    for row in found:
        assert row["peer"].startswith("mne ")
        assert row["scale"] > 0.1
        assert row["max_abs_diff"] <= 1e-6 * row["scale"]
        assert min(row["peer_ms"], row["ours_ms"], row["ratio"]) > 0
    assert os.environ.get("OMP_NUM_THREADS") == before


def test_a_difference_is_seen(monkeypatch):
    right = prepare._by_mne
    monkeypatch.setattr(prepare, "_by_mne", lambda raw: right(raw) + np.float32(0.25))
    monkeypatch.setattr(prepare, "WORKLOADS", TINY[:1])
    (row,) = preparing(Plan(warmup=1, runs=2))
    assert row["max_abs_diff"] == pytest.approx(0.25, abs=1e-6)


def test_the_bars_are_those_of_the_specification():
    assert [(len(w.ch_names), w.seconds, w.sfreq, w.bar, w.reading) for w in WORKLOADS] == [
        (12, 15.0, 256.0, 6.0, False),
        (12, 15.0, 512.0, 4.0, False),
        (64, 600.0, 512.0, 2.0, False),
        (12, 15.0, 256.0, 3.4, True),
        (12, 15.0, 512.0, None, True),  # EDF: for information
    ]
