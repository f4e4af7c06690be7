import pytest

from eegora import registry
from eegora.benchmark import machine
from eegora.benchmark.sweeps import Plan


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    """No product of large matrices: its rate is not what is tested."""
    monkeypatch.setattr(machine, "product_rates", lambda device, threads=None: {"plain": 50.0, "packed": 100.0})


@pytest.fixture(scope="session")
def name():
    """The smallest variant there is."""
    every = ((v.parameters, registry.full_name(s, v)) for s in registry.specs().values() for v in s.variants)
    return min(every)[1]


@pytest.fixture
def plan(name):
    return Plan(models=(name,), batches=(1, 2), threads=(1,), warmup=1, runs=2, quick=True)
