"""From a file to MNE's Raw, and from a Raw or an array to a Signal in volts. Which reader a file needs is left to `formats`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eegora.errors import ChannelError, RecordingError, UsageError
from eegora.plan import ChannelPlan
from eegora.recordings.checks import NonFinite, check_rate, constant, finite, plausible_rate, plausible_unit
from eegora.recordings.fits import check_fits
from eegora.recordings.formats import cut_unreadable, reader_of
from eegora.recordings.montages import set_montage
from eegora.recordings.opening import Opened, Request, quietly
from eegora.recordings.positions import head_position
from eegora.recordings.selection import Selection, check_request, no_channels, select
from eegora.recordings.units import Units, check_units, volts_per
from eegora.signal import Annotation, Signal, TimeAxis

if TYPE_CHECKING:
    import mne


def read_recording(
    path: str | Path,
    *,
    units: Units | None = None,
    sfreq: float | None = None,
    montage: str | None = None,
    include: Sequence[str] = (),
    channels: Sequence[str] = (),
    rename: Mapping[str, str] | None = None,
) -> mne.io.BaseRaw:
    """Open a recording: every format that MNE reads, and tables and arrays.

    The reader is chosen by content, then by suffix. Data are read when they are needed, where MNE can do so. Labels,
    annotations, bad channels, positions, date and first sample stay as the file has them. From EDF and BDF only the
    EEG and bipolar channels of the commonest rate come in, and what else has that rate, under the type its label tells.

    Parameters
    ----------
    path : path
    units : str or dict of label to str, optional
        ``V``, ``mV``, ``uV`` or ``nV``, where the file does not say or says it wrong.
    sfreq : float, optional
        Hz, for tables and arrays.
    montage : str, optional
        Name of a montage that MNE has: its positions replace the file's.
    include : sequence of str
        Labels to take as EEG although nobody knows them.
    channels : sequence of str
        Labels or canonical names: no other channel is taken as EEG.
    rename : dict of label to str, optional
        What labels stand for (``{"ch1": "Fp1"}``); in the Raw they stay as the file has them.

    Raises
    ------
    RecordingError
        See spec preprocessing.md, section 10: each code is one way in which a file can be bad.

    Examples
    --------
    ::

        raw = read_recording("night.edf", units="uV")
    """
    raw = open_raw(Path(path), Request(units, sfreq, tuple(include), tuple(channels), dict(rename or {})), montage)
    cut_unreadable(raw, Path(path).name)
    return raw


def load_signal(
    path: str | Path,
    *,
    units: Units | None = None,
    sfreq: float | None = None,
    montage: str | None = None,
    include: Sequence[str] = (),
    channels: Sequence[str] = (),
    non_finite: NonFinite = "refuse",
) -> tuple[Signal, mne.io.BaseRaw]:
    """Read a recording as a Signal, with the Raw that it comes from; parameters as in `read_recording` and `to_signal`."""
    name = Path(path).name
    raw = open_raw(Path(path), Request(units, sfreq, tuple(include), tuple(channels)), montage)
    return signal_of(raw, name, non_finite), raw


def signal_of(raw: mne.io.BaseRaw, name: str, non_finite: NonFinite) -> Signal:
    """Read a Raw that was just opened; of a damaged file what can be read."""
    try:
        return to_signal(raw, name=name, non_finite=non_finite)
    except RecordingError as error:
        if error.code != "cannot_read":
            raise
    cut_unreadable(raw, name)  # only now: looking for the end of every file would cost as much as reading a short one
    return to_signal(raw, name=name, non_finite=non_finite)


def to_signal(
    raw: mne.io.BaseRaw,
    *,
    name: str = "recording",
    non_finite: NonFinite = "refuse",
    start: int = 0,
    stop: int | None = None,
) -> Signal:
    """Return the EEG and bipolar channels in volts, under canonical names, checked.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        Stays as it is.
    name : str
        For messages and tables.
    non_finite : str
        ``refuse``, ``interpolate``: linearly over at most 0.1 s, else the channel becomes bad and zero, or ``keep``.
    start, stop : int
        Samples to read, instead of all.

    Returns
    -------
    Signal
        Positions are the file's, else the frozen table's by name; annotations are the recording's, whatever is read of it,
        and count from its first sample.

    Raises
    ------
    RecordingError
        ``no_channels``, ``non_finite``, ``constant_data``, ``bad_positions``, ``bad_rate``, ``cannot_read``, ``too_large``.
    """
    known, picks, lines = described(raw, name)
    stop = int(raw.n_times) if stop is None else stop
    check_fits(name, 8 * len(picks) * (stop - start))
    with quietly(name) as warned:
        data = raw.get_data(picks=picks, start=start, stop=stop).astype(np.float64, copy=False)
    signal = replace(known, data=data, notes=(*known.notes, *warned))
    return _checked(signal, non_finite, None if lines is None else lines[start:stop])


def described(raw: mne.io.BaseRaw, name: str) -> tuple[Signal, list[int], NDArray[np.int64] | None]:
    """Return what is known of a Raw without its samples: a signal with two of zeros, which channels, and their lines.

    Errors as in `to_signal`, less those of the data.
    """
    temp = raw.info.get("temp")
    opened = temp if isinstance(temp, Opened) else Opened()
    sfreq = float(raw.info["sfreq"])
    check_rate(sfreq, name)
    places = _places(raw, name)
    located = np.asarray(np.isfinite(places).all(axis=1)).tolist()
    chosen = select(raw.ch_names, opened.request, _stated_types(raw, opened.types), located)
    if not chosen.picks:
        raise no_channels(raw.ch_names, name)
    marked = [chosen.names[i] for i, pick in enumerate(chosen.picks) if raw.ch_names[pick] in raw.info["bads"]]
    found = Signal(
        np.zeros((len(chosen.picks), 2)),
        chosen.names,
        places[list(chosen.picks)],
        sfreq,
        annotations=_annotations(raw, chosen),
        bads=tuple(marked),
        plan=ChannelPlan(chosen.uses + opened.dropped),
        notes=(*opened.notes, *_doubles(chosen)),
        name=name,
        path=opened.path or next((str(file) for file in raw.filenames if file is not None), ""),
        axis=time_axis(raw),
    )
    lines = opened.lines if opened.lines is not None and len(opened.lines) == raw.n_times else None
    return _placed(found), list(chosen.picks), lines


def time_axis(raw: mne.io.BaseRaw) -> TimeAxis:
    """Return where a recording stands in time."""
    date = raw.info["meas_date"]
    return TimeAxis(
        int(raw.n_times) / float(raw.info["sfreq"]), float(raw.first_time), None if date is None else date.isoformat()
    )


def array_to_signal(
    data: ArrayLike,
    ch_names: Sequence[str],
    sfreq: float,
    *,
    unit: str = "V",
    request: Request | None = None,
    non_finite: NonFinite = "refuse",
) -> Signal:
    """Return an array as a Signal: what a channel is, its label tells.

    Parameters
    ----------
    data : array_like, shape (n_channels, n_times)
    ch_names : sequence of str
    sfreq : float
        Hz.
    unit : str
        ``V``, ``mV``, ``uV`` or ``nV``.
    request : Request, optional
        What else the user said about its labels.

    Raises
    ------
    RecordingError
        As `to_signal`, and ``bad_shape``.
    UsageError
        ``bad_unit``.
    """
    array, name = np.asarray(data), "array"
    labels = [str(label) for label in ch_names]
    if array.ndim != 2 or len(array) != len(labels):
        raise ChannelError(
            "bad_shape",
            f"{name}: an array of shape {array.shape} with {len(labels)} names",
            hint="wanted (n_channels, n_times) and one name per channel",
        )
    factor = volts_per(unit)
    if factor is None:
        raise UsageError("bad_unit", f"unit={unit!r} is no unit of voltage", hint="give V, mV, uV or nV")
    check_rate(float(sfreq), name)
    request = request or Request()
    check_request(labels, request, name)
    chosen = select(labels, request)
    if not chosen.picks:
        raise no_channels(labels, name)
    volts = array[list(chosen.picks)].astype(np.float64) * factor
    nowhere = np.full((len(volts), 3), np.nan)
    found = Signal(
        volts,
        chosen.names,
        nowhere,
        float(sfreq),
        plan=ChannelPlan(chosen.uses),
        notes=_doubles(chosen),
        name=name,
    )
    return _checked(_placed(found), non_finite, None)


def open_raw(path: Path, request: Request, montage: str | None) -> mne.io.BaseRaw:
    """Open a file as the request says; what reading it found travels in ``info["temp"]``."""
    check_units(request.units)
    raw, opened = reader_of(path)(path, request)
    check_rate(float(raw.info["sfreq"]), path.name)
    if montage is not None:
        set_montage(raw, montage)
    raw.info["temp"] = replace(opened, path=str(path))
    return raw


def _stated_types(raw: mne.io.BaseRaw, by_label: Mapping[str, str]) -> list[str] | None:
    """Return MNE's types; where a format has none, MNE calls everything ``eeg``, and labels decide (section 9, step 5)."""
    import mne

    with quietly("channel types"):
        types: list[str] = [mne.channel_type(raw.info, i) for i in range(len(raw.ch_names))]
    if by_label and all(by_label.get(n, kind) == kind for n, kind in zip(raw.ch_names, types, strict=True)):
        return None
    if isinstance(raw, mne.io.Raw | mne.io.RawArray):
        return types
    return None if set(types) <= {"eeg", "stim"} else types


