"""The header of an EDF or BDF file, field by field, refused where MNE would guess. Reads no data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from eegora.errors import RecordingError

FIXED_BYTES = BYTES_PER_SIGNAL = 256
_WIDTHS = {"label": 16, "transducer": 80, "unit": 8, "physical minimum": 8, "physical maximum": 8}
_WIDTHS |= {"digital minimum": 8, "digital maximum": 8, "prefilter": 80, "samples per record": 8, "reserved": 32}


@dataclass(frozen=True)
class Trace:
    """One signal of the file.

    Parameters
    ----------
    physical, digital : tuple of float
        Minimum and maximum.
    n_samples : int
        Per record.
    """

    label: str
    unit: str
    physical: tuple[float, float]
    digital: tuple[float, float]
    n_samples: int

    @property
    def is_calibrated(self) -> bool:
        """Whether both ranges say anything."""
        return self.physical[0] != self.physical[1] and self.digital[0] != self.digital[1]


@dataclass(frozen=True)
class Header:
    """What the header says, and the file's size.

    Parameters
    ----------
    width : int
        Bytes per number: 2 in EDF, 3 in BDF.
    is_discontinuous : bool
        Whether it says EDF+D or BDF+D.
    n_stated : int
        Records according to the header; -1 if it does not know.
    n_records : int
        Whole records that the file holds.
    n_rest : int
        Bytes after the last of them.
    record_s : float
        Seconds per record.
    traces : tuple of Trace
    """

    width: int
    is_discontinuous: bool
    n_stated: int
    n_records: int
    n_rest: int
    record_s: float
    traces: tuple[Trace, ...]

    @property
    def n_bytes(self) -> int:
        """Bytes before the first record."""
        return FIXED_BYTES + BYTES_PER_SIGNAL * len(self.traces)

    @property
    def record_bytes(self) -> int:
        """Bytes of one record."""
        return self.width * sum(trace.n_samples for trace in self.traces)


def read_header(path: Path) -> Header:
    """Read and check the header (spec preprocessing.md, section 9).

    Raises
    ------
    RecordingError
        ``bad_header``, ``bad_rate`` or ``empty_file`` (no whole record).
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        fixed = file.read(FIXED_BYTES)
        if size < FIXED_BYTES:
            raise _bad_header(path, f"the fixed part needs {FIXED_BYTES} bytes, the file has {size}")
        n_header = int(_number(path, fixed[184:192], "header bytes"))
        n_stated = int(_number(path, fixed[236:244], "records"))
        record_s = _number(path, fixed[244:252], "seconds per record", finite=False)
        n_signals = int(_number(path, fixed[252:256], "signals"))
        if n_signals < 1:
            raise _bad_header(path, f"it states {n_signals} signals")
        needed = FIXED_BYTES + BYTES_PER_SIGNAL * n_signals
        if size < needed:
            raise _bad_header(path, f"{n_signals} signals need {needed} bytes, the file has {size}")
        if n_header != needed:
            raise _bad_header(path, f"{n_signals} signals need {needed} bytes, it states {n_header}")
        traces = _read_traces(path, file.read(needed - FIXED_BYTES), n_signals)
    if not (math.isfinite(record_s) and record_s > 0):
        raise RecordingError(
            "bad_rate", f"{path.name}: the header states {record_s:g} s per record", hint="correct the file's header"
        )
    width = 3 if fixed[0] == 0xFF else 2
    n_records, n_rest = divmod(size - needed, width * sum(trace.n_samples for trace in traces))
    if n_records == 0:
        raise RecordingError("empty_file", f"{path.name}: a header without a whole record", hint="get the file again")
    is_discontinuous = fixed[192:197] in (b"EDF+D", b"BDF+D")
    return Header(width, is_discontinuous, n_stated, n_records, n_rest, record_s, traces)


def _read_traces(path: Path, block: bytes, n_signals: int) -> tuple[Trace, ...]:
    fields, at = {}, 0
    for name, width in _WIDTHS.items():  # each field stands n_signals times, then the next field
        fields[name] = [block[at + i * width : at + (i + 1) * width] for i in range(n_signals)]
        at += n_signals * width
    traces = []
    for i in range(n_signals):
        label, unit = (fields[name][i].strip().decode("latin-1") for name in ("label", "unit"))  # NULs as MNE has them
        numbers = {name: _number(path, fields[name][i], f"{name} of {label}") for name in _WIDTHS if "mum" in name}
        n_samples = int(_number(path, fields["samples per record"][i], f"samples per record of {label}"))
        if n_samples < 1:
            raise _bad_header(path, f"{label} has {n_samples} samples per record")
        low, high, digital_low, digital_high = numbers.values()
        traces.append(Trace(label, unit, (low, high), (digital_low, digital_high), n_samples))
    return tuple(traces)


def _number(path: Path, field: bytes, what: str, *, finite: bool = True) -> float:
    text = field.replace(b"\0", b" ").strip().decode("latin-1")
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        raise _bad_header(path, f"{what}: {text!r} is no number") from None
    if finite and not math.isfinite(number):
        raise _bad_header(path, f"{what}: {text!r} is no number")
    return number


def _bad_header(path: Path, what: str) -> RecordingError:
    return RecordingError(
        "bad_header", f"{path.name}: bad header: {what}", hint="get the file again, it is cut or damaged"
    )
