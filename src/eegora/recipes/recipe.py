"""A recipe as data: what is in it, and whether it can be run. Running one is left to `prepare`, what steps do to `steps`."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cached_property
from inspect import Parameter
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

import numpy as np

from eegora.errors import UsageError

if TYPE_CHECKING:
    from eegora.recipes.steps import StepInfo


@dataclass(frozen=True)
class Step:
    """One named function on a Signal or on Windows, with its options.

    Parameters
    ----------
    name : str
        A key of `eegora.recipes.steps.STEPS`.
    options : dict
        Plain values, as TOML can hold them (None means: left out). Lists become tuples.
    source : str
        Where the numbers come from: paper or spec section.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""

    def __post_init__(self) -> None:
        plain = {k: tuple(v) if isinstance(v, list) else v for k, v in self.options.items() if v is not None}
        object.__setattr__(self, "options", plain)


@dataclass(frozen=True)
class Recipe:
    """One ordered list of steps with exactly one cut. Data, not code: printed and read as TOML, hashed, saved with results.

    Parameters
    ----------
    name : str
    steps : tuple of Step
    title : str
        One line for people.

    Examples
    --------
    >>> recipe = Recipe("short", (Step("cut", {"seconds": 2}), Step("zscore", {"over": "window"})))
    >>> print(recipe.with_options("cut", seconds=4).to_toml())
    name = "short"
    <BLANKLINE>
    [[steps]]
    step = "cut"
    seconds = 4
    <BLANKLINE>
    [[steps]]
    step = "zscore"
    over = "window"
    <BLANKLINE>
    """

    name: str
    steps: tuple[Step, ...]
    title: str = ""

    @property
    def sha256(self) -> str:
        """Fingerprint of the recipe as TOML."""
        return hashlib.sha256(self.to_toml().encode()).hexdigest()

    def to_toml(self) -> str:
        """Return the recipe as text; `from_toml` reads it back equal."""
        return self._text

    @cached_property
    def _text(self) -> str:
        lines = [f"name = {_toml(self.name)}"] + [f"title = {_toml(self.title)}"] * bool(self.title)
        for step in self.steps:
            lines += ["", "[[steps]]", f"step = {_toml(step.name)}"]
            lines += [f"{key} = {_toml(step.options[key])}" for key in sorted(step.options)]
            lines += [f"source = {_toml(step.source)}"] * bool(step.source)
        return "\n".join(lines) + "\n"

    @classmethod
    def from_toml(cls, text: str | Path) -> Recipe:
        """Read a recipe from TOML text or from a file.

        Raises
        ------
        UsageError
            ``bad_recipe`` if it is not TOML, or not a recipe; ``not_found``.
        """
        if isinstance(text, Path) or (text.endswith(".toml") and "\n" not in text):
            path = Path(text)
            if not path.is_file():
                raise UsageError("not_found", f"recipe file {path} does not exist")
            try:
                text = path.read_text(encoding="utf-8")
            except ValueError:
                raise UsageError("bad_recipe", f"{path} is not text in UTF-8", hint="save it as UTF-8") from None
        try:
            table = tomllib.loads(text)
            steps = [dict(step) for step in table["steps"]]
            made = tuple(Step(step.pop("step"), source=step.pop("source", ""), options=step) for step in steps)
            recipe = cls(str(table["name"]), made, str(table.get("title", "")))
        except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
            raise UsageError(
                "bad_recipe",
                f"the text is no recipe: {type(error).__name__} {error}",
                hint='a recipe has a name and [[steps]] tables, each with step = "…" and its options',
            ) from error
        return recipe.checked()

    def with_options(self, step_name: str, **options: Any) -> Recipe:
        """Return a recipe in which every step of this name has other options; None takes one out.

        Raises
        ------
        UsageError
            ``bad_recipe`` if the recipe has no such step, or the step no such option.
        """
        if step_name not in (names := [step.name for step in self.steps]):
            raise _unknown(f"recipe {self.name} has no step", step_name, names)
        steps = (replace(s, options={**s.options, **options}) if s.name == step_name else s for s in self.steps)
        return replace(self, steps=tuple(steps)).checked()

    def every(self, seconds: float) -> Recipe:
        """Return a recipe whose windows begin every so many seconds.

        Raises
        ------
        UsageError
            ``bad_recipe`` if its windows lie at events.
        """
        if any(step.name == "cut_events" for step in self.steps):
            raise UsageError(
                "bad_recipe",
                f"recipe {self.name} has its windows at events, not every {seconds:g} s",
                hint="leave --every out, or take a recipe with the step cut",
            )
        return self.with_options("cut", every=seconds)

    def at_events(self, events: str | Sequence[str], *, tmin: float = 0.0) -> Recipe:
        """Return a recipe that cuts windows of the same length at events: annotations with these texts.

        Parameters
        ----------
        events : str or sequence of str
        tmin : float
            Seconds from the event to the window's first sample.

        Examples
        --------
        >>> recipe = Recipe("short", (Step("cut", {"seconds": 2}),)).at_events(["left", "right"], tmin=-0.5)
        >>> [step.name for step in recipe.steps]
        ['cut_events']
        """
        kept = ("seconds", "samples", "multiple", "reject_by_annotation", "gaps")

        def locked(step: Step) -> Step:
            options = {name: value for name, value in step.options.items() if name in kept}
            if isinstance(tail := step.options.get("tail"), int):
                options["multiple"] = tail
            return replace(step, name="cut_events", options={**options, "events": events, "tmin": tmin})

        steps = tuple(locked(step) if step.name in ("cut", "cut_events") else step for step in self.steps)
        return replace(self, steps=steps).checked()

    def at_line(self, line_freq: float | str) -> Recipe:
        """Return a recipe whose notch is at another mains frequency.

        Parameters
        ----------
        line_freq : float or str
            50 or 60 Hz, or ``off``: no notch. A recipe without a notch stays without.

        Raises
        ------
        UsageError
            ``bad_option``.

        Examples
        --------
        >>> recipe = Recipe("short", (Step("notch", {"freqs": (60.0,)}), Step("cut", {"seconds": 2}))).at_line(50)
        >>> recipe.line_freqs
        (50.0,)
        """
        freqs = {"50": (50.0,), "60": (60.0,), "off": ()}.get(
            str(line_freq).lower() if isinstance(line_freq, str) else f"{line_freq:g}"
        )
        if freqs is None:
            raise UsageError(
                "bad_option",
                f"line_freq = {line_freq} came, wanted 50, 60 or off",
                hint="for other lines edit the recipe's notch step: eegora recipe show NAME --toml",
            )
        there = self.line_freqs
        if not there or freqs == there:
            return self
        return self.with_options("notch", freqs=freqs)

    @property
    def line_freqs(self) -> tuple[float, ...]:
        """Frequencies of its notches, Hz; empty if it has none, or looks for them."""
        found = [step.options.get("freqs", ()) for step in self.steps if step.name == "notch"]
        return tuple(float(f) for freqs in found for f in (freqs if isinstance(freqs, tuple) else (freqs,)))

    def describe(self) -> list[tuple[str, str, str]]:
        """Return table rows: step, options, source."""
        return [
            (step.name, ", ".join(f"{k} = {_short(v)}" for k, v in step.options.items()), step.source)
            for step in self.steps
        ]

    def checked(self) -> Recipe:
        """Return the recipe itself if every step exists, is legal where it stands, and has only known options.

        Raises
        ------
        UsageError
            ``bad_recipe``.
        """
        return self._checked

    @cached_property
    def _checked(self) -> Recipe:
        from eegora.recipes.steps import STEPS

        infos = []
        for step in self.steps:
            if step.name not in STEPS:
                raise _unknown(f"recipe {self.name}: there is no step", step.name, STEPS)
            infos.append(STEPS[step.name])
            _check_options(self.name, step, STEPS[step.name])
        places = [info.where for info in infos]
        if places.count("cut") != 1:
            raise UsageError(
                "bad_recipe",
                f"recipe {self.name} has {places.count('cut')} cut steps, wanted exactly one",
                hint='add [[steps]] step = "cut", seconds = …',
            )
        for i, (step, where) in enumerate(zip(self.steps, places, strict=True)):
            here = "before" if i < places.index("cut") else "after"
            if where not in (here, "both", "cut"):
                raise UsageError(
                    "bad_recipe", f"recipe {self.name}: step {step.name} stands {here} the cut, wanted {where} it"
                )
        return self

    @property
    def before(self) -> tuple[Step, ...]:
        """The steps before the cut."""
        return self.steps[: self._place]

    @property
    def cut(self) -> Step:
        """The step that cuts."""
        return self.steps[self._place]

    @property
    def behind(self) -> tuple[Step, ...]:
        """The steps behind the cut."""
        return self.steps[self._place + 1 :]

    @cached_property
    def _place(self) -> int:
        from eegora.recipes.steps import STEPS

        return [STEPS[step.name].where for step in self.checked().steps].index("cut")

    @property
    def limiting(self) -> tuple[Step, ...]:
        """The steps before the cut that say which channels, rate and band of a recording are kept."""
        return tuple(step for step in self.before if step.name in ("pick", "resample", "filter", "notch"))

    @property
    def window_seconds(self) -> float | None:
        """Length of the windows; None if that depends on the recording's rate."""
        if "seconds" in self.cut.options:
            return float(self.cut.options["seconds"])
        rates = [float(step.options["rate"]) for step in self.before if step.options.get("rate")]
        return float(self.cut.options["samples"]) / rates[-1] if rates and "samples" in self.cut.options else None

    def choosing(self, **chosen: Any) -> Recipe:
        """Return the recipe with these options set in every step that has them; None leaves a step's own."""
        from eegora.recipes.steps import STEPS

        if all(value is None for value in chosen.values()):
            return self

        def options(step: Step) -> dict[str, Any]:
            there = {
                name: value for name, value in chosen.items() if value is not None and name in STEPS[step.name].options
            }
            return {**step.options, **there}

        return replace(self, steps=tuple(replace(step, options=options(step)) for step in self.steps))

    def __str__(self) -> str:
        """Return one line: the names of the steps in order."""
        return f"{self.name}: {' → '.join(step.name for step in self.steps)}"


