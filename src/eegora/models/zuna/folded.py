"""The decoder with what does not depend on the state taken out of the loop: exact algebra, equal to `network.Decoder` (spec 14).

Knows how a grid of times and a latent become tables; the loop over the grid is `sampling.py`'s.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
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
    key_value : Tensor, shape (K, L, latent + 1, 2 · inner)
        With y = G latent + g the condition and r its root mean square, cross-attention's keys and values are
        W diag(gain) (G latent + g) / r: a product of (latent, 1) with these few rows, divided by r.
    constant : Tensor, shape (K, L, D)
        What cross-attention adds where the latent is zero: all tokens then have one value, and the weights of a softmax
        sum to 1, so it is the same for every token and every state.
    """

    gains: Tensor
    key_value: Tensor
    constant: Tensor

    def step(self, number: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return the rows of one step."""
        return self.gains[number], self.key_value[number], self.constant[number]


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
    return Tables(gains, torch.stack(key_value, dim=1), torch.stack(constant, dim=1))


def _constant(layer: DecoderLayer, key_value: Tensor) -> Tensor:
    """Return what a layer adds for one value per time (K, 2 · inner), whatever the queries."""
    value = key_value.chunk(2, dim=-1)[1].unflatten(-1, (-1, layer.cross.head))
    n_heads = layer.cross.q.out_features // layer.cross.head
    value = value.repeat_interleave(n_heads // value.shape[-2], dim=-2)
    out: Tensor = layer.cross_post(wide(layer.cross.out(value.flatten(-2))))
    return out


def conditioned(decoder: Decoder, latent: Tensor, rotary: Rotary) -> tuple[Tensor, Tensor, Tensor]:
    """Prepare a latent (B, S, 32) once for all steps and layers.

    Returns
    -------
    tuple of Tensor
        The latent as the tables want it (B, S, latent + 1), with a one behind and over the root mean square of the condition
        that it gives; cosines and sines of the tokens.
    """
    y = wide(decoder.condition(latent))
    inverse = torch.rsqrt(y.square().mean(dim=-1, keepdim=True) + decoder.eps)
    return F.pad(wide(latent), (0, 1), value=1.0) * inverse, *rotary


def velocity(decoder: nn.Module, *given: Tensor) -> Tensor:
    """Return the velocity of a state at one step of the grid: a function of tensors alone, which a device may compile.

    Parameters
    ----------
    decoder : Decoder
    given : tuple of Tensor
        The state z (B, S, 32); the step's rows of the three tables; a condition's three tensors; with guidance also its
        strength c, without dimensions. The velocity is then v₀ + c (v - v₀), where v₀ is the velocity without a latent:
        both run in one batch, and v₀ needs no cross-attention.
    """
    assert isinstance(decoder, Decoder)
    z, gains, key_values, constant, latent, cos, sin, *cfg = given
    rotary = (cos, sin)
    h = wide(decoder.embed(z))
    h = torch.cat([h, h]) if cfg else h
    for i, layer in enumerate(decoder.layers):
        assert isinstance(layer, DecoderLayer)
        own = gains[4 * i : 4 * i + 4]
        key_value = (latent @ key_values[i]).to(layer.cross.kv.weight.dtype)
        seen = layer.look(h[: len(z)], key_value, own[0], rotary)
        if cfg:
            seen = torch.cat([seen, constant[i].to(seen.dtype).expand_as(seen)])
        h = layer.mix(h + seen, own[2:], rotary)
    found: Tensor = wide(decoder.output(rms(h, gains[-1], decoder.eps)))
    if cfg:
        with_latent, without = found.chunk(2)
        return without + cfg[0] * (with_latent - without)
    return found
