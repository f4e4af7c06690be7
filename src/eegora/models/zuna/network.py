"""ZUNA's network, in the order of the paper: tokens with registers → encoder → latent → decoder, a velocity field.

Knows the algebra; leaves names, positions and windows to `inference.py`, steps through time to `sampling.py`.
Symbols as in the spec: B batch, S tokens (32 samples of one channel each), D width, H heads, L layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from eegora.compute.device import widest_float
from eegora.layers.trace import Note, ignore, within

Rotary = tuple[Tensor, Tensor]  # cosines (c, c) and sines (-s, s), each (B or 1, S, 1, head)
Config = Mapping[str, Any]

QK_EPS = 1e-5  # of the norms inside attention, whatever `norm_eps` says


def wide(x: Tensor) -> Tensor:
    """Return half precision as float32: the residual stream and all norms run in at least that."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def rms(x: Tensor, gain: Tensor, eps: float) -> Tensor:
    """Divide by the root mean square over the last axis and multiply by a gain."""
    return F.rms_norm(x, x.shape[-1:], gain.to(x.dtype), eps)


class Linear(nn.Linear):
    """A product in the number format of its matrix, so that half precision needs nothing around it."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., in) to (..., out)."""
        return F.linear(x.to(self.weight.dtype), self.weight, self.bias)


class RmsNorm(nn.Module):
    """Root mean square norm with a learned gain."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.empty(width))

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., width) to the same."""
        return rms(x, self.weight, self.eps)


def rotary_table(indices: Tensor, head: int, theta: float, like: Tensor) -> Rotary:
    """Return cosines (c, c) and sines (-s, s) of each token's angles, in the format of `like`.

    Parameters
    ----------
    indices : Tensor of int, shape (B or 1, S, 4)
        Bins of x, y and z, and coarse time.
    head : int
        Width of a head: a quarter of it turns with each index.
    theta : float
        Base of the frequencies.
    like : Tensor
    """
    exact = widest_float(like.device)
    axis = head // 4
    frequency = theta ** (-torch.arange(0, axis, 2, dtype=exact, device=like.device) / axis)
    angle = (indices.to(like.device, exact)[..., None] * frequency).flatten(-2)[:, :, None]
    cos, sin = angle.cos().to(wide(like).dtype), angle.sin().to(wide(like).dtype)
    return torch.cat([cos, cos], dim=-1), torch.cat([-sin, sin], dim=-1)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate the two halves (a, b) of each head against each other: (a cos - b sin, b cos + a sin).

    The paper rotates neighbours (2k, 2k + 1); the fold at load orders the rows of q and k so that the pairs are (k, k + head / 2).
    """
    # addcmul would do it in one operation less, but its rounding missed a limit of the reference vectors (1.07 of it).
    return (x * cos).add_(x.roll(x.shape[-1] // 2, -1) * sin).to(x.dtype)


class Attention(nn.Module):
    """Full attention without biases; queries from one sequence, keys and values from the same or another."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        width, inner, kv = config["dim"], config["inner_dim"], config["kv_dim"]
        self.head = config["head_dim"]
        self.shared = inner != kv  # several query heads to one of keys and values
        self.q = Linear(width, inner, bias=False)
        self.kv = Linear(width, 2 * kv, bias=False)
        self.out = Linear(inner, width, bias=False)
        self.q_norm = RmsNorm(self.head, QK_EPS) if config["qk_norm"] else nn.Identity()
        self.k_norm = RmsNorm(self.head, QK_EPS) if config["qk_norm"] else nn.Identity()

    def forward(self, x: Tensor, key_value: Tensor, turns: tuple[Rotary, Rotary], note: Note = ignore) -> Tensor:
        """Attend from x (B, R, D) to keys and values (B, S, 2 · inner) with the rotations of either side."""
        q = self.q(x)
        note("q", q)
        q = self.q_norm(q.unflatten(-1, (-1, self.head)))
        note("q_norm", q)
        k, v = (part.unflatten(-1, (-1, self.head)) for part in key_value.chunk(2, dim=-1))
        q, k = rotate(q, *turns[0]), rotate(self.k_norm(k), *turns[1])
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
        found = F.scaled_dot_product_attention(q, k, v, enable_gqa=self.shared)
        out: Tensor = self.out(found.transpose(1, 2).flatten(2))
        return out


