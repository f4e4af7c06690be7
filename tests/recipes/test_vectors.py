"""Every case of the preprocessing vectors: taps, and every stage of every recipe (preprocessing.md, section 12)."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open

from eegora.errors import RecordingError
from eegora.recipes import kernels
from eegora.recipes.prepare import prepare
from eegora.recipes.recipe import Recipe, Step
from eegora.recordings.channels import parse_label
from eegora.recordings.positions import head_position
from eegora.signal import Signal
from eegora.windows import Windows
from tests.recipes.known import RECIPES

DATA = Path(__file__).parents[1] / "data" / "recipes"
FILES = ("preprocessing", "luna-preprocess")
BIG = os.environ.get("EEGORA_VECTORS")


def _cases(folder: Path, file: str) -> dict[str, Any]:
    with safe_open(folder / f"{file}.safetensors", "numpy") as vectors:
        return json.loads(vectors.metadata()["cases"])


CASES = [(file, name) for file in FILES for name, case in _cases(DATA, file).items() if "file" not in case["options"]]


def _signal(data: np.ndarray, options: dict[str, Any]) -> Signal:
    labels = [parse_label(label) for label in options["channels"]]
    rows = [i for i, label in enumerate(labels) if label.name is not None]
    names = tuple(str(labels[i].name) for i in rows)
    positions = np.array([head_position(name) for name in names])
    volts = data[rows].astype(np.float64) * {"V": 1.0, "uV": 1e-6}[options["unit"]]
    return Signal(volts, names, positions, options["sfreq"])


def _recipe(options: dict[str, Any]) -> Recipe:
    """The recipe by name with every parameter that the case gives."""
    recipe = RECIPES[options["recipe"]]
    present = {step.name for step in recipe.steps}
    if options["resample"] == "nearest":
        recipe = recipe.with_options("resample", rate=options["resample_to"], method="nearest")
    else:
        recipe = recipe.with_options("resample", rate=options["resample"])
    if "filter" in present:
        recipe = recipe.with_options("filter", l_freq=options["l_freq"], h_freq=options["h_freq"])
    if options["notch"] is not None:
        recipe = recipe.with_options("notch", freqs=options["notch"])
    seconds = options.get("window_s", options.get("segment_s"))
    if seconds:
        recipe = recipe.with_options("cut", seconds=seconds)
    if "rows" in options:
        recipe = recipe.with_options("derive", rows=options["rows"])
        recipe = recipe.with_options("zscore", dtype=options.get("normalize_dtype", "float64"))
    if "divisor" in options:
        recipe = recipe.with_options("divide", by=options["divisor"])
    return recipe


def _stages(signal: Signal, recipe: Recipe) -> dict[str, np.ndarray]:
    """Run a recipe and name what comes out after each step as the vectors do."""
    stages: dict[str, Any] = {"data": signal.data, "locations_m": signal.ch_pos}
    stages["data_mean_std"] = np.stack([signal.data.mean(-1), signal.data.std(-1)], axis=-1)
    before: list[Signal | Windows] = [signal]

    def watch(step: Step, state: Signal | Windows) -> None:
        microvolts = state.data * (1e6 * state.scale)
        names = {"average_reference": "avgref", "resample": "resampled", "filter": "highpass"}
        stages[names.get(step.name, step.name)] = state.data
        if step.name == "filter":
            stages["bandpassed_uv"] = microvolts
        if step.name == "resample":
            stages["resampled_uv"] = microvolts
            stages["signal_mv"] = microvolts / 1e3
        if step.name == "cut":
            stages.update({"n_windows": np.array([len(state.data)]), "n_segments": np.array([len(state.data)])})
            stages["windows_uv"] = microvolts
        if step.name == "zscore":
            last = before[-1]
            mean = ((state.level - last.level) / last.scale).ravel()[:1]
            stages["mean_std"] = np.array([mean[0], (state.scale / last.scale).ravel()[0]])
            stages["normalized"] = state.data
            if isinstance(state, Windows):
                stages.update(
                    {f"segments.{i}": x[:, :n] for i, (x, n) in enumerate(zip(state.data, state.n_valid, strict=True))}
                )
        stages["model_input"] = state.data
        before.append(state)

    try:
        windows = prepare(signal, recipe, missing="skip", watch=watch)
    except RecordingError as error:
        if error.code != "too_short":
            raise
        stages["model_input"] = np.zeros((0, len(signal.ch_names), 1280))
    else:
        assert windows.data.dtype == np.float32
        assert windows.data.flags.c_contiguous
        np.testing.assert_array_equal(windows.data, stages["model_input"].astype(np.float32))
    return stages


def _assert_stages(stages: dict[str, np.ndarray], expected: dict[str, Any], tensors: Any) -> None:
    for stage, want in expected.items():
        want = want if isinstance(want, dict) else {"tensor": want}
        right = tensors.get_tensor(want["tensor"])
        found = eval(f"x{want.get('take', '')}", {"x": stages[stage]})
        assert found.shape == right.shape, stage
        if right.size:
            tolerance = 1e-9 if right.dtype == np.float64 else 1e-6
            worst = np.abs(found - right).max() / np.abs(right).max()
            assert worst <= tolerance, f"{stage}: {worst:.1e}"


@pytest.mark.parametrize(("file", "name"), CASES, ids=[name for _, name in CASES])
def test_case_of_the_vector_files(file: str, name: str) -> None:
    case = _cases(DATA, file)[name]
    options, expected = case["options"], case["expected"]
    with safe_open(DATA / f"{file}.safetensors", "numpy") as tensors:
        if case["task"] == "fir":
            if options["notch"] is None:
                taps = kernels.design(options["sfreq"], options["l_freq"], options["h_freq"])
            else:
                taps = kernels.design_notch(options["sfreq"], (options["notch"],))
            middle = len(taps) // 2
            digest = np.concatenate([[len(taps)], taps[:64], taps[middle - 64 : middle + 65]])
            found = {"taps": taps, "length_head_center": digest}
            ((stage, tensor),) = expected.items()
            np.testing.assert_allclose(found[stage], tensors.get_tensor(tensor), rtol=0, atol=1e-14)
            return
        signal = _signal(tensors.get_tensor(case["inputs"]["data"]), options)
        _assert_stages(_stages(signal, _recipe(options)), expected, tensors)


if BIG:

    def test_sample1_of_the_big_vectors() -> None:
        import mne

        case = _cases(Path(BIG), "preprocessing")["sample1"]
        raw = mne.io.read_raw_fif(Path(BIG) / case["options"]["file"], verbose="error")
        positions = np.array([ch["loc"][:3] for ch in raw.info["chs"]], np.float64)
        signal = Signal(raw.get_data(), tuple(raw.ch_names), positions, float(raw.info["sfreq"]))
        assert list(signal.ch_names) == case["options"]["channels"]
        with safe_open(Path(BIG) / "preprocessing.safetensors", "numpy") as tensors:
            _assert_stages(_stages(signal, _recipe(case["options"])), case["expected"], tensors)
