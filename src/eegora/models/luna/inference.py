"""From windows to LUNA's inputs and from inputs to its answers: plain functions, gathered in CODE at the foot.

Knows names, positions and shapes (spec sections 4.4, 4.9, 7); leaves devices, batches and records to `eegora.model`.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from eegora.errors import ChannelError, RecordingError
from eegora.models.luna import checkpoint
from eegora.models.luna.network import Luna
from eegora.models.luna.spec import VOCABULARY
from eegora.recordings.channels import nearest_names
from eegora.recordings.positions import head_position
from eegora.spec import Config, Inputs, ModelCode, Tensors
from eegora.windows import Windows

ROW = {name: i for i, name in enumerate(VOCABULARY)}


def normalised_locations(locations: Tensor, noise: Tensor | None = None) -> Tensor:
    """Bring positions to 0…1 per axis over the channels, in float32 with exactly the original's operations (spec 4.4).

    Parameters
    ----------
    locations : Tensor, shape (B, C, 3), float32
        Metres, head frame.
    noise : Tensor, shape (B, C, 3), optional
        Standard normal; a fiftieth of it is added, as the original does in masked runs (spec 4.9).
    """
    low, high = locations.amin(1, keepdim=True), locations.amax(1, keepdim=True)
    c = (locations - low) / ((high - low) + 1e-8)
    return c if noise is None else c + 0.02 * noise


def position_features(c: Tensor, width: int) -> Tensor:
    """Encode normalised positions (B, C, 3) by sines and cosines: (B, C, width), float64 (spec 4.4, step 2)."""
    octaves = 2.0 ** torch.arange(width // 6, dtype=torch.float64)
    angle = c.double()[..., None, :] * octaves[:, None]  # (B, C, n, 3)
    features = torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(2)
    return nn.functional.pad(features, (0, width - features.shape[-1]))


def locations_of(windows: Windows) -> np.ndarray:
    """Return the windows' positions (1, n_channels, 3), float32; the frozen table's where they have none.

    Raises
    ------
    ChannelError
        ``no_position`` with the nearest names.
    """
    found, unknown = [], []
    for name, own in zip(windows.ch_names, windows.ch_pos, strict=True):
        position = own if np.isfinite(own).all() else head_position(name)
        if position is None:
            unknown.append(name)
        found.append(position)
    if unknown:
        near = " ".join(nearest_names(unknown[0], VOCABULARY))
        raise ChannelError(
            "no_position",
            f"{windows.name}: no position for {', '.join(unknown)}; {unknown[0]} is nearest to {near}",
            hint="--unknown drop leaves such channels out",
        )
    return np.asarray(found, dtype=np.float32)[None]


def pack(windows: Windows, config: Config) -> Inputs:
    """Make the network's inputs: ``x`` (B, C, T), ``position`` (1, C, D), ``names`` (1, C) where all are in the vocabulary.

    Raises
    ------
    ChannelError
        ``no_position``.
    RecordingError
        ``bad_window`` if the window is no whole number of patches.
    """
    n_times = windows.data.shape[-1]
    if n_times % config["patch_size"] or not n_times:
        raise RecordingError(
            "bad_window",
            f"{windows.name}: windows of {n_times} samples; wanted a multiple of {config['patch_size']}",
            hint="set `seconds` of the recipe's cut step",
        )
    c = normalised_locations(torch.from_numpy(locations_of(windows)))
    inputs = {
        "x": torch.from_numpy(np.ascontiguousarray(windows.data, dtype=np.float32)),
        "position": position_features(c, config["embed_dim"]),
    }
    rows = [ROW.get(name.upper()) for name in windows.ch_names]
    if None not in rows:
        inputs["names"] = torch.tensor([rows])
    if windows.missing is not None:
        cells = np.broadcast_to(windows.missing, windows.data.shape)
        inputs["mask"] = torch.from_numpy(cells.reshape(*cells.shape[:2], -1, config["patch_size"]).any(-1))
    return inputs


def embed(network: nn.Module, inputs: Inputs) -> Tensor:
    """Return the latent (B, S, N)."""
    return cast(Luna, network).encode(inputs["x"], inputs["position"], inputs.get("mask"))[0]


def attention(network: nn.Module, inputs: Inputs) -> Tensor:
    """Return how each query attends to each channel (B, S, Q, C), the mean over heads."""
    return cast(Luna, network).encode(inputs["x"], inputs["position"], inputs.get("mask"))[1]


def reconstruct(network: nn.Module, inputs: Inputs) -> Tensor:
    """Return the signal of every channel (B, C, T) in z-score units."""
    luna = cast(Luna, network)
    latent, _, location = luna.encode(inputs["x"], inputs["position"], inputs.get("mask"))
    assert luna.reconstruction is not None
    out: Tensor = luna.reconstruction(_memory(latent, location), location, inputs["names"])
    return out


def classify(network: nn.Module, inputs: Inputs) -> Tensor:
    """Return logits (B, n_classes)."""
    luna = cast(Luna, network)
    assert luna.classification is not None
    out: Tensor = luna.classification(luna.encode(inputs["x"], inputs["position"], inputs.get("mask"))[0])
    return out


def trace(network: nn.Module, inputs: Inputs, task: str) -> Tensors:
    """Return every stage of spec section 11 under its name there; ``output`` is the answer of the task."""
    luna = cast(Luna, network)
    stages: Tensors = {}
    latent, _, location = luna.encode(inputs["x"], inputs["position"], inputs.get("mask"), stages.__setitem__)
    if task == "classify" and luna.classification is not None:
        stages["output"] = luna.classification(latent, stages.__setitem__)
    elif task == "reconstruct" and luna.reconstruction is not None:
        stages["output"] = luna.reconstruction(_memory(latent, location), location, inputs["names"], stages.__setitem__)
    return stages


def _memory(latent: Tensor, location: Tensor) -> Tensor:
    """Split the latent (B, S, Q·D) by query: (B, S, Q, D)."""
    memory: Tensor = latent.unflatten(-1, (-1, location.shape[-1]))
    return memory


CODE = ModelCode(
    detect=checkpoint.detect,
    layout=checkpoint.layout,
    renames=checkpoint.renames,
    fold=checkpoint.fold,
    build=checkpoint.build,
    tasks=checkpoint.tasks,
    pack=pack,
    embed=embed,
    trace=trace,
    reconstruct=reconstruct,
    classify=classify,
    attention=attention,
    remarks=checkpoint.remarks,
    tuned=checkpoint.tuned,
    examine=checkpoint.examine,
)
