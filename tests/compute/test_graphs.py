"""Graphs stay out of the way where there is no GPU: the function runs as it is."""

import torch

from eegora.compute.graphs import Graphs


def test_on_the_cpu_the_function_runs_as_it_is():
    calls = []
    graphs = Graphs(lambda network, inputs: calls.append(1) or inputs["x"] * 2)
    with torch.inference_mode():
        for _ in range(3):
            assert torch.equal(graphs(torch.nn.Identity(), {"x": torch.ones(2)}), 2 * torch.ones(2))
    assert len(calls) == 3
    assert not graphs.captured
