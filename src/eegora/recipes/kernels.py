"""Resampling and FIR filters on arrays, equal to MNE's defaults, with NumPy alone. Knows no channel, no annotation and no step (`steps`).

Sources: preprocessing.md sections 2, 3 and 6.4. Time is the last axis; any leading axes are independent signals.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, lru_cache
from math import ceil, prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from eegora.signal import Array

# Signals up to this length (with the filter's reflections) are filtered by one transform, longer ones in blocks.
SHORT = 20_000
# Up to so many values all channels go through one call; beyond it one by one, so that a channel stays in the cache.
AT_ONCE = 1 << 18
# Overlap-save blocks of this length suit the caches; filters longer than a sixth of it get longer blocks.
BLOCK = 8192
# Two long transforms at a time share a pass over the twiddle factors in wide registers; with four the cache is too small.
PAIR = 2
# From this padded length on, resampling to a half, a quarter … of the rate leaves the samples alone that it keeps.
LONG = 1 << 14
# Bytes of an intermediate array that a thread keeps for the next signal.
KEPT = 1 << 22
# Bytes that glibc's allocator comes to keep at most, once it was given back an array of this size (`_keep_memory`).
LARGEST_KEPT = 31 << 20
# float32 counts samples exactly enough for windows; a continuous recording needs float64 (`nearest_index`).
FLOAT32_TIMES = 65_536
_kept = threading.local()


# ── resampling (section 2) ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Grid:
    """Where the samples of a whole recording lie before and after resampling.

    Parameters
    ----------
    n_times : int
        Input samples.
    sfreq, rate : float
        Hz, before and after.
    """

    n_times: int
    sfreq: float
    rate: float

    @property
    def padded(self) -> int:
        """Input samples with padding, a power of two: N."""
        least = self.n_times + 2 * min(self.n_times // 8, 100)
        return 1 << (least - 1).bit_length() if least > 0 else 0

    @property
    def left(self) -> int:
        """Samples of padding before the first: pl."""
        return (self.padded - self.n_times) // 2

    @property
    def out(self) -> int:
        """Output samples with padding: M."""
        return round(self.rate / self.sfreq * self.padded)

    @property
    def start(self) -> int:
        """Output samples before the first: s."""
        return round(self.rate / self.sfreq * self.left)

    @property
    def wanted(self) -> int:
        """Output samples: m."""
        return round(self.rate / self.sfreq * self.n_times)


def resample(data: Array, sfreq: float, rate: float, *, n_threads: int | None = None) -> Array:
    """Resample by FFT over the whole length, with odd reflection at both ends.

    Parameters
    ----------
    data : ndarray, shape (..., n_times), float64
    sfreq, rate : float
        Hz, before and after.
    n_threads : int, optional
        Channels of long signals are shared among so many threads; default `threads`. It changes no bit.

    Returns
    -------
    ndarray, shape (..., round(n_times * rate / sfreq))
        `data` itself if the rates agree to 1e-6. Empty if not one output sample is left.
    """
    if abs(sfreq - rate) <= 1e-6 * rate:
        return data
    grid = Grid(data.shape[-1], sfreq, rate)
    padded, left, out, start, wanted = grid.padded, grid.left, grid.out, grid.start, grid.wanted
    if wanted == 0 or out == 0:
        return np.empty((*data.shape[:-1], 0))
    if padded >= LONG and 1 < out < padded and padded % out == 0:
        return _thinned(data, grid, n_threads)

    def convert(x: Array, result: Array) -> None:
        extended = reflect(x, left, padded - grid.n_times - left, out=_room("extended", (*x.shape[:-1], padded)))
        spectrum = _rfft(extended)[..., : out // 2 + 1]
        fewer = min(padded, out)
        if fewer % 2 == 0:  # MNE halves the bin of equal lengths too
            spectrum[..., fewer // 2] *= 2.0 if out < padded else 0.5
        spectrum *= out / padded
        result[...] = _irfft(spectrum, out)[..., start : start + wanted]

    return _by_channel(convert, data, wanted, n_threads, PAIR)


def _thinned(data: Array, grid: Grid, n_threads: int | None) -> Array:
    """Resample to a half, a quarter … of the rate, with short transforms.

    With x_j the samples j, j + step, … of all N, the spectrum is X[k] = Σ_j w^jk X_j[k], w = exp(-2πi / N), and X_0 cut
    off at the new Nyquist bin is just that of x_0. So x_0 needs no transform, and the others need those of `out` samples.
    """
    padded, left, out, start, wanted = grid.padded, grid.left, grid.out, grid.start, grid.wanted
    step = padded // out
    turns = (_kept_turns if padded <= KEPT // 8 else _turns)(padded, step)  # those of a night are as large as a channel

    def turned(x: Array, j: int) -> NDArray[np.complex128]:
        signal = _phase(x, left, j, step, _room("signal", (*x.shape[:-1], out)))
        spectrum = _rfft(signal, "spectrum" if j == 1 else "further")
        spectrum *= turns[j - 1]
        return spectrum

    def convert(x: Array, result: Array) -> None:
        kept = _phase(x, left, 0, step, _room("extended", (*x.shape[:-1], out)))
        np.divide(kept[..., start : start + wanted], step, out=result)
        spectrum = turned(x, 1)
        for j in range(2, step):
            spectrum += turned(x, j)
        # MNE doubles the Nyquist bin: once more than is in x_0 already, where it is the sum with alternating signs.
        spectrum[..., -1] *= 2.0
        spectrum[..., -1] += (kept[..., ::2].sum(-1) - kept[..., 1::2].sum(-1)) / step
        result += _irfft(spectrum, out)[..., start : start + wanted]

    return _by_channel(convert, data, wanted, n_threads, PAIR)


def _phase(data: Array, left: int, j: int, step: int, out: Array) -> Array:
    """Return the samples j, j + step, … of a signal that `reflect` has extended by `left` samples before it, written to `out`."""
    n_times, n_out = data.shape[-1], out.shape[-1]
    first, last = -((j - left) // step), -((j - left - n_times) // step)  # of those that are the signal's own
    out[..., first:last] = data[..., j + step * first - left :: step]
    mirrored = data[..., left - j - step * (first - 1) : left - j + 1 : step]
    np.subtract(2 * data[..., :1], mirrored, out=out[..., :first][..., ::-1])
    end = 2 * (n_times - 1) + left - j
    mirrored = data[..., end - step * (n_out - 1) : end - step * last + 1 : step]
    np.subtract(2 * data[..., -1:], mirrored, out=out[..., last:][..., ::-1])
    return out


def _turns(n: int, step: int) -> NDArray[np.complex128]:
    """Return w^jk / step for j = 1 … step - 1 and every bin k that is kept, shape (step - 1, n / step / 2 + 1)."""
    angles = np.outer(np.arange(1, step), np.arange(n // step // 2 + 1) * (-2 * np.pi / n))
    turns = np.empty(angles.shape, np.complex128)
    np.cos(angles, out=turns.real)
    np.sin(angles, out=turns.imag)
    turns /= step
    return turns


_kept_turns = lru_cache(maxsize=4)(_turns)


def reflect(
    data: Array, left: int, right: int, *, zeros: int = 0, origin: Array | None = None, out: Array | None = None
) -> Array:
    """Extend by odd reflection at both ends; zeros where the signal is too short to be reflected.

    Parameters
    ----------
    data : ndarray, shape (..., n_times)
    left, right : int
        Samples to add.
    zeros : int
        Zeros to append after all.
    origin : ndarray, shape (..., 1), optional
        Constants to subtract first.
    out : ndarray, shape (..., left + n_times + right + zeros), optional
        Where to write.
    """
    n_times = data.shape[-1]
    stop = left + n_times
    extended = np.empty((*data.shape[:-1], stop + right + zeros)) if out is None else out
    inner = extended[..., left:stop]
    if origin is None:
        inner[...] = data
    else:
        np.subtract(data, origin, out=inner)
    before, after = min(left, n_times - 1), min(right, n_times - 1)
    np.subtract(2 * inner[..., :1], inner[..., before:0:-1], out=extended[..., left - before : left])
    mirrored = inner[..., n_times - 1 - after : n_times - 1][..., ::-1]
    np.subtract(2 * inner[..., -1:], mirrored, out=extended[..., stop : stop + after])
    extended[..., : left - before] = 0.0
    extended[..., stop + after :] = 0.0
    return extended


def nearest_index(n_times: int, wanted: int, start: int = 0, stop: int | None = None) -> NDArray[np.intp]:
    """Return which of `n_times` samples each of `wanted` output samples takes (spec preprocessing.md, section 6.4).

    Those from `start` to `stop`; default: all of them.

    Windows are counted in float32, as the original does; longer signals in float64, where float32 would skip samples.
    """
    kind = np.dtype(np.float32 if max(n_times, wanted) <= FLOAT32_TIMES else np.float64)
    ratio = np.array(n_times, kind) / np.array(wanted, kind)
    index: NDArray[np.intp] = np.floor(np.arange(start, wanted if stop is None else stop).astype(kind) * ratio).astype(
        np.intp
    )
    return np.minimum(index, n_times - 1)


# ── FIR design (section 3) ──────────────────────────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=64)
def design(sfreq: float, l_freq: float | None, h_freq: float | None) -> Array:
    """Return the taps of a high-pass, low-pass or band-pass filter: Hamming-windowed sinc, zero phase.

    Parameters
    ----------
    sfreq : float
        Hz.
    l_freq, h_freq : float or None
        Pass-band edges in Hz, 0 < l_freq, h_freq < sfreq / 2; None leaves that side open.

    Returns
    -------
    ndarray, shape (n_taps,), float64, read-only
        n_taps is odd.
    """
    bands: list[tuple[float, float, int]] = []
    if h_freq is not None:
        width = min(max(0.25 * h_freq, 2.0), sfreq / 2 - h_freq)
        bands.append((h_freq + width / 2, width, 1))
    if l_freq is not None:
        width = min(max(0.25 * l_freq, 2.0), l_freq)
        bands.append((l_freq - width / 2, width, -1))
    return _assemble(sfreq, bands, start_open=h_freq is None)


@lru_cache(maxsize=64)
def design_notch(sfreq: float, freqs: tuple[float, ...]) -> Array:
    """Return the taps of one band-stop filter at all of `freqs`, Hz, ascending and at least a stop band apart."""
    bands: list[tuple[float, float, int]] = []
    for below, above in notch_edges(freqs):
        bands += [(above - 0.25, 0.5, -1), (below + 0.25, 0.5, 1)]
    return _assemble(sfreq, bands, start_open=True)


def notch_edges(freqs: Sequence[float]) -> list[tuple[float, float]]:
    """Return the pass-band edges below and above each notch frequency, Hz."""
    return [(f - f / 400 - 0.5, f + f / 400 + 0.5) for f in freqs]


def _assemble(sfreq: float, bands: list[tuple[float, float, int]], *, start_open: bool) -> Array:
    """Add up low-pass filters (cut-off, transition width, sign), centred in the taps that the narrowest needs."""
    n_taps = ceil(3.3 / min(width for _, width, _ in bands) * sfreq)
    n_taps += 1 - n_taps % 2
    taps = np.zeros(n_taps)
    if start_open:
        taps[n_taps // 2] = 1.0
    for cutoff, width, sign in bands:
        length = round(3.3 * sfreq / width)
        length += 1 - length % 2
        offset = (n_taps - length) // 2
        taps[offset : n_taps - offset] += sign * _lowpass(cutoff / sfreq, length)
    taps.setflags(write=False)
    return taps


def _lowpass(cutoff: float, length: int) -> Array:
    """Return a Hamming-windowed sinc with DC gain 1; `cutoff` (-6 dB) in cycles per sample."""
    steps = np.arange(length)
    window = 0.54 - 0.46 * np.cos(2 * np.pi * steps / (length - 1))
    taps = 2 * cutoff * np.sinc(2 * cutoff * (steps - (length - 1) / 2)) * window
    return np.asarray(taps / taps.sum())


# ── FIR application (section 3) ─────────────────────────────────────────────────────────────────────────────────────


def convolve(data: Array, taps: Array, *, n_threads: int | None = None, out: Array | None = None) -> Array:
    """Filter with an odd, symmetric impulse response, without delay, on odd reflections of both ends.

    Parameters
    ----------
    data : ndarray, shape (..., n_times), float64
    taps : ndarray, shape (n_taps,)
    n_threads : int, optional
        Channels of long signals are shared among so many threads; default `threads`. It changes no bit.
    out : ndarray, shape (..., n_times), float64, optional
        Where to write; may be `data` itself.

    Returns
    -------
    ndarray, shape (..., n_times)
    """
    n_times, n_taps = data.shape[-1], len(taps)
    if n_times == 0:
        return data
    half = (n_taps - 1) // 2
    total = n_times + 2 * half
    block = fast_length(max(BLOCK, 6 * n_taps))
    block = fast_length(total) if total <= max(block, SHORT) else block
    response, gain = _response(taps.tobytes(), block)
    hop = block - n_taps + 1
    n_blocks = ceil(n_times / hop)
    zeros = (n_blocks - 1) * hop + block - total

    def convert(x: Array, result: Array) -> None:
        # An electrode at 100 mV would cost digits. Where the reflection covers the filter, constants pass by `gain`.
        origin = x[..., :1].copy() if n_times > half else None
        room = _room("extended", (*x.shape[:-1], total + zeros))
        extended = reflect(x, half, half, zeros=zeros, origin=origin, out=room)
        if n_blocks == 1:
            spectrum = _rfft(extended)
            spectrum *= response
            result[...] = _irfft(spectrum, block, "extended")[..., n_taps - 1 : n_taps - 1 + n_times]
            if origin is not None and abs(gain) > 1e-12:
                result += gain * origin
            return
        blocks = np.lib.stride_tricks.sliding_window_view(extended, block, axis=-1)[..., ::hop, :]  # overlap-save
        spectrum = _rfft(blocks)
        spectrum *= response
        filtered = _irfft(spectrum, block)[..., n_taps - 1 :]
        full = n_times // hop
        result[..., : full * hop].reshape(*x.shape[:-1], full, hop)[...] = filtered[..., :full, :]
        if n_times > full * hop:
            result[..., full * hop :] = filtered[..., full, : n_times - full * hop]
        if origin is not None and abs(gain) > 1e-12:
            result += gain * origin

    return _by_channel(convert, data, n_times, n_threads, out=out)


@lru_cache(maxsize=16)
def _response(taps: bytes, block: int) -> tuple[NDArray[np.complexfloating], float]:
    """Return the transform of the taps and their sum, kept because every recording of a corpus needs the same ones."""
    values = np.frombuffer(taps)
    return np.fft.rfft(values, n=block), float(values.sum())


@lru_cache(maxsize=256)
def fast_length(least: int) -> int:
    """Return the smallest 16 · 2^a 3^b 5^c that is at least `least`: lengths whose FFT is fast. Odd ones are not."""
    least = ceil(least / 16)
    best = 1 << max(least - 1, 0).bit_length()
    five = 1
    while five < best:
        three = five
        while three < best:
            best = min(best, three << max(ceil(least / three) - 1, 0).bit_length())
            three *= 3
        five *= 5
    return 16 * best


def threads() -> int:
    """Return how many threads to use: OMP_NUM_THREADS, as for the libraries below us, else the processors we may use."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdigit() and int(asked):
        return int(asked)
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(allowed, 8)


