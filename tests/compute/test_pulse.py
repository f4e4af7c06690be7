"""Steps are told to who listens, as long as it listens."""

import pytest

from eegora.compute.pulse import beat, listening


def test_the_innermost_listener_is_told_and_only_while_it_listens():
    outer, inner = [], []
    beat(1, 9)
    with listening(lambda *told: outer.append(told)):
        with listening(lambda *told: inner.append(told)):
            beat(2, 9)
        beat(3, 9)
    beat(4, 9)
    assert (outer, inner) == ([(3, 9)], [(2, 9)])


def test_a_failure_ends_the_listening():
    told = []
    with pytest.raises(ValueError, match="stop"), listening(lambda *words: told.append(words)):
        raise ValueError("stop")
    beat(1, 1)
    assert told == []
