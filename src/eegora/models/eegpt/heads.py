"""What downstream tasks put before and behind EEGPT's encoder: channel steps and heads, in the order of spec sections 4 and 7.

Knows their algebra; max-norms and batch norms are folded into the parameters at load (`folds.py`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from eegora.layers.trace import Note, ignore
from eegora.models.eegpt.network import TimeTransformer, time_positions

SLEEP_HEADS = 4


class ChannelMix(nn.Module):
    """Make new channels as weighted sums of those that come in: ``conv1d_constraint`` and ``linear``."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_out, n_in))
        self.bias = nn.Parameter(torch.empty(n_out))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, n_in, T) to (B, n_out, T)."""
        return self.weight @ x + self.bias[:, None]


class ChannelScale(nn.Module):
    """One factor per channel."""

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, T) to the same shape."""
        return x * self.weight


class Stem(nn.Module):
    """Channel mix and a filter per channel, each with its batch norm folded in.

    Parameters
    ----------
    n_in, n_out, n_taps : int
    padding : int
        Zeros on either side of the window.
    last_gelu : bool
        Stem A (TUAB) has a GELU behind the filter, stem B (TUEV) has not.
    """

    def __init__(self, n_in: int, n_out: int, n_taps: int, padding: int, last_gelu: bool) -> None:
        super().__init__()
        self.mix = ChannelMix(n_in, n_out)
        self.filter = nn.Conv1d(n_out, n_out, n_taps, groups=n_out, padding=padding)
        self.last_gelu = last_gelu

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, n_in, T) to (B, n_out, T + 2 · padding - n_taps + 1)."""
        out: Tensor = self.filter(F.gelu(self.mix(x)))
        return F.gelu(out) if self.last_gelu else out


class Probe(nn.Module):
    """Two linear layers without activation in between: ``LinearConstraintProbe``."""

    def __init__(self, width: int, hidden: int, n_in: int, n_classes: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(n_in, n_classes)

    def forward(self, z: Tensor, note: Note = ignore) -> Tensor:
        """Map tokens (B, N, E, D) to logits."""
        h = self.fc1(z.flatten(2))
        note("probe1", h)
        h = h.flatten(1)
        note("head_in", h)
        out: Tensor = self.fc2(h)
        return out


class SleepHead(nn.Module):
    """A linear layer, positions, a post-norm decoder over the patches, and a linear layer on its first token."""

    def __init__(self, width: int, hidden: int, depth: int, n_inner: int, n_classes: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.cls = nn.Parameter(torch.empty(hidden))
        layer = nn.TransformerDecoderLayer(hidden, SLEEP_HEADS, n_inner, activation=F.gelu, batch_first=True)
        self.decoder = nn.TransformerDecoder(layer, depth)
        self.fc2 = nn.Linear(hidden, n_classes)

    def forward(self, z: Tensor, note: Note = ignore) -> Tensor:
        """Map tokens (B, N, E, D) to logits."""
        h = self.fc1(z.flatten(2))
        note("probe1", h)
        h = h + _positions(h)
        memory = torch.cat([self.cls.expand(len(h), 1, -1), h], dim=1)
        h = self.decoder(memory, memory)[:, 0]
        note("head_in", h)
        out: Tensor = self.fc2(h)
        return out


def _positions(h: Tensor) -> Tensor:
    """Return the original's position code (N, width): its frequencies are cast to integers, so all but the first are 0."""
    n = torch.arange(h.shape[1], dtype=h.dtype, device=h.device)
    code = torch.zeros(h.shape[1:], dtype=h.dtype, device=h.device)
    code[:, 1::2] = 1
    code[:, 0], code[:, 1] = n.sin(), n.cos()
    return code


class FlatHead(nn.Module):
    """One linear layer on everything that the encoder gives."""

    def __init__(self, n_in: int, n_classes: int) -> None:
        super().__init__()
        self.fc = nn.Linear(n_in, n_classes)

    def forward(self, z: Tensor, note: Note = ignore) -> Tensor:
        """Map tokens (B, N, E, D) to logits."""
        h = z.flatten(1)
        note("head_in", h)
        out: Tensor = self.fc(h)
        return out


class TimeTail(nn.Module):
    """The tail of ``EEGPTClassifier``: the pre-trained predictor or reconstructor runs over the tokens, then a linear layer.

    Parameters
    ----------
    over : str
        ``reconstructor`` or ``predictor``: whose blocks.
    width : int
        What the norms and the linear layer take.
    n_classes : int
    use_out_proj : bool
        Whether the blocks' own norm and output projection follow them.
    pooling : str
        ``mean`` over all tokens but the first, or ``cls``, the first alone.
    """

    def __init__(self, over: str, width: int, n_classes: int, use_out_proj: bool, pooling: str) -> None:
        super().__init__()
        self.over, self.use_out_proj, self.pooling = over, use_out_proj, pooling
        self.norm = nn.LayerNorm(width)
        self.fc_norm = nn.LayerNorm(width)
        self.fc = nn.Linear(width, n_classes)

    def forward(self, z: Tensor, blocks: TimeTransformer, note: Note = ignore) -> Tensor:
        """Map tokens (B, N, E, D) to logits."""
        assert blocks.cls is not None
        x = torch.cat([blocks.cls.expand(len(z), 1, -1), blocks.embed(z).flatten(1, 2)], dim=1)
        # The first token and patch 0 share position 0.
        positions = F.pad(time_positions(z.shape[1], z.shape[2], z), (1, 0))
        x = blocks(x, positions)
        if self.use_out_proj:
            x = blocks.proj(blocks.norm(x))
        x = self.fc_norm(x[:, 1:].mean(1)) if self.pooling == "mean" else self.norm(x[:, 0])
        note("head_in", x)
        out: Tensor = self.fc(x)
        return out
