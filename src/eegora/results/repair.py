"""A recording whose bad cells a model has filled, or to which it has added channels. Knows no model; reading is `recordings`'."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from eegora.provenance import UNTRAINED, Provenance
from eegora.results import storage
from eegora.signal import Annotation, Array, Signal
from eegora.windows import Windows

if TYPE_CHECKING:
    import mne

SHORT = 0.15  # seconds that a model may leave off at the end
HONESTY = "imputed by a model where annotated, not measured"


class Mended(Protocol):
    """What a model's folder gives back of a recording that it filled, at the model's rate; it may hold more."""

    @property
    def windows(self) -> Windows:
        """What the network got, with names, positions and rate of the rows."""

    @property
    def hybrid(self) -> Array:
        """Volts (n_channels, n_times): filled cells, and the filtered recording elsewhere."""

    @property
    def filled_spread(self) -> Array | None:
        """Volts: deviation of `hybrid` over several draws; None of one."""

    @property
    def annotations(self) -> tuple[Annotation, ...]:
        """One per filled stretch."""

    @property
    def bads(self) -> tuple[str, ...]:
        """Channels that are still bad."""

    @property
    def added(self) -> tuple[str, ...]:
        """Channels that the recording did not have: the last rows."""

    def at_own_rate(self, signal: Signal) -> Array:
        """Return the recording that came, with its bad cells filled, then the added rows: `Repair.volts`."""

    def spread_at_own_rate(self, signal: Signal) -> Array | None:
        """Return the deviation over draws of each sample of `at_own_rate`."""

    def save_mask(self, path: str | Path) -> Path:
        """Write which cells were filled."""


@dataclass(frozen=True, eq=False, repr=False)
class Repair:
    """A repaired recording: every sample that was not filled is the recording's own, to the bit.

    Parameters
    ----------
    signal : Signal
        What came.
    volts : ndarray, shape (n_channels + n_added, n_times)
        At the recording's own rate and reference; rows of `signal`, then the added ones.
    details : Mended
        What the model's folder gave, at the model's rate.
    provenance : Provenance
    spread : ndarray, same shape as `volts`, or None
        Volts: standard deviation over several draws, zero where nothing was filled; `volts` is their mean.

    Examples
    --------
    >>> repair = model.repair(raw, bads=["T7"], seed=0)  # doctest: +SKIP
    >>> repair.to_raw(raw), repair.annotations  # doctest: +SKIP
    """

    signal: Signal
    volts: Array
    details: Mended
    provenance: Provenance
    spread: Array | None = None

    def __repr__(self) -> str:
        """Return one line: how much was filled."""
        filled, added = len(self.annotations), len(self.added)
        told = f"{filled} stretch{'es' * (filled != 1)} filled, {added} channel{'s' * (added != 1)} added"
        return f"<Repair of {self.signal.name}: {told}>"

    @property
    def annotations(self) -> tuple[Annotation, ...]:
        """One per filled stretch."""
        return self.details.annotations

    @property
    def added(self) -> tuple[str, ...]:
        """Channels that the recording did not have."""
        return self.details.added

    @property
    def besides(self) -> tuple[str, ...]:
        """What was filled of the recording's own channels, in words: ``O2 throughout``, ``all channels 8-9 s``."""
        own = [name for name in self.details.windows.ch_names if name not in self.added]
        found = [([name for name in a.ch_names or own if name in own], a) for a in self.annotations]
        throughout = [a.onset == 0 and abs(a.duration - self.signal.seconds) < SHORT for _, a in found]
        whole = {name for (names, _), all_of_it in zip(found, throughout, strict=True) if all_of_it for name in names}
        told = []
        for (names, a), all_of_it in zip(found, throughout, strict=True):
            when = "throughout" if all_of_it else f"{a.onset:.7g}-{a.onset + a.duration:.7g} s"
            everyone = not all_of_it and whole.union(names) == set(own)
            told += [f"{'all channels' if everyone else ', '.join(names)} {when}"] if names else []
        return tuple(told)

    @property
    def honesty(self) -> str:
        """What these samples are and are not, in one line."""
        p, draws = self.provenance, self.provenance.options.get("draws", 1)
        several = f"; mean of {draws} draws" if self.spread is not None else ""
        return f"{p.model} {p.variant}: {HONESTY}{several}{'; ' + UNTRAINED if p.untrained else ''}"

    def left_out(self, like: mne.io.BaseRaw) -> tuple[str, ...]:
        """Labels in the file that `like`, the recording as it was read, does not have: of another rate, or not calibrated."""
        labels = [label for use in self.signal.plan.uses if use.row is None for label in use.sources]
        return tuple(dict.fromkeys(label for label in labels if label not in like.ch_names))

    def to_raw(self, like: mne.io.BaseRaw) -> mne.io.BaseRaw:
        """Return the recording as MNE has it, with filled cells, added channels and annotations that name them.

        Parameters
        ----------
        like : mne.io.BaseRaw
            The recording that came; it stays as it is.
        """
        import mne

        raw = like.copy().load_data(verbose="ERROR")
        labels = self._labels()
        for name, row, old in zip(self.signal.ch_names, self.volts, self.signal.data, strict=False):
            if not np.array_equal(row, old):
                raw._data[raw.ch_names.index(labels[name])] = row
        if self.added:
            info = mne.create_info(list(self.added), raw.info["sfreq"], "eeg", verbose="ERROR")
            with info._unlock():
                for key in ("lowpass", "highpass"):
                    info[key] = raw.info[key]
            new = mne.io.RawArray(self.volts[-len(self.added) :], info, first_samp=raw.first_samp, verbose="ERROR")
            new.set_meas_date(raw.info["meas_date"])
            places = self.details.windows.ch_pos[-len(self.added) :]
            for channel, place in zip(new.info["chs"], places, strict=True):
                channel["loc"][:3] = place
                channel["coord_frame"] = 4  # head
            raw.add_channels([new], force_update_info=True)
        raw.info["bads"] = [label for label in raw.info["bads"] if label not in self._healed(labels)]
        filled = (self.honesty,) if self.annotations else ()
        told = (*filled, *left_out_note(self.left_out(like)), raw.info["description"])
        raw.info["description"] = ". ".join(text for text in told if text) or None
        return _annotated(raw, self.annotations, labels)

    def spread_to_raw(self, like: mne.io.BaseRaw, *, filtered: bool = False) -> mne.io.BaseRaw:
        """Return the standard deviation over draws (volts) on the clock and with the annotations of what `save` writes."""
        assert self.spread is not None, "one draw has no deviation"
        if filtered:
            raw, values = self.filtered(like), self.details.filled_spread
        else:
            labels, values = self._labels(), self.spread
            raw = self.to_raw(like).pick([*(labels[name] for name in self.signal.ch_names), *self.added])
            raw.reorder_channels([*(labels[name] for name in self.signal.ch_names), *self.added])
        raw._data[:] = values
        raw.info["description"] = f"standard deviation. {self.honesty}"
        return raw

    def save(self, path: str | Path, *, like: mne.io.BaseRaw, filtered: bool = False) -> Path:
        """Write a FIF file, whole or not at all; with `filtered` the model's version at its own rate.

        Of several draws it is the mean; their standard deviation goes into a second file beside it (`spread_path`).

        Raises
        ------
        UsageError
            ``unknown_suffix``; ``cannot_write``.
        """
        from eegora.recordings.write import save_raw

        path = Path(path)
        storage.ending(path, (".fif",), "a repaired recording")
        raw = self.filtered(like) if filtered else self.to_raw(like)
        # What was float32 in the file is float32 to the bit; anything else (EDF) needs all digits.
        fmt = "single" if filtered or like.orig_format == "single" else "double"
        with storage.refusals(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if self.spread is not None:
                save_raw(self.spread_to_raw(like, filtered=filtered), spread_path(path))
            return save_raw(raw, path, fmt=fmt)  # type: ignore[arg-type]

    def filtered(self, like: mne.io.BaseRaw) -> mne.io.BaseRaw:
        """Return the model's version: its rate, filtered and referenced, all of its channels."""
        import mne

        from eegora.recordings.read import time_axis
        from eegora.recordings.write import start_at

        windows = self.details.windows
        info = mne.create_info(list(windows.ch_names), windows.sfreq, "eeg", verbose="ERROR")
        info["description"] = self.honesty
        first, date = start_at(time_axis(like), windows.sfreq)
        raw = mne.io.RawArray(self.details.hybrid.astype(np.float64), info, first_samp=first, verbose="ERROR")
        raw.set_meas_date(date)
        for channel, place in zip(raw.info["chs"], windows.ch_pos, strict=True):
            channel["loc"][:3] = place
        raw.info["bads"] = [name for name in self.details.bads if name in raw.ch_names]
        return _annotated(raw, (*self.signal.annotations, *self.annotations), {})

    def _labels(self) -> dict[str, str]:
        """Return the recording's label of every canonical name."""
        uses = {use.row: use.sources[0] for use in self.signal.plan.uses if use.row is not None and use.sources}
        return {name: uses.get(name, name) for name in self.signal.ch_names}

    def _healed(self, labels: dict[str, str]) -> set[str]:
        """Labels of bad channels that were filled throughout."""
        return {labels[name] for name in self.signal.bads if name not in self.details.bads}


def left_out_note(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Return the line that names channels that are not written, or none."""
    return (f"left out of what is written, for another rate or no calibration: {', '.join(labels)}",) if labels else ()


def spread_path(path: str | Path) -> Path:
    """Return where the deviation over draws goes: ``rec_raw.fif`` → ``rec_sd_raw.fif``."""
    path = Path(path)
    return path.with_name(f"{path.stem.removesuffix('_raw')}_sd_raw.fif")


def _annotated(raw: mne.io.BaseRaw, annotations: tuple[Annotation, ...], labels: dict[str, str]) -> mne.io.BaseRaw:
    """Add annotations in MNE's time; one of several equal acquisition gaps stays, as MNE reads one more than it writes."""
    import mne

    told = raw.annotations
    rows = [Annotation(*row) for row in zip(told.onset, told.duration, told.description, strict=True)]
    again = [i for i, row in enumerate(rows) if row in rows[:i] and row.is_gap]
    if again:
        told.delete(again)
    if not annotations:
        return raw
    shift = raw.first_time if raw.info["meas_date"] is not None else 0.0
    new = mne.Annotations(
        [a.onset + shift for a in annotations],
        [a.duration for a in annotations],
        [a.text for a in annotations],
        orig_time=raw.info["meas_date"],
        ch_names=[
            tuple(n for name in a.ch_names if (n := labels.get(name, name)) in raw.ch_names) for a in annotations
        ],
    )
    return raw.set_annotations(raw.annotations + new, emit_warning=False, verbose="ERROR")
