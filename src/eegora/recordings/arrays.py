"""Arrays in files: .npz, .npy and .safetensors with names, rate and unit beside the numbers. Knows no EEG format.

``.npz``: ``data``, ``ch_names``, ``sfreq``, perhaps ``unit``. ``.npy``: the same three in ``NAME.json`` beside it.
``.safetensors``: tensor ``data``, the three in the metadata (``ch_names`` as JSON).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eegora.errors import RecordingError
from eegora.recordings.opening import Opened, Request, quietly, raw_from_array
from eegora.recordings.selection import check_request
from eegora.recordings.units import given_unit, volts_per

if TYPE_CHECKING:
    import mne

SUFFIXES = (".npy", ".npz", ".safetensors")


def open_array(path: Path, request: Request) -> tuple[mne.io.BaseRaw, Opened]:
    """Open an array file as a Raw.

    Raises
    ------
    RecordingError
        ``cannot_read``, ``needs_sfreq``, ``needs_units``, ``bad_header`` (no names, or not one per row).
    """
    with quietly(path.name):
        data, beside = _load(path)
    labels = [str(name) for name in beside.get("ch_names", ())]
    if data.ndim != 2 or len(data) != len(labels):
        raise RecordingError(
            "bad_header",
            f"{path.name}: an array of shape {data.shape} with {len(labels)} names",
            hint="wanted (n_channels, n_times) and ch_names beside it",
        )
    check_request(labels, request, path.name)
    sfreq = request.sfreq if request.sfreq is not None else beside.get("sfreq")
    if sfreq is None:
        raise RecordingError(
            "needs_sfreq", f"{path.name} states no sampling rate", hint="--sfreq 256 (in Python sfreq=256)"
        )
    stated = volts_per(str(beside.get("unit", "")))
    factors = [given_unit(request.units, label) or stated for label in labels]
    if None in factors:
        raise RecordingError("needs_units", f"{path.name} states no unit", hint='--units uV (in Python units="uV")')
    volts = data.astype(np.float64) * np.array(factors, np.float64)[:, None]
    return raw_from_array(volts, labels, float(sfreq), path.name), Opened(request=request)


def _load(path: Path) -> tuple[np.ndarray[Any, Any], Mapping[str, Any]]:
    suffix = path.suffix.lower()
    if suffix == ".npz":
        with np.load(path, allow_pickle=False) as archive:
            return archive["data"], {name: archive[name].tolist() for name in archive.files if name != "data"}
    if suffix == ".npy":
        beside = path.with_suffix(".json")
        facts = json.loads(beside.read_text("utf-8")) if beside.exists() else {}
        return np.load(path, allow_pickle=False), facts
    from safetensors import safe_open

    with safe_open(path, "np") as file:
        metadata = dict(file.metadata() or {})
        return file.get_tensor("data"), metadata | {"ch_names": json.loads(metadata.get("ch_names", "[]"))}
