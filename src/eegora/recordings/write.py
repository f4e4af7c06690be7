"""From windows back to a recording, and a recording to a FIF file, whole or not at all. Knows no model."""

from __future__ import annotations

import shutil
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from eegora.errors import UsageError
from eegora.recordings.opening import quietly, set_positions
from eegora.recordings.read import time_axis
from eegora.signal import TimeAxis, runs
from eegora.whole import put
from eegora.windows import Windows

if TYPE_CHECKING:
    import mne

NOT_COMPUTED = "BAD_not_computed"

Format = Literal["single", "double", "int", "short"]


def windows_to_raw(
    windows: Windows, volts: NDArray[np.floating], *, like: mne.io.BaseRaw | None, description: str
) -> mne.io.RawArray:
    """Put windows on the time axis of the recording that they were cut from.

    Parameters
    ----------
    windows : Windows
    volts : ndarray, shape (n_windows, n_channels, n_times)
        What to write, in volts.
    like : mne.io.BaseRaw or None
        The recording: its length, date and first sample are kept. Without it, those that the windows remember.
    description : str
        Goes into the file's description.

    Returns
    -------
    mne.io.RawArray
        The windows' channels at ``windows.sfreq``; stretches that no window covers are zero and annotated
        ``BAD_not_computed``, where windows overlap the later one stands. Rows of bad channels are bad.

    Raises
    ------
    UsageError
        ``bad_shape`` if `volts` has another shape than the windows.
    """
    import mne

    if volts.shape != windows.data.shape:
        raise UsageError("bad_shape", f"volts of shape {volts.shape} for windows of shape {windows.data.shape}")
    sfreq = windows.sfreq
    starts = np.rint(windows.onsets * sfreq).astype(int)
    stops = starts + windows.n_valid
    if starts.min(initial=0) < 0:
        raise UsageError("bad_onset", f"a window begins {-windows.onsets.min():g} s before the recording does")
    axis = windows.axis if like is None else time_axis(like)
    n_times = int(stops.max(initial=0))
    if axis is not None:
        n_times = max(n_times, round(axis.seconds * sfreq))
    data = np.zeros((len(windows.ch_names), n_times))
    covered = np.zeros(n_times, bool)
    for window, start, stop in zip(volts, starts, stops, strict=True):
        data[:, start:stop] = window[:, : stop - start]
        covered[start:stop] = True
    first_samp, date = (0, None) if axis is None else start_at(axis, sfreq)
    with quietly("windows"):
        info = mne.create_info(list(windows.ch_names), sfreq, "eeg", verbose="ERROR")
        info["description"] = description
        raw = mne.io.RawArray(data, info, first_samp=first_samp, copy=None, verbose="ERROR")
        raw.set_meas_date(date)
        raw.info["bads"] = [name for name in windows.bads if name in raw.ch_names]
        known = np.isfinite(windows.ch_pos).all(axis=1)
        set_positions(raw, {windows.ch_names[i]: windows.ch_pos[i] for i in np.flatnonzero(known)})
        raw.set_annotations(_annotations(windows, raw, ~covered), emit_warning=False, verbose="ERROR")
    return raw


def start_at(axis: TimeAxis, sfreq: float) -> tuple[int, datetime | None]:
    """Return the first sample and the date with which a recording at another rate begins when this one does.

    A first sample is a whole number: what is left of one goes into the date, which MNE keeps to the microsecond. Without
    a date up to half a sample is lost.
    """
    first_samp = round(axis.first_time * sfreq)
    if axis.date is None:
        return first_samp, None
    return first_samp, datetime.fromisoformat(axis.date) + timedelta(seconds=axis.first_time - first_samp / sfreq)


def save_raw(raw: mne.io.BaseRaw, path: str | Path, *, fmt: Format = "single") -> Path:
    """Write a FIF file under a temporary name in the same folder, then rename it: never half a file.

    Parameters
    ----------
    path : path
        Ends in ``.fif`` or ``.fif.gz``; what lies there is replaced. Beyond 2 GB MNE writes further parts beside it.
    fmt : str
        ``single`` (float32), ``double``, ``int`` or ``short``.

    Raises
    ------
    UsageError
        ``bad_suffix``, ``no_folder``.
    """
    path = Path(path)
    if not path.name.lower().endswith((".fif", ".fif.gz")):
        raise UsageError("bad_suffix", f"{path.name} is no name for a FIF file", hint=f"{path.stem}_raw.fif")
    if not path.parent.is_dir():
        raise UsageError("no_folder", f"there is no folder {path.parent}", hint=f"mkdir -p {path.parent}")
    # A folder of its own, so that the parts of a split file carry their final names inside.
    folder = Path(tempfile.mkdtemp(prefix=f".{path.stem}.tmp-", dir=path.parent))
    try:
        with quietly(path.name):
            raw.save(folder / path.name, fmt=fmt, overwrite=False, verbose="ERROR")
        parts = sorted(folder.iterdir(), key=lambda part: part.name == path.name)  # the first part appears last
        for part in parts:
            put(part, path.parent / part.name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return path


def _annotations(windows: Windows, raw: mne.io.BaseRaw, missing: NDArray[np.bool_]) -> mne.Annotations:
    """Return the recording's annotations and those of stretches not computed, in MNE's time."""
    import mne

    rows: list[tuple[float, float, str, tuple[str, ...]]]
    rows = [(start / windows.sfreq, (stop - start) / windows.sfreq, NOT_COMPUTED, ()) for start, stop in runs(missing)]
    rows += [
        (a.onset, a.duration, a.text, tuple(name for name in a.ch_names if name in windows.ch_names))
        for a in windows.annotations
        if not a.ch_names or set(a.ch_names) & set(windows.ch_names)
    ]
    onsets, durations, texts, ch_names = zip(*rows, strict=True) if rows else ((), (), (), ())
    # With a date MNE counts from it, without one from the first sample.
    shift = raw.first_time if raw.info["meas_date"] is not None else 0.0
    return mne.Annotations(
        np.array(onsets) + shift, durations, texts, orig_time=raw.info["meas_date"], ch_names=ch_names or None
    )
