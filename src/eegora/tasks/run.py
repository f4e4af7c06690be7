"""Windows through a model's function: lengths kept apart, batches run, one result in the windows' order.

Knows no model; devices and memory are `compute.batching`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from eegora.compute.batching import in_batches, portions
from eegora.compute.rate import seconds_for
from eegora.preparation import Outlook, Pace, Progress
from eegora.spec import ModelCode
from eegora.windows import Windows

if TYPE_CHECKING:
    import torch

    from eegora.compute.device import Device


BUSY = 2e10  # operations that keep a processor busy: larger windows run one by one, so that progress shows


def outlook(
    code: ModelCode, task: str, windows: Windows, settings: Mapping[str, Any], device: Device, n_draws: int = 1
) -> Outlook:
    """Return what running windows means, with an estimate of time where the model counts its work."""
    if code.work is None:
        return Outlook(len(windows), n_draws=n_draws)
    seconds = n_draws * seconds_for(code.work(task, windows, settings), device)
    return Outlook(len(windows), n_draws=n_draws, seconds=seconds)


def run_portions(
    code: ModelCode,
    task: str,
    run: Callable[[dict[str, torch.Tensor]], torch.Tensor],
    windows: Windows,
    settings: Mapping[str, Any],
    device: Device,
    pace: Pace,
    given: Mapping[str, np.ndarray] | None = None,
) -> Iterator[np.ndarray]:
    """Yield what `run_windows` returns, in order, for as many windows at a time as may be packed at once."""
    pace.expect(lambda: outlook(code, task, windows, settings, device))
    start = 0
    for some in portions(windows, pace.batch_size):
        rows = slice(start, start + len(some))
        own = replace(pace, progress=_behind(pace.progress, start, len(windows)))
        parts = {name: values[rows] for name, values in (given or {}).items()}
        yield run_windows(code, task, run, some, settings, device, own, parts)
        start += len(some)


def _behind(progress: Progress | None, start: int, total: int) -> Progress | None:
    """Return whom to tell of some of the windows, where others are done already."""
    return None if progress is None else lambda done, _: progress(start + done, total)


def run_windows(
    code: ModelCode,
    task: str,
    run: Callable[[dict[str, torch.Tensor]], torch.Tensor],
    windows: Windows,
    settings: Mapping[str, Any],
    device: Device,
    pace: Pace,
    given: Mapping[str, np.ndarray] | None = None,
) -> np.ndarray:
    """Run all windows.

    Parameters
    ----------
    code : ModelCode
    task : str
    run : callable
        The task's function with its network.
    windows : Windows
    settings : dict
    device : Device
    pace : Pace
    given : dict of str to ndarray, optional
        Inputs beside those that the windows are packed as, one entry per window each.

    Returns
    -------
    ndarray, first axis window
    """
    import torch

    size = pace.batch_size
    if size is None and code.work is not None and device.name == "cpu":
        size = int(min(max(BUSY * len(windows) / code.work(task, windows, settings), 1), 8))
    groups = _groups(code, windows)
    parts, done = [], 0
    for rows in groups:
        inputs = code.packed(task, windows if len(groups) == 1 else windows.take(rows), settings)
        inputs |= {name: torch.from_numpy(np.asarray(values[rows])) for name, values in (given or {}).items()}
        for part in in_batches(run, inputs, device, size):
            parts.append(part.numpy())
            done += len(part)
            if pace.progress is not None:
                pace.progress(done, len(windows))
    out = np.concatenate(parts)
    return out if len(groups) == 1 else out[np.argsort(np.concatenate(groups))]


def inputs_of(code: ModelCode, windows: Windows, settings: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return what windows are packed as, one entry per window each; of windows of several lengths what all have alike."""
    groups = _groups(code, windows)
    packed = [code.pack(windows.take(rows), settings) for rows in groups]
    order = np.argsort(np.concatenate(groups))
    out = {}
    for name, first in packed[0].items():
        if all(part[name].shape[1:] == first.shape[1:] for part in packed):
            parts = [
                np.broadcast_to(part[name].numpy(), (len(rows), *first.shape[1:]))
                for part, rows in zip(packed, groups, strict=True)
            ]
            out[name] = np.concatenate(parts)[order]
    return out


def _groups(code: ModelCode, windows: Windows) -> list[np.ndarray]:
    """Return rows of windows that may share a batch."""
    return windows.by_length() if code.own_length else [np.arange(len(windows))]
