"""The decoder with what does not depend on the state taken out of the loop: exact algebra, equal to `network.Decoder` (spec 14).

Knows how a grid of times and a latent become tables; the loop over the grid is `sampling.py`'s.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from eegora.compute.device import widest_float
from eegora.models.zuna.network import Decoder, DecoderLayer, Rotary, rms, wide


@dataclass(frozen=True)
class Tables:
    """What a grid of K times makes of the weights, whatever the data.

    Parameters
    ----------
    gains : Tensor, shape (K, 4 L + 1, D)
        Of all norms.
    key_value : tuple of Tensor, one per layer, shape (K, latent + 1, 2 · inner)
        With y = G latent + g the condition and r its root mean square, cross-attention's keys and values are
        W diag(gain) (G latent + g) / r: a product of (latent, 1) with these few rows, divided by r.
    constant : Tensor, shape (K, L, D)
        What cross-attention adds where the latent is zero: all tokens then have one value, and the weights of a softmax
        sum to 1, so it is the same for every token and every state.
    """

    gains: Tensor
    key_value: tuple[Tensor, ...]
    constant: Tensor


def times_of(steps: int, device: torch.device) -> Tensor:
    """Return the times at which a sampler of so many steps looks: 1, 1 - 1/K, …, 1/K (never 0)."""
    return torch.arange(steps, 0, -1, dtype=widest_float(device), device=device) / steps


def tables(decoder: Decoder, steps: int) -> Tables:
    """Fold a decoder for a grid of times; every one asked for is kept with the decoder, where a recorded run may read it.

    At full size and 50 steps it takes 108 MB in float32, and as much work as a window of 33 tokens.
    """
    weight = decoder.condition.weight
    key = (steps, weight.device, weight.dtype, weight.data_ptr())
    kept: dict[object, Tables] = decoder.__dict__.setdefault("kept_tables", {})
    if key not in kept:
        kept[key] = _tables(decoder, times_of(steps, weight.device))
    return kept[key]


def _tables(decoder: Decoder, times: Tensor) -> Tables:
    gains = decoder.gains(times)
    assert decoder.condition.bias is not None
    condition = wide(torch.cat([decoder.condition.weight, decoder.condition.bias[:, None]], dim=1)).T  # (latent + 1, D)
    empty = torch.rsqrt(condition[-1].square().mean() + decoder.eps)  # 1 / r of a latent of zeros
    key_value, constant = [], []
    for i, layer in enumerate(decoder.layers):
        assert isinstance(layer, DecoderLayer)
        rows = wide(layer.cross.kv(condition * gains[:, 4 * i + 1, None]))
        key_value.append(rows)
        constant.append(_constant(layer, rows[:, -1] * empty))
    return Tables(gains, tuple(key_value), torch.stack(constant, dim=1))


def _constant(layer: DecoderLayer, key_value: Tensor) -> Tensor:
    """Return what a layer adds for one value per time (K, 2 · inner), whatever the queries."""
    value = key_value.chunk(2, dim=-1)[1].unflatten(-1, (-1, layer.cross.head))
    n_heads = layer.cross.q.out_features // layer.cross.head
    value = value.repeat_interleave(n_heads // value.shape[-2], dim=-2)
    out: Tensor = layer.cross_post(wide(layer.cross.out(value.flatten(-2))))
    return out


@dataclass(frozen=True)
class Condition:
    """A latent as the tables want it.

    Parameters
    ----------
    latent : Tensor, shape (B, S, latent + 1)
        With a one behind, over the root mean square of the condition that it gives.
    rotary : Rotary
    """

    latent: Tensor
    rotary: Rotary


def conditioned(decoder: Decoder, latent: Tensor, rotary: Rotary) -> Condition:
    """Prepare a latent (B, S, 32) once for all steps and layers."""
    y = wide(decoder.condition(latent))
    inverse = torch.rsqrt(y.square().mean(dim=-1, keepdim=True) + decoder.eps)
    return Condition(F.pad(wide(latent), (0, 1), value=1.0) * inverse, rotary)


def velocity(
    decoder: Decoder, table: Tables, step: int, z: Tensor, condition: Condition, cfg: float | Tensor
) -> Tensor:
    """Return the velocity of z (B, S, 32) at a step of the grid.

    With ``cfg`` other than 1 it is v₀ + cfg (v - v₀), where v₀ is the velocity without a latent: both run in one batch,
    and v₀ needs no cross-attention.
    """
    guided = isinstance(cfg, Tensor) or cfg != 1.0
    gains = table.gains[step]
    h = wide(decoder.embed(z))
    h = torch.cat([h, h]) if guided else h
    n_windows = len(z)
    for i, layer in enumerate(decoder.layers):
        assert isinstance(layer, DecoderLayer)
        own = gains[4 * i : 4 * i + 4]
        key_value = (condition.latent @ table.key_value[i][step]).to(layer.cross.kv.weight.dtype)
        seen = layer.look(h[:n_windows], key_value, own[0], condition.rotary)
        if guided:
            seen = torch.cat([seen, table.constant[step, i].to(seen.dtype).expand_as(seen)])
        h = layer.mix(h + seen, own[2:], condition.rotary)
    found: Tensor = wide(decoder.output(rms(h, gains[-1], decoder.eps)))
    if guided:
        with_latent, without = found.chunk(2)
        return without + cfg * (with_latent - without)
    return found
