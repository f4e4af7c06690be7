"""Where electrodes sit: one frozen table of 345 names, in metres. Knows no file; what a label means is `channels`' affair."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

Position = NDArray[np.float64]

RENAMED = {"CB1": "POO7", "CB2": "POO8"}  # spec preprocessing.md, 8.2
WITHOUT_POSITION = ("T1", "T2")  # electrodes all the same


def electrode(name: str) -> str | None:
    """Return the table's spelling of an electrode's name in any case, or None.

    Examples
    --------
    >>> electrode("FPZ"), electrode("cb1"), electrode("EKG")
    ('Fpz', 'POO7', None)
    """
    return _names().get(name.upper())


def electrodes() -> tuple[str, ...]:
    """Return every electrode that has a position, in the table's order."""
    return tuple(_table())


def head_position(name: str) -> Position | None:
    """Return where an electrode sits on a head, as a file carries it after a montage was set.

    Parameters
    ----------
    name : str
        An electrode (``Fp1``) or a derivation (``Fp1-F7``), any case. A derivation sits halfway
        between its electrodes (exactly: the mean of the two in float64).

    Returns
    -------
    ndarray of float64, shape (3,), or None
        Metres, head frame (nasion, LPA, RPA); None if the table has no such electrode.
    """
    return _position(name, "head")


def mri_position(name: str) -> Position | None:
    """Return the template's own coordinates, metres, MRI frame; otherwise like `head_position`."""
    return _position(name, "mri")


def _position(name: str, frame: str) -> Position | None:
    left, dash, right = name.partition("-")
    if dash:
        a, b = _position(left.strip(), frame), _position(right.strip(), frame)
        return None if a is None or b is None else (a + b) / 2
    canonical = electrode(name)
    entry = _table().get(canonical) if canonical else None
    return None if entry is None else np.array(entry[frame], np.float64)


@cache
def _table() -> dict[str, dict[str, list[float]]]:
    frozen: dict[str, Any] = json.loads((files("eegora.recordings") / "positions_1005.json").read_text("utf-8"))
    return {**frozen["channels"], **frozen["only_in_1020"]}


@cache
def _names() -> dict[str, str]:
    plain = {name.upper(): name for name in (*_table(), *WITHOUT_POSITION)}
    return plain | RENAMED
