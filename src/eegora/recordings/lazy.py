"""A Raw as a Stream: looked through once, then read piece by piece. What a Signal of it would be like, `read` knows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from eegora.errors import RecordingError
from eegora.recordings import checks
from eegora.recordings.checks import NonFinite
from eegora.recordings.formats import cut_unreadable
from eegora.recordings.opening import Request, quietly
from eegora.recordings.read import described, open_raw, signal_of
from eegora.signal import Signal, runs
from eegora.stream import Room, Stream, seconds_of, stretch

if TYPE_CHECKING:
    import mne


def load(
    path: str | Path,
    room: Room,
    *,
    montage: str | None = None,
    non_finite: NonFinite = "refuse",
    **request: Any,
) -> tuple[Signal | Stream, mne.io.BaseRaw]:
    """Read a recording as a Signal, or as a Stream where it would take more memory than there is room for.

    Parameters and errors as in `read.load_signal`; `request`: what else a `Request` may say.
    """
    name = Path(path).name
    raw = open_raw(Path(path), Request(**request), montage)
    if is_large(raw, room):
        cut_unreadable(raw, name)
        return to_stream(raw, name=name, non_finite=non_finite, room=room), raw
    return signal_of(raw, name, non_finite), raw


def is_large(raw: mne.io.BaseRaw, room: Room) -> bool:
    """Say whether the samples of a Raw, in float64, would take more memory than there is room for."""
    return int(raw.n_times) * len(raw.ch_names) * 8 > room.limit


def to_stream(
    raw: mne.io.BaseRaw, *, name: str = "recording", non_finite: NonFinite = "refuse", room: Room | None = None
) -> Stream:
    """Return the EEG and bipolar channels as a Stream in volts, checked as `read.to_signal` checks them.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        Stays as it is, and must stay open.
    name, non_finite
        As in `read.to_signal`.
    room : Room, optional
        Whom to tell about the pass over the recording.

    Raises
    ------
    RecordingError
        As `read.to_signal`.
    """
    known, picks, lines = described(raw, name)
    if not raw.n_times:
        raise RecordingError("empty_file", f"{name} holds no sample", hint="record something first")
    warned: dict[str, None] = {}

    def read(start: int, stop: int) -> Signal:
        with quietly(name) as told:
            data = raw.get_data(picks=picks, start=start, stop=stop, verbose="ERROR").astype(np.float64, copy=False)
        warned.update(dict.fromkeys(told))
        return replace(known, data=data, annotations=())

    stream = Stream(known, int(raw.n_times), read)
    seen = _seen(stream, room)
    told = {
        i: checks.told_of_hole(known.ch_names[i], holes[0][0], sum(b - a for a, b in holes), known.sfreq, lines)
        for i, holes in seen.holes.items()
    }
    if told and non_finite == "refuse":
        raise checks.not_numbers(list(told.values()), name)
    longest = checks.longest_repair(known.sfreq)
    dead = [i for i, holes in seen.holes.items() if not _mendable(holes, longest, stream.n_times)]
    if told:
        stream = replace(stream, read=partial(_mended, stream, dead, longest))
    bads = tuple(known.ch_names[i] for i in dead)
    flat = [n for i, n in enumerate(known.ch_names) if i in dead or seen.low[i] == seen.high[i]]
    notes = (
        *warned,
        *(checks.mended_note(text, i not in dead) for i, text in told.items()),
        *checks.flat_notes(flat, known.ch_names, name),
        *checks.plausible_rate(known.sfreq),
        *checks.plausible_unit(seconds_of(stream), known.ch_names, known.sfreq),
    )
    return stream.told(*notes, bads=bads)


@dataclass
class _Seen:
    """What a pass over all samples found, by channel."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    holes: dict[int, list[tuple[int, int]]] = field(default_factory=dict)  # stretches that are no numbers


def _seen(stream: Stream, room: Room | None) -> _Seen:
    n = len(stream.ch_names)
    seen = _Seen(np.full(n, np.inf), np.full(n, -np.inf))
    for start, piece in stream.pieces(room):
        with np.errstate(invalid="ignore", over="ignore"):
            wrong = [i for i, row in enumerate(piece.data) if not np.isfinite(row.sum()) and not np.isfinite(row).all()]
        data = piece.data.copy() if wrong else piece.data
        for i in wrong:
            out = ~np.isfinite(data[i])
            holes = seen.holes.setdefault(i, [])
            for a, b in runs(out, start):
                if holes and holes[-1][1] == a:  # goes on from the piece before
                    a = holes.pop()[0]
                holes.append((a, b))
            data[i, out] = data[i, ~out].mean() if not out.all() else np.nan
        seen.low, seen.high = np.fmin(seen.low, data.min(axis=1)), np.fmax(seen.high, data.max(axis=1))
    seen.holes = dict(sorted(seen.holes.items()))
    return seen


def _mendable(holes: list[tuple[int, int]], longest: int, n_times: int) -> bool:
    """Say whether all holes are short and have neighbours on both sides."""
    return holes[0][0] > 0 and holes[-1][1] < n_times and max(b - a for a, b in holes) <= longest


def _mended(stream: Stream, dead: list[int], longest: int, start: int, stop: int) -> Signal:
    """Read samples with short holes filled linearly, and channels with long ones as zeros."""
    low, high = max(0, start - longest - 1), min(stream.n_times, stop + longest + 1)
    part = stream.read(low, high)
    data = part.data.copy()
    data[dead] = 0.0
    at = np.arange(part.n_times)
    for row in data:
        wrong = ~np.isfinite(row)
        if wrong.any():
            row[wrong] = np.interp(at[wrong], at[~wrong], row[~wrong])
    return stretch(replace(part, data=data), start - low, stop - low)
