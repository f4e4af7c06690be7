"""Fixed-length crops of a Signal in a model's units, and the way back to volts. Knows no step and no model."""

from __future__ import annotations

import mmap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from eegora.plan import ChannelPlan
from eegora.signal import Annotation, Array, TimeAxis


@final
@dataclass(frozen=True, repr=False)
class Windows:
    """What a recipe makes of a recording.

    Parameters
    ----------
    data : ndarray, shape (n_windows, n_channels, n_times)
        In the model's units; float64 between steps, float32 at the end, a memory map where they are large.
    ch_names : tuple of str
        Names of the rows, spelled as the recipe spells them.
    ch_pos : ndarray, shape (n_channels, 3), float64
        Metres, head frame; NaN where unknown.
    sfreq : float
        Hz.
    onsets : ndarray, shape (n_windows,), float64
        Seconds from the first sample of the recording.
    index : ndarray, shape (n_windows,), int64
        Number of the window on the recording's grid, before any was dropped: seeds are derived from it.
    n_valid : ndarray, shape (n_windows,), int64
        Samples that are data; less than n_times only for a last, shorter window.
    missing : ndarray of bool, broadcastable to `data`, or None
        Cells to be treated as not recorded.
    scale, shift, level : ndarray
        Broadcastable to `data`: volts = data * scale + shift + level. A reference runs along time, but is the same for
        all channels; a baseline is a number per window and channel, and goes into `level`, whose last axis has length 1.
        Added up they would be as large as the data.
    not_undone : tuple of str
        Names of steps that `scale`, `shift` and `level` cannot undo.
    plan : ChannelPlan
    flags : tuple of tuple of str
        Per window: what is special about it (``flat:Fp2``, ``annotated:BAD_move``).
    notes : tuple of str
        One line each for the user.
    annotations : tuple of Annotation
        Of the whole recording.
    name, path : str
        The recording's name, and the path that it was read from; empty if it was not.
    recipe : str
        TOML of the recipe that made them, as it ran; empty if they came ready-made.
    choices : dict
        What the caller chose beside the recipe: policies, channels left out or marked bad, units.
    axis : TimeAxis or None
        Of the recording.
    bads : tuple of str
        Rows that the recording marks as bad, or that are made of such channels.

    Examples
    --------
    >>> windows = model.prepare("recording.edf")  # doctest: +SKIP
    >>> windows.data.shape, windows.ch_names, windows.to_volts()  # doctest: +SKIP
    """

    data: Array
    ch_names: tuple[str, ...]
    ch_pos: Array
    sfreq: float
    onsets: Array
    index: NDArray[np.int64]
    n_valid: NDArray[np.int64]
    missing: NDArray[np.bool_] | None = None
    scale: Array = field(default_factory=lambda: np.ones((1, 1, 1)))
    shift: Array = field(default_factory=lambda: np.zeros((1, 1, 1)))
    level: Array = field(default_factory=lambda: np.zeros((1, 1, 1)))
    not_undone: tuple[str, ...] = ()
    plan: ChannelPlan = field(default_factory=ChannelPlan)
    flags: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    name: str = "recording"
    path: str = ""
    recipe: str = ""
    choices: Mapping[str, Any] = field(default_factory=dict)
    bads: tuple[str, ...] = ()
    axis: TimeAxis | None = None

    def __repr__(self) -> str:
        """Return one line: how many windows, of which size, of which recording."""
        n, n_channels, _ = self.data.shape
        return f"<Windows window {n} × channel {n_channels} × {self.seconds:g} s at {self.sfreq:g} Hz of {self.name}>"

    def __len__(self) -> int:
        """Return the number of windows."""
        return int(self.data.shape[0])

    @property
    def seconds(self) -> float:
        """Length of one window."""
        return int(self.data.shape[-1]) / self.sfreq

    @property
    def has_samples(self) -> bool:
        """False of windows that stand for what was computed from them."""
        return bool(np.isfinite(self.data[:1, :1, :1]).all())

    def to_volts(self, data: Array | None = None) -> Array:
        """Bring `data` (default: the windows' own) back to volts.

        Parameters
        ----------
        data : ndarray, shape (n_windows, n_channels, n_times), optional
            In the windows' units, for example a model's reconstruction of them.
        """
        data = self.data if data is None else data
        return np.asarray(data * self.scale + self.shift + self.level)

    def by_length(self) -> list[NDArray[np.intp]]:
        """Return the rows of windows with equally many samples that are data, the longest windows first."""
        return [np.flatnonzero(self.n_valid == n) for n in sorted(set(self.n_valid.tolist()), reverse=True)]

    def let_go(self) -> None:
        """Give back the memory that windows in a file take once they were read; they are read again when needed."""
        for values in (self.data, self.scale, self.shift, self.level):
            let_go(values)

    def take(self, rows: slice | Sequence[int] | NDArray[np.intp]) -> Windows:
        """Return some of the windows."""
        pick = np.arange(len(self))[rows]
        return replace(
            self,
            data=self.data[pick],
            onsets=self.onsets[pick],
            index=self.index[pick],
            n_valid=self.n_valid[pick],
            missing=_take(self.missing, 0, pick),
            scale=_take(self.scale, 0, pick),
            shift=_take(self.shift, 0, pick),
            level=_take(self.level, 0, pick),
            flags=tuple(self.flags[i] for i in pick) if self.flags else (),
        )

    def keep_channels(self, keep: Sequence[int], reason: str) -> Windows:
        """Return the windows with only these rows, in this order; the others are dropped from the plan with a reason."""
        pick = np.asarray(keep, dtype=np.intp)
        gone = [name for i, name in enumerate(self.ch_names) if i not in set(keep)]
        return replace(
            self,
            data=self.data[:, pick],
            ch_names=tuple(self.ch_names[i] for i in pick),
            ch_pos=self.ch_pos[pick],
            missing=_take(self.missing, 1, pick),
            scale=_take(self.scale, 1, pick),
            shift=_take(self.shift, 1, pick),
            level=_take(self.level, 1, pick),
            plan=self.plan.dropping(gone, reason),
            bads=tuple(name for name in self.bads if name not in gone),
        )


