"""Steps on the numbers themselves: units, baselines, z-scores, limits. Time is `time_steps`', channels are `channel_steps`' affair."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eegora.errors import RecordingError, UsageError
from eegora.recipes.undo import State, flagged, lossy, noted, rescaled, spare, valid
from eegora.recordings.units import per_volt
from eegora.signal import Array, Signal
from eegora.windows import Windows

ROUNDING = 2.0**-53  # of a number in float64


def scale(state: State, *, unit: str | None = None, factor: float | None = None) -> State:
    """Turn volts into another unit (``mV``, ``uV``, ``nV``), or multiply by a factor."""
    known = per_volt(unit) if unit is not None else factor
    if known is None or (unit is not None and factor is not None):
        raise UsageError("bad_recipe", f"scale wants a unit of V, mV, uV, nV, or a factor; came {unit or factor}")
    by = float(known)
    if by == 0:
        raise UsageError("bad_recipe", "scale by factor 0 leaves nothing")
    return rescaled(state, np.multiply(state.data, by, out=spare(state.data)), 1 / by)


def divide(state: State, *, by: float) -> State:
    """Divide by a number, as training did."""
    if by == 0:
        raise UsageError("bad_recipe", "divide by = 0 came, wanted another number")
    return rescaled(state, np.divide(state.data, by, out=spare(state.data)), by)


def baseline(windows: Windows, *, first: float | None = None) -> Windows:
    """Subtract from each channel its mean over the window, or over its first `first` seconds (end included, as in MNE)."""
    inside = valid(windows)
    if first is not None:
        inside = inside & (np.arange(windows.data.shape[-1]) <= round(first * windows.sfreq))
    mean = windows.data.mean(axis=-1, keepdims=True, where=inside)
    return rescaled(windows, np.subtract(windows.data, mean, out=spare(windows.data)), 1.0, mean)


def zscore(state: State, *, over: str, ddof: int = 0, eps: float = 0.0, dtype: str = "float64") -> State:
    """Subtract a mean and divide by a standard deviation plus `eps`.

    Parameters
    ----------
    state : Signal or Windows
    over : str
        ``global``: one mean and one deviation for all good channels and all samples outside gaps (before the cut).
        ``channel``: one each per channel over the recording (before the cut). ``window``, or ``segment``, which is
        the same: one each per channel and window (after the cut).
    ddof : int
        The deviation's divisor is n - ddof.
    eps : float
        In the unit that the data have when they get here; it matters (spec preprocessing.md, section 4).
    dtype : str
        ``float32`` rounds the data first and then calculates in float32.

    Raises
    ------
    RecordingError
        ``constant_data`` if nothing varies at all.
    """
    places = ("global", "channel") if isinstance(state, Signal) else ("window", "segment")
    if over not in places:
        raise UsageError("bad_recipe", f"zscore over = '{over}' came, wanted here {' or '.join(places)}")
    if dtype not in ("float32", "float64"):
        raise UsageError("bad_option", f"zscore dtype = '{dtype}' came, wanted float32 or float64")
    data = np.asarray(state.data, dtype=dtype)
    if isinstance(state, Signal) and over == "global":
        return _global(state, data, ddof, eps)
    inside = valid(state)
    # Sums in float64 even when the rest is float32: a mean that is off by a bit would become visible through 1/eps.
    mean = data.mean(axis=-1, keepdims=True, dtype=np.float64, where=inside)
    deviation = data.std(axis=-1, keepdims=True, dtype=np.float64, ddof=ddof, where=inside)
    flat = _flat(data, mean, deviation, inside)
    divisor = np.where(flat & (deviation + eps == 0), 1.0, deviation + eps).astype(data.dtype)
    centre = mean.astype(data.dtype)
    scored = (data - centre) / divisor
    scored[np.broadcast_to(flat, scored.shape)] = 0.0
    changed = rescaled(state, scored, divisor.astype(np.float64), centre.astype(np.float64))
    return _flat_noted(changed, flat[..., 0])


def clip(state: State, *, limit: float) -> State:
    """Limit the data to ± `limit`; the way back to volts loses what was beyond."""
    beyond = int(np.count_nonzero(np.abs(state.data) > limit))
    if not beyond:
        return state
    changed = lossy(state, "clip", data=np.clip(state.data, -limit, limit))
    return noted(changed, f"{beyond} of {state.data.size} values were beyond ±{limit:g} and clipped")


def min_max(windows: Windows) -> Windows:
    """Stretch each window, all channels together, to -1 … 1."""
    inside = valid(windows)
    low = windows.data.min(axis=(1, 2), keepdims=True, where=inside, initial=np.inf)
    high = windows.data.max(axis=(1, 2), keepdims=True, where=inside, initial=-np.inf)
    half = np.where(high > low, (high - low) / 2, 1.0)
    return rescaled(windows, (windows.data - low) / half - 1.0, half, low + half)


def standardise(state: State, *, factor: float = 1e-3, eps: float = 1e-4) -> State:
    """Subtract an exponential moving mean and divide by the moving deviation, per channel (and window).

    Parameters
    ----------
    state : Signal or Windows
    factor : float
        Weight of a new sample: older ones count (1 - factor) ** age, divided by the sum of the weights.
    eps : float
        Least deviation to divide by, in the data's unit.
    """
    from scipy.signal import lfilter

    weights = (1 - (1 - factor) ** np.arange(1, state.data.shape[-1] + 1)) / factor

    def moving(values: Array) -> Array:
        return np.asarray(lfilter([1.0], [1.0, factor - 1.0], values, axis=-1) / weights)

    mean = moving(state.data)
    rest = state.data - mean
    deviation = np.maximum(np.sqrt(moving(rest**2)), eps)
    return rescaled(state, rest / deviation, deviation, mean)


def align(windows: Windows) -> Windows:
    """Align a session (Euclidean alignment): multiply by R^(-1/2), where R is the mean of x xᵀ over all its windows.

    Channels are mixed, so there is no way back to volts. It looks at the whole session (transductive).

    Raises
    ------
    RecordingError
        ``rank_deficient`` if channels depend on each other, as they do behind an average reference.
    """
    spread = np.mean(windows.data @ windows.data.swapaxes(1, 2), axis=0)
    values, vectors = np.linalg.eigh(spread)
    if values[0] <= 1e-12 * values[-1]:
        raise RecordingError(
            "rank_deficient",
            f"{windows.name}: its channels depend on each other, alignment needs independent ones",
            hint="align before the average reference, without flat or doubled channels",
        )
    matrix = (vectors / np.sqrt(values)) @ vectors.T
    one = np.ones((1, 1, 1))
    return lossy(windows, "align", data=matrix @ windows.data, scale=one, shift=0 * one, level=0 * one)


def reject(windows: Windows, *, limit_uv: float, drop: bool = True) -> Windows:
    """Drop windows in which a sample reaches `limit_uv`, in µV; with `drop` false they are only flagged.

    Raises
    ------
    RecordingError
        ``no_windows`` if none is left.
    """
    peak = peaks(windows)
    return of_large(parted(windows, peak, limit_uv, drop), peak, limit_uv, drop)


def peaks(windows: Windows) -> Array:
    """Return the largest amplitude of each window, µV, shape (n_windows,)."""
    return np.asarray(np.abs(np.where(valid(windows), windows.to_volts(), 0.0)).max(axis=(1, 2)) * 1e6)


def parted(windows: Windows, peak: Array, limit_uv: float, drop: bool = True) -> Windows:
    """Drop or flag the windows that reach a limit; perhaps none is left."""
    large = np.flatnonzero(peak >= limit_uv)
    if not drop:
        return flagged(windows, {int(i): [f"large:{peak[i]:.0f}uV"] for i in large})
    return windows.take(np.flatnonzero(peak < limit_uv)) if len(large) else windows


def of_large(windows: Windows, peak: Array, limit_uv: float, drop: bool = True) -> Windows:
    """Say of all windows how many reached a limit; their peaks are those from before any was dropped."""
    n = int(np.count_nonzero(peak >= limit_uv))
    if drop and not len(windows):
        raise RecordingError(
            "no_windows",
            f"{windows.name}: all {len(peak)} windows reach {limit_uv:g} µV (least peak {peak.min():.4g} µV)",
            hint="set the reject step's limit_uv higher, or leave the step out",
        )
    if not n:
        return windows
    if drop:
        return noted(windows, f"{n} of {len(peak)} windows dropped at {limit_uv:g} µV")
    return noted(windows, f"{n} of {len(peak)} windows reach {limit_uv:g} µV, larger than the model was trained on")


def _global(signal: Signal, data: Array, ddof: int, eps: float) -> Signal:
    some = counted(signal, data)
    if not some.size:
        raise nothing_to_score(signal)
    mean = float(some.mean(dtype=np.float64))
    return scored(signal, data, mean, varying(signal, mean, _deviation(some, mean, ddof)), eps)


def scored(signal: Signal, data: Array, mean: float, deviation: float, eps: float) -> Signal:
    """Return a recording, or a stretch of one, less a mean and over a deviation."""
    divisor = deviation + eps
    if abs(mean) <= ROUNDING * deviation:  # as behind an average reference
        return rescaled(signal, np.divide(data, data.dtype.type(divisor), out=spare(data)), divisor)
    centred = np.subtract(data, data.dtype.type(mean), out=spare(data))
    centred /= data.dtype.type(divisor)
    return rescaled(signal, centred, divisor, mean)


def counted(signal: Signal, data: Array, start: int = 0) -> Array:
    """Return what a global z-score looks at: good channels, samples outside gaps.

    Parameters
    ----------
    signal : Signal
        Whose bad channels and gaps count.
    data : ndarray, shape (n_channels, n_some_times)
        Its samples from `start` on.
    """
    good = [i for i, name in enumerate(signal.ch_names) if name not in signal.bads]
    values = data if len(good) == len(data) else data[good]
    recorded = np.ones(data.shape[-1], bool)
    for begin, end in signal.gaps:
        recorded[max(0, round(begin * signal.sfreq) - start) : max(0, round(end * signal.sfreq) - start)] = False
    return values if recorded.all() else values[:, recorded]


def varying(signal: Signal, mean: float, deviation: float) -> float:
    """Return the deviation of a whole recording, or refuse one in which nothing varies."""
    if deviation <= 1e-12 * abs(mean):
        raise RecordingError(
            "constant_data", f"{signal.name}: all channels are constant", hint="give a recording of EEG"
        )
    return deviation


def nothing_to_score(signal: Signal) -> RecordingError:
    """Return the error of a recording without a good sample."""
    return RecordingError("constant_data", f"{signal.name}: no good channel outside gaps is left to take a z-score of")


def _deviation(values: Array, mean: float, ddof: int) -> float:
    """Return the standard deviation about a known mean, in float64; no array as large as the values is made."""
    squares = 0.0
    for row in values:  # a row at a time stays in the cache
        rest = np.subtract(row, mean, dtype=np.float64)
        squares += float(rest @ rest)
    return float(np.sqrt(squares / (values.size - ddof)))


def _flat(data: Array, mean: Array, deviation: Array, inside: NDArray[np.bool_] | bool) -> NDArray[np.bool_]:
    """Say which channels are constant, shape (…, n_channels, 1). Rounding may give a constant a small deviation."""
    flat = np.asarray(deviation <= 1e-6 * np.abs(mean))
    if flat.any():
        low = data.min(axis=-1, keepdims=True, where=inside, initial=np.inf)
        flat &= low == data.max(axis=-1, keepdims=True, where=inside, initial=-np.inf)
    return flat


def _flat_noted(state: State, flat: NDArray[np.bool_]) -> State:
    """Flag flat channels of windows, note those of a recording."""
    if not flat.any():
        return state
    if isinstance(state, Windows):
        return flagged(
            state, {int(i): [f"flat:{state.ch_names[k]}" for k in np.flatnonzero(flat[i])] for i in range(len(flat))}
        )
    return noted(state, *(f"{state.ch_names[i]} is flat: set to 0" for i in np.flatnonzero(flat)))
