"""What a column of times says: the rate, the gaps, or that the rows are out of order (spec preprocessing.md, section 9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eegora.errors import RecordingError

LONGEST = 10  # times the rows; the rest would be gaps


@dataclass(frozen=True)
class Clock:
    """Where the rows of a table stand in time.

    Parameters
    ----------
    sfreq : float
        Hz.
    n_times : int
        Samples, gaps included.
    samples : ndarray of int, shape (n_rows,)
        Sample of each row.
    gaps : tuple of (onset, duration)
        Seconds.
    notes : tuple of str
    """

    sfreq: float
    n_times: int
    samples: NDArray[np.int64]
    gaps: tuple[tuple[float, float], ...] = ()
    notes: tuple[str, ...] = ()


def no_clock(path: Path, sfreq: float | None, n_rows: int, *, has_times: bool) -> Clock:
    """Return the clock of a table whose rate only the user knows.

    Raises
    ------
    RecordingError
        ``needs_sfreq``.
    """
    if sfreq is None:
        raise RecordingError("needs_sfreq", f"{path.name} has no time column", hint="--sfreq 256 (in Python sfreq=256)")
    notes = ("sfreq was given: the time column was not used",) if has_times else ()
    return Clock(sfreq, n_rows, np.arange(n_rows), notes=notes)


def read_clock(
    path: Path, column: str, times: NDArray[np.float64], lines: NDArray[np.int64], texts: Sequence[str]
) -> Clock:
    """Read rate and gaps from times.

    Parameters
    ----------
    column : str
        The column's name, lower case.
    times : ndarray, shape (n_rows,)
        As printed: seconds or milliseconds.
    lines : ndarray of int, shape (n_rows,)
        Line of each row, for messages.
    texts : sequence of str
        Some of the times as text: they tell how precisely they were printed.

    Raises
    ------
    RecordingError
        ``time_order`` with the line, ``too_short``, ``discontinuous``.
    """
    if len(times) < 2:
        raise RecordingError("too_short", f"{path.name} holds one row", hint="a rate needs two rows at least")
    if not np.isfinite(times).all():
        row = int(np.argmin(np.isfinite(times)))
        raise RecordingError(
            "time_order", f"{path.name}, line {lines[row]}: time {times[row]:g}", hint="repair the time column"
        )
    steps = np.diff(times)
    wrong = np.flatnonzero(~(steps > 0))
    if len(wrong):
        raise _time_order(path, lines, wrong[0], times)
    digit = _last_digit(texts)
    step = float(np.median(steps))
    if column.rstrip("])").endswith("ms") or (step > 0.2 and abs(step - round(step)) < 1e-6):
        times, steps, step, digit = times / 1000, steps / 1000, step / 1000, digit / 1000
    is_gap = steps > 1.5 * step
    wrong = np.flatnonzero(~is_gap & (np.abs(steps - step) > 0.1 * step + digit))
    if len(wrong):
        raise _time_order(path, lines, wrong[0], times)
    sfreq = _rate(times, np.flatnonzero(is_gap), digit)
    extra = np.zeros(len(times), np.int64)
    extra[1:][is_gap] = np.rint(steps[is_gap] * sfreq).astype(np.int64) - 1
    samples = np.arange(len(times)) + np.cumsum(extra)
    if samples[-1] + 1 > LONGEST * len(times):
        raise RecordingError(
            "discontinuous",
            f"{path.name}: {len(times)} rows over {times[-1] - times[0]:g} s: most of it would be gaps",
            hint="cut the file into its continuous parts",
        )
    gaps = tuple(((int(samples[row - 1]) + 1) / sfreq, int(extra[row]) / sfreq) for row in np.flatnonzero(extra))
    notes = tuple(
        f"gap: {int(extra[row])} missing samples before line {lines[row]}, filled with zeros"
        for row in np.flatnonzero(extra)
    )
    return Clock(sfreq, int(samples[-1]) + 1, samples, gaps, notes)


def _rate(times: NDArray[np.float64], gaps: NDArray[np.intp], digit: float) -> float:
    """Return the rate of the longest stretch without a gap; an integer if it is one within what was printed.

    Not 1/median(dt): times printed with six decimals would turn 256 Hz into 256.016.
    """
    edges = np.concatenate(([-1], gaps, [len(times) - 1]))
    longest = int(np.argmax(np.diff(edges)))
    first, last = int(edges[longest]) + 1, int(edges[longest + 1])
    if last == first:
        return float(1 / np.median(np.diff(times)))
    span = times[last] - times[first]
    sfreq = float((last - first) / span)
    nearest = round(sfreq)
    near = nearest > 0 and abs(sfreq - nearest) <= max(1e-4 * sfreq, sfreq * digit / span)
    return float(nearest) if near else sfreq


def _last_digit(texts: Sequence[str]) -> float:
    """Return one unit of the last printed digit; 0 where exponents leave it open."""
    if any("e" in text.lower() for text in texts):
        return 0.0
    return float(10.0 ** -max(len(text.replace(",", ".").partition(".")[2]) for text in texts))


def _time_order(path: Path, lines: NDArray[np.int64], step: int, times: NDArray[np.float64]) -> RecordingError:
    return RecordingError(
        "time_order",
        f"{path.name}, line {lines[step + 1]}: time {times[step + 1]:g} after {times[step]:g}",
        hint="repair the time column, or give --sfreq if its rows are in order and evenly spaced",
    )
