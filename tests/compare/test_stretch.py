import numpy as np
import pytest

from eegora.compare.hiding import Hidden
from eegora.compare.stretch import cropped, quietest, spoilt, within
from eegora.signal import Annotation, Signal, runs


@pytest.fixture
def signal():
    """A minute of two channels at 10 Hz whose samples are their own numbers."""
    notes = (
        Annotation(4.0, 3.0, "BAD_move"),
        Annotation(28.0, 4.0, "bad_loose", ("Cz",)),
        Annotation(30.0, 10.0, "event"),
        Annotation(58.0, 9.0, "BAD_end"),
    )
    data = np.arange(600.0) * np.ones((2, 1))
    return Signal(data, ("Cz", "Pz"), np.zeros((2, 3)), 10.0, annotations=notes)


def test_bad_annotations_spoil_their_channels(signal):
    assert runs(spoilt(signal, "Pz")) == [(40, 70), (580, 600)]
    assert runs(spoilt(signal, "Cz")) == [(40, 70), (280, 320), (580, 600)]


def test_a_stretch_keeps_its_annotations_at_their_own_times(signal):
    part = cropped(signal, 5.0, 26.0)
    assert part.data[0, [0, -1]].tolist() == [50.0, 309.0]
    assert [(a.onset, a.duration, a.text) for a in part.annotations] == [
        (0.0, 2.0, "BAD_move"),
        (23.0, 3.0, "bad_loose"),
        (25.0, 1.0, "event"),
    ]
    assert np.array_equal(spoilt(part, "Cz"), spoilt(signal, "Cz")[50:310])


def test_the_part_with_the_fewest_bad_samples_is_taken(signal):
    start = quietest(signal, 20.0)
    bad = [spoilt(signal, name)[round(start * 10) : round(start * 10) + 200].any() for name in signal.ch_names]
    assert not any(bad)
    assert 7.0 <= start <= 8.0 or 32.0 <= start <= 38.0
    assert quietest(signal, 60.0) == quietest(signal, 90.0) == 0.0


def test_of_equal_parts_the_one_in_the_middle_is_taken(signal):
    clean = Signal(signal.data, signal.ch_names, signal.ch_pos, 10.0)
    assert quietest(clean, 20.0) == 20.0


def test_a_hidden_things_samples(signal):
    assert within(Hidden("span", "", ("Cz",), 1.25, 2.0), signal) == (12, 20)
    assert within(Hidden("span", "", ("Cz",), 59.0, 61.0), signal) == (590, 600)
