"""Times of several ways to do one thing, taken in turn so that a busy machine is as unfair to each. Knows no model."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

SHORT = 1000.0  # milliseconds; a run that takes longer makes its caches as it goes
LEAST = 3  # rounds that count, however little time there is
# What every row of the bars has, for rows that have no such thing.
BAR_ROW: dict[str, Any] = dict.fromkeys(
    ("peer", "batch", "threads", "peer_ms", "ratio", "bar", "max_abs_diff", "roofline")
)


@dataclass(frozen=True)
class Sample:
    """One run.

    Parameters
    ----------
    wall, cpu : float
        Milliseconds by the clock, and of processor time over all threads.
    """

    wall: float
    cpu: float


@dataclass(frozen=True)
class Times:
    """Runs of one way.

    Parameters
    ----------
    samples : tuple of Sample
    judged : str
        Which clock counts: ``cpu`` on one CPU thread, where other programs' work then does not; else ``wall``.
    """

    samples: tuple[Sample, ...]
    judged: str

    @property
    def median(self) -> float:
        """Milliseconds by the clock that counts."""
        return statistics.median(self._values)

    @property
    def _values(self) -> list[float]:
        return [getattr(sample, self.judged) for sample in self.samples]

    def record(self) -> dict[str, Any]:
        """Return median, quartiles, extremes and every sample, in milliseconds."""
        low, _, high = statistics.quantiles(self._values, n=4) if len(self._values) > 1 else self._values * 3
        return {
            "median": round(self.median, 4),
            "quartiles": [round(low, 4), round(high, 4)],
            "min": round(min(self._values), 4),
            "max": round(max(self._values), 4),
            "clock": self.judged,
            "wall_median": round(statistics.median(s.wall for s in self.samples), 4),
            "samples": [round(value, 4) for value in self._values],
        }


class Budget:
    """Seconds for measurements in a row, from now on: each may take an equal part of what those before it have left.

    Parameters
    ----------
    seconds : float
    parts : int
        How many measurements there will be.
    """

    def __init__(self, seconds: float, parts: int) -> None:
        self._end, self._parts = time.perf_counter() + seconds, parts

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return max(0.0, self._end - time.perf_counter())

    def part(self) -> float:
        """Return the seconds of the next measurement."""
        part = self.left / max(1, self._parts)
        self._parts -= 1
        return part

    def too_little(self, ms: float, ways: int = 1) -> str | None:
        """Return what to say where the fewest rounds of runs of so many milliseconds would not fit, else None."""
        least = (LEAST + 1) * ways * ms / 1e3 * (2 if ms < SHORT else 1)
        if least <= self.left:
            return None
        return f"left out: takes about {least:.2g} s, {self.left:.2g} s were left; more with --seconds"


def timed(run: Callable[[], Any], wait: Callable[[], Any] = lambda: None) -> Sample:
    """Time one run.

    Parameters
    ----------
    run : callable
    wait : callable
        Returns when the device has finished.
    """
    wait()
    cpu, wall = time.process_time(), time.perf_counter()
    run()
    wait()
    return Sample((time.perf_counter() - wall) * 1e3, (time.process_time() - cpu) * 1e3)


def in_turn(
    ways: Mapping[str, Callable[[], Sample]], *, warmup: int, runs: int, judged: str, seconds: float = 60.0
) -> dict[str, Times]:
    """Run one way after the other, round after round: each once to bring its parameters into the caches, then once timed.

    Parameters
    ----------
    ways : dict of str to callable
        Each makes one run and says how long it took.
    warmup, runs : int
        Rounds; the first ones do not count.
    judged : str
        ``cpu`` or ``wall``.
    seconds : float
        After this time no new round begins, but for the third that counts, and every round but the first counts.
    """
    found: dict[str, list[Sample]] = {name: [] for name in ways}
    start, counted = time.perf_counter(), 0
    for i in range(warmup + runs):
        late = time.perf_counter() - start > seconds
        if counted >= min(LEAST, runs) and (late or counted == runs):
            break
        counts = i >= warmup or (i > 0 and late)
        for name, way in ways.items():
            sample = way()
            if sample.wall < SHORT:
                sample = way()
            if counts:
                found[name].append(sample)
        counted += counts
    return {name: Times(tuple(samples), judged) for name, samples in found.items()}


def ratio(slow: Times, fast: Times) -> dict[str, float]:
    """Return how many times faster: of the medians, and the range over the rounds' own ratios."""
    pairs = zip(slow.samples, fast.samples, strict=True)
    each = sorted(getattr(a, slow.judged) / max(getattr(b, fast.judged), 1e-9) for a, b in pairs)
    return {
        "ratio": round(slow.median / max(fast.median, 1e-9), 3),
        "low": round(each[0], 3),
        "high": round(each[-1], 3),
    }
