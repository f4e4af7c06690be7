"""Two questions that a trained checkpoint's tensors may answer: how many heads it has, and which electrode has which slot.

The tests are the spec's proposals (10.1, 10.3) and were validated on no published checkpoint; who asks is left to the caller.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eegora.models.eeg_dino.checkpoint import complete, plain
from eegora.models.eeg_dino.spec import ORDERS
from eegora.recordings.positions import head_position
from eegora.spec import Answer, Config, Stored

CLOSER = 0.85  # siblings at less than this share of the strangers' distance: as close as planted heads make them
TELLS = 0.2  # a correlation over 171 pairs of slots that chance hardly gives


def examine(tensors: Stored, config: Config) -> tuple[Answer, ...]:
    """Say what the two tests find, and no more than they can."""
    found = diagnose(tensors, config)
    answers = []
    if "siblings" in found:
        share = found["siblings"] / max(found["strangers"], 1e-12)
        answer = (
            f"siblings are at {share:.2f} of the strangers' distance: speaks for 8"
            if share < CLOSER
            else f"siblings are at {share:.2f} of the strangers' distance: speaks for 16, or the test tells nothing here"
        )
        used = complete(config)["nhead"]
        numbers = {name: found[name] for name in ("siblings", "strangers")}
        answers.append(Answer("8 or 16 attention heads?", f"{answer}; {used} are used", numbers))
    orders = found["slot_order"]
    if orders:
        best = max(orders, key=lambda name: orders[name])
        told = f"{best}, r = {orders[best]:.2f}" if orders[best] > TELLS else f"no order, r at most {orders[best]:.2f}"
        answers.append(
            Answer("Which electrode has which slot?", f"likeliest: {told}; {config['channel_order']} is used", orders)
        )
    return tuple(answers)


def diagnose(tensors: Stored, config: Config) -> dict[str, Any]:
    """Ask both questions.

    Parameters
    ----------
    tensors : dict of str to Tensor
        After renaming.
    config : dict

    Returns
    -------
    dict
        ``siblings`` and ``strangers`` (`head_distances` of 16 blocks; nearly equal: 16 heads, siblings closer: 8), where
        the width allows; ``slot_order``: {order: correlation}, the highest is the likeliest (`slot_correlations`).
    """
    given = plain(tensors)
    found: dict[str, Any] = {"slot_order": slot_correlations(given["patch_embedding.channel_embedding.weight"])}
    if config["emb_dim"] % 16 == 0:
        found["siblings"], found["strangers"] = head_distances(given, config["n_layer"], 16)
    return found


def head_distances(tensors: Stored, n_layers: int, n_blocks: int) -> tuple[float, float]:
    """Compare neighbouring blocks of the attention's features: two of one head, if there are half as many heads as blocks.

    Returns
    -------
    siblings, strangers : float
        Mean distance of blocks (2j, 2j + 1) and (2j + 1, 2j + 2), over all layers.
    """
    siblings, strangers = [], []
    for i in range(n_layers):
        key = f"encoder_layers.{i}.attn"
        norms = [w.norm(dim=1).log() for w in tensors[f"{key}.qkv.weight"].double().chunk(3)]
        norms.append(tensors[f"{key}.proj.weight"].double().norm(dim=0).log())
        blocks = [_blocks(values, n_blocks).mean(1) for values in norms]
        blocks.append(_blocks(tensors[f"{key}.q_bias"].double(), n_blocks).square().mean(1).sqrt())
        table = torch.stack(blocks, dim=1)
        table = (table - table.mean(0)) / table.std(0).clamp_min(1e-12)
        steps = (table[1:] - table[:-1]).norm(dim=1)
        siblings.append(steps[0::2].mean())
        strangers.append(steps[1::2].mean())
    return torch.stack(siblings).mean().item(), torch.stack(strangers).mean().item()


def _blocks(values: Tensor, n_blocks: int) -> Tensor:
    return values.reshape(n_blocks, -1)


def slot_correlations(weight: Tensor) -> dict[str, float]:
    """Correlate how alike two slots' embeddings are with how near their electrodes would be under each order.

    Parameters
    ----------
    weight : Tensor, shape (D, n_slots)

    Returns
    -------
    dict of str to float
        Pearson r over all pairs of slots; orders of another length than `n_slots` are left out.
    """
    columns = torch.nn.functional.normalize(weight.double(), dim=0)
    alike = (columns.T @ columns).numpy()
    found = {}
    for name, order in ORDERS.items():
        if len(order) == weight.shape[1]:
            positions = np.array([head_position(electrode) for electrode in order])
            pairs = np.array(list(combinations(range(len(order)), 2)))
            near = -np.linalg.norm(positions[pairs[:, 0]] - positions[pairs[:, 1]], axis=1)
            found[name] = float(np.corrcoef(alike[pairs[:, 0], pairs[:, 1]], near)[0, 1])
    return found