def let_go(values: NDArray[Any]) -> None:
    """Give back the memory that an array in a file takes, and nothing of any other."""
    mapped = getattr(values, "_mmap", None)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def _take(values: Any, axis: int, pick: NDArray[np.intp]) -> Any:
    """Pick along an axis of an array that may be absent, or of length 1 there because it broadcasts."""
    if values is None or values.shape[axis] == 1:
        return values
    return values.take(pick, axis=axis)


def joined(parts: Sequence[Windows], data: Array) -> Windows:
    """Return parts of one recording's windows as one, with the data of all."""
    return replace(
        parts[0],
        data=data,
        onsets=np.concatenate([part.onsets for part in parts]),
        index=np.concatenate([part.index for part in parts]),
        n_valid=np.concatenate([part.n_valid for part in parts]),
        missing=_joined([part.missing for part in parts], parts),
        scale=_joined([part.scale for part in parts], parts),
        shift=_joined([part.shift for part in parts], parts),
        level=_joined([part.level for part in parts], parts),
        not_undone=tuple(dict.fromkeys(name for part in parts for name in part.not_undone)),
        flags=tuple(flags for part in parts for flags in part.flags),
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )


def join(trials: Sequence[Windows]) -> Windows:
    """Join the windows of equally long trials, one after the other.

    Each trial has as many numbers as the one with the most windows, so that a window that was dropped leaves a number
    out and no two windows share one.
    """
    each = max(int(trial.index.max(initial=-1)) + 1 for trial in trials)
    numbered = [replace(trial, index=trial.index + k * each, annotations=()) for k, trial in enumerate(trials)]
    return joined(numbered, np.concatenate([trial.data for trial in trials]))


def _joined(values: list[Any], parts: Sequence[Windows]) -> Any:
    """Put values of parts together; what all windows share stays one. None stands for: no cell is missing."""
    if all(v is None for v in values):
        return None
    values = [np.zeros((1, 1, 1), bool) if v is None else v for v in values]
    if all(len(v) == 1 and np.array_equal(v, values[0], equal_nan=True) for v in values):
        return values[0]
    widest = tuple(max(sizes) for sizes in zip(*(v.shape[1:] for v in values), strict=True))
    return np.concatenate([np.broadcast_to(v, (len(p), *widest)) for v, p in zip(values, parts, strict=True)])
