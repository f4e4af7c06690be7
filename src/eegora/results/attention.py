"""Which channels each query looked at. Knows no model; how a head is drawn is `report`'s affair."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eegora.provenance import Provenance
from eegora.results import storage
from eegora.signal import Array

KIND = "attention"
ENDINGS = (".safetensors", ".npz", ".parquet")
AXES = ("window", "patch", "query", "channel")


@dataclass(frozen=True, eq=False, repr=False)
class Attention:
    """How a model's queries share their attention among the channels.

    Parameters
    ----------
    data : ndarray, shape (n_windows, n_patches, n_queries, n_channels)
        Weights; they sum to 1 over the channels.
    ch_names : tuple of str
    onsets : ndarray of float64, shape (n_windows,)
        Seconds from the first sample of the recording.
    seconds : float
        Length of a window.
    provenance : Provenance

    Examples
    --------
    >>> model.attention(raw).top_channels(3)  # doctest: +SKIP
    """

    data: Array
    ch_names: tuple[str, ...]
    onsets: Array
    seconds: float
    provenance: Provenance

    axes = AXES

    def __repr__(self) -> str:
        """Return one line: axes and model."""
        shape = " × ".join(f"{axis} {n}" for axis, n in zip(AXES, self.data.shape, strict=True))
        p = self.provenance
        return f"<Attention {shape}, {p.model} {p.variant}{', untrained' * p.untrained}>"

    def mean(self) -> Array:
        """Return the weights averaged over windows and patches, float64, shape (n_queries, n_channels)."""
        return np.asarray(self.data.mean(axis=(0, 1), dtype=np.float64))

    def top_channels(self, k: int = 3) -> tuple[tuple[tuple[str, float], ...], ...]:
        """Return, for each query, the `k` channels with the highest mean weight, highest first, with that weight."""
        mean = self.mean()
        order = np.argsort(-mean, axis=-1, kind="stable")[:, :k]
        return tuple(
            tuple((self.ch_names[c], float(weights[c])) for c in best)
            for weights, best in zip(mean, order, strict=True)
        )

    def to_table(self) -> Any:
        """Return a pyarrow table with one row per window, patch, query and channel, in this order.

        Returns
        -------
        pyarrow.Table
            Columns recording, model, variant, onset, patch, query, channel, weight, untrained;
            the provenance as JSON under ``eegora`` in the schema's metadata.
        """
        import pyarrow as pa

        window, patch, query, channel = (i.reshape(-1) for i in np.indices(self.data.shape, dtype=np.int32))
        p = self.provenance
        constant = np.zeros(window.size, np.int32)

        def words(index: Any, names: tuple[str, ...]) -> Any:
            return pa.DictionaryArray.from_arrays(index, pa.array(names, pa.string()))

        columns = {
            "recording": words(constant, (p.recording,)),
            "model": words(constant, (p.model,)),
            "variant": words(constant, (p.variant,)),
            "onset": self.onsets[window],
            "patch": patch,
            "query": query,
            "channel": words(channel, self.ch_names),
            "weight": np.ascontiguousarray(self.data).reshape(-1),
            "untrained": constant.astype(bool) | p.untrained,
        }
        return storage.with_record(pa.table(columns), self._record())

    def save(self, path: str | Path) -> Path:
        """Write a file, whole or not at all.

        Parameters
        ----------
        path : str or Path
            ``.parquet``: `to_table`. ``.safetensors``, ``.npz``: ``data`` and ``onsets``.

        Raises
        ------
        UsageError
            ``unknown_suffix``; ``cannot_write``.
        """
        path = Path(path)
        if storage.ending(path, ENDINGS, KIND) == ".parquet":
            storage.save_table(path, self.to_table())
        else:
            storage.save_arrays(path, {"data": self.data, "onsets": self.onsets}, self._record())
        return path

    def _record(self) -> storage.Record:
        return storage.record(KIND, self.provenance, axes=AXES, ch_names=self.ch_names, seconds=self.seconds)
