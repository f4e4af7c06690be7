"""Steps on the numbers themselves: units, baselines, z-scores, limits. Time is `time_steps`', channels are `channel_steps`' affair."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eegora.errors import RecordingError, UsageError
from eegora.recipes.pieces import Blocks, Work
from eegora.recipes.undo import State, flagged, lossy, noted, rescaled, spare, valid
from eegora.recordings.units import per_volt
from eegora.signal import Array, Signal
from eegora.stream import Stream, chained, stretch, times_in_a_piece
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
    _check_zscore(over, ("global", "channel") if isinstance(state, Signal) else ("window", "segment"), dtype)
    data = np.asarray(state.data, dtype=dtype)
    if isinstance(state, Signal) and over == "global":
        return _global(state, data, ddof, eps)
    inside = valid(state)
    # Sums in float64 even when the rest is float32: a mean that is off by a bit would become visible through 1/eps.
    mean = data.mean(axis=-1, keepdims=True, dtype=np.float64, where=inside)
    deviation = data.std(axis=-1, keepdims=True, dtype=np.float64, ddof=ddof, where=inside)
    return _by_row(state, data, mean, deviation, _flat(data, mean, deviation, inside), eps)


def zscore_stream(
    stream: Stream, work: Work, *, over: str, ddof: int = 0, eps: float = 0.0, dtype: str = "float64"
) -> Stream:
    """Take the z-score of a recording in pieces: a pass for means and deviations, then as it is read."""
    _check_zscore(over, ("global", "channel"), dtype)

    def values(part: Signal) -> Array:
        return np.asarray(part.data, dtype=dtype)

    def seen() -> Iterator[Array]:
        for start, piece in stream.pieces(work.room):
            whose = replace(piece, annotations=stream.head.annotations)
            yield counted(whose, values(piece), start) if over == "global" else values(piece)

    if over == "global":
        # Any level but 0 as a guess: steps behind it see that there is something to bring back.
        mean, deviation = work.learned(lambda: _global_moments(stream.head, seen(), ddof), (1.0, 1.0))
        return stream.map(lambda part: scored(part, values(part), mean, deviation, eps))
    one: Array = np.ones((len(stream.ch_names), 1))
    guess = one, one, np.zeros(one.shape, np.bool_)
    centre, spread, flat = work.learned(lambda: _row_moments(seen(), ddof), guess)
    return stream.map(lambda part: _by_row(part, values(part), centre, spread, flat, eps))


def _check_zscore(over: str, places: tuple[str, ...], dtype: str) -> None:
    if over not in places:
        raise UsageError("bad_recipe", f"zscore over = '{over}' came, wanted here {' or '.join(places)}")
    if dtype not in ("float32", "float64"):
        raise UsageError("bad_option", f"zscore dtype = '{dtype}' came, wanted float32 or float64")


def _by_row(state: State, data: Array, mean: Array, deviation: Array, flat: NDArray[np.bool_], eps: float) -> State:
    """Return rows less their own means and over their own deviations; flat ones become 0."""
    divisor = np.where(flat & (deviation + eps == 0), 1.0, deviation + eps).astype(data.dtype)
    centre = mean.astype(data.dtype)
    scored = (data - centre) / divisor
    scored[np.broadcast_to(flat, scored.shape)] = 0.0
    changed = rescaled(state, scored, divisor.astype(np.float64), centre.astype(np.float64))
    return _flat_noted(changed, flat[..., 0])


def clip(state: State, *, limit: float) -> State:
    """Limit the data to ± `limit`; the way back to volts loses what was beyond."""
    return _clipped(state, limit, _beyond(state.data, limit), state.data.size)


def clip_stream(stream: Stream, work: Work, *, limit: float) -> Stream:
    """Limit a recording in pieces; a pass counts before, because what is lost has to be said of every window."""
    n_beyond = work.learned(lambda: sum(_beyond(piece.data, limit) for _, piece in stream.pieces(work.room)), 0)
    return stream.map(lambda part: _clipped(part, limit, n_beyond, stream.n_times * len(stream.ch_names)))


def clip_blocks(blocks: Blocks, *, limit: float) -> Blocks:
    """Limit windows a few at a time, after a pass that counts."""
    counts = [(_beyond(some.data, limit), some.data.size) for some in blocks()]
    n_beyond, n = map(sum, zip(*counts, strict=True))
    return lambda: (_clipped(some, limit, n_beyond, n) for some in blocks())


def _beyond(data: Array, limit: float) -> int:
    return int(np.count_nonzero(np.abs(data) > limit))


def _clipped(state: State, limit: float, n_beyond: int, n: int) -> State:
    """Return limited data, if any of all `n` is beyond."""
    if not n_beyond:
        return state
    changed = lossy(state, "clip", data=np.clip(state.data, -limit, limit))
    return noted(changed, f"{n_beyond} of {n} values were beyond ±{limit:g} and clipped")


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
    start = np.zeros((2, *state.data.shape[:-1], 1))
    return _standardised(state, 0, start, factor, eps)[0]


def standardise_stream(stream: Stream, work: Work, *, factor: float = 1e-3, eps: float = 1e-4) -> Stream:
    """Standardise a recording in pieces: what the moving means hold is kept every quarter of a piece."""
    rows = np.ones((len(stream.ch_names), 2))
    head = replace(stream.head, scale=stream.head.scale * rows, shift=stream.head.shift * rows)
    every = max(1, times_in_a_piece(len(rows)) // 4)
    # Before sample 0, every, 2 every …, as far as the recording was read.
    states: list[Array] = [np.zeros((2, len(rows), 1))]

    def read(start: int, stop: int) -> Signal:
        parts = []
        for at in range(min(start // every, len(states) - 1) * every, stop, every):
            end = min(at + every, stop)
            part, state = _standardised(stream.read(at, end), at, states[at // every], factor, eps)
            if end - at == every and len(states) == at // every + 1:
                states.append(state)
            if end > start:
                parts.append(stretch(part, max(start - at, 0), end - at))
        return chained(parts)

    return Stream(head, stream.n_times, read)


def _standardised(state: State, start: int, held: Array, factor: float, eps: float) -> tuple[State, Array]:
    """Standardise samples from `start` on.

    Parameters
    ----------
    state : Signal or Windows
    start : int
    held : ndarray, shape (2, …, n_channels, 1)
        What the moving mean and the moving square hold of the samples before.
    factor, eps : float

    Returns
    -------
    state : Signal or Windows
    held : ndarray
        For the samples behind.
    """
    from scipy.signal import lfilter

    weights = (1 - (1 - factor) ** np.arange(start + 1, start + 1 + state.data.shape[-1])) / factor

    def moving(values: Array, before: Array) -> tuple[Array, Array]:
        sums, after = lfilter([1.0], [1.0, factor - 1.0], values, axis=-1, zi=before)
        return np.asarray(sums / weights), after

    mean, first = moving(state.data, held[0])
    rest = state.data - mean
    square, second = moving(rest**2, held[1])
    deviation = np.maximum(np.sqrt(square), eps)
    shift = state.shift + state.scale * mean
    return replace(state, data=rest / deviation, scale=state.scale * deviation, shift=shift), np.stack([first, second])


def align(windows: Windows) -> Windows:
    """Align a session (Euclidean alignment): multiply by R^(-1/2), where R is the mean of x xᵀ over all its windows.

    Channels are mixed, so there is no way back to volts. It looks at the whole session (transductive).

    Raises
    ------
    RecordingError
        ``rank_deficient`` if channels depend on each other, as they do behind an average reference.
    """
    return _mixed(windows, _whitening([windows]))


def align_blocks(blocks: Blocks) -> Blocks:
    """Align windows a few at a time: a pass for R, and one to apply it."""
    matrix = _whitening(blocks())
    return lambda: (_mixed(some, matrix) for some in blocks())


def _whitening(parts: Iterable[Windows]) -> Array:
    """Return R^(-1/2) of all windows, shape (n_channels, n_channels)."""
    total: Array | float = 0.0
    n = 0
    for some in parts:
        n += len(some)
        for window in some.data:  # one by one: the same sum whatever the size of a block
            total = total + window @ window.T
    if n == 0:
        return np.eye(len(some.ch_names))
    values, vectors = np.linalg.eigh(total / n)
    if values[0] <= 1e-12 * values[-1]:
        raise RecordingError(
            "rank_deficient",
            f"{some.name}: its channels depend on each other, alignment needs independent ones",
            hint="align before the average reference, without flat or doubled channels",
        )
    return np.asarray((vectors / np.sqrt(values)) @ vectors.T)


def _mixed(windows: Windows, matrix: Array) -> Windows:
    """Return windows whose channels are mixed; no way leads back."""
    one = np.ones((1, 1, 1))
    return lossy(windows, "align", data=matrix @ windows.data, scale=one, shift=0 * one, level=0 * one)


def lengths(windows: Windows, *, least: float, most: float) -> Windows:
    """Refuse windows shorter or longer than a model takes, in seconds; a last one that is cut short is flagged.

    Raises
    ------
    UsageError
        ``bad_option``.
    """
    rate = max(round(windows.sfreq), 1)  # whole tokens are counted at the rounded rate
    found = windows.data.shape[-1] / rate
    if not least <= found <= most:
        raise UsageError(
            "bad_option",
            f"windows of {found:g} s came, wanted {least:g} to {most:g} s: the model was trained on no others",
            hint="set the length in the recipe's cut step",
        )
    short = np.flatnonzero(windows.n_valid < least * rate)
    if not len(short):
        return windows
    windows = flagged(windows, {int(i): [f"short:{windows.n_valid[i] / rate:g}s"] for i in short})
    told = ", ".join(f"{windows.n_valid[i] / rate:g} s" for i in short)
    return noted(windows, f"{told} at an end: the model was trained on {least:g} s and more (flag short)")


def reject(windows: Windows, *, limit_uv: float, drop: bool = True) -> Windows:
    """Drop windows in which a sample reaches `limit_uv`, in µV; with `drop` false they are only flagged.

    Raises
    ------
    RecordingError
        ``no_windows`` if none is left.
    """
    peak = _peaks(windows)
    return _of_large(_parted(windows, peak, limit_uv, drop), peak, limit_uv, drop)


def reject_blocks(blocks: Blocks, *, limit_uv: float, drop: bool = True) -> Blocks:
    """Drop windows a few at a time; a last block without windows says how many."""

    def parted() -> Iterator[Windows]:
        found: list[Array] = []
        for some in blocks():
            found.append(_peaks(some))
            yield _parted(some, found[-1], limit_uv, drop)
        yield _of_large(some.take(slice(0)), np.concatenate(found), limit_uv, drop)

    return parted


def _peaks(windows: Windows) -> Array:
    """Return the largest amplitude of each window, µV, shape (n_windows,)."""
    return np.asarray(np.abs(np.where(valid(windows), windows.to_volts(), 0.0)).max(axis=(1, 2)) * 1e6)


def _parted(windows: Windows, peak: Array, limit_uv: float, drop: bool = True) -> Windows:
    """Drop or flag the windows that reach a limit; perhaps none is left."""
    large = np.flatnonzero(peak >= limit_uv)
    if not drop:
        return flagged(windows, {int(i): [f"large:{peak[i]:.0f}uV"] for i in large})
    return windows.take(np.flatnonzero(peak < limit_uv)) if len(large) else windows


def _of_large(windows: Windows, peak: Array, limit_uv: float, drop: bool = True) -> Windows:
    """Say of all windows how many reached a limit; their peaks are those from before any was dropped."""
    n = int(np.count_nonzero(peak >= limit_uv))
    if drop and n == len(peak):
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


def _global_moments(head: Signal, seen: Iterable[Array], ddof: int) -> tuple[float, float]:
    """Return mean and deviation of all values."""
    n, mean, squares = _merged(seen, None)
    if not n:
        raise nothing_to_score(head)
    return float(mean), varying(head, float(mean), float(np.sqrt(squares / (n - ddof))))


def _row_moments(seen: Iterable[Array], ddof: int) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Return mean and deviation of each row, and which rows never change, all of shape (n_channels, 1)."""
    low, high = np.inf, -np.inf

    def watched() -> Iterator[Array]:
        nonlocal low, high
        for some in seen:
            low = np.minimum(low, some.min(axis=-1, keepdims=True))
            high = np.maximum(high, some.max(axis=-1, keepdims=True))
            yield some

    n, mean, squares = _merged(watched(), -1)
    return mean, np.sqrt(squares / (n - ddof)), np.asarray(low == high)


def _merged(seen: Iterable[Array], axis: int | None) -> tuple[int, Any, Any]:
    """Return number, mean and squares about the mean, merged piece by piece (Chan), in float64."""
    n, mean, squares = 0, np.float64(0), np.float64(0)
    for some in seen:
        if not some.size:
            continue
        here = some.size if axis is None else some.shape[axis]
        own = some.mean(axis=axis, keepdims=axis is not None, dtype=np.float64)
        rest = np.square(np.subtract(some, own, dtype=np.float64)).sum(axis=axis, keepdims=axis is not None)
        squares = squares + rest + (own - mean) ** 2 * (n * here / (n + here))
        mean = mean + (own - mean) * (here / (n + here))
        n += here
    return n, mean, squares


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
    if not signal.gaps:
        return values
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
    if values.dtype == np.float64:
        squares, offset = float(np.vecdot(values, values).sum()), values.size * mean**2
        if offset < 1e-3 * squares:  # as behind an average reference: no digit is lost
            return float(np.sqrt((squares - offset) / (values.size - ddof)))
    squares, rest = 0.0, np.empty(values.shape[-1])
    for row in values:  # a row at a time stays in the cache
        np.subtract(row, mean, out=rest, dtype=np.float64)
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
