"""The mains in a spectrum, and what the notch step says where it is at the other frequency."""

import numpy as np
import pytest

from eegora.recipes.filter_steps import notch
from eegora.recipes.line_noise import line_noise
from eegora.recipes.prepare import prepare
from eegora.recipes.recipe import Recipe, Step
from eegora.signal import Signal
from eegora.stream import Room, Stream, stretch


def noise(seconds=12.0, sfreq=256.0):
    return 20e-6 * np.random.default_rng(0).standard_normal((6, round(seconds * sfreq))), sfreq


def humming(*lines, seconds=30.0):
    data, sfreq = noise(seconds)
    t = np.arange(data.shape[1]) / sfreq
    data += sum(20e-6 * np.sin(2 * np.pi * line * t) for line in lines)
    return Signal(data, tuple("Fp1 Fp2 C3 C4 O1 O2".split()), np.full((6, 3), np.nan), sfreq)


@pytest.mark.parametrize("line", [50.0, 60.0])
def test_line_noise_is_found_where_it_is(line):
    data, sfreq = noise()
    t = np.arange(data.shape[1]) / sfreq
    lines = line_noise(data + 10e-6 * np.sin(2 * np.pi * line * t), sfreq)
    assert list(lines) == [line]
    assert lines[line] > 8


@pytest.mark.parametrize("seed", range(8))
def test_noise_alone_has_no_line(seed):
    data = np.random.default_rng(seed).standard_normal((1, 5 * 256))
    assert line_noise(data, 256.0) == {}


def test_what_is_too_short_or_slow_cannot_tell_lines():
    assert line_noise(noise(seconds=3)[0], 256.0) is None
    assert line_noise(noise(sfreq=100.0)[0], 100.0) is None


LEFT = ("line noise at 50 Hz is still there: the notch is at 60 Hz; --line-freq 50 moves it (in Python line_freq=50)",)


def test_a_notch_beside_the_mains_says_so_and_what_to_type():
    assert notch(humming(50), freqs=60.0).notes == LEFT
    assert notch(humming(50, 60), freqs=60.0).notes == LEFT
    assert notch(humming(60), freqs=60.0).notes == ()
    assert notch(humming(50), freqs=50.0).notes == ()
    assert notch(humming(), freqs=60.0).notes == ()
    assert notch(humming(50)).notes == ()  # no notch: as the model was trained


def test_a_recording_in_pieces_says_the_same():
    signal = humming(50)
    recipe = Recipe("one", (Step("notch", {"freqs": 60.0}), Step("cut", {"seconds": 5.0})))
    stream = Stream(stretch(signal, 0, 2), signal.n_times, lambda start, stop: stretch(signal, start, stop))
    assert prepare(stream, recipe, room=Room(limit=0)).notes == prepare(signal, recipe).notes == LEFT


def test_the_notch_of_a_recipe_moves_or_goes():
    recipe = Recipe("one", (Step("notch", {"freqs": (60.0,)}), Step("cut", {"seconds": 5.0})))
    assert recipe.at_line(60) is recipe
    assert recipe.at_line("50").line_freqs == recipe.at_line(50.0).line_freqs == (50.0,)
    assert recipe.at_line("off").line_freqs == ()
    without = Recipe("two", (Step("cut", {"seconds": 5.0}),))
    assert without.at_line(50) is without
    with pytest.raises(Exception, match="line_freq = 55 came, wanted 50, 60 or off"):
        recipe.at_line(55)
