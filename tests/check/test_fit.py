"""A recording × a model. On each case file the sentence is asserted that a scientist needs."""

import subprocess
import sys
from dataclasses import replace

import mne
import numpy as np
import pytest

from eegora.check import look as looking
from eegora.check.fit import check_recording
from eegora.check.look import look_at
from eegora.errors import RecordingError, UsageError
from eegora.recipes.prepare import prepare
from eegora.recipes.recipe import Recipe, Step
from eegora.recordings.channels import parse_label
from eegora.recordings.read import load_signal
from eegora.recordings.synthetic import TUH_NAMES, synthetic_raw
from eegora.recordings.write import save_raw
from eegora.registry import find, find_recipe
from eegora.signal import Annotation, Trials


def sentence(verdict, code):
    finding = verdict.finding(code)
    assert finding is not None, [f.code for f in verdict.findings]
    return finding.sentence


def test_a_tuh_recording_can_run(case, spec):
    verdict = check_recording(case("tuh_ref.edf"), spec)
    assert (verdict.answer, verdict.exit_code) == ("can run", 0)
    assert sentence(verdict, "windows") == "luna-tuab makes 1 window of 5 s: 22 rows × 1280 samples at 256 Hz"
    assert sentence(verdict, "reference") == "recorded against REF, by the labels; the recipe's differences cancel it"
    assert "nothing above 100 Hz" in sentence(verdict, "rate")
    assert verdict.plan.counts()["derived"] == 22
    assert verdict.next == f"eegora embed {case('tuh_ref.edf')} --model luna-base"


def test_missing_electrodes_come_with_what_works(case, spec):
    verdict = check_recording(case("ok4.edf"), spec)
    assert (verdict.answer, verdict.exit_code) == ("cannot run", 3)
    assert "F3, F4, P3, P4" in str(verdict)
    assert verdict.next.endswith("--model luna-base --recipe luna-unipolar")
    assert sentence(verdict, "ways_on").startswith(
        "these work: --recipe luna-unipolar (4 rows), --missing with one of spline, inverse-distance, nearest, mean, zero"
    )


def test_skipping_comes_first_and_tells_what_is_left(noise, spec):
    verdict = check_recording(noise(names=("Fp1", "F7", "F3", "C3", "P3", "O1", "Cz", "O2")), spec)
    assert verdict.next.endswith("--missing skip")
    assert "--missing skip (6 rows), --recipe luna-unipolar (8 rows)" in sentence(verdict, "ways_on")


@pytest.mark.parametrize("missing", ["spline", "zero"])
def test_what_a_check_offers_does_work(case, spec, missing):
    verdict = check_recording(case("ok4.edf"), spec, missing=missing)
    assert verdict.can_run
    assert verdict.next.endswith(f"--missing {missing}")
    assert verdict.plan.counts()["filled"] == 22  # each holds an electrode that was never recorded


def test_not_a_number_names_channel_time_and_line(case, spec):
    verdict = check_recording(case("nan_inf.csv"), spec, recipe="luna-unipolar")
    assert verdict.answer == "cannot run"
    assert "not a number in Fp1, 0.386719 s (line 101), 3 samples" in str(verdict)


def test_truncated_data_are_a_remark(case, spec):
    verdict = check_recording(case("trunc_data.edf"), spec, recipe="luna-unipolar")
    assert verdict.answer == "can run with remarks"
    assert sentence(verdict, "reading") == "truncated: 6 of 8 records, 2 s are lost"


def test_a_flat_channel_is_a_remark(case, spec):
    verdict = check_recording(case("flat_channel.edf"), spec, recipe="luna-unipolar")
    assert verdict.answer == "can run with remarks"
    assert sentence(verdict, "flat") == "no change at all: Fp2 (100% of the time)"


def test_a_calibration_of_zero_cannot_run(case, spec):
    verdict = check_recording(case("digital_range_zero.edf"), spec)
    assert verdict.finding("bad_calibration").severity == "error"
    assert "the digital or physical range is 0 in EEG Fp1-REF" in str(verdict)
    assert verdict.next == "correct the file's header"


