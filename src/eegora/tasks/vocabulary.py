"""Rows of windows held against the names that a task takes: refused or dropped, and the ways on. For a ready model, and for `check`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from eegora.errors import ChannelError
from eegora.recipes.channel_steps import is_derivation
from eegora.recipes.recipe import Recipe
from eegora.recordings.channels import nearest_names, same_electrode
from eegora.spec import ModelSpec, act
from eegora.windows import Windows


def fit_channels(
    windows: Windows, spec: ModelSpec, vocabulary: tuple[str, ...] | None, task: str, unknown: str | None
) -> Windows:
    """Refuse or drop rows that a task's vocabulary does not have.

    Parameters
    ----------
    windows : Windows
    spec : ModelSpec
    vocabulary : tuple of str or None
        The only names that the task takes; None: any.
    task : str
    unknown : str or None
        ``drop``: leave such rows out; else they are refused.

    Raises
    ------
    ChannelError
        ``outside_vocabulary`` with the nearest names; ``no_channels`` if none is left.
    """
    if vocabulary is None:
        return windows
    rows = {name.upper() for name in vocabulary}
    outside = [name for name in windows.ch_names if name.upper() not in rows]
    everything = len(outside) == len(windows.ch_names)
    if outside and (unknown != "drop" or everything):
        name = outside[0]
        near = [row for row in vocabulary if same_electrode(row, name)] or nearest_names(name, vocabulary)
        raise ChannelError(
            "no_channels" if unknown == "drop" else "outside_vocabulary",
            f"{windows.name}: {spec.title} cannot {act(task)} {', '.join(outside)}; {name} is nearest to {' '.join(near)}",
            hint="" if everything else "--unknown drop leaves such channels out",
        )
    if outside:
        keep = [i for i, name in enumerate(windows.ch_names) if name not in outside]
        windows = windows.keep_channels(keep, f"cannot be used to {act(task)}")
    return windows


def unseen_rows(windows: Windows, spec: ModelSpec, task: str) -> tuple[str, ...]:
    """Return the rows whose parameters the published checkpoint never trained."""
    return tuple(name for name in windows.ch_names if name.upper() in spec.unseen.get(task, ()))


def note_unseen(windows: Windows, spec: ModelSpec, task: str) -> Windows:
    """Note the rows whose parameters the published checkpoint never trained."""
    unseen = unseen_rows(windows, spec, task)
    if not unseen:
        return windows
    note = f"the published checkpoint never trained the rows of {', '.join(unseen)}"
    return replace(windows, notes=tuple(dict.fromkeys((*windows.notes, note))))


def with_ways_on(
    error: ChannelError, spec: ModelSpec, vocabulary: tuple[str, ...] | None, found: Sequence[str] = ()
) -> ChannelError:
    """Name what a user can type: about missing electrodes skip them, or a recipe that takes what there is; about derivations
    a recipe that starts from them. `found` are the recording's channels.
    """
    if error.code == "bipolar":
        rows = {recipe.name: _derived(recipe) for recipe in spec.recipes}
        known = None if vocabulary is None else {name.upper() for name in vocabulary}
        taken = [name for name, made in rows.items() if made and (known is None or known.issuperset(made))]
        others = [name for name, made in rows.items() if made and name not in taken]
        hint = " or ".join(["give a referential recording", *(f"--recipe {name}" for name in taken)])
        own = f"; {', '.join(others)} starts from derivations, for a checkpoint that was trained with them"
        return ChannelError(error.code, error.message, hint=hint + (own if others and not taken else ""))
    if error.code != "missing_channels":
        return error
    free = [r.name for r in spec.recipes if not any({"names", "rows"} & set(s.options) for s in r.steps)]
    if found and all(is_derivation(name) for name in found):  # electrodes cannot be made of these
        free = [name for name in free if name in {r.name for r in spec.recipes if _keeps_derivations(r)}]
    hint = " or ".join(["--missing skip", *(f"--recipe {name}" for name in free)])
    return ChannelError(error.code, error.message, hint=hint)


def _derived(recipe: Recipe) -> set[str]:
    """Return the rows that a recipe makes of derivations too, where a recording holds nothing else; none if it does not."""
    if not _keeps_derivations(recipe):
        return set()
    return {row.upper() for step in recipe.steps if step.name == "derive" for row in step.options["rows"]}


def _keeps_derivations(recipe: Recipe) -> bool:
    return all(step.options.get("bipolar") == "keep" for step in recipe.steps if step.name == "pick")
