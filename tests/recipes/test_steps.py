"""What each step does to numbers, names and the way back to volts; what it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import mne
import numpy as np
import pytest

from eegora.errors import ChannelError, EegoraError, RecordingError, UsageError
from eegora.plan import ChannelPlan, ChannelUse
from eegora.recipes.channel_steps import derive, pick, zero
from eegora.recipes.filter_steps import filter as band_pass
from eegora.recipes.filter_steps import notch, stretches
from eegora.recipes.prepare import prepare
from eegora.recipes.recipe import Recipe, Step
from eegora.recipes.reference_steps import average_reference
from eegora.recipes.time_steps import cut, resample
from eegora.recipes.value_steps import align, baseline, clip, divide, min_max, reject, scale, standardise, zscore
from eegora.recordings.positions import head_position
from eegora.signal import Annotation, Signal
from eegora.stream import Room, Stream, stretch
from eegora.windows import Windows

GAP = "BAD_ACQ_SKIP"


def recording(names: str = "Fp1 Fp2 C3 C4", seconds: float = 20.0, sfreq: float = 256.0, **changes: Any) -> Signal:
    labels = tuple(names.split())
    data = np.random.default_rng(1).standard_normal((len(labels), round(seconds * sfreq))) * 2e-5
    positions = [head_position(name) for name in labels]
    ch_pos = np.array([np.full(3, np.nan) if p is None else p for p in positions])
    plan = ChannelPlan(tuple(ChannelUse("kept", name, (f"EEG {name}",)) for name in labels))
    return replace(Signal(data, labels, ch_pos, sfreq, plan=plan), **changes)


def windows(names: str = "Fp1 Fp2 C3 C4", seconds: float = 20.0, length: float = 5.0, **changes: Any) -> Windows:
    return cut(recording(names, seconds, **changes), seconds=length)


def code_of(error: pytest.ExceptionInfo[EegoraError]) -> str:
    return error.value.code


# ── pick ──


def test_pick_takes_the_wanted_order_and_spelling() -> None:
    signal = recording("T7 Fp1 Cz P8", bads=("T7",))
    picked = pick(signal, names=("FP1", "T3", "T6"))
    assert picked.ch_names == ("FP1", "T3", "T6")
    assert picked.bads == ("T3",)
    np.testing.assert_array_equal(picked.data, signal.data[[1, 0, 3]])
    np.testing.assert_array_equal(picked.ch_pos, signal.ch_pos[[1, 0, 3]])
    assert [(u.action, u.row, u.sources) for u in picked.plan.uses] == [
        ("renamed", "FP1", ("EEG Fp1",)),
        ("renamed", "T3", ("EEG T7",)),
        ("renamed", "T6", ("EEG P8",)),
        ("dropped", None, ("EEG Cz",)),
    ]


def test_pick_refuses_missing_electrodes_by_name() -> None:
    with pytest.raises(ChannelError, match=r"lacks electrodes Oz.*missing='skip'") as error:
        pick(recording(), names=("Fp1", "Oz"))
    assert code_of(error) == "missing_channels"


def test_pick_skips_missing_electrodes_and_says_so() -> None:
    picked = pick(recording(), names=("Oz", "C4", "Fp1"), missing="skip")
    assert picked.ch_names == ("C4", "Fp1")
    assert picked.notes == ("1 of 3 electrodes are missing: Oz",)


def test_pick_with_nothing_wanted_there_names_found_and_wanted() -> None:
    with pytest.raises(ChannelError, match=r"none of Oz, O1; found Fp1, Fp2.*closest") as error:
        pick(recording(), names=("Oz", "O1"), missing="skip")
    assert code_of(error) == "no_channels"


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("zero", lambda x: 0 * x[0]), ("mean", lambda x: x[[0, 1, 3]].mean(axis=0)), ("nearest", lambda x: x[3])],
)
def test_pick_fills_missing_electrodes_from_good_ones(policy: str, expected: Any) -> None:
    signal = recording("Fp1 Fp2 C3 C4", bads=("C3",))
    picked = pick(signal, names=("C4", "C2", "Fp1"), missing=policy)
    assert picked.ch_names == ("C4", "C2", "Fp1")
    np.testing.assert_allclose(picked.data[1], expected(signal.data), atol=1e-20)
    np.testing.assert_array_equal(picked.data[[0, 2]], signal.data[[3, 0]])
    np.testing.assert_array_equal(picked.ch_pos[1], head_position("C2"))
    assert picked.plan.of("C2").action == "filled"


@pytest.mark.parametrize("policy", ["inverse-distance", "spline"])
def test_pick_interpolates_a_smooth_field(policy: str) -> None:
    signal = recording("Fp1 Fp2 F3 F4 C3 C4 P3 P4 O1 O2 F7 F8 T7 T8 P7 P8 Fz Cz Pz")
    field = signal.ch_pos[:, :1] * np.sin(np.arange(signal.n_times))
    picked = pick(replace(signal, data=field), names=("C5", "C6", "Cz"), missing=policy)
    want = np.array([head_position("C5")[0], head_position("C6")[0]])[:, None] * np.sin(np.arange(signal.n_times))
    assert np.corrcoef(picked.data[:2].ravel(), want.ravel())[0, 1] > 0.99
    if policy == "spline":
        assert np.abs(picked.data[:2] - want).max() < 0.1 * np.abs(want).max()


def test_pick_cannot_place_an_electrode_without_position() -> None:
    with pytest.raises(ChannelError, match="T1") as error:
        pick(recording(), names=("Fp1", "T1"), missing="nearest")
    assert code_of(error) == "no_positions"


def test_pick_drops_what_has_no_position() -> None:
    with pytest.raises(ChannelError, match="T1") as refused:
        pick(recording("Fp1 T1 C3"), need_position=True)
    assert code_of(refused) == "no_position"
    picked = pick(recording("Fp1 T1 C3"), need_position=True, unknown="drop")
    assert picked.ch_names == ("Fp1", "C3")
    assert picked.plan.uses[-1].reason == "no position is known"
    with pytest.raises(ChannelError) as error:
        pick(recording("T1 T2"), need_position=True)
    assert code_of(error) == "no_positions"


def test_pick_refuses_a_recording_of_derivations_unless_told() -> None:
    signal = recording("Fp1-F7 F7-T7")
    with pytest.raises(ChannelError, match="derivations") as error:
        pick(signal, names=("Fp1",))
    assert code_of(error) == "bipolar"
    assert pick(signal, names=("Fp1",), bipolar="keep").ch_names == ("Fp1-F7", "F7-T7")
    assert pick(recording("Fp1-F7 Cz")).ch_names == ("Cz",)


def test_pick_refuses_an_unknown_policy() -> None:
    with pytest.raises(UsageError, match="inverse-distance") as error:
        pick(recording(), missing="guess")
    assert code_of(error) == "bad_option"


def test_pick_works_on_windows_too() -> None:
    made = replace(windows(), missing=np.zeros((4, 4, 1), bool))
    picked = pick(made, names=("C4", "Fp1"))
    np.testing.assert_array_equal(picked.data, made.data[:, [3, 0]])
    assert picked.missing.shape == (4, 2, 1)
    filled = pick(made, names=("C4", "Oz", "Fp1"), missing="nearest")
    np.testing.assert_array_equal(filled.missing[0, :, 0], [False, True, False])


def test_a_derivation_of_a_missing_channel_is_missing() -> None:
    mask = np.zeros((4, 4, 1), bool)
    mask[2, 1] = True
    made = derive(replace(windows(), missing=mask), rows=("Fp1-C3", "Fp2-C4"))
    assert np.argwhere(made.missing).tolist() == [[2, 1, 0]]


# ── derive ──


def test_derive_subtracts_the_second_from_the_first() -> None:
    signal = recording("Fp1 F7 T7 C3", bads=("T7",))
    made = derive(signal, rows=("FP1-F7", "F7-T3"))
    assert made.ch_names == ("FP1-F7", "F7-T3")
    np.testing.assert_array_equal(made.data, signal.data[[0, 1]] - signal.data[[1, 2]])
    np.testing.assert_allclose(made.ch_pos[0], head_position("Fp1-F7"), atol=1e-18)
    assert made.bads == ("F7-T3",)
    assert made.plan.of("FP1-F7").sources == ("EEG Fp1", "EEG F7")
    assert made.plan.counts() == {"derived": 2, "dropped": 1}
    assert made.not_undone == ("derive",)


def test_derive_takes_derivations_that_are_there() -> None:
    signal = recording("Fz-Cz F7-T7 Fp1-F7")
    made = derive(signal, rows=("FP1-F7", "F7-T3"))
    np.testing.assert_array_equal(made.data, signal.data[[2, 1]])
    assert made.plan.of("FP1-F7").action == "kept"


def test_derive_names_the_electrodes_it_lacks() -> None:
    signal = recording("Fp1 F7")
    with pytest.raises(ChannelError, match=r"F7-T3.*no T3") as error:
        derive(signal, rows=("FP1-F7", "F7-T3"))
    assert code_of(error) == "missing_channels"
    assert derive(signal, rows=("FP1-F7", "F7-T3"), missing="skip").ch_names == ("FP1-F7",)


def test_derive_can_follow_a_script_that_mislabelled_its_rows() -> None:
    signal = recording("Fp1 F7 A1 T7")
    made = derive(signal, rows=("A1-T3", "FP1-F7"), labels=("FP1-F7", "A1-T3"))
    np.testing.assert_array_equal(made.data[0], signal.data[2] - signal.data[3])
    np.testing.assert_allclose(made.ch_pos[0], head_position("Fp1-F7"))
    assert "A1-T3" in made.plan.of("FP1-F7").reason


def test_the_volts_of_a_derivation_are_those_of_its_electrodes() -> None:
    signal = recording("Fp1 F7")
    made = derive(scale(average_reference(signal), unit="uV"), rows=("Fp1-F7",))
    np.testing.assert_allclose(made.to_volts()[0], signal.data[0] - signal.data[1], atol=1e-19)


def test_channels_in_different_units_are_not_mixed() -> None:
    with pytest.raises(UsageError, match="per-channel"):
        derive(zscore(recording(), over="channel"), rows=("Fp1-C3",))


def test_a_spline_through_too_few_electrodes_is_refused() -> None:
    with pytest.raises(ChannelError, match="1 electrodes with a position are too few for a spherical spline") as error:
        pick(recording("Cz"), names=("Cz", "Oz"), missing="spline")
    assert code_of(error) == "too_few_channels"


# ── average reference, zero ──


def test_the_average_reference_leaves_bad_channels_out_as_mne_does() -> None:
    signal = recording(bads=("C3",))
    raw = mne.io.RawArray(
        signal.data, mne.create_info(list(signal.ch_names), 256.0, "eeg"), copy="both", verbose="error"
    )
    raw.info["bads"] = ["C3"]
    raw.set_eeg_reference("average", projection=False, verbose="error")
    made = average_reference(signal)
    np.testing.assert_allclose(made.data, raw.get_data(), atol=1e-19)
    np.testing.assert_allclose(made.to_volts(), signal.data, atol=1e-19)
    assert made.plan.of("C3").action == "kept"
    assert made.plan.of("C4").action == "re-referenced"
    np.testing.assert_allclose(average_reference(signal, over="all").data.mean(axis=0), 0, atol=1e-19)


def test_rows_filled_with_zeros_take_no_part_in_the_reference() -> None:
    signal = recording("Fp1 Fp2")
    made = average_reference(pick(signal, names=("Fp1", "Oz", "Fp2"), missing="zero"))
    np.testing.assert_allclose(made.data[0], (signal.data[0] - signal.data[1]) / 2, atol=1e-19)
    np.testing.assert_array_equal(made.data[1], 0)


def test_an_average_over_one_channel_is_refused_whatever_leaves_one() -> None:
    one = recording("Cz")
    filled = pick(one, names=("Cz", "Oz"), missing="nearest")
    spoilt = recording("Fp1 Cz", bads=("Fp1",))
    for state, over in ((one, "good"), (one, "all"), (windows("Cz"), "all"), (filled, "all"), (spoilt, "good")):
        with pytest.raises(ChannelError, match="over Cz alone makes zeros of it, wanted 3 channels or more") as error:
            average_reference(state, over=over)
        assert code_of(error) == "too_few_channels"


def test_an_average_that_bad_marks_leave_to_one_channel_names_them() -> None:
    for names, bads, code in (("Fp1 Cz Pz", ("Cz", "Pz"), "too_few_channels"), ("Cz Pz", ("Cz", "Pz"), "no_channels")):
        with pytest.raises(ChannelError) as error:
            average_reference(recording(names, bads=bads))
        assert code_of(error) == code
        assert error.value.hint == "mark fewer channels bad: Cz, Pz are, and not averaged"
    with pytest.raises(ChannelError) as error:
        average_reference(recording("Cz"))
    assert "bad" not in error.value.hint


def test_an_average_over_two_channels_says_that_one_is_minus_the_other() -> None:
    told = "the average reference is that of Fp1 and Cz alone: each is minus the other, half their difference"
    pair = average_reference(recording("Fp1 Cz"))
    np.testing.assert_allclose(pair.data[0], -pair.data[1], atol=1e-19)
    assert pair.notes == (told,)
    assert average_reference(windows("Fp1 Cz"), over="all").notes == (told,)
    assert average_reference(recording("Fp1 Cz Pz", bads=("Pz",))).notes == (told,)
    assert average_reference(recording("Fp1 Cz Pz")).notes == ()


def test_a_channel_far_louder_than_the_rest_of_an_average_is_told() -> None:
    signal = recording("Fp1 Fp2 C3 C4 P4")
    loud = replace(signal, data=signal.data * np.array([[1], [1], [1], [1], [209]]))
    (told,) = average_reference(loud).notes
    assert told.startswith("far louder than the others, and part of the average that every row is against: P4 (2")
    assert told.endswith("--bads leaves such a channel out of it")
    assert average_reference(loud, over="all").notes[0].endswith("--exclude leaves such a channel out")
    assert average_reference(replace(loud, bads=("P4",))).notes == ()
    assert average_reference(signal).notes == ()
    stream = Stream(stretch(loud, 0, 2), loud.n_times, lambda start, stop: stretch(loud, start, stop))
    recipe = Recipe("one", (Step("average_reference"), Step("cut", {"seconds": 5.0})))
    assert prepare(stream, recipe, room=Room(limit=0)).notes == prepare(loud, recipe).notes == (told,)


def test_windows_know_no_bad_list() -> None:
    with pytest.raises(UsageError, match="over = 'all'"):
        average_reference(windows())


def test_zero_goes_by_name_in_any_case() -> None:
    made = zero(recording(), names=("c3",))
    assert not made.data[2].any()
    assert made.data[3].any()
    assert "zero" in made.not_undone
    assert zero(recording(), names=()).not_undone == ()


# ── filter, notch, resample ──


@pytest.mark.parametrize("texts", [(GAP,), ("EDGE boundary",), ("bad_acq_skip here", "edge"), ("BAD_move",)])
def test_filters_treat_each_stretch_between_gaps_as_mne_does(texts: tuple[str, ...]) -> None:
    spans = [(5.3, 2.1), (12.0, 0.0)]
    notes = tuple(Annotation(*span, text) for span, text in zip(spans, texts, strict=False))
    signal = recording(annotations=notes)
    raw = mne.io.RawArray(signal.data, mne.create_info(4, 256.0, "eeg"), copy="both", verbose="error")
    raw.set_annotations(mne.Annotations([n.onset for n in notes], [n.duration for n in notes], [n.text for n in notes]))
    raw.filter(0.5, 40.0, verbose="error")
    made = band_pass(signal, l_freq=0.5, h_freq=40.0)
    np.testing.assert_allclose(made.data, raw.get_data(), atol=1e-11 * 2e-5)


def test_gaps_may_overlap_and_touch_the_ends() -> None:
    spans = [(0.0, 1.0), (2.0, 5.0), (3.0, 1.0), (8.0, 0.0), (9.0, 4.0)]
    assert stretches(1000, 100.0, [Annotation(*span, GAP) for span in spans]) == [(100, 200), (700, 800), (800, 900)]
    assert stretches(1000, 100.0, [Annotation(0.0, 10.0, GAP)]) == []


def test_the_iir_filter_is_mnes() -> None:
    signal = recording()
    expected = mne.filter.filter_data(signal.data, 256.0, None, 38.0, method="iir", verbose="error")
    np.testing.assert_array_equal(band_pass(signal, h_freq=38.0, method="iir").data, expected)


def test_volts_of_a_filtered_signal_are_filtered_volts() -> None:
    signal = recording()
    made = band_pass(average_reference(signal), l_freq=1.0)
    np.testing.assert_allclose(made.to_volts(), band_pass(signal, l_freq=1.0).data, atol=1e-17)
    assert made.not_undone == ("filter",)


@pytest.mark.parametrize(
    ("step", "options", "option"),
    [
        (band_pass, {"h_freq": 128.0}, "h_freq"),
        (band_pass, {"l_freq": 0.0}, "l_freq"),
        (notch, {"freqs": 127.9}, "freqs"),
    ],
)
def test_an_edge_beyond_half_the_rate_is_refused_by_its_option(
    step: Any, options: dict[str, float], option: str
) -> None:
    with pytest.raises(RecordingError, match=f"{option} .*128 Hz") as error:
        step(recording(), **options)
    assert code_of(error) == "bad_rate"


def test_a_filter_longer_than_the_signal_is_noted() -> None:
    made = band_pass(recording(seconds=4.0), l_freq=0.5)
    assert made.notes == ("filter of 1691 taps on 1024 samples: the ends are likely distorted",)


def test_notches_that_overlap_are_refused() -> None:
    with pytest.raises(UsageError, match="too close"):
        notch(recording(), freqs=(50.0, 51.0))


def test_the_notch_finds_line_noise() -> None:
    signal = recording(seconds=30.0)
    hum = 1e-5 * np.sin(2 * np.pi * 60 * np.arange(signal.n_times) / 256)
    made = notch(replace(signal, data=signal.data + hum), detect=True)
    assert made.notes == ("line noise found at 60 Hz",)
    np.testing.assert_allclose(made.data, notch(replace(signal, data=signal.data + hum), freqs=60.0).data)
    assert notch(signal, detect=True).notes == ("no line noise found",)


def test_resampling_can_leave_rates_alone_that_differ_in_decimals() -> None:
    signal = recording(sfreq=256.3)
    for left in (resample(signal, rate=256, truncate=True), resample(signal, rate=256, round_rate=True)):
        assert left.data is signal.data
        assert left.sfreq == 256.3
        assert left.notes == ("256.3 Hz is left as it is and taken for 256 Hz, as the original does",)
    assert resample(recording(sfreq=255.7), rate=256, truncate=True).sfreq == 256
    assert resample(signal, rate=256).sfreq == 256


def test_resampling_to_nothing_is_too_short() -> None:
    with pytest.raises(RecordingError) as error:
        resample(recording(seconds=0.01, sfreq=100.0), rate=10)
    assert code_of(error) == "too_short"


def test_nearest_resampling_of_windows_keeps_what_is_missing_and_the_way_back() -> None:
    made = replace(windows(), missing=np.arange(1280)[None, None] >= 640)
    volts = standardise(made)
    small = resample(volts, samples=640, method="nearest")
    assert small.data.shape == (4, 4, 640)
    assert small.sfreq == 128.0
    np.testing.assert_array_equal(small.missing[0, 0], np.arange(640) >= 320)
    np.testing.assert_allclose(small.to_volts(), made.data[..., ::2], atol=1e-18)
    with pytest.raises(UsageError, match="standardise"):
        resample(volts, rate=128)


# ── cut ──


@pytest.mark.parametrize("annotated", [True, False])
@pytest.mark.parametrize("seconds", [5.0, 4.997, 1.0])
def test_the_cut_keeps_the_windows_that_mne_keeps(annotated: bool, seconds: float) -> None:
    notes = (Annotation(9.906, 1.5, "BAD_move"), Annotation(5.0, 0.0, "bad"), Annotation(15.5, 0.0, "BAD", ("C3",)))
    signal = recording(seconds=20.01, annotations=notes)
    raw = mne.io.RawArray(signal.data, mne.create_info(4, 256.0, "eeg"), copy="both", verbose="error")
    raw.set_annotations(mne.Annotations([n.onset for n in notes], [n.duration for n in notes], [n.text for n in notes]))
    epochs = mne.make_fixed_length_epochs(raw, seconds, preload=True, reject_by_annotation=annotated, verbose="error")
    made = cut(signal, seconds=seconds, reject_by_annotation=annotated)
    np.testing.assert_array_equal(made.data, epochs.get_data(verbose="error"))
    np.testing.assert_allclose(made.onsets, (epochs.events[:, 0] - raw.first_samp) / 256.0)
    assert len(made) == len(made.index) == len(made.flags)
    if annotated:
        assert len(made) < int(20.01 / seconds)
    else:
        assert any("annotated:BAD_move" in flags for flags in made.flags)


def test_windows_of_a_length_that_no_float_holds_begin_where_mnes_do() -> None:
    signal = replace(recording(), sfreq=100.0)
    raw = mne.io.RawArray(signal.data, mne.create_info(4, 100.0, "eeg"), copy="both", verbose="error")
    starts = mne.make_fixed_length_events(raw, duration=2.3)[:, 0]
    assert starts[1] == 229
    np.testing.assert_array_equal(np.rint(cut(signal, seconds=2.3).onsets * 100), starts)


def test_windows_over_a_gap_are_always_dropped_unless_kept() -> None:
    signal = recording(annotations=(Annotation(5.0, 3.0, GAP),))
    assert list(cut(signal, seconds=5.0).index) == [0, 2, 3]
    assert "1 of 4 windows dropped" in cut(signal, seconds=5.0).notes[0]
    assert cut(signal, seconds=5.0, gaps="keep").flags[1] == (f"annotated:{GAP}",)
    with pytest.raises(RecordingError, match=GAP) as error:
        cut(replace(signal, annotations=(Annotation(0.0, 20.0, GAP),)), seconds=5.0)
    assert code_of(error) == "no_windows"


def test_the_tail_can_be_kept_down_to_a_multiple() -> None:
    signal = recording(seconds=3050 / 256)
    made = cut(signal, seconds=5.0, tail=32)
    assert list(made.n_valid) == [1280, 1280, 480]
    np.testing.assert_array_equal(made.data[2, :, :480], signal.data[:, 2560:3040])
    assert not made.data[2, :, 480:].any()
    assert cut(signal, seconds=5.1, tail=32).data.shape[-1] == 1280
    assert len(cut(replace(signal, data=signal.data[:, : 31 + 2560]), seconds=5.0, tail=32)) == 2


def test_windows_may_overlap_and_leave_out_both_ends() -> None:
    made = cut(recording(), seconds=4.0, every=2.0, skip=3.0)
    np.testing.assert_array_equal(made.onsets, [3, 5, 7, 9, 11, 13])
    np.testing.assert_array_equal(made.data[1], recording().data[:, 5 * 256 : 9 * 256])


def test_a_recording_shorter_than_a_window_says_how_long_it_should_be() -> None:
    with pytest.raises(RecordingError, match=r"has 4 s, wanted at least 5 s") as error:
        cut(recording(seconds=4.0), seconds=5.0)
    assert code_of(error) == "too_short"


# ── values ──


def test_the_global_zscore_counts_good_channels_outside_gaps() -> None:
    signal = recording(bads=("C4",), annotations=(Annotation(5.0, 10.0, GAP),))
    data = signal.data.copy()
    data[:, 1280:3840] = 0
    made = zscore(replace(signal, data=data), over="global")
    counted = np.concatenate([data[:3, :1280], data[:3, 3840:]], axis=1)
    np.testing.assert_allclose(made.data, (data - counted.mean()) / counted.std(), rtol=1e-12, atol=1e-12)


def test_a_window_zscore_has_the_divisor_that_it_says() -> None:
    made = windows()
    scored = zscore(made, over="window", ddof=1, eps=1e-6)
    mean, deviation = made.data.mean(-1, keepdims=True), made.data.std(-1, keepdims=True, ddof=1)
    np.testing.assert_allclose(scored.data, (made.data - mean) / (deviation + 1e-6), rtol=1e-12)
    single = zscore(scale(made, unit="uV"), over="segment", eps=1e-8, dtype="float32")
    assert single.data.dtype == np.float32


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_flat_channel_becomes_exactly_zero_and_is_flagged(dtype: str) -> None:
    made = windows()
    data = made.data.copy()
    level = 12.3456789e-6
    data[1, 2] = level
    assert (data[1, 2] * 1e6).mean() != (data[1, 2] * 1e6)[0]  # rounding hides that it is flat
    scored = zscore(scale(replace(made, data=data), unit="uV"), over="window", eps=1e-8, dtype=dtype)
    assert not scored.data[1, 2].any()
    assert scored.flags == ((), ("flat:C3",), (), ())
    np.testing.assert_allclose(scored.to_volts()[1, 2], level, rtol=1e-6)


@pytest.mark.parametrize("level", [0.0, 0.1])
def test_a_recording_without_variation_has_no_zscore(level: float) -> None:
    signal = recording()
    with pytest.raises(RecordingError) as error:
        zscore(replace(signal, data=np.full_like(signal.data, level)), over="global")
    assert code_of(error) == "constant_data"


def test_a_shorter_window_counts_only_its_data() -> None:
    signal = recording(seconds=3050 / 256)
    made = cut(signal, seconds=5.0, tail=32)
    alone = replace(made.take([2]), data=made.data[2:, :, :480], n_valid=np.array([480]))
    for step in (baseline, min_max, lambda w: zscore(w, over="window", eps=1e-6)):
        np.testing.assert_allclose(step(made).data[2:, :, :480], step(alone).data, rtol=1e-12, atol=1e-18)


def test_the_baseline_can_be_the_start_of_a_window_as_in_mne() -> None:
    made = windows()
    epochs = mne.EpochsArray(made.data, mne.create_info(4, 256.0, "eeg"), tmin=-0.1, baseline=None, verbose="error")
    expected = epochs.apply_baseline((None, 0.0), verbose="error").get_data(verbose="error")
    np.testing.assert_allclose(baseline(made, first=0.1).data, expected, atol=1e-19)
    np.testing.assert_allclose(baseline(made).data.mean(axis=-1), 0, atol=1e-19)


def test_min_max_stretches_a_window_to_one() -> None:
    made = windows()
    stretched = min_max(made)
    np.testing.assert_allclose(stretched.data.min(axis=(1, 2)), -1)
    np.testing.assert_allclose(stretched.data.max(axis=(1, 2)), 1)
    np.testing.assert_allclose(stretched.to_volts(), made.data, atol=1e-19)


def test_moving_standardisation_weights_samples_by_age() -> None:
    made = windows(seconds=1.0, length=1.0)
    x = made.data[0, 0]
    means, deviations = [], []
    for t in range(len(x)):
        w = 0.9 ** np.arange(t, -1, -1)
        means.append((w * x[: t + 1]).sum() / w.sum())
        rest = x[: t + 1] - np.array(means)
        deviations.append(np.sqrt((w * rest**2).sum() / w.sum()))
    expected = (x - means) / np.maximum(deviations, 1e-6)
    np.testing.assert_allclose(standardise(made, factor=0.1, eps=1e-6).data[0, 0], expected, rtol=1e-9, atol=1e-12)


def test_alignment_makes_the_mean_covariance_the_identity() -> None:
    made = align(windows())
    np.testing.assert_allclose(np.mean(made.data @ made.data.swapaxes(1, 2), axis=0), np.eye(4), atol=1e-9)
    assert made.not_undone == ("align",)
    with pytest.raises(RecordingError) as error:
        align(average_reference(windows(), over="all"))
    assert code_of(error) == "rank_deficient"


def test_clip_says_what_it_lost() -> None:
    made = windows()
    clipped = clip(made, limit=1e-5)
    assert np.abs(clipped.data).max() == 1e-5
    assert clipped.not_undone == ("clip",)
    assert "beyond ±1e-05" in clipped.notes[0]
    assert clip(made, limit=1.0) is made


def test_reject_drops_large_windows() -> None:
    made = windows()
    data = made.data.copy()
    data[2, 1, 7] = 3e-4
    kept = reject(divide(replace(made, data=data), by=10), limit_uv=250.0)
    assert list(kept.index) == [0, 1, 3]
    with pytest.raises(RecordingError, match="limit_uv") as error:
        reject(made, limit_uv=1.0)
    assert code_of(error) == "no_windows"


def test_pick_takes_any_of_the_names_without_a_word() -> None:
    picked = pick(recording(), names=("Oz", "C4", "Fp1"), missing="any")
    assert picked.ch_names == ("C4", "Fp1")
    assert picked.notes == ()
    with pytest.raises(ChannelError):
        pick(recording(), names=("Oz", "O1"), missing="any")


@pytest.mark.parametrize("method", ["fir", "iir"])
def test_a_filter_whose_edges_are_the_wrong_way_round_is_refused(method: str) -> None:
    with pytest.raises(UsageError, match=r"l_freq = 75 and h_freq = 0\.5 Hz") as error:
        band_pass(recording(), l_freq=75.0, h_freq=0.5, method=method)
    assert code_of(error) == "bad_option"


@pytest.mark.parametrize("method", ["fft", "nearest"])
def test_a_rate_that_agrees_to_a_millionth_is_left_alone_however_long_the_recording(method: str) -> None:
    signal = Signal(np.ones((1, 2_000_000)), ("Cz",), np.zeros((1, 3)), 256.0002)
    same = resample(signal, rate=256.0, method=method)
    assert same.data is signal.data
    assert (same.sfreq, same.not_undone) == (256.0002, ())


@pytest.mark.parametrize(
    ("step", "options"),
    [
        (band_pass, {"h_freq": 30.0, "method": "IIR"}),
        (resample, {"rate": 0.0}),
        (resample, {"rate": -256.0}),
        (resample, {"samples": 0, "method": "nearest"}),
        (cut, {"seconds": 5.0, "tail": "keep"}),
        (cut, {"seconds": 5.0, "tail": -32}),
        (cut, {"seconds": 5.0, "skip": -1.0}),
        (pick, {"bipolar": "kept"}),
        (pick, {"unknown": "keep"}),
        (zscore, {"over": "global", "dtype": "float8"}),
    ],
)
def test_values_that_an_option_does_not_have_are_refused(step: Any, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="wanted") as error:
        step(recording(), **options)
    assert code_of(error) == "bad_option"


def test_names_that_are_not_there_to_be_zeroed_are_told() -> None:
    done = zero(recording(), names=["fp1", "Q 1"])
    assert done.notes == ("not there to be set to zero: Q 1", "set to zero: Fp1")
