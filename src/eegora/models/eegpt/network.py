"""EEGPT's network, in the order of the paper's figure: patches → encoder → predictor → reconstructor.

Knows the algebra that `folds.py` folds at load; leaves names and windows to `inference.py`, task heads to `heads.py`.
Symbols as in the spec: B windows, C channels, N patches of P samples, D width, E summary tokens, L = C + E.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from eegora.layers.attention import attention
from eegora.layers.linear import linear_gelu
from eegora.layers.trace import Note, ignore, within

Rotary = tuple[Tensor, Tensor]
EPS = 1e-6


def patches_of(x: Tensor, patch: int, stride: int, tail: str) -> Tensor:
    """Cut windows (B, C, T) into patches (B, N, C, P), which overlap if the stride is shorter (spec 3.1).

    ``floor`` drops samples at the end that fill no patch; ``pad`` appends zeros to them.
    """
    rest = (x.shape[-1] - patch) % stride
    if tail == "pad" and rest:
        x = F.pad(x, (0, stride - rest))
    return x.unfold(-1, patch, stride).transpose(1, 2)


class Block(nn.Module):
    """A pre-norm transformer block. `project` and `attend` are apart because some queries are never needed.

    They are those of the last block, so there alone queries have a product of their own.
    """

    def __init__(self, width: int, n_heads: int, hidden: int, *, last: bool) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.norm1 = nn.LayerNorm(width, eps=EPS)
        if last:
            self.q, self.kv = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.qkv = None if last else nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width, eps=EPS)
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def project(self, x: Tensor, n_last: int | None = None) -> tuple[Tensor, Tensor]:
        """Return queries of the last `n_last` tokens (None: all), and keys and values of all, from x (rows, L, D)."""
        x = self.norm1(x)
        if self.qkv is not None:
            width = x.shape[-1]
            q, kv = self.qkv(x).split((width, 2 * width), dim=-1)
            return q if n_last is None else q[:, -n_last:], kv
        return self.q(x if n_last is None else x[:, -n_last:]), self.kv(x)

    def attend(self, x: Tensor, q: Tensor, kv: Tensor, rotary: Rotary | None = None, note: Note = ignore) -> Tensor:
        """Go on with the tokens x that have the queries q (rows, Lq, D)."""
        q = q.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)
        k, v = kv.unflatten(-1, (2, self.n_heads, -1)).transpose(1, 3).unbind(2)
        if rotary is not None:
            q, k = rotate(q, *rotary), rotate(k, *rotary)
        if note is not ignore:
            note("_weights", (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1))
        attended: Tensor = self.proj(attention(q, k, v))
        note("_attn", attended)
        x = x + attended
        x = x + self.fc2(linear_gelu(self.fc1, self.norm2(x)))
        note("", x)
        return x


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate neighbours (2i, 2i+1) in the first half of each head (spec section 8); x may be the last tokens only."""
    n_tokens, half = x.shape[-2], 2 * cos.shape[-1]
    cos, sin = cos[-n_tokens:], sin[-n_tokens:]
    a, b = x[..., 0:half:2], x[..., 1:half:2]
    rotated = torch.stack([a * cos - b * sin, b * cos + a * sin], dim=-1).flatten(-2)
    return torch.cat([rotated, x[..., half:]], dim=-1)


