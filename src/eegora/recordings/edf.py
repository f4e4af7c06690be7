"""EDF and BDF: which of their signals MNE is asked for, and what it must be told about them.

The header's own rules are `edf_header`'s, the gaps that MNE closes up `discontinuous`'s affair.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from eegora.errors import RecordingError
from eegora.plan import ChannelUse
from eegora.recordings.channels import parse_label
from eegora.recordings.discontinuous import rebuild
from eegora.recordings.edf_header import Header, Trace, read_header
from eegora.recordings.opening import Opened, Request, quietly
from eegora.recordings.selection import check_request, label_of, no_channels, refusal
from eegora.recordings.units import given_unit, volts_per

if TYPE_CHECKING:
    import mne

_MNE_FACTORS = {"mV": 1e-3} | dict.fromkeys(("uV", "µV", "μV", "\x83ÊV"), 1e-6)  # all others: 1, without a word


def open_edf(path: Path, request: Request, reader: str) -> tuple[mne.io.BaseRaw, Opened]:
    """Open the EEG and bipolar channels that share a rate, and all else of that rate under its type.

    Parameters
    ----------
    reader : str
        ``edf`` or ``bdf``, by the file's content.

    Returns
    -------
    raw : mne.io.BaseRaw
        Not loaded, unless the file's name or its units shut MNE's lazy reader out.
    opened : Opened

    Raises
    ------
    RecordingError
        ``bad_header``, ``bad_rate``, ``empty_file``, ``bad_calibration``, ``needs_units``, ``no_channels``,
        ``discontinuous``, ``cannot_read``.
    """
    import mne

    header = read_header(path)
    signals = [trace for trace in header.traces if not trace.label.endswith(" Annotations")]
    labels = [trace.label for trace in signals]
    check_request(labels, request, path.name)
    wanted, others, dropped = _choose(signals, request, header.record_s)
    if not wanted:
        raise no_channels(labels, path.name)
    _check_calibration(path, wanted)
    names = _mne_names([trace for trace in signals if trace in wanted or trace in others])
    units, factors = _units(path, {name: trace for name, trace in names.items() if trace in wanted}, request)
    include = list(dict.fromkeys(trace.label for trace in names.values()))
    raw, warned = _read(path, reader, include, units, load=bool(factors))
    for name, factor in factors.items():
        raw.apply_function(lambda row, by=factor: row * by, picks=[raw.ch_names.index(name)], verbose="ERROR")
    _set_types(raw, {name: trace for name, trace in names.items() if trace in others}, labels)
    types = {name: mne.channel_type(raw.info, i) for i, name in enumerate(raw.ch_names)}
    notes = [*_record_notes(header), *_range_notes(wanted), *_factor_notes(factors), *warned]
    notes += [f"{use.sources[0]}: {use.reason}" for use in dropped if "Hz" in use.reason]
    if header.is_discontinuous:
        raw, more = rebuild(path, raw, header)
        notes += more
    return raw, Opened(tuple(notes), dropped, request=request, types=types)


def _choose(
    signals: Sequence[Trace], request: Request, record_s: float
) -> tuple[list[Trace], list[Trace], tuple[ChannelUse, ...]]:
    """Return the wanted signals of the commonest rate, others of that rate, and what is dropped and why."""
    labels = [trace.label for trace in signals]
    kinds = [label_of(label, labels, request) for label in labels]
    reasons = [refusal(kind, request) for kind in kinds]
    rates = Counter(trace.n_samples for trace, reason in zip(signals, reasons, strict=True) if reason is None)
    rate = max(rates, key=lambda n: (rates[n], n), default=0)
    wanted, others, dropped = [], [], []
    for trace, kind, reason in zip(signals, kinds, reasons, strict=True):
        if reason is None and trace.n_samples != rate:
            reason = f"at {trace.n_samples / record_s:g} Hz, most channels at {rate / record_s:g} Hz"
        if reason is None:
            wanted.append(trace)
        elif kind.kind not in ("eeg", "bipolar") and trace.n_samples == rate and trace.is_calibrated:
            others.append(trace)
        else:
            dropped.append(ChannelUse("dropped", None, (trace.label,), reason))
    return wanted, others, tuple(dropped)


def _set_types(raw: mne.io.BaseRaw, others: dict[str, Trace], labels: Sequence[str]) -> None:
    """Give channels that are not EEG the type that their label tells; one that nobody knows is ``misc``."""
    kinds = {name: parse_label(trace.label, labels).kind for name, trace in others.items()}
    types = {name: "misc" if kind == "unknown" else kind for name, kind in kinds.items() if name in raw.ch_names}
    raw.set_channel_types(types, on_unit_change="ignore", verbose="ERROR")


def _mne_names(traces: Sequence[Trace]) -> dict[str, Trace]:
    """Return what MNE will call each signal: labels that occur twice get a running number."""
    counts = Counter(trace.label for trace in traces)
    seen: Counter[str] = Counter()
    names = {}
    for trace in traces:
        names[trace.label if counts[trace.label] == 1 else f"{trace.label}-{seen[trace.label]}"] = trace
        seen[trace.label] += 1
    return names


def _units(path: Path, names: dict[str, Trace], request: Request) -> tuple[dict[str, str], dict[str, float]]:
    """Return the units to tell MNE, and the factors by which its numbers are wrong."""
    units, factors, untold = {}, {}, []
    for name, trace in names.items():
        factor = given_unit(request.units, trace.label) or volts_per(trace.unit)
        if factor is None:
            untold.append(f"{trace.label} ({trace.unit or 'blank'})")
        elif not trace.unit and factor in (1e-3, 1e-6):  # MNE takes a unit only where there is none, and stays lazy
            units[name] = "mV" if factor == 1e-3 else "uV"
        elif (ratio := factor / _MNE_FACTORS.get(trace.unit, 1.0)) != 1:
            factors[name] = ratio
    if untold:
        raise RecordingError(
            "needs_units",
            f"{path.name}: no unit of voltage for {', '.join(untold[:4])}{' …' if len(untold) > 4 else ''}",
            hint='--units uV (in Python units="uV")',
        )
    return units, factors


def _read(
    path: Path, reader: str, include: list[str], units: dict[str, str], load: bool
) -> tuple[mne.io.BaseRaw, list[str]]:
    import mne

    read = {"edf": mne.io.read_raw_edf, "bdf": mne.io.read_raw_bdf}[reader]
    with quietly(path.name) as notes:
        if path.suffix.lower() == f".{reader}":
            raw = read(path, include=include, units=units or None, preload=load)
        else:  # MNE goes by the suffix; an open file has none
            with path.open("rb") as file:
                raw = read(file, include=include, units=units or None, preload=True)
    return raw, notes


def _check_calibration(path: Path, wanted: Sequence[Trace]) -> None:
    bad = [trace.label for trace in wanted if not trace.is_calibrated]
    if bad:
        others = [trace.label for trace in wanted if trace.is_calibrated]
        raise RecordingError(
            "bad_calibration",
            f"{path.name}: the digital or physical range is 0 in {', '.join(bad)}",
            hint=f"--pick {shlex.quote(','.join(others))} (in Python channels={others})"
            if others
            else "correct the file's header",
        )


def _record_notes(header: Header) -> list[str]:
    stated, found, seconds = header.n_stated, header.n_records, header.record_s
    if stated < 0:
        return [f"the header gives no number of records; the file holds {found} ({found * seconds:g} s)"]
    if found < stated:
        return [f"truncated: {found} of {stated} records, {(stated - found) * seconds:g} s are lost"]
    if found > stated:
        return [f"the header states {stated} records, the file holds {found}: all were read"]
    return [f"{header.n_rest} bytes after the last record were ignored"] if header.n_rest else []


def _range_notes(wanted: Sequence[Trace]) -> list[str]:
    inverted = [trace.label for trace in wanted if trace.physical[0] > trace.physical[1]]
    return [f"physical minimum above maximum in {', '.join(inverted)}: read as stated"] if inverted else []


def _factor_notes(factors: dict[str, float]) -> list[str]:
    told = ", ".join(f"{name} by {factor:g}" for name, factor in factors.items())
    return [f"units: the numbers that MNE reads were multiplied: {told}"] if factors else []
