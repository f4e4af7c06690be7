"""Rows over one thing that changes hold what a reader needs to repeat them; agreement is checked in the same run."""

from dataclasses import replace

import pytest

from eegora import registry
from eegora.benchmark import subject as subject_module
from eegora.benchmark import sweeps
from eegora.benchmark.dtypes import dtypes, errors
from eegora.benchmark.memory import memory
from eegora.benchmark.stages import stages
from eegora.benchmark.sweeps import Plan, Point, sweep


def test_latency_is_beside_the_unaccelerated_network(plan, name):
    rows = list(sweeps.latency(plan))
    assert [(row["batch"], row["threads"], row["dtype"]) for row in rows] == [(1, 1, "float32"), (2, 1, "float32")]
    for row in rows:
        assert row["agrees"]
        assert row["max_abs_diff"] <= 1e-5 * max(row["scale"], 1)
        assert row["ms"]["clock"] == "cpu"
        assert row["roofline"] == pytest.approx(row["gflop"] * 1e3 / row["ms"]["median"] / 100.0, abs=2e-3)
        assert row["against_plain"]["low"] <= row["against_plain"]["ratio"] <= row["against_plain"]["high"]


def test_an_accelerated_answer_that_is_wrong_does_not_agree(plan, name, monkeypatch):
    code = registry.code(registry.find(name)[0])
    wrong = {"embed": lambda network, inputs: code.embed(network, inputs) + 1}
    monkeypatch.setattr(subject_module, "accelerate", lambda *_: wrong)
    assert not any(row["agrees"] for row in sweeps.latency(plan))


def test_only_shapes_that_a_model_takes_are_measured(plan, name, monkeypatch):
    monkeypatch.setattr(sweeps, "CHANNELS", (1, 4, 4096))
    rows = list(sweeps.channels(replace(plan, quick=False)))
    assert [row["channels"] for row in rows] == [1, 4]


def test_lengths_and_batches(plan, name, monkeypatch):
    monkeypatch.setattr(sweeps, "LENGTHS", (0.01, 1.0, 2.0))
    monkeypatch.setattr(sweeps, "BATCHES", (1, 3))
    whole = replace(plan, quick=False)
    one, two = sweeps.lengths(whole)
    assert two["samples"] == 2 * one["samples"]
    assert [row["batch"] for row in sweeps.batches(whole)] == [1, 3]


def test_every_sample_of_a_distribution_is_kept(plan):
    (row,) = sweeps.distribution(plan)
    assert len(row["ms"]["samples"]) == 20


def test_the_number_of_threads_is_put_back(plan, name):
    import torch

    before = torch.get_num_threads()
    list(sweep(name, [Point()], replace(plan, threads=(before + 1,)), "float32"))
    assert torch.get_num_threads() == before


def test_without_names_each_model_is_there_once():
    found = [registry.find(name)[0] for name in Plan().names]
    assert found
    assert len(found) == len(set(found))


def test_number_formats_are_held_against_float64(plan):
    rows = {row["dtype"]: row for row in dtypes(plan)}
    assert set(rows) == {"float32", "bfloat16"}
    assert 0 < rows["float32"]["rmse"] < rows["bfloat16"]["rmse"]
    assert rows["bfloat16"]["parameters_mib"] == pytest.approx(rows["float32"]["parameters_mib"] / 2, rel=0.01)
    assert sum(rows["float32"]["error_counts"]) > 0


def test_a_format_that_the_device_has_not_is_told(plan, monkeypatch):
    from eegora.benchmark import dtypes as module

    monkeypatch.setattr(module, "DTYPES", ("float64", "tf32"))
    rows = list(dtypes(replace(plan, quick=False)))
    assert [("refused" in row) for row in rows] == [False, True]


def test_errors_by_hand():
    import torch

    exact = torch.tensor([0.0, 1.0, 2.0, 3.0], dtype=torch.float64)
    found = errors(exact + torch.tensor([0.0, 0.0, 0.0, 1e-3], dtype=torch.float64), exact)
    assert found["max_abs"] == pytest.approx(1e-3)
    assert found["rmse"] == pytest.approx(5e-4)
    assert found["r"] == pytest.approx(1, abs=1e-5)
    assert found["pairs"][3] == [3.0, 3.001]


def test_stages_of_a_recording(plan, name):
    (row,) = stages(plan)
    assert list(row["stages"]) == ["read", "prepare", "pack", "forward", "save"]
    assert row["total_ms"] == pytest.approx(sum(ms["median"] for ms in row["stages"].values()), rel=1e-3)
    assert row["windows"] > 0


def test_memory_is_of_a_process_of_its_own(plan, name):
    (row, _) = memory(plan)
    assert row["name"] == name
    assert row["after_imports_mib"] <= row["load_mib"] <= row["run_mib"]
    assert row["parameters_mib"] > 0
