"""One model on a recording of one's own, on several devices or in several number formats: the time, and how far answers are apart.

Knows no vectors of the original: what is compared is what a user would get here and there.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eegora.compute.device import choose_device
from eegora.errors import DeviceError, UsageError
from eegora.model import Model
from eegora.preparation import Preparation

CLOSE = 1e-5  # of outputs of order 1: what devices may differ by in float32
RUNS = 3


def compare_devices(
    load: Callable[[str, str], Model],
    recording: Path,
    devices: Sequence[str],
    dtypes: Sequence[str] = ("float32",),
    how: Preparation | None = None,
) -> list[dict[str, Any]]:
    """Embed a recording on every device in every number format.

    Parameters
    ----------
    load : callable
        (device, dtype) → the model there.
    recording : path
    devices : sequence of str
        As `choose_device` takes them; the first, in the first number format, is what the others are held against.
    dtypes : sequence of str
    how : Preparation, optional

    Returns
    -------
    list of dict
        ``device``, ``dtype``, ``seconds`` (by the clock, median of three after one that does not count), ``windows``; against
        the first: ``r``, ``rmse``, ``max_abs``, ``scale`` (the first's largest number); ``agrees``: whether two results in
        float32 are within 1e-5 of outputs of order 1, None for other formats.

    Raises
    ------
    DeviceError
        ``no_device``, before anything is read.
    UsageError
        ``bad_options`` if there is nothing to compare.
    """
    places = [(device, dtype) for device in dict.fromkeys(devices) for dtype in dict.fromkeys(dtypes)]
    for device, dtype in places:
        try:
            choose_device(device, dtype)
        except DeviceError as error:
            hint = "--devices cpu --dtypes float32,float64 compares number formats on the CPU"
            raise DeviceError(error.code, error.message, hint=hint) from None
    if len(places) < 2:
        raise UsageError(
            "bad_options", "one device in one number format is nothing to compare", hint="--devices cpu,cuda"
        )
    rows: list[dict[str, Any]] = []
    windows, first = None, None
    for device, dtype in places:
        model = load(device, dtype)
        windows = model.prepare(recording, how) if windows is None else windows
        seconds = []
        for _ in range(1 + RUNS):
            start = time.perf_counter()
            found = model.embed(windows, how).data
            seconds.append(time.perf_counter() - start)
        first = found if first is None else first
        row: dict[str, Any] = {"device": model.device.name, "dtype": dtype}
        row |= {"seconds": round(statistics.median(seconds[1:]), 4)}
        rows.append(row | {"windows": len(windows)} | _apart(found, first))
    for row in rows:
        exact = row["dtype"] == rows[0]["dtype"] == "float32"
        row["agrees"] = row["max_abs"] <= CLOSE * max(row["scale"], 1.0) if exact else None
    return rows


def _apart(found: NDArray[Any], first: NDArray[Any]) -> dict[str, float | None]:
    one, two = found.ravel().astype(np.float64), first.ravel().astype(np.float64)
    varies = one.size > 1 and one.std() > 0 < two.std()
    return {
        "r": float(np.corrcoef(one, two)[0, 1]) if varies else None,
        "rmse": float(np.sqrt(np.mean((one - two) ** 2))),
        "max_abs": float(np.abs(one - two).max()),
        "scale": float(np.abs(two).max()),
    }
