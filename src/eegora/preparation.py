"""How a recording becomes windows, and at what pace they are run: what a caller may choose. Plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from eegora.errors import UsageError
from eegora.recipes.recipe import Recipe
from eegora.recordings.checks import NonFinite
from eegora.recordings.units import Units
from eegora.results.pooling import Pooling
from eegora.stream import Room
from eegora.windows import Windows

READING = ("units", "sfreq", "montage", "include", "channels", "rename", "non_finite")
Progress = Callable[[int, int], None]  # windows done, windows in all


@dataclass(frozen=True)
class Outlook:
    """What a long run is about to do.

    Parameters
    ----------
    n_windows : int
        Windows that go through the network.
    n_skipped : int
        Those in which there is nothing to do.
    n_draws : int
        How often each goes through.
    seconds : float or None
        Roughly, on this machine; None where the model does not count its work.
    """

    n_windows: int
    n_skipped: int = 0
    n_draws: int = 1
    seconds: float | None = None

    def __str__(self) -> str:
        """Return one line: ``3 of 12 windows, 8 times each: about 4 min on this machine``."""
        many = f"{self.n_windows} of {self.n_windows + self.n_skipped} windows"
        if self.n_skipped:
            many += f" ({self.n_skipped} have nothing to fill)"
        times = f", {self.n_draws} times each" if self.n_draws > 1 else ""
        return many + times + ("" if self.seconds is None else f": {roughly(self.seconds)} on this machine")


def roughly(seconds: float) -> str:
    """Say a duration as people do."""
    for least, size, unit in ((5400, 3600, "h"), (90, 60, "min"), (1.5, 1, "s")):
        if seconds >= least:
            return f"about {seconds / size:.0f} {unit}"
    return "a moment"


@dataclass(frozen=True)
class Pace:
    """How many windows go through at a time, and who is told.

    Parameters
    ----------
    batch_size : int or None
    progress : callable or None
        If it has a method ``expect``, that is given an `Outlook` before the work starts.
    """

    batch_size: int | None = None
    progress: Progress | None = None

    def expect(self, outlook: Callable[[], Outlook]) -> None:
        """Tell what is about to be done; nothing is measured where nobody listens."""
        expect = getattr(self.progress, "expect", None)
        if expect is not None:
            expect(outlook())


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
    line_freq : float, str or None
        Where the mains are: 50 or 60 Hz moves the recipe's notch there, ``off`` leaves it out. None: as the recipe says.
    reject_annotated : bool
        Drop windows that overlap an annotation whose text begins with ``bad``; else the recipe says.
    settings : dict
        Choices that a model offers for a call, by name; they win over its configuration.
    units, sfreq, montage, include, channels, rename
        How a file is read, as in `eegora.read_recording`; of arrays all but `sfreq` and `montage`. MNE's objects say these
        themselves: there they are refused.
    non_finite : str
        Samples of a file or an array that are no number: ``refuse``, or ``interpolate`` over 0.1 s at most.
    room : Room
        From which size on a recording is worked through in pieces, and where temporary files go.

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
    line_freq: float | str | None = None
    reject_annotated: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    units: Units | None = None
    sfreq: float | None = None
    montage: str | None = None
    include: Sequence[str] = ()
    channels: Sequence[str] = ()
    rename: Mapping[str, str] = field(default_factory=dict)
    non_finite: NonFinite = "refuse"
    room: Room = field(default_factory=Room)

    def __post_init__(self) -> None:
        """Take one name for a list of one: a text would be read letter by letter."""
        for name in ("exclude", "include", "channels"):
            if isinstance(given := getattr(self, name), str):
                object.__setattr__(self, name, (given,))

    @property
    def reading(self) -> dict[str, Any]:
        """What was chosen of how a source is read, by name."""
        plain = Preparation()
        return {name: chosen for name in READING if (chosen := getattr(self, name)) != getattr(plain, name)}

    def applied(self, recipe: Recipe) -> Recipe:
        """Return a recipe as these choices want it.

        Raises
        ------
        UsageError
            ``bad_option``, ``bad_recipe``.
        """
        if self.line_freq is not None:
            recipe = recipe.at_line(self.line_freq)
        if self.reject_annotated:
            recipe = recipe.choosing(reject_by_annotation=True)
        return recipe if self.every is None else recipe.every(float(self.every))

    @property
    def choices(self) -> dict[str, Any]:
        """What a result's record keeps of them."""
        chosen = {"missing": self.missing, "unknown": self.unknown, "exclude": list(self.exclude)}
        asked = {"line_freq": self.line_freq, "reject_annotated": self.reject_annotated}
        return chosen | {name: value for name, value in asked.items() if value} | self.reading

    def remarks(self, recipe: Recipe, windows: Windows) -> tuple[str, ...]:
        """Say what of these choices a recipe cannot follow, and which windows are used that could be left out."""
        told = list(self.unheeded(recipe))
        if used := used_annotated(annotated(windows)):
            told.append(
                f"{used}; --reject-annotated leaves them out as windows are made (in Python reject_annotated=True)"
            )
        return tuple(told)

    def unheeded(self, recipe: Recipe) -> tuple[str, ...]:
        """Say what of these choices a recipe cannot follow."""
        if self.line_freq is None or recipe.line_freqs or str(self.line_freq).lower() == "off":
            return ()
        return (f"line_freq {self.line_freq}: recipe {recipe.name} has no notch, no line was taken out",)

    def narrowed(self, pooling: Pooling) -> Preparation:
        """Return the same, with the settings by which a model computes no more than a pooling reads."""
        return replace(self, settings={**dict(pooling.reads), **self.settings})


def annotated(windows: Windows) -> int:
    """Return how many windows overlap an annotation that begins with ``bad``."""
    return sum(any(flag.lower().startswith("annotated:bad") for flag in flags) for flags in windows.flags)


def used_annotated(n: int) -> str:
    """Say that so many windows annotated as bad are used; empty for none."""
    if not n:
        return ""
    return f"{n} window{'s overlap stretches' if n > 1 else ' overlaps a stretch'} annotated as bad, and {'are' if n > 1 else 'is'} used"


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