def _check_options(recipe: str, step: Step, info: StepInfo) -> None:
    for option in step.options:
        if option not in info.options:
            raise _unknown(f"recipe {recipe}: step {step.name} has no option", option, info.options)
    for option, value in step.options.items():
        hint = info.types.get(option, Any)
        if not _fits(value, hint):
            wanted = str(hint).replace("collections.abc.", "").replace("<class '", "").replace("'>", "")
            raise UsageError("bad_recipe", f"recipe {recipe}: step {step.name}: {option} = {value!r}; wanted {wanted}")
    lacking = [name for name, value in info.options.items() if value is Parameter.empty and name not in step.options]
    if lacking:
        raise UsageError("bad_recipe", f"recipe {recipe}: step {step.name} lacks its option {', '.join(lacking)}")


def _fits(value: Any, hint: Any) -> bool:
    """Say whether a plain value is of the kind that a step's option is declared with."""
    kinds = get_args(hint)
    if kinds and get_origin(hint) in (Union, UnionType):
        return any(_fits(value, kind) for kind in kinds)
    if kinds:  # a sequence of something
        return isinstance(value, list | tuple) and all(_fits(item, kinds[0]) for item in value)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return value is None if hint is NoneType else not isinstance(hint, type) or isinstance(value, hint)


def _unknown(what: str, name: str, known: Iterable[str]) -> UsageError:
    near = get_close_matches(name, list(known), n=3, cutoff=0.4) or list(known)
    return UsageError("bad_recipe", f"{what} '{name}'", hint=f"did you mean {' or '.join(near)}?" if near else "")


def _toml(value: Any) -> str:
    """Write one plain value as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | np.integer | np.floating):
        return repr(value.item() if isinstance(value, np.generic) else value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml(item) for item in value)}]"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
        return f'"{escaped}"'
    raise UsageError(
        "bad_recipe", f"a recipe cannot hold {value!r} ({type(value).__name__}); wanted numbers, text or lists"
    )


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
