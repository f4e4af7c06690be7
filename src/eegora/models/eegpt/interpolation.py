"""From the electrodes of a recording to EEGPT's 62 by spherical splines, as one matrix. The splines are MNE's; positions are the frozen table's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eegora.errors import ChannelError
from eegora.models.eegpt.spec import VOCABULARY
from eegora.recordings.positions import head_position, mri_position
from eegora.signal import Array

N_LEAST = 4  # a sphere is fitted to them


def interpolation_matrix(names: Sequence[str], *, frame: str = "montage", mode: str = "always") -> Array:
    """Return the matrix that makes the 62 electrodes of the vocabulary from others (spec section 4).

    Parameters
    ----------
    names : sequence of str
        Electrodes there are, spelled as in the vocabulary, in any case.
    frame : str
        ``montage``: sources and targets both in the template's coordinates. ``head``: sources in head coordinates,
        5 cm off, as another library does.
    mode : str
        ``always``, or ``name_match``: electrodes that are there are copied.

    Returns
    -------
    ndarray of float64, shape (62, n_names)

    Raises
    ------
    ChannelError
        ``no_positions``, ``too_few_channels``.
    """
    import mne

    found = [mri_position(name) if frame == "montage" else head_position(name) for name in names]
    unknown = [name for name, position in zip(names, found, strict=True) if position is None]
    if unknown:
        raise ChannelError(
            "no_positions",
            f"cannot interpolate from {', '.join(unknown)}, whose positions are unknown",
            hint=f"--exclude {','.join(unknown)}",
        )
    if len(found) < N_LEAST:
        raise ChannelError(
            "too_few_channels",
            f"{len(found)} electrodes came, interpolation wants at least {N_LEAST}",
            hint="use them as they are",
        )
    labels = [f"EEG{i}" for i in range(len(names))]
    source = mne.channels.make_dig_montage(dict(zip(labels, found, strict=True)), coord_frame="head")
    targets = {name: mri_position(name) for name in VOCABULARY}
    target = mne.channels.make_dig_montage(targets, coord_frame="head")
    info = mne.create_info(labels, 1.0, "eeg", verbose="error")
    unit = mne.EvokedArray(np.eye(len(names)), info, verbose="error")
    unit.set_montage(source, verbose="error")
    with mne.use_log_level("error"):
        made = unit.interpolate_to(target, method="spline")
    matrix = made.get_data()[[made.ch_names.index(name) for name in VOCABULARY]]
    if mode == "name_match":
        rows = [VOCABULARY.index(name.upper()) if name.upper() in VOCABULARY else None for name in names]
        for column, row in enumerate(rows):
            if row is not None:
                matrix[row] = np.eye(len(names))[column]
    return np.asarray(matrix, np.float64)
