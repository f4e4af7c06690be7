"""What every reader shares: MNE kept quiet, its exceptions made ours, and the record of what reading found. Knows no format."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eegora.errors import EegoraError, RecordingError
from eegora.plan import ChannelUse
from eegora.recordings.channels import parse_label
from eegora.recordings.checks import check_rate
from eegora.recordings.units import Units

if TYPE_CHECKING:
    import mne

# What a check of ours reports better, or nobody needs (spec preprocessing.md, section 9, step 3).
_DROPPED = re.compile(
    r"number of records|scaling factor|physical range|not unique|naming convention|measurement date|birthdate|invalid tag",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Request:
    """What the user said about a recording.

    Parameters
    ----------
    units : str or dict of label to str, optional
        Unit of the numbers, where the file does not say or says it wrong.
    sfreq : float, optional
        Hz, where the file does not say.
    include : sequence of str
        Labels that must come in although nobody knows them.
    channels : sequence of str
        Labels or canonical names: only these. Empty: all.
    rename : dict of label to str
        What labels stand for; they come in as EEG.
    """

    units: Units | None = None
    sfreq: float | None = None
    include: Sequence[str] = ()
    channels: Sequence[str] = ()
    rename: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Opened:
    """What reading a file found; travels in ``raw.info["temp"]``, which MNE copies but never saves.

    Parameters
    ----------
    notes : tuple of str
    dropped : tuple of ChannelUse
        Channels of the file that were not read at all.
    lines : ndarray of int, shape (n_times,), optional
        Line of a text file that each sample stands in; 0 in gaps.
    request : Request
    types : dict of label to str
        MNE's types that were given by label: they say no more than the label does.
    path : str
        The file, as it was given.
    """

    notes: tuple[str, ...] = ()
    dropped: tuple[ChannelUse, ...] = ()
    lines: NDArray[np.int64] | None = None
    request: Request = field(default_factory=Request)
    types: Mapping[str, str] = field(default_factory=dict)
    path: str = ""


@contextmanager
def quietly(name: str) -> Iterator[list[str]]:
    """Call MNE: its warnings become notes, its exceptions one error of ours.

    Yields
    ------
    list of str
        Filled with notes when the block ends.

    Raises
    ------
    RecordingError
        ``cannot_read`` with MNE's type and text.
    """
    notes: list[str] = []
    log = logging.getLogger("mne")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        log.addFilter(_silent)  # MNE may print its warnings too
        try:
            yield notes
        except (EegoraError, MemoryError):
            raise
        except Exception as error:  # MNE raises whatever its parsers meet
            raise RecordingError(
                "cannot_read",
                f"{name}: {type(error).__name__}: {error}",
                hint="open it in the program that wrote it, and export EDF or FIF",
            ) from error
        finally:
            log.removeFilter(_silent)
    if not caught:
        return
    folder = re.compile(rf"\S*[/\\](?={re.escape(name)})")  # a note goes into results: no machine's paths
    texts = dict.fromkeys(folder.sub("", " ".join(str(warning.message).split())) for warning in caught)
    notes.extend(f"MNE: {text}" for text in texts if not _DROPPED.search(text))


def raw_from_array(volts: NDArray[np.float64], labels: Sequence[str], sfreq: float, name: str) -> mne.io.BaseRaw:
    """Return a Raw of arrays that have labels but no types: what a label says decides.

    Parameters
    ----------
    volts : ndarray, shape (n_channels, n_times)

    Raises
    ------
    RecordingError
        ``bad_rate``.
    """
    import mne

    check_rate(sfreq, name)
    kinds = [parse_label(label, labels).kind for label in labels]
    types = ["eeg" if kind in ("eeg", "bipolar", "unknown") else kind for kind in kinds]
    types = ["misc" if kind == "annotation" else kind for kind in types]
    with quietly(name):
        info = mne.create_info(list(labels), sfreq, types, verbose="ERROR")
        return mne.io.RawArray(volts, info, copy="auto", verbose="ERROR")


def set_positions(raw: mne.io.BaseRaw, positions: Mapping[str, NDArray[np.float64]]) -> None:
    """Give channels of a Raw of our own making a place.

    Parameters
    ----------
    positions : dict of label to ndarray, shape (3,)
        Metres, head frame.
    """
    import mne

    if positions:
        montage = mne.channels.make_dig_montage(dict(positions), coord_frame="head")
        with quietly("positions"):
            raw.set_montage(montage, on_missing="ignore", verbose="ERROR")


def _silent(record: logging.LogRecord) -> bool:
    return False
