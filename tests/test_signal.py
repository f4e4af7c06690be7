"""What a signal offers on floor 0."""

import numpy as np
import pytest

from eegora.signal import Annotation, runs


def test_runs():
    assert runs(np.array([True, True, False, True])) == [(0, 2), (3, 4)]
    assert runs(np.array([False, True, True]), 10) == [(11, 13)]
    assert runs(np.zeros(3, bool)) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("BAD_blink", (True, False, False)),
        ("bad_acq_skip", (True, True, False)),
        ("EDGE boundary", (False, False, True)),
        ("not bad", (False, False, False)),
    ],
)
def test_what_an_annotation_asks_for_its_text_says_in_any_case(text, expected):
    told = Annotation(0, 1, text)
    assert (told.is_bad, told.is_gap, told.is_edge) == expected
