"""On a CUDA device: the CPU's answer, from graphs as from eager runs; TF32 and half precision within their measured errors."""

import numpy as np
import pytest
import torch

from eegora import assembly, registry
from eegora.compute import fastest
from eegora.compute.accelerate import accelerate, number_format
from eegora.compute.device import choose_device
from eegora.compute.graphs import Graphs

pytestmark = pytest.mark.gpu
MODELS = sorted(registry.specs())
# Largest difference from float32 relative to the largest value, of full-size networks with random parameters; twice what
# one H200 gave.
LOOSE = {"tf32": 2e-2, "bfloat16": 1e-1, "float16": 6e-2}


def placed(inputs, device):
    return {
        name: value.to(device.name, device.torch_dtype) if value.is_floating_point() else value.to(device.name)
        for name, value in inputs.items()
    }


def smallest(model, dtype):
    spec, code = registry.specs()[model], registry.code(model)
    variant = min(spec.variants, key=lambda v: v.parameters)
    return code, assembly.untrained_network(code, variant.config, dtype=dtype)


def packed(model, code, config, n_windows=3):
    windows = assembly.probe_windows(registry.specs()[model])
    noise = np.random.RandomState(2).standard_normal((n_windows, *windows.data.shape[1:])).astype(np.float32)
    from dataclasses import replace

    return code.pack(replace(windows.take(np.zeros(n_windows, np.int64)), data=noise), config)


def run(model, device, dtype="float32", times=1):
    """The embedding of seeded noise on a device, the last of several runs of the accelerated function."""
    place = choose_device(device, dtype)
    code, loaded = smallest(model, place.storage)
    network = loaded.network.to(place.name)
    embed = accelerate(network, place, {"embed": code.embed})["embed"]
    inputs = placed(packed(model, code, loaded.config), place)
    with torch.inference_mode():
        for _ in range(times):
            out = embed(network, inputs)
    return out.double().cpu()


@pytest.mark.parametrize("model", MODELS)
def test_the_gpu_gives_the_cpus_answer(model):
    on_cpu = run(model, "cpu")
    for times in (1, 3):  # eager, then from a graph
        on_gpu = run(model, "cuda", times=times)
        assert (on_cpu - on_gpu).abs().max() <= 5e-6 * on_cpu.abs().max()


@pytest.mark.parametrize("model", MODELS)
def test_compiled_it_gives_the_cpus_answer(model):
    on_cpu, on_gpu = run(model, "cpu"), run(model, "cuda+compile", times=3)
    assert (on_cpu - on_gpu).abs().max() <= 5e-6 * on_cpu.abs().max()


@pytest.mark.parametrize("model", MODELS)
def test_a_graph_is_made_and_gives_the_eager_answer_on_new_values(model):
    place = choose_device("cuda")
    code, loaded = smallest(model, "float32")
    network, graphs = loaded.network.to("cuda"), Graphs(code.embed)
    inputs = placed(packed(model, code, loaded.config), place)
    with torch.inference_mode(), number_format(place):
        for _ in range(2):
            graphs(network, inputs)
        other = {name: value.flip(0) if len(value) > 1 else value for name, value in inputs.items()}
        again, expected = graphs(network, other), code.embed(network, other)
    assert not graphs.refused
    assert [captured is not None for captured in graphs.captured.values()] == [True]
    assert (again - expected).abs().max() <= 1e-6 * expected.abs().max()


@pytest.mark.parametrize("dtype", LOOSE)
@pytest.mark.parametrize("model", MODELS)
def test_rough_formats_stay_within_their_errors(model, dtype):
    exact, rough = run(model, "cuda"), run(model, "cuda", dtype, times=3)
    error = (exact - rough).abs().max() / exact.abs().max()
    assert 0 < error <= LOOSE[dtype]


def test_float32_is_not_tf32_whatever_the_switches_say():
    x = torch.randn(256, 4096, device="cuda")
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        with number_format(choose_device("cuda")):
            product = x @ x.T
        assert torch.backends.cuda.matmul.allow_tf32
    finally:
        torch.backends.cuda.matmul.allow_tf32 = False
    exact = x.double() @ x.double().T
    assert (product - exact).abs().max() < 1e-6 * exact.abs().max()


def test_what_cannot_be_recorded_runs_as_it_is():
    def reads_back(network, inputs):
        return inputs["x"] * float(inputs["x"].sum())

    graphs, network, x = Graphs(reads_back), torch.nn.Identity(), torch.ones(4, device="cuda")
    with torch.inference_mode():
        for _ in range(3):
            assert torch.equal(graphs(network, {"x": x}), x * 4)
    assert len(graphs.refused) == 1
    assert torch.rand(3, device="cuda").isfinite().all()  # torch draws as before


def test_a_function_that_draws_is_not_recorded():
    def draws(network, inputs):
        return inputs["x"] + torch.randn_like(inputs["x"])

    graphs, network, x = Graphs(draws), torch.nn.Identity(), torch.ones(4, device="cuda")
    with torch.inference_mode():
        seen = [graphs(network, {"x": x}) for _ in range(4)]
    assert len({tuple(value.tolist()) for value in seen}) == 4
    assert graphs.refused


def test_graphs_are_bounded_and_new_parameters_are_seen():
    layer = torch.nn.Linear(3, 3, device="cuda").requires_grad_(False)
    graphs = Graphs(lambda network, inputs: network(inputs["x"]), limit=2)
    with torch.inference_mode():
        for n in (1, 1, 2, 2, 3, 3):
            graphs(layer, {"x": torch.ones(n, 3, device="cuda")})
        assert len(graphs.captured) == 2
        x = torch.ones(3, 3, device="cuda")
        before = graphs(layer, {"x": x})
        layer.weight.data = layer.weight.data * 2
        layer.bias.data = layer.bias.data * 2
        assert torch.allclose(graphs(layer, {"x": x}), 2 * before)


def test_a_recorded_map_takes_a_way_that_was_timed(monkeypatch):
    monkeypatch.setattr(fastest, "_kept", {})
    layer = torch.nn.Sequential(torch.nn.Linear(64, 64, device="cuda")).requires_grad_(False)
    x = torch.randn(128, 64, device="cuda")
    expected = layer(x)
    fastest.choose_linears(layer)
    graphs = Graphs(lambda network, inputs: network(inputs["x"]))
    with torch.inference_mode(), number_format(choose_device("cuda")):
        for _ in range(3):
            out = graphs(layer, {"x": x})
    assert (out - expected).abs().max() <= 1e-5
    assert [key[0] for key in fastest._kept] == ["linear"]
    assert not graphs.refused
