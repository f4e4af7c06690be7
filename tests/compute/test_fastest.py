"""The fastest right way is kept per shape; what is wrong or slower is not; nothing is timed unless it was opened."""

import pytest
import torch

from eegora.compute import fastest as module
from eegora.compute.accelerate import number_format
from eegora.compute.device import Device
from eegora.compute.fastest import TimedLinear, choose_linears, choosing, fastest, linear_ways, same


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setattr(module, "_kept", {})


def ways(calls):
    """Three ways to make ones; the last is the fastest and wrong."""

    def way(name, value):
        return lambda: calls.append(name) or torch.full((2,), value)

    return {"plain": way("plain", 1.0), "quick": way("quick", 1.0), "wrong": way("wrong", 2.0)}


def clock(seconds):
    def measured(way):
        before = len(calls)
        way()
        return seconds[calls[before]]

    calls = []
    return calls, measured


def test_the_fastest_right_way_is_kept():
    calls, measured = clock({"plain": 2.0, "quick": 1.0, "wrong": 0.1})
    with choosing():
        assert torch.equal(fastest(("a", 1), ways(calls), measured), torch.ones(2))
    calls.clear()
    fastest(("a", 1), ways(calls))
    fastest(("a", 2), ways(calls))  # another shape: not timed, so plain
    assert calls == ["quick", "plain"]


def test_a_slower_way_is_not_taken():
    calls, measured = clock({"plain": 1.0, "quick": 2.0})
    with choosing():
        fastest(("a",), ways(calls), measured)
    calls.clear()
    fastest(("a",), ways(calls))
    assert calls == ["plain"]


def test_a_number_format_chooses_for_itself():
    calls, measured = clock({"plain": 2.0, "quick": 1.0})
    with choosing(), number_format(Device("cuda:0", "tf32", "test")):
        fastest(("a",), ways(calls), measured)
        calls.clear()
        fastest(("a",), ways(calls))
    with number_format(Device("cuda:0", "float32", "test")):
        fastest(("a",), ways(calls))
    assert calls == ["quick", "plain"]


def test_outside_nothing_is_timed():
    calls, measured = clock({})
    fastest(("a",), ways(calls), measured)
    assert calls == ["plain"]
    assert not module._kept


def test_a_way_that_fails_is_left_out():
    def broken():
        raise RuntimeError("no such kernel")

    calls, measured = clock({"plain": 1.0})
    with choosing():
        out = fastest(("a",), {"plain": ways(calls)["plain"], "broken": broken}, measured)
    assert torch.equal(out, torch.ones(2))
    assert set(module._kept.values()) == {"plain"}


@pytest.mark.parametrize("shape", [(5, 3), (2, 5, 3), (2, 2, 2, 3)])
def test_every_way_of_a_linear_map_gives_the_same(shape):
    draw = torch.Generator().manual_seed(0)
    x, weight, bias = (torch.randn(*n, generator=draw) for n in (shape, (4, 3), (4,)))
    found = {name: way() for name, way in linear_ways(x, weight, bias).items()}
    for out in found.values():
        assert out.shape == (*shape[:-1], 4)
        assert same(out, found["together"])


def test_linear_maps_of_a_network_choose_and_keep_their_names():
    class Own(torch.nn.Linear):
        def forward(self, x):
            return super().forward(x) * 2

    network = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 3, bias=False), Own(3, 3))
    names, x = list(network.state_dict()), torch.ones(2, 3)
    before = network(x)
    choose_linears(network)
    assert [type(module) for module in network] == [TimedLinear, torch.nn.Linear, Own]
    assert list(network.state_dict()) == names
    assert torch.equal(network(x), before)


def test_results_are_judged_by_their_format():
    one = torch.ones(4)
    assert same(one, one)
    assert not same(one, one + 1e-3)
    assert not same(one, one[:2])
    assert same(one.half(), (one + 1e-2).half())
    assert not same(one, one * float("nan"))
    with number_format(Device("cuda:0", "tf32", "test")):
        assert same(one, one + 1e-3)
        assert not same(one, one + 1e-2)
        assert not same(one.double(), one.double() + 1e-3)
