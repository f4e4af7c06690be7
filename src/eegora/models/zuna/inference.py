"""From windows to ZUNA's inputs and from inputs to its answers: plain functions, gathered in CODE at the foot.

Knows tokens, their order and their indices (spec zuna.md, sections 3, 7 to 10); leaves devices, batches and records to `eegora.model`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from eegora.errors import ChannelError, RecordingError, UsageError
from eegora.models.zuna import checkpoint, repair
from eegora.models.zuna.network import Decoder, Zuna
from eegora.models.zuna.sampling import noise, sample
from eegora.models.zuna.spec import PATCH
from eegora.spec import Config, Inputs, ModelCode, Tensors
from eegora.windows import Windows

# Tokens that go through the network together: enough to keep a processor busy, few enough for its memory.
TOKENS = 8192


def position_bins(positions: NDArray[np.floating], n_bins: int, half_range: float) -> NDArray[np.int64]:
    """Return the box that each position lies in (spec section 3).

    Parameters
    ----------
    positions : ndarray, shape (..., 3)
        Metres, head frame.
    n_bins : int
        Boxes per axis.
    half_range : float
        Metres from the origin to the side of the whole; what lies outside counts as at the side.

    Returns
    -------
    ndarray of int64, shape (..., 3)
        Computed in float32 with exactly the original's operations: in float64 points on an edge fall elsewhere.
    """
    half = np.float32(half_range)
    share = (np.asarray(positions, np.float32) + half) / (half + half)
    return np.clip((share * np.float32(n_bins)).astype(np.int64), 0, n_bins - 1)


def token_indices(bins: Tensor, n_steps: int, order: str) -> Tensor:
    """Return each token's bins and its number in time: bins (1, C, 3) → (1, S, 4) in the order of tokens."""
    place = bins[:, :, None].expand(-1, -1, n_steps, -1)
    time = torch.arange(n_steps, device=bins.device)[None, None, :, None].expand(*place.shape[:3], 1)
    return _in_order(torch.cat([place, time], dim=-1), order)


def to_tokens(signal: Tensor, order: str) -> Tensor:
    """Cut a signal (B, C, N) into tokens (B, S, 32): time-major for order ``A``, channel-major for ``B``."""
    return _in_order(signal.unflatten(-1, (-1, PATCH)), order)


def by_channel(tokens: Tensor, n_channels: int, order: str) -> Tensor:
    """Bring tokens (B, S, n) back to (B, C, T, n)."""
    split = (-1, n_channels) if order == "A" else (n_channels, -1)
    cells: Tensor = tokens.unflatten(1, split)
    return cells.transpose(1, 2) if order == "A" else cells


def _in_order(cells: Tensor, order: str) -> Tensor:
    """Line up cells (B, C, T, n) as tokens (B, S, n)."""
    return (cells.transpose(1, 2) if order == "A" else cells).flatten(1, 2)


def pack(windows: Windows, config: Config) -> Inputs:
    """Make the network's inputs.

    Returns
    -------
    dict
        ``x`` (B, C, N): limited to ±1, tokens with a missing sample all zero; ``bins`` (1, C, 3); ``n_steps`` (B,):
        tokens in time that are data; ``index`` (B,), ``seed``, ``draw``, ``steps``, ``cfg`` (1,): what a sampler needs;
        ``noise`` (B, S, 32) where the configuration has an array of it.

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
    inputs = {
        "x": torch.from_numpy(np.ascontiguousarray(x)),
        "bins": torch.from_numpy(position_bins(_positions(windows), config["position_bins"], config["half_range"]))[
            None
        ],
        "n_steps": torch.from_numpy(np.maximum(windows.n_valid // PATCH, 1)),
        "index": torch.from_numpy(np.asarray(windows.index, np.int64)),
        "seed": torch.tensor([config["seed"]]),
        "draw": torch.tensor([config["draw"]]),
        "steps": torch.tensor([config["steps"]]),
        "cfg": torch.tensor([config["cfg"]], dtype=torch.float64),
    }
    if config.get("noise") is not None:
        inputs["noise"] = _given_noise(config["noise"], windows)
    return inputs


def whole_tokens(missing: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Extend missing samples (..., N) to the tokens that they lie in."""
    cells = missing.reshape(*missing.shape[:-1], -1, PATCH).any(-1)
    return np.repeat(cells, PATCH, axis=-1)


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
        "cfg": ("a number", np.isfinite(config["cfg"])),
        "token_order": ("'A' or 'B'", config["token_order"] in ("A", "B")),
        "position_bins": (f"1 to {config['max_seqlen']}", 1 <= config["position_bins"] <= config["max_seqlen"]),
        "half_range": ("metres, more than 0", config["half_range"] > 0),
    }
    for option, (what, good) in wanted.items():
        if not good:
            raise UsageError("bad_option", f"{option} = {config[option]!r} came, wanted {what}")