def _places(raw: mne.io.BaseRaw, name: str) -> NDArray[np.float64]:
    """Return the file's positions, shape (n_channels, 3), metres; NaN where it has none."""
    places = np.array([channel["loc"] for channel in raw.info["chs"]], np.float64).reshape(-1, 12)[:, :3]
    places[~places.any(axis=1)] = np.nan
    far = (np.abs(places) > 1).any(axis=1) | (np.hypot(np.hypot(places[:, 0], places[:, 1]), places[:, 2]) > 1)
    if far.any():
        which = [raw.ch_names[i] for i in np.flatnonzero(far)]
        raise ChannelError(
            "bad_positions",
            f"{name}: {', '.join(which[:3])} more than 1 m from the head's centre",
            hint="positions must be in metres; divide by 1000 if they are in millimetres",
        )
    return places


def _annotations(raw: mne.io.BaseRaw, chosen: Selection) -> tuple[Annotation, ...]:
    """Return annotations counted from the first sample, exact repetitions once."""
    names = {raw.ch_names[pick]: name for pick, name in zip(chosen.picks, chosen.names, strict=True)}
    told = raw.annotations
    found = [
        Annotation(
            float(onset - raw.first_time), float(duration), str(text), tuple(names.get(c, c) for c in told.ch_names[i])
        )
        for i, (onset, duration, text) in enumerate(zip(told.onset, told.duration, told.description, strict=True))
    ]
    return tuple(dict.fromkeys(found))


