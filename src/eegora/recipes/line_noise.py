"""Where line noise stands in a spectrum (spec preprocessing.md, section 6.1). What to do about it is the notch step's affair."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from eegora.signal import Array
from eegora.stream import times_in_a_piece

MAINS_HZ = (50.0, 60.0)
LINE_DB = 8.0  # above its neighbours; four averaged spectra of noise stay below
LINE_BLOCK_S = 2.0


def find_lines(data: Array, sfreq: float) -> tuple[float, ...]:
    """Find narrow peaks in the median spectrum of channels, shape (n_channels, n_times); else as `find_lines_in`."""
    return find_lines_in(lambda start, stop: data[:, start:stop], len(data), data.shape[-1], sfreq)


def find_lines_in(read: Callable[[int, int], Array], n_channels: int, n_times: int, sfreq: float) -> tuple[float, ...]:
    """Find narrow peaks in the median spectrum of channels that are read piece by piece.

    The segments of Welch's estimate do not overlap: each is read once, in order, and their sum is all that is kept.

    Parameters
    ----------
    read : callable
        (start, stop) → these samples of the good channels.
    n_channels, n_times : int
    sfreq : float
        Hz.

    Returns
    -------
    tuple of float
        Hz, ascending, at least 2 Hz apart; empty for fewer than 512 samples.
    """
    top = min(sfreq / 2 - 1, 250.0)
    if n_times < 512 or not n_channels or top <= 45.0:
        return ()
    from mne.time_frequency import psd_array_welch
    from scipy.signal import find_peaks, medfilt, peak_widths

    n_fft = min(4096, n_times)
    n_segments = n_times // n_fft
    many = max(1, times_in_a_piece(n_channels) // n_fft)
    power: Array | float = 0.0
    for first in range(0, n_segments, many):
        data = read(first * n_fft, min(first + many, n_segments) * n_fft)
        parts, freqs = psd_array_welch(data, sfreq, fmin=45.0, fmax=top, n_fft=n_fft, average=None, verbose="error")
        for i in range(parts.shape[-1]):  # one by one: the same sum whatever the size of a piece
            power = power + parts[..., i]
    power = np.asarray(power / n_segments)
    level = 10 * np.log10(np.maximum(np.median(power, axis=0), np.finfo(float).tiny))
    step = float(freqs[1] - freqs[0])
    kernel = max(3, round(5 / step) | 1)
    above = level - medfilt(level, min(kernel, len(level) - 1 | 1))
    peaks, _ = find_peaks(
        above, height=above.mean() + 4 * above.std(), prominence=2, width=(1, max(1, round(2 / step)))
    )
    widths = peak_widths(above, peaks, rel_height=0.5)[0] * step
    found: list[float] = []
    for freq in sorted({round(float(f), 2) for f in freqs[peaks[widths <= 2]]}):
        if not found or freq - found[-1] >= 2:
            found.append(freq)
    return tuple(found)


def line_noise(data: Array, sfreq: float) -> dict[float, float] | None:
    """Return how far the mains stand out of a signal, shape (n_channels, n_times); else as `line_noise_in`."""
    return line_noise_in(lambda start, stop: data[:, start:stop], data.shape[1], sfreq)


def line_noise_in(
    read: Callable[[int, int], Array], n_times: int, sfreq: float, most: int = 300
) -> dict[float, float] | None:
    """Return how far 50 and 60 Hz stand above their neighbours, dB, where they do.

    Parameters
    ----------
    read : callable
        (start, stop) → these samples, shape (n_channels, stop - start).
    n_times : int
    sfreq : float
        Hz.
    most : int
        Stretches of two seconds to look at.

    Returns
    -------
    dict of float to float, or None
        Median over channels; None if five seconds are not there, or the rate is too low, to tell.
    """
    length = round(LINE_BLOCK_S * sfreq)
    starts = np.arange(0, n_times - length + 1, length // 2 or 1)
    if len(starts) < 4 or MAINS_HZ[0] + 6 > sfreq / 2:
        return None
    if len(starts) > most:
        starts = starts[np.linspace(0, len(starts) - 1, most).astype(np.intp)]
    power: Array = np.zeros((1, length // 2 + 1))
    for start in map(int, starts):
        block = read(start, start + length)
        power = power + np.abs(np.fft.rfft((block - block.mean(axis=1, keepdims=True)) * np.hanning(length))) ** 2
    power = power[power.any(axis=1)]
    freqs = np.fft.rfftfreq(length, 1 / sfreq)
    found = {}
    for line in MAINS_HZ:
        off = np.abs(freqs - line)
        around = power[:, (off >= 1.5) & (off <= 6)]
        if line + 6 > sfreq / 2 or not len(power):
            continue
        ratio = power[:, off <= 0.75].mean(axis=1) / np.maximum(np.median(around, axis=1), np.finfo(float).tiny)
        level = float(10 * np.log10(np.maximum(np.median(ratio), np.finfo(float).tiny)))
        if level >= LINE_DB:
            found[line] = round(level, 1)
    return found
