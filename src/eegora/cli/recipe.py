"""``eegora recipe``: what a recipe does, and where each number comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Show the recipes that bring a recording into a model's form.", rich_markup_mode=None)


@app.command("list", help="List every recipe of every model.")
def list_recipes() -> None:
    """List the recipes."""
    from eegora import registry

    for spec in registry.specs().values():
        for i, recipe in enumerate(spec.recipes):
            typer.echo(f"{recipe.name}{' (default)' if i == 0 else ''}: {spec.title}, {recipe.title}")


@app.command("show", help="Print a recipe with the source of every number, or as TOML to edit.")
def show(
    name: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe's name, or a .toml file.")],
    toml: Annotated[bool, typer.Option("--toml", help="As TOML: save it, edit it, pass it with --recipe.")] = False,
) -> None:
    """Print a recipe."""
    from eegora import registry
    from eegora.errors import UsageError
    from eegora.recipes.recipe import Recipe
    from eegora.report.tables import recipe_table
    from eegora.report.tables import show as show_table

    if name.endswith(".toml"):
        recipe = Recipe.from_toml(Path(name))
    else:
        known = {r.name: r for spec in registry.specs().values() for r in spec.recipes}
        if name not in known:
            raise UsageError(
                "unknown_recipe",
                f"no recipe is called {name!r}; there are {', '.join(known)}",
                hint="eegora recipe list",
            )
        recipe = known[name]
    if toml:
        typer.echo(recipe.to_toml(), nl=False)
    else:
        show_table(recipe_table(recipe))
