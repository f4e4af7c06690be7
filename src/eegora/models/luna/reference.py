"""How the cases of LUNA's reference vectors map to calls (spec section 11). Leaves reading and judging to `eegora.parity`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from eegora.models.luna.inference import ROW, normalised_locations, position_features, trace
from eegora.models.luna.spec import RECIPES
from eegora.recipes.prepare import prepare
from eegora.recipes.recipe import Step
from eegora.recipes.steps import STEPS
from eegora.recordings.positions import head_position
from eegora.signal import Signal
from eegora.spec import Config, ReferenceCase
from eegora.windows import Windows

Arrays = dict[str, np.ndarray]
TASKS = ("reconstruct", "classify", "positions", "prepare")
BEFORE_SCALE = {"filter": "bandpassed_uv", "resample": "resampled_uv"}


def run_case(case: ReferenceCase, tensors: Arrays, network: nn.Module | None, config: Config, dtype: str) -> Arrays:
    """Run one case and return every stage by its name in the spec.

    Parameters
    ----------
    case : ReferenceCase
    tensors : dict of str to ndarray
        The case's inputs by argument.
    network : torch.nn.Module or None
    config : dict
    dtype : str
        ``float64`` or ``float32``.
    """
    if case.task == "positions":
        return _positions(case.options["channels"])
    if case.task == "prepare":
        return _prepare(case.options, tensors, dtype)
    assert network is not None
    return _network(case.task, tensors, network, config, getattr(torch, dtype))


def _positions(channels: list[str]) -> Arrays:
    found = [head_position(name) for name in channels]
    out = {"locations_m": np.stack([p for p in found if p is not None])}
    if all(name in ROW for name in channels):
        out["channel_index"] = np.array([ROW[name] for name in channels])
    return out


def _network(task: str, tensors: Arrays, network: nn.Module, config: Config, dtype: torch.dtype) -> Arrays:
    given = {name: torch.from_numpy(np.array(value)) for name, value in tensors.items()}
    c = normalised_locations(given["locations_m"], given.get("location_noise"))
    inputs = {"x": given["x"].to(dtype), "position": position_features(c, config["embed_dim"]).to(dtype)}
    if "channel_index" in given:
        inputs["names"] = given["channel_index"]
    if "patch_mask" in given:
        inputs["mask"] = given["patch_mask"].bool()
    with torch.inference_mode():
        stages = trace(network, inputs, task)
    return {"locations_normalised": c.numpy()} | {name: value.numpy() for name, value in stages.items()}


def _prepare(options: Mapping[str, Any], tensors: Arrays, dtype: str) -> Arrays:
    """Run the recipe that the options describe, and keep what it makes on the way under the spec's names."""
    if options.get("from") == "windows_uv":
        return _zscore(tensors["windows_uv"], options, dtype)
    from eegora.recordings.read import array_to_signal

    signal = array_to_signal(tensors["data"], options["channels"], options["sfreq"], unit=options["unit"])
    recipe = RECIPES[0]
    recipe = recipe.with_options("filter", l_freq=options["l_freq"], h_freq=options["h_freq"])
    recipe = recipe.with_options("notch", freqs=[options["notch"]])
    recipe = recipe.with_options("resample", rate=float(options["resample"]))
    recipe = recipe.with_options("derive", rows=options["rows"])
    recipe = recipe.with_options("cut", samples=round(options["window_s"] * options["resample"]))
    recipe = recipe.with_options("zscore", dtype=options.get("normalize_dtype", "float64"))
    out: Arrays = {}

    def watch(step: Step, state: Signal | Windows) -> None:
        # Stages are in µV; before the scale step the data are volts.
        if step.name in BEFORE_SCALE:
            out[BEFORE_SCALE[step.name]] = state.data * 1e6
        elif step.name == "cut":
            out["windows_uv"] = state.data

    windows = prepare(signal, recipe, watch=watch)
    return out | {"normalized": windows.data, "n_windows": np.array([len(windows)])}


def _zscore(windows_uv: np.ndarray, options: Mapping[str, Any], dtype: str) -> Arrays:
    step = RECIPES[0].steps[-1]
    n_windows, n_channels, n_times = windows_uv.shape
    windows = Windows(
        data=windows_uv.astype(np.float64),
        ch_names=tuple(options["channels"]),
        ch_pos=np.full((n_channels, 3), np.nan),
        sfreq=256.0,
        onsets=np.arange(n_windows) * n_times / 256,
        index=np.arange(n_windows),
        n_valid=np.full(n_windows, n_times),
    )
    normalised = STEPS["zscore"].function(windows, **{**step.options, "dtype": "float64"})
    return {"normalized": normalised.data}
