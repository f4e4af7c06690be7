"""EEG-DINO's network, in the order of the paper's figure: patch embedding → blocks → classification head.

Knows the algebra of the spec's section 4; leaves names, slots and units to `inference.py`, stored layouts to `checkpoint.py`.
Symbols as in the spec: B batch, C channels, P patches of a channel, N = C·P (channel-major), D width, G global tokens, H heads.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from eegora.layers.attention import self_attention
from eegora.layers.linear import linear_gelu
from eegora.layers.trace import Note, ignore, within

STRIDE = 25  # samples between two positions of the first convolution: an eighth of a second at 200 Hz
STAGES = tuple(f"{layer}{i}" for i in (1, 2, 3) for layer in ("conv", "gn", "gelu"))


class PatchEmbedding(nn.Module):
    """Temporal branch + spectral branch + channel embedding, then the time encoding is added (spec 4.3 to 4.7)."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        d, self.patch = config["emb_dim"], config["patch_size"]
        widths, layers = (1, *config["conv"]), list[nn.Module]()
        for i, (kernel, n_groups) in enumerate(zip(config["kernels"], config["groups"], strict=True)):
            stride = (1, 1 if i else STRIDE)
            layers += [
                nn.Conv2d(widths[i], widths[i + 1], (1, kernel), stride=stride, padding=(0, kernel // 2)),
                nn.GroupNorm(n_groups, widths[i + 1]),  # over all patches of the window
                nn.GELU(),
            ]
        self.temporal = nn.Sequential(*layers)
        self.spectral = nn.Linear(self.patch // 2 + 1, d)
        # From a tensor: a random start would never be used, and drawing it brings in half of torch.
        self.channel = nn.Embedding.from_pretrained(torch.empty(config["n_channel_embeddings"], d))
        self.taps = nn.Parameter(torch.empty(config["n_taps"], d))
        self.bias = nn.Parameter(torch.empty(d))

    def forward(self, x: Tensor, slots: Tensor, note: Note = ignore) -> Tensor:
        """Map x (B, C, P·patch) and slots (B or 1, C) to (B, C, P, D)."""
        patches = x.unflatten(-1, (-1, self.patch))
        rows = patches.flatten(1, 2)[:, None]
        for stage, layer in zip(STAGES, self.temporal, strict=True):
            rows = layer(rows)
            note(stage, rows)
        # Feature = convolution channel · positions + position.
        temporal = rows.transpose(1, 2).flatten(2).unflatten(1, patches.shape[1:3])
        spectrum = magnitudes(patches)
        note("spectrum", spectrum)
        spectral = self.spectral(spectrum)
        note("spectral_emb", spectral)
        channel = self.channel(slots)
        note("channel_emb", channel[0])
        e: Tensor = temporal + spectral + channel[:, :, None]
        note("pre_time_encoding", e.permute(0, 3, 1, 2))
        e = e + self.time_encoding(e, note)
        note("patch_embedding", e)
        return e

    def time_encoding(self, e: Tensor, note: Note) -> Tensor:
        """Convolve each channel's and feature's own course over patches, zeros outside."""
        n_taps, n_patches = len(self.taps), e.shape[2]
        padded = F.pad(e, (0, 0, n_taps // 2, n_taps // 2))
        t: Tensor = self.bias
        for k in range(n_taps):
            t = torch.addcmul(t, padded[:, :, k : k + n_patches], self.taps[k])
        note("time_encoding", t.permute(0, 3, 1, 2))
        return t


def magnitudes(patches: Tensor) -> Tensor:
    """Return |DFT| / length of each patch, one-sided: (..., patch) → (..., patch / 2 + 1) (spec 4.4)."""
    wide = patches.float() if patches.dtype in (torch.float16, torch.bfloat16) else patches
    out: Tensor = torch.fft.rfft(wide, norm="forward").abs().to(patches.dtype)
    return out


class Attention(nn.Module):
    """Multi-head attention of all tokens of a window to each other; the key part of the packed bias is zero."""

    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, n_read: int | None = None, note: Note = ignore) -> Tensor:
        """Map (B, L, D) to the same, or to the first `n_read` tokens of it."""
        heads = self.qkv(x).unflatten(-1, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)
        context = self_attention(heads, n_read)
        note("attn_context", context)
        out: Tensor = self.out(context)
        return out


class Mlp(nn.Module):
    """Linear, exact GELU, Linear."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., width) to the same."""
        out: Tensor = self.fc2(linear_gelu(self.fc1, x))
        return out


class Block(nn.Module):
    """Pre-norm attention and MLP, each with its residual (spec 4.9)."""

    def __init__(self, width: int, n_heads: int, hidden: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, n_heads)
        self.mlp = Mlp(width, hidden)

    def forward(self, x: Tensor, n_read: int | None = None, note: Note = ignore) -> Tensor:
        """Map (B, L, D) to the same, or to the first `n_read` tokens of it."""
        note("input", x)
        y = self.norm1(x)
        note("norm1", y)
        y = self.attention(y, n_read, note)
        note("attn", y)
        x = x[:, :n_read] + y
        y = self.norm2(x)
        note("norm2", y)
        y = self.mlp(y)
        note("mlp", y)
        x = x + y
        note("output", x)
        return x


class Head(nn.Module):
    """The fine-tuning head: tokens → mean over channels → mean over patches → three layers (spec 5)."""

    def __init__(self, width: int, n_classes: int) -> None:
        super().__init__()
        self.token, self.time = nn.Linear(width, width), nn.Linear(width, width)
        sizes = (width, width // 2, width // 4, n_classes)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))

    def forward(self, features: Tensor, n_channels: int, note: Note = ignore) -> Tensor:
        """Map patch tokens (B, N, D) to logits (B, n_classes)."""
        x = linear_gelu(self.token, features)
        note("head.token_proj", x)
        x = x.unflatten(1, (n_channels, -1)).mean(1)
        note("head.channel_mean", x)
        x = linear_gelu(self.time, x)
        note("head.time_proj", x)
        x = x.mean(1)
        note("head.pooled", x)
        for i, layer in enumerate(self.layers):
            x = layer(F.gelu(x) if i else x)
        return x


class EegDino(nn.Module):
    """The whole network.

    Parameters
    ----------
    config : dict
        Complete (`checkpoint.complete`).
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        d = config["emb_dim"]
        self.n_global, self.global_after = config["n_global_tokens"], config["global_token_layer"]
        self.embedding = PatchEmbedding(config)
        self.global_tokens = nn.Parameter(torch.empty(1, self.n_global, d))
        self.blocks = nn.ModuleList(
            Block(d, config["nhead"], config["dim_feedforward"]) for _ in range(config["n_layer"])
        )
        self.head = Head(d, config["n_classes"]) if config["n_classes"] else None

    def encode(self, x: Tensor, slots: Tensor, *, only_global: bool = False, note: Note = ignore) -> Tensor:
        """Encode windows.

        Parameters
        ----------
        x : Tensor, shape (B, C, T)
            Microvolts divided by 100; T a multiple of the patch length.
        slots : Tensor of int, shape (B or 1, C)
            Which channel embedding each row takes.
        only_global : bool
            Return the global tokens alone: the last block then skips what nobody reads (spec 11, point 8).
        note : callable
            Called with the name and value of every stage.

        Returns
        -------
        Tensor, shape (B, G + N, D) or (B, G, D)
            Global tokens first, then token c · P + p. There is no final LayerNorm.
        """
        tokens: Tensor = self.embedding(x, slots, note).flatten(1, 2)
        for i, block in enumerate(self.blocks):
            if i == self.global_after:
                tokens = self.with_global(tokens)
            last = i + 1 == len(self.blocks)
            n_read = self.n_global if only_global and last and i >= self.global_after else None
            tokens = block(tokens, n_read, within(note, f"layer{i}."))
        if self.global_after == len(self.blocks):
            tokens = self.with_global(tokens)
        return tokens[:, : self.n_global] if only_global else tokens

    def with_global(self, tokens: Tensor) -> Tensor:
        """Put the global tokens before the others."""
        return torch.cat([self.global_tokens.expand(len(tokens), -1, -1), tokens], dim=1)
