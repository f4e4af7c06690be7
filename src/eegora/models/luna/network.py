"""LUNA's network, in the order of the paper's figure: patches → channel unification → temporal encoder → heads.

Knows the algebra that `checkpoint.py` folds at load; leaves positions, names and units to `inference.py`.
Symbols as in the spec: B batch, C channels, S patches per channel, P patch length, D embedding, Q queries, H heads, N = Q·D.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from eegora.compute.device import widest_float
from eegora.layers.attention import attention
from eegora.layers.linear import linear_gelu
from eegora.layers.moments import moments
from eegora.layers.trace import Note, ignore


def hidden_width(ratio: float, width: int) -> int:
    """Return the hidden width of an MLP: int(ratio · width), safe from the rounding of a ratio read off a checkpoint."""
    return int(ratio * width + 1e-6)


class Mlp(nn.Module):
    """Linear, exact GELU, LayerNorm where the original has one (after the activation), Linear."""

    def __init__(self, width: int, hidden: int, out: int, *, norm: bool) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.norm = nn.LayerNorm(hidden) if norm else nn.Identity()
        self.fc2 = nn.Linear(hidden, out)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., width) to (..., out)."""
        out: Tensor = self.fc2(self.norm(linear_gelu(self.fc1, x)))
        return out


class SelfAttention(nn.Module):
    """Multi-head attention of a sequence to itself, one packed projection."""

    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, rotary: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """Attend within (batch, length, width); `rotary` are cosines and sines (length, head)."""
        heads = self.qkv(x).unflatten(-1, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)  # (q k v, B, H, length, d)
        q, k, v = heads if rotary is None else (*rotate(heads[:2], *rotary), heads[2])
        out: Tensor = self.out(attention(q, k, v))
        return out


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate the two halves (a, b) of each head (…, length, width) against each other: (a cos − b sin, b cos + a sin).

    The paper rotates neighbours (2j, 2j+1); the fold at load orders the rows of q and k so that the pairs are (j, j + width/2).
    """
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, -1), sin)


@cache
def rotary_table(n_patches: int, head: int, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return cosines (c, c) and sines (−s, s) of patch index × θ, each (n_patches, head), kept for the next call."""
    with torch.inference_mode(False):
        angle = torch.arange(n_patches, dtype=torch.float64)[:, None] * theta(head)
        cos, sin = angle.cos().repeat(1, 2), torch.cat([-angle.sin(), angle.sin()], dim=1)
        return tuple(torch.as_tensor(table, dtype=dtype, device=device) for table in (cos, sin))  # type: ignore[return-value]


@cache
def theta(head: int) -> Tensor:
    """Return the rotary frequencies (head / 2,), float64, each rounded as the original rounds (spec 4.7)."""
    exponent = (torch.arange(0, head, 2, dtype=torch.float64) / head).float()
    return (1 / torch.pow(10000.0, exponent.double()).float()).float().double()


