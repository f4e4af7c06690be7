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
from eegora.errors import UsageError


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
    *rows, refused = sweeps.channels(replace(plan, batches=(1,), quick=False))
    assert [row["channels"] for row in rows] == [1, 4]
    assert "4096" in refused["refused"]


def test_what_does_not_fit_into_the_time_is_left_out_and_said(plan):
    first, *others = sweeps.batches(replace(plan, batches=(1, 2, 4), seconds=0.0))
    assert len(first["ms"]["samples"]) == 2
    assert [row["batch"] for row in others] == [2, 4]
    assert all("left out" in row["refused"] and "--seconds" in row["refused"] for row in others)


def test_lengths_and_batches(plan, name, monkeypatch):
    monkeypatch.setattr(sweeps, "LENGTHS", (0.01, 1.0, 2.0))
    one, two, _ = sweeps.lengths(replace(plan, batches=(1,), quick=False))
    assert two["samples"] == 2 * one["samples"]
    assert [row["batch"] for row in sweeps.batches(replace(plan, batches=(1, 3)))] == [1, 3]


def test_every_sample_is_kept_of_every_number_format(plan):
    rows = list(sweeps.batches(replace(plan, batches=(1,), runs=20, dtypes=("float32", "float64"))))
    assert [(row["dtype"], len(row["ms"]["samples"])) for row in rows] == [("float32", 20), ("float64", 20)]


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
    rows = {row["dtype"]: row for row in dtypes(replace(plan, dtypes=("float32", "bfloat16")))}
    assert set(rows) == {"float32", "bfloat16"}
    assert 0 < rows["float32"]["rmse"] < rows["bfloat16"]["rmse"]
    assert rows["bfloat16"]["parameters_mib"] == pytest.approx(rows["float32"]["parameters_mib"] / 2, rel=0.01)
    assert sum(rows["float32"]["error_counts"]) > 0
    for row in rows.values():
        assert row["after_imports_mib"] <= row["load_mib"] <= row["run_mib"]
        assert row["ms"]["median"] > 0


def test_a_format_that_the_device_has_not_is_told(plan):
    rows = list(dtypes(replace(plan, dtypes=("tf32", "float64"))))
    assert [("refused" in row) for row in rows] == [True, False]
    assert rows[1]["max_abs"] < 1e-12


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
    row, other = memory(plan)
    assert (row["name"], row["batch"], other["batch"]) == (name, 1, 2)
    assert row["after_imports_mib"] <= row["load_mib"] <= row["run_mib"]
    assert row["parameters_mib"] > 0


def test_memory_is_that_of_the_checkpoint_that_was_given(plan, tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        list(memory(replace(plan, checkpoint=tmp_path / "none.safetensors")))
