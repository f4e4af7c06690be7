"""Stages told by name, and nothing told where nobody asks."""

import torch

from eegora.layers.trace import ignore, within


def test_a_prefix_stands_before_each_name_and_costs_nothing_where_nobody_asks():
    stages = {}
    within(within(stages.__setitem__, "layer0."), "head.")("q", torch.ones(1))
    assert list(stages) == ["layer0.head.q"]
    assert within(ignore, "layer0.") is ignore
