"""A repaired recording at the network's rate, and its way back into the recording that came (spec zuna-pipeline.md, A6).

Knows arrays of both rates; what is filled, and with what, is `repair.py`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eegora.models.zuna import masks
from eegora.models.zuna.masks import Cells
from eegora.models.zuna.seams import without_seams
from eegora.models.zuna.segments import Float32
from eegora.models.zuna.spec import PATCH, RATE
from eegora.recipes import kernels
from eegora.signal import Annotation, Array, Signal
from eegora.windows import Windows


@dataclass(frozen=True, eq=False, repr=False)
class Repaired:
    """A repaired recording at 256 Hz: imputed where `cells` says so, not measured.

    Parameters
    ----------
    windows : Windows
        What the network got, segment by segment.
    hybrid : ndarray of float32, shape (n_channels, n_times)
        Volts: filled cells, seams corrected, and the filtered recording elsewhere.
    full : ndarray of float32, same shape
        Volts: what the model says of every cell of the segments that were sampled; elsewhere the filtered recording.
    spread : ndarray of float32, same shape, or None
        Volts: deviation of `full` over several draws.
    cells : ndarray of bool, shape (n_channels, n_tokens)
        The filled ones.
    annotations : tuple of Annotation
        One per filled stretch.
    bads : tuple of str
        Channels that are still bad: none that was filled throughout.
    added : tuple of str
        Channels that the recording did not have: the last rows.
    means, deviations : ndarray of float32, shape (n_segments, n_channels)
        Scale of each channel and segment, volts.
    """

    windows: Windows
    hybrid: Float32
    full: Float32
    spread: Float32 | None
    cells: Cells
    annotations: tuple[Annotation, ...]
    bads: tuple[str, ...]
    added: tuple[str, ...]
    means: Float32
    deviations: Float32

    @property
    def ch_names(self) -> tuple[str, ...]:
        """Names of the rows."""
        return self.windows.ch_names

    def at_own_rate(self, signal: Signal) -> Array:
        """Put filled cells into the recording as it was read: its rate, its reference, its filters.

        Parameters
        ----------
        signal : Signal
            What `repair` got.

        Returns
        -------
        ndarray, shape (n_channels of the signal + n_added, n_times)
            Volts, float64. Every other sample is that of the recording, to the bit; added channels are zero in acquisition gaps.
        """
        filled = kernels.resample(self.hybrid.astype(np.float64), RATE, signal.sfreq)
        lacking = max(0, signal.n_times - filled.shape[1])
        filled = np.pad(filled, ((0, 0), (0, lacking)), mode="edge")[:, : signal.n_times]
        out, void = [*signal.data], masks.gap_samples(signal.gaps, signal.n_times, signal.sfreq)
        for name, row, mask in zip(self.ch_names, filled, self._masked(signal), strict=True):
            if name in self.added:
                out.append(np.where(void, 0.0, row))
            elif mask.any():
                i = self._row_of(signal, name)
                out[i] = without_seams(np.where(mask, row, signal.data[i])[None], mask[None], void)[0]
        return np.array(out)

    def spread_at_own_rate(self, signal: Signal) -> Array | None:
        """Return the deviation over draws of each sample of `at_own_rate`, volts: zero where nothing was filled; None of one draw."""
        if self.spread is None:
            return None
        here, there = np.arange(signal.n_times) / signal.sfreq, np.arange(self.spread.shape[1]) / RATE
        out = np.zeros((len(signal.ch_names) + len(self.added), signal.n_times))
        for name, row, mask in zip(self.ch_names, self.spread, self._masked(signal), strict=True):
            added = name in self.added
            i = len(signal.ch_names) + self.added.index(name) if added else self._row_of(signal, name)
            # Straight lines: a filter would ring below zero.
            out[i] = np.where(mask, np.interp(here, there, row), 0.0)
        return out

    @property
    def filled_spread(self) -> Float32 | None:
        """The deviation over draws of `hybrid`: zero where nothing was filled."""
        if self.spread is None:
            return None
        masked = np.repeat(self.cells, PATCH, axis=1)[:, : self.spread.shape[1]]
        return np.where(masked, self.spread, np.float32(0))

    def save_mask(self, path: str | Path) -> Path:
        """Write which cells were filled, as an .npz that this and the original read."""
        return masks.write_mask(path, self.cells, self.ch_names, RATE, self.hybrid.shape[1])

    def _masked(self, signal: Signal) -> Cells:
        """Return which samples of a recording lie in filled cells, (rows of `hybrid`, n_times)."""
        token = np.floor(np.arange(signal.n_times) / signal.sfreq * RATE / PATCH).astype(int)
        inside = token < self.cells.shape[1]
        masked = np.zeros((len(self.cells), signal.n_times), bool)
        masked[:, inside] = self.cells[:, token[inside]]
        # Added channels reach to the last sample, wherever the tokens end.
        masked[[name in self.added for name in self.ch_names]] = True
        return masked & ~masks.gap_samples(signal.gaps, signal.n_times, signal.sfreq)

    def _row_of(self, signal: Signal, name: str) -> int:
        """Find the row that a channel came from, whatever a recipe calls it."""
        if name in signal.ch_names:
            return signal.ch_names.index(name)
        use = self.windows.plan.of(name)
        before = {signal.plan.of(n): i for i, n in enumerate(signal.ch_names)}
        return next(i for u, i in before.items() if u is not None and use is not None and u.sources == use.sources)
