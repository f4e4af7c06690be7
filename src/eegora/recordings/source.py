"""Whatever a user hands over as a recording → Signals, one per continuous stretch. Reading is left to `read`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np

from eegora.errors import ChannelError, RecordingError, UsageError
from eegora.recordings.channels import nearest_names
from eegora.recordings.checks import NonFinite
from eegora.recordings.epochs import read_epochs, to_trials
from eegora.recordings.opening import Request
from eegora.recordings.selection import rows_called
from eegora.signal import Signal, Trials
from eegora.stream import Room, Stream
from eegora.windows import Windows

if TYPE_CHECKING:
    import mne

    Source: TypeAlias = (
        str | Path | mne.io.BaseRaw | mne.BaseEpochs | tuple[Any, ...] | Signal | Stream | Trials | Windows
    )


READ = {"units", "sfreq", "montage", "include", "channels", "rename", "non_finite"}  # what may be said of a file
INSTEAD = {
    "sfreq": "give the rate with the array: (array, ch_names, sfreq)",
    "rename": "raw.rename_channels({…}) of MNE",
    "montage": "raw.set_montage(…) of MNE",
    "channels": "raw.pick([…]) of MNE",
}


def prepare_source(
    source: Source,
    run: Callable[[Signal | Stream | Trials], Windows],
    *,
    exclude: Sequence[str] = (),
    room: Room | None = None,
    reading: Mapping[str, Any] | None = None,
) -> Windows:
    """Turn a source into windows.

    Parameters
    ----------
    source : path, mne Raw, mne Epochs, (array, ch_names, sfreq[, unit]), Signal, Stream or Trials
    run : callable
        What makes windows of it.
    exclude : sequence of str
        Channels to leave out.
    room : Room, optional
        A path or a Raw that would take more memory than this allows goes to `run` as a Stream.
    reading : dict, optional
        As in `as_recording`.

    Raises
    ------
    UsageError
        ``bad_source``.
    RecordingError
    """
    return run(without(as_recording(source, room, reading), exclude))


def as_recording(
    source: Source, room: Room | None = None, reading: Mapping[str, Any] | None = None
) -> Signal | Stream | Trials:
    """Return a source as it can be prepared: epochs, also from a file, as Trials; what is too large as a Stream; else a Signal.

    Parameters
    ----------
    source, room
        As in `prepare_source`.
    reading : dict, optional
        What the user says of a file or an array, as fields of `Request`; ``montage`` of files; ``non_finite``.

    Raises
    ------
    UsageError
        ``bad_options`` for what this kind of source says itself.
    """
    import mne

    from eegora.recordings import lazy

    reading = dict(reading or {})
    taken = READ if isinstance(source, str | Path) else READ - {"sfreq", "montage"} if isinstance(source, tuple) else ()
    if strange := [name for name in reading if name not in taken]:
        raise UsageError(
            "bad_options",
            f"{strange[0]}= is about files and arrays, a {type(source).__name__} came",
            hint=INSTEAD.get(strange[0], "give it to read_recording, or change the object itself"),
        )
    if isinstance(source, tuple) and len(source) in (3, 4):
        return _of_array(source, reading)
    if isinstance(source, Trials | Stream):
        return source
    if isinstance(source, mne.BaseEpochs):
        return to_trials(source)
    if isinstance(source, str | Path):
        return load(source, room, **reading)[0]
    room = room or Room()
    if isinstance(source, mne.io.BaseRaw) and lazy.is_large(source, room):
        return lazy.to_stream(source, name=raw_name(source), room=room)
    return as_signal(source)


def load(
    path: str | Path, room: Room | None = None, **reading: Any
) -> tuple[Signal | Stream | Trials, mne.io.BaseRaw | None]:
    """Read a file: a recording, with its Raw, or epochs. Options as in `lazy.load`."""
    from eegora.recordings import lazy

    try:
        return lazy.load(path, room or Room(), **reading)
    except RecordingError as error:
        if error.code != "not_continuous":
            raise
    trials = to_trials(read_epochs(path), name=Path(path).name)
    return trials.map(lambda part: replace(part, path=str(path))), None


def as_signal(source: Source, non_finite: NonFinite = "refuse") -> Signal:
    """Return one continuous source as a Signal; samples that are not a number as `read.to_signal` has it."""
    import mne

    from eegora.recordings import read

    if isinstance(source, Signal):
        return source
    if isinstance(source, Stream):
        return source.whole()
    if isinstance(source, str | Path):
        return read.load_signal(source, non_finite=non_finite)[0]
    if isinstance(source, mne.io.BaseRaw):
        return read.to_signal(source, name=raw_name(source), non_finite=non_finite)
    if isinstance(source, tuple) and len(source) in (3, 4):
        return _of_array(source, {"non_finite": non_finite})
    if isinstance(source, mne.BaseEpochs | Trials):
        raise RecordingError("not_continuous", "epochs came, wanted a continuous recording", hint="give the Raw itself")
    raise UsageError(
        "bad_source",
        f"a {type(source).__name__} is no recording; wanted a path, an mne Raw or Epochs, or (array, ch_names, sfreq)",
        hint="`Model.embed_many` takes a list of them" if isinstance(source, list) else "",
    )


def _of_array(source: tuple[Any, ...], reading: Mapping[str, Any]) -> Signal:
    """Return (array, ch_names, sfreq[, unit]) as a Signal; a unit in `reading` goes before the tuple's own."""
    from eegora.recordings import read

    data, ch_names, sfreq, *unit = source
    said = dict(reading)
    units, non_finite = said.pop("units", None), said.pop("non_finite", "refuse")
    if isinstance(units, Mapping):
        raise UsageError("bad_unit", "an array has one unit, a dict of units came", hint='units="uV"')
    return read.array_to_signal(
        np.asarray(data),
        list(ch_names),
        float(sfreq),
        unit=units or (unit[0] if unit else "V"),
        request=Request(**said),
        non_finite=non_finite,
    )


