"""How well hidden channels of a recording came back, by a model and by plainer methods. Computes no signal; `compare.trial` makes it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eegora.provenance import Provenance
from eegora.results import storage
from eegora.signal import Array
from eegora.whole import as_text

KIND = "score"
ENDINGS = (".json", ".parquet", ".csv")
NUMBERS = ("nmse", "r", "snr_db", "spectral", "delta", "theta", "alpha", "beta", "gamma")
SUMMED = ("nmse", "r", "snr_db", "spectral")
IMPUTED = "The repaired channels are imputed, not measured."
NOUNS = {
    "channel": "hidden channels",
    "region": "channels of hidden regions",
    "span": "hidden spans",
    "gap": "channels across hidden gaps",
}
KINDS = {
    "channel": "whole channels",
    "region": "regions",
    "span": "spans of one channel",
    "gap": "spans of all channels",
}

Row = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Trace:
    """A few seconds of one hidden channel, for the eye.

    Parameters
    ----------
    kind, channel : str
    start : float
        Seconds of the recording.
    hidden : (float, float)
        Seconds of the recording in which the channel was hidden.
    truth : ndarray of float32, shape (n_times,)
        Volts.
    answers : dict of str to ndarray, same shape
    """

    kind: str
    channel: str
    start: float
    hidden: tuple[float, float]
    truth: Array
    answers: Mapping[str, Array]


@dataclass(frozen=True, eq=False, repr=False)
class Score:
    """What came back of hidden channels, one row per hidden thing, channel and method.

    Parameters
    ----------
    table : tuple of dict
        ``kind`` (channel, region, span, gap), ``hidden``, ``channel``, ``area`` of the head, ``start``, ``stop`` (seconds of the
        recording), ``run``, ``hidden_at_once``, ``method``, ``won``, ``n_samples``, ``nmse``, ``r``, ``snr_db``, ``spectral`` and
        its bands. NaN: not defined (the correlation with a constant).
    methods : tuple of str
        The model first, then the plainer ones.
    traces : tuple of Trace
    ch_names : tuple of str
        Every channel with a position, the bad ones too.
    ch_pos : ndarray, shape (n_channels, 3)
        Metres, head frame.
    stretch : (float, float)
        Seconds of the recording that were tried.
    sfreq : float
        Hz: the recording's own.
    band : str
        What the truth and every answer were limited to.
    meaningless : bool
        The checkpoint is known not to be trained.
    provenance : Provenance

    Examples
    --------
    >>> score.sentence, score.summary(), score.to_table()  # doctest: +SKIP
    """

    table: tuple[Row, ...]
    methods: tuple[str, ...]
    traces: tuple[Trace, ...]
    ch_names: tuple[str, ...]
    ch_pos: Array
    stretch: tuple[float, float]
    sfreq: float
    band: str
    meaningless: bool
    provenance: Provenance

    def __repr__(self) -> str:
        """Return one line: what was tried and who won."""
        return f"<Score of {self.provenance.recording}: {self.sentence}>"

    @property
    def model(self) -> str:
        """The model's name among the methods."""
        return self.methods[0]

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of hiding that were tried."""
        return tuple(kind for kind in KINDS if any(row["kind"] == kind for row in self.table))

    @property
    def sentence(self) -> str:
        """Which method won, in plain words; about what was tried and nothing else."""
        said = [self._verdict(kind) for kind in self.kinds]
        if self.meaningless:
            said.insert(0, f"The checkpoint of {self.model} is not trained: its figures mean nothing.")
        return " ".join([*said, IMPUTED])

    @property
    def conditions(self) -> str:
        """What the figures are about: how much, at which rate, in which band, and what was not tried."""
        start, stop = self.stretch
        most = max((row["hidden_at_once"] for row in self.table if row["kind"] != "gap"), default=0)
        at_once = f", at most {_count(most, 'channel')} hidden at once" if most else ""
        n_runs = len({row["run"] for row in self.table})
        untried = [words for kind, words in KINDS.items() if kind not in self.kinds]
        told = (
            f"Tried on {start:g} to {stop:g} s of {self.provenance.recording}, {_count(n_runs, 'run')}{at_once},"
            f" at {self.sfreq:g} Hz and its own reference; truth and answers alike {self.band}."
        )
        return told + (f" Not tried: {', '.join(untried)}." if untried else "")

    def summary(self, by: str = "kind") -> list[dict[str, Any]]:
        """Return medians and quartiles, a row per kind, group and method.

        Parameters
        ----------
        by : str
            What makes a group within a kind: ``kind`` itself, ``area``, ``hidden`` or ``channel``.
        """
        groups = dict.fromkeys((row["kind"], row[by]) for row in self.table)
        found = []
        for kind, group in groups:
            for method in self.methods:
                rows = self.rows(method, kind, **({} if by == "kind" else {by: group}))
                if not rows:
                    continue
                line = {"kind": kind, by: group, "method": method, "n": len(rows), "won": sum(r["won"] for r in rows)}
                for name in SUMMED:
                    low, middle, high = _quartiles([row[name] for row in rows])
                    line |= {name: middle, f"{name}_q1": low, f"{name}_q3": high}
                found.append(line)
        return found

    def rows(self, method: str, kind: str, **more: Any) -> list[Row]:
        """Return the table's rows of one method and kind."""
        wanted = {"method": method, "kind": kind, **more}
        return [row for row in self.table if all(row[name] == value for name, value in wanted.items())]

    def rival(self, kind: str) -> str:
        """Return the method that the model is held against: the first of the plainer ones that was tried."""
        return next(method for method in self.methods[1:] if self.rows(method, kind))

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the traces as JSON takes it; None where a number is not defined or infinite."""
        found: dict[str, Any] = _plain(
            {
                "sentence": self.sentence,
                "meaningless": self.meaningless,
                "conditions": self.conditions,
                "methods": list(self.methods),
                "summary": self.summary(),
                "areas": self.summary("area"),
                "table": list(self.table),
            }
        )
        return found

    def to_table(self) -> Any:
        """Return `table` as a pyarrow table, with the record in its metadata."""
        import pyarrow as pa

        return storage.with_record(pa.Table.from_pylist([dict(row) for row in self.table]), self._record())

    def save(self, path: str | Path) -> Path:
        """Write a file, whole or not at all: ``.json`` with everything and the provenance, ``.parquet`` or ``.csv`` the table.

        Raises
        ------
        UsageError
            ``unknown_suffix``; ``cannot_write``.
        """
        path = Path(path)
        suffix = storage.ending(path, ENDINGS, "a score")
        if suffix == ".parquet":
            storage.save_table(path, self.to_table())
        elif suffix == ".csv":
            storage.write_whole(path, self._write_csv)
        else:
            found = {storage.KEY: self._record(), **self.to_dict()}
            text = json.dumps(found, indent=2, allow_nan=False) + "\n"
            storage.write_whole(path, as_text(text))
        return path

    def _verdict(self, kind: str) -> str:
        """Say who was better in one kind of hiding."""
        rival = self.rival(kind)
        ours, theirs = self.rows(self.model, kind), self.rows(rival, kind)
        pairs = [(a["nmse"], b["nmse"]) for a, b in zip(ours, theirs, strict=True)]
        better, worse = sum(a < b for a, b in pairs), sum(a > b for a, b in pairs)
        first, second = (ours, theirs) if better >= worse else (theirs, ours)
        name, other = (self.model, rival) if better >= worse else (rival, self.model)
        medians = f"median r {_middle(first, 'r')} against {_middle(second, 'r')}, NMSE {_middle(first, 'nmse')} against {_middle(second, 'nmse')}"
        what = f"of {len(pairs)} {NOUNS[kind]}"
        if self.meaningless:
            told = f"{rival}: median r {_middle(theirs, 'r')}, NMSE {_middle(theirs, 'nmse')} over {len(pairs)} {NOUNS[kind]}."
            return told[0].upper() + told[1:]
        if better == worse:
            return f"On this recording {name} and {other} were each better in {better} {what} ({medians})."
        told = f"On this recording {name} was better in {max(better, worse)} {what} than {other} ({medians})."
        best = max(self.methods, key=lambda method: sum(row["won"] for row in self.rows(method, kind)))
        if best not in (name, other):
            n = sum(row["won"] for row in self.rows(best, kind))
            told += f" Of all methods {best} won most often ({n})."
        if (n := sum(row["nmse"] > 1 for row in ours)) > len(ours) / 2:
            told += f" {self.model} did worse than a line of zeros in {n} (NMSE above 1)."
        return told

    def _record(self) -> storage.Record:
        return storage.record(KIND, self.provenance, conditions=self.conditions, statement_of_repair=IMPUTED)

    def _write_csv(self, part: Path) -> None:
        from pyarrow import csv

        with part.open("wb") as file:
            csv.write_csv(self.to_table(), file)


def won(rows: Sequence[Mapping[str, Any]]) -> Iterator[bool]:
    """Say of each method's row about one hidden channel whether its error is the least; a tie has no winner."""
    errors = [row["nmse"] for row in rows]
    known = [error for error in errors if not math.isnan(error)]
    for error in errors:
        yield bool(known) and error == min(known) and errors.count(error) == 1


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


def _quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the quartiles of what is a number; an infinite one stands at its end."""
    known = sorted(value for value in values if not math.isnan(value))
    if not known:
        return (math.nan,) * 3
    if not math.isinf(known[-1]) and not math.isinf(known[0]):
        low, middle, high = map(float, np.percentile(known, [25, 50, 75]))
        return low, middle, high
    low, middle, high = (known[round(share * (len(known) - 1))] for share in (0.25, 0.5, 0.75))
    return low, middle, high


def _middle(rows: Sequence[Row], name: str) -> str:
    middle = _quartiles([row[name] for row in rows])[1]
    return "undefined" if math.isnan(middle) else f"{middle:.2f}"


def _plain(value: Any) -> Any:
    """Return a value with None for every number that JSON cannot spell."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