def test_one_electrode_is_refused_where_an_average_or_a_difference_leaves_nothing_of_it(noise, spec):
    one = noise(("Cz",))
    for model in (spec, find("zuna")[1], find("eegpt")[1]):
        for recipe in model.recipes:
            verdict = check_recording(one, model, recipe=recipe)
            if not verdict.can_run:
                continue
            # What can run makes windows that vary.
            assert prepare(one, recipe).data[0].any()
            assert not {"average_reference", "derive"} & {step.name for step in recipe.steps}
    zuna = check_recording(one, find("zuna")[1])
    assert (zuna.answer, zuna.findings[-1].code, zuna.finding("ways_on")) == ("cannot run", "too_few_channels", None)
    assert "--recipe" not in zuna.next
    luna = check_recording(one, spec)
    assert luna.next.endswith("--recipe luna-unipolar")
    # Differences of copies of one electrode are zeros.
    assert not any(fill in sentence(luna, "ways_on") for fill in ("spline", "nearest", "inverse-distance", "mean"))


def test_a_label_that_comes_twice_counts_once(noise):
    data = np.repeat(noise(("C3",)).data, 21, axis=0)
    verdict = check_recording((data, ["C3"] * 21, 256.0), find("eegpt")[1])
    assert (verdict.answer, verdict.findings[-1].code) == ("cannot run", "too_few_channels")


def test_two_electrodes_in_an_average_are_a_remark(noise):
    verdict = check_recording(noise(("Cz", "Pz")), find("eegpt")[1])
    assert "CZ and PZ alone: each is minus the other" in sentence(verdict, "recipe")


def test_bad_channels_and_stretches_are_told(case, spec):
    verdict = check_recording(case("bads_annot_raw.fif"), spec, recipe="luna-unipolar")
    assert verdict.answer == "can run with remarks"
    assert sentence(verdict, "bads_used") == "Fp2: marked bad, but the recipe uses them like the others"
    assert sentence(verdict, "annotated_windows").startswith("2 windows overlap stretches annotated as bad")
    assert verdict.windows.n_windows == 3


def test_no_window_crosses_a_gap(case, spec):
    verdict = check_recording(case("gap_raw.fif"), spec, recipe="luna-unipolar")
    assert sentence(verdict, "gaps") == "1 gap, 3 s together: no window crosses one"
    assert sentence(verdict, "dropped_windows").startswith("1 of 4 windows dropped, they overlap BAD_ACQ_SKIP")
    assert (verdict.windows.n_windows, verdict.windows.n_dropped, verdict.windows.lost_s) == (3, 1, 0)


def test_derivations_that_are_too_few_and_too_short(case, spec):
    verdict = check_recording(case("tcp_bipolar.edf"), spec)
    assert "lacks derivations FP2-F8" in sentence(verdict, "missing_channels")
    assert "4 s, wanted at least 5 s" in sentence(verdict, "too_short")  # what would come after --missing skip


def test_a_rate_too_low_for_the_recipe(case, spec):
    verdict = check_recording(case("psg_bipolar.edf"), spec)
    assert "75 Hz" in sentence(verdict, "bad_rate")
    assert "50 Hz, half of the sampling rate" in sentence(verdict, "bad_rate")


def test_epochs_that_are_too_short_are_no_recording(case, spec):
    verdict = check_recording(case("epochs-epo.fif"), spec)
    assert "holds epochs, not a continuous recording: 1 s each, wanted at least 5 s" in str(verdict)
    assert verdict.exit_code == 3


def test_epochs_that_windows_fit_in_can_run(spec):
    names = ["Fp1", "Fp2", "C3", "C4", "O1", "O2"]
    data = np.random.default_rng(0).standard_normal((3, 6, 12 * 256)) * 20e-6
    epochs = mne.EpochsArray(data, mne.create_info(names, 256.0, "eeg"), verbose="error")
    verdict = check_recording(epochs, spec, recipe="luna-unipolar", exclude=["O2"])
    assert verdict.can_run
    assert sentence(verdict, "recording") == "6 EEG channels of 6 in the recording, 256 Hz, 36 s in 3 epochs"
    assert (verdict.windows.n_windows, verdict.windows.n_dropped, verdict.windows.lost_s) == (6, 0, 2.0)
    assert sentence(verdict, "tail") == "the last 2 s of each epoch fill no window"
    assert len(verdict.plan.rows) == 5


