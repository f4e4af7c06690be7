"""Packed linear maps: the same numbers, only where they are allowed, chosen once per machine, and never a reason to fail."""

import copy
import json

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from eegora.compute import prepacked
from eegora.compute.prepacked import Choice, PrepackedLinear, choose, prepack
from eegora.layers.linear import linear_gelu

ALWAYS = Choice(True, True, True, True)


@pytest.fixture
def layer():
    """A map large enough to be packed, and what it was."""
    torch.manual_seed(0)
    plain = nn.Linear(192, 256).requires_grad_(False)
    packed = copy.deepcopy(plain)
    prepack(packed, ALWAYS)
    return plain, packed


def test_the_numbers_stay(layer):
    plain, packed = layer
    x = torch.randn(3, 40, 192)
    with torch.inference_mode():
        for rows in (x, x.transpose(0, 1), x[:, :30]):
            assert torch.allclose(packed(rows), plain(rows), rtol=0, atol=1e-5)
            assert torch.allclose(linear_gelu(packed, rows), F.gelu(plain(rows)), rtol=0, atol=1e-5)
    assert packed.packed is not None


def test_without_acceleration_linear_gelu_is_plain_torch(layer):
    plain, _ = layer
    x = torch.randn(5, 192)
    assert torch.equal(linear_gelu(plain, x), F.gelu(plain(x)))


def test_parameters_keep_their_names(layer):
    plain, packed = layer
    assert isinstance(packed, nn.Linear)
    assert {k: v.tolist() for k, v in packed.state_dict().items()} == {
        k: v.tolist() for k, v in plain.state_dict().items()
    }


def test_small_products_other_formats_and_gradients_stay_plain(layer):
    plain, packed = layer
    with torch.inference_mode():
        assert torch.equal(packed(torch.ones(2, 192)), plain(torch.ones(2, 192)))
    assert packed.packed is None
    x = torch.randn(64, 192, requires_grad=True)
    assert torch.equal(packed(x), plain(x))
    packed(x).sum().backward()
    assert x.grad is not None
    with torch.inference_mode():
        wide = copy.deepcopy(plain).double()
        assert torch.equal(packed.double()(x.double()), wide(x.double()))
    assert packed.packed is None


def test_a_changed_matrix_is_packed_anew(layer):
    _, packed = layer
    x = torch.randn(64, 192)
    with torch.no_grad():
        before = packed(x)
        packed.weight.mul_(2)
        packed.bias.mul_(2)
        assert torch.allclose(packed(x), 2 * before, atol=1e-5)
        packed.weight = nn.Parameter(torch.zeros(256, 192), requires_grad=False)
        assert torch.allclose(packed(x), packed.bias.expand(64, -1))
        state = {"weight": torch.ones(256, 192), "bias": torch.zeros(256)}
        packed.load_state_dict(state, assign=True)
        assert torch.allclose(packed(x), x.sum(-1, keepdim=True).expand(-1, 256), atol=1e-4)


def test_converted_parameters_are_packed_anew(layer):
    _, packed = layer
    x = torch.randn(64, 192)
    with torch.inference_mode():
        before = packed(x)
    packed.bfloat16().float()
    with torch.inference_mode():
        assert torch.allclose(packed(x), F.linear(x, packed.weight, packed.bias), atol=1e-5)
        assert not torch.allclose(packed(x), before, atol=1e-5)


def test_subclasses_stay_what_they_are():
    class Own(nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    class Same(nn.Linear):
        def forward(self, x):
            return F.linear(x.to(self.weight.dtype), self.weight, self.bias)

    torch.manual_seed(0)
    network = nn.Sequential(Own(192, 256), Same(256, 192), nn.LayerNorm(192)).requires_grad_(False)
    before = copy.deepcopy(network)
    prepack(network, ALWAYS)
    assert isinstance(network[0], Own)
    assert isinstance(network[1], Same)
    x = torch.randn(64, 192)
    with torch.inference_mode():
        assert torch.allclose(network(x), before(x), atol=1e-5)
        assert torch.equal(network(x.double()[:0].float()), before(x[:0]))
        assert torch.equal(network[1](torch.ones(64, 256).double()), before[1](torch.ones(64, 256)))
    assert network[0].packed is None
    assert network[1].packed is not None


def test_nothing_is_changed_where_nothing_is_gained():
    network = nn.Sequential(nn.Linear(2, 2))
    prepack(network, Choice())
    assert type(network[0]) is nn.Linear
    prepack(network, ALWAYS)
    prepack(network, ALWAYS)
    assert type(network[0]) is PrepackedLinear


def test_the_faster_one_is_kept():
    def clock_for(slow):
        """A clock on which one of the two ways in each pair takes longer."""
        ticks = {"now": 0.0, "calls": 0}

        def clock():
            ticks["calls"] += 1
            pair = (ticks["calls"] - 1) // 2 % 2  # 0 plain, 1 packed; start and end of each
            if ticks["calls"] % 2 == 0:
                ticks["now"] += 2.0 if pair == slow else 1.0
            return ticks["now"]

        return clock

    assert prepacked.measure(clock_for(slow=0)) == ALWAYS
    assert prepacked.measure(clock_for(slow=1)) == Choice()


def test_a_wrong_product_is_not_trusted(monkeypatch):
    monkeypatch.setattr(prepacked, "_product", lambda x, packed, bias, after="none": x.new_zeros(len(x), len(bias)))
    found = prepacked.measure()
    assert not found.plain
    assert not found.gelu


def test_a_wrong_attention_is_not_trusted(monkeypatch):
    monkeypatch.setattr(prepacked, "attend", lambda q, k, v: q.new_zeros(len(q), q.shape[2], q.shape[1] * q.shape[3]))
    found = prepacked.measure()
    assert not found.long
    assert not found.tiny


def test_a_torch_without_the_operations_stays_plain(monkeypatch):
    def missing(weight):
        raise AttributeError("no such operation")

    monkeypatch.setattr(prepacked, "_packed", missing)
    assert prepacked.measure() == Choice()


def test_the_choice_is_made_once(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(prepacked, "measure", lambda: calls.append(1) or Choice(True, False))
    assert choose(tmp_path) == choose(tmp_path) == Choice(True, False)
    assert len(calls) == 1
    (path,) = tmp_path.iterdir()
    assert json.loads(path.read_text()) == {"plain": True, "gelu": False, "long": False, "tiny": False}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"plain": 3, "gelu": true}', '{"other": true}', "\x00"])
def test_a_broken_cache_is_ignored_and_written_anew(tmp_path, monkeypatch, text):
    monkeypatch.setattr(prepacked, "measure", lambda: ALWAYS)
    choose(tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_text(text)
    assert choose(tmp_path) == ALWAYS
    assert json.loads(path.read_text()) == {"plain": True, "gelu": True, "long": True, "tiny": True}


def test_another_number_of_threads_is_another_choice(tmp_path, monkeypatch):
    monkeypatch.setattr(prepacked, "measure", lambda: ALWAYS)
    for n_threads in (1, 2):
        monkeypatch.setattr(torch, "get_num_threads", lambda n=n_threads: n)
        choose(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_folder_that_cannot_be_written_to_costs_nothing_but_time(tmp_path, monkeypatch):
    monkeypatch.setattr(prepacked, "measure", lambda: ALWAYS)
    file = tmp_path / "file"
    file.write_text("in the way")
    assert choose(file / "folder") == ALWAYS
