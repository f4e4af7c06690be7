"""How a recording becomes windows, and at what pace they are run: what a caller may choose. Plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from eegora.errors import UsageError
from eegora.recipes.recipe import Recipe
from eegora.results.pooling import Pooling

Progress = Callable[[int, int], None]  # windows done, windows in all


@dataclass(frozen=True)
class Pace:
    """How many windows go through at a time, and who is told.

    Parameters
    ----------
    batch_size : int or None
    progress : callable or None
    """

    batch_size: int | None = None
    progress: Progress | None = None


@dataclass(frozen=True)
class Preparation:
    """How a recording becomes windows, where the recipe alone does not say.

    Parameters
    ----------
    recipe : Recipe, str, path or None
        A recipe, the name of one of the model's, a TOML file, or None for the model's default.
    missing : str or None
        What to do about electrodes that the recipe wants and the recording lacks: ``refuse``, ``skip``, or a way to fill
        them (`eegora.recipes.steps`). None: as the recipe says.
    unknown : str or None
        What to do about channels that the model or the task cannot take, for want of a position or of a row of their
        own: ``refuse`` or ``drop``. None: as the recipe says, and refuse.
    exclude : sequence of str
        Channels to leave out, as the recording or the recipe spells them.
    every : float or None
        Seconds from the start of one window to that of the next. None: as the recipe says, one after the other.
    settings : dict
        Choices that a model offers for a call, by name; they win over its configuration.

    Examples
    --------
    >>> how = Preparation(missing="skip", exclude=["T1"])
    >>> model.embed("recording.edf", how)  # doctest: +SKIP
    """

    recipe: Recipe | str | Path | None = None
    missing: str | None = None
    unknown: str | None = None
    exclude: Sequence[str] = ()
    every: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Take one name for a list of one: a text would be read letter by letter."""
        if isinstance(self.exclude, str):
            object.__setattr__(self, "exclude", (self.exclude,))

    def reading(self, pooling: Pooling) -> Preparation:
        """Return the same, with the settings by which a model computes no more than a pooling reads."""
        return replace(self, settings={**dict(pooling.reads), **self.settings})


def cells_of(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return a mask with one entry per cell of windows of this shape.

    Raises
    ------
    UsageError
        ``bad_mask``.
    """
    try:
        return np.broadcast_to(np.asarray(mask, bool), shape)
    except ValueError:
        raise UsageError(
            "bad_mask",
            f"a mask of shape {np.shape(mask)} does not fit windows of shape {shape}",
            hint="wanted one entry per window, channel and sample, or axes of length 1",
        ) from None
