"""A continuous recording as arrays: what recipe steps before the cut work on. Knows no file format (`recordings`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from eegora.plan import ChannelPlan

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Annotation:
    """A stretch of the recording with a text; seconds are counted from its first sample.

    Parameters
    ----------
    onset, duration : float
        Seconds.
    text : str
        As the file has it.
    ch_names : tuple of str
        Channels it is about; empty means all.
    """

    onset: float
    duration: float
    text: str
    ch_names: tuple[str, ...] = ()

    @property
    def is_bad(self) -> bool:
        """Whether it asks for its stretch to be left out: its text begins with ``BAD``, in any case, as MNE has it."""
        return self.text.lower().startswith("bad")

    @property
    def is_gap(self) -> bool:
        """Whether nothing was recorded meanwhile (``BAD_ACQ_SKIP``); every gap is bad, too."""
        return self.text.lower().startswith("bad_acq_skip")

    @property
    def is_edge(self) -> bool:
        """Whether two recordings were joined there (``EDGE boundary``)."""
        return self.text.lower().startswith("edge")


@dataclass(frozen=True)
class TimeAxis:
    """Where a recording stands in time.

    Parameters
    ----------
    seconds : float
        Its length.
    first_time : float
        Seconds from the start of the acquisition to the first sample.
    date : str or None
        When the acquisition started, as ISO 8601 has it.
    """

    seconds: float
    first_time: float = 0.0
    date: str | None = None


@final
@dataclass(frozen=True)
class Signal:
    """EEG channels of one recording, and the way back to volts.

    Parameters
    ----------
    data : ndarray, shape (n_channels, n_times), float64
        Volts when read; steps may change the unit and record it in `scale`, `shift` and `level`.
    ch_names : tuple of str
        Canonical names (``Fp1``, ``T3``, ``Fp1-F7``).
    ch_pos : ndarray, shape (n_channels, 3), float64
        Metres, head frame; NaN where unknown.
    sfreq : float
        Hz.
    annotations : tuple of Annotation
    bads : tuple of str
        Canonical names marked bad in the file.
    plan : ChannelPlan
        What became of each channel so far.
    scale, shift, level : ndarray
        Broadcastable to `data`: volts = data * scale + shift + level; the last axis of `level` has length 1.
    not_undone : tuple of str
        Names of the steps so far that `scale`, `shift` and `level` cannot undo.
    notes : tuple of str
        One line each for the user: what was found and done that a careful reader wants to know.
    name : str
        The recording's name, for messages.
    path : str
        The path that it was read from, as it was given, for tables: names repeat from folder to folder. Empty if none.
    axis : TimeAxis or None
        Of the file, where there is one.
    """

    data: Array
    ch_names: tuple[str, ...]
    ch_pos: Array
    sfreq: float
    annotations: tuple[Annotation, ...] = ()
    bads: tuple[str, ...] = ()
    plan: ChannelPlan = field(default_factory=ChannelPlan)
    scale: Array = field(default_factory=lambda: np.ones((1, 1)))
    shift: Array = field(default_factory=lambda: np.zeros((1, 1)))
    level: Array = field(default_factory=lambda: np.zeros((1, 1)))
    not_undone: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    name: str = "recording"
    path: str = ""
    axis: TimeAxis | None = None

    @property
    def n_times(self) -> int:
        """Samples per channel."""
        return int(self.data.shape[-1])

    @property
    def seconds(self) -> float:
        """Length of the recording."""
        return self.n_times / self.sfreq

    def to_volts(self) -> Array:
        """Return the data in volts, shape (n_channels, n_times)."""
        return np.asarray(self.data * self.scale + self.shift + self.level)

    @property
    def gaps(self) -> tuple[tuple[float, float], ...]:
        """Stretches (start, stop) in seconds in which nothing was recorded (``BAD_ACQ_SKIP``)."""
        return tuple((a.onset, a.onset + a.duration) for a in self.annotations if a.is_gap)


@final
@dataclass(frozen=True)
class Trials:
    """Stretches of one recording that are cut one by one and then belong together, as epochs do.

    Parameters
    ----------
    parts : tuple of Signal
        Equal channels, rate and length; at least one.
    onsets : ndarray, shape (n_trials,), float64
        Seconds at which each begins.
    notes : tuple of str
    flags : tuple of tuple of str
        Per trial: what its windows are to say of it (``epoch:3``, ``event:left``).
    """

    parts: tuple[Signal, ...]
    onsets: Array
    notes: tuple[str, ...] = ()
    flags: tuple[tuple[str, ...], ...] = ()

    def map(self, change: Callable[[Signal], Signal]) -> Trials:
        """Return trials that are all changed alike."""
        return replace(self, parts=tuple(change(part) for part in self.parts))

    @property
    def name(self) -> str:
        """The recording's name."""
        return self.parts[0].name

    @property
    def ch_names(self) -> tuple[str, ...]:
        """Names of the channels."""
        return self.parts[0].ch_names

    @property
    def sfreq(self) -> float:
        """Hz."""
        return self.parts[0].sfreq

    @property
    def seconds(self) -> float:
        """Length of all trials together."""
        return sum(part.seconds for part in self.parts)


def runs(row: NDArray[np.bool_], first: int = 0) -> list[tuple[int, int]]:
    """Return the stretches (start, stop) of a row that are true; `first` is the number of its first entry.

    >>> runs(np.array([True, False, True, True]))
    [(0, 1), (2, 4)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate(([False], row, [False])))) + first
    return [(start, stop) for start, stop in edges.reshape(-1, 2).tolist()]
