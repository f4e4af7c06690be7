"""Which channels of a recording are EEG, and under which name (spec preprocessing.md, 8.1 and 8.3). Reads no file."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from eegora.errors import ChannelError, UsageError
from eegora.plan import ChannelPlan, ChannelUse
from eegora.recordings.channels import Label, nearest_names, parse_label, same_electrode
from eegora.recordings.opening import Request
from eegora.recordings.references import RECORDED


@dataclass(frozen=True)
class Selection:
    """The EEG channels of a recording.

    Parameters
    ----------
    picks : tuple of int
        Their places in the list of labels.
    names : tuple of str
        Their canonical names.
    uses : tuple of ChannelUse
        One per label, in order, the dropped ones too.
    """

    picks: tuple[int, ...]
    names: tuple[str, ...]
    uses: tuple[ChannelUse, ...]


def select(
    labels: Sequence[str], request: Request, types: Sequence[str] | None = None, located: Sequence[bool] | None = None
) -> Selection:
    """Pick the EEG and bipolar channels, each canonical name once.

    Parameters
    ----------
    labels : sequence of str
    request : Request
    types : sequence of str, optional
        MNE's types where the file states them: these beat the labels.
    located : sequence of bool, optional
        Whether the file gives a position: then an electrode that nobody knows is usable.
    """
    found: dict[str, int] = {}
    uses = []
    for i, raw_label in enumerate(labels):
        label = label_of(raw_label, labels, request)
        stated = None if types is None else types[i]
        reason = refusal(label, request, stated, located is not None and located[i])
        name = label.name or request.rename.get(raw_label.strip(), raw_label).strip()
        if reason is None and name in found:
            _check_not_renamed(labels[found[name]], raw_label, name, request)
            reason = f"{name} a second time, after {labels[found[name]]}"
        if reason is None:
            found[name] = i
            uses.append(_kept(label, name))
        else:
            uses.append(ChannelUse("dropped", None, (raw_label,), reason))
    return Selection(tuple(found.values()), tuple(found), tuple(uses))


def _check_not_renamed(first: str, second: str, name: str, request: Request) -> None:
    """Refuse two channels of one name where it is the user who gave it: one of them would be left out."""
    if {first.strip(), second.strip()} & request.rename.keys():
        raise UsageError(
            "bad_option",
            f"--rename makes {first} and {second} both {name} (in Python rename={{…}})",
            hint="give each a name of its own; OLD=NEW,NEW=OLD swaps two",
        )


def label_of(raw_label: str, labels: Sequence[str], request: Request) -> Label:
    """Say what a channel is from its label, or from what the user says that this stands for."""
    told = request.rename.get(raw_label.strip(), raw_label)
    return replace(parse_label(told, labels), raw=raw_label)


def refusal(label: Label, request: Request, stated: str | None = None, located: bool = False) -> str | None:
    """Say why a channel is not taken as EEG, or None if it is.

    Parameters
    ----------
    stated : str, optional
        The type that the file states.
    located : bool
        Whether the file gives its position.
    """
    if request.channels and not is_chosen(label, request.channels):
        return "not chosen"
    if {label.raw, label.raw.strip()} & {*request.include, *request.rename}:
        return None
    if stated not in (None, "eeg"):
        return f"{stated} by its type in the file"
    if label.kind in ("eeg", "bipolar"):
        return None
    if stated is None and label.kind != "unknown":
        return f"{label.kind} by its label"
    return None if located else "unknown label, no position in the file"


def is_chosen(label: Label, channels: Sequence[str]) -> bool:
    """Say whether the user's list of channels names this one, by label or by canonical name."""
    if label.raw in channels or label.raw.strip() in channels:
        return True
    return label.name is not None and any(same_electrode(label.name, wanted) for wanted in channels)


def check_request(labels: Sequence[str], request: Request, recording: str) -> None:
    """Refuse names that the recording does not have.

    Raises
    ------
    ChannelError
        ``no_channels`` with the closest labels.
    """
    united = list(request.units) if isinstance(request.units, Mapping) else []
    if not (request.include or request.channels or request.rename or united):
        return
    plain = [label.strip() for label in labels]
    absent = [name for name in (*request.include, *request.rename, *united) if name.strip() not in plain]
    parsed = [label_of(label, labels, request) for label in labels]
    absent += [name for name in request.channels if not any(is_chosen(label, [name]) for label in parsed)]
    if absent:
        close = ", ".join(nearest_names(absent[0], plain))
        raise ChannelError(
            "no_channels", f"{recording} has no channel {', '.join(absent)}", hint=f"the closest labels are {close}"
        )


def rows_called(wanted: str, ch_names: Sequence[str], plan: ChannelPlan) -> list[str]:
    """Return the rows that a name means: their own, in any case and either spelling, or the label that the file has."""
    labels = {use.row: (use.row, *use.sources) for use in plan.uses if use.row is not None}
    wanted = wanted.strip()
    return [row for row in ch_names if any(same_electrode(wanted, label.strip()) for label in labels.get(row, (row,)))]


def no_channels(labels: Sequence[str], recording: str) -> ChannelError:
    """Return the error for a recording without any EEG channel."""
    shown = ", ".join(labels[:8]) + (" …" if len(labels) > 8 else "")
    close = ", ".join(nearest_names(labels[0], ("Fp1", "Fz", "C3", "Cz", "O1", "Fp1-F7"))) if labels else "Fp1, Cz, Oz"
    return ChannelError(
        "no_channels",
        f"{recording}: none of its {len(labels)} channels is EEG by type or label: found {shown or 'none'};"
        f" wanted names like {close}",
        hint=f"--rename {_quoted(labels)}=Cz says what a label stands for (in Python rename={{…}}), --include A,B takes labels as they"
        " are (in Python include=[…])",
    )


def _quoted(labels: Sequence[str]) -> str:
    """Return the first label, as a shell takes it."""
    return shlex.quote(labels[0].strip()) if labels else "OLD"


def _kept(label: Label, name: str) -> ChannelUse:
    reason = f"{RECORDED}{label.reference}" if label.reference else ""
    if label.name is None:
        reason = "an electrode that the table does not know"
    return ChannelUse("kept" if label.raw == name else "renamed", name, (label.raw,), reason)
