"""Every step by name: the one list that recipes pick from. What a step does is in the module it comes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from inspect import signature
from typing import Any, Literal, get_type_hints

from eegora.recipes import channel_steps, event_steps, filter_steps, reference_steps, time_steps, value_steps
from eegora.recipes.pieces import Blocks
from eegora.stream import Stream

Where = Literal["before", "after", "both", "cut"]


@dataclass(frozen=True)
class StepInfo:
    """A step's function, where in a recipe it may stand, and how it treats a recording that is not held.

    Parameters
    ----------
    function : callable
        (Signal or Windows, keyword options) → the same type; the cut makes Windows of a Signal.
    where : str
        ``before`` the cut (on the Signal), ``after`` it (on Windows), ``both``, or ``cut`` itself.
    stream : callable, optional
        Before the cut, on a recording that is read piece by piece: (Stream, Work, keyword options) → Stream.
        Default: the function itself on each piece, as it treats every sample by itself.
    blocks : callable, optional
        Behind the cut, on windows that come a few at a time: (Blocks, keyword options) → Blocks.
        Default: the function itself on each block, as it treats every window by itself.
    """

    function: Callable[..., Any]
    where: Where
    stream: Callable[..., Stream] | None = None
    blocks: Callable[..., Blocks] | None = None

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
    "average_reference": StepInfo(reference_steps.average_reference, "both", reference_steps.average_reference_stream),
    "zero": StepInfo(channel_steps.zero, "both"),
    "filter": StepInfo(filter_steps.filter, "both", filter_steps.filter_stream),
    "notch": StepInfo(filter_steps.notch, "both", filter_steps.notch_stream),
    "resample": StepInfo(time_steps.resample, "both", time_steps.resample_stream),
    "require": StepInfo(time_steps.require, "before", time_steps.require_stream),
    "cut": StepInfo(time_steps.cut, "cut"),
    "cut_events": StepInfo(event_steps.cut_events, "cut"),
    "scale": StepInfo(value_steps.scale, "both"),
    "divide": StepInfo(value_steps.divide, "both"),
    "baseline": StepInfo(value_steps.baseline, "after"),
    "zscore": StepInfo(value_steps.zscore, "both", value_steps.zscore_stream),
    "clip": StepInfo(value_steps.clip, "both", value_steps.clip_stream, value_steps.clip_blocks),
    "min_max": StepInfo(value_steps.min_max, "after"),
    "standardise": StepInfo(value_steps.standardise, "both", value_steps.standardise_stream),
    "align": StepInfo(value_steps.align, "after", blocks=value_steps.align_blocks),
    "lengths": StepInfo(value_steps.lengths, "after"),
    "reject": StepInfo(value_steps.reject, "after", blocks=value_steps.reject_blocks),
}
