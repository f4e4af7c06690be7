"""The algebra between EEGPT's published tensors and `network.Eegpt`'s state, in float64. Names and shapes are `checkpoint.py`'s."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from eegora.models.eegpt.network import EPS
from eegora.spec import Config, Stored, Tensors

BATCH_NORM_EPS = 1e-5
# Largest norm of a row (spec section 7): the second layer of a probe is held tighter.
MAX_NORM, MAX_NORM_PROBE2 = 1.0, 0.25
ENCODERS = {"target_encoder": "encoder", "encoder": "online"}  # published name → ours


def max_norm(weight: Tensor, limit: float) -> Tensor:
    """Shrink rows whose L2 norm is over a limit (spec section 4); float64.

    Parameters
    ----------
    weight : Tensor, shape (n_rows, ...)
    limit : float
    """
    weight = weight.double()
    norm = weight.flatten(1).norm(dim=1)
    factor = torch.where(norm > limit, limit / (norm + 1e-7), torch.ones_like(norm))
    return weight * factor.view(-1, *[1] * (weight.ndim - 1))


def fold(tensors: Stored, config: Config) -> Tensors:
    """Turn the published layout into `Eegpt`'s state, in float64.

    Folds (spec section 12): the summary tokens' way through the first normalisation and projection; max-norms; batch
    norms into the stems' filters.
    """
    out: Tensors = {}
    for old, new in ENCODERS.items():
        if f"{old}.summary_token" in tensors:
            _fold_encoder(tensors, old, config["depth"], out, new)
    for part in ("predictor", "reconstructor"):
        if depth := config.get(f"{part}_depth"):
            _fold_time(tensors, part, depth, out)
    _fold_step(tensors, config, out)
    _fold_head(tensors, config, out)
    return out


def _copy(tensors: Stored, old: str, out: Tensors, new: str) -> None:
    for kind in ("weight", "bias"):
        out[f"{new}.{kind}"] = tensors[f"{old}.{kind}"]


def _fold_block(tensors: Stored, old: str, out: Tensors, new: str, *, last: bool) -> None:
    for kind in ("weight", "bias"):
        packed = tensors[f"{old}.attn.qkv.{kind}"]
        if last:
            out[f"{new}.q.{kind}"], out[f"{new}.kv.{kind}"] = packed.split((len(packed) // 3, 2 * len(packed) // 3))
        else:
            out[f"{new}.qkv.{kind}"] = packed
    for part, name in (("norm1", "norm1"), ("attn.proj", "proj"), ("norm2", "norm2"), ("mlp.fc1", "fc1"), ("mlp.fc2", "fc2")):  # fmt: skip
        _copy(tensors, f"{old}.{part}", out, f"{new}.{name}")


def _fold_encoder(tensors: Stored, old: str, depth: int, out: Tensors, new: str) -> None:
    out[f"{new}.patch_embed.weight"] = tensors[f"{old}.patch_embed.proj.weight"].flatten(1)
    out[f"{new}.patch_embed.bias"] = tensors[f"{old}.patch_embed.proj.bias"]
    out[f"{new}.table"] = tensors[f"{old}.chan_embed.weight"]
    summary = out[f"{new}.summary"] = tensors[f"{old}.summary_token"][0].double()
    for i in range(depth):
        _fold_block(tensors, f"{old}.blocks.{i}", out, f"{new}.blocks.{i}", last=i == depth - 1)
    scale, shift = (out[f"{new}.blocks.0.norm1.{kind}"].double() for kind in ("weight", "bias"))
    constant = nn.functional.layer_norm(summary, summary.shape[-1:], scale, shift, EPS)
    weight, bias = (tensors[f"{old}.blocks.0.attn.qkv.{kind}"].double() for kind in ("weight", "bias"))
    width = summary.shape[-1]
    out[f"{new}.first_q"], out[f"{new}.first_kv"] = (constant @ weight.T + bias).split((width, 2 * width), dim=-1)
    _copy(tensors, f"{old}.norm", out, f"{new}.norm")


def _fold_time(tensors: Stored, part: str, depth: int, out: Tensors) -> None:
    mask = tensors[f"{part}.mask_token"]
    out[f"{part}.mask"] = mask[0, 0]
    out[f"{part}.freqs"] = tensors[f"{part}.time_embed.freqs"]
    for optional, name in (("chan_embed.weight", "table"), ("cls_token", "cls")):
        if (value := tensors.get(f"{part}.{optional}")) is not None:
            out[f"{part}.{name}"] = value.flatten() if name == "cls" else value
    for i in range(depth):
        _fold_block(tensors, f"{part}.{part}_blocks.{i}", out, f"{part}.blocks.{i}", last=i == depth - 1)
    for name in ("embed", "norm", "proj"):
        _copy(tensors, f"{part}.{part}_{name}", out, f"{part}.{name}")


def _fold_step(tensors: Stored, config: Config, out: Tensors) -> None:
    kind = config.get("chan_proj_type")
    if kind == "scale":
        out["channel_step.weight"] = tensors["chan_scale"][0]
    elif kind == "linear":
        _copy(tensors, "chan_conv", out, "channel_step")
    elif kind == "conv1d_constraint":
        out["channel_step.weight"] = max_norm(tensors["chan_conv.weight"], MAX_NORM).flatten(1)
        out["channel_step.bias"] = tensors["chan_conv.bias"]
    elif kind == "stem":
        mix, shift = _with_batch_norm(tensors, 0, max_norm(tensors["chan_conv.0.weight"], MAX_NORM).flatten(1))
        out["channel_step.mix.weight"], out["channel_step.mix.bias"] = mix, shift
        taps, shift = _with_batch_norm(tensors, 3, tensors["chan_conv.3.weight"].double().flatten(1))
        out["channel_step.filter.weight"], out["channel_step.filter.bias"] = taps[:, None], shift


def _with_batch_norm(tensors: Stored, i: int, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Fold the batch norm behind convolution `i` into its weight (n_out, ...) and bias."""
    norm = f"chan_conv.{i + 1}"
    scale, shift, mean, variance = (
        tensors[f"{norm}.{kind}"].double() for kind in ("weight", "bias", "running_mean", "running_var")
    )
    gain = scale / (variance + BATCH_NORM_EPS).sqrt()
    return weight * gain[:, None], (tensors[f"chan_conv.{i}.bias"].double() - mean) * gain + shift


def _fold_head(tensors: Stored, config: Config, out: Tensors) -> None:
    kind = config.get("head", "none")
    if kind in ("probe", "sleep"):
        for i, limit in ((1, MAX_NORM), (2, MAX_NORM_PROBE2)):
            out[f"head.fc{i}.weight"] = max_norm(tensors[f"linear_probe{i}.weight"], limit)
            out[f"head.fc{i}.bias"] = tensors[f"linear_probe{i}.bias"]
    if kind == "sleep":
        out["head.cls"] = tensors["cls_token"].flatten()
        out |= {f"head.{key}": tensors[key] for key in tensors if key.startswith("decoder.")}
    if kind in ("flat", "predictor", "reconstructor"):
        old = "head.1" if kind == "flat" else "head"
        out["head.fc.weight"] = max_norm(tensors[f"{old}.weight"], MAX_NORM)
        out["head.fc.bias"] = tensors[f"{old}.bias"]
    if kind in ("predictor", "reconstructor"):
        for name in ("norm", "fc_norm"):
            _copy(tensors, name, out, f"head.{name}")
