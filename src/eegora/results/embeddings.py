"""Embeddings with named axes: pooled, as a table, in files. Knows no model; what pooling means is `pooling`'s affair."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from eegora.errors import UsageError
from eegora.provenance import Provenance
from eegora.results import storage, trials, way_back
from eegora.results.pooling import Pooling
from eegora.signal import Array
from eegora.windows import Windows

KIND = "embeddings"
ENDINGS = (".parquet", ".safetensors", ".npz")
EXTRA = "extra/"  # before the names of extras in files


@dataclass(frozen=True, eq=False, repr=False)
class Embeddings:
    """What a model makes of each window.

    Parameters
    ----------
    data : ndarray of float32
        One axis per name in `axes`.
    axes : tuple of str
        The first is ``window``, the last ``feature``.
    onsets : ndarray of float64, shape (n_windows,)
        Seconds from the first sample of the recording.
    seconds : float
        Length of a window.
    ch_names : tuple of str
        Rows of the model's input.
    provenance : Provenance
    flags : tuple of tuple of str
        What is special about each window; empty if nothing is about any.
    poolings : dict of str to Pooling
        The model's; the first is the default.
    pooling : str or None
        The one that was applied.
    extras : dict of str to ndarray
        Kept beside the embeddings, one entry per window each: the tensors that went into the network.
    labels : dict of str to tuple of str
        Axis → a name for each of its entries, where they have one (which channel and second a token is).
    windows : Windows or None
        What they were computed from, without the samples; only where the model can `decode` them.

    Examples
    --------
    >>> embeddings = Embeddings.load("out.safetensors")  # doctest: +SKIP
    >>> embeddings.axes, embeddings.pool("window").data.shape  # doctest: +SKIP
    """

    data: Array
    axes: tuple[str, ...]
    onsets: Array
    seconds: float
    ch_names: tuple[str, ...]
    provenance: Provenance
    flags: tuple[tuple[str, ...], ...] = ()
    poolings: Mapping[str, Pooling] = field(default_factory=dict)
    pooling: str | None = None
    extras: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    windows: Windows | None = None

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.onsets)

    def __repr__(self) -> str:
        """Return one line: the axes, the model, and whether it was trained."""
        shape = " × ".join(f"{axis} {n}" for axis, n in zip(self.axes, self.data.shape, strict=True))
        p = self.provenance
        pooled = f", pooling {self.pooling}" if self.pooling else ""
        return f"<Embeddings {shape}{pooled}, {p.model} {p.variant}{', untrained' * p.untrained}>"

    @property
    def events(self) -> tuple[str | None, ...]:
        """The event that each window stands at, or whose epoch it is cut from; None where there is none."""
        return trials.events(self.flags, len(self))

    @property
    def epochs(self) -> tuple[int | None, ...]:
        """The number of the epoch that each window is cut from, counted from 0; None of a continuous recording."""
        return trials.epochs(self.flags, len(self))

    def pool(self, name: str | None = None) -> Embeddings:
        """Return embeddings with fewer axes.

        Parameters
        ----------
        name : str, optional
            One of `poolings`; the first if not given.

        Raises
        ------
        UsageError
            ``unknown_pooling``, with the names there are; ``already_pooled``.
        """
        if self.pooling is not None and name in (None, self.pooling):
            return self
        if name is None:
            name = next(iter(self.poolings), "")
        if name not in self.poolings:
            there = ", ".join(self.poolings) or "none"
            raise UsageError("unknown_pooling", f"no pooling {name!r}", hint=f"use one of: {there}")
        if self.pooling is not None:
            raise UsageError(
                "already_pooled",
                f"these embeddings are pooled ({self.pooling})",
                hint=f"pool({name!r}) the unpooled ones",
            )
        data, axes = self.poolings[name](self.data, self.axes)
        labels = {axis: names for axis, names in self.labels.items() if axis in axes and axis != "feature"}
        return replace(self, data=data, axes=axes, pooling=name, labels=labels)

    def to_table(self) -> Any:
        """Return a pyarrow table with one row per window, pooled by default if they are not pooled yet.

        Returns
        -------
        pyarrow.Table
            Columns recording, model, variant, pooling, onset, duration, n_channels, epoch, event, flags, untrained, vector
            (fixed-size list, of float64 where the model ran in it) and one per extra; the recipe, the checkpoint and all other provenance
            as JSON under ``eegora`` in the schema's metadata.
        """
        if self.pooling is None and self.poolings:
            return self.pool().to_table()
        import pyarrow as pa

        n, p = len(self), self.provenance
        columns = {
            "recording": pa.array([p.recording] * n, pa.string()),
            "model": pa.array([p.model] * n, pa.string()),
            "variant": pa.array([p.variant] * n, pa.string()),
            "pooling": pa.array([self.pooling] * n, pa.string()),
            "onset": pa.array(self.onsets, pa.float64()),
            "duration": pa.array([self.seconds] * n, pa.float64()),
            "n_channels": pa.array([len(self.ch_names)] * n, pa.int32()),
            **trials.columns(self.flags, n),
            "untrained": pa.array([p.untrained] * n, pa.bool_()),
            "vector": storage.column_of_vectors(self.data),
        }
        for name, array in self.extras.items():
            columns[EXTRA + name] = storage.column_of_vectors(array)
        return storage.with_record(pa.table(columns), self._record())

    def save(self, path: str | Path) -> Path:
        """Write a file, whole or not at all.

        Parameters
        ----------
        path : str or Path
            ``.parquet``: `to_table`. ``.safetensors``, ``.npz``: every axis, as ``data``, ``onsets`` and ``extra/NAME``,
            and ``way_back/NAME`` where the model can decode them (positions in metres; volts = data * scale + shift + level).
            ``.safetensors`` holds each window's tokens again as ``embeddings_{i}``, shape (n_tokens, n_features).

        Raises
        ------
        UsageError
            ``unknown_suffix``; ``cannot_write``.
        """
        path = Path(path)
        suffix = storage.ending(path, ENDINGS, KIND)
        if suffix == ".parquet":
            storage.save_table(path, self.to_table())
            return path
        arrays = {"data": self.data, "onsets": self.onsets} | {EXTRA + k: v for k, v in self.extras.items()}
        if self.windows is not None and self.pooling is None:
            arrays |= way_back.to_file(self.windows)[0]
        if suffix == ".safetensors" and self.data.ndim > 2:
            arrays |= {f"embeddings_{i}": w.reshape(-1, w.shape[-1]) for i, w in enumerate(self.data)}
        storage.save_arrays(path, arrays, self._record())
        return path

    @staticmethod
    def save_parts(path: str | Path, parts: Iterator[Embeddings], flags: tuple[tuple[str, ...], ...]) -> Path:
        """Write embeddings that come a few windows at a time as one ``.parquet`` file, equal to what `save` writes.

        Parameters
        ----------
        path : str or Path
        parts : iterator of Embeddings
            In order, at least one; they differ in `data`, `onsets` and `flags` only.
        flags : tuple of tuple of str
            Of all windows: the file's record says them at once.

        Raises
        ------
        UsageError
            ``unknown_suffix``; ``cannot_write``.
        """
        path = Path(path)
        storage.ending(path, (".parquet",), "embeddings in parts")

        def tables() -> Iterator[Any]:
            for part in parts:
                pooled = part.pool() if part.pooling is None and part.poolings else part
                yield storage.with_record(pooled.to_table(), replace(pooled, flags=flags)._record())

        storage.save_tables(path, tables())
        return path

    @classmethod
    def load(cls, path: str | Path) -> Embeddings:
        """Read what `save` wrote.

        Raises
        ------
        UsageError
            ``unknown_suffix``; ``not_found``; ``bad_result``.
        """
        path = Path(path)
        arrays: storage.Arrays = {}
        if storage.ending(path, ENDINGS, KIND, "read from") == ".parquet":
            table, found = storage.load_table(path, KIND)
            data = storage.vectors_of_column(table["vector"], found["shape"])
            onsets = table["onset"].to_numpy()
            shapes = found["extras"]
            extras = {name: storage.vectors_of_column(table[EXTRA + name], shapes[name]) for name in shapes}
        else:
            arrays, found = storage.load_arrays(path, KIND)
            data, onsets = arrays["data"], arrays["onsets"]
            extras = {name: arrays[EXTRA + name] for name in found["extras"]}
        poolings = {
            name: Pooling(
                tuple(rule["mean"]),
                tuple(rule["flatten"]),
                tuple((a, i) for a, i in rule["take"]),
                tuple((a, n) for a, n in rule.get("drop", ())),
                tuple((s, v) for s, v in rule.get("reads", ())),
            )
            for name, rule in found["poolings"]
        }
        ch_names, provenance = tuple(found["ch_names"]), storage.provenance_of(found)
        windows = None
        if arrays and found.get("way_back") is not None:
            windows = way_back.from_file(arrays, found["way_back"], ch_names, provenance)
        return cls(
            data,
            tuple(found["axes"]),
            onsets,
            found["seconds"],
            ch_names,
            provenance,
            tuple(tuple(flags) for flags in found["flags"]),
            poolings,
            found["pooling"],
            extras,
            {axis: tuple(names) for axis, names in found.get("labels", {}).items()},
            windows,
        )

    def _record(self) -> storage.Record:
        whole = self.windows is not None and self.pooling is None
        return storage.record(
            KIND,
            self.provenance,
            axes=self.axes,
            shape=self.data.shape[1:],
            seconds=self.seconds,
            ch_names=self.ch_names,
            flags=self.flags,
            poolings=[(name, asdict(rule)) for name, rule in self.poolings.items()],  # a list: their order counts
            pooling=self.pooling,
            labels=dict(self.labels),
            way_back=way_back.to_file(self.windows)[1] if self.windows is not None and whole else None,
            extras={name: array.shape[1:] for name, array in self.extras.items()},
        )
