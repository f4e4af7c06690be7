from pathlib import Path

import numpy as np
import pytest

from eegora import registry
from eegora.recordings.positions import head_position
from eegora.signal import Signal

CASES = Path(__file__).parents[1] / "data" / "recordings" / "cases"


@pytest.fixture
def case():
    return lambda name: CASES / name


@pytest.fixture
def spec():
    return registry.find("luna")[1]


@pytest.fixture
def noise():
    """A signal of pink-ish noise: 20 µV, names as given."""

    def make(names=("Fp1", "Fp2", "C3", "C4", "O1", "O2"), seconds=12.0, sfreq=256.0, **more):
        rng = np.random.default_rng(0)
        n = round(seconds * sfreq)
        data = 20e-6 * rng.standard_normal((len(names), n))
        places = [head_position(name) for name in names]
        return Signal(
            data, tuple(names), np.array([np.full(3, np.nan) if p is None else p for p in places]), sfreq, **more
        )

    return make