AnySignal = TypeVar("AnySignal", Signal, Stream, Trials, Signal | Stream, Signal | Stream | Trials)


def without(signal: AnySignal, exclude: Sequence[str]) -> AnySignal:
    """Return a recording without some channels.

    Raises
    ------
    ChannelError
        ``no_such_channel`` with the nearest names.
    """
    if isinstance(signal, Stream | Trials):
        return signal.map(lambda some: without(some, exclude)) if exclude else signal
    gone = {row for wanted in exclude for row in _rows(signal, wanted)}
    if not gone:
        return signal
    keep = [i for i, name in enumerate(signal.ch_names) if name not in gone]
    return replace(
        signal,
        data=signal.data[keep],
        ch_names=tuple(signal.ch_names[i] for i in keep),
        ch_pos=signal.ch_pos[keep],
        bads=tuple(name for name in signal.bads if name not in gone),
        plan=signal.plan.dropping(gone, "excluded by the user"),
    )


def raw_name(raw: mne.io.BaseRaw) -> str:
    """Return the file's name of a Raw that came from one."""
    files = [f for f in raw.filenames if f is not None]
    return Path(files[0]).name if files else "Raw"


def marked_bad(signal: AnySignal, bads: Sequence[str]) -> AnySignal:
    """Return a recording with more channels marked bad.

    Raises
    ------
    ChannelError
        ``no_such_channel`` with the nearest names.
    """
    if isinstance(signal, Stream | Trials):
        return signal.map(lambda some: marked_bad(some, bads)) if bads else signal
    more: tuple[str, ...] = tuple(row for wanted in bads for row in _rows(signal, wanted))
    return replace(signal, bads=tuple(dict.fromkeys((*signal.bads, *more))))


def _rows(signal: Signal, wanted: str) -> list[str]:
    """Find a channel by its name in the recording or by its canonical one."""
    hit = rows_called(wanted, signal.ch_names, signal.plan)
    if not hit:
        near = " ".join(nearest_names(wanted, signal.ch_names))
        raise ChannelError(
            "no_such_channel",
            f"{signal.name}: no channel {wanted!r}; nearest are {near}",
            hint="a channel of the recording, not a row made of several",
        )
    return hit
