"""Windows that come ready-made: what was chosen of how to make them holds, and whose recipe made them is said."""

from __future__ import annotations

from dataclasses import replace

from eegora import registry
from eegora.errors import UsageError
from eegora.preparation import Preparation
from eegora.recipes.recipe import Recipe
from eegora.spec import ModelSpec
from eegora.windows import Windows


def check_as_made(windows: Windows, spec: ModelSpec, how: Preparation, *, may_drop: bool) -> None:
    """Refuse what asks for other windows than those that are there; what they were made with may be said again.

    Parameters
    ----------
    windows : Windows
    spec : ModelSpec
    how : Preparation
    may_drop : bool
        Whether the task has a vocabulary: then ``unknown`` has a say even now.

    Raises
    ------
    UsageError
        ``bad_options``.
    """
    asked = {"missing": how.missing, "exclude": list(how.exclude), "line_freq": how.line_freq, **how.reading}
    asked |= {"reject_annotated": how.reject_annotated, "unknown": None if may_drop else how.unknown}
    late = [name for name, value in asked.items() if value and not _same(value, windows.choices.get(name))]
    made = Recipe.from_toml(windows.recipe) if windows.recipe else None
    if how.recipe is not None:
        wanted = registry.find_recipe(spec, how.recipe)
        late += ["recipe"] * (made is None or wanted.name != made.name)
    if how.every is not None:
        late += ["every"] * (made is None or made.every(float(how.every)) != made)
    if late:
        option = {"channels": "pick"}.get(late[0], late[0].replace("_", "-"))
        raise UsageError(
            "bad_options",
            f"{windows.name} comes as prepared windows: --{option} comes too late (in Python {late[0]}=)",
            hint="give it to `eegora recipe run`, or give the recording itself",
        )


def _same(value: object, made: object) -> bool:
    """Say whether two choices are one: JSON knows no tuples."""
    return list(value) == list(made) if isinstance(value, tuple) and isinstance(made, list | tuple) else value == made


def note_foreign(windows: Windows, spec: ModelSpec) -> Windows:
    """Note that a recipe of another model made the windows: units, rate and length may not be this one's."""
    name = Recipe.from_toml(windows.recipe).name if windows.recipe else ""
    owners = [other for other in registry.specs().values() if name in (recipe.name for recipe in other.recipes)]
    if not owners or spec.name in (other.name for other in owners):
        return windows
    note = (
        f"recipe {name}, which made these windows, is {owners[0].title}'s: {spec.title} was trained on others;"
        f" `eegora recipe run` with --recipe {spec.recipes[0].name} makes its own"
    )
    return replace(windows, notes=tuple(dict.fromkeys((*windows.notes, note))))
