"""Amplitudes held against a model's training data, and what it takes."""

from dataclasses import replace

import pytest

from eegora import registry
from eegora.check import look as looking
from eegora.check.fit import check_recording
from eegora.recordings.read import to_signal
from eegora.recordings.synthetic import synthetic_raw
from eegora.spec import Amplitude


@pytest.fixture(scope="module")
def signal():
    return to_signal(synthetic_raw(30, 1))


def told(signal, model, factor=1.0, **options):
    louder = replace(signal, data=signal.data * factor)
    return check_recording(louder, registry.find(model)[1], **options).finding("training_amplitude")


@pytest.mark.parametrize(
    ("middle", "severity", "words"),
    [
        (20.0, "ok", "within"),
        (6.8, "note", "a little below"),
        (150.0, "note", "a little above"),
        (0.5, "warning", "far below"),
        (450.0, "warning", "far above"),
    ],
)
def test_sentence_and_severity_say_the_same_of_amplitudes(signal, middle, severity, words):
    is_now = float(told(signal, "eegpt").sentence.split("by ")[1].split(" µV")[0])
    found = told(signal, "eegpt", middle / is_now)
    assert (found.severity, "nothing was rescaled" in found.next) == (severity, severity != "ok")
    assert f"µV (median), {words} the about 10 to 100 µV of training (spec eegpt.md, section 5" in found.sentence


def test_the_factor_back_to_volts_counts_not_the_models_unit(signal):
    """Another unit in the recipe is another number in the windows, and the same microvolts."""
    spec = registry.find("eegpt")[1]
    recipe = spec.recipes[0].with_options("scale", unit="uV")
    assert told(signal, "eegpt", recipe=recipe).sentence == told(signal, "eegpt").sentence


@pytest.mark.parametrize(("factor", "severity"), [(0.1, "ok"), (20.0, "warning")])
def test_windows_beyond_the_largest_of_training(signal, factor, severity):
    found = told(signal, "eeg-dino", factor, recipe="eegdino-tuev")
    assert found.severity == severity
    assert "of 6 windows reach 100 µV; in training none did" in found.sentence
    assert told(signal, "eeg-dino", factor) is None  # its recipe marks such windows itself


def test_models_that_normalise_have_no_range(signal):
    for spec in registry.specs().values():
        if spec.amplitude is None:
            assert check_recording(signal, spec).finding("training_amplitude") is None
        else:
            assert isinstance(spec.amplitude, Amplitude)
            assert spec.amplitude.source


def test_memory_and_time_are_those_of_the_whole_recording(signal, monkeypatch):
    spec = registry.find("eegpt")[1]
    verdict = check_recording(signal, spec)
    assert verdict.numbers["signal_bytes"] == 8 * signal.data.size
    assert verdict.numbers["input_bytes"] == 4 * 7 * 19 * 1024
    assert f"the samples take {8 * signal.data.size / 1e6:.3g} MB" in verdict.finding("memory").sentence
    # Of a long recording a part is looked at; its needs are told for all of it.
    raw = synthetic_raw(1300, 1)
    monkeypatch.setattr(looking, "MOST_VALUES", 21 * 256 * 600)
    part = check_recording(raw, spec)
    assert part.numbers["seconds_looked_at"] == 600
    assert part.numbers["signal_bytes"] == 8 * 21 * 1300 * 256
    assert part.numbers["input_bytes"] == 4 * 325 * 19 * 1024
    assert part.prepare_s > 0
    assert part == check_recording(raw, spec), "two checks of one recording agree, whatever their clocks said"
