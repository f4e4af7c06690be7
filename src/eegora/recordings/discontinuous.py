"""EDF+D and BDF+D: MNE joins their records and misplaces annotations; here the gaps come back as zeros with BAD_ACQ_SKIP."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eegora.errors import RecordingError
from eegora.recordings.edf_header import Header
from eegora.recordings.opening import quietly

if TYPE_CHECKING:
    import mne

LONGEST = 10  # times the data
_TAL = re.compile(rb"([+-]\d+(?:\.\d*)?)(?:\x15(\d+(?:\.\d*)?))?\x14([^\x00]*)\x14\x00")

Tal = tuple[float, float, list[str]]  # onset, duration, texts


def rebuild(path: Path, raw: mne.io.BaseRaw, header: Header) -> tuple[mne.io.BaseRaw, list[str]]:
    """Put the records of a recording with gaps where they belong.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        As MNE reads it: records joined.

    Returns
    -------
    raw : mne.io.BaseRaw
        The same if the records turn out to follow each other.
    notes : list of str

    Raises
    ------
    RecordingError
        ``discontinuous`` if the gaps make it longer than ten times its data, or its records overlap.
    """
    import mne

    records = _read_tals(path, header)
    sfreq = float(raw.info["sfreq"])
    length = round(header.record_s * sfreq)
    starts = np.array([tals[0][0] for tals in records])
    is_break = np.abs(np.diff(starts) - header.record_s) * sfreq > 0.5
    if not is_break.any():
        return raw, []
    first = starts[0]
    # Records that follow each other stay together: rounded one by one, odd lengths would gain and lose a sample in turn.
    heads = np.concatenate(([0], np.flatnonzero(is_break) + 1))
    head = heads[np.concatenate(([0], np.cumsum(is_break)))]
    at = np.rint((starts - first) * sfreq).astype(int)[head] + (np.arange(len(starts)) - head) * length
    total = int(at[-1]) + length
    if total > LONGEST * raw.n_times or np.any(np.diff(at) < length):
        raise RecordingError(
            "discontinuous",
            f"{path.name}: {raw.n_times / sfreq:g} s of data in records from {first:g} to {starts[-1]:g} s",
            hint="cut the file into its continuous parts",
        )
    with quietly(path.name) as notes:
        joined = raw.get_data(verbose="ERROR")
        data = np.zeros((len(joined), total))
        for record, start in enumerate(at):
            data[:, start : start + length] = joined[:, record * length : (record + 1) * length]
        whole = mne.io.RawArray(data, raw.info.copy(), verbose="ERROR")
        whole.set_annotations(_annotations(records, at, length, sfreq, raw.info["meas_date"]), verbose="ERROR")
    n_gaps = int(np.sum(np.diff(at) > length))
    return whole, [*notes, f"gaps filled with zeros: {n_gaps}, {(total - raw.n_times) / sfreq:g} s together"]


def _annotations(
    records: list[list[Tal]], at: np.ndarray, length: int, sfreq: float, meas_date: object
) -> mne.Annotations:
    import mne

    rows = [((a + length) / sfreq, (b - a - length) / sfreq, "BAD_ACQ_SKIP") for a, b in pairwise(at) if b > a + length]
    first = records[0][0][0]
    for tals in records:
        rows += [(onset - first, duration, text) for onset, duration, texts in tals for text in texts]
    onsets, durations, texts = zip(*sorted(rows), strict=True)
    return mne.Annotations(onsets, durations, texts, orig_time=meas_date)


def _read_tals(path: Path, header: Header) -> list[list[Tal]]:
    """Return the time-stamped lists of every record; the first of a record says when it begins."""
    labels = [trace.label for trace in header.traces]
    signal = next((i for i, label in enumerate(labels) if label in ("EDF Annotations", "BDF Annotations")), None)
    if signal is None:
        raise _no_times(path, 0)
    before = header.width * sum(trace.n_samples for trace in header.traces[:signal])
    n_bytes = header.width * header.traces[signal].n_samples
    records = []
    with path.open("rb") as file:
        for record in range(header.n_records):
            file.seek(header.n_bytes + record * header.record_bytes + before)
            tals = [
                (float(onset), float(duration or 0), [t for t in texts.decode("utf-8", "replace").split("\x14") if t])
                for onset, duration, texts in _TAL.findall(file.read(n_bytes))
            ]
            if not tals:
                raise _no_times(path, record)
            records.append(tals)
    return records


def _no_times(path: Path, record: int) -> RecordingError:
    return RecordingError(
        "bad_header",
        f"{path.name} says that it has gaps, but record {record + 1} has no time",
        hint="export it again as a continuous EDF",
    )
