"""Reading a vector file: what is taken, and what is refused in one line."""

from __future__ import annotations

import numpy as np
import pytest

from eegora.errors import EegoraError, UsageError
from eegora.parity.vectors import parse_take, read_vectors


def test_a_file_is_read_whole(bench):
    bench.cases["a"]["note"] = "for people"
    vectors = read_vectors(bench.write())
    case = vectors.cases["a"]
    assert (case.name, case.manifest, case.task) == ("a", "small", "embed")
    assert case.inputs["x"].dtype == np.float32
    assert case.expected["y"].take == "[:, ::3]"
    assert np.array_equal(case.expected["sum"].data, bench.tensors["a.sum"])
    assert vectors.error == {"a.y": (4e-7, 1e-7)}
    assert len(vectors.sha256) == 64


def test_inputs_may_be_lists_and_random_tensors_that_are_not_stored(bench):
    bench.cases["a"]["inputs"] = {"parts": ["a.x", "a.x"], "made": {"standard_normal": [2, 3], "seed": 7}}
    inputs = read_vectors(bench.write()).cases["a"].inputs
    assert len(inputs["parts"]) == 2
    wanted = np.random.RandomState(7).standard_normal((2, 3)).astype(np.float32)
    assert np.array_equal(inputs["made"], wanted)
    assert inputs["made"].dtype == np.float32


@pytest.mark.parametrize(
    "text", ["[:, ::6]", "[[0, 1]]", "[0, [0, -1], :2]", "[None]", "[:, [0, 1, -1]]", "[..., 0]", "[-1]", "[1:-1:2]"]
)
def test_take_means_what_numpy_means(text):
    data = np.arange(5 * 8 * 7).reshape(5, 8, 7)
    assert np.array_equal(data[parse_take(text)], eval(f"data{text}"))


@pytest.mark.parametrize(
    "text",
    [
        "[__import__('os').getcwd()]",
        "[x]",
        "[0][1]",
        "[0](1)",
        "[0] + x[1]",
        "[1.5]",
        "[True]",
        "['a']",
        "[[[0]]]",
        "[~1]",
        "",
        "0",
        ".shape",
        "[0",
        "[" + "-" * 150 + "1]",
        "[" + "0," * 300 + "]",
    ],
)
def test_take_that_is_no_plain_index_is_refused(text):
    with pytest.raises(EegoraError, match="no plain NumPy index") as caught:
        parse_take(text)
    assert caught.value.code == "bad_vectors"


def change(bench, **fields):
    bench.cases["a"].update(fields)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"colour": 1}, "unknown fields .'colour'."),
        ({"task": None}, "wanted names"),
        ({"manifest": 3}, "wanted names"),
        ({"options": []}, "options of case a is no JSON object"),
        ({"expected": None}, "expected of case a is no JSON object"),
        ({"expected": {"y": {"tensor": "a.y", "rtol": 1}}}, "unknown fields .'rtol'."),
        ({"expected": {"y": {"tensor": "a.y", "value": 1}}}, "one of tensor and value"),
        ({"expected": {"y": {"take": "[0]"}}}, "one of tensor and value"),
        ({"expected": {"y": {"tensor": "a.y", "take": "[open]"}}}, "no plain NumPy index"),
        ({"expected": {"y": {"tensor": "a.y", "exact": "yes"}}}, "not true or false"),
        ({"expected": {"y": {"tensor": "a.y", "max_abs": "small"}}}, "wanted a number"),
        ({"expected": {"y": {"tensor": "a.y", "max_abs": float("nan")}}}, "wanted a number"),
        ({"inputs": {"x": {"standard_normal": [2], "seed": 1, "scale": 2}}}, "wanted standard_normal"),
        ({"inputs": {"x": {"standard_normal": ["a"], "seed": 1}}}, "no such random tensor"),
    ],
)
def test_a_case_outside_the_layout_is_refused(bench, fields, words):
    change(bench, **fields)
    with pytest.raises(EegoraError, match=words) as caught:
        read_vectors(bench.write())
    assert caught.value.code == "bad_vectors"
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("where", [{"inputs": {"x": "b.x"}}, {"inputs": {"x": ["b.x"]}}, {"expected": {"y": "b.x"}}])
def test_a_tensor_that_is_named_but_absent_fails_with_exit_1(bench, where):
    change(bench, **where)
    with pytest.raises(EegoraError, match=r"names the tensor 'b\.x'") as caught:
        read_vectors(bench.write())
    assert caught.value.exit_code == 1


def test_an_error_without_its_numbers_is_refused(bench):
    bench.error = {"a.y": {"max_abs": 1e-7}}
    with pytest.raises(EegoraError, match=r"rmse of a\.y"):
        read_vectors(bench.write())


def test_another_layout_is_refused(bench):
    bench.layout = "eegora-vectors-2"
    with pytest.raises(UsageError, match="eegora-vectors-2") as caught:
        read_vectors(bench.write())
    assert caught.value.exit_code == 2


def test_what_is_no_safetensors_file_is_refused(tmp_path):
    (tmp_path / "text.safetensors").write_text("hello")
    for path, words in (
        (tmp_path / "none.safetensors", "does not exist"),
        (tmp_path, "is a folder"),
        (tmp_path / "text.safetensors", "no readable"),
    ):
        with pytest.raises(UsageError, match=words) as caught:
            read_vectors(path)
        assert caught.value.exit_code == 2