class FeedForward(nn.Module):
    """Gated: W2 (silu(W1 x) · W3 x); the two first matrices stand on each other."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.up = Linear(config["dim"], 2 * config["hidden_dim"], bias=False)
        self.down = Linear(config["hidden_dim"], config["dim"], bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., D) to (..., D)."""
        gate, value = self.up(x).chunk(2, dim=-1)
        out: Tensor = self.down(F.silu(gate) * value)
        return out


def post_norm(config: Config) -> nn.Module:
    """Return the norm of a sub-layer's output, which the first generation does not have."""
    return RmsNorm(config["dim"], config["norm_eps"]) if config["sandwich"] else nn.Identity()


class EncoderLayer(nn.Module):
    """Attention, then feed-forward, each with a norm before and, in the second generation, one behind."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.attention_norm = RmsNorm(config["dim"], config["norm_eps"])
        self.attention = Attention(config)
        self.attention_post = post_norm(config)
        self.ffn_norm = RmsNorm(config["dim"], config["norm_eps"])
        self.feed_forward = FeedForward(config)
        self.ffn_post = post_norm(config)

    def forward(self, h: Tensor, rotary: Rotary, rows: slice, note: Note = ignore) -> Tensor:
        """Update some rows of h (B, 2S, D), looking at all of them; return those rows."""
        n = self.attention_norm(h)
        note("attention_norm", n)
        cos, sin = rotary
        turns = ((cos[:, rows], sin[:, rows]), rotary)
        attended = self.attention(n[:, rows], self.attention.kv(n), turns, note)
        note("attention", attended)
        attended = self.attention_post(attended)
        note("attention_norm_post", attended)
        h = h[:, rows] + attended
        n = self.ffn_norm(h)
        note("ffn_norm", n)
        fed = self.feed_forward(n)
        note("feed_forward", fed)
        fed = self.ffn_post(fed)
        note("ffn_norm_post", fed)
        out: Tensor = h + fed
        return out


class Encoder(nn.Module):
    """Tokens (B, S, 32) → latent (B, S, 32); a learned register before each token carries the answer out."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        width = config["dim"]
        self.registers = nn.Parameter(torch.empty(1, config["input_dim"]))
        self.embed = Linear(config["input_dim"], width)
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config["n_layers"]))
        self.norm = RmsNorm(width, config["norm_eps"])
        self.output = Linear(width, config["encoder_output_dim"], bias=False)

    def forward(self, tokens: Tensor, rotary: Rotary, note: Note = ignore) -> Tensor:
        """Encode tokens (B, S, 32), blanked ones all zero; a register turns as its token does."""
        registers = self.registers.to(tokens.dtype).expand_as(tokens)
        h = wide(self.embed(torch.stack([registers, tokens], dim=2).flatten(1, 2)))
        note("embed", h)
        twice = (rotary[0].repeat_interleave(2, dim=1), rotary[1].repeat_interleave(2, dim=1))
        # Nobody reads what the last layer makes of the tokens themselves, a trace apart.
        wanted = slice(0, None, 2) if note is ignore else slice(None)
        for i, layer in enumerate(self.layers):
            last = i == len(self.layers) - 1
            h = layer(h, twice, wanted if last else slice(None), within(note, "layer0.") if i == 0 else ignore)
            note(f"layer{i}", h)
        h = self.norm(h if note is ignore else h[:, 0::2])
        note("norm", h)
        latent: Tensor = self.output(h)
        note("output", latent)
        return latent


