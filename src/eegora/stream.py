"""A recording too large to be held: what is known of it, and a way to read any stretch. Knows no file format and no step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import numpy as np

from eegora.signal import Array, Signal

PIECE = 1 << 23  # values of a piece: 64 MB in float64
LIMIT = 256_000_000  # bytes


@dataclass(frozen=True)
class Room:
    """How much memory a recording may take, and what happens to one that would take more.

    Parameters
    ----------
    limit : int
        Bytes. A recording whose samples would take more, in float64, is worked through in pieces.
    folder : path, optional
        Where temporary files go; default: the system's place for them (TMPDIR).
    way_back : bool
        Keep what `Windows.to_volts` needs, which for some recipes is larger than the windows. Without it
        `to_volts` of windows made in pieces gives NaN.
    progress : callable, optional
        Called with what is done and all there is to do, in each pass over the recording.

    Examples
    --------
    >>> how = Preparation(room=Room(limit=0, folder="/scratch"))  # doctest: +SKIP
    """

    limit: int = LIMIT
    folder: str | Path | None = None
    way_back: bool = True
    progress: Callable[[int, int], None] | None = None

    def tell(self, done: int, total: int) -> None:
        """Report progress, if anybody listens."""
        if self.progress is not None:
            self.progress(done, total)


@final
@dataclass(frozen=True)
class Stream:
    """A continuous recording that is read piece by piece.

    Parameters
    ----------
    head : Signal
        All but the samples; its data are two samples of zeros. Two, so that a `shift` that runs along time can be told
        from a constant.
    n_times : int
        Samples per channel.
    read : callable
        (start, stop) → these samples as a Signal like `head`, without annotations.
    """

    head: Signal
    n_times: int
    read: Callable[[int, int], Signal]

    @property
    def sfreq(self) -> float:
        """Hz."""
        return self.head.sfreq

    @property
    def ch_names(self) -> tuple[str, ...]:
        """Names of the channels."""
        return self.head.ch_names

    @property
    def seconds(self) -> float:
        """Length of the recording."""
        return self.n_times / self.sfreq

    def map(self, change: Callable[[Signal], Signal]) -> Stream:
        """Return a stream changed by something that treats every sample by itself."""
        return Stream(change(self.head), self.n_times, lambda start, stop: change(self.read(start, stop)))

    def whole(self) -> Signal:
        """Return all of the recording as one signal, however large."""
        return replace(self.read(0, self.n_times), annotations=self.head.annotations)

    def told(self, *notes: str, bads: tuple[str, ...] = ()) -> Stream:
        """Return a stream with further notes and bad channels."""
        new = tuple(note for note in dict.fromkeys(notes) if note not in self.head.notes)
        marked = tuple(dict.fromkeys((*self.head.bads, *bads)))
        return self.map(lambda signal: replace(signal, notes=(*signal.notes, *new), bads=marked))

    def pieces(self, room: Room | None = None) -> Iterator[tuple[int, Signal]]:
        """Yield all samples in order: where each piece starts, and the piece."""
        step = times_in_a_piece(len(self.ch_names))
        for start in range(0, self.n_times, step):
            stop = min(start + step, self.n_times)
            yield start, self.read(start, stop)
            if room is not None:
                room.tell(stop, self.n_times)


def times_in_a_piece(n_channels: int) -> int:
    """Return how many samples per channel a piece has."""
    return max(1, PIECE // max(1, n_channels))


def seconds_of(stream: Stream) -> Array:
    """Return at most eight stretches of a second, evenly spread, side by side."""
    length = max(1, min(round(stream.sfreq), stream.n_times))
    starts = np.linspace(0, stream.n_times - length, min(8, stream.n_times // length)).astype(np.intp)
    return np.concatenate([stream.read(int(a), int(a) + length).data for a in starts], axis=1)


def stretch(signal: Signal, start: int, stop: int) -> Signal:
    """Return some samples of a signal, without annotations; what is constant along time stays as it is."""

    def part(values: Array) -> Array:
        return values if values.shape[-1] == 1 else values[..., start:stop]

    return replace(
        signal,
        data=signal.data[..., start:stop],
        scale=part(signal.scale),
        shift=part(signal.shift),
        annotations=(),
    )


def chained(parts: list[Signal]) -> Signal:
    """Return stretches that follow each other as one."""
    if len(parts) == 1:
        return parts[0]

    def joined(values: list[Array]) -> Array:
        if all(v.shape[-1] == 1 for v in values):
            return values[0]
        pieces = zip(values, parts, strict=True)
        return np.concatenate([np.broadcast_to(v, (len(v), part.n_times)) for v, part in pieces], axis=-1)

    return replace(
        parts[0],
        data=np.concatenate([part.data for part in parts], axis=-1),
        scale=joined([part.scale for part in parts]),
        shift=joined([part.shift for part in parts]),
    )
