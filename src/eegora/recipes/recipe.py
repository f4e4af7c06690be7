"""A recipe as data, and `prepare`, which runs one. Knows no step by name except that exactly one cuts (`steps`)."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from eegora.errors import UsageError
from eegora.signal import Signal
from eegora.windows import Windows

Watch = Callable[["Step", "Signal | Windows"], None]


@dataclass(frozen=True)
class Step:
    """One named function on a Signal or on Windows, with its options.

    Parameters
    ----------
    name : str
        A key of `eegora.recipes.steps.STEPS`.
    options : dict
        Plain values, as TOML can hold them (None means: left out).
    source : str
        Where the numbers come from: paper or spec section.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""


@dataclass(frozen=True)
class Recipe:
    """One ordered list of steps with exactly one cut. Data, not code: printed and read as TOML, hashed, saved with results.

    Parameters
    ----------
    name : str
    steps : tuple of Step
    title : str
        One line for people.
    """

    name: str
    steps: tuple[Step, ...]
    title: str = ""
