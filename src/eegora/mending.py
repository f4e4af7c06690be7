"""Whole recordings through a model that fills what is missing: between the folder's functions and `Model`'s verbs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from eegora.preparation import Pace, Preparation
from eegora.results.repair import Repair
from eegora.signal import Array
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
    from eegora.recordings.source import as_signal, without

    function = model.able(task, function)
    how = how or Preparation()
    settings = {name: value for name, value in wanted.items() if name in model.spec.settings}
    options = {name: value for name, value in wanted.items() if name not in settings}
    how = replace(how, settings={**how.settings, **settings})
    signal, recipe = without(as_signal(source), how.exclude), model.recipe(how)

    def run(windows: Windows, draw: int) -> Array:
        drawn = replace(how, settings={**how.settings, "draw": draw})
        return model.answer(windows, drawn, pace)

    done = function(signal, recipe, options, run)
    windows = replace(done.windows, recipe=recipe.to_toml(), name=signal.name)
    said = {name: value for name, value in options.items() if isinstance(value, str | int | float | list | tuple)}
    record = model.provenance(task, windows, how, **said)
    return Repair(signal=signal, volts=done.at_own_rate(signal), details=done, provenance=record)
