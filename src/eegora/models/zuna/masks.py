"""Which cells of a recording are not to be believed, per channel and token (spec zuna-pipeline.md, A4 and A7), and the .npz that holds them.

Knows seconds, samples and tokens; what is done about such cells is `repair.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from eegora.errors import ChannelError, UsageError
from eegora.models.zuna.spec import PATCH
from eegora.plan import ChannelPlan
from eegora.recordings.channels import nearest_names
from eegora.recordings.selection import rows_called
from eegora.signal import Annotation, Array, runs

Cells = NDArray[np.bool_]

N_TOLD = 4  # stretches that a note lists


@dataclass(frozen=True)
class Span:
    """A stretch in seconds from the first sample; without channels it is about all.

    Parameters
    ----------
    start, stop : float
    ch_names : tuple of str
    """

    start: float
    stop: float
    ch_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class MaskFile:
    """What a mask file says.

    Parameters
    ----------
    mask : ndarray of bool, shape (n_channels, width)
    ch_names : tuple of str
    by_token : bool
        The file says how many samples a column stands for.
    """

    mask: Cells
    ch_names: tuple[str, ...]
    by_token: bool = False


def rows_of(
    names: Iterable[str],
    ch_names: Sequence[str],
    what: str,
    plan: ChannelPlan = ChannelPlan(),  # noqa: B008, it is frozen
) -> list[int]:
    """Return the rows of channels by name, in any case, by either name of an electrode, and as a plan's file spells them.

    Raises
    ------
    ChannelError
        ``unknown_channels`` with the nearest names.
    """
    found = []
    for name in names:
        row = next((i for i, other in enumerate(ch_names) if name.strip().lower() == other.lower()), None)
        if row is None and (called := rows_called(name, ch_names, plan)):
            row = list(ch_names).index(called[0])
        if row is None:
            raise ChannelError(
                "unknown_channels",
                f"{what} names {name}, which is not among the channels with a position: {' '.join(ch_names)}",
                hint=f"the nearest are {' '.join(nearest_names(name, ch_names))}",
            )
        found.append(row)
    return found


def span_tokens(spans: Iterable[Span], ch_names: Sequence[str], n_tokens: int, sfreq: float, overlap: float) -> Cells:
    """Mark the tokens that spans overlap by more than a share of a token.

    Parameters
    ----------
    spans : iterable of Span
        Of their channels only those that are there count.
    ch_names : sequence of str
    n_tokens : int
    sfreq : float
    overlap : float
        0: any sample.
    """
    out = np.zeros((len(ch_names), n_tokens), bool)
    for span in spans:
        rows = [i for i, name in enumerate(ch_names) if not span.ch_names or name in span.ch_names]
        out[rows] |= _touched(span, n_tokens, sfreq, overlap)
    return out


def _touched(span: Span, n_tokens: int, sfreq: float, overlap: float) -> Cells:
    """Mark the tokens, (n_tokens,), that a span overlaps by more than a share."""
    edges = np.arange(n_tokens) * PATCH
    start, stop = round(span.start * sfreq), round(span.stop * sfreq)
    shared = np.minimum(edges + PATCH, stop) - np.maximum(edges, start)
    return np.asarray(shared > max(PATCH * overlap, 0))


def widened(spans: Iterable[Span], n_tokens: int, sfreq: float, overlap: float, seconds: float) -> tuple[str, ...]:
    """Say which spans of a recording of so many seconds are filled beyond their ends, as whole tokens are; or nothing."""
    told = []
    for start, stop in dict.fromkeys((span.start, min(span.stop, seconds)) for span in spans):
        tokens = np.flatnonzero(_touched(Span(start, stop), n_tokens, sfreq, overlap))
        if not len(tokens):
            continue
        first, last = tokens[0] * PATCH / sfreq, min((tokens[-1] + 1) * PATCH / sfreq, seconds)
        if start - first > 0.5 / sfreq or last - stop > 0.5 / sfreq:
            told.append(f"{start:.7g}-{stop:.7g} became {first:.7g}-{last:.7g} s")
    more = [f"and {len(told) - N_TOLD} more"] if len(told) > N_TOLD else []
    listed = ", ".join([*told[:N_TOLD], *more])
    return (f"filled in whole cells of {PATCH / sfreq:g} s: {listed}",) if told else ()


def annotated(annotations: Iterable[Annotation]) -> list[Span]:
    """Return the spans of annotations whose text begins with BAD, in any case, acquisition gaps apart."""
    return [Span(a.onset, a.onset + a.duration, a.ch_names) for a in annotations if a.is_bad and not a.is_gap]


def gap_samples(gaps: Iterable[tuple[float, float]], n_times: int, sfreq: float) -> Cells:
    """Mark the samples, shape (n_times,), that lie in acquisition gaps (start, stop) in seconds."""
    out = np.zeros(n_times, bool)
    for start, stop in gaps:
        out[max(round(start * sfreq), 0) : max(round(stop * sfreq), 0)] = True
    return out


def file_tokens(file: MaskFile, ch_names: Sequence[str], n_times: int, n_tokens: int, overlap: float) -> Cells:
    """Bring a mask file to tokens: its columns may be tokens, samples, or stand for either at another rate.

    Parameters
    ----------
    file : MaskFile
        Rows are matched by name in any case; of channels that it does not name nothing is marked.
    ch_names : sequence of str
    n_times : int
        Samples at 256 Hz.
    n_tokens : int
    overlap : float
        Share of a token's samples that must be exceeded.

    Raises
    ------
    UsageError
        ``bad_mask`` if it names none of the channels.
    """
    width = file.mask.shape[1]
    sample = np.arange(n_tokens * PATCH)
    if width == n_times:
        column = sample
    elif file.by_token and width == ceil(n_times / PATCH):
        column = sample // PATCH
    else:
        column = sample * width // n_times
    column = np.minimum(column, width - 1)
    rows = {name.lower(): row for name, row in zip(file.ch_names, file.mask, strict=True)}
    if not any(name.lower() in rows for name in ch_names):
        raise UsageError(
            "bad_mask", f"the mask file names {' '.join(file.ch_names)}, the recording has {' '.join(ch_names)}"
        )
    out = np.zeros((len(ch_names), n_tokens), bool)
    for i, name in enumerate(ch_names):
        if name.lower() in rows:
            out[i] = rows[name.lower()][column].reshape(-1, PATCH).mean(axis=1) > overlap
    return out


def missing_spans(volts: Array, ch_names: Sequence[str], sfreq: float) -> list[Span]:
    """Return the stretches of each channel in which a recording has NaN or infinity."""
    bad = ~np.isfinite(volts)
    return [
        Span(start / sfreq, stop / sfreq, (name,))
        for name, row in zip(ch_names, bad, strict=True)
        if row.any()
        for start, stop in runs(row)
    ]


def span_mask(
    n_times: int, sfreq: float, ch_names: Sequence[str], spans: Iterable[Span], bads: Iterable[str] = ()
) -> Cells:
    """Make a mask file's content as the original's `write_bad_mask`: tokens of 32 samples at the recording's own rate.

    Returns
    -------
    ndarray of bool, shape (n_channels, ceil(n_times / 32))
    """
    samples = np.zeros((len(ch_names), ceil(n_times / PATCH) * PATCH), bool)
    samples[rows_of(bads, ch_names, "the list of bad channels"), :n_times] = True
    for span in spans:
        rows = rows_of(span.ch_names, ch_names, "a bad span") or list(range(len(ch_names)))
        start, stop = max(round(span.start * sfreq), 0), min(round(span.stop * sfreq), n_times)
        samples[rows, start:stop] = True
    return np.asarray(samples.reshape(len(ch_names), -1, PATCH).any(axis=-1))


def read_mask(path: str | Path) -> MaskFile:
    """Read a mask file: ``mask`` and ``ch_names``, and perhaps ``num_fine_time_pts``.

    Raises
    ------
    UsageError
        ``not_found``, ``bad_mask``.
    """
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            mask, names = np.asarray(file["mask"], bool), tuple(map(str, file["ch_names"]))
            if mask.ndim != 2 or len(names) != len(mask) or not mask.size:
                raise ValueError(f"mask of shape {mask.shape} for {len(names)} names")
            return MaskFile(mask, names, "num_fine_time_pts" in file)
    except FileNotFoundError:
        raise UsageError("not_found", f"{path}: there is no such mask file", hint="check --mask") from None
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        wanted = "wanted an .npz with mask (n_channels, width) of bool and ch_names"
        raise UsageError("bad_mask", f"{path}: {wanted} ({error})", hint="check --mask") from None


def write_mask(path: str | Path, cells: Cells, ch_names: Sequence[str], sfreq: float, n_times: int) -> Path:
    """Write a mask file of tokens that `read_mask` and the original read, whole or not at all."""
    from eegora.results.storage import write_whole

    arrays: dict[str, Any] = {
        "mask": np.asarray(cells, bool),
        "ch_names": np.array(ch_names),
        "sfreq": np.array(sfreq),
        "num_fine_time_pts": np.array(PATCH),
        "n_times": np.array(n_times),
    }

    def write(part: Path) -> None:
        with part.open("wb") as file:
            np.savez_compressed(file, **arrays)

    write_whole(path, write)
    return Path(path)
