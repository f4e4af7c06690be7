"""A tiny EEG-DINO with a head, and windows to feed it."""

from pathlib import Path

import numpy as np
import pytest

from eegora import assembly
from eegora.checkpoints.synthetic import read_manifest
from eegora.models.eeg_dino.inference import CODE
from eegora.models.eeg_dino.spec import TUEG
from eegora.windows import Windows

VECTORS = Path(__file__).parent / "vectors"


def manifest(name):
    return read_manifest(VECTORS / f"{name}.json")


def windows_of(ch_names, seconds=2.0, n_windows=2, seed=0, sfreq=200.0):
    """Windows of noise in microvolts / 100; a channel's data depend on its name alone."""
    n_times = round(seconds * sfreq)
    rows = [np.random.RandomState([seed, *name.encode()]).standard_normal((n_windows, n_times)) for name in ch_names]
    return Windows(
        data=(0.3 * np.stack(rows, 1)).astype(np.float32),
        ch_names=tuple(ch_names),
        ch_pos=np.full((len(ch_names), 3), np.nan),
        sfreq=sfreq,
        onsets=np.arange(n_windows) * seconds,
        index=np.arange(n_windows),
        n_valid=np.full(n_windows, n_times),
    )


@pytest.fixture(scope="session")
def tiny():
    """The tiny configuration in float64, loaded as any checkpoint is."""
    return assembly.untrained_network(CODE, dict(manifest("eegdino-tiny").config), seed=0, dtype="float64")


@pytest.fixture
def all_windows():
    return windows_of(TUEG)
