"""Runs are taken in turn, and judged by the clock that counts. No test here looks at a real clock's value."""

import pytest

from eegora.benchmark.measure import Budget, Sample, Times, in_turn, ratio, timed


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


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""
    now = [100.0]
    monkeypatch.setattr("eegora.benchmark.measure.time.perf_counter", lambda: now[0])
    return now


def test_a_budget_gives_each_an_equal_part_of_what_is_left(clock):
    budget = Budget(12.0, 3)
    assert budget.part() == 4
    clock[0] += 2
    assert budget.part() == 5
    clock[0] += 20
    assert budget.part() == budget.left == 0


def test_what_does_not_fit_is_told_with_both_times(clock):
    budget = Budget(12.0, 1)
    assert budget.too_little(3000.0) is None
    assert budget.too_little(3000.0, ways=2) == "left out: takes about 24 s, 12 s were left; more with --seconds"
    assert budget.too_little(900.0, ways=2) is not None  # a short run is made twice
    assert budget.too_little(900.0) is None
