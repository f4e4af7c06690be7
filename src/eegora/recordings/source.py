"""Whatever a user hands over as a recording → Signals, one per continuous stretch. Reading is left to `read`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np

from eegora.errors import ChannelError, RecordingError, UsageError
from eegora.recordings.channels import nearest_names, same_electrode
from eegora.recordings.checks import NonFinite
from eegora.signal import Signal
from eegora.stream import Room, Stream
from eegora.windows import Windows

if TYPE_CHECKING:
    import mne

    Source: TypeAlias = str | Path | mne.io.BaseRaw | mne.BaseEpochs | tuple[Any, ...] | Signal | Stream | Windows


def prepare_source(
    source: Source,
    run: Callable[[Signal | Stream], Windows],
    *,
    exclude: Sequence[str] = (),
    room: Room | None = None,
) -> Windows:
    """Turn a source into windows.

    Parameters
    ----------
    source : path, mne Raw, mne Epochs, (array, ch_names, sfreq[, unit]), Signal or Stream
    run : callable
        What makes windows of one continuous signal.
    exclude : sequence of str
        Channels to leave out.
    room : Room, optional
        A path or a Raw that would take more memory than this allows goes to `run` as a Stream.

    Raises
    ------
    UsageError
        ``bad_source``.
    RecordingError
    """
    import mne

    from eegora.recordings import lazy

    if isinstance(source, mne.BaseEpochs):
        return _epochs(source, run, exclude)
    large = lazy.large_source(source, room or Room())
    if large is not None:
        return run(without(large, exclude))
    return run(without(as_signal(source), exclude))


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
        data, ch_names, sfreq, *unit = source
        return read.array_to_signal(
            np.asarray(data), list(ch_names), float(sfreq), unit=unit[0] if unit else "V", non_finite=non_finite
        )
    raise UsageError(
        "bad_source",
        f"a {type(source).__name__} is no recording; wanted a path, an mne Raw or Epochs, or (array, ch_names, sfreq)",
        hint="`Model.embed_many` takes a list of them" if isinstance(source, list) else "",
    )


AnySignal = TypeVar("AnySignal", Signal, Stream, Signal | Stream)


def without(signal: AnySignal, exclude: Sequence[str]) -> AnySignal:
    """Return a recording without some channels.

    Raises
    ------
    ChannelError
        ``no_such_channel`` with the nearest names.
    """
    if isinstance(signal, Stream):
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


def _epochs(epochs: mne.BaseEpochs, run: Callable[[Signal], Windows], exclude: Sequence[str]) -> Windows:
    """Prepare every epoch as a short recording of its own, its windows placed at the epoch's own time."""
    import mne

    from eegora.recordings import read

    if not len(epochs):
        raise RecordingError(
            "no_windows", "the Epochs object holds no epoch", hint="give epochs that were not all dropped"
        )
    data, sfreq = epochs.get_data(copy=False), float(epochs.info["sfreq"])
    if isinstance(epochs, mne.EpochsArray):
        # Its events are mere numbers: nobody knows when these epochs were.
        starts = np.arange(len(data)) * data.shape[-1] / sfreq
        when = "epochs of an array have no time of their own: they are placed one after the other"
    else:
        # Event samples count at the rate of the recording that was cut, also after decimation or resampling.
        rate = float(getattr(epochs, "_raw_sfreq", None) or sfreq)
        starts = epochs.events[:, 0] / rate + epochs.tmin
        when = "onsets of epochs count from sample 0 of the acquisition, as MNE's event samples do"
    parts = []
    for volts, start in zip(data, starts, strict=True):
        raw = mne.io.RawArray(volts, epochs.info, verbose="ERROR")
        windows = run(without(read.to_signal(raw, name="Epochs"), exclude))
        parts.append(replace(windows, onsets=windows.onsets + start))
    filtered = "each epoch was filtered and cut on its own: filter the recording before epoching"
    return join(parts, notes=(filtered, when))


def join(parts: Sequence[Windows], *, notes: Sequence[str] = ()) -> Windows:
    """Join windows of equal channels and length, one after the other."""
    first = parts[0]
    lengths = [len(part) for part in parts]

    def whole(name: str) -> Any:
        values = [getattr(part, name) for part in parts]
        if name in ("scale", "shift", "level"):
            values = [np.broadcast_to(v, (n, *v.shape[1:])) for v, n in zip(values, lengths, strict=True)]
            widest = tuple(max(sizes) for sizes in zip(*(v.shape[1:] for v in values), strict=True))
            values = [np.broadcast_to(v, (n, *widest)) for v, n in zip(values, lengths, strict=True)]
        return np.concatenate(values)

    offset = np.repeat(np.cumsum([0, *lengths[:-1]]), lengths)
    return replace(
        first,
        data=whole("data"),
        onsets=whole("onsets"),
        index=whole("index") + offset,
        n_valid=whole("n_valid"),
        scale=whole("scale"),
        shift=whole("shift"),
        level=whole("level"),
        flags=tuple(flag for part in parts for flag in part.flags),
        notes=(*dict.fromkeys(n for part in parts for n in part.notes), *notes),
        annotations=(),
    )


def marked_bad(signal: AnySignal, bads: Sequence[str]) -> AnySignal:
    """Return a recording with more channels marked bad.

    Raises
    ------
    ChannelError
        ``no_such_channel`` with the nearest names.
    """
    if isinstance(signal, Stream):
        return signal.map(lambda some: marked_bad(some, bads)) if bads else signal
    more: tuple[str, ...] = tuple(row for wanted in bads for row in _rows(signal, wanted))
    return replace(signal, bads=tuple(dict.fromkeys((*signal.bads, *more))))


def _rows(signal: Signal, wanted: str) -> list[str]:
    """Find a channel by its name in the recording or by its canonical one."""
    labels = {use.row: (use.row, *use.sources) for use in signal.plan.uses if use.row is not None}
    hit = [row for row in signal.ch_names if any(same_electrode(wanted, label) for label in labels.get(row, (row,)))]
    if not hit:
        near = " ".join(nearest_names(wanted, signal.ch_names))
        raise ChannelError("no_such_channel", f"{signal.name}: no channel {wanted!r}; nearest are {near}")
    return hit
