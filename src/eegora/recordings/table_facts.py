"""What a table of numbers cannot say by itself: one ``# eegora-table-1 {…}`` line of JSON that makes a CSV a whole recording.

Between MNE's Raw and that line; reading and writing the numbers is left to `tables` and `tables_write`.

The line stands anywhere among the comments above the row of names. Its fields: ``sfreq``; ``first_samp``;
``meas_date`` (ISO 8601, or null); ``channels``: ``name``, ``type`` (MNE's), ``loc`` (twelve numbers as in MNE, null where
unknown) and ``bad``; ``annotations``: ``onset`` (seconds as MNE counts them), ``duration``, ``text``, ``ch_names``;
``landmarks``: ``nasion``, ``lpa``, ``rpa`` in metres, head frame; ``highpass``, ``lowpass``, ``line_freq``, ``description``.
Numbers are in volts, or whatever SI unit the channel's type has.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from eegora.errors import RecordingError
from eegora.recordings.opening import quietly

if TYPE_CHECKING:
    import mne

MARK = "# eegora-table-1 "
Facts = Mapping[str, Any]


def facts_of(raw: mne.io.BaseRaw) -> dict[str, Any]:
    """Return everything about a recording but its samples, as plain data."""
    info = raw.info
    places = _landmarks(raw)
    return {
        "sfreq": float(info["sfreq"]),
        "first_samp": int(raw.first_samp),
        "meas_date": info["meas_date"].isoformat() if info["meas_date"] else None,
        "channels": [
            {
                "name": channel["ch_name"],
                "type": kind,
                "loc": [float(v) if np.isfinite(v) else None for v in channel["loc"]],
                "bad": channel["ch_name"] in info["bads"],
            }
            for channel, kind in zip(info["chs"], raw.get_channel_types(), strict=True)
        ],
        "annotations": [
            {"onset": onset, "duration": duration, "text": text, "ch_names": list(names)}
            for onset, duration, text, names in _once(raw)
        ],
        "landmarks": places,
        "highpass": float(info["highpass"]),
        "lowpass": float(info["lowpass"]),
        "line_freq": info["line_freq"],
        "description": info["description"],
    }


def to_comment(facts: Facts) -> str:
    """Return the comment line."""
    return MARK + json.dumps(facts, allow_nan=False)


def from_comments(path: Path, comments: Sequence[str]) -> Facts | None:
    """Return the facts in a table's comments, or None if no line is marked.

    Raises
    ------
    RecordingError
        ``bad_header`` if the line is damaged.
    """
    line = next((comment for comment in comments if comment.startswith(MARK)), None)
    if line is None:
        return None
    try:
        facts = json.loads(line[len(MARK) :])
        if not all({"name", "type", "loc", "bad"} <= set(channel) for channel in facts["channels"]):
            raise KeyError("channels")
        return {**facts, "sfreq": float(facts["sfreq"])}
    except (ValueError, KeyError, TypeError) as error:
        raise RecordingError(
            "bad_header",
            f"{path.name}: its line {MARK.strip()!r} is damaged: {type(error).__name__} {error}",
            hint="export it again, or delete that line to read the bare numbers",
        ) from error


def to_raw(path: Path, values: NDArray[np.float64], facts: Facts) -> mne.io.BaseRaw:
    """Return the recording that was written.

    Parameters
    ----------
    values : ndarray, shape (n_channels, n_times)
        In the order of ``facts["channels"]``.

    Raises
    ------
    RecordingError
        ``cannot_read`` where the facts are none that MNE accepts.
    """
    import mne

    channels = facts["channels"]
    with quietly(path.name):
        info = mne.create_info([c["name"] for c in channels], facts["sfreq"], [c["type"] for c in channels])
        info["bads"] = [c["name"] for c in channels if c["bad"]]
        info["line_freq"], info["description"] = facts["line_freq"], facts["description"]
        with info._unlock():  # MNE offers no other way to say which filters an amplifier had
            info["highpass"], info["lowpass"] = float(facts["highpass"]), float(facts["lowpass"])
        raw = mne.io.RawArray(values, info, first_samp=int(facts["first_samp"]), copy=None, verbose="ERROR")
        if facts["meas_date"] is not None:
            raw.set_meas_date(datetime.fromisoformat(facts["meas_date"]))
        places = {c["name"]: np.array(c["loc"][:3], float) for c in channels if c["loc"] and None not in c["loc"][:3]}
        marks = {name: np.array(place, float) for name, place in facts["landmarks"].items()}
        placed = {name: place for name, place in places.items() if place.any()}
        if placed or marks:
            montage = mne.channels.make_dig_montage(placed, coord_frame="head", **marks)
            raw.set_montage(montage, on_missing="ignore", verbose="ERROR")
        for channel, told in zip(raw.info["chs"], channels, strict=True):  # the montage moves the last digits
            channel["loc"][:] = [np.nan if value is None else value for value in told["loc"]]
        rows = facts["annotations"]
        shift = 0.0 if facts["meas_date"] is not None else raw.first_time  # undated, MNE counts from the first sample
        told_by = mne.Annotations(
            np.array([a["onset"] for a in rows], float) - shift,
            [a["duration"] for a in rows],
            [a["text"] for a in rows],
            orig_time=raw.info["meas_date"],
            ch_names=[tuple(a["ch_names"]) for a in rows] if rows else None,
        )
        raw.set_annotations(told_by, emit_warning=False, verbose="ERROR")
    return raw


def _once(raw: mne.io.BaseRaw) -> list[tuple[float, float, str, tuple[str, ...]]]:
    """Return the annotations, exact repetitions once: MNE lists a gap of a FIF file twice, and again when it is saved."""
    told = raw.annotations
    rows = zip(told.onset, told.duration, told.description, told.ch_names, strict=True)
    return list(dict.fromkeys((float(on), float(length), str(text), tuple(names)) for on, length, text, names in rows))


def _landmarks(raw: mne.io.BaseRaw) -> dict[str, list[float]]:
    with quietly("landmarks"):
        montage = raw.get_montage()
        found = montage.get_positions() if montage is not None else {}
    if found.get("coord_frame") != "head":
        return {}
    return {name: [float(v) for v in found[name]] for name in ("nasion", "lpa", "rpa") if found[name] is not None}
