"""EEG-DINO as braindecode has it, to be timed in an environment of its own. Runs there; imports nothing of this package."""

from __future__ import annotations

import importlib
from typing import Any

INSTALL = ("braindecode==1.8.1", "safetensors")
PACKAGES = {"embed": "braindecode"}
SIZES = {12: "small", 16: "medium", 24: "large"}
_SMALL = {"variant": "small", "n_channels": 19, "n_times": 2000}
_MEDIUM = _SMALL | {"variant": "medium"}
_GPU = {"device": "gpu", "threads": None}
# A bar on the CPU is 0.9 × the ratio scouted for its row (spec performance.md, section 2), an aim the ceiling found there.
CASES = (
    _SMALL | {"batch": 1, "threads": 1, "bar": 1.98, "aim": 3.8},
    _SMALL | {"batch": 1, "threads": 2, "bar": 1.75, "aim": 3.8},
    _SMALL | {"batch": 8, "threads": 1, "bar": 2.07, "aim": 3.8},
    _MEDIUM | {"batch": 1, "threads": 1, "bar": 2.07, "aim": 3.8},
    _SMALL | _GPU | {"batch": 1, "bar": 4.5, "aim": 8.0},
    _SMALL | _GPU | {"batch": 256, "bar": 1.0, "aim": 1.1},
    _MEDIUM | _GPU | {"batch": 256, "bar": 1.0, "aim": 1.1},
    _SMALL | _GPU | {"batch": 256, "dtype": "bfloat16", "bar": 2.2, "aim": 5.0},
    _MEDIUM | _GPU | {"batch": 256, "dtype": "bfloat16", "bar": 4.5, "aim": 8.0},
)


def make(
    task: str,
    config: dict[str, Any],
    ch_names: list[str],
    ch_pos: list[list[float]],
    n_times: int,
    sfreq: float,
    checkpoint: str,
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


def arguments(inputs: dict[str, Any], task: str) -> dict[str, Any]:
    """Return of our inputs what the peer's network is called with."""
    return {"x": inputs["x"]}


def result(output: Any, inputs: dict[str, Any], task: str) -> Any:
    """Return the mean over patches (B, D), as it is."""
    return output


def comparable(ours: Any, task: str) -> Any:
    """Return of our tokens (B, 1 + N, D) what the peer returns: the mean over patches (B, D)."""
    return ours[:, 1:].mean(1)
