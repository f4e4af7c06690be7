"""How far a long computation inside one batch is, told to whoever listens around it. Knows neither the computation nor the listener."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[int, int], None]

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Let a listener be told.

    Parameters
    ----------
    listener : callable
        Takes the steps done and the steps in all. Where a run is a graph that was recorded before, it hears nothing.
    """
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def beat(done: int, total: int) -> None:
    """Tell the listener, if there is one, that a step is done."""
    listener = _listener.get()
    if listener is not None:
        listener(done, total)
