"""Windows without their samples, in files: where a result that was computed from them lies in time, in space and in volts.

Knows how they are stored; what is computed from them is other files' affair.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eegora.provenance import Provenance
from eegora.signal import Annotation, TimeAxis
from eegora.windows import Windows

PREFIX = "way_back/"  # before the names of arrays in files
ARRAYS = ("ch_pos", "onsets", "index", "n_valid", "scale", "shift", "level")


def without_samples(windows: Windows) -> Windows:
    """Return windows that know everything but their samples, which are NaN and take no memory."""
    nothing = np.broadcast_to(np.float32(np.nan), windows.data.shape)
    return replace(windows, data=nothing, missing=None)


def to_file(windows: Windows) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return arrays and a record, ready for JSON; `from_file` adds what a result's provenance and names hold already."""
    record = {
        "name": windows.name,
        "path": windows.path,
        "n_times": windows.data.shape[-1],
        "sfreq": windows.sfreq,
        "bads": windows.bads,
        "annotations": [asdict(annotation) for annotation in windows.annotations],
        "axis": None if windows.axis is None else asdict(windows.axis),
    }
    return {PREFIX + name: getattr(windows, name) for name in ARRAYS}, record


def from_file(
    arrays: Mapping[str, NDArray[Any]], record: Mapping[str, Any], ch_names: tuple[str, ...], provenance: Provenance
) -> Windows:
    """Read what `to_file` returned."""
    found: dict[str, Any] = {name: arrays[PREFIX + name] for name in ARRAYS}
    shape = (len(found["onsets"]), len(ch_names), record["n_times"])
    return Windows(
        data=np.broadcast_to(np.float32(np.nan), shape),
        ch_names=ch_names,
        sfreq=record["sfreq"],
        not_undone=provenance.not_undone,
        plan=provenance.plan,
        notes=provenance.notes,
        annotations=tuple(Annotation(**{**a, "ch_names": tuple(a["ch_names"])}) for a in record["annotations"]),
        name=record["name"],
        path=record["path"],
        recipe=provenance.recipe,
        bads=tuple(record["bads"]),
        axis=None if record["axis"] is None else TimeAxis(**record["axis"]),
        **found,
    )
