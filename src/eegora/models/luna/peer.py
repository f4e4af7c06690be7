"""LUNA as braindecode has it, to be timed in an environment of its own. Runs there; imports nothing of this package.

Its speed compares; its numbers do not: it lacks two of the original's LayerNorms (spec section 10).
"""

from __future__ import annotations

import importlib
from typing import Any

PACKAGE = "braindecode"


def make(
    config: dict[str, Any], ch_names: list[str], ch_pos: list[list[float]], n_times: int, sfreq: float, checkpoint: str
) -> Any:
    """Return the peer's network; the checkpoint is not for it."""
    models = importlib.import_module("braindecode.models")
    channels = [{"ch_name": name, "loc": [*place, *[0.0] * 9]} for name, place in zip(ch_names, ch_pos, strict=True)]
    sizes = {key: config[key] for key in ("embed_dim", "num_queries", "depth", "num_heads", "patch_size", "mlp_ratio")}
    n_outputs = config.get("num_classes") or 2
    return models.LUNA(
        n_outputs=n_outputs, n_chans=len(channels), n_times=n_times, sfreq=sfreq, chs_info=channels, **sizes
    )


def embedding(output: Any) -> Any:
    """Return the output as it is."""
    return output


def comparable(ours: Any) -> Any:
    """Return None: the peer computes another function of its parameters."""
    return None