def _rfft(values: Array, name: str = "spectrum") -> NDArray[np.complex128]:
    spectrum = _room(name, (*values.shape[:-1], values.shape[-1] // 2 + 1), np.complex128)
    return np.fft.rfft(values, out=spectrum)


def _irfft(spectrum: NDArray[np.complexfloating], n: int, name: str = "signal") -> Array:
    return np.fft.irfft(spectrum, n=n, out=_room(name, (*spectrum.shape[:-1], n)))


def _room(name: str, shape: tuple[int, ...], dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """Return memory for an intermediate array, this thread's from last time if it is large enough: new pages cost as much as a transform."""
    n = prod(shape)
    have = _kept.__dict__.get(name)
    if have is None or len(have) < n:
        have = _kept.__dict__[name] = np.empty(n, dtype)
    return have[:n].reshape(shape)


def _by_channel(
    convert: Callable[[Array, Array], None],
    data: Array,
    n_out: int,
    n_threads: int | None,
    together: int = 1,
    out: Array | None = None,
) -> Array:
    """Apply a function that writes to its second argument: at once to few values, else to `together` channels at a time."""
    out = np.empty((*data.shape[:-1], n_out)) if out is None else out
    if data.size <= AT_ONCE:
        convert(data, out)
        return out
    _keep_memory()
    rows, made = data.reshape(-1, data.shape[-1]), out.reshape(-1, n_out)
    parts = [slice(first, first + together) for first in range(0, len(rows), together)]
    n_threads = min(n_threads or threads(), len(parts))
    if n_threads > 1:
        with ThreadPoolExecutor(n_threads) as pool:
            list(pool.map(lambda part: convert(rows[part], made[part]), parts))
    else:
        for part in parts:
            convert(rows[part], made[part])
        for name in [name for name, have in _kept.__dict__.items() if have.nbytes > KEPT]:
            del _kept.__dict__[name]
    return out


@cache
def _keep_memory() -> None:
    """Have the memory inside NumPy's transforms stay with the process from one call to the next.

    glibc gives blocks back to the system that are larger than any it was ever given back, and a transform of 2^19 points
    then spends half of its time on new pages. Where a model ran before, this has come about by itself.
    """
    np.empty(LARGEST_KEPT, np.uint8)