@pytest.mark.parametrize("seconds", [20.0, 90.0], ids=["whole", "stretches"])
def test_windows_at_events_are_counted(spec, seconds, monkeypatch):
    monkeypatch.setattr(looking, "MOST_VALUES", 100_000)
    raw = synthetic_raw(seconds, 0, ["Fp1", "Fp2", "C3", "C4", "O1", "O2"])
    raw.set_annotations(mne.Annotations([2.0, 7.0, 9.0, seconds - 1], 0.1, ["left", "left", "BAD_x", "left"]))
    recipe = find_recipe(spec, "luna-unipolar").at_events("left").with_options("cut_events", reject_by_annotation=True)
    verdict = check_recording(raw, spec, recipe=recipe)
    assert (verdict.windows.n_windows, verdict.windows.n_dropped, verdict.windows.lost_s) == (1, 1, 0)
    refused = check_recording(raw, spec, recipe=recipe.at_events("right"))
    assert "no annotation 'right'; it has" in sentence(refused, "no_events")


def test_a_guessed_unit_is_told(case, spec):
    verdict = check_recording(case("volts.csv"), spec, recipe="luna-unipolar")
    assert sentence(verdict, "reading").startswith(
        "unit: taken for volts, from a median standard deviation of 2.16e-05"
    )
    assert verdict.answer == "can run"


def test_channels_that_are_no_eeg_are_in_the_plan(case, spec):
    verdict = check_recording(case("mixed_types_raw.fif"), spec, recipe="luna-unipolar")
    dropped = {use.sources[0]: use.reason for use in verdict.plan.uses if use.row is None}
    assert dropped == {"EOG1": "eog by its type in the file", "STI": "stim by its type in the file"}


def test_a_file_that_cannot_be_understood_raises(case, spec):
    with pytest.raises(RecordingError) as error:
        check_recording(case("text_cell.csv"), spec)
    assert "line 51: '0x191406' in column 'time'" in str(error.value)


@pytest.fixture
def humming(tmp_path):
    """Thirty seconds of the TUH electrodes with hum of 10 µV."""

    def make(line):
        raw = synthetic_raw(30, 0, ch_names=TUH_NAMES, sfreq=256)
        raw._data += 10e-6 * np.sin(2 * np.pi * line * raw.times)
        return save_raw(raw, tmp_path / f"hum{line}_raw.fif")

    return make


def test_bad_stretches_come_with_the_option_that_leaves_them_out(noise, spec):
    signal = noise(annotations=(Annotation(6.0, 0.5, "BAD_move"),))
    zuna = find("zuna")[1]
    finding = check_recording(signal, zuna).finding("annotated_windows")
    assert finding.sentence == "1 window overlaps a stretch annotated as bad, and is used"
    assert finding.next.startswith("--reject-annotated")
    again = check_recording(signal, zuna, reject_annotated=True)
    assert again.finding("annotated_windows") is None
    assert sentence(again, "dropped_windows") == "1 of 3 windows dropped, they overlap BAD_move"


def test_what_cannot_be_undone_is_told_where_there_is_a_way_back(noise):
    zuna = find("zuna")[1]
    assert check_recording(noise(), zuna).finding("not_undone") is None
    assert "filter" in sentence(check_recording(noise(), zuna, task="reconstruct"), "not_undone")


def test_line_noise_beside_the_notch_comes_with_the_option_that_moves_it(humming, spec):
    verdict = check_recording(humming(50), spec)
    finding = verdict.finding("line_noise")
    assert finding.severity == "warning"
    assert "line noise at 50 Hz" in finding.sentence
    assert "notch is at 60 Hz" in finding.sentence
    assert finding.next == "--line-freq 50"
    again = check_recording(humming(50), spec, line_freq="50")
    assert again.next.endswith("--model luna-base --line-freq 50")
    assert again.finding("line_noise").severity == "ok"
    assert "takes it out (50 Hz)" in again.finding("line_noise").sentence


