"""Resampling of recordings too long for one transform: block by block, on the grid that the transform of the whole would have.

Source: preprocessing.md section 10, steps 1 to 3. `kernels.resample` is the exact way, which blocks follow to 1e-3.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from eegora.recipes.kernels import Grid
from eegora.signal import Array

LONGEST = 1 << 24  # samples with padding that one transform takes
BLOCK_S = 300.0  # of output; whole seconds keep the lengths of the transforms smooth (docs/decisions/0008)
NOTE = f"resample: blocks of {BLOCK_S:g} s, within about 1e-3 of one transform of the whole recording"
MARGIN_S = 30.0  # on both sides, thrown away

Read = Callable[[int, int], Array]  # samples start … stop of the input, shape (n_rows, stop - start)


def in_blocks(grid: Grid) -> bool:
    """Say whether one transform of the whole would be too long."""
    return grid.padded > LONGEST


def resample(data: Array, sfreq: float, rate: float, *, block_s: float | None = None) -> Array:
    """Resample an array in blocks, row by row.

    Parameters
    ----------
    data : ndarray, shape (..., n_times), float64
    sfreq, rate : float
        Hz, before and after.
    block_s : float, optional
        Seconds per block; default `BLOCK_S`.

    Returns
    -------
    ndarray, shape (..., round(n_times * rate / sfreq))
    """
    grid = Grid(data.shape[-1], sfreq, rate)
    block_s = BLOCK_S if block_s is None else block_s
    length = round(block_s * rate)
    rows = data.reshape(-1, data.shape[-1])
    out = np.empty((len(rows), grid.wanted))
    for i in range(len(rows)):  # one after the other: a block of all rows would be large
        row = rows[i : i + 1]
        for first in range(0, grid.wanted, length):
            stop = min(first + length, grid.wanted)
            out[i : i + 1, first:stop] = block(partial(_some, row), grid, first, stop, block_s)
    return out.reshape(*data.shape[:-1], grid.wanted)


def block(read: Read, grid: Grid, first: int, stop: int, block_s: float) -> Array:
    """Return the output samples `first` … `stop` of a recording.

    Parameters
    ----------
    read : callable
    grid : Grid
        Of the whole recording.
    first, stop : int
        At most `block_s` seconds.
    block_s : float
        Seconds for which input is taken, also where a last block has fewer.

    Returns
    -------
    ndarray, shape (n_rows, stop - first), float64
    """
    n_in = round((block_s + 2 * MARGIN_S) * grid.sfreq)
    n_out = round(n_in * grid.rate / grid.sfreq)
    place = first + grid.start  # on the padded recording's output grid
    begin = place * grid.padded // grid.out - round(MARGIN_S * grid.sfreq)
    ahead = place * grid.padded / grid.out - begin  # input samples from there to the first output sample
    skipped = int(np.floor(ahead * n_out / n_in))
    centre = (stop - 1 - first) / 2
    step, own_step = grid.padded / grid.out, n_in / n_out  # input samples per output sample: wanted, and the block's
    shift = ahead + centre * step - (skipped + centre) * own_step
    drift = (np.arange(stop - first) - centre) * (step - own_step)
    fewer = min(n_in, n_out)
    bins = np.arange(fewer // 2 + 1)
    phase = np.exp(2j * np.pi * shift / n_in * bins)
    slope = 2j * np.pi / n_in * bins
    if fewer % 2 == 0:  # the Nyquist bin has no phase; the rule of equal lengths as in section 2
        phase[-1] = phase[-1].real * (2.0 if n_out < n_in else 0.5)
        slope[-1] = 0.0
    phase *= n_out / n_in
    extended = _extended(read, grid, begin, begin + n_in)
    result = np.empty((len(extended), stop - first))
    for row, values in zip(extended, result, strict=True):  # one channel's spectrum at a time
        spectrum = np.fft.rfft(row)[: fewer // 2 + 1] * phase
        values[:] = np.fft.irfft(spectrum, n=n_out)[skipped : skipped + len(values)]
        if drift.any():
            values += drift * np.fft.irfft(spectrum * slope, n=n_out)[skipped : skipped + len(values)]
    return result


def _some(rows: Array, start: int, stop: int) -> Array:
    return rows[:, start:stop]


def _extended(read: Read, grid: Grid, begin: int, end: int) -> Array:
    """Return samples of the padded recording, which is a circle: odd reflections at both ends, zeros where they end."""
    n, left, whole = grid.n_times, grid.left, grid.padded
    reach = min(left, n - 1), min(whole - left - n, n - 1)
    parts = []
    while begin < end:
        at = begin % whole - left  # in samples of the recording
        if at >= 0 and at < n:
            size = min(end - begin, n - at)
            parts.append(read(at, at + size))
        elif at >= n + reach[1] or at < -reach[0]:
            size = min(end - begin, (whole - left if at >= n else -reach[0]) - at)
            parts.append(np.zeros((len(parts[0]) if parts else len(read(0, 1)), size)))
        elif at < 0:
            size = min(end - begin, -at)
            parts.append(2 * read(0, 1) - read(-at - size + 1, -at + 1)[:, ::-1])
        else:
            size = min(end - begin, n + reach[1] - at)
            last = 2 * (n - 1) - at  # mirrored about the last sample
            parts.append(2 * read(n - 1, n) - read(last - size + 1, last + 1)[:, ::-1])
        begin += size
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)
