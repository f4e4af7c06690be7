"""Whole recordings through a model that fills what is missing: between the folder's functions and `Model`'s verbs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from eegora.preparation import Pace, Preparation
from eegora.results.repair import Mended, Repair
from eegora.signal import Array
from eegora.stream import Room
from eegora.windows import Windows

if TYPE_CHECKING:
    from eegora.model import Model
    from eegora.recordings.source import Source


def mend(
    model: Model,
    function: Callable[..., Any] | None,
    task: str,
    source: Source,
    how: Preparation | None,
    wanted: Mapping[str, Any],
    pace: Pace,
) -> Repair:
    """Repair or upsample a recording.

    Parameters
    ----------
    model : Model
    function : callable or None
        The folder's `repair` or `upsample`.
    task : str
    source, how
        As in `Model.repair`.
    wanted : dict
        Settings of the model by name, and options of the function.
    pace : Pace
    """
    from eegora.recordings.source import as_recording, as_signal, without

    function = model.able(task, function)
    how = how or Preparation()
    settings = {name: value for name, value in wanted.items() if name in model.spec.settings}
    options = {name: value for name, value in wanted.items() if name not in settings}
    how = replace(how, settings={**how.settings, **settings})
    reading = {**how.reading, "non_finite": "keep"}
    read = (
        as_recording(source, Room(limit=sys.maxsize), reading) if how.reading else as_signal(source, non_finite="keep")
    )
    signal, recipe = without(as_signal(read), how.exclude), model.recipe(how)

    n_draws = int(options.get("draws") or 1)

    def run(windows: Windows, rows: NDArray[np.intp], draw: int) -> Array:
        some, drawn = windows.take(rows), replace(how, settings={**how.settings, "draw": draw})
        if draw == 0:
            skipped = len(windows) - len(some)
            pace.expect(lambda: replace(model.outlook("reconstruct", some, how, n_draws), n_skipped=skipped))
        return model.answer("reconstruct", some, drawn, _of_several(pace, draw, n_draws))

    done: Mended = function(signal, recipe, options, run)
    windows = replace(done.windows, recipe=recipe.to_toml(), name=signal.name, path=signal.path)
    said = {name: value for name, value in options.items() if isinstance(value, str | int | float | list | tuple)}
    record = model.provenance(task, windows, how, **said)
    spread = done.spread_at_own_rate(signal)
    return Repair(signal=signal, volts=done.at_own_rate(signal), details=done, provenance=record, spread=spread)


def _of_several(pace: Pace, draw: int, n_draws: int) -> Pace:
    """Return a pace whose progress counts one of several runs over the same windows."""
    progress = pace.progress
    if progress is None:
        return pace
    return replace(pace, progress=lambda done, total: progress(draw * total + done, n_draws * total))
