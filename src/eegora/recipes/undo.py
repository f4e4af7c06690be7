"""How a step's change composes with the way back to volts, on a Signal or on Windows. Knows no step by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from eegora.errors import UsageError
from eegora.plan import ChannelUse
from eegora.signal import Array, Signal
from eegora.windows import Windows

State = TypeVar("State", Signal, Windows)
_ours: ContextVar[Array | None] = ContextVar("ours", default=None)


@contextmanager
def giving_up(data: Array | None) -> Iterator[None]:
    """Let the step that runs inside overwrite this array: nobody will look at it again."""
    before = _ours.set(data)
    try:
        yield
    finally:
        _ours.reset(before)


def with_fields(state: State, **fields: Any) -> State:
    """Return `state` with other fields, as `dataclasses.replace` does; that takes as long as a step on a short recording."""
    assert fields.keys() <= state.__dict__.keys(), sorted(fields)
    new = object.__new__(type(state))
    new.__dict__.update(state.__dict__, **fields)
    return new


def spare(data: Array) -> Array | None:
    """Return an array in which a result of its shape may be written: `data` itself if it is given up, else None.

    New memory costs as much as the arithmetic that fills it.
    """
    return data if data is _ours.get() and data.dtype == np.float64 else None


def rescaled(state: State, data: Array, factor: Array | float, offset: Array | float = 0.0) -> State:
    """Return `state` with new data from which the old ones follow: old = data * factor + offset.

    Parameters
    ----------
    state : Signal or Windows
    data : ndarray, same shape as ``state.data``
    factor, offset : float or ndarray broadcastable to `data`
    """
    added = state.scale * offset
    part = "level" if added.shape[-1] == 1 else "shift"
    return with_fields(state, data=data, scale=state.scale * factor, **{part: getattr(state, part) + added})


def lossy(state: State, step: str, **changes: Any) -> State:
    """Return `state` changed by a step that the way back to volts does not undo."""
    return with_fields(state, not_undone=tuple(dict.fromkeys((*state.not_undone, step))), **changes)


def through_time(state: State, convert: Callable[[Array], Array]) -> State:
    """Send data, shift and level through the same linear operation on the last axis.

    Volts are then what the operation makes of volts, whatever unit and reference the data have.
    """
    one_scale(state)
    state = merged(state)
    shift: Array = state.shift
    if shift.any():
        shift = convert(np.ascontiguousarray(np.broadcast_to(shift, (*shift.shape[:-1], state.data.shape[-1]))))
    return with_fields(state, data=convert(state.data), shift=shift)


def one_scale(state: Signal | Windows) -> None:
    """Refuse what has another scale at every sample: no filter is undone in it."""
    if state.scale.shape[-1] != 1:
        raise UsageError(
            "bad_recipe",
            "a filter or an FFT resampling stands behind a step whose scale changes with time (standardise)",
            hint="move it before that step",
        )


def merged(state: State) -> State:
    """Return `state` with its level inside its shift, for steps that treat both alike."""
    if not state.level.any():
        return state
    return with_fields(state, shift=state.shift + state.level, level=np.zeros((1,) * state.data.ndim))


def same_scale(state: Signal | Windows, step: str) -> None:
    """Refuse to mix channels that are in different units."""
    if state.scale.shape[-2] != 1:
        raise UsageError(
            "bad_recipe",
            f"step {step} mixes channels, which a step before it has scaled one by one",
            hint=f"move {step} before the per-channel z-score",
        )


def noted(state: State, *notes: str) -> State:
    """Return `state` with further lines for the user, each once."""
    new = tuple(note for note in dict.fromkeys(notes) if note not in state.notes)
    return with_fields(state, notes=state.notes + new) if new else state


def flagged(windows: Windows, flags: Mapping[int, Iterable[str]]) -> Windows:
    """Return windows with further flags, by row."""
    old = windows.flags or ((),) * len(windows)
    return with_fields(windows, flags=tuple((*have, *flags.get(i, ())) for i, have in enumerate(old)))


def valid(state: Signal | Windows) -> NDArray[np.bool_] | bool:
    """Return which samples are data: True, or shape (n_windows, 1, n_times) if a window is shorter than the others."""
    if isinstance(state, Signal) or (state.n_valid == state.data.shape[-1]).all():
        return True
    return np.asarray(np.arange(state.data.shape[-1]) < state.n_valid[:, None, None])


def use_of(state: Signal | Windows, row: str) -> ChannelUse:
    """Return the plan's entry of a row; a row that the plan does not know was kept as it came."""
    return state.plan.of(row) or ChannelUse("kept", row, (row,))
