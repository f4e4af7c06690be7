"""A benchmark's figures hold what a reader needs to repeat them; agreement is checked in the same run."""

import json

import pytest

from eegora import registry
from eegora.benchmark import evidence, machine
from eegora.benchmark import run as run_module
from eegora.benchmark.run import Plan, benchmark
from eegora.cli.main import main
from eegora.errors import UsageError

NAME = min(
    ((registry.full_name(s, v), v.parameters) for s in registry.specs().values() for v in s.variants),
    key=lambda pair: pair[1],
)[0]
QUICK = Plan(batches=(1, 2), threads=(1,), warmup=1, runs=2)


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    """No product of large matrices: its rate is not what is tested."""
    monkeypatch.setattr(machine, "product_rate", lambda device="cpu", dtype="float32": 100.0)


@pytest.fixture(scope="module")
def report():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "product_rate", lambda device="cpu", dtype="float32": 100.0)
        return benchmark(NAME, QUICK)


def test_a_report_says_what_was_measured(report):
    assert (report["model"], report["device"], report["dtype"], report["peer"]) == (NAME, "cpu", "float32", None)
    assert report["checkpoint"] == {"untrained": 0}
    assert set(report["phases"]) == {"import", "load", "prepare", "pack"}
    assert [(row["batch"], row["threads"]) for row in report["rows"]] == [(1, 1), (2, 1)]
    for row in report["rows"]:
        assert set(row["ms"]) == {"ours", "plain"}
        assert row["ms"]["ours"]["clock"] == "cpu"
        assert row["gflop"] > 0
        assert row["roofline"] == pytest.approx(row["gflop"] * 1e3 / row["ms"]["ours"]["median"] / 100.0, abs=2e-3)


def test_the_accelerated_answer_is_checked_in_the_same_run(report, monkeypatch):
    assert all(row["agrees"] and row["max_abs_diff"] <= 1e-5 * max(row["scale"], 1) for row in report["rows"])
    wrong = {"embed": lambda network, inputs: registry.code(registry.find(NAME)[0]).embed(network, inputs) + 1}
    monkeypatch.setattr(run_module, "accelerate", lambda *_: wrong)
    assert not any(row["agrees"] for row in benchmark(NAME, QUICK)["rows"])


def test_rougher_formats_are_held_against_float32():
    (row,) = benchmark(NAME, Plan(batches=(1,), threads=(1,), warmup=1, runs=2, dtype="bfloat16"))["rows"]
    assert row["agrees"] is None
    assert 0 < row["error_against_float32"] < 0.2 * row["scale"]


def test_the_number_of_threads_is_put_back():
    import torch

    before = torch.get_num_threads()
    benchmark(NAME, Plan(batches=(1,), threads=(before + 1,), warmup=1, runs=2))
    assert torch.get_num_threads() == before


def test_evidence_replaces_the_same_run_only(report, tmp_path):
    path, facts = tmp_path / "folder" / "e.json", machine.facts()
    for changed in ({}, {"dtype": "bfloat16"}, {}):
        evidence.add(path, facts, report | changed)
    runs = json.loads(path.read_text())["runs"]
    assert [run["dtype"] for run in runs] == ["bfloat16", "float32"]
    assert runs[0]["machine"] == facts
    assert runs[1]["rows"] == report["rows"]


@pytest.mark.parametrize("text", ["{", "[]", '{"runs": 3}'])
def test_evidence_does_not_replace_another_file(report, tmp_path, text):
    path = tmp_path / "e.json"
    path.write_text(text)
    with pytest.raises(UsageError, match="not touched"):
        evidence.add(path, {}, report)
    assert path.read_text() == text


def test_a_line_names_the_ratio_and_the_range(report):
    (line, _) = evidence.lines(report)
    ours = report["rows"][0]["ms"]["ours"]
    assert f"{ours['median']:.2f} ms ({ours['min']:.2f} to {ours['max']:.2f})" in line
    assert f"{report['rows'][0]['against_plain']['ratio']:.2f}× plain" in line


def test_the_machine_is_described_without_its_owner():
    facts = machine.facts()
    assert {"cpu", "cores", "torch", "python", "load", "quiet"} <= set(facts)
    assert machine.slug({"cpu": "Some (R) CPU @ 2 GHz", "cores": 4}) == "some-r-cpu-2-ghz-4-cores"
    assert machine.slug({"cpu": "x", "cores": 4, "gpu": "NVIDIA H200"}) == "nvidia-h200"


def test_the_command_writes_the_file_and_the_lines(tmp_path, capsys):
    arguments = ["benchmark", NAME, "--batch", "1", "--threads", "1", "--runs", "2", "--warmup", "1"]
    assert main([*arguments, "-o", str(tmp_path)]) == 0
    assert "batch 1" in capsys.readouterr().out
    (path,) = tmp_path.iterdir()
    assert path.stem == machine.slug(machine.facts())
    assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"][0]["model"] == NAME


@pytest.mark.parametrize("text", ["", "0", "a", "1,-2"])
def test_bad_numbers_are_refused(text, capsys):
    assert main(["benchmark", NAME, "--batch", text]) == 2
    assert "eegora:" in capsys.readouterr().err
