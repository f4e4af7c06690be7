"""Which reader a file needs, by content and then by suffix, and how much of a damaged file can be read. Knows no channel."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eegora.errors import RecordingError
from eegora.recordings import arrays, tables
from eegora.recordings.channels import nearest_names
from eegora.recordings.checks import check_rate
from eegora.recordings.discontinuous import LONGEST
from eegora.recordings.edf import open_edf
from eegora.recordings.fif_tags import broken_chain
from eegora.recordings.opening import Opened, Request, quietly
from eegora.recordings.selection import check_request

if TYPE_CHECKING:
    import mne

# What mne.io.read_raw knows by suffix; folders are formats of their own.
_MNE_SUFFIXES = (
    ".edf .eeg .bdf .gdf .vhdr .ahdr .mefd .fif .gz .set .cnt .mff .nxe .hdr .snirf .mat .bin .data .sqd .con .ds .txt"
    " .dat .dap .rs3 .cdt .dpa .cef .nedf .asc .ns3 .lay "
)

LEAST_BYTES = 2  # of a number in a FIF file

Reader = Callable[[Path, Request], tuple["mne.io.BaseRaw", Opened]]


def reader_of(path: Path) -> Reader:
    """Choose by content, then by suffix (spec preprocessing.md, section 9, step 1)."""
    suffix = path.suffix.lower()
    if not path.exists():
        close = nearest_names(path.name, (p.name for p in path.parent.iterdir()), 1) if path.parent.is_dir() else ()
        hint = f"perhaps {path.parent / close[0]}" if close else f"there is no folder {path.parent}"
        raise RecordingError("not_found", f"{path} does not exist", hint=hint)
    if path.is_dir():
        if suffix in (".mff", ".ds", ".mefd"):
            return _open_mne
        raise RecordingError("unknown_format", f"{path} is a folder", hint="name a recording in it")
    with path.open("rb", buffering=0) as file:
        head = file.read(20)
    if not head:
        raise RecordingError("empty_file", f"{path.name} has no bytes", hint="get the file again")
    if head[:8] == b"0       ":
        return lambda path, request: open_edf(path, request, "edf")
    if head[:8] == b"\xffBIOSEMI":
        return lambda path, request: open_edf(path, request, "bdf")
    if head[:4] == b"\0\0\0\x64" and head[8:12] == b"\0\0\0\x14":
        return _open_fif
    if suffix in tables.SUFFIXES:
        return tables.open_table
    if suffix in arrays.SUFFIXES:
        return arrays.open_array
    if suffix in (".edf", ".bdf"):
        raise RecordingError("bad_header", f"{path.name} begins with {head[:8]!r}: no EDF or BDF", hint="get it again")
    if suffix and f"{suffix} " in _MNE_SUFFIXES:
        return _open_mne
    raise _unknown(path)


def _unknown(path: Path) -> RecordingError:
    return RecordingError(
        "unknown_format",
        f"{path.name}: neither its content nor its suffix is a recording's",
        hint="export it as EDF, BDF, FIF or CSV",
    )


def _open_fif(path: Path, request: Request) -> tuple[mne.io.BaseRaw, Opened]:
    import mne

    broken = broken_chain(path)
    raw, opened = _open(path, request, mne.io.read_raw_fif, mne.read_epochs)
    n_bytes = sum(os.path.getsize(part) for part in raw.filenames if part is not None)
    if raw.n_times * len(raw.ch_names) * LEAST_BYTES > LONGEST * n_bytes:  # before anybody makes room for its zeros
        raise RecordingError(
            "discontinuous",
            f"{path.name}: states {raw.n_times / raw.info['sfreq']:g} s, its {n_bytes} bytes hold a tenth at most",
            hint="get the file again, or cut the recording into its continuous parts",
        )
    return raw, replace(opened, notes=(*broken, *opened.notes))


def _open_mne(path: Path, request: Request) -> tuple[mne.io.BaseRaw, Opened]:
    import mne

    epochs = {".set": mne.read_epochs_eeglab, ".gz": mne.read_epochs}
    return _open(path, request, mne.io.read_raw, epochs.get(path.suffix.lower()))


def _open(path: Path, request: Request, read: Any, read_epochs: Any) -> tuple[mne.io.BaseRaw, Opened]:
    try:
        with quietly(path.name) as notes:
            raw = read(path, preload=False)
    except RecordingError as error:
        if isinstance(error.__cause__, ZeroDivisionError):  # MNE divides by the rate before anyone can look at it
            check_rate(0.0, path.name)
        if path.suffix.lower() == ".txt":
            raise _unknown(path) from error
        if read_epochs is not None and _opens(read_epochs, path):
            raise RecordingError(
                "not_continuous",
                f"{path.name} holds epochs, not a continuous recording",
                hint="read it with MNE and give the epochs themselves",
            ) from error
        raise
    check_request(raw.ch_names, request, path.name)
    given = [word for word in ("units", "sfreq") if getattr(request, word) is not None]
    ignored = [f"{word} given, but not used: the file states it" for word in given]
    return raw, Opened((*notes, *ignored), request=request)


def _opens(read_epochs: Any, path: Path) -> bool:
    try:
        with quietly(path.name):
            read_epochs(path, verbose="ERROR")
    except RecordingError:
        return False
    return True


def cut_unreadable(raw: mne.io.BaseRaw, name: str) -> None:
    """Crop what a damaged file only promises: MNE opens it, and raises when its last samples are read.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        Just opened, with its `Opened` record, which gets a note.

    Raises
    ------
    RecordingError
        ``cannot_read`` if not even the first sample can be read.
    """
    n_times = raw.n_times
    if raw.preload or _reads(raw, n_times - 1):
        return
    good, bad = 0, n_times - 1  # samples before `good` can be read, the one at `bad` cannot
    while good < bad:
        middle = (good + bad) // 2
        good, bad = (middle + 1, bad) if _reads(raw, middle) else (good, middle)
    with quietly(name):
        if good == 0:
            raw.get_data(start=0, stop=1, verbose="ERROR")  # raises what MNE says
        raw.crop(tmax=(good - 1) / raw.info["sfreq"], verbose="ERROR")
    lost = (n_times - good) / raw.info["sfreq"]
    note = f"truncated_data: {good} of {n_times} samples can be read, {lost:g} s are lost"
    raw.info["temp"] = replace(raw.info["temp"], notes=(*raw.info["temp"].notes, note))


def _reads(raw: mne.io.BaseRaw, sample: int) -> bool:
    try:
        with quietly("one sample"):
            raw.get_data(start=sample, stop=sample + 1, verbose="ERROR")
    except RecordingError:
        return False
    return True
