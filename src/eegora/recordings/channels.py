"""What a channel's label means: kind, canonical name, reference (spec preprocessing.md, 8.1-8.3). Knows labels only, no file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Literal

from eegora.recordings.positions import electrode

Kind = Literal["eeg", "bipolar", "eog", "ecg", "emg", "resp", "stim", "misc", "annotation", "unknown"]

REFERENCES = frozenset({"REF", "LE", "AR", "AVG", "AV", "CAR", "REFERENCE", "GND", "G2"})
EARS = frozenset({"A1", "A2", "M1", "M2"})
_PAIRS = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}
_ALIASES = _PAIRS | {new: old for old, new in _PAIRS.items()}

# Tested in this order, anywhere in the label; no electrode's name contains one of them.
_KEYWORDS: dict[Kind, str] = {
    "annotation": r"^(EDF|BDF) Annotations$",
    "ecg": r"ECG|EKG",
    "eog": r"EOG|LOC|ROC",
    "emg": r"EMG|chin|submental|leg",
    "resp": r"RESP|thor|abdo|nasal|airflow",
    "stim": r"Status|STI|TRIG|event marker",
    "misc": r"PHOTIC|IBI|BURSTS|SUPPR|PULSE|SpO2|SaO2|temp|GSR|light|snore|position|^(EXG|DC|X) *\d+$",
}


@dataclass(frozen=True)
class Label:
    """What a label says.

    Parameters
    ----------
    kind : str
        ``eeg``, ``bipolar``, ``unknown``, or what else it is (``ecg``, ``stim`` …).
    name : str or None
        Canonical: ``Fp1``, ``T3``, ``Fp1-F7``; None unless `kind` is ``eeg`` or ``bipolar``.
    reference : str or None
        In upper case, if the label tells it: ``REF``, ``LE``, ``A2``.
    raw : str
        The label as the file has it.
    """

    kind: Kind
    name: str | None
    reference: str | None
    raw: str


def parse_label(raw_label: str, all_labels: Iterable[str] = ()) -> Label:
    """Say what a channel is from its label.

    Parameters
    ----------
    raw_label : str
    all_labels : iterable of str
        Every label of the recording; they tell doubtful cases: ``E1`` and ``E2`` are eye electrodes unless
        there is an ``E3``, ``T4-A2`` is a derivation of the chain in which ``A1-T3`` stands, and ``POL C3`` is a contact
        in the brain where there is a ``POL C14``.

    Examples
    --------
    >>> parse_label("EEG FP1-REF")
    Label(kind='eeg', name='Fp1', reference='REF', raw='EEG FP1-REF')
    >>> parse_label("T8-P8-0").name
    'T8-P8'
    """
    label = _alone(raw_label)
    if label.name is not None and _contact(raw_label) and _depth_stem(raw_label, all_labels):
        return Label("unknown", None, None, raw_label)
    if _is_e(raw_label, "12") and any(_is_e(other, "3") for other in all_labels):
        return Label("unknown", None, None, raw_label)
    if label.reference in EARS and any(_starts_at_an_ear(_alone(other)) for other in all_labels):
        return Label("bipolar", f"{label.name}-{label.reference}", None, raw_label)
    return label


def alias(name: str) -> str | None:
    """Return the other name of the same electrode (T3 = T7, T4 = T8, T5 = P7, T6 = P8), or None."""
    return _ALIASES.get(name.upper())


def same_electrode(a: str, b: str) -> bool:
    """Say whether two names mean the same electrode or derivation, in any case and either spelling.

    >>> same_electrode("F7-T3", "F7-t7"), same_electrode("A1", "M1")
    (True, False)
    """
    return _folded(a) == _folded(b)


def nearest_names(name: str, names: Iterable[str], n: int = 3) -> tuple[str, ...]:
    """Return the `n` names that look most like `name`, the closest first."""
    ranked = sorted(names, key=lambda other: -SequenceMatcher(None, name.upper(), other.upper()).ratio())
    return tuple(ranked[:n])


@lru_cache(maxsize=4096)  # corpora repeat their labels in every file
def _alone(raw_label: str) -> Label:
    """Parse a label by what it says itself."""
    text = raw_label.replace("\0", " ").strip()
    for other_kind, pattern in _KEYWORDS.items():
        if re.search(pattern, text, re.IGNORECASE):
            return Label(other_kind, None, None, raw_label)
    if _is_e(text, "12"):
        return Label("eog", None, None, raw_label)
    text = re.sub(r"^(EEG[ \-_:]|POL )\s*", "", text, flags=re.IGNORECASE)
    found = _resolve(text) or _resolve(re.sub(r"-\d+$", "", text))  # MNE numbers duplicates: T8-P8-0, T8-P8-1
    found = found or _resolve(re.sub(r"(?<=[\dz]) ?REF$", "-REF", text, flags=re.IGNORECASE))
    kind, name, reference = found or ("unknown", None, None)
    return Label(kind, name, reference, raw_label)


def _resolve(text: str) -> tuple[Kind, str | None, str | None] | None:
    """Return kind, name and reference of a label without its prefix, or None if the rules do not know it."""
    left, *rest = (part.strip() for part in re.split(r"[-/:]", text.rstrip("."), maxsplit=1))
    name = electrode(left)
    if name is None:
        return None
    if not rest:
        return "eeg", name, None
    right = rest[0].upper()
    if right in REFERENCES or right in EARS:
        return "eeg", name, right
    other = electrode(right)
    return None if other in (None, name) else ("bipolar", f"{name}-{other}", None)


def _contact(label: str) -> tuple[str, str] | None:
    """Split ``POL C14``, as Nihon Kohden writes inputs that have no name of the 10-20 system, into stem and number."""
    match = re.match(r"\s*POL ([A-Z]+'?)(\d+)\s*$", label, re.IGNORECASE)
    return (match[1].upper(), match[2]) if match else None


def _depth_stem(label: str, all_labels: Iterable[str]) -> bool:
    """Say whether other inputs count the same letters on beyond the electrodes of a cap."""
    own = _contact(label)
    others = [found for other in all_labels if (found := _contact(other))]
    return any(own is not None and stem == own[0] and electrode(stem + number) is None for stem, number in others)


@lru_cache(maxsize=4096)
def _is_e(label: str, numbers: str) -> bool:
    """Say whether a label is ``E1``, perhaps against something (``E1-M2``), for one of these numbers."""
    return re.match(rf"\s*(EEG[ \-_:]\s*)?E[{numbers}]\s*(-|$)", label, re.IGNORECASE) is not None


def _starts_at_an_ear(label: Label) -> bool:
    return label.kind == "bipolar" and label.name is not None and label.name.partition("-")[0] in EARS


def _folded(name: str) -> tuple[str, ...]:
    parts = (part.strip().upper() for part in name.split("-"))
    return tuple(_PAIRS.get(part, part) for part in parts)
