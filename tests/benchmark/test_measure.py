"""Runs are taken in turn, and judged by the clock that counts. No test here looks at a real clock's value."""

import pytest

from eegora.benchmark.measure import Sample, Times, in_turn, ratio, timed


def test_ways_take_turns():
    order = []

    def way(name):
        return lambda: order.append(name) or Sample(2000.0, 1.0)

    found = in_turn({"a": way("a"), "b": way("b")}, warmup=1, runs=2, judged="wall")
    assert order == ["a", "b"] * 3
    assert [len(times.samples) for times in found.values()] == [2, 2]


def test_a_short_run_is_made_once_untimed():
    walls = iter([9.0, 1.0, 9.0, 1.0])
    found = in_turn({"a": lambda: Sample(next(walls), 0.0)}, warmup=0, runs=2, judged="wall")
    assert found["a"].median == 1.0


def test_it_ends_after_three_rounds_when_time_is_up():
    found = in_turn({"a": lambda: Sample(5000.0, 1.0)}, warmup=1, runs=50, judged="cpu", seconds=0.0)
    assert len(found["a"].samples) == 3


def test_long_runs_are_not_warmed_up_for_long():
    found = in_turn({"a": lambda: Sample(5000.0, 1.0)}, warmup=9, runs=50, judged="cpu", seconds=0.0)
    assert len(found["a"].samples) == 3
    order = []
    in_turn({"a": lambda: order.append(1) or Sample(5000.0, 1.0)}, warmup=9, runs=2, judged="cpu", seconds=0.0)
    assert len(order) == 1 + 2


def test_the_clock_that_counts_is_recorded():
    samples = tuple(Sample(wall, cpu) for wall, cpu in ((10.0, 1.0), (30.0, 3.0), (20.0, 2.0)))
    assert Times(samples, "cpu").median == 2.0
    record = Times(samples, "wall").record()
    assert (record["median"], record["min"], record["max"], record["clock"]) == (20.0, 10.0, 30.0, "wall")
    assert record["samples"] == [10.0, 30.0, 20.0]
    assert Times(samples[:1], "wall").record()["quartiles"] == [10.0, 10.0]


def test_a_ratio_has_the_range_of_its_rounds():
    slow = Times(tuple(Sample(0, cpu) for cpu in (10.0, 20.0, 30.0)), "cpu")
    fast = Times(tuple(Sample(0, cpu) for cpu in (5.0, 5.0, 5.0)), "cpu")
    assert ratio(slow, fast) == {"ratio": 4.0, "low": 2.0, "high": 6.0}


def test_timed_waits_before_and_after():
    calls = []
    sample = timed(lambda: calls.append("run"), lambda: calls.append("wait"))
    assert calls == ["wait", "run", "wait"]
    assert sample.wall >= 0 <= sample.cpu


def test_no_ways_no_times():
    with pytest.raises(KeyError):
        in_turn({}, warmup=0, runs=1, judged="wall")["a"]
