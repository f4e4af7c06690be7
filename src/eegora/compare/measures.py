"""How far an answer is from the truth: error, correlation, ratio in decibels, spectrum. Knows arrays, not where they come from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eegora.signal import Array

BANDS = {"delta": (1.0, 4.0), "theta": (4.0, 8.0), "alpha": (8.0, 13.0), "beta": (13.0, 30.0), "gamma": (30.0, 45.0)}
SECONDS = 2.0  # of signal in one spectrum, where there are as many

Pieces = Sequence[tuple[int, int]]


def measures(truth: Array, answer: Array, sfreq: float, pieces: Pieces) -> dict[str, float]:
    """Hold an answer against the truth.

    Parameters
    ----------
    truth, answer : ndarray, shape (n_times,)
        Volts.
    sfreq : float
        Hz.
    pieces : sequence of (start, stop)
        Samples that count. A spectrum never spans two pieces.

    Returns
    -------
    dict
        ``nmse``, ``r``, ``snr_db``, ``spectral`` (1 to 45 Hz) and the spectral error of each of `BANDS`.
    """
    a, b = (np.concatenate([x[start:stop] for start, stop in pieces]) for x in (truth, answer))
    error = nmse(a, b)
    return {"nmse": error, "r": pearson(a, b), "snr_db": snr_db(error), **spectral(truth, answer, sfreq, pieces)}


def nmse(truth: Array, answer: Array) -> float:
    """Return the mean square error over the truth's mean square; NaN for a truth of zeros.

    0 is perfect, 1 is what zeros reach.
    """
    power = float(np.mean(np.square(truth)))
    return float(np.mean(np.square(truth - answer))) / power if power else float("nan")


def snr_db(error: float) -> float:
    """Return ten times the decimal logarithm of the truth's power over the error's, dB; infinite for no error.

    Parameters
    ----------
    error : float
        From `nmse`.
    """
    if error == 0:
        return float("inf")
    return 0.0 - 10 * float(np.log10(error))


def pearson(truth: Array, answer: Array) -> float:
    """Return the correlation of two signals, -1 to 1; NaN if one of them is constant."""
    a, b = truth - truth.mean(), answer - answer.mean()
    scale = float(np.linalg.norm(a)) * float(np.linalg.norm(b))
    constant = np.ptp(truth) == 0 or np.ptp(answer) == 0 or not scale
    return float("nan") if constant else float(np.clip(np.dot(a, b) / scale, -1, 1))


def spectral(truth: Array, answer: Array, sfreq: float, pieces: Pieces) -> dict[str, float]:
    """Return the mean absolute difference of the decimal logarithms of two power spectra.

    0.3 is a factor of two in power, whichever way.

    Returns
    -------
    dict
        ``spectral`` over 1 to 45 Hz, and one entry per band, upper edge excluded but for the last; NaN where no
        frequency of the spectrum lies in it, infinite where the answer has no power at all.
    """
    frequencies, powers = spectra(np.stack([truth, answer]), sfreq, pieces)
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = np.abs(np.diff(np.log10(powers), axis=0)[0])
    low, high = BANDS["delta"][0], BANDS["gamma"][1]
    inside = {"spectral": (frequencies >= low) & (frequencies <= high)}
    for name, (start, stop) in BANDS.items():
        inside[name] = (frequencies >= start) & (frequencies < stop if stop < high else frequencies <= stop)
    return {name: float(apart[mask].mean()) if mask.any() else float("nan") for name, mask in inside.items()}


def spectra(data: Array, sfreq: float, pieces: Pieces) -> tuple[Array, Array]:
    """Return Welch's power spectral density over pieces: Hann windows of two seconds that overlap by half.

    Where no piece is as long, windows have the length of the longest; pieces that are shorter than a window do not count.

    Returns
    -------
    frequencies : ndarray, shape (n_frequencies,)
        Hz.
    power : ndarray, shape (..., n_frequencies)
        Square of the data's unit per Hz.
    """
    from scipy.signal import welch

    length = min(round(SECONDS * sfreq), max(stop - start for start, stop in pieces))
    long = [(start, stop) for start, stop in pieces if stop - start >= length]
    found = [welch(data[..., start:stop], sfreq, nperseg=length, axis=-1) for start, stop in long]
    step = length - length // 2
    counts = [1 + (stop - start - length) // step for start, stop in long]
    return found[0][0], np.average([power for _, power in found], axis=0, weights=counts)
