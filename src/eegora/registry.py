"""Model names → specs (cheap) and code (on demand). A model is a folder in `eegora.models`; nothing else lists them."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import cast

from eegora import models
from eegora.errors import UsageError
from eegora.recipes.recipe import Recipe
from eegora.spec import Config, ModelCode, ModelSpec, Variant, act


@cache
def specs() -> dict[str, ModelSpec]:
    """Return the spec of every model by folder name, sorted."""
    folders = sorted(module.name for module in pkgutil.iter_modules(models.__path__) if module.ispkg)
    return {name: cast(ModelSpec, _part(name, "spec").SPEC) for name in folders}


@cache
def code(folder: str) -> ModelCode:
    """Return the functions of a model's folder; this imports torch."""
    return cast(ModelCode, _part(folder, "inference").CODE)


def reference(folder: str) -> ModuleType:
    """Return the module that says how reference vectors' cases map to calls."""
    return _part(folder, "reference")


def find(name: str, variant: str | None = None) -> tuple[str, ModelSpec, Variant | None]:
    """Find a model by a name as people type it: case, ``-`` and ``_`` do not count.

    Parameters
    ----------
    name : str
        A model, or a model and one of its variants.
    variant : str, optional
        A variant, if `name` does not hold it.

    Returns
    -------
    folder : str
    spec : ModelSpec
    variant : Variant or None
        None if only the model was named and it has several.

    Raises
    ------
    UsageError
        ``unknown_model`` with the names there are.
    """
    wanted = plain(name) + plain(variant or "")
    for folder, spec in specs().items():
        if wanted in (plain(folder), plain(spec.name)):
            return folder, spec, spec.variants[0] if len(spec.variants) == 1 else None
        for candidate in spec.variants:
            if wanted in (plain(folder) + plain(candidate.name), plain(spec.name) + plain(candidate.name)):
                return folder, spec, candidate
    typed = name if variant is None else f"{name} {variant}"
    near = difflib.get_close_matches(typed.lower(), names(), n=1, cutoff=0.5)
    raise UsageError(
        "unknown_model",
        f"no model is called {typed!r}; there are {', '.join(names())}",
        hint=f"--model {near[0]}" if near else "`eegora models` describes them",
    )


def names() -> list[str]:
    """Return every model and variant as it is typed: ``model-variant``."""
    return [full_name(spec, v) for spec in specs().values() for v in spec.variants]


def variant_name(spec: ModelSpec, config: Config) -> str:
    """Name the variant that a configuration is of; ``custom`` if it is none of them."""
    same = [v for v in spec.variants if all(config.get(key) == value for key, value in v.config.items())]
    return same[0].name if same else "custom"


def full_name(spec: ModelSpec, variant: Variant) -> str:
    """Return ``model-variant``, or the model alone where it has but one."""
    return spec.name if len(spec.variants) == 1 else f"{spec.name}-{variant.name}"


def check_offers(spec: ModelSpec, task: str) -> None:
    """Refuse a task that a model does not do at all.

    Raises
    ------
    UsageError
        ``no_such_task``: names the models that do.
    """
    if task not in spec.tasks:
        raise no_such_task(spec, task)


def no_such_task(spec: ModelSpec, task: str) -> UsageError:
    """Return the error for a task that a model does not do; it names the models that do."""
    able = [other.name for other in specs().values() if task in other.tasks]
    return UsageError(
        "no_such_task",
        f"{spec.title} does not {act(task)}; models that do: {', '.join(able) or 'none'}",
        hint=f"--model {able[0]}" if able else "another task",
    )


def find_recipe(spec: ModelSpec, wanted: Recipe | str | Path | None = None) -> Recipe:
    """Return a recipe of a model by name, one from a TOML file, or the model's default (see `Model.recipe`)."""
    if isinstance(wanted, Recipe):
        return wanted
    if wanted is None:
        return spec.recipes[0]
    for recipe in spec.recipes:
        if plain(recipe.name) == plain(str(wanted)):
            return recipe
    if str(wanted).endswith(".toml"):
        return Recipe.from_toml(Path(wanted))
    known = ", ".join(recipe.name for recipe in spec.recipes)
    raise UsageError(
        "unknown_recipe",
        f"{spec.title} has no recipe {str(wanted)!r}; it has {known}",
        hint="--recipe with one of them, or a .toml file (`eegora recipe show NAME --toml` prints one)",
    )


def plain(name: str) -> str:
    """Return a name without case, ``-`` and ``_``."""
    return name.lower().replace("-", "").replace("_", "")


def _part(folder: str, part: str) -> ModuleType:
    return importlib.import_module(f"eegora.models.{folder}.{part}")
