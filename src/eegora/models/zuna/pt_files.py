"""The first generation's ``.pt`` epochs, as its own pipeline leaves them (spec zuna-pipeline.md, B6). Nothing in them is run."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from eegora.errors import RecordingError
from eegora.models.zuna.spec import RATE
from eegora.recordings.positions import electrodes, head_position
from eegora.signal import Array
from eegora.windows import Windows

DATA_NORM = 10.0
NEAR = 1e-3  # metres: a place that belongs to an electrode of the table


def read_pt(path: str | Path) -> Windows:
    """Read a file of epochs as windows that the model takes.

    Parameters
    ----------
    path : path
        A dictionary with ``data``, a list of (n_channels, n_times) at 256 Hz in z units, and ``channel_positions``, metres;
        of ``metadata`` the channels' names and ``global_mean`` and ``global_std`` (volts) are taken where they are.

    Returns
    -------
    Windows
        One per epoch, one after the other in time: the file does not say when they were. Without mean and deviation
        the way back ends in z units, as `not_undone` says.

    Raises
    ------
    RecordingError
        ``not_found``; ``cannot_read`` for anything else, a file that would run code among it.

    Examples
    --------
    >>> model.reconstruct(read_pt("ds000000_000000_000001_d00_00012_021_1280.pt"))  # doctest: +SKIP
    """
    path = Path(path)
    if not path.is_file():
        raise RecordingError("not_found", f"{path}: there is no such file", hint="check the path")
    try:
        with warnings.catch_warnings(action="ignore"):
            content = torch.load(path, map_location="cpu", weights_only=True)
        data = np.stack([np.asarray(epoch, np.float32) for epoch in content["data"]])
        n_epochs, n_channels, n_times = data.shape
        places = content["channel_positions"]
        pos = np.asarray(places[0] if len(places) == n_epochs != n_channels else places, np.float64)
        pos = pos.reshape(-1, n_channels, 3)[0]
    except Exception as error:  # torch.load names no exceptions
        what = f"{type(error).__name__}: {error}".strip().split("\n")[0][:120]
        raise RecordingError(
            "cannot_read",
            f"{path.name}: not a file of epochs: a dictionary with data and channel_positions was wanted ({what})",
            hint="write it with the first generation's preprocessing, or give the recording itself",
        ) from None
    facts: dict[str, Any] = dict(_facts(content.get("metadata")))
    mean: Any = facts.get("global_mean")
    deviation: Any = facts.get("global_std")
    known = isinstance(mean, float) and isinstance(deviation, float)
    return Windows(
        data=data / np.float32(DATA_NORM),
        ch_names=_names(facts, pos),
        ch_pos=pos,
        sfreq=RATE,
        onsets=np.arange(n_epochs) * n_times / RATE,
        index=np.arange(n_epochs, dtype=np.int64),
        n_valid=np.full(n_epochs, n_times, np.int64),
        scale=np.full((1, 1, 1), DATA_NORM * (deviation if known else 1.0)),
        shift=np.full((1, 1, 1), mean if known else 0.0),
        not_undone=("average_reference", "baseline") if known else ("zscore", "average_reference", "baseline"),
        notes=("epochs of a .pt file have no time of their own: they are placed one after the other",),
        name=path.name,
    )


def _facts(metadata: Any) -> Iterator[tuple[str, Any]]:
    """Yield what metadata hold at any depth; numbers as float."""
    for key, value in metadata.items() if isinstance(metadata, Mapping) else ():
        if isinstance(value, Mapping):
            yield from _facts(value)
        else:
            yield str(key), float(value) if isinstance(value, int | float) else value


def _names(facts: Mapping[str, Any], pos: Array) -> tuple[str, ...]:
    """Return the names in the metadata; else those of the electrodes that sit there; else numbers."""
    for value in facts.values():
        if isinstance(value, list | tuple) and len(value) == len(pos) and all(isinstance(name, str) for name in value):
            return tuple(value)
    table = {name: place for name in electrodes() if (place := head_position(name)) is not None}
    distance = np.linalg.norm(pos[:, None] - np.array(list(table.values()))[None], axis=-1)
    nearest = [list(table)[i] for i in distance.argmin(axis=1)]
    near = distance.min(axis=1) < NEAR
    return tuple(
        name if is_near and nearest.count(name) == 1 else f"channel {i}"
        for i, (name, is_near) in enumerate(zip(nearest, near, strict=True))
    )
