"""Accelerated networks give their own answer to within 1e-5, and load_model hands them out."""

import numpy as np
import pytest
import torch

import eegora
from eegora import assembly, registry
from eegora.compute import exponentials, prepacked
from eegora.compute.accelerate import accelerate, number_format
from eegora.compute.device import Device, choose_device
from eegora.errors import DeviceError
from eegora.layers.moments import moments
from tests.models.test_every_model import MODELS, smallest

CPU = Device("cpu", "float32", "test")


@pytest.mark.parametrize("model", MODELS)
def test_every_model_answers_the_same(model, monkeypatch):
    """Every linear map packed and every attention by exponentials, however small."""
    monkeypatch.setattr(prepacked, "choose", lambda: prepacked.Choice(True, True, True, True))
    monkeypatch.setattr(prepacked, "SMALL", 0)
    monkeypatch.setattr(exponentials, "MANY", 1)
    monkeypatch.setattr(exponentials, "TINY", exponentials.LONGEST)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    code = registry.code(model)
    plain, fast = (assembly.untrained_network(code, smallest(model), seed=3) for _ in range(2))
    function = accelerate(fast.network, CPU, {"embed": code.embed})["embed"]
    packed = code.pack(assembly.probe_windows(registry.specs()[model]), fast.config)
    inputs = {k: v.to(torch.float32) if v.is_floating_point() else v for k, v in packed.items()}
    with torch.inference_mode():
        expected, found = code.embed(plain.network, inputs), function(fast.network, inputs)
    assert any(getattr(module, "packed", None) is not None for module in fast.network.modules())
    assert (found - expected).abs().max() <= 1e-5 * max(1, expected.abs().max())


def test_load_model_accelerates(monkeypatch):
    monkeypatch.setattr(prepacked, "choose", lambda: prepacked.Choice(True, True))
    kinds = {
        dtype: {type(m) for m in eegora.load_model(registry.names()[0], untrained=0, dtype=dtype).network.modules()}
        for dtype in ("float32", "float64")
    }
    assert prepacked.PrepackedLinear in kinds["float32"]
    assert prepacked.PrepackedLinear not in kinds["float64"]


def test_tf32_is_for_cuda():
    with pytest.raises(DeviceError) as caught:
        choose_device("cpu", "tf32")
    assert caught.value.code == "no_dtype"
    assert Device("cuda:0", "tf32", "test").torch_dtype == torch.float32


@pytest.mark.parametrize("name", ["cpu+compile", "auto+compile", "cuda+fast", "cuda:0+"])
def test_compiling_is_for_cuda(name):
    with pytest.raises(DeviceError) as caught:
        choose_device(name)
    assert caught.value.code == "no_device"
    assert name in str(caught.value)


def test_a_device_to_compile_for_is_the_same_device(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device("cuda:1+compile", "tf32") == Device("cuda:1", "tf32", "asked for, compiled", compiled=True)
    made = [accelerate(torch.nn.Identity(), choose_device(name), {"f": len})["f"] for name in ("cuda", "cuda+compile")]
    assert [function.__closure__[1].cell_contents.fuse for function in made] == [False, True]


@pytest.mark.parametrize(("dtype", "allowed"), [("float32", False), ("bfloat16", False), ("tf32", True)])
def test_tf32_only_where_it_was_asked_for_and_only_meanwhile(dtype, allowed):
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    with number_format(Device("cuda:0", dtype, "test")):
        assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == (allowed, allowed)
    assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == before


def test_moments_are_those_of_numpy():
    x = torch.from_numpy(np.random.RandomState(0).standard_normal((3, 50, 4, 2, 5)) + 7)
    variance, mean = moments(x, (1, 2, 4))
    np.testing.assert_allclose(mean.squeeze(), x.numpy().mean((1, 2, 4)), rtol=1e-12)
    np.testing.assert_allclose(variance.squeeze(), x.numpy().var((1, 2, 4)), rtol=1e-12)


def test_loading_a_model_leaves_torchs_switches_alone():
    with number_format(Device("cuda:0", "tf32", "test")):
        eegora.load_model(registry.names()[0], untrained=0, device="cpu")
        assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == (True, True)
