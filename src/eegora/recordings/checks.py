"""What MNE hands through and a model must not get: NaN, dead channels, impossible units. Works on arrays, knows no file."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from eegora.errors import RecordingError
from eegora.signal import runs

Volts = NDArray[np.float64]
NonFinite = Literal["refuse", "interpolate", "keep"]

LONGEST_REPAIR_S = 0.1
NOISY = 5.0  # times the median channel
PLAUSIBLE_STD_V = (0.05e-6, 5e-3)  # of a single channel: spec preprocessing.md, section 7
LIKELY_STD_V = (0.05e-6, 0.5e-3)  # of the median channel: five times what large EEG varies by within a second
LEAST_RATE_HZ = 1e-6  # a sample in eleven days: below it lengths in seconds are no numbers any more
SQUARABLE = (1e-100, 1e100)  # numbers whose squares float64 holds
PLAUSIBLE_RATE_HZ = (20.0, 100_000.0)


def check_rate(sfreq: float, recording: str) -> None:
    """Refuse a sampling rate that is none.

    Raises
    ------
    RecordingError
        ``bad_rate`` unless it is finite and at least `LEAST_RATE_HZ`.
    """
    if not (np.isfinite(sfreq) and sfreq >= LEAST_RATE_HZ):
        raise RecordingError(
            "bad_rate", f"{recording}: a sampling rate of {sfreq:g} Hz", hint="correct the file's header"
        )


def finite(
    data: Volts, names: Sequence[str], sfreq: float, recording: str, policy: NonFinite, lines: NDArray[np.int64] | None
) -> tuple[Volts, tuple[str, ...], tuple[str, ...]]:
    """Refuse or repair samples that are no numbers.

    Parameters
    ----------
    data : ndarray, shape (n_channels, n_times)
    policy : str
        ``refuse``; ``interpolate``: linearly over stretches up to 0.1 s; a channel with a longer one becomes bad
        and zero; ``keep``: for those who fill them.
    lines : ndarray of int, shape (n_times,), optional
        Line of the text file of each sample, for the message.

    Returns
    -------
    data : ndarray
        The same array if nothing was wrong.
    bads : tuple of str
        Channels that became bad.
    notes : tuple of str

    Raises
    ------
    RecordingError
        ``non_finite`` with the first channel, its time and number of samples.
    """
    # A sum is finite only if every term is: one pass and no mask in the usual case.
    with np.errstate(invalid="ignore", over="ignore"):
        if np.isfinite(data.sum()):
            return data, (), ()
        hit = [i for i, row in enumerate(data) if not np.isfinite(row.sum()) and not np.isfinite(row).all()]
    if not hit:
        return data, (), ()
    holes = {i: np.flatnonzero(~np.isfinite(data[i])) for i in hit}
    told = [told_of_hole(names[i], where[0], len(where), sfreq, lines) for i, where in holes.items()]
    if policy == "refuse":
        raise not_numbers(told, recording)
    if policy == "keep":
        return data, (), tuple(f"{text} not a number: missing" for text in told)
    data, bads, notes = data.copy(), [], []
    for i, text in zip(hit, told, strict=True):
        repaired = _repaired(data[i], longest_repair(sfreq))
        if repaired is None:
            bads.append(names[i])
        data[i] = 0 if repaired is None else repaired
        notes.append(mended_note(text, repaired is not None))
    return data, tuple(bads), tuple(notes)


def longest_repair(sfreq: float) -> int:
    """Return how many samples in a row may be interpolated: those of 0.1 s, none begun."""
    return int(LONGEST_REPAIR_S * sfreq + 1e-6)


def told_of_hole(name: str, first: int, count: int, sfreq: float, lines: NDArray[np.int64] | None = None) -> str:
    """Say where a channel is not a number, and for how many samples."""
    line = f" (line {lines[first]})" if lines is not None else ""
    return f"{name}, {first / sfreq:.6f} s{line}, {count} sample{'s' if count > 1 else ''}"


def not_numbers(told: Sequence[str], recording: str) -> RecordingError:
    """Return the error for channels that hold NaN or infinite samples."""
    return RecordingError(
        "non_finite",
        f"{recording}: not a number in {'; '.join(told[:3])}" + (" …" if len(told) > 3 else ""),
        hint='repair the file, or --non-finite interpolate (in Python non_finite="interpolate")',
    )


def mended_note(text: str, mended: bool) -> str:
    """Say what became of samples that were no numbers."""
    return f"{text} not a number: {'interpolated' if mended else 'channel set to 0 and bad'}"


def constant(data: Volts, names: Sequence[str], recording: str) -> tuple[str, ...]:
    """Report channels that never change.

    Raises
    ------
    RecordingError
        ``constant_data`` if no channel changes.
    """
    halfway = data.shape[1] // 2  # two samples that differ spare the look at all of them
    flat = [n for n, row in zip(names, data, strict=True) if row[0] == row[halfway] and row.min() == row.max()]
    return flat_notes(flat, names, recording)


def flat_notes(flat: Sequence[str], names: Sequence[str], recording: str) -> tuple[str, ...]:
    """Report channels that never change; errors as in `constant`."""
    if len(flat) == len(names):
        raise RecordingError(
            "constant_data",
            f"{recording}: all {len(names)} EEG channels are constant",
            hint="check that the amplifier was recording and that the right channels were chosen",
        )
    return (f"flat over the whole recording: {', '.join(flat)}",) if flat else ()


def stds(data: NDArray[np.floating], sfreq: float) -> Volts:
    """Return how much each channel varies within a second, shape (n_channels,); the median of at most 8 such seconds."""
    length = max(1, min(round(sfreq), data.shape[1]))
    n = min(8, data.shape[1] // length)
    blocks = np.empty((len(data), n, length))
    for i in range(n):
        start = i * (data.shape[1] - length) // max(n - 1, 1)
        # Less its first sample: leaves exactly nothing of a constant, and little of an offset.
        np.subtract(data[:, start : start + length], data[:, start : start + 1], out=blocks[:, i])
    with np.errstate(over="ignore", invalid="ignore"):
        found = _deviations(blocks)
    if (found > SQUARABLE[0]).all() and (found < SQUARABLE[1]).all():
        return found
    # A dead channel, or absurd numbers, whose squares are none.
    largest = np.maximum(np.maximum(blocks.max(axis=(1, 2)), -blocks.min(axis=(1, 2))), np.finfo(float).tiny)
    return np.asarray(_deviations(blocks / largest[:, None, None]) * largest)


def _deviations(blocks: Volts) -> Volts:
    """Return the deviation of each channel about its means of a second, which is a high-pass near 0.5 Hz."""
    squares = np.vecdot(blocks, blocks) - blocks.sum(axis=2) ** 2 / blocks.shape[2]
    return np.asarray(np.sqrt(np.maximum(squares, 0.0).mean(axis=1) / blocks.shape[2]))


def plausible_unit(data: NDArray[np.floating], names: Sequence[str], sfreq: float) -> tuple[str, ...]:
    """Report amplitudes that EEG in volts does not have; nothing is ever rescaled."""
    found = stds(data, sfreq)
    std = median([v for v in found.tolist() if v > 0] or [0.0])  # a dead channel says nothing of the unit
    low, high = LIKELY_STD_V
    if not low <= std <= high:
        return (
            f"unit? the median channel varies by {std * 1e6:.3g} µV, EEG by 1 to 100 µV; if the unit is wrong: --units"
            " (in Python units=)",
        )
    high = PLAUSIBLE_STD_V[1]
    wild = [f"{name} by {float(value) * 1e6:.3g} µV" for name, value in zip(names, found, strict=True) if value > high]
    return (f"unit? more than EEG can vary: {', '.join(wild)}; leave them out, or mark them bad",) if wild else ()


def louder(names: Sequence[str], spread: Volts) -> dict[str, float]:
    """Return the channels that are far louder than the others, and how many times the median one.

    Parameters
    ----------
    names : sequence of str
    spread : ndarray, shape (n_channels,)
        How much each varies; fewer than four that vary cannot tell.
    """
    values = spread.tolist()
    alive = [value for value in values if value > 0]
    if len(alive) < 4:
        return {}
    middle = median(alive)
    return {name: value / middle for name, value in zip(names, values, strict=True) if value > NOISY * middle}


def plausible_rate(sfreq: float) -> tuple[str, ...]:
    """Report a rate that no EEG is recorded at."""
    low, high = PLAUSIBLE_RATE_HZ
    if low <= sfreq <= high:
        return ()
    return (f"rate? {sfreq:g} Hz; EEG is recorded at {low:g} to {high:g} Hz: is the file's header right?",)


def _repaired(row: Volts, longest: int) -> Volts | None:
    """Interpolate stretches of at most `longest` samples that have neighbours on both sides; None if there are others."""
    wrong = ~np.isfinite(row)
    if wrong[0] or wrong[-1] or max(stop - start for start, stop in runs(wrong)) > longest:
        return None
    at = np.arange(len(row))
    return np.interp(at, at[~wrong], row[~wrong])
