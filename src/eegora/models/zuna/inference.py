"""From windows to ZUNA's inputs and from inputs to its answers: plain functions, gathered in CODE at the foot.

Knows what the network is given and what is made of its answer (spec zuna.md, sections 7 to 10); tokens are `tokens.py`'s,
devices, batches and records `eegora.model`'s.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from eegora.compute.device import widest_float
from eegora.errors import ChannelError, RecordingError, UsageError
from eegora.layers.trace import Note
from eegora.models.zuna import checkpoint, repair, sampling
from eegora.models.zuna.network import Decoder, Rotary, Zuna
from eegora.models.zuna.sampling import noise, sample
from eegora.models.zuna.spec import PATCH
from eegora.models.zuna.tokens import by_channel, in_order, position_bins, to_tokens, token_indices, whole_tokens
from eegora.spec import Config, Inputs, ModelCode, Tensors
from eegora.windows import Windows

# Tokens that go through the network together: enough to keep a processor busy, few enough for its memory.
TOKENS = 8192


def pack(windows: Windows, config: Config) -> Inputs:
    """Make the network's inputs of windows of one length.

    Returns
    -------
    dict
        ``x`` (B, C, N): limited to ±1, tokens with a missing sample all zero; ``bins`` (1, C, 3); ``time`` (1, T): numbers
        of the tokens in time that are data. What the network does with them depends on nothing but their shapes.

    Raises
    ------
    ChannelError
        ``no_position``.
    RecordingError
        ``bad_window`` if the window is no whole number of tokens, or longer than the model takes.
    UsageError
        ``bad_option``.
    """
    _check_options(config)
    n_times = windows.data.shape[-1]
    most = config["max_seqlen"] * PATCH
    if n_times % PATCH or not 0 < n_times <= most:
        raise RecordingError(
            "bad_window",
            f"{windows.name}: windows of {n_times} samples; wanted a multiple of {PATCH}, at most {most} ({most / 256:g} s)",
            hint="set `seconds` of the recipe's cut step",
        )
    x = np.clip(np.asarray(windows.data, np.float32), -1, 1)
    if windows.missing is not None:
        x = np.where(whole_tokens(np.broadcast_to(windows.missing, x.shape)), np.float32(0), x)
    bins = position_bins(_positions(windows), config["position_bins"], config["half_range"])
    return {
        "x": torch.from_numpy(np.ascontiguousarray(x)),
        "bins": torch.from_numpy(bins)[None],
        "time": torch.arange(_n_steps(windows))[None],
    }


def drawn(windows: Windows, config: Config) -> Inputs:
    """Make what the sampler needs on top: drawn and counted here, so that nothing is read back from a device.

    Returns
    -------
    dict
        ``noise`` (B, S, 32): the given array, or drawn for each window; ``steps`` (1, K): their numbers; ``cfg`` (1,), in
        millionths, which no number format rounds: only where there is guidance.
    """
    n_tokens = len(windows.ch_names) * _n_steps(windows)
    cfg = {} if config["cfg"] == 1.0 else {"cfg": torch.tensor([round(config["cfg"] * 1e6)])}
    if config.get("noise") is not None:
        start = _given_noise(config["noise"], windows, n_tokens, config["token_order"])
    else:
        seed, draw = config["seed"], config["draw"]
        start = torch.stack([noise(seed, int(i), draw, (n_tokens, PATCH)) for i in windows.index])
    return {"noise": start, "steps": torch.arange(config["steps"])[None], **cfg}


def _n_steps(windows: Windows) -> int:
    """Return how many tokens in time are data."""
    (n_valid,) = {int(n) for n in windows.n_valid}
    return max(n_valid // PATCH, 1)


def _positions(windows: Windows) -> NDArray[np.floating]:
    unknown = [windows.ch_names[i] for i in np.flatnonzero(~np.isfinite(windows.ch_pos).all(axis=1))]
    if unknown:
        raise ChannelError(
            "no_position",
            f"{windows.name}: no position for {', '.join(unknown)}; an electrode is known by its position alone",
            hint="leave such channels out, or give positions (--montage NAME)",
        )
    return windows.ch_pos


def _check_options(config: Config) -> None:
    wanted = {
        "steps": ("a whole number from 1 on", isinstance(config["steps"], int) and config["steps"] >= 1),
        "cfg": ("a number, a million at most", abs(config["cfg"]) <= 1e6),
        "token_order": ("'A' or 'B'", config["token_order"] in ("A", "B")),
        "position_bins": (f"1 to {config['max_seqlen']}", 1 <= config["position_bins"] <= config["max_seqlen"]),
        "half_range": ("metres, more than 0", config["half_range"] > 0),
    }
    for option, (what, good) in wanted.items():
        if not good:
            raise UsageError("bad_option", f"{option} = {config[option]!r} came, wanted {what}")


def _given_noise(given: object, windows: Windows, n_tokens: int, order: str) -> Tensor:
    """Take a user's noise, (window of the recording, token, 32); of a shorter window each channel's first tokens count."""
    array = np.asarray(given, dtype=np.float64)
    _, c, n_times = windows.data.shape
    n = int(windows.index.max()) + 1
    if array.ndim != 3 or len(array) < n or array.shape[1:] != (c * n_times // PATCH, PATCH):
        raise UsageError(
            "bad_shape",
            f"noise of shape {array.shape} came, wanted {(n, c * n_times // PATCH, PATCH)}: window, token, 32",
        )
    cells = by_channel(torch.from_numpy(array[windows.index]), c, order)
    return in_order(cells[:, :, : n_tokens // c], order)


def labels(windows: Windows, config: Config) -> dict[str, tuple[str, ...]]:
    """Name the entries of the axes channel and time: where each token is, and when it begins in its window."""
    starts = np.arange(windows.data.shape[-1] // PATCH) * PATCH / windows.sfreq
    return {"channel": windows.ch_names, "time": tuple(f"{start:g} s" for start in starts)}


def embed(network: nn.Module, inputs: Inputs) -> Tensor:
    """Return the latent of each token: (B, C, T, 32).

    In windows that are shorter than their rows, cells behind the end hold the mean of their channel's tokens: means over
    time, or over all, are then those of the tokens that there are.
    """
    zuna, x = cast(Zuna, network), inputs["x"]
    found = _encode(zuna, inputs, _rotary(zuna, inputs))
    latent = by_channel(found, x.shape[1], zuna.config["token_order"]).to(x.dtype)
    behind = x.shape[2] // PATCH - latent.shape[2]
    return torch.cat([latent, latent.mean(dim=2, keepdim=True).expand(-1, -1, behind, -1)], dim=2)


def reconstruct(network: nn.Module, inputs: Inputs) -> Tensor:
    """Return what the decoder makes of each window (B, C, N), in the model's units; zero behind a shorter window's end."""
    zuna = cast(Zuna, network)
    rotary = _rotary(zuna, inputs)
    return _sample(zuna, _encode(zuna, inputs, rotary), inputs, rotary)


def decode(network: nn.Module, inputs: Inputs) -> Tensor:
    """Return what `reconstruct` does, from latents (B, C, T, 32) that `embed` gave instead of from signals."""
    zuna, n_steps = cast(Zuna, network), inputs["time"].shape[1]
    latent = in_order(inputs["latent"][:, :, :n_steps], zuna.config["token_order"])
    return _sample(zuna, latent, inputs, _rotary(zuna, inputs))


def _rotary(zuna: Zuna, inputs: Inputs) -> Rotary:
    """Return the rotations of a montage's tokens: the same for all windows, layers and steps."""
    return zuna.rotary(token_indices(inputs["bins"], inputs["time"], zuna.config["token_order"]))


