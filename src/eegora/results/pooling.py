"""How named axes become one vector, as data. Imports numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eegora.errors import UsageError
from eegora.signal import Array


@dataclass(frozen=True)
class Pooling:
    """A rule from an embedding's axes to fewer of them.

    Parameters
    ----------
    mean : tuple of str
        Axes to average over.
    flatten : tuple of str
        Axes to join into ``feature``, in this order, before it; neighbours of it and of each other.
    take : dict of str to int, as a tuple of pairs
        Axes of which one entry is kept.
    drop : dict of str to int, as a tuple of pairs
        Axes of which so many first entries are left out, before anything else.
    reads : dict of str to Any, as a tuple of pairs
        Settings of a call with which the model computes no more than this pooling reads; the result is the same.
    """

    mean: tuple[str, ...] = ()
    flatten: tuple[str, ...] = ()
    take: tuple[tuple[str, int], ...] = ()
    drop: tuple[tuple[str, int], ...] = ()
    reads: tuple[tuple[str, Any], ...] = ()

    def __call__(self, data: Array, axes: Sequence[str]) -> tuple[Array, tuple[str, ...]]:
        """Pool an array.

        Parameters
        ----------
        data : ndarray
            One axis per name in `axes`.
        axes : sequence of str
            The last is ``feature``.

        Returns
        -------
        data : ndarray
        axes : tuple of str

        Raises
        ------
        UsageError
            ``nothing_to_pool`` if an axis has no entry left.
        """
        names = list(axes)
        for axis, n_first in self.drop:
            data = data[(slice(None),) * names.index(axis) + (slice(n_first, None),)]
            if not data.shape[names.index(axis)]:
                raise UsageError(
                    "nothing_to_pool",
                    f"this pooling leaves out {n_first} {axis} of each window, and there are no others",
                    hint="another --pooling, or leave out the setting that kept the others from being computed",
                )
        for axis, entry in self.take:
            data = np.take(data, entry, axis=names.index(axis))
            names.remove(axis)
        over = tuple(names.index(axis) for axis in self.mean)
        data = data.mean(axis=over, dtype=np.float64).astype(data.dtype) if over else data
        names = [axis for axis in names if axis not in self.mean]
        kept = [axis for axis in names if axis not in self.flatten and axis != "feature"]
        if self.flatten:
            data = data.transpose([names.index(a) for a in (*kept, *self.flatten, "feature")])
            data = data.reshape(*data.shape[: len(kept)], -1)
        return data, (*kept, "feature")
