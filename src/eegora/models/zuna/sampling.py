"""The rectified flow: noise at time 1, Euler steps down to the signal (spec zuna.md, section 7), and where the noise comes from.

Knows the loop and its settings; the velocity is `folded.py`'s.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from eegora.compute.fused import part
from eegora.compute.pulse import beat
from eegora.errors import UsageError
from eegora.models.zuna import folded
from eegora.models.zuna.network import Decoder, Rotary, wide
from eegora.spec import Config

MOST_SEEDS = 2**32


def sample(
    decoder: Decoder,
    latent: Tensor,
    rotary: Rotary,
    start: Tensor,
    *,
    steps: int,
    cfg: float | Tensor,
) -> Tensor:
    """Let noise flow to a signal; each step is a beat of `compute.pulse`.

    Parameters
    ----------
    decoder : Decoder
    latent : Tensor, shape (B, S, 32)
    rotary : Rotary
    start : Tensor, shape (B, S, 32)
        The state at time 1: normal noise times the model's sigma.
    steps : int
        Euler steps; the original takes 50.
    cfg : float or Tensor without dimensions
        Guidance: the number 1 for none, and then the decoder runs once per step.

    Returns
    -------
    Tensor, shape (B, S, 32)
        Tokens in the model's units.
    """
    table = folded.tables(decoder, steps)
    condition = folded.conditioned(decoder, latent, rotary)
    z = wide(start)
    guidance = [cfg] if isinstance(cfg, Tensor) else [] if cfg == 1.0 else [z.new_tensor(cfg)]
    for step in range(steps):
        z = z - part(folded.velocity, decoder, z, *table.step(step), *condition, *guidance) / steps
        beat(step + 1, steps)
    return z


def noise(seed: int, window: int, draw: int, shape: tuple[int, ...]) -> Tensor:
    """Draw standard normal noise for one window, the same whatever the batch, the device or the other windows.

    Parameters
    ----------
    seed : int
        0 … 2³² - 1.
    window : int
        Number of the window on the recording's own grid.
    draw : int
        Number of the draw, for several answers of one window.
    shape : tuple of int
        (S, 32), tokens in the order in which the network gets them.

    Raises
    ------
    UsageError
        ``bad_option`` for a seed out of range.
    """
    if not 0 <= seed < MOST_SEEDS:
        raise UsageError("bad_option", f"seed = {seed} came, wanted 0 to {MOST_SEEDS - 1}", hint="--seed 0")
    # RandomState, because NumPy's compatibility policy freezes its stream; Generator's may change.
    drawn = np.random.RandomState([seed, window, draw]).standard_normal(shape)
    return torch.from_numpy(drawn)


def work(config: Config, n_tokens: int, *, steps: int, cfg: float) -> tuple[float, float]:
    """Count the floating-point operations of one window, for an estimate of time (spec section 14).

    Parameters
    ----------
    config : dict
    n_tokens : int
        Channels times tokens in time.
    steps : int
    cfg : float

    Returns
    -------
    encoder, sampler : float
        A multiplication with its addition counts as 2.
    """
    width, inner, n_layers = config["dim"], config["inner_dim"], config["n_layers"]
    attention, mlp = 2 * width * (inner + config["kv_dim"]), 3 * width * config["hidden_dim"]
    n = 2 * n_tokens  # every token with its register
    encoder = n_layers * (2 * n * (attention + mlp) + 4 * n * n * inner)
    velocity = n_layers * (2 * n_tokens * (2 * attention + mlp) + 8 * n_tokens * n_tokens * inner)
    return float(encoder), float(velocity * steps * (2 if cfg != 1.0 else 1))
