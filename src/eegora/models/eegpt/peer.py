"""EEGPT as braindecode has it, to be timed in an environment of its own. Runs there; imports nothing of this package."""

from __future__ import annotations

import importlib
from typing import Any

PACKAGE = "braindecode"


def make(
    config: dict[str, Any], ch_names: list[str], ch_pos: list[list[float]], n_times: int, sfreq: float, checkpoint: str
) -> Any:
    """Return the peer's encoder; its names of tensors are not ours, so the checkpoint is not for it."""
    models = importlib.import_module("braindecode.models")
    channels = [{"ch_name": name} for name in ch_names]
    return models.EEGPT(
        n_outputs=2,
        n_chans=len(channels),
        n_times=n_times,
        sfreq=sfreq,
        chs_info=channels,
        depth=config["depth"],
        embed_dim=config["embed_dim"],
        embed_num=config["embed_num"],
        num_heads=config["num_heads"],
        patch_size=config["patch_size"],
        patch_stride=config["patch_stride"],
        chan_proj_type="none",
        return_encoder_output=True,
    )


def embedding(output: Any) -> Any:
    """Return the output as it is."""
    return output


def comparable(ours: Any) -> Any:
    """Return None: the peer computes another function of its parameters."""
    return None
