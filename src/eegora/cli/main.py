"""The command line: words into calls, nothing else. One file per command; errors become one line and an exit code here."""

from __future__ import annotations

import os
import sys

import click
import typer

from eegora.errors import EegoraError

app = typer.Typer(
    name="eegora",
    help="Any EEG recording through EEG foundation models: embeddings, reconstruction, class probabilities.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"eegora {version('eegora')}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(False, "--version", help="Print the version.", callback=_version, is_eager=True),
) -> None:
    """Hold the options that come before a command."""


def run() -> None:
    """Run the command line: exit code 0 done, 1 failed, 2 misuse, 3 readable but unusable input."""
    from eegora.cli import classify, demo, embed, fetch, models, parity, recipe, reconstruct, synth

    for command in (models, embed, reconstruct, classify, fetch, synth, demo, parity):
        command.add_to(app)
    app.add_typer(recipe.app, name="recipe")
    sys.exit(_guarded())


def _guarded() -> int:
    try:
        return int(app(standalone_mode=False) or 0)
    except EegoraError as error:
        return _fail(str(error), error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        typer.echo(error.format_message())
        return 2
    except click.UsageError as error:
        at = error.ctx.command_path if error.ctx else "eegora"
        return _fail(f"{error.format_message()} Next: {at} --help", 2)
    except click.ClickException as error:
        return _fail(error.format_message(), 1)
    except (click.Abort, KeyboardInterrupt):
        return _fail("stopped; nothing half-written was left behind", 130)
    except BrokenPipeError:
        # The reader of our output went away (`| head`): not an error. Python would complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _fail(line: str, code: int) -> int:
    """Print one line on stderr."""
    sys.stderr.write(f"eegora: {' '.join(line.split())}\n")
    return code


if __name__ == "__main__":
    run()