def _given_noise(given: object, windows: Windows) -> Tensor:
    array = np.asarray(given, dtype=np.float64)
    n, c, n_times = windows.data.shape
    if array.shape != (n, c * n_times // PATCH, PATCH):
        raise UsageError(
            "bad_shape",
            f"noise of shape {array.shape} came, wanted {(n, c * n_times // PATCH, PATCH)}: window, token, 32",
        )
    return torch.from_numpy(array)


def embed(network: nn.Module, inputs: Inputs) -> Tensor:
    """Return the latent of each token: (B, C, T, 32).

    In a window that is shorter than the others, cells behind its end hold the mean of their channel's tokens: means over
    time, or over all, are then those of the tokens that there are.
    """
    zuna = cast(Zuna, network)
    x = inputs["x"]
    out = x.new_empty(*x.shape[:2], x.shape[2] // PATCH, zuna.config["encoder_output_dim"])
    for rows, n_steps in _groups(inputs):
        latent = by_channel(_encode(zuna, inputs, rows, n_steps), x.shape[1], zuna.config["token_order"])
        out[rows, :, :n_steps] = latent.to(out.dtype)
        out[rows, :, n_steps:] = latent.mean(dim=2, keepdim=True).to(out.dtype)
    return out


def reconstruct(network: nn.Module, inputs: Inputs) -> Tensor:
    """Return what the decoder makes of each window (B, C, N), in the model's units; zero behind a shorter window's end.

    With ``latent`` (B, C, T, 32) among the inputs nothing is encoded: saved embeddings become signal again.
    """
    zuna = cast(Zuna, network)
    assert zuna.decoder is not None
    x, order = inputs["x"], zuna.config["token_order"]
    steps, cfg = int(inputs["steps"].item()), float(inputs["cfg"].item())
    out = torch.zeros_like(x)
    for rows, n_steps in _groups(inputs):
        if "latent" in inputs:
            latent = _in_order(inputs["latent"][rows, :, :n_steps], order)
        else:
            latent = _encode(zuna, inputs, rows, n_steps)
        start = _start(inputs, rows, latent.shape[1], order).to(latent) * zuna.config["stft_global_sigma"]
        rotary = zuna.rotary(token_indices(inputs["bins"], n_steps, order))
        found = sample(zuna.decoder, latent, rotary, start, steps=steps, cfg=cfg)
        out[rows, :, : n_steps * PATCH] = by_channel(found, x.shape[1], order).flatten(2).to(out.dtype)
    return out


def _groups(inputs: Inputs) -> Iterator[tuple[list[int], int]]:
    """Yield windows of equal length together, not more than fit: (rows, tokens in time)."""
    n_channels = inputs["x"].shape[1]
    lengths = inputs["n_steps"].tolist()
    for n_steps in sorted(set(lengths)):
        rows = [i for i, length in enumerate(lengths) if length == n_steps]
        size = max(1, TOKENS // (n_channels * n_steps))
        for start in range(0, len(rows), size):
            yield rows[start : start + size], n_steps


def _encode(zuna: Zuna, inputs: Inputs, rows: list[int], n_steps: int) -> Tensor:
    order = zuna.config["token_order"]
    tokens = to_tokens(inputs["x"][rows, :, : n_steps * PATCH], order)
    latent: Tensor = zuna.encoder(tokens, zuna.rotary(token_indices(inputs["bins"], n_steps, order)))
    return latent


def _start(inputs: Inputs, rows: list[int], n_tokens: int, order: str) -> Tensor:
    """Return standard normal noise for some windows, given or drawn."""
    if "noise" in inputs:
        cells = by_channel(inputs["noise"][rows], inputs["x"].shape[1], order)
        return _in_order(cells[:, :, : n_tokens // cells.shape[1]], order)
    seed, draw = int(inputs["seed"].item()), int(inputs["draw"].item())
    return torch.stack([noise(seed, int(i), draw, (n_tokens, PATCH)) for i in inputs["index"][rows].tolist()])


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
        indices = token_indices(inputs["bins"], inputs["x"].shape[-1] // PATCH, order)
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


def _keeping(stages: Tensors, prefix: str, head: int) -> Callable[[str, Tensor], None]:
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
    embed=embed,
    trace=trace,
    reconstruct=reconstruct,
    repair=repair.repair_recording,
    upsample=repair.upsample_recording,
)