class DecoderLayer(nn.Module):
    """Cross-attention to the latent, self-attention, feed-forward; the gains of its norms come with the time."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.eps = config["norm_eps"]
        self.cross = Attention(config)
        self.cross_post = post_norm(config)
        self.attention = Attention(config)
        self.attention_post = post_norm(config)
        self.feed_forward = FeedForward(config)
        self.ffn_post = post_norm(config)

    def look(self, h: Tensor, key_value: Tensor, gain: Tensor, rotary: Rotary, note: Note = ignore) -> Tensor:
        """Return what cross-attention adds to h (B, S, D)."""
        n = rms(h, gain, self.eps)
        note("cross_x_norm", n)
        found = self.cross(n, key_value, (rotary, rotary))
        note("cross_attention", found)
        added: Tensor = self.cross_post(found)
        note("cross_attention_norm_post", added)
        return added

    def mix(self, h: Tensor, gains: Tensor, rotary: Rotary, note: Note = ignore) -> Tensor:
        """Run self-attention and feed-forward with their two gains (2, D)."""
        n = rms(h, gains[0], self.eps)
        note("attention_norm", n)
        attended = self.attention(n, self.attention.kv(n), (rotary, rotary))
        note("attention", attended)
        attended = self.attention_post(attended)
        note("attention_norm_post", attended)
        h = h + attended
        n = rms(h, gains[1], self.eps)
        note("ffn_norm", n)
        fed = self.feed_forward(n)
        note("feed_forward", fed)
        fed = self.ffn_post(fed)
        note("ffn_norm_post", fed)
        out: Tensor = h + fed
        return out


class Decoder(nn.Module):
    """A state z (B, S, 32), a latent and a time → the velocity of z (B, S, 32)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        width, n_layers, t_dim = config["dim"], config["n_layers"], config["t_dim"]
        self.eps = config["norm_eps"]
        self.frequencies = nn.Parameter(torch.empty(t_dim // 2))
        self.time = Linear(t_dim, t_dim)
        self.gain = Linear(t_dim, (4 * n_layers + 1) * width)  # all the adaptive norms' projections of the time
        self.embed = Linear(config["input_dim"], width)
        self.condition = Linear(config["encoder_output_dim"], width)
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(n_layers))
        self.output = Linear(width, config["input_dim"], bias=False)

    def gains(self, times: Tensor, note: Note = ignore) -> Tensor:
        """Return the gains of all norms at some times: (K,) → (K, 4 L + 1, D).

        Per layer: of the state and of the latent before cross-attention, before self-attention, before the
        feed-forward; at the end that of the last norm. They depend on nothing but the time.
        """
        angle = 2 * torch.pi * times[:, None] * self.frequencies.to(times.dtype)
        embedded = self.time(torch.cat([angle.cos(), angle.sin()], dim=-1))
        note("t_embed", embedded)
        gains: Tensor = self.gain(embedded).unflatten(-1, (4 * len(self.layers) + 1, -1))
        return wide(gains)

    def forward(self, z: Tensor, latent: Tensor, time: float, rotary: Rotary, note: Note = ignore) -> Tensor:
        """Return the velocity at one time in (0, 1]; `folded.py` has the same with what is constant taken out."""
        times = torch.tensor([time], dtype=widest_float(z.device), device=z.device)
        gains = self.gains(times, note)[0]
        h, y = wide(self.embed(z)), wide(self.condition(latent))
        note("embed", h)
        note("encoder_proj", y)
        for i, layer in enumerate(self.layers):
            assert isinstance(layer, DecoderLayer)
            inner = within(note, "layer0.") if i == 0 else ignore
            own = gains[4 * i : 4 * i + 4]
            seen = rms(y, own[1], self.eps)
            inner("cross_y_norm", seen)
            h = h + layer.look(h, layer.cross.kv(seen), own[0], rotary, inner)
            h = layer.mix(h, own[2:], rotary, inner)
            note(f"layer{i}", h)
        h = rms(h, gains[-1], self.eps)
        note("norm", h)
        velocity: Tensor = self.output(h)
        note("output", velocity)
        return velocity


class Zuna(nn.Module):
    """The whole network.

    Parameters
    ----------
    config : dict
        What `checkpoint.detect` returns; with ``encoder_only`` there is no decoder.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = dict(config)
        self.encoder = Encoder(config)
        self.decoder = None if config["encoder_only"] else Decoder(config)

    def rotary(self, indices: Tensor) -> Rotary:
        """Return the rotations of tokens by their indices (B or 1, S, 4)."""
        return rotary_table(indices, self.config["head_dim"], self.config["rope_theta"], self.encoder.registers)