def _doubles(chosen: Selection) -> tuple[str, ...]:
    return tuple(f"{use.sources[0]}: {use.reason}" for use in chosen.uses if "a second time" in use.reason)


def _placed(signal: Signal) -> Signal:
    """Fill unknown positions from the frozen table, by name."""
    unknown = np.flatnonzero(~np.isfinite(signal.ch_pos).all(axis=1))
    found = {i: place for i in unknown.tolist() if (place := head_position(signal.ch_names[i])) is not None}
    if not found:
        return signal
    places = signal.ch_pos.copy()
    places[list(found)] = list(found.values())
    note = f"positions of {len(found)} channel{'s' * (len(found) != 1)} are the standard table's"
    return replace(signal, ch_pos=places, notes=(*signal.notes, note))


def _checked(signal: Signal, policy: NonFinite, lines: NDArray[np.int64] | None) -> Signal:
    """Refuse or report what the data themselves show (section 9, step 5)."""
    if not signal.n_times:
        raise RecordingError("empty_file", f"{signal.name} holds no sample", hint="record something first")
    data, bads, repaired = finite(
        np.asarray(signal.data, np.float64), signal.ch_names, signal.sfreq, signal.name, policy, lines
    )
    known = np.nan_to_num(data, posinf=0.0, neginf=0.0) if repaired and policy == "keep" else data
    flat = constant(known, signal.ch_names, signal.name)
    doubts = (*plausible_rate(signal.sfreq), *plausible_unit(known, signal.ch_names, signal.sfreq))
    notes = (*signal.notes, *repaired, *flat, *doubts)
    return replace(signal, data=data, bads=tuple(dict.fromkeys(signal.bads + bads)), notes=notes)
