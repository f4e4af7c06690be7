"""What a signal offers on floor 0."""

import numpy as np

from eegora.signal import runs


def test_runs():
    assert runs(np.array([True, True, False, True])) == [(0, 2), (3, 4)]
    assert runs(np.array([False, True, True]), 10) == [(11, 13)]
    assert runs(np.zeros(3, bool)) == []
