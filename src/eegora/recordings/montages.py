"""Positions by the name of a montage that MNE has. The frozen table answers for the 10-05 names itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eegora.errors import UsageError
from eegora.recordings.channels import nearest_names, parse_label
from eegora.recordings.opening import quietly, set_positions
from eegora.recordings.positions import head_position

if TYPE_CHECKING:
    import mne

Position = NDArray[np.float64]

# One set of coordinates under four names (spec preprocessing.md, 8.5): MNE drops two of them, the table keeps them all.
_FROZEN = ("standard_1005", "standard_1020", "colin27_1005", "colin27_1020")


def set_montage(raw: mne.io.BaseRaw, montage: str) -> None:
    """Place the channels of a Raw just opened; channels that the montage does not know stay as they are.

    Raises
    ------
    UsageError
        ``unknown_montage`` with the closest names.
    """
    known = None if montage in _FROZEN else {name.upper(): place for name, place in cap(montage).items()}
    places = {}
    for raw_label in raw.ch_names:
        name = parse_label(raw_label, raw.ch_names).name or raw_label.strip()
        place = head_position(name) if known is None else _find(name, known)
        if place is not None:
            places[raw_label] = place
    set_positions(raw, places)


def _find(name: str, known: dict[str, Position]) -> Position | None:
    if name.upper() in known:
        return known[name.upper()]
    left, dash, right = name.upper().partition("-")
    return (known[left] + known[right]) / 2 if dash and left in known and right in known else None


def cap(montage: str, also: Sequence[str] = ()) -> dict[str, Position]:
    """Return the positions of a montage that MNE has, in the head frame, by the names it has there.

    Parameters
    ----------
    montage : str
    also : sequence of str
        Other names that the caller knows, for the message.

    Raises
    ------
    UsageError
        ``unknown_montage`` with the closest names.
    """
    import mne

    builtin = mne.channels.get_builtin_montages()
    if montage not in builtin:
        raise UsageError(
            "unknown_montage",
            f"MNE has no montage {montage!r}",
            hint=f"the closest are {', '.join(nearest_names(montage, [*also, *builtin]))}",
        )
    with quietly(montage):
        made = mne.channels.make_standard_montage(montage)
        info = mne.create_info(made.ch_names, 256.0, "eeg", verbose="ERROR").set_montage(made, verbose="ERROR")
    return {channel["ch_name"]: channel["loc"][:3].copy() for channel in info["chs"]}
