"""A model's reconstruction of each window, in model units and in volts. Knows no model and no file format but its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eegora.errors import UsageError
from eegora.provenance import UNTRAINED, Provenance
from eegora.results import storage
from eegora.results.embeddings import EXTRA
from eegora.signal import Array
from eegora.windows import Windows

KIND = "reconstruction"
ENDINGS = (".fif", ".safetensors", ".npz")


@dataclass(frozen=True, eq=False, repr=False)
class Reconstruction:
    """What a model makes of each window, on the window's own channels.

    Parameters
    ----------
    data : ndarray, shape (n_windows, n_channels, n_times)
        In the model's units.
    windows : Windows
        The prepared input, which knows the way back to volts.
    provenance : Provenance
    extras : dict of str to ndarray
        Tensors that went into the network, where they were kept.

    Examples
    --------
    >>> reconstruction = model.reconstruct(raw)  # doctest: +SKIP
    >>> reconstruction.to_raw(like=raw), reconstruction.honesty  # doctest: +SKIP
    """

    data: Array
    windows: Windows
    provenance: Provenance
    extras: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.windows)

    def __repr__(self) -> str:
        """Return one line: the shape and what it is."""
        n, c, t = self.data.shape
        return f"<Reconstruction window {n} × channel {c} × time {t}, {self.honesty}>"

    @property
    def ch_names(self) -> tuple[str, ...]:
        """Names of the rows."""
        return self.windows.ch_names

    @property
    def sfreq(self) -> float:
        """Samples per second (Hz)."""
        return self.windows.sfreq

    @property
    def onsets(self) -> Array:
        """Seconds from the first sample of the recording, shape (n_windows,)."""
        return self.windows.onsets

    @property
    def volts(self) -> Array:
        """The reconstruction in volts, shape (n_windows, n_channels, n_times); what it lacks is in `honesty`."""
        return self.windows.to_volts(self.data)

    @property
    def rmse(self) -> Array:
        """Root mean square difference of input and output in model units, shape (n_windows, n_channels).

        Samples beyond the end of the recording do not count. NaN where the input is not known: of a decoded embedding.
        """
        return self._rmse(np.ones((1, 1, 1), bool))

    @property
    def rmse_missing(self) -> Array:
        """The same over the cells that the windows mark as missing, which the model did not see; NaN where there are none."""
        missing = self.windows.missing
        return self._rmse(np.zeros((1, 1, 1), bool) if missing is None else missing)

    @property
    def honesty(self) -> str:
        """What these numbers are and are not, in one line."""
        p, plan = self.provenance, self.windows.plan
        derived = [r for r in self.ch_names if "-" in r or ((use := plan.of(r)) and use.action == "derived")]
        parts = [f"{p.model} {p.variant}: imputed/model output, not measured"]
        if derived:
            parts.append(f"{len(derived)} bipolar derivations, not electrodes")
        if self.windows.not_undone:
            parts.append(f"not undone: {', '.join(self.windows.not_undone)}")
        if p.untrained:
            parts.append(UNTRAINED)
        return "; ".join(parts)

    def to_raw(self, like: Any = None) -> Any:
        """Return an mne Raw in volts on the recording's time axis.

        Parameters
        ----------
        like : mne.io.BaseRaw, optional
            The recording, for its date and annotations.
        """
        from eegora.recordings.write import windows_to_raw

        return windows_to_raw(self.windows, self.volts, like=like, description=self.honesty)

    def save(self, path: str | Path, *, like: Any = None) -> Path:
        """Write a file, whole or not at all.

        Parameters
        ----------
        path : str or Path
            ``.fif``: `to_raw`, with `honesty` as its description. ``.safetensors``, ``.npz``: ``data`` in model units,
            ``scale``, ``shift`` and ``level`` (volts = data * scale + shift + level), ``onsets``, ``n_valid``; ``input`` and
            ``rmse`` unless it was decoded;
            with missing cells also ``missing`` and ``rmse_missing``.
        like : mne.io.BaseRaw, optional
            See `to_raw`.

        Raises
        ------
        UsageError
            ``unknown_suffix``; ``cannot_write``; ``no_room_for_inputs``: `extras` and ``.fif``.
        """
        path, w = Path(path), self.windows
        if storage.ending(path, ENDINGS, KIND) == ".fif":
            if self.extras:
                raise UsageError(
                    "no_room_for_inputs", "a .fif cannot hold the network's inputs", hint="use .safetensors or .npz"
                )
            from eegora.recordings.write import save_raw

            with storage.refusals(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                return save_raw(self.to_raw(like), path)
        arrays: storage.Arrays = {"data": self.data, "scale": w.scale, "shift": w.shift, "level": w.level}
        if w.has_samples:
            arrays |= {"input": w.data, "rmse": self.rmse}
        if w.missing is not None:
            arrays |= {"missing": w.missing, "rmse_missing": self.rmse_missing}
        arrays |= {"onsets": w.onsets, "n_valid": w.n_valid} | {EXTRA + k: v for k, v in self.extras.items()}
        found = storage.record(
            KIND,
            self.provenance,
            ch_names=self.ch_names,
            sfreq=self.sfreq,
            seconds=w.seconds,
            flags=w.flags,
            honesty=self.honesty,
        )
        storage.save_arrays(path, arrays, found)
        return path

    def _rmse(self, cells: NDArray[np.bool_]) -> Array:
        valid = np.arange(self.data.shape[-1]) < np.asarray(self.windows.n_valid)[:, None, None]
        counted = np.broadcast_to(valid & cells, self.data.shape)
        squares = np.square(self.data.astype(np.float64) - self.windows.data)
        total, n = squares.sum(-1, where=counted), counted.sum(-1)
        mean = np.divide(total, n, out=np.full(n.shape, np.nan), where=n > 0)
        return np.asarray(np.sqrt(mean))
