"""Epochs, from a file or from MNE's object, as trials of one recording. Cutting them into windows is left to recipes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eegora.errors import RecordingError
from eegora.recordings.opening import quietly
from eegora.signal import Annotation, Trials

if TYPE_CHECKING:
    import mne

ON_ITS_OWN = "each epoch was filtered and cut on its own: filter the recording before epoching"


def read_epochs(path: str | Path) -> mne.BaseEpochs:
    """Open a file of epochs: FIF or EEGLAB.

    Raises
    ------
    RecordingError
        ``cannot_read``.
    """
    import mne

    path = Path(path)
    read = mne.read_epochs_eeglab if path.suffix.lower() == ".set" else mne.read_epochs
    with quietly(path.name):
        return read(path, verbose="ERROR")


def to_trials(epochs: mne.BaseEpochs, *, name: str = "Epochs") -> Trials:
    """Return epochs as trials in volts, each checked as a recording is, and flagged with its number and its event.

    Parameters
    ----------
    epochs : mne.BaseEpochs
        Stay as they are.
    name : str
        For messages and tables.

    Raises
    ------
    RecordingError
        ``no_windows`` if there is none; as `eegora.recordings.read.to_signal`.
    """
    import mne

    from eegora.recordings import read

    if not len(epochs):
        raise RecordingError("no_windows", f"{name} holds no epoch", hint="give epochs that were not all dropped")
    data, sfreq = epochs.get_data(copy=False), float(epochs.info["sfreq"])
    if isinstance(epochs, mne.EpochsArray):
        # Its events are mere numbers: nobody knows when these epochs were.
        starts = np.arange(len(data)) * data.shape[-1] / sfreq
        when = "epochs of an array have no time of their own: they are placed one after the other"
    else:
        # Event samples count at the rate of the recording that was cut, also after decimation or resampling.
        known = getattr(epochs, "_raw_sfreq", None)
        rate = sfreq if known is None else float(np.ravel(known)[0])
        starts = epochs.events[:, 0] / rate + epochs.tmin
        when = "onsets of epochs count from sample 0 of the acquisition, as MNE's event samples do"
    raws = (mne.io.RawArray(volts, epochs.info, verbose="ERROR") for volts in data)
    path = str(epochs.filename or "")
    parts = tuple(
        replace(read.to_signal(raw, name=name), path=path, annotations=_inside(told, float(epochs.tmin)))
        for raw, told in zip(raws, epochs.get_annotations_per_epoch(), strict=True)
    )
    names = {number: text for text, number in epochs.event_id.items()}
    flags = tuple(
        (f"epoch:{k}", f"event:{names.get(number, number)}") for k, number in enumerate(epochs.events[:, 2].tolist())
    )
    return Trials(parts, np.asarray(starts, np.float64), (ON_ITS_OWN, when), flags)


def _inside(told: Sequence[tuple[float, float, str]], tmin: float) -> tuple[Annotation, ...]:
    """Return what MNE says of an epoch, counted from its first sample: MNE counts from its event."""
    return tuple(Annotation(float(onset) - tmin, float(duration), str(text)) for onset, duration, text in told)