def _encode(zuna: Zuna, inputs: Inputs, rotary: Rotary) -> Tensor:
    """Return latents (B, S, 32) in the order of tokens."""
    order, n_steps = zuna.config["token_order"], inputs["time"].shape[1]
    tokens = to_tokens(inputs["x"][:, :, : n_steps * PATCH], order)
    return torch.cat([zuna.encoder(tokens[rows], rotary) for rows in _groups(tokens)])


def _sample(zuna: Zuna, latent: Tensor, inputs: Inputs, rotary: Rotary) -> Tensor:
    """Let the given noise flow to signals (B, C, N) under latents (B, S, 32)."""
    assert zuna.decoder is not None
    x, order, n_steps = inputs["x"], zuna.config["token_order"], inputs["steps"].shape[1]
    # Without dimensions, so that it leaves the number format of the state alone.
    cfg = inputs["cfg"][0].to(widest_float(x.device)) / 1e6 if "cfg" in inputs else 1.0
    start = inputs["noise"].to(latent) * zuna.config["stft_global_sigma"]
    found = [
        sample(zuna.decoder, latent[rows], rotary, start[rows], steps=n_steps, cfg=cfg) for rows in _groups(latent)
    ]
    signal = by_channel(torch.cat(found), x.shape[1], order).flatten(2).to(x.dtype)
    return F.pad(signal, (0, x.shape[2] - signal.shape[2]))


