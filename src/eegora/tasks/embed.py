"""Embeddings of a recording of any length: results leave for their file as batches finish. What a model computes is its own affair."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eegora.errors import UsageError
from eegora.preparation import Pace, Preparation
from eegora.provenance import Provenance
from eegora.results import storage
from eegora.results.embeddings import ENDINGS, Embeddings

if TYPE_CHECKING:
    from eegora.model import Model
    from eegora.recordings.source import Source

GROUP = 1 << 25  # bytes of results in a row group


@dataclass(frozen=True)
class Written:
    """What `embed_to` wrote.

    Parameters
    ----------
    path : Path
    axes : tuple of str
    shape : tuple of int
        Of what is in the file: a table has one vector per window.
    pooling : str or None
        The one that was applied.
    provenance : Provenance
    """

    path: Path
    axes: tuple[str, ...]
    shape: tuple[int, ...]
    pooling: str | None
    provenance: Provenance


def one_way(how: Preparation | None) -> Preparation:
    """Return a preparation that does not keep the way back to volts: embeddings have none."""
    how = how or Preparation()
    return replace(how, room=replace(how.room, way_back=False))


def embed_to(
    model: Model, source: Source, path: str | Path, how: Preparation | None, pace: Pace, pooling: str | None
) -> Written:
    """Embed a recording into a file.

    Parameters and errors as in `Model.embed_to`.
    """
    path = Path(path)
    suffix = storage.ending(path, ENDINGS, "embeddings")
    table = suffix == ".parquet"
    how = one_way(how) if table else how or Preparation()  # other files may hold the way back too
    windows = model.prepare(source, how)
    if pooling is not None and pooling in model.spec.poolings:
        how = how.narrowed(model.spec.poolings[pooling])
    like = model.embeddings(windows, np.empty((0,) * len(model.spec.axes), np.float32), how)
    last = like

    def parts() -> Iterator[Embeddings]:
        nonlocal last
        start, waiting = 0, list[np.ndarray]()
        for batch in model.batches("embed", windows, how, pace):
            waiting.append(batch)
            done = start + sum(map(len, waiting))
            if sum(part.nbytes for part in waiting) >= GROUP or done == len(windows):
                part = replace(
                    like,
                    data=np.concatenate(waiting),
                    onsets=windows.onsets[start:done],
                    flags=windows.flags[start:done],
                )
                last = part.pool(pooling) if pooling or table else part
                yield last
                start, waiting = done, []

    if table:
        Embeddings.save_parts(path, parts(), windows.flags)
    else:
        _held(parts(), how.room.limit, path, len(windows), windows.flags).save(path)
    return Written(path, last.axes, (len(windows), *last.data.shape[1:]), last.pooling, last.provenance)


def _held(
    parts: Iterator[Embeddings], limit: int, path: Path, n: int, flags: tuple[tuple[str, ...], ...]
) -> Embeddings:
    """Return all parts as one, unless they would take more memory than there is room for."""
    found = []
    for part in parts:
        n_bytes = part.data.nbytes // len(part) * n
        if n_bytes > limit:
            raise UsageError(
                "too_large",
                f"{path.name} is written as a whole, and {n_bytes / 1e9:.3g} GB of embeddings are more than may be held",
                hint=f"-o {path.with_suffix('.parquet').name}, which is written as they come, or --pooling",
            )
        found.append(part)
    data = np.concatenate([part.data for part in found])
    return replace(found[0], data=data, onsets=np.concatenate([part.onsets for part in found]), flags=flags)
