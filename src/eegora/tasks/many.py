"""Several recordings through one model: windows of equal shape share batches, every recording gets a result of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eegora.errors import EegoraError
from eegora.preparation import Pace, Preparation
from eegora.results.embeddings import Embeddings
from eegora.results.way_back import without_samples
from eegora.windows import Windows

if TYPE_CHECKING:
    from eegora.model import Model
    from eegora.recordings.source import Source

Refused = Callable[[int, EegoraError], None]  # number of a source, why it cannot be used


def embed_sources(
    model: Model, sources: Sequence[Source], how: Preparation | None, pace: Pace, on_error: Refused | None = None
) -> list[Embeddings]:
    """Embed several recordings, of whatever lengths and channels.

    Parameters
    ----------
    model : Model
    sources, how
        As in `Model.embed_many`.
    pace : Pace
        A batch may hold windows of several recordings; progress counts the windows of all.
    on_error : callable, optional
        As in `Model.embed_many`.

    Raises
    ------
    EegoraError
        Of a source that cannot be used, with its number, unless `on_error` takes it.
    """
    items: dict[int, Windows] = {}
    results: dict[int, Embeddings] = {}

    def refuse(i: int, error: EegoraError) -> None:
        told = f"sources[{i}]{_named(sources[i], error.message)}: {error.message}"
        named = type(error)(error.code, told, hint=error.hint)
        if on_error is None:
            raise named from None
        on_error(i, named)

    for i, source in enumerate(sources):
        try:
            items[i] = model.prepare(source, how)
        except EegoraError as error:
            refuse(i, error)
    total, done = sum(map(len, items.values())), 0

    def told(n: int, _: int) -> None:
        if pace.progress is not None:
            pace.progress(done + n, total)

    def run(group: list[int]) -> None:
        nonlocal done
        try:
            results.update(_together(model, {i: items[i] for i in group}, how, Pace(pace.batch_size, told)))
        except EegoraError as error:
            if len(group) == 1:
                return refuse(group[0], error)
            for i in group:  # one by one, to tell whose it is
                run([i])
            return
        done += sum(len(items[i]) for i in group)

    for group in _alike(items):
        run(group)
    return [results[i] for i in sorted(results)]


def _named(source: Source, message: str) -> str:
    """Return a path's name in brackets, where the message does not say it."""
    name = Path(source).name if isinstance(source, str | Path) else ""
    return f" ({name})" if name and name not in message else ""


def _alike(items: dict[int, Windows]) -> list[list[int]]:
    """Group windows that may share a batch: the same rows at the same places, equally long, nothing masked."""
    groups: dict[Any, list[int]] = {}
    for i, windows in items.items():
        key: Any = (windows.data.shape[1:], windows.ch_names, windows.ch_pos.tobytes(), windows.sfreq)
        groups.setdefault(key if windows.missing is None else i, []).append(i)
    return list(groups.values())


def _together(model: Model, items: dict[int, Windows], how: Preparation | None, pace: Pace) -> dict[int, Embeddings]:
    """Embed windows that may share batches, and part the result again."""
    from eegora.windows import join

    whole = next(iter(items.values())) if len(items) == 1 else join(list(items.values()))
    result = model.embed(whole, how, batch_size=pace.batch_size, progress=pace.progress)
    parted, start = {}, 0
    for i, windows in items.items():
        stop = start + len(windows)
        parted[i] = replace(
            result,
            data=result.data[start:stop],
            onsets=windows.onsets,
            flags=windows.flags,
            provenance=model.provenance("embed", windows, how),
            windows=without_samples(windows) if result.windows is not None else None,
        )
        start = stop
    return parted
