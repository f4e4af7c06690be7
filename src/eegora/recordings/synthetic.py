"""A recording that never was: seeded, shaped like EEG, for examples, tests and benchmarks. No number of it means anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eegora.recordings.channels import parse_label
from eegora.recordings.opening import raw_from_array, set_positions
from eegora.recordings.positions import head_position

if TYPE_CHECKING:
    import mne

Volts = NDArray[np.float64]

_ELECTRODES = "FP1 FP2 F3 F4 C3 C4 P3 P4 O1 O2 F7 F8 T3 T4 T5 T6 A1 A2 FZ CZ PZ"
TUH_NAMES = tuple(f"EEG {name}-REF" for name in _ELECTRODES.split())

_SMOOTH_M = 0.05  # how far neighbours share activity


def synthetic_raw(
    seconds: float = 60,
    seed: int = 0,
    ch_names: Sequence[str] = TUH_NAMES,
    sfreq: float = 256,
    *,
    line_freq: float = 60,
) -> mne.io.BaseRaw:
    """Make a recording: 1/f background, occipital alpha, frontal blinks, line noise; 10 to 50 µV.

    Parameters
    ----------
    seconds : float
    seed : int
        The same seed gives the same numbers; a longer recording is another one.
    ch_names : sequence of str
        Labels; those of known electrodes and derivations get the standard table's positions.
    sfreq, line_freq : float
        Hz; a line above the Nyquist frequency is left out.

    Returns
    -------
    mne.io.RawArray
        Volts, with a montage.

    Examples
    --------
    >>> len(synthetic_raw(seconds=2).ch_names)
    21
    """
    rng = np.random.default_rng(seed)
    n_times = round(seconds * sfreq)
    known = {label: place for label in ch_names if (place := _place(label, ch_names)) is not None}
    centre = np.zeros(3)
    places = np.array([known.get(label, centre) for label in ch_names])
    times = np.arange(n_times) / sfreq
    data = 12e-6 * _spread(rng, places) @ _pink(rng, len(ch_names), n_times, sfreq)
    data += 15e-6 * _near(places, "Oz", 0.06) * _alpha(rng, times)
    data += 90e-6 * _near(places, "Fpz", 0.04) * _blinks(rng, times)
    if line_freq < sfreq / 2:
        strength = 1e-6 * rng.uniform(0.5, 2.0, (len(ch_names), 1))
        data += strength * np.sin(2 * np.pi * line_freq * times)
    raw = raw_from_array(data, ch_names, sfreq, "synthetic")
    set_positions(raw, known)
    return raw


def _place(label: str, labels: Sequence[str]) -> NDArray[np.float64] | None:
    name = parse_label(label, labels).name
    return None if name is None else head_position(name)


def _pink(rng: np.random.Generator, n_channels: int, n_times: int, sfreq: float) -> Volts:
    """Return noise whose power falls as 1/f above 1 Hz, standard deviation 1, shape (n_channels, n_times)."""
    spectrum = np.fft.rfft(rng.standard_normal((n_channels, n_times)))
    spectrum /= np.sqrt(np.maximum(np.fft.rfftfreq(n_times, 1 / sfreq), 1.0))
    noise = np.fft.irfft(spectrum, n_times)
    return np.asarray(noise / noise.std())


def _spread(rng: np.random.Generator, places: Volts) -> Volts:
    """Return weights (n_channels, n_sources) by which neighbours share sources; every row has norm 1."""
    apart = np.linalg.norm(places[:, None] - places[None, :], axis=-1)
    weights = np.exp(-((apart / _SMOOTH_M) ** 2)) + 0.1 * rng.standard_normal(apart.shape)
    return np.asarray(weights / np.linalg.norm(weights, axis=1, keepdims=True))


def _near(places: Volts, electrode: str, reach: float) -> Volts:
    """Return how strongly each channel sees a source under an electrode, shape (n_channels, 1)."""
    apart = np.linalg.norm(places - np.asarray(head_position(electrode)), axis=1, keepdims=True)
    return np.asarray(np.exp(-((apart / reach) ** 2) / 2))


def _alpha(rng: np.random.Generator, times: Volts) -> Volts:
    """Return a 10 Hz rhythm that waxes and wanes over seconds."""
    waxing = 0.5 + 0.5 * np.sin(2 * np.pi * 0.11 * times + rng.uniform(0, 2 * np.pi))
    wander = 0.8 * np.sin(2 * np.pi * 0.23 * times + rng.uniform(0, 2 * np.pi))
    return np.asarray((0.3 + waxing) * np.sin(2 * np.pi * 10 * times + wander))


def _blinks(rng: np.random.Generator, times: Volts) -> Volts:
    """Return bumps of a fifth of a second, every three to seven seconds."""
    blinks, at = np.zeros_like(times), rng.uniform(0.5, 3)
    while len(times) and at < times[-1]:
        blinks += np.exp(-(((times - at) / 0.08) ** 2))
        at += rng.uniform(3, 7)
    return blinks
