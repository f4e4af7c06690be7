from dataclasses import replace

import numpy as np
import pytest

from eegora.check import quality
from eegora.plan import ChannelPlan, ChannelUse
from eegora.signal import Annotation


def found(findings, code):
    return next((f for f in findings if f.code == code), None)


def test_good_amplitudes_are_told_per_channel(noise):
    signal = noise()
    findings, numbers = quality.amplitude(signal, signal.data)
    assert [f.severity for f in findings] == ["ok"]
    assert all(19 < numbers[name] < 21 for name in signal.ch_names)


@pytest.mark.parametrize("factor", [1e6, 1e-6])
def test_an_amplitude_no_eeg_has_is_a_warning_with_its_number(noise, factor):
    signal = noise()
    unit = found(quality.amplitude(signal, signal.data * factor)[0], "unit")
    assert unit.severity == "warning"
    assert f"{19.9 * factor:.1g}"[:2] in unit.sentence or "e+07" in unit.sentence or "e-05" in unit.sentence
    assert "--units" in unit.next


def test_a_loud_and_a_quiet_channel_are_named(noise):
    signal = noise()
    volts = signal.data * np.array([[1], [9], [1], [1], [0.02], [1]])
    findings, _ = quality.amplitude(signal, volts)
    assert "Fp2 (9 times the median)" in found(findings, "noisy").sentence
    assert "O1" in found(findings, "quiet").sentence
    assert found(findings, "noisy").next == "--bads Fp2"


def test_flat_stretches_are_told_with_their_share(noise):
    signal = noise()
    volts = signal.data.copy()
    volts[1] = 3e-6
    volts[2, : volts.shape[1] // 2] = 0
    flat = found(quality.dead(signal, volts), "flat")
    assert "Fp2 (100% of the time), C3 (50% of the time)" in flat.sentence


def test_gaps_are_not_flat(noise):
    signal = noise(annotations=(Annotation(2.0, 3.0, "BAD_ACQ_SKIP"),))
    volts = signal.data.copy()
    volts[:, 512:1280] = 0
    assert quality.dead(signal, volts) == []


def test_clipping_needs_runs_at_the_limit(noise):
    signal = noise()
    volts = np.clip(np.cumsum(signal.data, axis=1), -200e-6, None)
    clipped = found(quality.dead(signal, volts), "clipped")
    assert clipped.severity == "warning"
    rounded = np.rint(signal.data / 1e-6) * 1e-6  # coarse, but not clipped
    assert quality.dead(signal, rounded) == []


def test_coarse_steps_that_reach_the_limit_now_and_then_are_not_clipped(noise):
    signal = noise()
    coarse = np.clip(np.rint(signal.data / 30e-6), -2, 2) * 30e-6
    assert (coarse == 60e-6).mean() > 0.005
    assert quality.dead(signal, coarse) == []


def test_the_reference_is_what_data_and_labels_tell(noise):
    signal = noise()
    assert quality.reference(signal, signal.data) == "labels do not tell the reference"
    averaged = signal.data - signal.data.mean(axis=0)
    assert quality.reference(signal, averaged).startswith("average-referenced already")
    uses = [
        ChannelUse("renamed", n, (n,), f"recorded against {r}") for n, r in zip(signal.ch_names, "AAAAAA", strict=True)
    ]
    told = replace(signal, plan=ChannelPlan(tuple(uses)))
    assert quality.reference(told, signal.data) == "recorded against A, by the labels"
    two = replace(told, plan=ChannelPlan((*uses[1:], replace(uses[0], reason="recorded against M2"))))
    assert quality.reference(two, signal.data) == "recorded against several references: A, M2"
    pairs = noise(names=("Fp1-F7", "F7-T3", "T3-T5"))
    assert quality.reference(pairs, pairs.data) == "bipolar derivations"
