"""Every step by name: the one list that recipes pick from. What a step does is in the module it comes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from inspect import signature
from typing import Any, Literal, get_type_hints

from eegora.recipes import channel_steps, event_steps, time_steps, value_steps

Where = Literal["before", "after", "both", "cut"]
Whole = Literal["sample", "channel", "recording"]


@dataclass(frozen=True)
class StepInfo:
    """A step's function, and where in a recipe it may stand.

    Parameters
    ----------
    function : callable
        (Signal or Windows, keyword options) → the same type; the cut makes Windows of a Signal.
    where : str
        ``before`` the cut (on the Signal), ``after`` it (on Windows), ``both``, or ``cut`` itself.
    per_window : bool
        Behind the cut, whether it treats each window on its own, so that `prepare` may hand over a few at a time.
    whole : str
        Before the cut, what it must have as a whole: ``sample`` (all channels at one time), ``channel`` (one over all
        times) or ``recording``. Where the executor of large recordings knows a better way, it is in `streamed`.
    summed : (measure, part, conclude), optional
        Behind the cut, if only a sum over all windows is in the way of a few at a time: what to measure of each
        window, what to do with some of them by their measures, and with all.
    """

    function: Callable[..., Any]
    where: Where
    per_window: bool = True
    whole: Whole = "sample"
    summed: tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]] | None = None

    @cached_property
    def options(self) -> Mapping[str, Any]:
        """Names of the options and their defaults; ``inspect.Parameter.empty`` where one must be given."""
        parameters = list(signature(self.function).parameters.values())[1:]
        return {parameter.name: parameter.default for parameter in parameters}

    @cached_property
    def types(self) -> Mapping[str, Any]:
        """Names of the options and the types that they are declared with."""
        return get_type_hints(self.function)

    @property
    def summary(self) -> str:
        """What it does, one line."""
        return (self.function.__doc__ or "").strip().partition("\n")[0]


STEPS: dict[str, StepInfo] = {
    "pick": StepInfo(channel_steps.pick, "both"),
    "derive": StepInfo(channel_steps.derive, "both"),
    "table_positions": StepInfo(channel_steps.table_positions, "both"),
    "average_reference": StepInfo(channel_steps.average_reference, "both"),
    "zero": StepInfo(channel_steps.zero, "both"),
    "filter": StepInfo(time_steps.filter, "both", whole="channel"),
    "notch": StepInfo(time_steps.notch, "both", whole="channel"),
    "resample": StepInfo(time_steps.resample, "both", whole="channel"),
    "require": StepInfo(time_steps.require, "before", whole="recording"),
    "cut": StepInfo(time_steps.cut, "cut"),
    "cut_events": StepInfo(event_steps.cut_events, "cut"),
    "scale": StepInfo(value_steps.scale, "both"),
    "divide": StepInfo(value_steps.divide, "both"),
    "baseline": StepInfo(value_steps.baseline, "after"),
    "zscore": StepInfo(value_steps.zscore, "both", whole="recording"),
    "clip": StepInfo(value_steps.clip, "both", per_window=False, whole="recording"),
    "min_max": StepInfo(value_steps.min_max, "after"),
    "standardise": StepInfo(value_steps.standardise, "both", whole="channel"),
    "align": StepInfo(value_steps.align, "after", per_window=False),
    "reject": StepInfo(
        value_steps.reject,
        "after",
        per_window=False,
        summed=(value_steps.peaks, value_steps.parted, value_steps.of_large),
    ),
}
