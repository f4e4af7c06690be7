"""A linear map followed by GELU, spelled as one act so that it can run as one. Plain torch until `compute` has prepacked the map."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


def linear_gelu(linear: nn.Linear, x: Tensor) -> Tensor:
    """Return GELU(linear(x)), with the exact GELU (error function).

    Parameters
    ----------
    linear : torch.nn.Linear
        One with a method ``gelu`` does both in one pass over memory (`eegora.compute.prepacked`).
    x : Tensor, shape (..., n_in)

    Returns
    -------
    Tensor, shape (..., n_out)
    """
    fused = getattr(linear, "gelu", None)
    out: Tensor = F.gelu(linear(x)) if fused is None else fused(x)
    return out
