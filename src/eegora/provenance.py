"""Which recording, recipe, checkpoint, device and versions made a result. Plain data that every saved file carries."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from eegora.plan import ChannelPlan

UNTRAINED = "untrained: a seeded random checkpoint, the numbers mean nothing"


@dataclass(frozen=True)
class Provenance:
    """Where a result comes from. It holds no clock and asks nothing of the machine: the same inputs, given alike, give the same record.

    Parameters
    ----------
    recording : str
        The path of the file, as it was given, or the kind of object that was.
    model, variant, task : str
    checkpoint : dict
        ``source`` (given, bundle, cache, download, untrained), ``name``, ``sha256``, ``licence``,
        ``repo`` and ``revision`` where they apply, ``seed`` if untrained.
    untrained : bool
        True if the numbers come from parameters that nobody trained: random, or made up by a rule.
    recipe : str
        TOML of the recipe as it was run; empty if windows were given ready-made.
    plan : ChannelPlan
    not_undone : tuple of str
        Recipe steps that the way back to volts cannot undo.
    device, dtype : str
        With the reason of the choice.
    notes : tuple of str
    versions : dict
        Packages that shape the numbers.
    options : dict
        Whatever else the caller chose: seed, steps, pooling.
    """

    recording: str
    model: str
    variant: str
    task: str
    checkpoint: Mapping[str, Any] = field(default_factory=dict)
    untrained: bool = False
    recipe: str = ""
    plan: ChannelPlan = field(default_factory=ChannelPlan)
    not_undone: tuple[str, ...] = ()
    device: str = "cpu"
    dtype: str = "float32"
    notes: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=lambda: versions())
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def full_name(self) -> str:
        """The model as ``--model`` takes it: with its variant, unless its configuration is none of the variants."""
        return self.model if self.variant == "custom" else f"{self.model}-{self.variant}"

    def to_json(self) -> str:
        """Return JSON with sorted keys."""
        record = asdict(self) | {"plan": self.plan.to_dicts()}
        return json.dumps(record, sort_keys=True, default=_said)

    @classmethod
    def from_json(cls, text: str) -> Provenance:
        """Read what `to_json` wrote."""
        record = json.loads(text)
        record["plan"] = ChannelPlan.from_dicts(record["plan"])
        for name in ("not_undone", "notes"):
            record[name] = tuple(record[name])
        return cls(**record)


def _said(value: Any) -> str:
    """Say what JSON has no word for; of an array its shape."""
    shape = getattr(value, "shape", None)
    return str(value) if shape is None else f"array of shape {shape}"


def versions() -> dict[str, str]:
    """Return the versions of the packages that shape the numbers."""
    found = {}
    for name in ("eegora", "numpy", "scipy", "mne", "torch"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
