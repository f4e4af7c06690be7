"""Judge one computed stage against the expected one: errors, limit, verdict. Where the numbers come from is `run`'s business."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from eegora.parity.vectors import Case, Expected, Tensor

Dtype = Literal["float64", "float32"]
Original = tuple[float, float]
Values = NDArray[np.float64]

# Steps that compute in float64 whatever the network runs in (spec preprocessing.md, section 12).
PREPARE = MappingProxyType({"prepare": (1e-9, 1e-6), "fir": (1e-9, 1e-6)})


@dataclass(frozen=True)
class Limits:
    """What separates right from wrong. A model's `reference` module may name others in a dict ``LIMITS``.

    Parameters
    ----------
    float64 : float
        Max abs of a float64 run, in units of max(1, max|expected|).
    float32_max : float
        Max abs of a float32 run, in units of the original's own.
    float32_floor : float
        But never below this, in units of max(1, max|expected|).
    float32_rmse : float
        RMSE of a float32 run, in units of the original's own.
    rmse_from : int
        Tensors with fewer values have no RMSE limit: the original's own is a lucky or unlucky draw.
    unlisted : str
        Tensors without a float32 error of the original: judged in the ``float64`` run only, or ``equal`` in both.
    tasks : dict of str to (float, float)
        Tasks whose numbers do not depend on the run: judged once, in the float64 run, in units of max|expected|;
        the second number is for tensors stored in float32.
    """

    float64: float = 1e-12
    float32_max: float = 4.0
    float32_floor: float = 2e-6
    float32_rmse: float = 2.0
    rmse_from: int = 32
    unlisted: Literal["float64", "equal"] = "float64"
    tasks: Mapping[str, tuple[float, float]] = field(default_factory=lambda: PREPARE)


@dataclass(frozen=True)
class Judgement:
    """Errors of one stage in one run.

    Parameters
    ----------
    n : int
        Values compared.
    max_abs, rmse, relative_rmse, r : float or None
        None where they cannot be told: shapes differ, not numbers, a constant (Pearson r).
    limit, rmse_limit : float or None
        Largest max abs and RMSE that pass; None: not judged. Where the limit differs by value (storage rounding),
        the one of the value with the largest error, or of the worst value that fails.
    ratio : float
        The worst error in units of its limit; infinite if a value that must be equal is not.
    ok : bool
    why : str
        Words for a failure.
    """

    n: int = 0
    max_abs: float | None = None
    rmse: float | None = None
    relative_rmse: float | None = None
    r: float | None = None
    limit: float | None = None
    rmse_limit: float | None = None
    ratio: float = 0.0
    ok: bool = True
    why: str = ""


def is_judged(case: Case, expected: Expected, dtype: Dtype, original: Original | None, limits: Limits) -> bool:
    """Tell whether a run in this number format decides about a stage."""
    if dtype == "float64" or expected.exact or case.options.get("precision") == dtype:
        return True
    if case.task in limits.tasks:
        return False
    own = expected.max_abs is not None or expected.max_of_std is not None
    return own or original is not None or limits.unlisted == "equal" or expected.data is None or _whole(expected.data)


def judge(
    case: Case, expected: Expected, computed: Any, dtype: Dtype, *, original: Original | None, limits: Limits
) -> Judgement:
    """Compare a computed stage with the expected one.

    Parameters
    ----------
    case : Case
    expected : Expected
    computed : array_like or plain JSON value
        The whole stage; `expected.take` is applied here.
    dtype : str
        What the network ran in.
    original : (float, float) or None
        The original's own float32 max abs and RMSE for this tensor.
    limits : Limits

    Returns
    -------
    Judgement
        A difference in shape and a value that is not finite are failures in words, not exceptions.
    """
    if expected.data is None:
        return _judge_value(expected, computed)
    truth = expected.data
    got = np.asarray(computed)
    if got.dtype.kind not in "fiub":
        return _failed(f"not an array of numbers but {type(computed).__name__} of {got.dtype}")
    try:
        got = got[expected.index]
    except IndexError:
        return _failed(f"shape {got.shape} has no {expected.take}")
    if got.shape != truth.shape:
        return _failed(f"shape {got.shape}, wanted {truth.shape}")
    a, b = got.astype(np.float64).ravel(), truth.astype(np.float64).ravel()
    finite = np.isfinite(b)
    if not (np.isfinite(a[finite]).all() and np.array_equal(a[~finite], b[~finite], equal_nan=True)):
        return _failed(
            f"{int((np.isfinite(a) != finite).sum()) or 'other'} of {a.size} values are not finite where they should be, or the reverse"
        )
    a, b, stored = a[finite], b[finite], truth.ravel()[finite]
    allowed = (
        _allowed(case, expected, stored, dtype, original, limits)
        if is_judged(case, expected, dtype, original, limits)
        else None
    )
    return _measured(a, b, allowed)


def _allowed(
    case: Case, expected: Expected, truth: Tensor, dtype: Dtype, original: Original | None, limits: Limits
) -> tuple[Values, float | None]:
    """Return the largest error of each value (or of all), and the largest RMSE if there is such a limit."""
    peak = float(np.abs(truth.astype(np.float64)).max(initial=0.0))
    scale = max(1.0, peak)
    narrow = truth.dtype.itemsize < 8
    if expected.exact:
        return np.array(0.0), None
    if expected.max_abs is not None:
        return np.array(expected.max_abs), None
    if expected.max_of_std is not None:
        return np.array(expected.max_of_std * float(truth.astype(np.float64).std())), None
    if _whole(truth) or (original is None and limits.unlisted == "equal"):
        return np.array(0.0), None
    if case.task in limits.tasks:
        return np.array(limits.tasks[case.task][narrow] * peak), None
    if dtype == "float32" and original is not None:
        if original == (0.0, 0.0):
            return np.array(0.0), None
        rmse = limits.float32_rmse * original[1] if truth.size >= limits.rmse_from else None
        return np.array(max(limits.float32_max * original[0], limits.float32_floor * scale)), rmse
    rounding = np.spacing(np.abs(truth)).astype(np.float64) if narrow else 0.0
    return np.maximum(limits.float64 * scale, rounding), None


def _measured(a: Values, b: Values, allowed: tuple[Values, float | None] | None) -> Judgement:
    error = np.abs(a - b)
    max_abs = float(error.max(initial=0.0))
    rmse = _rms(a - b)
    size = _rms(b)
    found = Judgement(
        n=a.size,
        max_abs=max_abs,
        rmse=rmse,
        relative_rmse=rmse / size if size else (None if rmse else 0.0),
        r=_pearson(a, b),
    )
    if allowed is None:
        return found
    limit, rmse_limit = np.broadcast_to(allowed[0], error.shape), allowed[1]
    ratios = _over(error, limit)
    ratio = float(ratios.max(initial=0.0))
    shown = int((ratios if ratio > 1 else error).argmax()) if error.size else 0
    words = f"max abs {error[shown]:.2e} is over {limit[shown]:.2e}" if ratio > 1 else ""
    if rmse_limit is not None:
        rmse_ratio = float(_over(np.array(rmse), np.array(rmse_limit)))
        if rmse_ratio > max(1.0, ratio):
            words = f"RMSE {rmse:.2e} is over {rmse_limit:.2e}"
        ratio = max(ratio, rmse_ratio)
    largest = float(limit[shown]) if limit.size else 0.0
    return replace(found, limit=largest, rmse_limit=rmse_limit, ratio=ratio, ok=ratio <= 1, why=words)


def _judge_value(expected: Expected, computed: Any) -> Judgement:
    """Compare plain JSON: equal, or numbers within `max_abs`."""
    try:
        got = computed if expected.take is None else np.asarray(computed)[expected.index]
    except IndexError:
        return _failed(f"the computed value has no {expected.take}")
    error = _difference(_plain(got), expected.value)
    limit = expected.max_abs or 0.0
    if math.isinf(error):
        return _failed(f"came {_short(_plain(got))}, wanted {_short(expected.value)}")
    ratio = float(_over(np.array(error), np.array(limit)))
    words = f"differs by {error:.2e}, more than {limit:.2e}" if ratio > 1 else ""
    return Judgement(n=1, max_abs=error, limit=limit, ratio=ratio, ok=ratio <= 1, why=words)


def _difference(a: Any, b: Any) -> float:
    """Largest difference of the numbers in two JSON values; infinite where anything else differs."""
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return max((_difference(x, y) for x, y in zip(a, b, strict=True)), default=0.0)
    if isinstance(a, dict) and isinstance(b, dict) and set(a) == set(b):
        return max((_difference(a[key], b[key]) for key in b), default=0.0)
    if all(isinstance(x, int | float) and math.isfinite(x) for x in (a, b)):
        return abs(float(a) - float(b))
    return 0.0 if type(a) is type(b) and a == b else math.inf


def _plain(value: Any) -> Any:
    """NumPy and tuples as JSON would have them."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return value


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"


def _failed(why: str) -> Judgement:
    return Judgement(ratio=math.inf, ok=False, why=why)


def _whole(data: Tensor) -> bool:
    """Integers and bools."""
    return data.dtype.kind in "iub"


def _rms(values: Values) -> float:
    return float(np.sqrt(np.mean(values * values))) if values.size else 0.0


def _over(error: Values, limit: Values) -> Values:
    """Errors in units of their limits; nothing over nothing is nothing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(error == 0, 0.0, error / limit)


def _pearson(a: Values, b: Values) -> float | None:
    if a.size < 2:
        return None
    a, b = a - a.mean(), b - b.mean()
    norm = math.sqrt(float(a @ a)) * math.sqrt(float(b @ b))
    return max(-1.0, min(1.0, float(a @ b) / norm)) if norm else None
