"""Tasks that fill in a recording, tried without the network: what would be filled, or why it is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from eegora import registry
from eegora.check.look import Look
from eegora.check.verdict import Finding
from eegora.recordings.source import as_signal, without
from eegora.windows import Windows

if TYPE_CHECKING:
    from eegora.recipes.recipe import Recipe
    from eegora.signal import Array
    from eegora.spec import ModelSpec

TASKS = ("repair", "upsample")
ADDED = "10-20"  # what is added where a check has to add something


class _Asked(Exception):
    """The network was asked for: all that comes before it went well."""

    def __init__(self, windows: Windows, n_rows: int) -> None:
        self.windows, self.n_rows = windows, n_rows


def tried(look: Look, spec: ModelSpec, recipe: Recipe, task: str, exclude: Sequence[str]) -> tuple[Windows, int]:
    """Go as far as the command goes before its network runs.

    Returns
    -------
    windows : Windows
        Segments of what was looked at.
    n_filled : int
        How many of them hold something to fill.

    Raises
    ------
    EegoraError
        As the command.
    """
    source: Any = look.trials or look.as_read or look.signal
    signal = without(as_signal(source, non_finite="keep"), exclude)
    wanted = {"montage": ADDED} if task == "upsample" else {}
    function = getattr(registry.code(registry.find(spec.name)[0]), task)
    try:
        return function(signal, recipe, wanted, _ask).windows, 0
    except _Asked as asked:
        return asked.windows, asked.n_rows


def _ask(windows: Windows, rows: Array, draw: int) -> NoReturn:
    raise _Asked(windows, len(rows))


def of_reading(look: Look) -> list[Finding]:
    """Return what was found of the recording, less that samples are not numbers: those are filled, not bridged."""
    return [
        f for f in look.findings if f.code != "non_finite" and not f.sentence.endswith("not a number: interpolated")
    ]


def findings(look: Look, windows: Windows, n_filled: int) -> list[Finding]:
    """Say what would be filled."""
    n, whole = len(windows), look.is_whole
    made = f"{n} segment{'s' * (n != 1)} of up to {windows.seconds:g} s, {len(windows.ch_names)} channels"
    part = "" if whole else " of what was looked at"
    told = f"{made}{part}; {n_filled} hold{'s' * (n_filled == 1)} something to fill"
    found = [Finding("ok", "windows", told)]
    if look.as_read is not None:
        found.append(Finding("note", "non_finite", "samples that are not a number are filled"))
    if not n_filled and whole:
        hint = "--bads A,B, --span START:STOP, or annotate what is bad with BAD"
        found.append(Finding("note", "nothing_bad", "nothing is marked bad: the result would be a copy", hint))
    return found
