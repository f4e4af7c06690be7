"""The rate of a short product, and the time that follows from it."""

import pytest

from eegora.compute import rate
from eegora.compute.device import choose_device


def test_a_rate_is_measured_once_and_time_follows_from_it(monkeypatch):
    monkeypatch.setattr(rate, "_seconds", lambda x, weight: calls.append(x.dtype) or 2.0)
    calls = []
    rate.product_rate.cache_clear()
    try:
        cpu = choose_device("cpu")
        assert rate.product_rate(cpu) == rate.product_rate(cpu) == pytest.approx(2 * 512 * 1024 * 1024 / 2.0)
        assert len(calls) == 1 + rate.RUNS
        assert rate.seconds_for(1e12, cpu) == pytest.approx(1e12 / (rate.SHARE * rate.product_rate(cpu)))
    finally:
        rate.product_rate.cache_clear()