@cache
def dft(patch: int, device: torch.device) -> Tensor:
    """Return cosines (patch, patch/2 + 1) and sines (patch, patch/2 − 1) side by side.

    The sine columns of DC and Nyquist are left out: their imaginary part is +0 exactly, on every device (spec 4.3).
    """
    n = torch.arange(patch, dtype=torch.float64)
    k = torch.arange(patch // 2 + 1, dtype=torch.float64)
    turn = 2 * torch.pi * ((n[:, None] * k) % patch) / patch
    matrix = torch.cat([turn.cos(), -turn.sin()[:, 1:-1]], dim=1)
    return torch.as_tensor(matrix, dtype=widest_float(device), device=device)


def frequency_features(patches: Tensor) -> Tensor:
    """Return magnitudes, then phases, of each patch's real Fourier transform: (..., P) → (..., P + 2)."""
    n_bins = patches.shape[-1] // 2 + 1
    matrix = dft(patches.shape[-1], patches.device)
    # + 0.0 turns −0 into +0, whose phase is 0 and not π.
    spectrum = (patches.to(matrix.dtype) @ matrix).to(patches.dtype) + 0.0
    real = spectrum[..., :n_bins].contiguous()
    imaginary = F.pad(spectrum[..., n_bins:], (1, 1))
    return torch.cat([torch.hypot(real, imaginary), torch.atan2(imaginary, real)], dim=-1)


class PatchCnn(nn.Module):
    """Three convolutions over a patch, each with GroupNorm over *all* patches of the window, and GELU (spec 4.2).

    A patch is 40 samples and leaves 4 positions, so a convolution is a small banded matrix: the fold at load writes it out.
    """

    n_groups = 4

    def __init__(self, patch: int, width: int) -> None:
        super().__init__()
        n_channels = width // 4
        self.n_channels = n_channels
        self.conv = nn.ModuleList(nn.Linear(n_in, width) for n_in in (patch, width, width))
        self.weight = nn.Parameter(torch.empty(3, n_channels))
        self.bias = nn.Parameter(torch.empty(3, n_channels))

    def forward(self, patches: Tensor, note: Note = ignore) -> Tensor:
        """Map (B, C·S, P) to (B, C·S, D); feature = position · D/4 + convolution channel."""
        x = patches
        for i, conv in enumerate(self.conv):
            x = conv(x).unflatten(-1, (-1, self.n_groups, self.n_channels // self.n_groups))
            if i == 0 and note is not ignore:
                note("patch.conv1", self.channels_first(x))
            var, mean = moments(x, (1, 2, 4))
            gain = torch.rsqrt(var + 1e-5) * self.weight[i].view(self.n_groups, -1)
            x = F.gelu(
                torch.addcmul(torch.addcmul(self.bias[i].view(self.n_groups, -1), mean, gain, value=-1), x, gain)
            )
            if note is not ignore:
                note(f"patch.stage{i + 1}", self.channels_first(x))
            x = x.flatten(2)
        return x

    def channels_first(self, x: Tensor) -> Tensor:
        """Return (B, C·S, position, group, channel) in the original's order (B, D/4, C·S, position)."""
        return x.flatten(3).permute(0, 3, 1, 2)


class ChannelUnification(nn.Module):
    """Q learned queries attend over the channels of one patch; then three encoder layers among the queries (spec 4.6).

    The queries are constants, so keys reduce to one score row per head and query (`score`), and values are pooled before
    they are projected (`mix`): both built at load. Keys and values share the statistics of their LayerNorms.
    """

    n_layers = 3

    def __init__(self, width: int, n_queries: int, n_heads: int, hidden: int) -> None:
        super().__init__()
        self.n_queries, self.n_heads = n_queries, n_heads
        self.queries_norm = nn.Parameter(torch.empty(n_queries, width))
        self.score = nn.Linear(width, n_heads * n_queries, bias=False)
        self.mix = nn.Linear(n_heads * width, width)
        self.ffn = Mlp(width, hidden, width, norm=True)
        self.layers = nn.ModuleList(EncoderLayer(width, n_heads, hidden) for _ in range(self.n_layers))

    def forward(self, tokens: Tensor, note: Note = ignore) -> tuple[Tensor, Tensor]:
        """Map tokens (B·S, C, D) to queries (B·S, Q, D) and attention (B·S, Q, C), the mean over heads."""
        note("queries_norm", self.queries_norm[None])
        normed = F.layer_norm(tokens, tokens.shape[-1:])
        attention = self.score(normed).transpose(1, 2).softmax(dim=-1)  # (B·S, H·Q, C)
        pooled = (attention @ normed).unflatten(1, (self.n_heads, self.n_queries))
        x = self.mix(pooled.transpose(1, 2).flatten(2))
        note("cross_attention", x)
        x = x + self.ffn(x)
        note("cross_ffn", x)
        for i, layer in enumerate(self.layers):
            x = layer(x)
            note(f"query_layer{i}", x)
        return x, attention.unflatten(1, (self.n_heads, self.n_queries)).mean(1)


class EncoderLayer(nn.Module):
    """Pre-norm attention and feed-forward, each with its residual."""

    def __init__(self, width: int, n_heads: int, hidden: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = SelfAttention(width, n_heads)
        self.mlp = Mlp(width, hidden, width, norm=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, length, width) to the same."""
        x = x + self.attention(self.norm1(x))
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class Block(nn.Module):
    """One block of the temporal encoder: rotary attention over patches, then an MLP with an inner LayerNorm (spec 4.7)."""

    def __init__(self, width: int, n_heads: int, hidden: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = SelfAttention(width, n_heads)
        self.mlp = Mlp(width, hidden, width, norm=True)

    def forward(self, x: Tensor, rotary: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Map (B, S, N) to the same; also return the two branches before their residuals."""
        attention = self.attention(self.norm1(x), rotary)
        x = x + attention
        mlp = self.mlp(self.norm2(x))
        return x + mlp, attention, mlp


class ReconstructionHead(nn.Module):
    """One decoder layer from channel queries to the latent of each patch, then an MLP to samples (spec 4.8).

    A channel's query is the same for every patch, so its self-attention runs once per montage.
    """

    def __init__(self, width: int, n_heads: int, patch: int, n_names: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        # From a tensor: a random start would never be used, and drawing it brings in half of torch.
        self.names = nn.Embedding.from_pretrained(torch.empty(n_names, width))
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = SelfAttention(width, n_heads)
        self.query, self.out = nn.Linear(width, width), nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.mlp = Mlp(width, 4 * width, width, norm=False)
        self.norm = nn.LayerNorm(width)
        self.to_samples = Mlp(width, 4 * width, patch, norm=False)

    def forward(self, memory: Tensor, location: Tensor, names: Tensor, note: Note = ignore) -> Tensor:
        """Map memory (B, S, Q, D), location (B or 1, C, D) and name indices (B or 1, C) to samples (B, C, S·P)."""
        n_batch, n_patches = memory.shape[:2]
        queries = location + self.names(names)
        note("decoder_queries", queries[:, None].expand(n_batch, n_patches, -1, -1).flatten(0, 1))
        queries = queries + self.attention(self.norm1(queries))
        q = self.query(self.norm2(queries)).unflatten(-1, (self.n_heads, -1)).transpose(1, 2)[:, None]
        k, v = self.key_value(memory).unflatten(-1, (2, self.n_heads, -1)).permute(3, 0, 1, 4, 2, 5)
        attended = F.scaled_dot_product_attention(q.expand(n_batch, n_patches, -1, -1, -1), k, v)
        x = queries[:, None] + self.out(attended.transpose(2, 3).flatten(3))
        x = x + self.mlp(self.norm3(x))
        note("decoder_layer", x.flatten(0, 1))
        x = self.norm(x)
        note("decoder_norm", x.flatten(0, 1))
        samples: Tensor = self.to_samples(x)
        return samples.transpose(1, 2).flatten(2)


class ClassificationHead(nn.Module):
    """One learned query attends over the patches' latents, then an MLP to logits; folded as `ChannelUnification` is."""

    def __init__(self, width: int, n_heads: int, n_classes: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, n_heads, bias=False)
        self.mix = nn.Linear(n_heads * width, width)
        self.mlp = Mlp(width, 4 * width, n_classes, norm=False)

    def forward(self, latent: Tensor, note: Note = ignore) -> Tensor:
        """Map (B, S, N) to logits (B, n_classes)."""
        attention = self.score(latent).transpose(1, 2).softmax(dim=-1)
        pooled = self.mix((attention @ latent).flatten(1))
        note("classifier_pooled", pooled[:, None])
        logits: Tensor = self.mlp(pooled)
        return logits


class Luna(nn.Module):
    """The whole network.

    Parameters
    ----------
    config : dict
        Fields of spec section 3: ``patch_size``, ``num_queries``, ``embed_dim``, ``depth``, ``num_heads``, ``mlp_ratio``,
        ``num_classes`` (0 or absent: reconstruction head).
    n_names : int
        Rows of the channel vocabulary.
    """

    def __init__(self, config: Mapping[str, Any], n_names: int) -> None:
        super().__init__()
        patch, width, n_queries = config["patch_size"], config["embed_dim"], config["num_queries"]
        n_heads, ratio, n_classes = config["num_heads"], config["mlp_ratio"], config.get("num_classes", 0)
        wide = n_queries * width
        self.patch, self.head = patch, width // n_heads
        self.mask_token = nn.Parameter(torch.empty(width))
        self.cnn = PatchCnn(patch, width)
        self.frequency = Mlp(patch + 2, 4 * (patch + 2), width, norm=False)
        self.location = Mlp(width, 2 * width, width, norm=True)
        self.unify = ChannelUnification(width, n_queries, n_heads, hidden_width(ratio, width))
        self.blocks = nn.ModuleList(
            Block(wide, n_queries * n_heads, hidden_width(ratio, wide)) for _ in range(config["depth"])
        )
        self.norm = nn.LayerNorm(wide)
        self.reconstruction = None if n_classes else ReconstructionHead(width, n_heads, patch, n_names)
        self.classification = ClassificationHead(wide, n_heads, n_classes) if n_classes else None

    def tokens(self, x: Tensor, location: Tensor, mask: Tensor | None, note: Note = ignore) -> Tensor:
        """Return one token per patch and channel, (B·S, C, D), from x (B, C, T) and location (B or 1, C, D)."""
        patches = x.unflatten(-1, (-1, self.patch))  # (B, C, S, P)
        rows = patches.flatten(1, 2)
        cnn = self.cnn(rows, note)
        note("patch_embed", cnn)
        features = frequency_features(patches)
        note("freq_features", features)
        frequency = self.frequency(features.flatten(1, 2))
        note("freq_embed", frequency)
        value = (cnn + frequency).unflatten(1, patches.shape[1:3])
        if mask is not None:
            value = torch.where(mask[..., None], self.mask_token, value)
        tokens: Tensor = (value + location[:, :, None]).transpose(1, 2).flatten(0, 1)
        note("tokens", tokens)
        return tokens

    def encode(
        self, x: Tensor, position: Tensor, mask: Tensor | None = None, note: Note = ignore
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Encode windows.

        Parameters
        ----------
        x : Tensor, shape (B, C, T)
            z-scored; T a multiple of the patch length.
        position : Tensor, shape (B or 1, C, D)
            Encoded electrode positions (`inference.position_features`).
        mask : Tensor of bool, shape (B, C, S), optional
            Patches replaced by the mask token.
        note : callable
            Called with the name and value of every stage.

        Returns
        -------
        latent : Tensor, shape (B, S, N)
        attention : Tensor, shape (B, S, Q, C)
            Mean over heads; sums to 1 over channels.
        location : Tensor, shape (B or 1, C, D)
        """
        note("nerf", position)
        location = self.location(position)
        note("location_embedding", location)
        queries, attention = self.unify(self.tokens(x, location, mask, note), note)
        note("attention_scores", attention)
        latent = queries.flatten(1).unflatten(0, (len(x), -1))
        rotary = rotary_table(latent.shape[1], self.head, latent.device, latent.dtype)
        for i, block in enumerate(self.blocks):
            latent, attended, mlp = block(latent, rotary)
            if i == 0:
                note("block0_attn", attended)
                note("block0_mlp", mlp)
            note(f"block{i}", latent)
        latent = self.norm(latent)
        note("latent", latent)
        return latent, attention.unflatten(0, (len(x), -1)), location
