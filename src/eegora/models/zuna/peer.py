"""ZUNA's encoder as braindecode has it and its decoder as zuna has it, to be timed in an environment of their own.

Runs there, and imports nothing of this package; `adapt` and `comparable` run here.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

import torch

INSTALL = ("braindecode==1.8.1", "safetensors", "omegaconf", "python-dotenv", "einops", "huggingface_hub")
ALONE = ("zuna==1.1.6",)  # without what it asks for: only its networks are called
PACKAGES = {"embed": "braindecode", "decode": "zuna"}
PATCH, SIGMA = 32, 0.1
_ENCODER = {"variant": "1.1", "n_channels": 12, "n_times": 1280, "without": "model.decoder."}
# One step from time 1 to 0 with a given latent: one velocity, as in each of the sampler's steps.
_STEP = {
    "variant": "1.1",
    "part": "decoder step",
    "task": "decode",
    "n_channels": 12,
    "n_times": 1280,
    "fields": {"n_layers": 4},
    "settings": {"steps": 1, "cfg": 1.0},
    "threads": 1,
}
# A bar on the CPU is 0.9 × the ratio scouted for its row (spec performance.md, section 2), an aim the ceiling found there.
CASES = (
    _ENCODER | {"part": "encoder", "batch": 1, "threads": 1, "bar": 2.07, "aim": 3.0},
    _STEP | {"batch": 1, "bar": 2.79, "aim": 4.9},
    _STEP | {"batch": 4, "bar": 5.04, "aim": 9.0},
    {
        "variant": "1.1",
        "part": "50 steps",
        "task": "reconstruct",
        "n_channels": 22,
        "n_times": 1280,
        "settings": {"steps": 50, "cfg": 1.0},
        "batch": 1,
        "threads": None,
        "device": "gpu",
        "dtype": "bfloat16",
        "alone": True,
        "bar_ms": 250.0,
        "aim_ms": 60.0,
    },
)


def adapt(inputs: dict[str, Any], task: str) -> dict[str, Any]:
    """Add the seeded latent that a decoder's step starts from."""
    if task != "decode":
        return inputs
    n, n_channels, n_times = inputs["x"].shape
    latent = torch.randn(n, n_channels, n_times // PATCH, PATCH, generator=torch.Generator().manual_seed(0))
    return inputs | {"latent": latent, "noise": inputs["noise"].float()}


def make(
    task: str,
    config: dict[str, Any],
    ch_names: list[str],
    ch_pos: list[list[float]],
    n_times: int,
    sfreq: float,
    checkpoint: str,
) -> Any:
    """Return the peer's network with our checkpoint."""
    tensors = importlib.import_module("safetensors.torch").load_file(checkpoint)
    tensors = {key.removeprefix("model."): value for key, value in tensors.items()}
    if task == "embed":
        channels = [
            {"ch_name": name, "loc": [*place, *[0.0] * 9]} for name, place in zip(ch_names, ch_pos, strict=True)
        ]
        network = importlib.import_module("braindecode.models").ZUNA(
            n_outputs=2,
            n_times=n_times,
            sfreq=sfreq,
            chs_info=channels,
            n_layers=config["n_layers"],
            pos_bins=config["position_bins"],
            pos_half_range=config["half_range"],
        )
        tensors = {key.replace(".norm.weight", ".weight"): value for key, value in tensors.items()}
    else:
        network = _decoder(config["n_layers"])
    own = [key for key in network.state_dict() if key.startswith(("encoder.", "decoder."))]
    missing = [key for key in own if key not in tensors]
    if missing:
        raise ValueError(f"the checkpoint lacks {missing[:3]}")
    network.load_state_dict({key: tensors[key] for key in own}, strict=False)
    return network if task == "embed" else network.decoder


def _decoder(n_layers: int) -> Any:
    """Return the package's whole network; its folder is one of programs, which import each other from its root."""
    found = importlib.util.find_spec("zuna")
    if found is None or not found.submodule_search_locations:
        raise ImportError("zuna is not installed")
    sys.path.insert(0, str(Path(found.submodule_search_locations[0]) / "inference" / "AY2l" / "lingua"))
    package = importlib.import_module("apps.AY2latent_bci.transformer")
    settings = {
        "dim": 1024,
        "head_dim": 64,
        "n_layers": n_layers,
        "input_dim": PATCH,
        "encoder_input_dim": PATCH,
        "encoder_output_dim": PATCH,
        "encoder_latent_downsample_factor": 1,
        "sliding_window": 65536,
        "encoder_sliding_window": 65536,
        "xattn_sliding_window": 65536,
        "max_seqlen": 256,
        "tok_idx_type": "{x,y,z,tc}",
        "seqlen_t": False,
        "stft_global_sigma": SIGMA,
        "ape_dim": 0,
        "adaptive_loss_weighting": True,
        "dropout_vec_type": "zeros",
    }
    return package.EncoderDecoder(package.DecoderTransformerArgs(**settings))


def arguments(inputs: dict[str, Any], task: str) -> dict[str, Any]:
    """Return of our inputs what the peer's network is called with: windows, or tokens of all windows in one sequence."""
    if task == "embed":
        return {"input_tensor": inputs["x"], "return_features": True}
    latent = _sequence(inputs["latent"])
    n, _, n_steps = inputs["latent"].shape[:3]
    bins = inputs["bins"][0]
    index = torch.cat(
        [bins.repeat(n_steps, 1), torch.arange(n_steps).repeat_interleave(len(bins))[:, None].to(bins)], 1
    )
    index = index.repeat(n, 1)[None]
    lengths = torch.full((n,), latent.shape[1] // n, device=latent.device)
    return {
        "tokens": SIGMA * inputs["noise"].flatten(0, 1)[None],
        "cross_attended": latent,
        "timeD": torch.ones(1, 1, 1, device=latent.device),
        "seq_lens": lengths,
        "cross_seq_lens": lengths,
        "tok_idx": index,
        "cross_tok_idx": index,
    }


def _sequence(cells: Any) -> Any:
    """Line up cells (B, C, T, 32) as one sequence of tokens, times before channels: (1, B · T · C, 32)."""
    return cells.transpose(1, 2).flatten(0, 2)[None]


def result(output: Any, inputs: dict[str, Any], task: str) -> Any:
    """Return the mean over time of each channel's latents, or the tokens that one step leads to."""
    if task == "embed":
        return output["features"]
    return SIGMA * inputs["noise"].flatten(0, 1) - output[0][0]


def comparable(ours: Any, task: str) -> Any:
    """Return of our latents (B, C, T, 32), or our signal (B, C, N), the same."""
    if task == "embed":
        return ours.mean(2)
    return _sequence(ours.unflatten(-1, (-1, PATCH)))[0]
