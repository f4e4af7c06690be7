"""Recordings as text tables (CSV, TSV): every doubt has a line number. Parsing is pyarrow's; what channels mean is not known here."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eegora.errors import RecordingError
from eegora.recordings.channels import parse_label
from eegora.recordings.checks import check_rate
from eegora.recordings.clock import no_clock, read_clock
from eegora.recordings.opening import Opened, Request, raw_from_array
from eegora.recordings.selection import check_request
from eegora.recordings.table_facts import MARK, Facts, from_comments, to_raw
from eegora.recordings.units import given_unit, volts_per

if TYPE_CHECKING:
    import mne

SUFFIXES = (".csv", ".tsv")
_TIME_NAMES = ("t", "ts", "sec", "seconds", "ms")
_INDEX_NAMES = ("", "sample", "samples", "index", "unnamed: 0")
_COMMENT_UNIT = re.compile(r"^#\s*units?\s*[=:]\s*(\S+)", re.IGNORECASE)
_NAME_UNIT = re.compile(r"^(.*?)\s*[\[(_ ]([^\s\[\]()_]*[vV])[\])]?$")  # Fp1 [uV], Fp1 (µV), Fp1_uV


@dataclass(frozen=True)
class Table:
    """Rows of text that belong to a table.

    Parameters
    ----------
    names : list of str
    rows : list of str
        Without header, comments and empty lines.
    lines : ndarray of int, shape (n_rows,)
        Their lines in the file, counted from 1.
    delimiter : str
    comments : list of str
    """

    names: list[str]
    rows: list[str]
    lines: NDArray[np.int64]
    delimiter: str
    comments: list[str]

    @cached_property
    def decimal(self) -> str:
        """The decimal point: a comma in semicolon tables that use it, in whatever row."""
        return "," if self.delimiter == ";" and any("," in row for row in self.rows) else "."

    def cells(self, row: int) -> list[str]:
        """Return the cells of one row."""
        return _split(self.rows[row], self.delimiter)


def open_table(path: Path, request: Request) -> tuple[mne.io.BaseRaw, Opened]:
    """Open a CSV or TSV file as a Raw (spec preprocessing.md, section 9).

    Gaps in time are filled with zeros and annotated ``BAD_ACQ_SKIP``.

    Raises
    ------
    RecordingError
        ``empty_file``, ``bad_header``, ``ragged``, ``text_cell``, ``time_order``, ``needs_sfreq``, ``needs_units``.
    """
    import mne

    table = read_table(path)
    values = _parse(path, table)
    facts = from_comments(path, table.comments)
    if facts is not None:
        return _exported(path, table, values, facts, request)
    lowered = [name.lower() for name in table.names]
    time = next((i for i, name in enumerate(lowered) if "time" in name or name in _TIME_NAMES), None)
    columns = [i for i, name in enumerate(lowered) if i != time and name not in _INDEX_NAMES]
    labels, stated = zip(*(_name_and_unit(table.names[i]) for i in columns), strict=True) if columns else ((), ())
    check_request(labels, request, path.name)
    if time is None or request.sfreq is not None:
        clock = no_clock(path, request.sfreq, len(values), has_times=time is not None)
    else:
        texts = [table.cells(row)[time] for row in (*range(min(1000, len(values))), len(values) - 1)]
        clock = read_clock(path, lowered[time], values[:, time], table.lines, texts)
    factors, notes = _factors(path, values[:, columns], labels, stated, table.comments, request)
    volts = np.zeros((len(columns), clock.n_times))
    volts[:, clock.samples] = (values[:, columns] * factors).T
    lines = np.zeros(clock.n_times, np.int64)
    lines[clock.samples] = table.lines
    raw = raw_from_array(volts, labels, clock.sfreq, path.name)
    if clock.gaps:
        onsets, durations = zip(*clock.gaps, strict=True)
        raw.set_annotations(mne.Annotations(onsets, durations, "BAD_ACQ_SKIP"), verbose="ERROR")
    return raw, Opened((*clock.notes, *notes), lines=lines, request=request)


def _exported(
    path: Path, table: Table, values: NDArray[np.float64], facts: Facts, request: Request
) -> tuple[mne.io.BaseRaw, Opened]:
    """Open a table that this library wrote: its comment says what the columns are."""
    labels = [str(channel["name"]) for channel in facts["channels"]]
    if table.names[1:] != labels:
        raise RecordingError(
            "bad_header",
            f"{path.name}: its columns are not the {len(labels)} channels that its {MARK.strip()!r} line lists",
            hint="export it again, or delete that line to read the bare numbers",
        )
    check_rate(facts["sfreq"], path.name)
    check_request(labels, request, path.name)
    texts = [table.cells(row)[0] for row in (0, len(values) - 1)]
    clock = read_clock(path, table.names[0].lower(), values[:, 0], table.lines, texts)
    if abs(clock.sfreq / facts["sfreq"] - 1) > 1e-4 or clock.gaps:
        raise RecordingError(
            "time_order",
            f"{path.name}: its {MARK.strip()!r} line says {facts['sfreq']:g} Hz without a gap, its times {clock.sfreq:g} Hz"
            f" and {len(clock.gaps)} gaps",
            hint="export it again, or delete that line to read the bare numbers",
        )
    given = [word for word in ("units", "sfreq") if getattr(request, word) is not None]
    ignored = tuple(f"{word} given, but not used: the file states it" for word in given)
    raw = to_raw(path, np.ascontiguousarray(values[:, 1:].T), facts)
    return raw, Opened(ignored, lines=table.lines, request=request)


def read_table(path: Path) -> Table:
    """Split a file into header, rows and comments.

    Raises
    ------
    RecordingError
        ``empty_file`` without a data row, ``bad_header`` without a row of names.
    """
    text = path.read_bytes().decode("utf-8-sig", "replace")
    comments, rows, lines = [], [], []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("#"):
            comments.append(line)
        elif line.strip():
            rows.append(line)
            lines.append(number)
    if len(rows) < 2:
        raise RecordingError("empty_file", f"{path.name} holds no data row", hint="get the file again")
    delimiter = max(",;\t", key=rows[0].count)
    if delimiter not in rows[0]:
        delimiter = " "
    names = _split(rows[0], delimiter)
    if all(_is_number(name.replace(",", ".")) for name in names):
        raise RecordingError(
            "bad_header",
            f"{path.name}: line {lines[0]} holds numbers, not names",
            hint="put channel names in a first row",
        )
    return Table(names, rows[1:], np.array(lines[1:]), delimiter, comments)


def _parse(path: Path, table: Table) -> NDArray[np.float64]:
    """Return the numbers, shape (n_rows, n_columns); NaN for empty cells."""
    import pyarrow
    from pyarrow import csv as arrow

    blank = table.delimiter == " "
    text = "\n".join(" ".join(row.split()) for row in table.rows) if blank else "\n".join(table.rows)
    names = [f"c{i}" for i in range(len(table.names))]
    try:
        parsed = arrow.read_csv(
            pyarrow.BufferReader(text.encode()),
            read_options=arrow.ReadOptions(column_names=names, use_threads=False),
            parse_options=arrow.ParseOptions(delimiter=table.delimiter),
            convert_options=arrow.ConvertOptions(
                column_types=dict.fromkeys(names, pyarrow.float64()), decimal_point=table.decimal
            ),
        )
    except pyarrow.ArrowInvalid as error:
        _find_defect(path, table)
        raise RecordingError("cannot_read", f"{path.name}: {error}", hint="export it again as plain CSV") from error
    values = np.column_stack([np.asarray(column.to_numpy(), np.float64) for column in parsed.columns])
    if np.isnan(values).any():  # perhaps a row that ends early
        _find_defect(path, table)
    return values


def _find_defect(path: Path, table: Table) -> None:
    """Raise for the first row with a wrong number of cells, else for the first cell that is no number."""
    n_columns = len(table.names)
    for row, line in enumerate(table.lines):
        n_cells = len(table.cells(row))
        if n_cells != n_columns:
            raise RecordingError(
                "ragged", f"{path.name}, line {line}: {n_cells} cells, {n_columns} wanted", hint="repair that line"
            )
    for row, line in enumerate(table.lines):
        for name, cell in zip(table.names, table.cells(row), strict=True):
            if not _is_number(cell.replace(table.decimal, ".")):
                raise RecordingError(
                    "text_cell", f"{path.name}, line {line}: {cell!r} in column {name!r} is no number", hint="repair it"
                )


def _factors(
    path: Path,
    values: NDArray[np.float64],
    labels: Sequence[str],
    stated: Sequence[float | None],
    comments: Sequence[str],
    request: Request,
) -> tuple[NDArray[np.float64], list[str]]:
    """Return volts per number for each column: as given, as commented, as named, else as the amplitudes say."""
    spoken = [match[1] for comment in comments if (match := _COMMENT_UNIT.match(comment))]
    commented = volts_per(spoken[0]) if spoken else None
    factors = [given_unit(request.units, label) or commented or own for label, own in zip(labels, stated, strict=True)]
    notes = []
    if None in factors:
        eeg = [i for i, label in enumerate(labels) if parse_label(label, labels).kind in ("eeg", "bipolar")]
        centred = np.where(np.isfinite(values), values, np.nan)[:, eeg or slice(None)]
        with np.errstate(over="ignore"):
            std = float(np.median(np.nanstd(centred, axis=0)))
        if not (std < 1e-3 or 0.5 <= std <= 5000):
            raise RecordingError(
                "needs_units",
                f"{path.name} states no unit, and a median standard deviation of {std:.3g} is neither volts nor µV",
                hint='--units uV (in Python units="uV")',
            )
        guess, name = (1.0, "volts") if std < 1e-3 else (1e-6, "µV")
        factors = [guess if factor is None else factor for factor in factors]
        notes.append(f"unit: taken for {name}, from a median standard deviation of {std:.3g}")
    return np.array(factors, np.float64), notes


def _name_and_unit(text: str) -> tuple[str, float | None]:
    match = _NAME_UNIT.match(text)
    factor = volts_per(match[2]) if match else None
    return (match[1], factor) if match and factor is not None else (text, None)


def _split(line: str, delimiter: str) -> list[str]:
    if delimiter == " ":
        return line.split()
    cells = next(csv.reader([line], delimiter=delimiter)) if '"' in line else line.split(delimiter)
    return [cell.strip() for cell in cells]


def _is_number(cell: str) -> bool:
    try:
        float(cell or "nan")
    except ValueError:
        return False
    return "_" not in cell
