"""Running a vector file from end to end on a model of one layer: what passes, and everything that must not."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file

from eegora.parity.run import run_vectors


@pytest.fixture
def run(bench, reference):
    def call(**options):
        return run_vectors(bench.write(), code=None, reference=reference, load=bench.load, **options)

    return call


def failures(report):
    return {(failure.case, failure.dtype): failure.why for failure in report.failures}


def bad(report):
    return {(row.stage, row.dtype) for row in report.rows if not row.judgement.ok}


def test_a_correct_model_passes(bench, run):
    report = run()
    assert report.ok
    assert [(row.stage, row.dtype) for row in report.rows] == [
        (stage, dtype) for stage in ("rows", "sum", "y") for dtype in ("float64", "float32")
    ]
    assert bench.loads == [({"width": 6}, "float64"), ({"width": 6}, "float32")]
    (line,) = report.summary()
    assert line.ok
    assert (line.file, line.case, line.tensors) == ("vectors.safetensors", "a", 3)
    assert 0 <= line.float64 < 1
    assert 0 < line.float32 < 1
    assert line.float32_max > line.float64


@pytest.mark.parametrize("tensor", ["a.y", "a.sum"])
def test_one_value_changed_by_a_hundredth_fails(bench, run, tensor):
    bench.tensors[tensor].flat[5] += 1e-2
    report = run()
    assert not report.ok
    assert (tensor[2:], "float64") in bad(report)


def test_a_changed_integer_fails(bench, run):
    bench.tensors["a.rows"][0] += 1
    assert bad(run()) == {("rows", "float64"), ("rows", "float32")}


def test_a_wrong_shape_fails_in_words(bench, run):
    bench.cases["a"]["expected"]["y"] = {"tensor": "a.y", "take": "[:, ::2]"}
    bench.tensors["a.y"] = bench.tensors["a.y"][:, :1].copy()
    report = run()
    assert bad(report) == {("y", "float64"), ("y", "float32")}
    assert {row.judgement.why for row in report.rows if row.stage == "y"} == {"shape (40, 2), wanted (40, 1)"}


def test_nan_fails(bench, run):
    bench.cases["a"]["expected"]["nan"] = {"tensor": "a.y", "take": "[:, ::3]"}
    assert bad(run()) == {("nan", "float64"), ("nan", "float32")}


def test_exact_is_held_to_the_last_bit_in_both_runs(bench, run):
    bench.cases["a"]["expected"] = {"y": {"tensor": "a.y", "take": "[:, ::3]", "exact": True}}
    assert ("y", "float32") in bad(run())


def test_a_stage_that_is_not_computed_is_a_failure(bench, run):
    bench.cases["a"]["expected"]["block7"] = "a.y"
    report = run()
    assert not report.ok
    assert failures(report)["a", "float64"] == "block7: not among the computed stages"
    assert not bad(report)


def test_an_unknown_task_is_a_failure_and_the_others_run(bench, run, reference):
    reference.TASKS = ("embed",)
    bench.cases["b"] = bench.cases["a"] | {"task": "dance"}
    report = run()
    assert not report.ok
    assert failures(report) == {("b", ""): "unknown task 'dance'; known are embed"}
    assert {row.case for row in report.rows} == {"a"}
    assert [(line.case, line.ok) for line in report.summary()] == [("a", True), ("b", False)]


def test_an_exception_in_a_model_is_a_failure_in_one_line_and_the_others_run(bench, run):
    bench.cases["b"] = bench.cases["a"] | {"task": "crash"}
    report = run()
    assert not report.ok
    assert set(failures(report).values()) == {"RuntimeError: no such layer"}
    assert {row.case for row in report.rows} == {"a"}


def test_a_missing_manifest_is_a_failure_and_the_others_run(bench, run):
    bench.cases["b"] = bench.cases["a"] | {"manifest": "nowhere"}
    report = run()
    assert not report.ok
    assert "nowhere.json" in failures(report)["b", ""]
    assert {row.case for row in report.rows} == {"a"}


def test_a_checkpoint_that_does_not_load_is_a_failure(bench, run):
    layout = {"weight": {"shape": [5, 6], "init": "matrix"}, "bias": {"shape": [4], "init": "bias"}}
    (bench.folder / "small.json").write_text(json.dumps({"name": "small", "config": {}, "tensors": layout}))
    report = run()
    assert not report.ok
    assert "size mismatch" in failures(report)["a", "float64"]


def test_a_file_without_cases_and_a_case_without_stages_show_nothing(bench, run):
    bench.cases["a"]["expected"] = {}
    assert "shows nothing" in failures(run())["a", ""]
    bench.cases = {}
    assert not run().ok


def test_named_folders_come_before_the_files_own(bench, run, tmp_path_factory):
    other = tmp_path_factory.mktemp("manifests")
    text = (bench.folder / "small.json").read_text()
    (other / "small.json").write_text(text.replace('"width": 6', '"width": 66'))
    assert run(manifest_folders=[other]).ok
    assert bench.loads[0][0] == {"width": 66}


def test_a_manifest_may_extend_another(bench, run):
    layout = {"w": {"shape": [1], "init": "ones"}}
    rest = {"name": "rest", "config": {"extends": "small", "width": 7, "n_classes": 2}, "tensors": layout}
    (bench.folder / "rest.json").write_text(json.dumps(rest))
    bench.cases["a"]["manifest"] = "rest"
    assert run().ok
    assert bench.loads[0][0] == {"width": 7, "n_classes": 2}
    rest["config"]["extends"] = "rest"
    (bench.folder / "rest.json").write_text(json.dumps(rest))
    assert "no manifest, or one that extends it" in failures(run())["a", ""]


def test_a_network_is_loaded_once_for_cases_that_ask_for_the_same(bench, run):
    bench.cases["b"] = bench.cases["a"] | {"options": {"channels": ["Cz"]}}
    bench.cases["c"] = bench.cases["a"] | {"options": {"gain": 2}}
    report = run()
    assert [(fields.get("gain"), dtype) for fields, dtype in bench.loads] == [
        (gain, dtype) for dtype in ("float64", "float32") for gain in (2, None)
    ]
    assert {row.case for row in report.rows if not row.judgement.ok} == {"c"}


def test_a_case_without_manifest_needs_no_network_and_plain_values_count(bench, run):
    bench.tensors["b.y"] = 2 * bench.tensors["a.x"]
    expected = {"y": "b.y", "words": {"value": ["a", ["b", 1.5]]}}
    bench.cases = {
        "b": {"manifest": None, "task": "double", "options": {}, "inputs": {"x": "a.x"}, "expected": expected}
    }
    assert run().ok
    assert not bench.loads
    expected["words"] = {"value": ["a", ["b", 2]]}
    assert bad(run()) == {("words", "float64"), ("words", "float32")}


def test_a_run_that_would_decide_nothing_is_left_out(bench, run):
    bench.cases["a"]["expected"] = {"sum": "a.sum"}
    assert [row.dtype for row in run().rows] == ["float64"]
    assert [dtype for _, dtype in bench.loads] == ["float64"]


def test_a_case_with_a_precision_of_its_own_runs_in_that_alone(bench, run):
    bench.cases["a"]["options"] = {"precision": "float32"}
    bench.cases["a"]["expected"] = {"sum": {"tensor": "a.sum", "max_abs": 1e-5}}
    report = run(dtypes=("float64",))
    assert report.ok
    assert [row.dtype for row in report.rows] == ["float32"]
    bench.cases["a"]["options"] = {"precision": "float8"}
    assert failures(run()) == {("a", ""): "unknown precision 'float8'"}


def test_float32_is_held_to_the_stored_error(bench, run):
    bench.error = {"a.y": {"max_abs": 1e-12, "rmse": 1e-12}}
    assert bad(run()) == {("y", "float32")}
    bench.error = {"a.y": {"max_abs": 0, "rmse": 0}}
    assert bad(run()) == {("y", "float32")}


def test_limits_of_the_reference_module_are_used(bench, run, reference):
    bench.tensors["a.y"][0, 0] += 1e-8
    assert bad(run()) == {("y", "float64")}
    reference.LIMITS = {"float64": 5e-7}
    assert run().ok


def test_json_is_stable_and_knows_no_folder(bench, run):
    report = run()
    text = report.to_json()
    # MKL's last bit depends on where an array lies in memory, so only what does not hang on it is the same in a rerun.
    again = replace(run(), rows=report.rows)
    assert text == again.to_json()
    assert str(bench.folder) not in text
    record = json.loads(text)
    assert record["ok"] is True
    y = next(row for row in record["rows"] if (row["stage"], row["dtype"]) == ("y", "float32"))
    assert y["original_max_abs"] == 4e-7
    assert y["limit"] == float(f"{y['limit']:.3g}")
    bench.tensors["a.rows"][0] += 1
    assert json.loads(run().to_json())["ok"] is False


def test_the_computed_stages_are_exported_whole(bench, run, tmp_path):
    run().export(tmp_path / "out.safetensors")
    out = load_file(tmp_path / "out.safetensors")
    assert set(out) == {f"a/{stage}.{dtype}" for stage in ("rows", "sum", "y") for dtype in ("float64", "float32")}
    assert out["a/y.float32"].dtype == np.float32
    assert np.abs(out["a/y.float64"][:, ::3] - bench.tensors["a.y"]).max() < 1e-12


def test_the_table_shows_every_stage_and_what_failed(bench, run):
    from rich.console import Console

    bench.tensors["a.y"][0, 0] += 1e-2
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(run().table())
    text = console.export_text()
    for words in ("FAILED", "Pearson r", "original", "rows", "sum", "f32", "1.00e-02", "is over"):
        assert words in text


def test_progress_counts_to_the_end(run):
    seen = []
    run(progress=lambda done, total, words: seen.append((done, total, words)))
    assert seen[0] == (0, 2, "loading small in float64")
    assert seen[-1] == (2, 2, "")
