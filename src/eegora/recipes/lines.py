"""Where line noise stands in a spectrum (spec preprocessing.md, section 6.1). What to do about it is the notch step's affair."""

from __future__ import annotations

import numpy as np

from eegora.signal import Array


def find_lines(data: Array, sfreq: float) -> tuple[float, ...]:
    """Find narrow peaks in the median spectrum of channels.

    Parameters
    ----------
    data : ndarray, shape (n_channels, n_times)
        Good channels only.
    sfreq : float
        Hz.

    Returns
    -------
    tuple of float
        Hz, ascending, at least 2 Hz apart; empty for fewer than 512 samples.
    """
    if data.shape[-1] < 512 or not len(data):
        return ()
    from mne.time_frequency import psd_array_welch
    from scipy.signal import find_peaks, medfilt, peak_widths

    n_fft = min(4096, data.shape[-1])
    top = min(sfreq / 2 - 1, 250.0)
    if top <= 45.0:
        return ()
    power, freqs = psd_array_welch(data, sfreq, fmin=45.0, fmax=top, n_fft=n_fft, verbose="error")
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
