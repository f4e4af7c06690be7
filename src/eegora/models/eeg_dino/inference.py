"""From windows to EEG-DINO's inputs and from inputs to its answers: plain functions, gathered in CODE at the foot.

Knows channel slots and window lengths (spec section 6); leaves devices, batches and records to `eegora.model`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from eegora.errors import ChannelError, RecordingError, UsageError
from eegora.models.eeg_dino import checkpoint, diagnosis
from eegora.models.eeg_dino.network import EegDino
from eegora.models.eeg_dino.spec import DERIVATIONS, ORDERS
from eegora.recordings.channels import nearest_names, same_electrode
from eegora.signal import Array
from eegora.spec import Config, Inputs, ModelCode, Tensors
from eegora.windows import Windows

STRATEGIES = ("by_name", "slots", "zero_fill")
TAILS = ("error", "pad", "trim")
READS = ("all", "cls")


def slot_order(config: Config) -> tuple[str, ...]:
    """Return the electrode of each slot: a named order, or the user's own list.

    Raises
    ------
    UsageError
        ``bad_config``.
    """
    order = config.get("channel_order", "tueg")
    if isinstance(order, str):
        if order not in ORDERS:
            raise UsageError(
                "bad_config", f"channel_order {order!r}; wanted {', '.join(ORDERS)} or a list of electrodes"
            )
        order = ORDERS[order]
    n_slots = config["n_channel_embeddings"]
    if len(order) > n_slots or any(_slot(name, order[:i]) is not None for i, name in enumerate(order)):
        raise UsageError(
            "bad_config", f"channel_order {' '.join(order)}; wanted at most {n_slots} different electrodes"
        )
    return tuple(order)


def slots_of(windows: Windows, config: Config) -> tuple[int, ...]:
    """Return the slot of each row of the windows.

    By name, or by position where the option ``channels`` is ``slots``. The 16 derivations of fine-tuned models have the
    slots 0 to 15, in their order (spec 6).

    Raises
    ------
    ChannelError
        ``too_many_channels``; ``no_slot`` with the nearest names; ``doubled_channels``.
    """
    names, n_slots = windows.ch_names, config["n_channel_embeddings"]
    if len(names) > n_slots:
        raise ChannelError(
            "too_many_channels",
            f"{windows.name}: {len(names)} channels, EEG-DINO takes {n_slots}",
            hint="use one of its recipes, which pick them",
        )
    if config["channels"] == "slots":
        return tuple(range(len(names)))
    order = DERIVATIONS[:n_slots] if all("-" in name for name in names) else slot_order(config)
    found = [_slot(name, order) for name in names]
    unknown = [name for name, slot in zip(names, found, strict=True) if slot is None]
    if unknown:
        raise ChannelError(
            "no_slot",
            f"{windows.name}: EEG-DINO has no slot for {', '.join(unknown)};"
            f" {unknown[0]} is nearest to {', '.join(nearest_names(unknown[0], order))}",
            hint="use one of its recipes, or the setting channels = 'slots', which counts rows",
        )
    slots = [slot for slot in found if slot is not None]
    if len(set(slots)) < len(slots):
        twice = [name for name, slot in zip(names, slots, strict=True) if slots.count(slot) > 1]
        raise ChannelError("doubled_channels", f"{windows.name}: {', '.join(twice)} share a slot; wanted one row each")
    return tuple(slots)


def _slot(name: str, order: Sequence[str]) -> int | None:
    return next((i for i, other in enumerate(order) if same_electrode(name, other)), None)


def whole_patches(x: Array, patch: int, tail: str, name: str = "input") -> Array:
    """Make the last axis a multiple of `patch`.

    Parameters
    ----------
    x : ndarray, shape (..., T)
    patch : int
    tail : str
        ``error``, ``pad`` (zeros on the right; they change every token of the window) or ``trim``.
    name : str
        For messages.

    Raises
    ------
    RecordingError
        ``bad_window``.
    """
    n_times = x.shape[-1]
    rest = n_times % patch
    if not n_times or (rest and tail == "error") or (tail == "trim" and n_times < patch):
        raise RecordingError(
            "bad_window",
            f"{name}: windows of {n_times} samples; wanted a multiple of {patch}",
            hint="set `seconds` of the recipe's cut step to whole seconds, or the setting tail to 'pad' or 'trim'",
        )
    if not rest:
        return x
    if tail == "trim":
        return x[..., : n_times - rest]
    return np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, patch - rest)])


def pack(windows: Windows, config: Config) -> Inputs:
    """Make the network's inputs: ``x`` (B, C, T), ``slots`` (1, C), and ``only_global`` where nothing else is read.

    Parameters
    ----------
    windows : Windows
        In microvolts / 100.
    config : dict
        With the settings ``channels`` (by_name, slots, zero_fill), ``channel_order`` (tueg, rows or a list),
        ``tail`` (error, pad, trim) and ``read`` (all, or cls: the global token alone, which is cheaper).

    Raises
    ------
    UsageError
        ``bad_config``.
    ChannelError, RecordingError
        As `slots_of`, `whole_patches`.
    """
    config = checkpoint.complete(config)
    for field, known in (("channels", STRATEGIES), ("tail", TAILS), ("read", READS)):
        if config[field] not in known:
            raise UsageError("bad_config", f"{field} {config[field]!r}; wanted one of {', '.join(known)}")
    x = whole_patches(windows.data, config["patch_size"], config["tail"], windows.name)
    if not np.isfinite(x.sum(dtype=np.float64)):  # GroupNorm would spread it over the whole window
        raise RecordingError("non_finite", f"{windows.name}: the windows hold NaN or infinite values")
    slots = slots_of(windows, config)
    if config["channels"] == "zero_fill":
        full = np.zeros((len(x), config["n_channel_embeddings"], x.shape[-1]), np.float32)
        full[:, list(slots)] = x
        x, slots = full, tuple(range(full.shape[1]))
    inputs = {"x": torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32)), "slots": torch.tensor([slots])}
    if config["read"] == "cls":
        inputs["only_global"] = torch.ones(
            1, dtype=torch.bool
        )  # its presence counts: a value would have to be read back
    return inputs


def labels(windows: Windows, config: Config) -> dict[str, tuple[str, ...]]:
    """Name the entries of the token axis: ``global``, then ``Fp1 0 s``, ``Fp1 1 s`` … (channel, start in the window)."""
    config = checkpoint.complete(config)
    if config["read"] == "cls":
        return {"token": ("global",)}
    names: Sequence[str] = windows.ch_names
    if config["channels"] == "zero_fill":
        order, slots = slot_order(config), slots_of(windows, config)
        filled = {i: f"zeros for {name}" for i, name in enumerate(order)}
        filled |= dict(zip(slots, names, strict=True))
        names = [filled.get(i, f"zeros in slot {i}") for i in range(config["n_channel_embeddings"])]
    n_times = whole_patches(windows.data[:1, :1], config["patch_size"], config["tail"], windows.name).shape[-1]
    seconds = config["patch_size"] / windows.sfreq
    starts = [f"{p * seconds:g} s" for p in range(n_times // config["patch_size"])]
    return {"token": ("global", *(f"{name} {start}" for name in names for start in starts))}


def embed(network: nn.Module, inputs: Inputs) -> Tensor:
    """Return (B, 1 + N, D): the global token (the mean, where there are several), then token c · P + p."""
    dino = cast(EegDino, network)
    tokens = dino.encode(inputs["x"], inputs["slots"], only_global="only_global" in inputs)
    if dino.n_global == 1:
        return tokens
    return torch.cat([tokens[:, : dino.n_global].mean(1, keepdim=True), tokens[:, dino.n_global :]], dim=1)


def classify(network: nn.Module, inputs: Inputs) -> Tensor:
    """Return logits (B, n_classes)."""
    dino = cast(EegDino, network)
    assert dino.head is not None
    tokens = dino.encode(inputs["x"], inputs["slots"])
    logits: Tensor = dino.head(tokens[:, dino.n_global :], inputs["x"].shape[1])
    return logits


def trace(network: nn.Module, inputs: Inputs, task: str) -> Tensors:
    """Return every stage of spec section 12 under its name there; ``output`` is the answer of the task."""
    dino = cast(EegDino, network)
    stages: Tensors = {}
    tokens = dino.encode(inputs["x"], inputs["slots"], note=stages.__setitem__)
    features = tokens[:, dino.n_global :]
    stages |= {"features": features, "cls_token": tokens[:, : dino.n_global].mean(1), "pooled": features.mean(1)}
    stages["output"] = tokens
    if task == "classify" and dino.head is not None:
        stages["logits"] = stages["output"] = dino.head(features, inputs["x"].shape[1], stages.__setitem__)
    return stages


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
    labels=labels,
    classify=classify,
    remarks=checkpoint.remarks,
    tuned=checkpoint.tuned,
    examine=diagnosis.examine,
    trusted=checkpoint.trusted,
    publish=checkpoint.plain,
)
