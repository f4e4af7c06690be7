"""How the cases of ZUNA's reference vectors map to calls (spec zuna.md, section 15; zuna-pipeline.md, E). Reading and judging is `eegora.parity`'s."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from eegora.models.zuna import reference_recordings as recordings
from eegora.models.zuna import sampling
from eegora.models.zuna.inference import trace
from eegora.models.zuna.network import Decoder, Zuna
from eegora.models.zuna.tokens import position_bins, to_tokens, token_indices
from eegora.spec import Config, Inputs, ReferenceCase

Arrays = dict[str, np.ndarray]
TASKS = ("embed", "velocity", "reconstruct", "positions", "mask", "repair")
LIMITS = {
    "float64": 5e-7,
    "float32_max": 3.0,
    "float32_floor": 0.0,
    "float32_rmse": 2.0,
    "rmse_from": 1,
    "unlisted": "equal",
    # Each step of the recording pipelines has its own number format, whatever the run's.
    "tasks": {"positions": (0.0, 0.0), "mask": (0.0, 0.0), "repair": (0.0, 0.0)},
}


def run_case(
    case: ReferenceCase, tensors: Mapping[str, Any], network: nn.Module | None, config: Config, dtype: str
) -> dict[str, Any]:
    """Run one case and return every stage by its name in the spec.

    Parameters
    ----------
    case : ReferenceCase
    tensors : dict of str to ndarray, or to a tuple of them
        The case's inputs by argument; a tuple holds segments that are run one by one.
    network : torch.nn.Module or None
    config : dict
    dtype : str
        ``float64`` or ``float32``.
    """
    options = case.options
    if case.task == "positions":
        return {"bins": position_bins(tensors["positions"], options["position_bins"], options["half_range"])}
    if case.task == "mask":
        return {"mask": recordings.mask(options, tensors["recording"])}
    if case.task == "repair":
        pipeline = recordings.recon if options["pipeline"] == "recon" else recordings.pt
        return pipeline(options, tensors)
    assert network is not None
    zuna = cast(Zuna, network)
    segments = [_segment(given, options, getattr(torch, dtype)) for given in _each(tensors)]
    found = [_reconstruct(zuna, s, options) if case.task == "reconstruct" else _trace(zuna, s, case) for s in segments]
    stages = {name: np.concatenate([one[name] for one in found]) for name in found[0]}
    return stages | {"seq_lens": np.array([s["tokens"].shape[1] for s in segments])}


def _each(tensors: Mapping[str, Any]) -> Iterator[Mapping[str, np.ndarray]]:
    """Yield the arguments of each segment."""
    lists = {name: values for name, values in tensors.items() if isinstance(values, tuple)}
    if not lists:
        yield tensors
        return
    for values in zip(*lists.values(), strict=True):
        yield {**tensors, **dict(zip(lists, values, strict=True))}


def _segment(given: Mapping[str, np.ndarray], options: Mapping[str, Any], dtype: torch.dtype) -> Inputs:
    """Make tokens as `inference.pack` and its callers do, with the case's own order and bins."""
    signal = torch.from_numpy(np.array(given["signal"]))[None].to(dtype)
    order = options["token_order"]
    bins = torch.from_numpy(position_bins(given["positions"], options["position_bins"], options["half_range"]))[None]
    inputs = {"tokens": to_tokens(signal, order)}
    inputs["indices"] = token_indices(bins, torch.arange(inputs["tokens"].shape[1] // bins.shape[1])[None], order)
    if "noise" in given:
        inputs["noise"] = torch.from_numpy(np.array(given["noise"]))[None].to(dtype)
    return inputs


def _trace(zuna: Zuna, inputs: Inputs, case: ReferenceCase) -> Arrays:
    if case.task == "velocity":
        inputs["t"] = torch.tensor([case.options["t"]], dtype=torch.float64)
        if case.options.get("unconditional"):
            inputs["unconditional"] = torch.tensor([True])
    return {name: value.numpy() for name, value in trace(zuna, inputs, case.task).items()}


def _reconstruct(zuna: Zuna, inputs: Inputs, options: Mapping[str, Any]) -> Arrays:
    rotary = zuna.rotary(inputs["indices"])
    latent: Tensor = zuna.encoder(inputs["tokens"], rotary)
    start = zuna.config["stft_global_sigma"] * inputs["noise"]
    decoder = cast(Decoder, zuna.decoder)
    found = sampling.sample(decoder, latent, rotary, start, steps=options["steps"], cfg=options["cfg"])
    return {"reconstruction": found[0].numpy()}
