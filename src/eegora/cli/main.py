"""The command line: words into calls, nothing else. One file per command; errors become one line and an exit code here."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import typer

from eegora.errors import EegoraError

# What typer raises for a wrong command line, by inheritance: it brings its own copy of click, or uses click itself.
UsageMistake: Any = typer.BadParameter.__mro__[1]
AnyMistake: Any = typer.BadParameter.__mro__[2]

STOPPED = "stopped; nothing half-written was left behind"

app = typer.Typer(
    name="eegora",
    help="Any EEG recording through EEG foundation models: embeddings, reconstruction, class probabilities.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"eegora {version('eegora')}")
        raise typer.Exit


def _add_commands() -> None:
    """Hang every command into the app; each imports what it needs when it runs."""
    from eegora.cli import (
        attention,
        bench,
        check,
        classify,
        convert,
        demo,
        doctor,
        embed,
        export,
        fetch,
        inspect,
        models,
        parity,
        recipe,
        reconstruct,
        repair,
        synth,
        verify,
    )

    checkpoints = (fetch, verify, inspect, convert)
    proof = (parity,)
    for command in (
        models,
        check,
        embed,
        reconstruct,
        repair,
        classify,
        attention,
        *checkpoints,
        export,
        synth,
        demo,
        doctor,
        *proof,
    ):
        command.add_to(app)
    app.add_typer(bench.app, name="bench")
    app.add_typer(recipe.app, name="recipe")


@app.callback()
def root(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version.", callback=_version, is_eager=True),
) -> None:
    """Hold the options that come before a command; without one, show what there is."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)


def run() -> None:
    """Run the command line and leave with its exit code."""
    sys.exit(main(sys.argv[1:]))


def main(arguments: Sequence[str]) -> int:
    """Run one command line.

    Returns
    -------
    int
        0 done, 1 failed, 2 misuse, 3 readable but unusable input, 130 interrupted.
    """
    try:
        code = int(app(list(arguments), standalone_mode=False, prog_name="eegora") or 0)
        return _fail(STOPPED, code) if code == 130 else code
    except EegoraError as error:
        return _fail(str(error), error.exit_code)
    except UsageMistake as error:
        at = error.ctx.command_path if getattr(error, "ctx", None) else "eegora"
        return _fail(f"{error.format_message().rstrip('.')}. Next: {at} --help", 2)
    except AnyMistake as error:
        return _fail(error.format_message(), 1)
    except (typer.Abort, KeyboardInterrupt):
        return _fail(STOPPED, 130)
    except BrokenPipeError:
        # The reader of our output went away (`| head`): not an error. Python would complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _fail(line: str, code: int) -> int:
    """Print one line on stderr."""
    sys.stderr.write(f"eegora: {' '.join(line.split())}\n")
    return code


_add_commands()
