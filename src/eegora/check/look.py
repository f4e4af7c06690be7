"""A recording by itself: read, and everything said about it that no model has a part in. Models are `fit`'s affair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import numpy as np

from eegora.check import quality
from eegora.check.verdict import Finding
from eegora.errors import EegoraError, RecordingError
from eegora.plan import ChannelPlan
from eegora.recipes.line_noise import line_noise
from eegora.recordings.checks import NonFinite
from eegora.recordings.positions import head_position
from eegora.recordings.source import as_recording, as_signal, marked_bad, raw_name
from eegora.results.windows import refuse_windows
from eegora.signal import Annotation, Signal, Trials

if TYPE_CHECKING:
    import mne

    from eegora.recordings.source import Source

MOST_VALUES = 60_000_000  # numbers that are looked at one and all; of longer recordings, stretches
STRETCHES, STRETCH_S = 20, 30.0
# Notes of reading that a finding here says with numbers of its own.
SAID_HERE = ("unit?", "positions of", "flat over")
DAMAGE = ("truncated", "damaged", "rate?", "unit?")


@dataclass(frozen=True)
class Look:
    """A recording that was read once, for as many models as there are.

    Parameters
    ----------
    name : str
    typed : str
        How a command names it.
    signal : Signal or None
        What was looked at; None if nothing of it can be used.
    n_times : int
        Samples of the whole recording.
    annotations : tuple of Annotation
        Of the whole recording.
    trials : Trials or None
        If it holds epochs: they themselves; `signal` then has one after the other.
    as_read : Signal or None
        If some samples are not numbers: the recording with them; in `signal` they are bridged.
    findings : tuple of Finding
    plan : ChannelPlan
    numbers : dict
    reading : dict
        Options that reading took, for commands: ``units``, ``sfreq``, ``montage``, ``bads``, ``rename``, ``include``, ``pick``.
    """

    name: str
    typed: str
    signal: Signal | None
    n_times: int = 0
    annotations: tuple[Annotation, ...] = ()
    trials: Trials | None = None
    as_read: Signal | None = None
    findings: tuple[Finding, ...] = ()
    plan: ChannelPlan = field(default_factory=ChannelPlan)
    numbers: Mapping[str, Any] = field(default_factory=dict)
    reading: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Whether every sample was looked at."""
        return self.signal is not None and self.signal.n_times == self.n_times

    @property
    def seconds(self) -> float:
        """Length of the whole recording."""
        return self.n_times / self.signal.sfreq if self.signal else 0.0


def look_at(
    source: Source,
    *,
    units: str | None = None,
    sfreq: float | None = None,
    montage: str | None = None,
    bads: Sequence[str] = (),
    rename: Mapping[str, str] | None = None,
    include: Sequence[str] = (),
    channels: Sequence[str] = (),
) -> Look:
    """Read a recording and look at it.

    Parameters
    ----------
    source : path, mne Raw, mne Epochs, (array, ch_names, sfreq[, unit]) or Signal
    units, sfreq, montage, rename, include, channels
        As in `read_recording`; for paths.
    bads : sequence of str
        Channels to mark bad.

    Raises
    ------
    RecordingError
        Only if the file cannot be understood (exit code 2); what is wrong with its content is a finding.
    UsageError
    """
    options: dict[str, Any] = {"units": units, "sfreq": sfreq, "montage": montage}
    renamed = ",".join(f"{old}={new}" for old, new in (rename or {}).items())
    lists = {"bads": ",".join(bads), "rename": renamed, "include": ",".join(include), "pick": ",".join(channels)}
    reading = {k: v for k, v in {**options, **lists}.items() if v}
    options |= {"rename": rename, "include": include, "channels": channels}
    typed = quote(str(source)) if isinstance(source, str | Path) else "RECORDING"
    name = Path(source).name if isinstance(source, str | Path) else "recording"
    if isinstance(source, str | Path):
        refuse_windows(source, "a recording")
    trouble: list[Finding] = []
    as_read = None
    try:
        try:
            signal, n_times, told, trials = _read(source, options, "refuse")
        except RecordingError as error:
            if error.code != "non_finite":
                raise
            hint = "repair the file, or --non-finite interpolate"
            trouble.append(Finding("error", error.code, error.message, hint))
            as_read = marked_bad(_read(source, options, "keep")[0], bads)
            signal, n_times, told, trials = _read(source, options, "interpolate")
    except EegoraError as error:
        if error.exit_code == 2:
            raise
        return Look(name, typed, None, findings=(*trouble, Finding.of_error(error)), reading=reading)
    signal = marked_bad(signal, bads)
    trials = marked_bad(trials, bads) if trials else None
    found = Look(signal.name, typed, signal, n_times, told, trials, as_read, plan=signal.plan, reading=reading)
    findings, numbers = _findings(found, signal)
    return replace(found, findings=(*trouble, *findings), numbers=numbers)


def _read(
    source: Source, options: Mapping[str, Any], policy: NonFinite
) -> tuple[Signal, int, tuple[Annotation, ...], Trials | None]:
    """Return the signal, or stretches of a long one; the whole length, all annotations, and the epochs if it holds such."""
    import mne

    from eegora.recordings import read

    if isinstance(source, mne.BaseEpochs | Trials):
        return _trials(as_recording(source))
    if isinstance(source, str | Path):
        name = Path(source).name
        try:
            raw = read.read_recording(source, **options)
        except RecordingError as error:
            if error.code != "not_continuous":
                raise
            return _trials(as_recording(source))
    elif isinstance(source, mne.io.BaseRaw):
        raw, name = source, raw_name(source)
    else:
        made = as_signal(source, policy)
        return made, made.n_times, made.annotations, None
    if raw.n_times * len(raw.ch_names) <= MOST_VALUES:
        signal = read.to_signal(raw, name=name, non_finite=policy)
        return signal, raw.n_times, signal.annotations, None
    return (*_stretches(raw, name, policy), None)


