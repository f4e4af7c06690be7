"""How a network tells its stages by name while it runs, at no cost where nobody asks. Who asks, and for which names, is a model's own affair."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

Note = Callable[[str, Tensor], None]


def ignore(name: str, value: Tensor) -> None:
    """Keep no stage: what a run without a trace does."""


def within(note: Note, prefix: str) -> Note:
    """Return a `note` that puts a prefix before each name."""
    return note if note is ignore else lambda name, value: note(prefix + name, value)
