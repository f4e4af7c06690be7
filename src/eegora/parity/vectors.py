"""Read a reference vector file (layout ``eegora-vectors-1``): cases, inputs, expected stages. Judging them is `compare`'s work, running them `run`'s."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eegora.errors import EegoraError, UsageError

LAYOUT = "eegora-vectors-1"
Tensor = NDArray[Any]
Input = Tensor | tuple[Tensor, ...]
Index = tuple[Any, ...]

_CASE_FIELDS = {"manifest", "task", "options", "inputs", "expected", "note", "facts"}
_EXPECTED_FIELDS = {"tensor", "take", "exact", "max_abs", "max_of_std", "value"}


@dataclass(frozen=True)
class Expected:
    """What one stage should be.

    Parameters
    ----------
    tensor : str or None
        Name in the vector file; None if `value` is meant.
    data : ndarray or None
        The tensor itself.
    take : str or None
        NumPy index for the computed stage, such as ``[:, ::6]``.
    exact : bool
        Equal number for number, in both runs.
    max_abs, max_of_std : float or None
        Replaces the usual limit: absolute, or in standard deviations of the tensor.
    value : object
        Plain JSON instead of a tensor.
    """

    tensor: str | None = None
    data: Tensor | None = None
    take: str | None = None
    exact: bool = False
    max_abs: float | None = None
    max_of_std: float | None = None
    value: Any = None

    @property
    def index(self) -> Index:
        """`take` as an index; everything if there is none."""
        return parse_take(self.take) if self.take else (...,)


@dataclass(frozen=True)
class Case:
    """One call with everything it needs.

    Parameters
    ----------
    name : str
    manifest : str or None
        Checkpoint to fill; None: the case needs no network.
    task : str
    options : dict
        What the caller must set; wins over the manifest's configuration.
    inputs : dict of str to ndarray, or to a tuple of them
        By argument, as stored.
    expected : dict of str to Expected
        By stage.
    """

    name: str
    manifest: str | None
    task: str
    options: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Input] = field(default_factory=dict)
    expected: Mapping[str, Expected] = field(default_factory=dict)


@dataclass(frozen=True)
class VectorFile:
    """A file of cases.

    Parameters
    ----------
    path : Path
    cases : dict of str to Case
    error : dict of str to (float, float)
        Tensor → max abs and RMSE that the original itself makes in float32.
    sha256 : str
        Of the file.
    """

    path: Path
    cases: Mapping[str, Case]
    error: Mapping[str, tuple[float, float]]
    sha256: str = ""


def read_vectors(path: str | Path) -> VectorFile:
    """Read a vector file.

    Parameters
    ----------
    path : path
        A ``.safetensors`` file with the metadata keys ``layout`` and ``cases``.

    Raises
    ------
    UsageError
        ``not_found``; ``unknown_format`` if it is no vector file of this layout.
    EegoraError
        ``bad_vectors`` for a field or index that the layout does not have; ``missing_tensor`` (exit 1) for a tensor
        that is named and not there.
    """
    path = Path(path)
    tensors, metadata = _open(path)
    if metadata.get("layout") != LAYOUT:
        raise UsageError(
            "unknown_format",
            f"{path.name}: layout {metadata.get('layout')!r}, wanted {LAYOUT!r}",
            hint="give a file of reference vectors",
        )
    reader = _Reader(path, tensors)
    entries = reader.json(metadata, "cases")
    errors = reader.json(metadata, "reference_float32_error") if "reference_float32_error" in metadata else {}
    return VectorFile(
        path=path,
        cases={name: reader.case(name, entry) for name, entry in entries.items()},
        error={name: reader.error(name, entry) for name, entry in errors.items()},
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def parse_take(text: str) -> Index:
    """Turn a NumPy index in writing into one, without running it.

    Parameters
    ----------
    text : str
        Integers, slices, lists of integers, ``...`` and ``None`` in brackets.

    Returns
    -------
    tuple
        For ``array[...]``.

    Raises
    ------
    EegoraError
        ``bad_vectors`` for anything else.
    """
    try:
        if len(text) > 200 or not text.startswith("["):
            raise ValueError
        node = ast.parse("x" + text, mode="eval").body
        # `[a][b]` and `[a](b)` parse too, but not as one index of x.
        if not (isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name)):
            raise ValueError
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        return tuple(_part(part) for part in parts)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        raise EegoraError(
            "bad_vectors", f"take {text[:60]!r} is no plain NumPy index", hint="write it like '[:, ::6]' or '[[0, 1]]'"
        ) from None


def _part(node: ast.expr) -> Any:
    """One axis of an index."""
    if isinstance(node, ast.Slice):
        return slice(*(None if bound is None else _integer(bound) for bound in (node.lower, node.upper, node.step)))
    if isinstance(node, ast.List):
        return [_integer(item) for item in node.elts]
    if isinstance(node, ast.Constant) and (node.value is None or node.value is ...):
        return node.value
    return _integer(node)


def _integer(node: ast.expr) -> int:
    sign = 1
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node, sign = node.operand, -1
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return sign * node.value
    raise ValueError


def _open(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        what = "is a folder, not a file" if path.is_dir() else "does not exist"
        raise UsageError("not_found", f"{path} {what}", hint="give a .safetensors file of reference vectors")
    try:
        with safe_open(path, framework="np") as file:
            # not a dict: only its .keys() can be gone through
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            "unknown_format", f"{path.name} is no readable .safetensors file: {error}", hint="give another file"
        ) from error


@dataclass(frozen=True)
class _Reader:
    """The tensors of one file, and how its JSON refers to them."""

    path: Path
    tensors: Mapping[str, Tensor]

    def bad(self, what: str) -> EegoraError:
        return EegoraError("bad_vectors", f"{self.path.name}: {what}", hint=f"the layout is {LAYOUT}")

    def json(self, metadata: Mapping[str, str], key: str) -> dict[str, Any]:
        try:
            found = json.loads(metadata[key])
        except (KeyError, ValueError, RecursionError):
            raise self.bad(f"metadata {key!r} is missing or no JSON") from None
        return self.object(found, f"metadata {key!r}")

    def object(self, found: Any, where: str) -> dict[str, Any]:
        if not isinstance(found, dict):
            raise self.bad(f"{where} is no JSON object")
        return found

    def tensor(self, name: Any, where: str) -> Tensor:
        if not isinstance(name, str) or name not in self.tensors:
            error = EegoraError(
                "missing_tensor",
                f"{self.path.name}: {where} names the tensor {name!r}, which is not in the file",
                hint="give the whole file",
            )
            error.exit_code = 1
            raise error
        return self.tensors[name]

    def number(self, found: Any, where: str) -> float:
        if isinstance(found, bool) or not isinstance(found, int | float) or not found >= 0:
            raise self.bad(f"{where} is {found!r}, wanted a number of 0 or more")
        return float(found)

    def case(self, name: str, entry: Any) -> Case:
        entry = self.object(entry, f"case {name}")
        if unknown := sorted(set(entry) - _CASE_FIELDS):
            raise self.bad(f"case {name} has unknown fields {unknown}")
        manifest, task = entry.get("manifest"), entry.get("task")
        if not isinstance(task, str) or not (manifest is None or isinstance(manifest, str)):
            raise self.bad(f"case {name} has task {task!r} and manifest {manifest!r}, wanted names")
        inputs = self.object(entry.get("inputs", {}), f"inputs of case {name}")
        stages = self.object(entry.get("expected"), f"expected of case {name}")
        return Case(
            name=name,
            manifest=manifest,
            task=task,
            options=self.object(entry.get("options", {}), f"options of case {name}"),
            inputs={key: self.input(value, f"input {key} of case {name}") for key, value in inputs.items()},
            expected={stage: self.expected(value, f"{stage} of case {name}") for stage, value in stages.items()},
        )

    def input(self, entry: Any, where: str) -> Input:
        if isinstance(entry, list):
            return tuple(self.tensor(name, where) for name in entry)
        if isinstance(entry, dict):
            return self.standard_normal(entry, where)
        return self.tensor(entry, where)

    def standard_normal(self, entry: dict[str, Any], where: str) -> Tensor:
        """Make an input that is not stored (RandomState's stream is frozen, so it is the same everywhere)."""
        shape, seed = entry.get("standard_normal"), entry.get("seed")
        if set(entry) != {"standard_normal", "seed"} or not isinstance(shape, list):
            raise self.bad(f"{where} has the fields {sorted(entry)}, wanted standard_normal (a shape) and seed")
        try:
            return np.random.RandomState(seed).standard_normal(shape).astype(np.float32)
        except (TypeError, ValueError, MemoryError):
            raise self.bad(f"{where}: no such random tensor: shape {shape}, seed {seed!r}") from None

    def expected(self, entry: Any, where: str) -> Expected:
        if not isinstance(entry, dict):
            return Expected(tensor=entry, data=self.tensor(entry, where))
        if unknown := sorted(set(entry) - _EXPECTED_FIELDS):
            raise self.bad(f"{where} has unknown fields {unknown}")
        if ("tensor" in entry) == ("value" in entry):
            raise self.bad(f"{where} wants one of tensor and value")
        take, exact = entry.get("take"), entry.get("exact", False)
        if not (take is None or isinstance(take, str)) or not isinstance(exact, bool):
            raise self.bad(f"{where}: take {take!r} is no index, or exact {exact!r} is not true or false")
        if take is not None:
            parse_take(take)
        value, data = entry.get("value"), self.tensor(entry["tensor"], where) if "tensor" in entry else None
        own = {key: self.number(entry[key], f"{key} of {where}") for key in ("max_abs", "max_of_std") if key in entry}
        return Expected(
            entry.get("tensor"),
            data,
            take,
            exact,
            max_abs=own.get("max_abs"),
            max_of_std=own.get("max_of_std"),
            value=value,
        )

    def error(self, name: str, entry: Any) -> tuple[float, float]:
        entry = self.object(entry, f"float32 error of {name}")
        return (
            self.number(entry.get("max_abs"), f"max_abs of {name}"),
            self.number(entry.get("rmse"), f"rmse of {name}"),
        )
