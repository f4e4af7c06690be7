"""Which electrodes to add to a recording, and where they sit (spec zuna-pipeline.md, A2 and B2.14). Knows positions, no signal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eegora.errors import ChannelError, UsageError
from eegora.recordings.channels import nearest_names, same_electrode
from eegora.recordings.montages import cap
from eegora.recordings.positions import Position, electrode, electrodes, head_position, mri_position
from eegora.signal import Array

ONLY_1020 = ("O9", "O10")  # in our table, but not in the montage that the original adds from
N_TEN_TEN = 86  # the table begins with the 10-10 system
SYSTEMS = {
    "10-20": tuple("Fp1 Fp2 F7 F3 Fz F4 F8 T7 C3 Cz C4 T8 P7 P3 Pz P4 P8 O1 O2".split()),
    "10-10": electrodes()[:N_TEN_TEN],
    "10-05": tuple(name for name in electrodes() if name not in ONLY_1020),
}

Added = list[tuple[str, Position]]


def named(names: Sequence[str], ch_names: Sequence[str], frame: str = "head", *, in_order: bool = False) -> Added:
    """Return the electrodes asked for that a recording lacks.

    Parameters
    ----------
    names : sequence of str
        In any case.
    ch_names : sequence of str
        What the recording has.
    frame : str
        ``head``, or ``mri``: the template's own coordinates, as the original takes them beside the recording's (up to
        46 mm away).
    in_order : bool
        As asked for (first generation) instead of in the table's order (second).

    Raises
    ------
    ChannelError
        ``unknown_channels`` with the nearest names.
    """
    wanted = {name.lower() for name in names}
    unknown = [name for name in names if electrode(name) is None or head_position(name) is None]
    if unknown:
        raise ChannelError(
            "unknown_channels",
            f"no position is known for {', '.join(unknown)}",
            hint=f"the nearest names are {' '.join(nearest_names(unknown[0], electrodes()))}",
        )
    found = [name for name in _absent(ch_names) if name.lower() in wanted]
    if in_order:
        order = [name.lower() for name in names]
        found.sort(key=lambda name: order.index(name.lower()))
    return [(name, _place(name, frame)) for name in found]


def check_new(names: Sequence[str], ch_names: Sequence[str]) -> None:
    """Refuse an electrode that a recording has under its other name.

    Raises
    ------
    UsageError
        ``bad_option``.
    """
    for name in names:
        there = [have for have in ch_names if same_electrode(name, have)]
        if there and name.lower() not in [have.lower() for have in there]:
            raise UsageError(
                "bad_option",
                f"{name} is there as {there[0]}: it cannot be added",
                hint=f"leave {name} out, or --bads {there[0]} to fill it",
            )


def of_montage(montage: str, ch_names: Sequence[str], frame: str = "head") -> Added:
    """Return the electrodes of a system (``10-20``, ``10-10``, ``10-05``) or of a cap that MNE has, that a recording lacks.

    Raises
    ------
    UsageError
        ``unknown_montage`` with the names that are close.
    """
    names = SYSTEMS.get(montage)
    places = cap(montage, also=tuple(SYSTEMS)) if names is None else {name: _place(name, frame) for name in names}
    return [(n, p) for n, p in places.items() if not any(same_electrode(n, have) for have in ch_names)]


def farthest(n_channels: int, ch_names: Sequence[str], ch_pos: Array, frame: str = "mri", *, ties: int = 1) -> Added:
    """Fill up to so many channels as the original does: with those farthest from the recording's, which lie together.

    Parameters
    ----------
    n_channels : int
        Wanted in all; nothing is added if there are as many.
    ch_names, ch_pos
        What the recording has; positions (n, 3) in metres.
    frame : str
        See `named`.
    ties : int
        1: of two at the same distance the first in the table comes first (second generation); -1: the last (first).
    """
    candidates = [(name, _place(name, frame)) for name in _absent(ch_names)]
    distance = _distances(np.array([place for _, place in candidates]), ch_pos)
    order = np.argsort(-distance, kind="stable") if ties > 0 else np.argsort(distance, kind="stable")[::-1]
    return [candidates[i] for i in order[: max(0, n_channels - len(ch_names))]]


def spread(n_channels: int, ch_names: Sequence[str], ch_pos: Array) -> Added:
    """Fill up to so many channels, each the farthest from all that are there by then; of the 10-10 system first.

    Raises
    ------
    UsageError
        ``bad_option`` if there are not so many electrodes.
    """
    names = [n for n in _absent(ch_names) if not any(same_electrode(n, have) for have in ch_names)]
    table = electrodes()
    first = [name for name in names if table.index(name) < N_TEN_TEN]
    if n_channels - len(ch_names) > len(names):
        most = len(ch_names) + len(names)
        raise UsageError("bad_option", f"{n_channels} channels came, wanted at most {most}: more have no position")
    out: Added = []
    have = np.asarray(ch_pos)
    while len(ch_names) + len(out) < n_channels:
        pool = [name for name in first if name not in dict(out)] or [name for name in names if name not in dict(out)]
        places = np.array([_place(name, "head") for name in pool])
        best = int(_distances(places, have).argmax())
        out.append((pool[best], places[best]))
        have = np.concatenate([have, places[best][None]])
    return out


def _absent(ch_names: Sequence[str]) -> list[str]:
    present = {name.lower() for name in ch_names}
    return [name for name in electrodes() if name.lower() not in present and name not in ONLY_1020]


def _place(name: str, frame: str) -> Position:
    place = mri_position(name) if frame == "mri" else head_position(name)
    assert place is not None
    return place


def _distances(places: Array, have: Array) -> Array:
    """Return how far each place is from the nearest electrode that is there."""
    return np.asarray(np.linalg.norm(places[:, None] - np.asarray(have)[None], axis=-1).min(axis=1))
