"""Prepared windows in a file, samples and all: written once, read by any model's verbs as if they had just been made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from eegora.errors import UsageError
from eegora.provenance import Provenance
from eegora.results import storage
from eegora.results.way_back import PREFIX, from_file, to_file
from eegora.windows import Windows

KIND = "windows"
ENDINGS = (".npz", ".safetensors")


def save_windows(path: str | Path, windows: Windows, options: Mapping[str, Any] | None = None) -> None:
    """Write windows, whole or not at all: ``volts = data * scale + shift + level``.

    Parameters
    ----------
    path : path
        ``.npz`` or ``.safetensors``.
    windows : Windows
    options : dict, optional
        What was chosen beside the recipe; default: the windows' own record of it.

    Raises
    ------
    UsageError
        ``unknown_suffix``; ``cannot_write``.
    """
    path = Path(path)
    storage.ending(path, ENDINGS, KIND)
    arrays, way_back = to_file(windows)
    plain = {"data": windows.data} | {name.removeprefix(PREFIX): array for name, array in arrays.items()}
    if windows.missing is not None:
        plain["missing"] = windows.missing
    provenance = Provenance(
        recording=windows.path or windows.name,
        model="",
        variant="",
        task="prepare",
        recipe=windows.recipe,
        plan=windows.plan,
        not_undone=windows.not_undone,
        notes=windows.notes,
        options=dict(windows.choices if options is None else options),
    )
    known = {"ch_names": windows.ch_names, "seconds": windows.seconds, "flags": windows.flags}
    storage.save_arrays(path, plain, storage.record(KIND, provenance, **known, **way_back))


def holds_windows(path: str | Path) -> bool:
    """Say whether a file is one that `save_windows` wrote, by its record alone."""
    path = Path(path)
    if path.suffix.lower() not in ENDINGS or not path.is_file():
        return False
    try:
        return bool(storage.peek(path)["kind"] == KIND)
    except (KeyError, TypeError, ValueError, OSError):
        return False


def refuse_windows(path: str | Path, wanted: str) -> None:
    """Refuse a file of prepared windows where something else is wanted.

    Raises
    ------
    UsageError
        ``bad_source``.
    """
    if holds_windows(path):
        raise UsageError(
            "bad_source",
            f"{path} holds prepared windows, wanted {wanted}",
            hint="`eegora embed` and the other verbs that see windows take it",
        )


def load_windows(path: str | Path) -> Windows:
    """Read what `save_windows` or ``eegora recipe run`` wrote; large windows stay on disk and are read as they are used.

    Raises
    ------
    UsageError
        ``not_found``, ``unknown_suffix``; ``bad_result``: damaged, or something else.

    Examples
    --------
    >>> windows = load_windows("recording_eegpt.npz")  # doctest: +SKIP
    >>> model.embed(windows)  # doctest: +SKIP
    """
    path = Path(path)
    storage.ending(path, ENDINGS, KIND)
    arrays, found = storage.load_arrays(path, KIND, on_disk=True)
    provenance = storage.provenance_of(found)
    try:
        windows = from_file(
            {PREFIX + name: array for name, array in arrays.items()}, found, tuple(found["ch_names"]), provenance
        )
        if windows.data.shape != arrays["data"].shape:
            raise ValueError(f"samples of shape {arrays['data'].shape} for windows of shape {windows.data.shape}")
        return replace(
            windows,
            data=arrays["data"],
            missing=arrays.get("missing"),
            flags=tuple(map(tuple, found["flags"])),
            choices=provenance.options,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            "bad_result", f"{path} holds no whole windows: {type(error).__name__} {error}", hint="eegora recipe run"
        ) from error