def _trials(trials: Any) -> tuple[Signal, int, tuple[Annotation, ...], Trials]:
    """Return epochs one after the other, and as they are."""
    signal = _chained(trials.parts)
    return replace(signal, notes=(*signal.notes, *trials.notes)), signal.n_times, (), trials


def _stretches(raw: mne.io.BaseRaw, name: str, policy: NonFinite) -> tuple[Signal, int, tuple[Annotation, ...]]:
    """Read parts of a long recording, evenly spread, none in a gap; together at most `MOST_VALUES` numbers."""
    from eegora.recordings import read

    known = read.described(raw, name)[0]
    most = max(1, MOST_VALUES // len(raw.ch_names))
    length = min(round(STRETCH_S * known.sfreq), raw.n_times, most)  # rather few than short: windows must fit in
    n_stretches = min(STRETCHES, max(1, most // length))
    starts = np.linspace(0, raw.n_times - length, n_stretches).astype(int).tolist()
    gaps = [(start * known.sfreq, stop * known.sfreq) for start, stop in known.gaps]
    clear = [t for t in starts if not any(a < t + length and b > t for a, b in gaps)] or starts[:1]
    parts = [read.to_signal(raw, name=name, non_finite=policy, start=t, stop=t + length) for t in clear]
    return _chained(parts), raw.n_times, known.annotations


def _chained(parts: Sequence[Signal]) -> Signal:
    """Return stretches as one signal, to be looked at."""
    return replace(
        parts[0],
        data=np.concatenate([part.data for part in parts], axis=1),
        annotations=(),
        bads=tuple(dict.fromkeys(bad for part in parts for bad in part.bads)),
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )


def _findings(look: Look, signal: Signal) -> tuple[list[Finding], dict[str, Any]]:
    """Say what a recording is, in the order in which people ask."""
    volts = np.asarray(signal.to_volts(), np.float64)
    found = [_what_it_is(look, signal)]
    found += [
        Finding("warning" if note.startswith(DAMAGE) else "note", "reading", note)
        for note in signal.notes
        if not note.startswith(SAID_HERE) or note.startswith("unit? more than")
    ]
    more, microvolts = quality.amplitude(signal, volts)
    found += [*more, *quality.dead(signal, volts)]
    lines = line_noise(volts, signal.sfreq)
    if signal.bads:
        found.append(Finding("note", "bads", f"marked bad: {', '.join(signal.bads)}"))
    found += _annotations(look)
    positions, counts = _positions(signal)
    numbers = {
        "sfreq": signal.sfreq,
        "seconds": look.seconds,
        "n_channels": len(signal.ch_names),
        "std_uv": microvolts,
        "line_noise_db": None if lines is None else {f"{hz:g}": db for hz, db in lines.items()},
        "reference": quality.reference(signal, volts),
        "positions": counts,
        "seconds_looked_at": round(signal.seconds, 6),
    }
    return [*found, positions], numbers


def _what_it_is(look: Look, signal: Signal) -> Finding:
    total = len(signal.ch_names) + sum(use.row is None for use in signal.plan.uses)
    looked = "" if look.is_whole else f"; {signal.seconds:g} s of it, evenly spread, were looked at"
    sentence = f"{len(signal.ch_names)} EEG channels of {total} in the recording, {signal.sfreq:g} Hz, {look.seconds:g} s{looked}"
    if look.trials:
        sentence += f" in {len(look.trials.parts)} epochs"
    return Finding("ok", "recording", sentence)


def _annotations(look: Look) -> list[Finding]:
    found = []
    gaps = [a for a in look.annotations if a.is_gap]
    bad = [a for a in look.annotations if a.is_bad and not a.is_gap]
    if gaps:
        total = sum(a.duration for a in gaps)
        told = f"{len(gaps)} gap{'s' * (len(gaps) > 1)}, {total:g} s together: no window crosses one"
        found.append(Finding("note", "gaps", told))
    if bad:
        total = sum(a.duration for a in bad)
        texts = ", ".join(dict.fromkeys(a.text for a in bad))
        found.append(Finding("note", "annotations", f"annotated as bad: {total:g} s ({texts})"))
    return found


def _positions(signal: Signal) -> tuple[Finding, dict[str, int]]:
    """Say where the positions come from: the frozen table's are in float64, no file holds exactly those."""
    counts = {"file": 0, "table": 0, "unknown": 0}
    unknown = []
    for name, place in zip(signal.ch_names, signal.ch_pos, strict=True):
        known = head_position(name)
        if not np.isfinite(place).all():
            unknown.append(name)
            counts["unknown"] += 1
        else:
            counts["table" if known is not None and np.array_equal(place, known) else "file"] += 1
    n = len(signal.ch_names)
    if counts["file"] == n:
        return Finding("ok", "positions", "the recording's own"), counts
    if unknown:
        sentence = f"no position is known for {', '.join(unknown[:6])}{' …' if len(unknown) > 6 else ''}"
        next_step = "name electrodes as in the 10-05 system, or --montage with the cap's name in MNE"
        return Finding("note", "positions", sentence, next_step), counts
    sentence = f"the standard 10-05 head's for {counts['table']} of {n} channels, by name"
    return Finding("note", "positions", sentence), counts
