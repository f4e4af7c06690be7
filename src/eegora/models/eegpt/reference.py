"""How the cases of EEGPT's reference vectors map to calls (spec section 13). Leaves reading and judging to `eegora.parity`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from eegora.models.eegpt.checkpoint import build
from eegora.models.eegpt.folds import max_norm
from eegora.models.eegpt.inference import channel_ids, encode, logits, pooled, trace
from eegora.models.eegpt.interpolation import interpolation_matrix
from eegora.models.eegpt.network import Eegpt
from eegora.models.eegpt.spec import DOWNSTREAM
from eegora.recipes.kernels import nearest_index
from eegora.recipes.recipe import Step
from eegora.recipes.steps import STEPS
from eegora.spec import Config, Inputs, ReferenceCase
from eegora.windows import Windows

Arrays = dict[str, np.ndarray]
RECIPE = "recipe:"
TASKS = (
    "embed",
    "classify",
    "reconstruct",
    "resample",
    "max_norm",
    "interpolate",
    *(RECIPE + name for name in DOWNSTREAM),
)
# Interpolation: 1e-6 absolute (spec section 13); the numbers are the same in both runs.
LIMITS = {"tasks": {"interpolate": (1e-6, 1e-6)}}


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
    options = case.options
    if case.task == "interpolate":
        names, frame, mode = (options[key] for key in ("source_channels", "frame", "mode"))
        return {"matrix": interpolation_matrix(names, frame=frame, mode=mode)}
    if case.task == "max_norm":
        return {"w": max_norm(torch.from_numpy(np.array(tensors["w"])), options["max_norm"]).numpy()}
    if case.task == "resample":
        return _resample(options, tensors)
    assert network is not None
    number = getattr(torch, dtype)
    eegpt = _set_up(network, config, case.task, options)
    steps = _steps(case.task, options)
    x = _prepared(tensors["x"], options.get("source_channels"), steps)
    ids = options.get("ids") or channel_ids(options["channels"], n_rows=config["n_chan_embeddings"])
    inputs = {"x": torch.from_numpy(x).to(number), "ids": torch.tensor([ids])}
    inputs |= {key: torch.from_numpy(np.array(tensors[key]))[None] for key in tensors if key.startswith("mask_")}
    task = "reconstruct" if case.task == "reconstruct" else "embed"
    stages = trace(eegpt, inputs, task)
    if task == "embed":
        stages |= _answers(eegpt, inputs)
    return {name: value.numpy() for name, value in stages.items()}


def _set_up(network: nn.Module, config: Config, task: str, options: Mapping[str, Any]) -> Eegpt:
    """Return the network with what the case sets: the parameters are the same, so nothing is loaded again."""
    chosen = dict(config)
    names = {"nhead": "num_heads", "stride": "patch_stride", "tail": "tail", "use_out_proj": "use_out_proj", "pooling": "pooling"}  # fmt: skip
    chosen |= {field: options[name] for name, field in names.items() if name in options}
    if task.startswith(RECIPE):
        chosen["recipe"] = task.removeprefix(RECIPE)
    else:
        # A bare encoder is asked for unless the task is to classify, whatever else the checkpoint holds.
        parts = config if task == "classify" else {"chan_proj_type": "none", "head": "none"}
        chosen["chan_proj_type"] = options.get("chan_proj", parts["chan_proj_type"])
        chosen["head"] = options.get("head", parts["head"])
    with torch.device("meta"):
        eegpt = build(chosen)
    state = network.state_dict()
    eegpt.load_state_dict({key: state[key] for key in eegpt.state_dict()}, strict=True, assign=True)
    return eegpt.eval()


def _steps(task: str, options: Mapping[str, Any]) -> list[Step]:
    """Return what the forward pass of a downstream task, or of the classifier, does before its channel step."""
    if task.startswith(RECIPE):
        steps = list(DOWNSTREAM[task.removeprefix(RECIPE)].forward)
        if "desired_length" in options:
            steps = [_with(step, "resample", samples=options["desired_length"]) for step in steps]
        return [_with(step, "pick", names=options["channels"]) for step in steps]
    average = [Step("average_reference", {"over": "all"})] if options.get("average_reference") else []
    length = options.get("desired_length")
    return average + ([Step("resample", {"samples": length, "method": "nearest"})] if length else [])


def _with(step: Step, name: str, **options: Any) -> Step:
    return replace(step, options={**step.options, **options}) if step.name == name else step


def _prepared(x: np.ndarray, names: list[str] | None, steps: list[Step]) -> np.ndarray:
    """Run recipe steps on an array (n_windows, n_channels, n_times), in float64."""
    n_windows, n_channels, n_times = x.shape
    state = Windows(
        data=x.astype(np.float64),
        ch_names=tuple(names or (f"row {i}" for i in range(n_channels))),
        ch_pos=np.full((n_channels, 3), np.nan),
        sfreq=256.0,
        onsets=np.arange(n_windows, dtype=np.float64) * n_times,
        index=np.arange(n_windows),
        n_valid=np.full(n_windows, n_times),
    )
    for step in steps:
        state = STEPS[step.name].function(state, **step.options)
    return np.ascontiguousarray(state.data)


def _resample(options: Mapping[str, Any], tensors: Arrays) -> Arrays:
    out: Arrays = {"index": nearest_index(options["source_length"], options["desired_length"])}
    if "x" in tensors:
        out["y"] = _prepared(tensors["x"][None], None, _steps("resample", options))[0]
    return out


def _answers(eegpt: Eegpt, inputs: Inputs) -> dict[str, torch.Tensor]:
    """Run as an ordinary call does: the last block for the summary tokens alone."""
    stages: dict[str, torch.Tensor] = {}
    z = encode(eegpt, inputs)
    if eegpt.head is not None:
        stages["logits"] = logits(eegpt, z, stages.__setitem__)
    return stages | pooled(z)