def _groups(tokens: Tensor) -> list[slice]:
    """Split windows (B, S, n) into groups that fit."""
    size = max(1, TOKENS // tokens.shape[1])
    return [slice(start, start + size) for start in range(0, len(tokens), size)]


def work(task: str, windows: Windows, config: Config) -> float:
    """Count the floating-point operations of windows: the encoder's, the sampler's or both."""
    total = 0.0
    for n_valid in windows.n_valid:
        n_tokens = len(windows.ch_names) * max(int(n_valid) // PATCH, 1)
        encoder, sampler = sampling.work(config, n_tokens, steps=config["steps"], cfg=config["cfg"])
        total += encoder * (task != "decode") + sampler * (task != "embed")
    return total


def trace(network: nn.Module, inputs: Inputs, task: str) -> Tensors:
    """Return every stage of spec section 15 under its name there, of one window.

    Parameters
    ----------
    network : Zuna
    inputs : dict
        ``tokens`` (1, S, 32) and ``indices`` (1, S, 4), or what `pack` returns for one window. For the task ``velocity``
        also ``noise`` (1, S, 32), ``t`` (1,) and, for a latent of zeros, ``unconditional``.
    task : str
        ``embed``, ``velocity``, or ``reconstruct``: then also the sampler's ``output``.
    """
    zuna = cast(Zuna, network)
    stages: Tensors = {}
    order = zuna.config["token_order"]
    tokens = inputs["tokens"] if "tokens" in inputs else to_tokens(inputs["x"], order)
    indices = inputs.get("indices")
    if indices is None:
        indices = token_indices(inputs["bins"], inputs["time"], order)
    rotary = zuna.rotary(indices)
    stages |= {"encoder_input": tokens[0], "tok_idx": indices[0]}
    latent = zuna.encoder(tokens, rotary, _keeping(stages, "enc.", zuna.config["head_dim"]))
    stages["latent"] = latent[0]
    if task == "velocity":
        decoder = cast(Decoder, zuna.decoder)
        z = zuna.config["stft_global_sigma"] * inputs["noise"]
        latent = torch.zeros_like(latent) if "unconditional" in inputs else latent
        note = _keeping(stages, "dec.", zuna.config["head_dim"])
        stages["velocity"] = decoder(z, latent, float(inputs["t"].item()), rotary, note)[0]
    elif task == "reconstruct" and "steps" in inputs:
        stages["output"] = reconstruct(network, inputs)[0]
    return stages


def _keeping(stages: Tensors, prefix: str, head: int) -> Note:
    """Return a `note` that keeps the first window's stages, queries in the paper's order of features."""

    def note(name: str, value: Tensor) -> None:
        queries = name.endswith((".q", ".q_norm"))
        stages[prefix + name] = checkpoint.interleaved(value[0], head) if queries else value[0]

    return note


CODE = ModelCode(
    detect=checkpoint.detect,
    layout=checkpoint.layout,
    renames=checkpoint.renames,
    fold=checkpoint.fold,
    build=checkpoint.build,
    tasks=checkpoint.tasks,
    pack=pack,
    drawn=drawn,
    own_length=True,
    labels=labels,
    embed=embed,
    trace=trace,
    reconstruct=reconstruct,
    decode=decode,
    repair=repair.repair_recording,
    upsample=repair.upsample_recording,
    work=work,
)
