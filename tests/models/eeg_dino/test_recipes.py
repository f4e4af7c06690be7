"""The recipes of spec sections 6 and preprocessing.md 6.5, from a recording to what the network sees."""

import numpy as np
import pytest

from eegora.errors import ChannelError, RecordingError
from eegora.models.eeg_dino.inference import slots_of
from eegora.models.eeg_dino.spec import DERIVATIONS, RECIPES, TUEG
from eegora.recipes.prepare import prepare
from eegora.recordings.read import array_to_signal

BY_NAME = {recipe.name: recipe for recipe in RECIPES}
CONFIG = {"n_channel_embeddings": 19, "channels": "by_name", "channel_order": "tueg"}


def signal(ch_names=TUEG, seconds=21, sfreq=250, peak_uv=60.0, seed=0):
    data = np.random.RandomState(seed).standard_normal((len(ch_names), round(seconds * sfreq)))
    smooth = np.apply_along_axis(lambda row: np.convolve(row, np.ones(25), "same"), 1, data)
    return array_to_signal(smooth / np.abs(smooth).max() * peak_uv, list(ch_names), sfreq, unit="uV")


def test_the_default_recipe():
    recipe = RECIPES[0]
    assert recipe.name == "eegdino"
    assert [step.name for step in recipe.steps] == [
        *("pick", "resample", "filter", "notch", "scale", "divide", "cut", "reject")
    ]
    windows = prepare(signal(), recipe)
    assert windows.data.shape == (2, 19, 2000)
    assert windows.data.dtype == np.float32
    assert windows.ch_names == TUEG
    assert windows.sfreq == 200
    assert slots_of(windows, CONFIG) == tuple(range(19))
    np.testing.assert_allclose(windows.to_volts(), windows.data * 1e-4, rtol=1e-6)
    assert 0.2 < np.abs(windows.data).max() < 1


def test_names_and_order_of_the_recording_do_not_matter():
    names = [{"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}.get(name, name.upper()) for name in TUEG][::-1]
    plain = signal()
    other = array_to_signal(plain.data[::-1], names, 250)
    np.testing.assert_array_equal(prepare(other, RECIPES[0]).data, prepare(plain, RECIPES[0]).data)


def test_missing_electrodes_are_left_out_and_said_unless_another_way_is_asked_for():
    fewer = signal([name for name in TUEG if name not in ("T5", "Pz")])
    skipped = prepare(fewer, RECIPES[0])
    assert str(skipped.plan) == "17 kept, 2 missing"
    assert [use.sources for use in skipped.plan.uses if use.action == "missing"] == [("T5",), ("Pz",)]
    assert "2 of 19 electrodes are missing: T5, Pz" in skipped.notes
    with pytest.raises(ChannelError, match="T5"):
        prepare(fewer, RECIPES[0], missing="refuse")
    with pytest.raises(ChannelError, match="T5"):
        prepare(fewer, BY_NAME["eegdino-pretraining"].with_options("require", seconds=1.0))
    assert slots_of(skipped, CONFIG) == tuple(i for i, name in enumerate(TUEG) if name not in ("T5", "Pz"))
    zeros = prepare(fewer, RECIPES[0], missing="zero")
    assert zeros.ch_names == TUEG
    assert not zeros.data[:, TUEG.index("Pz")].any()


def test_windows_larger_than_the_training_data_are_flagged():
    calm = prepare(signal(), RECIPES[0])
    assert not any(any(flag.startswith("large") for flag in flags) for flags in calm.flags)
    loud = prepare(signal(peak_uv=400.0), RECIPES[0])
    assert len(loud) == len(calm)
    assert any(any(flag.startswith("large") for flag in flags) for flags in loud.flags)
    assert any("reach 100 µV" in note for note in loud.notes)


def test_the_pretraining_recipe_leaves_out_the_ends_and_large_windows():
    recipe = BY_NAME["eegdino-pretraining"]
    windows = prepare(signal(seconds=310, sfreq=200), recipe)
    np.testing.assert_array_equal(windows.onsets, [60, 90, 120, 150, 180, 210])
    assert windows.data.shape == (6, 19, 6000)
    spiky = signal(seconds=310, sfreq=200)
    spiky.data[3, 75 * 200 : 75 * 200 + 40] += 800e-6
    np.testing.assert_array_equal(prepare(spiky, recipe).onsets, windows.onsets[1:])


def test_the_pretraining_recipe_refuses_recordings_below_five_minutes():
    with pytest.raises(RecordingError, match="299 s, wanted at least 300 s") as refused:
        prepare(signal(seconds=299, sfreq=200), BY_NAME["eegdino-pretraining"])
    assert refused.value.code == "too_short"


@pytest.mark.parametrize(("name", "n_times"), [("eegdino-tuab", 2000), ("eegdino-tuev", 1000)])
def test_the_fine_tuning_recipes_derive(name, n_times):
    plain = signal()
    windows = prepare(plain, BY_NAME[name])
    assert windows.data.shape[1:] == (16, n_times)
    assert windows.ch_names == DERIVATIONS
    assert slots_of(windows, CONFIG) == tuple(range(16))
    whole = prepare(plain, RECIPES[0].with_options("cut", seconds=n_times / 200))
    rows = {name.upper(): i for i, name in enumerate(TUEG)}
    for i, row in enumerate(DERIVATIONS):
        a, b = row.split("-")
        np.testing.assert_allclose(windows.data[:, i], whole.data[:, rows[a]] - whole.data[:, rows[b]], atol=1e-6)


def test_other_windows_and_mains():
    recipe = RECIPES[0].with_options("cut", seconds=3).with_options("notch", freqs=[50.0]).with_options("divide", by=50)
    windows = prepare(signal(), recipe)
    assert windows.data.shape == (7, 19, 600)
    np.testing.assert_allclose(windows.to_volts(), windows.data * 50e-6, rtol=1e-6)
