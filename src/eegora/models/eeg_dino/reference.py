"""How the cases of EEG-DINO's reference vectors map to calls (spec section 12). Leaves reading and judging to `eegora.parity`."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from eegora.models.eeg_dino.inference import trace, whole_patches
from eegora.spec import Config, ReferenceCase

Arrays = dict[str, np.ndarray]

TASKS = ("embed", "classify")
LOADING = ("layout", "branch", "nhead", "nhead_preset", "groups", "global_token_layer")


def run_case(case: ReferenceCase, tensors: Arrays, network: nn.Module | None, config: Config, dtype: str) -> Arrays:
    """Run one case and return every stage by its name in the spec.

    Parameters
    ----------
    case : ReferenceCase
    tensors : dict of str to ndarray
        ``x``: microvolts, (B, C, T) float32.
    network : torch.nn.Module
    config : dict
    dtype : str
        ``float64`` or ``float32``: what the division and the network run in.
    """
    assert network is not None
    x = tensors["x"].astype(dtype) / case.options.get("divisor", 100)
    x = whole_patches(x, config["patch_size"], case.options.get("tail", "pad"), case.task)
    slots = case.options.get("slots", range(x.shape[1]))
    inputs = {"x": torch.from_numpy(np.ascontiguousarray(x)), "slots": torch.tensor([list(slots)])}
    with torch.inference_mode():
        return {name: value.numpy() for name, value in trace(network, inputs, case.task).items()}
