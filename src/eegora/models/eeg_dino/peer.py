"""EEG-DINO as braindecode has it, to be timed in an environment of its own. Runs there; imports nothing of this package."""

from __future__ import annotations

import importlib
from typing import Any

PACKAGE = "braindecode"
SIZES = {12: "small", 16: "medium", 24: "large"}


def make(
    config: dict[str, Any], ch_names: list[str], ch_pos: list[list[float]], n_times: int, sfreq: float, checkpoint: str
) -> Any:
    """Return the peer's network with our checkpoint, as far as it takes it."""
    models = importlib.import_module("braindecode.models")
    sizes = importlib.import_module("braindecode.models.eegdino").EEGDINO_CONFIGS[SIZES[config["n_layer"]]]
    network = models.EEGDINO(
        n_outputs=2, n_chans=len(ch_names), n_times=n_times, sfreq=sfreq, return_encoder_output=True, **sizes
    )
    tensors = importlib.import_module("safetensors.torch").load_file(checkpoint)
    network.load_state_dict(tensors, strict=False)
    return network


def embedding(output: Any) -> Any:
    """Return the output as it is."""
    return output


def comparable(ours: Any) -> Any:
    """Return of our tokens (B, 1 + N, D) what the peer returns: the mean over patches (B, D)."""
    return ours[:, 1:].mean(1)
