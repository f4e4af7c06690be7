"""ZUNA's recipes: what they make of a recording, and that it can be undone."""

from dataclasses import replace

import mne
import numpy as np
import pytest

from eegora.errors import ChannelError, UsageError
from eegora.models.zuna.spec import EPOCHS, SPEC, ZUNA, ZUNA11
from eegora.recipes.prepare import prepare
from eegora.recordings.read import to_signal
from eegora.recordings.source import prepare_source, without
from eegora.recordings.synthetic import synthetic_raw
from eegora.signal import Annotation


@pytest.fixture(scope="module")
def signal():
    return to_signal(synthetic_raw(13, 1, sfreq=250))


def test_the_second_generations_is_the_default():
    assert [recipe.name for recipe in SPEC.recipes] == ["zuna11", "zuna", "zuna-epochs"]


def test_epochs_are_scaled_one_by_one_and_not_filtered():
    raw = synthetic_raw(12, 1, sfreq=256)
    epochs = mne.make_fixed_length_epochs(raw, duration=1.3, preload=True, verbose="ERROR")
    windows = prepare_source(epochs, lambda part: prepare(part, EPOCHS))
    volts = epochs.get_data(copy=True)[:, :, :320]  # whole tokens of 333 samples
    volts -= volts.mean(axis=1, keepdims=True)
    z = (volts - volts.mean(axis=2, keepdims=True)) / volts.std(axis=2, keepdims=True)
    assert windows.n_valid.tolist() == [320] * len(epochs)
    np.testing.assert_allclose(windows.data[:, :, :320], z / 10, atol=1e-6)
    np.testing.assert_allclose(windows.to_volts()[:, :, :320], epochs.get_data(copy=False)[:, :, :320], atol=1e-12)


def test_segments_are_scaled_one_by_one(signal):
    windows = prepare(signal, ZUNA11)
    assert windows.data.shape == (3, 21, 1280)
    assert windows.n_valid.tolist() == [1280, 1280, 768]
    np.testing.assert_allclose(windows.data[:2].mean(axis=2), 0, atol=1e-6)
    # 1 µV is added to each deviation, so they stay below 0.1.
    deviation = windows.data[:2].std(axis=2)
    volts = windows.scale[:2, :, 0] / 10
    np.testing.assert_allclose(deviation, 0.1 * (volts - 1e-6) / volts, rtol=1e-5)


def test_the_whole_recording_is_on_one_scale(signal):
    windows = prepare(signal, ZUNA)
    assert windows.data.shape == (2, 21, 1280)
    assert np.unique(windows.scale).size == 1
    np.testing.assert_allclose(windows.data.mean(axis=2), 0, atol=1e-6)
    assert windows.data.std() == pytest.approx(0.1, rel=0.1)


@pytest.mark.parametrize("recipe", [ZUNA11, ZUNA], ids=lambda r: r.name)
def test_the_way_back_leads_to_filtered_volts(signal, recipe):
    """Reference, scale and baseline are undone; resampling and the filter are not, and say so."""
    windows = prepare(signal, recipe)
    only = {}
    prepare(signal, recipe, watch=lambda step, state: only.setdefault(step.name, state))
    filtered = only["filter"].data[:, :1280]
    np.testing.assert_allclose(windows.to_volts()[0], filtered, atol=2e-7 * np.abs(filtered).max() * 10)
    assert windows.not_undone == ("resample", "filter")


def test_each_generation_has_its_own_default_recipe():
    from eegora.models.zuna.spec import SPEC

    assert [(v.name, v.recipe) for v in SPEC.variants] == [("1.1", None), ("1", "zuna")]
    assert SPEC.recipes[0].name == "zuna11"


def test_segments_of_a_rate_that_rounds_to_256_have_the_samples_of_256(signal):
    windows = prepare(replace(signal, sfreq=255.8), ZUNA11)
    assert windows.data.shape[-1] == 1280
    assert windows.sfreq == 255.8


def test_the_second_generation_wants_three_channels(signal):
    with pytest.raises(ChannelError, match="2 channels with a position") as error:
        prepare(without(signal, signal.ch_names[2:]), ZUNA11)
    assert error.value.code == "too_few_channels"
    assert prepare(without(signal, signal.ch_names[2:]), ZUNA).data.shape[1] == 2


@pytest.mark.parametrize(("seconds", "fits"), [(0.4, False), (0.5, True), (30.0, True), (30.2, False), (60.0, False)])
def test_segments_outside_half_a_second_to_thirty_are_refused(seconds, fits):
    signal = to_signal(synthetic_raw(65, 1, sfreq=255.8))
    for recipe in (ZUNA11.with_options("cut", seconds=seconds), ZUNA11.with_options("cut", seconds=seconds, every=7.0)):
        if fits:
            assert prepare(signal, recipe).data.shape[-1] == round(seconds * 256)
            continue
        with pytest.raises(UsageError, match=r"wanted 0\.5 to 30 s") as refused:
            prepare(signal, recipe)
        assert refused.value.code == "bad_option"
    locked = ZUNA11.with_options("cut", seconds=60.0).at_events("here")
    marked = replace(signal, annotations=(Annotation(1.0, 0.0, "here"),))
    with pytest.raises(UsageError, match="windows of 60 s came"):
        prepare(marked, locked)


def test_a_last_segment_below_half_a_second_is_flagged():
    windows = prepare(to_signal(synthetic_raw(10.25, 1)), ZUNA11)
    assert windows.flags[-1] == ("short:0.25s",)
    assert not any(windows.flags[:-1])
    assert windows.notes[-1].startswith("0.25 s at an end: the model was trained on 0.5 s and more")
    assert not any(prepare(to_signal(synthetic_raw(10.5, 1)), ZUNA11).flags)
