"""LUNA as braindecode has it, to be timed in an environment of its own. Runs there; imports nothing of this package.

Its speed compares; its numbers do not: it lacks two of the original's LayerNorms (spec section 10).
"""

from __future__ import annotations

import importlib
from typing import Any

INSTALL = ("braindecode==1.8.1", "safetensors")
PACKAGES = {"embed": "braindecode"}
_BASE = {"variant": "base", "n_channels": 22, "n_times": 1280}
_LARGE = _BASE | {"variant": "large"}
_GPU = {"device": "gpu", "threads": None}
# A bar on the CPU is 0.9 × the ratio scouted for its row (spec performance.md, section 2), an aim the ceiling found there.
CASES = (
    _BASE | {"batch": 1, "threads": 1, "bar": 2.07, "aim": 4.7},
    _BASE | {"batch": 1, "threads": 2, "bar": 2.34, "aim": 4.7},
    _BASE | {"batch": 8, "threads": 1, "bar": 2.07, "aim": 4.7},
    _BASE | {"batch": 8, "threads": 2, "bar": 1.98, "aim": 4.7},
    _BASE | {"batch": 32, "threads": 1, "bar": 1.84, "aim": 4.7},
    _BASE | {"batch": 32, "threads": 2, "bar": 1.71, "aim": 4.7},
    _LARGE | {"batch": 1, "threads": 1, "bar": 2.16, "aim": 4.7},
    _LARGE | {"batch": 8, "threads": 1, "bar": 1.98, "aim": 4.7},
    _BASE | _GPU | {"batch": 1, "bar": 9.0, "aim": 20.0},
    _LARGE | _GPU | {"batch": 1, "bar": 8.0, "aim": 16.0},
    _BASE | _GPU | {"batch": 256, "bar": 1.0, "aim": 1.4},
    _LARGE | _GPU | {"batch": 256, "bar": 1.0, "aim": 1.4},
    _BASE | _GPU | {"batch": 256, "dtype": "tf32", "bar": 2.0, "aim": 3.0},
    _LARGE | _GPU | {"batch": 256, "dtype": "tf32", "bar": 2.8, "aim": 4.0},
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
    """Return the peer's network; the checkpoint is not for it."""
    models = importlib.import_module("braindecode.models")
    channels = [{"ch_name": name, "loc": [*place, *[0.0] * 9]} for name, place in zip(ch_names, ch_pos, strict=True)]
    sizes = {key: config[key] for key in ("embed_dim", "num_queries", "depth", "num_heads", "patch_size", "mlp_ratio")}
    n_outputs = config.get("num_classes") or 2
    return models.LUNA(
        n_outputs=n_outputs, n_chans=len(channels), n_times=n_times, sfreq=sfreq, chs_info=channels, **sizes
    )


def arguments(inputs: dict[str, Any], task: str) -> dict[str, Any]:
    """Return of our inputs what the peer's network is called with."""
    return {"X": inputs["x"]}


def result(output: Any, inputs: dict[str, Any], task: str) -> Any:
    """Return the output as it is."""
    return output


def comparable(ours: Any, task: str) -> Any:
    """Return None: the peer computes another function of its parameters."""
    return None
