"""Windows that a task can take, and, where a recipe refuses a recording, what else works: tried out, not guessed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from eegora.check.verdict import Finding
from eegora.errors import EegoraError
from eegora.recipes.prepare import prepare
from eegora.recipes.recipe import Recipe
from eegora.signal import Signal, Trials
from eegora.spec import ModelSpec
from eegora.tasks.vocabulary import fit_channels, unseen_rows
from eegora.windows import Windows

TRIED_S = 60.0  # of a recording are enough to see whether a recipe takes its channels
FILLS = ("spline", "inverse-distance", "nearest", "mean", "zero")  # the best guess first


@dataclass(frozen=True)
class Attempt:
    """A recording, and what was asked to be done with it."""

    signal: Signal | Trials
    recipe: Recipe
    spec: ModelSpec
    task: str
    missing: str | None = None
    unknown: str | None = None

    def run(self) -> tuple[Windows, list[Finding]]:
        """Run the recipe and hold its rows against the task's vocabulary.

        Raises
        ------
        RecordingError
            As `prepare`; ``outside_vocabulary``.
        """
        windows = prepare(self.signal, self.recipe, missing=self.missing, unknown=self.unknown)
        # No checkpoint is known here: the published ones take the spec's names.
        windows = fit_channels(windows, self.spec, self.spec.vocabulary.get(self.task), self.task, self.unknown)
        unseen = unseen_rows(windows, self.spec, self.task)
        if not unseen:
            return windows, []
        told = f"never trained by the published checkpoint: {', '.join(unseen)}"
        return windows, [Finding("warning", "unseen", told, f"--exclude {','.join(unseen)}")]

    def outcome(self) -> int | EegoraError:
        """Return how many rows reach the model, or why none does."""
        try:
            return len(self.run()[0].ch_names)
        except EegoraError as error:
            return error


@dataclass(frozen=True)
class Way:
    """A command that works, what it adds to the one that did not, how many rows then reach the model, and how it fills any."""

    command: str
    words: str
    n_rows: int
    fill: str = ""


def ways_on(error: EegoraError, attempt: Attempt, command: str) -> tuple[list[Way], EegoraError | None]:
    """Find commands that take the recording after all.

    Parameters
    ----------
    error : EegoraError
        Why the attempt failed.
    command : str
        What would have run it.

    Returns
    -------
    ways : list of Way
        The least invention first.
    obstacle : EegoraError or None
        If there are none: what stands in the way besides.
    """
    tried = replace(attempt, signal=_beginning(attempt.signal))
    options: list[tuple[Attempt, str]] = []
    if error.code == "outside_vocabulary" and attempt.unknown != "drop":
        options.append((replace(tried, unknown="drop"), f"{command} --unknown drop"))
    asks = error.code == "missing_channels" and attempt.missing is None
    if asks:
        options.append((replace(tried, missing="skip"), f"{command} --missing skip"))
    if "--recipe" not in command:
        options += [(replace(tried, recipe=r), f"{command} --recipe {r.name}") for r in _others(attempt)]
    if error.code == "bad_rate":
        options += _slower(tried, command)
    if asks:
        options += [(replace(tried, missing=fill), f"{command} --missing {fill}") for fill in FILLS]
    ways, obstacle = [], None
    for option, words in options:
        found = option.outcome()
        if isinstance(found, int):
            fill = option.missing if option.missing in FILLS else None
            ways.append(Way(words, words.removeprefix(command).strip(), found, fill or ""))
        elif found.code not in (error.code, "bad_option") and option.recipe == attempt.recipe:
            obstacle = obstacle or found
    return ways, None if ways else obstacle


def edited(recipe: Recipe, lines: Iterable[tuple[str, str]], suffix: str) -> tuple[str, str]:
    """Return a command that writes a recipe with other values for some of its options, and the option to use it."""
    own = f"{recipe.name}-{suffix}.toml"
    edits = " ".join(f"-e 's/^{option} = .*/{option} = {value}/'" for option, value in lines)
    return f"eegora recipe show {recipe.name} --toml | sed {edits} > {own}", f"--recipe {own}"


def _slower(tried: Attempt, command: str) -> list[tuple[Attempt, str]]:
    """Offer the recipe with its low-pass below what the rate can hold, and without notches above."""
    half = tried.signal.sfreq / 2
    edge = float(int(0.9 * half))
    recipe, lines = tried.recipe, []
    for step in recipe.steps:
        if step.name == "filter" and float(step.options.get("h_freq", 0.0)) >= half and edge > 0:
            recipe = recipe.with_options("filter", h_freq=edge)
            lines.append(("h_freq", f"{edge}"))
        freqs = step.options.get("freqs", ())
        if step.name == "notch" and any(f + 1 >= half for f in (freqs if isinstance(freqs, tuple) else (freqs,))):
            recipe = recipe.with_options("notch", freqs=())
            lines.append(("freqs", "[]"))
    if not lines:
        return []
    write, use = edited(tried.recipe, lines, f"{tried.signal.sfreq:g}hz")
    return [(replace(tried, recipe=recipe), f"{write}; {command} {use}")]


def _others(attempt: Attempt) -> list[Recipe]:
    return [recipe for recipe in attempt.spec.recipes if recipe.name != attempt.recipe.name]


def _beginning(signal: Signal | Trials) -> Signal | Trials:
    if isinstance(signal, Trials):
        n_trials = max(1, round(TRIED_S / signal.parts[0].seconds))
        return replace(
            signal, parts=signal.parts[:n_trials], onsets=signal.onsets[:n_trials], flags=signal.flags[:n_trials]
        )
    n = round(TRIED_S * signal.sfreq)
    return signal if signal.n_times <= n else replace(signal, data=signal.data[:, :n], annotations=())