def test_line_noise_at_the_notch_is_fine_and_without_a_notch_is_a_note(humming, spec):
    path = humming(60)
    assert check_recording(path, spec).finding("line_noise").severity == "ok"
    bare = Recipe("bare", (Step("cut", {"seconds": 5}),))
    assert check_recording(path, spec, recipe=bare).finding("line_noise").severity == "note"


def test_a_slow_recording_is_offered_a_recipe_that_holds(spec, noise, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = [parse_label(label).name for label in TUH_NAMES]
    signal = noise(names=names, sfreq=128.0)
    verdict = check_recording(signal, spec)
    assert verdict.finding("bad_rate").severity == "error"
    write, _, command = verdict.next.partition("; ")
    subprocess.run(["sh", "-c", write.replace("eegora ", f"{sys.executable} -m eegora ", 1)], check=True)
    assert check_recording(signal, spec, recipe=command.partition("--recipe ")[2]).can_run


def test_channels_outside_a_tasks_vocabulary_are_refused_or_dropped(spec, noise):
    signal = noise(names=("Fp1", "Fp2", "AFz", "C3", "C4"))
    verdict = check_recording(signal, spec, recipe="luna-unipolar", task="reconstruct")
    assert "cannot reconstruct AFz" in sentence(verdict, "outside_vocabulary")
    assert verdict.next.endswith("--unknown drop")
    dropped = check_recording(signal, spec, recipe="luna-unipolar", task="reconstruct", unknown="drop")
    assert dropped.can_run
    assert dropped.plan.of("AFz") is None


def test_a_task_that_the_model_has_not_cannot_run(spec, noise):
    verdict = check_recording(noise(), spec, recipe="luna-unipolar", task="dream")
    assert verdict.finding("no_such_task").severity == "error"


def test_an_untrained_task_asks_for_a_checkpoint(spec, noise):
    verdict = check_recording(noise(), spec, recipe="luna-unipolar", task="classify")
    assert "checkpoint of your own" in sentence(verdict, "own_checkpoint")
    assert verdict.answer == "can run with remarks"
    assert verdict.next.endswith("--checkpoint FILE")


def test_embeddings_not_recordings_are_decoded(noise):
    zuna = find("zuna")[1]
    verdict = check_recording(noise(), zuna, task="decode")
    assert (verdict.answer, sentence(verdict, "not_a_recording")) == (
        "cannot run",
        "to decode takes embeddings, not a recording",
    )


def test_a_variants_own_recipe_is_checked(noise):
    spec = find("zuna")[1]
    assert check_recording(noise(), spec, variant="1").recipe == "zuna"
    assert check_recording(noise(), spec, variant="1.1").recipe == "zuna11"


def test_repair_says_what_it_would_fill_and_what_it_refuses(case, noise):
    spec = find("zuna")[1]
    clean = check_recording(noise(), spec, task="repair")
    assert sentence(clean, "nothing_bad").startswith("nothing is marked bad")
    bad = check_recording(noise(bads=("C3",)), spec, task="repair", network=True)
    assert sentence(bad, "windows") == "3 segments of up to 5 s, 6 channels; 3 hold something to fill"
    assert (bad.answer, bad.network.n_windows) == ("can run", 3)
    marked = noise(annotations=(Annotation(6.0, 0.5, "BAD_move"),))
    assert sentence(check_recording(marked, spec, task="repair"), "windows").endswith("1 holds something to fill")
    added = check_recording(noise(), spec, task="upsample")
    assert added.plan.counts()["filled"] == 13
    assert added.next.endswith("--montage 10-20")
    refused = check_recording(case("epochs-epo.fif"), spec, task="repair")
    assert (refused.answer, refused.findings[-1].code) == ("cannot run", "not_continuous")
    lost = check_recording(case("nan_inf.csv"), spec, task="repair")
    assert (lost.answer, sentence(lost, "non_finite")) == ("can run", "samples that are not a number are filled")
    assert not any("interpolated" in f.sentence for f in lost.findings)


def test_a_short_recordings_window_is_as_long_as_it_is(case):
    spec = find("zuna")[1]
    verdict = check_recording(case("uv.csv"), spec)
    assert sentence(verdict, "windows") == "zuna11 makes 2 windows of 5 s: 3 rows × 1280 samples at 256 Hz"
    assert sentence(check_recording(case("ms_time.csv"), spec), "windows").startswith(
        "zuna11 makes 1 window of 2.25 s:"
    )


def test_missing_electrodes_that_are_left_out_are_a_remark(noise):
    verdict = check_recording(noise(), find("eeg-dino")[1])
    assert verdict.answer == "can run with remarks"
    assert sentence(verdict, "missing_electrodes").startswith("not in the recording, and left out: F3, F4, P3, P4")
    assert verdict.plan.counts() == {"kept": 6, "missing": 13}


def test_what_does_not_exist_is_the_users_mistake(spec, noise):
    for options in ({"recipe": "luna-mars"}, {"variant": "giant"}, {"missing": "magic"}):
        with pytest.raises(UsageError):
            check_recording(noise(), spec, **options)


def test_numbers_are_those_of_the_prepared_windows(case, spec):
    signal, _ = load_signal(case("tuh_ref.edf"))
    windows = prepare(signal, find_recipe(spec))
    verdict = check_recording(case("tuh_ref.edf"), spec)
    assert verdict.numbers["input_shape"] == list(windows.data.shape)
    assert verdict.numbers["input_std"] == pytest.approx(float(windows.data.std()))
    assert verdict.numbers["input_bytes"] == windows.data.nbytes
    assert verdict.plan == windows.plan


@pytest.mark.parametrize("reject", [False, True])
@pytest.mark.parametrize(("sfreq", "rate"), [(128.0, None), (128.0, 100.0), (250.0, 256.0)])
def test_windows_of_a_long_recording_are_counted_without_preparing_it(monkeypatch, tmp_path, spec, sfreq, rate, reject):
    raw = synthetic_raw(333, 0, ch_names=["Fp1", "Cz", "Oz"], sfreq=sfreq)
    raw.set_annotations(mne.Annotations([10, 200, 300], [1, 13, 5], ["BAD_x", "BAD_ACQ_SKIP", "BAD_y"]))
    raw._data[:, round(200 * sfreq) : round(213 * sfreq)] = 0
    path = tmp_path / "long_raw.fif"
    save_raw(raw, path)
    resample = (Step("resample", {"rate": rate}),) if rate else ()
    recipe = Recipe("own", (*resample, Step("cut", {"seconds": 4, "reject_by_annotation": reject})))
    whole = check_recording(path, spec, recipe=recipe)
    monkeypatch.setattr(looking, "MOST_VALUES", 20_000)
    part = check_recording(path, spec, recipe=recipe)
    assert part.windows == whole.windows
    assert whole.windows.n_windows == len(prepare(load_signal(path)[0], recipe))
    assert part.numbers["seconds_looked_at"] < whole.numbers["seconds_looked_at"]


def test_one_look_serves_many_models_and_changes_nothing(case, spec):
    look = look_at(case("tuh_ref.edf"))
    before = look.signal.data.copy()
    first, second = check_recording(look, spec), check_recording(look, spec, recipe="luna-unipolar")
    assert np.array_equal(look.signal.data, before)
    assert replace(first, next="") == replace(check_recording(case("tuh_ref.edf"), spec), next="")
    assert second.recipe == "luna-unipolar"


def test_a_check_needs_no_torch(case):
    program = (
        "import sys\nfrom eegora import registry\nfrom eegora.check.fit import check_recording\n"
        f"v = check_recording({str(case('tuh_ref.edf'))!r}, registry.find('luna')[1])\n"
        "assert v.can_run and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def long_look(spec, n_times, recipe=None):
    """What is said of a minute of EEG if it were the beginning of a long recording."""
    look = look_at(synthetic_raw(60, sfreq=512))
    return check_recording(replace(look, n_times=n_times), spec, recipe=recipe)


def test_a_day_goes_in_pieces_and_says_what_they_take(spec):
    day = 24 * 3600 * 512
    verdict = long_look(spec, day)
    samples, windows = day * 21 * 8 / 1e9, 24 * 720 * 22 * 1280 * 4
    told = f"{samples:.3g} GB of samples are worked through in pieces, with {windows / 1e9:.3g} GB of temporary files (--temp)"
    assert sentence(verdict, "size") == told
    assert verdict.numbers["temporary_bytes"] == windows
    assert sentence(verdict, "resample").startswith("resample: blocks")


def test_a_night_needs_room_for_channels_that_are_transformed_as_a_whole(spec):
    night = 8 * 3600 * 512
    verdict = long_look(spec, night)
    assert verdict.numbers["temporary_bytes"] == night * 21 * 8 + 8 * 720 * 22 * 1280 * 4
    assert verdict.finding("resample") is None


def test_what_a_first_pass_finds_does_not_change_what_the_pieces_take(spec):
    recipe, night = find_recipe(spec, None), 8 * 3600 * 512
    detecting = long_look(spec, night, recipe.with_options("notch", freqs=(), detect=True))
    assert sentence(detecting, "size") == sentence(long_look(spec, night), "size")


def test_a_short_recording_says_nothing_of_its_size(spec, case):
    verdict = check_recording(case("tuh_ref.edf"), spec)
    assert verdict.finding("size") is None
    assert verdict.numbers["temporary_bytes"] == 0


def test_epochs_that_are_refused_are_told_what_else_works(spec, noise):
    parts = tuple(noise(("Fp1", "Fp2", "C3", "C4", "O1", "O2"), seconds=6.0) for _ in range(15))
    trials = Trials(parts, np.arange(15) * 6.0, flags=(("epoch:0",),) * 15)
    verdict = check_recording(trials, spec)
    assert not verdict.can_run
    assert "--recipe luna-unipolar" in verdict.next


def test_annotated_windows_of_epochs_are_counted(spec, noise):
    bad = noise(seconds=6.0, annotations=(Annotation(1.0, 0.5, "BAD_x"),))
    trials = Trials((bad, noise(seconds=6.0)), np.array([0.0, 6.0]))
    assert check_recording(trials, spec, recipe="luna-unipolar").windows.n_annotated == 1
    windows = check_recording(trials, spec, recipe="luna-unipolar", reject_annotated=True).windows
    assert (windows.n_windows, windows.n_dropped, windows.n_annotated) == (1, 1, 0)


@pytest.mark.parametrize(("option", "value"), [("line_freq", "50"), ("reject_annotated", True)])
def test_what_repair_does_not_take_is_refused_here_too(noise, option, value):
    with pytest.raises(UsageError, match=f"--{option.replace('_', '-')} is not for repair"):
        check_recording(noise(), find("zuna")[1], task="repair", **{option: value})


def test_a_recipe_without_a_notch_says_that_nothing_moved(noise):
    verdict = check_recording(noise(), find("eegpt")[1], line_freq="50")
    assert sentence(verdict, "line_freq").endswith("recipe eegpt has no notch, no line was taken out")
    assert check_recording(noise(), find("eegpt")[1], line_freq="off").finding("line_freq") is None


def test_too_few_electrodes_are_told_neither_splines_nor_to_ask_again(noise):
    few = check_recording(noise(("Fp1", "Fp2", "C3")), find("eeg-dino")[1]).finding("missing_electrodes")
    enough = check_recording(noise(), find("eeg-dino")[1]).finding("missing_electrodes")
    assert few.next.startswith("--missing nearest fills")
    assert enough.next.startswith("--missing spline fills")
    assert check_recording(noise(("Cz",)), find("eegpt")[1]).next == "give a recording with more electrodes"
