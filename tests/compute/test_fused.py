"""What is compiled does what the function does; where that fails, the function runs as it is and the reason is kept."""

import pytest
import torch

from eegora import assembly, registry
from eegora.compute import fused as module
from eegora.compute.fused import fused, part
from eegora.compute.graphs import Graphs


def uncompiled(monkeypatch):
    """Let torch.compile return what it gets: compiling takes a compiler and half a minute, recording is ours to test."""
    seen = []
    monkeypatch.setattr(torch, "compile", lambda graph, **options: seen.append((graph, options)) or graph)
    return seen


def layer():
    draw = torch.Generator().manual_seed(0)
    made = torch.nn.Linear(3, 3).requires_grad_(False)
    made.weight.copy_(torch.randn(3, 3, generator=draw))
    return made


def gelu_of(network, inputs):
    return torch.nn.functional.gelu(network(inputs["x"])) + inputs["shift"]


def given(seed=1):
    draw = torch.Generator().manual_seed(seed)
    return {"x": torch.randn(2, 3, generator=draw), "shift": torch.randn(3, generator=draw)}


@pytest.mark.parametrize("name", ["luna-base", "eeg-dino-small", "eegpt"])
def test_a_networks_recording_gives_its_answer_on_other_windows(monkeypatch, name):
    seen = uncompiled(monkeypatch)
    folder, spec, variant = registry.find(name)
    code = registry.code(folder)
    loaded = assembly.untrained_network(code, (variant or spec.variants[0]).config)
    inputs = dict(code.pack(assembly.probe_windows(spec), loaded.config))
    inputs = {key: value.float() if value.is_floating_point() else value for key, value in inputs.items()}
    other = inputs | {"x": inputs["x"].flip(-1).clone()}
    with torch.inference_mode():
        run = fused(code.embed, loaded.network, inputs)
        assert (run(loaded.network, other) - code.embed(loaded.network, other)).abs().max() < 1e-5
    assert seen[0][1] == {"fullgraph": True, "dynamic": False}


def test_a_long_loop_is_not_compiled(monkeypatch):
    uncompiled(monkeypatch)
    monkeypatch.setattr(module, "MOST", 3)
    with pytest.raises(RuntimeError, match="at most 3"), torch.inference_mode():
        fused(gelu_of, layer(), given())


def step(network, x, shift):
    return network(x) / 2 + shift


def loop(network, inputs):
    """A long function that calls one part over and over."""
    x = inputs["x"]
    for _ in range(5):
        x = part(step, network, x, inputs["shift"])
    return x


def test_of_a_function_with_a_part_the_part_alone_is_compiled_once(monkeypatch):
    seen = uncompiled(monkeypatch)
    network = layer()
    with torch.inference_mode():
        run = fused(loop, network, given())
        assert len(seen) == 1
        assert torch.equal(run(network, given(2)), loop(network, given(2)))
        assert len(seen) == 1
    nodes = [node for node in seen[0][0].graph.nodes if node.op == "call_function"]
    assert len(nodes) < 10  # of one step, not of five


def test_a_part_runs_what_was_compiled_and_only_where_it_was_fused(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda graph, **options: lambda *values: graph(*values) + 1)
    network = layer()
    with torch.inference_mode():
        plain = loop(network, given())
        run = fused(loop, network, given())
        assert (run(network, given()) - plain).abs().min() > 0.1
        assert torch.equal(loop(network, given()), plain)


def test_without_a_compiler_the_function_stays_and_the_reason_is_kept(monkeypatch):
    def broken(graph, **options):
        raise OSError("no such file: cc\nmore")

    monkeypatch.setattr(torch, "compile", broken)
    graphs, network, inputs = Graphs(gelu_of, fuse=True), layer(), given()
    with torch.inference_mode(), pytest.warns(UserWarning, match="no such file: cc"):
        function = graphs._fused((), network, inputs, gelu_of(network, inputs))
    assert function is gelu_of
    assert graphs.unfused == {(): "OSError: no such file: cc"}


def test_another_result_is_not_taken(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda graph, **options: lambda *values: graph(*values) * 1.001)
    graphs, network, inputs = Graphs(gelu_of, fuse=True), layer(), given()
    with torch.inference_mode(), pytest.warns(UserWarning, match="another result"):
        assert graphs._fused((), network, inputs, gelu_of(network, inputs)) is gelu_of


def test_a_right_one_is_taken(monkeypatch):
    uncompiled(monkeypatch)
    graphs, network, inputs = Graphs(gelu_of, fuse=True), layer(), given()
    with torch.inference_mode():
        function = graphs._fused((), network, inputs, gelu_of(network, inputs))
        assert function is not gelu_of
        assert torch.equal(function(network, given(2)), gelu_of(network, given(2)))
    assert not graphs.unfused


def test_a_network_that_moves_or_is_another_is_noticed():
    graphs, network = Graphs(gelu_of), layer()
    before = graphs._where(network)
    assert graphs._where(network) == before
    network.bias.data = network.bias.data.clone()
    assert graphs._where(network) != before
    network.weight = torch.nn.Parameter(network.weight.clone(), requires_grad=False)
    moved = graphs._where(network)
    assert moved[1:] == (network.weight.data_ptr(), network.bias.data_ptr())
    assert graphs._where(layer()) != moved
    assert graphs._where(torch.nn.Identity())[1:] == ()
