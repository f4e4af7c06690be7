"""Windows a few at a time, so that steps behind the cut stay in the processor's cache and never hold a second recording. Knows no step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from eegora.errors import RecordingError
from eegora.recipes.undo import with_fields
from eegora.windows import Windows, joined

# Values of a block: 2 MB in float64, about what a core has to itself.
BLOCK = 1 << 18


def in_blocks(windows: Windows, run: Callable[[Windows], Windows]) -> Windows:
    """Send windows through steps that treat each on its own, and return them together, data float32.

    Parameters
    ----------
    windows : Windows
    run : callable
        Windows → as many windows; what it makes of one must not depend on the others.
    """
    n = max(1, BLOCK // max(1, windows.data[0].size))
    if n >= len(windows):
        made = run(windows)
        return with_fields(made, data=np.ascontiguousarray(made.data, dtype=np.float32))
    parts, data = [], np.empty((0, 0, 0), np.float32)
    for start, part in zip(range(0, len(windows), n), _blocks(windows, n), strict=True):
        made = run(part)
        if not len(data):
            data = np.empty((len(windows), *made.data.shape[1:]), np.float32)
        data[start : start + n] = made.data
        parts.append(replace(made, data=data[start : start + n]))
    return joined(parts, data)


def check_finite(windows: Windows) -> Windows:
    """Return the windows, or refuse those that hold what is no number.

    Raises
    ------
    RecordingError
        ``non_finite``.
    """
    if not windows.data.size or (np.isfinite(windows.data.max()) and np.isfinite(windows.data.min())):
        return windows
    i, channel, _ = np.argwhere(~np.isfinite(windows.data))[0]
    raise RecordingError(
        "non_finite",
        f"{windows.name}: channel {windows.ch_names[channel]} has NaN or infinite values from window {windows.index[i]} on",
        hint="repair or leave out the channel",
    )


def _blocks(windows: Windows, n: int) -> Iterator[Windows]:
    for start in range(0, len(windows), n):
        yield windows.take(slice(start, start + n))
