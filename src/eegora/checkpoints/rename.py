"""Published tensor names → ours: every tensor of a file is used, renamed or dropped with a reason, and every one wanted is there.

What is wanted, and which rules lead there, the model's own folder says; reading files is left to `read`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

from eegora.checkpoints.mapped import RenamedTensors
from eegora.errors import CheckpointError

if TYPE_CHECKING:
    import torch

Shape = tuple[int, ...]

FLOATS = ("float16", "bfloat16", "float32", "float64")
N_SHOWN = 3


@dataclass(frozen=True)
class Rename:
    """One rule. The rules are tried in order on every key of a file; a later one sees what an earlier one wrote.

    Parameters
    ----------
    pattern : str
        A regular expression that must match the whole key.
    replacement : str or None
        As in `re.sub`; None drops the tensor.
    reason : str
        Why, shown in the coverage table.
    """

    pattern: str
    replacement: str | None
    reason: str = ""


@dataclass(frozen=True)
class Coverage:
    """What became of every tensor of a file, and of every tensor that was wanted.

    Parameters
    ----------
    used : tuple of str
        Our names of the tensors that fit.
    renamed : dict of str to str
        The file's name → ours, where they differ.
    dropped : dict of str to str
        The file's name → the reason.
    unexpected, missing : tuple of str
        In the file but not wanted; wanted but not in the file.
    wrong_shape : dict of str to (shape in the file, shape wanted)
    wrong_dtype : dict of str to str
        Not a floating-point number format.
    non_finite : tuple of str
        They hold NaN or infinity.
    flat : tuple of str
        Matrices that hold one value throughout; suspicious, but they fit.
    doubled : dict of str to tuple of str
        Our name → the several names of the file that lead to it.
    """

    used: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    dropped: Mapping[str, str] = field(default_factory=dict)
    unexpected: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    wrong_shape: Mapping[str, tuple[Shape, Shape]] = field(default_factory=dict)
    wrong_dtype: Mapping[str, str] = field(default_factory=dict)
    non_finite: tuple[str, ...] = ()
    flat: tuple[str, ...] = ()
    doubled: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def problems(self) -> tuple[str, ...]:
        """What keeps the file from being loaded, a few words each; empty if it fits."""
        shapes = [f"{key} is {list(came)} instead of {list(want)}" for key, (came, want) in self.wrong_shape.items()]
        dtypes = [f"{key} is {dtype}" for key, dtype in self.wrong_dtype.items()]
        doubled = [f"{key} from {' and '.join(olds)}" for key, olds in self.doubled.items()]
        found = (
            ("missing", self.missing),
            ("of another shape", shapes),
            ("unexpected", self.unexpected),
            ("not floating-point", dtypes),
            ("with NaN or infinity", self.non_finite),
            ("there twice", doubled),
        )
        return tuple(f"{len(keys)} {what} ({_first(keys)})" for what, keys in found if keys)

    def raise_for(self, path: Path | str) -> None:
        """Refuse a file that does not fit.

        Raises
        ------
        CheckpointError
            ``does_not_fit``: one line with counts and the first few names of each kind.
        """
        if self.problems:
            raise CheckpointError(
                "does_not_fit",
                f"{path}: does not fit this network, nothing was loaded. Tensors: {', '.join(self.problems)};"
                f" {len(self.used)} would fit",
                hint="give the checkpoint of this model and variant, or its own --model",
            )

    def __str__(self) -> str:
        """Return one line: ``216 used (8 of them renamed), 8 dropped``."""
        renamed = f" ({len(self.renamed)} of them renamed)" if self.renamed else ""
        dropped = f", {len(self.dropped)} dropped" if self.dropped else ""
        return ", ".join((f"{len(self.used)} used{renamed}{dropped}", *self.problems))


def rename(
    tensors: Mapping[str, torch.Tensor],
    renames: Sequence[Rename],
    wanted: Mapping[str, Shape] | None = None,
    optional: Collection[str] = (),
) -> tuple[Mapping[str, torch.Tensor], Coverage]:
    """Give the tensors of a file our names, and account for each.

    Parameters
    ----------
    tensors : dict of str to Tensor
        As the file names them.
    renames : sequence of Rename
    wanted : dict of str to shape, or None
        Every tensor that must come out, under our names; None to take whatever there is.
    optional : collection of str
        Names of `wanted` that a file may leave out.

    Returns
    -------
    tensors : mapping of str to Tensor
        Under our names, in the order of `wanted`; empty if anything is wrong, so that nothing is ever half loaded.
    coverage : Coverage
        Call its `raise_for`.
    """
    names, dropped = new_names(tensors, renames)
    olds: dict[str, list[str]] = {}
    for old, new in names.items():
        olds.setdefault(new, []).append(old)
    shapes = {new: tuple(tensors[old[0]].shape) for new, old in olds.items()} if wanted is None else wanted
    present = RenamedTensors(tensors, {new: olds[new][0] for new in shapes if new in olds})

    wrong_shape = {
        k: (tuple(t.shape), tuple(shapes[k])) for k, t in present.items() if tuple(t.shape) != tuple(shapes[k])
    }
    dtypes = {key: str(tensor.dtype).removeprefix("torch.") for key, tensor in present.items()}
    wrong_dtype = {key: dtype for key, dtype in dtypes.items() if dtype not in FLOATS}
    doubled = {new: tuple(old) for new, old in olds.items() if len(old) > 1}
    bad = wrong_shape.keys() | wrong_dtype.keys() | doubled.keys()
    extremes = {key: _extremes(tensor) for key, tensor in present.items() if key not in bad}
    non_finite = tuple(key for key, values in extremes.items() if not all(map(isfinite, values)))
    flat = (key for key, (low, high) in extremes.items() if low == high)
    used = tuple(key for key in present if key not in bad and key not in non_finite)
    coverage = Coverage(
        used=used,
        renamed={old: new for old, new in names.items() if old != new and new in used},
        dropped=dropped,
        unexpected=tuple(old for old, new in names.items() if new not in shapes),
        missing=tuple(key for key in shapes if key not in olds and key not in optional),
        wrong_shape=wrong_shape,
        wrong_dtype=wrong_dtype,
        non_finite=non_finite,
        flat=tuple(key for key in flat if present[key].ndim > 1 and present[key].numel() > 1),
        doubled=doubled,
    )
    return ({} if coverage.problems else present), coverage


def new_names(keys: Iterable[str], renames: Sequence[Rename]) -> tuple[dict[str, str], dict[str, str]]:
    """Apply the rules to names alone: {the file's name: ours}, {the file's name: why it is dropped}."""
    names: dict[str, str] = {}
    dropped: dict[str, str] = {}
    for key, (new, reasons) in _followed(keys, renames).items():
        if new is None:
            dropped[key] = reasons[-1] or "not needed"
        else:
            names[key] = new
    return names, dropped


def why_renamed(keys: Iterable[str], renames: Sequence[Rename]) -> dict[str, str]:
    """Return the reasons of the rules that give a key another name: {the file's name: reasons}."""
    followed = _followed(keys, renames)
    return {key: ", ".join(filter(None, reasons)) for key, (new, reasons) in followed.items() if new not in (None, key)}


def _followed(keys: Iterable[str], renames: Sequence[Rename]) -> dict[str, tuple[str | None, list[str]]]:
    """Follow each key through the rules: where it ends (None: dropped), and the reasons of the rules that applied."""
    rules = [(re.compile(rule.pattern), rule) for rule in renames]
    out: dict[str, tuple[str | None, list[str]]] = {}
    for key in keys:
        new: str | None = key
        reasons: list[str] = []
        for pattern, rule in rules:
            match = pattern.fullmatch(new) if new is not None else None
            if match:
                reasons.append(rule.reason)
                new = None if rule.replacement is None else match.expand(rule.replacement)
        out[key] = (new, reasons)
    return out


def take_over(tensors: Mapping[str, torch.Tensor], old: str, out: dict[str, torch.Tensor], new: str) -> None:
    """Take a module's tensors over, `old.…` as `new.…` of `out`."""
    for key in tensors:
        if key.startswith(f"{old}."):
            out[f"{new}{key[len(old) :]}"] = tensors[key]


def _extremes(tensor: torch.Tensor) -> tuple[float, float]:
    """Return the lowest and highest value: they carry NaN, and need no second array as large as the tensor."""
    low, high = tensor.aminmax() if tensor.numel() else (tensor.new_zeros(()), tensor.new_ones(()))
    return low.item(), high.item()


def _first(keys: Iterable[str]) -> str:
    """Return the first few, and how many more there are."""
    keys = list(keys)
    more = f" and {len(keys) - N_SHOWN} more" if len(keys) > N_SHOWN else ""
    return ", ".join(islice(keys, N_SHOWN)) + more