class Encoder(nn.Module):
    """One sequence per patch: a token per channel, then E learned summary tokens; only those come out (spec section 3).

    Folded at load: `first_q` and `first_kv` are what the first block makes of the summary tokens, which are constants there.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        width, n_tokens = config["embed_dim"], config["embed_num"]
        self.normalised = bool(config.get("normalised_patches"))
        self.patch_embed = nn.Linear(config["patch_size"], width)
        self.table = nn.Parameter(torch.empty(config["n_chan_embeddings"], width))
        self.summary = nn.Parameter(torch.empty(n_tokens, width))
        self.first_q = nn.Parameter(torch.empty(n_tokens, width))
        self.first_kv = nn.Parameter(torch.empty(n_tokens, 2 * width))
        hidden = round(config["mlp_ratio"] * width)
        self.blocks = nn.ModuleList(
            Block(width, config["num_heads"], hidden, last=i == config["depth"] - 1) for i in range(config["depth"])
        )
        self.norm = nn.LayerNorm(width, eps=EPS)

    def forward(self, patches: Tensor, ids: Tensor, note: Note = ignore) -> Tensor:
        """Encode patches.

        Parameters
        ----------
        patches : Tensor, shape (B, N, C, P)
        ids : Tensor of int64, shape (1 or N, C)
            Rows of the channel table.
        note : callable
            Called with every stage. Then the last block runs for all tokens, otherwise for the summary tokens only.

        Returns
        -------
        Tensor, shape (B, N, E, D)
        """
        if self.normalised:
            patches = F.layer_norm(patches, patches.shape[-1:])
        signal = self.patch_embed(patches)
        note("patch_embed", signal)
        # One rounding more, in a table of channel embedding plus bias, would be seen where the signal is in millivolts.
        channels = (signal + self.table[ids]).flatten(0, 1)
        n_rows, n_tokens = len(channels), len(self.summary)
        x = torch.cat([channels, self.summary.expand(n_rows, -1, -1)], dim=1)
        note("tokens_in", x)
        for i, block in enumerate(cast(list[Block], self.blocks)):
            n_last = n_tokens if note is ignore and i == len(self.blocks) - 1 else None
            if i == 0:
                constant = (self.first_q, self.first_kv)
                q, kv = (
                    torch.cat([part, rows.expand(n_rows, -1, -1)], dim=1)
                    for part, rows in zip(block.project(channels), constant, strict=True)
                )
            else:
                q, kv = block.project(x, n_last)
            if n_last is not None:
                x, q = x[:, -n_last:], q[:, -n_last:]
            x = block.attend(x, q, kv, note=within(note, f"block{i}"))
        z: Tensor = self.norm(x[:, -n_tokens:]).unflatten(0, patches.shape[:2])
        return z


class TimeTransformer(nn.Module):
    """Blocks across time with rotary positions: predictor and reconstructor (spec section 8).

    Parameters
    ----------
    config : dict
    depth : int
    mask : tuple of int
        Shape of the learned token that stands for what is unknown.
    out : int
        Width of the output projection.
    n_names : int
        Rows of its own channel table; 0 if it has none.
    cls : bool
        Whether a token for classification was added in fine-tuning.
    """

    def __init__(
        self, config: Mapping[str, Any], depth: int, mask: tuple[int, ...], out: int, n_names: int, cls: bool
    ) -> None:
        super().__init__()
        width, n_heads = config["embed_dim"], config["num_heads"]
        self.mask = nn.Parameter(torch.empty(mask))
        self.embed = nn.Linear(width, width)
        self.freqs = nn.Parameter(torch.empty(config.get("n_freqs", width // n_heads // 4)))
        self.table = nn.Parameter(torch.empty(n_names, width)) if n_names else None
        self.cls = nn.Parameter(torch.empty(width)) if cls else None
        hidden = round(config["mlp_ratio"] * width)
        self.blocks = nn.ModuleList(Block(width, n_heads, hidden, last=i == depth - 1) for i in range(depth))
        self.norm = nn.LayerNorm(width, eps=EPS)
        self.proj = nn.Linear(width, out)

    def forward(self, x: Tensor, positions: Tensor, n_last: int | None = None) -> Tensor:
        """Return the last `n_last` tokens (None: all) of x (B, L, D), whose tokens stand at patches `positions` (L,)."""
        angle = positions.to(x.dtype)[:, None] / 2 * self.freqs
        rotary = (angle.cos(), angle.sin())
        for i, block in enumerate(cast(list[Block], self.blocks)):
            last = n_last if i == len(self.blocks) - 1 else None
            q, kv = block.project(x, last)
            x = block.attend(x if last is None else x[:, -last:], q, kv, rotary)
        return x


class Eegpt(nn.Module):
    """The whole network: what a checkpoint holds of it.

    Parameters
    ----------
    config : dict
        As `checkpoint.detect` makes it.
    stride, tail : int, str
        How windows are cut into patches.
    channel_step, head : torch.nn.Module or None
    """

    def __init__(
        self, config: Mapping[str, Any], stride: int, tail: str, channel_step: nn.Module | None, head: nn.Module | None
    ) -> None:
        super().__init__()
        self.patch, self.stride, self.tail = int(config["patch_size"]), stride, tail
        self.channel_step, self.head = channel_step, head
        self.encoder = Encoder(config)
        n_predictor, n_reconstructor = config.get("predictor_depth", 0), config.get("reconstructor_depth", 0)
        self.online = Encoder(config) if config.get("online", bool(n_predictor)) else None
        width, cls = config["embed_dim"], config.get("cls_tokens", ())
        self.predictor = (
            TimeTransformer(config, n_predictor, (config["embed_num"], width), width, 0, "predictor" in cls)
            if n_predictor
            else None
        )
        names = config["n_chan_embeddings"]
        self.reconstructor = (
            TimeTransformer(config, n_reconstructor, (width,), self.patch, names, "reconstructor" in cls)
            if n_reconstructor
            else None
        )

    def patches(self, x: Tensor) -> Tensor:
        """Cut windows (B, C, T) into patches (B, N, C, P)."""
        return patches_of(x, self.patch, self.stride, self.tail)

    def predict(self, context: Tensor, places: Tensor, n_patches: int) -> tuple[Tensor, Tensor]:
        """Fill in the patches that the encoder did not see.

        Parameters
        ----------
        context : Tensor, shape (B, mN, E, D)
        places : Tensor of int64, shape (mN,)
            Where those patches stand.
        n_patches : int

        Returns
        -------
        pred : Tensor, shape (B, N, E, D)
            Predicted summary tokens of every patch.
        comb : Tensor, shape (B, N, E, D)
            The same, with the seen patches' own.
        """
        assert self.predictor is not None
        n_batch, _, n_tokens, _ = context.shape
        x = self.predictor.mask.expand(n_batch, n_patches, -1, -1).clone()
        x[:, places] = self.predictor.embed(context)
        x = self.predictor(x.flatten(1, 2), time_positions(n_patches, n_tokens, x))
        pred: Tensor = self.predictor.proj(self.predictor.norm(x)).unflatten(1, (n_patches, n_tokens))
        comb = pred.clone()
        comb[:, places] = context
        return pred, comb

    def waveforms(self, comb: Tensor, places: Tensor, ids: Tensor) -> Tensor:
        """Return normalised waveforms (B, M, P) for the M queries (patch `places`, channel `ids`, each (M,))."""
        assert self.reconstructor is not None
        assert self.reconstructor.table is not None
        n_batch, n_patches, n_tokens, _ = comb.shape
        queries = self.reconstructor.mask + self.reconstructor.table[ids]
        x = torch.cat([self.reconstructor.embed(comb).flatten(1, 2), queries.expand(n_batch, -1, -1)], dim=1)
        positions = torch.cat([time_positions(n_patches, n_tokens, x), places])
        x = self.reconstructor(x, positions, len(places))
        out: Tensor = self.reconstructor.proj(self.reconstructor.norm(x))
        return out


def time_positions(n_patches: int, n_tokens: int, like: Tensor) -> Tensor:
    """Return the patch of each of n_patches · n_tokens tokens."""
    return torch.arange(n_patches, device=like.device).repeat_interleave(n_tokens)
