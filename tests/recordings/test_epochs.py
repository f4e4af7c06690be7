"""Epochs, as objects and from files: trials of one recording, where steps behind the cut see all of them."""

from dataclasses import replace

import mne
import numpy as np
import pytest

from eegora.errors import RecordingError
from eegora.recipes.prepare import prepare
from eegora.recipes.recipe import Recipe, Step
from eegora.recipes.value_steps import align
from eegora.recordings.source import as_recording, as_signal, marked_bad, prepare_source, without
from eegora.signal import Annotation, Trials
from eegora.windows import join

NAMES = ["Fp1", "Fp2", "C3", "C4", "EOG1"]
CUT = Step("cut", {"seconds": 1.0})


def epochs(n=4, seconds=2.0, sfreq=200.0):
    """Epochs with a time: cut from a Raw at 1 s, 3.5 s, 6 s, …"""
    n_times = round((2.5 * n + seconds + 1) * sfreq)
    data = np.random.default_rng(0).standard_normal((5, n_times)) * 20e-6
    raw = mne.io.RawArray(data, mne.create_info(NAMES, sfreq, ["eeg"] * 4 + ["eog"]), verbose="error")
    raw.info["bads"] = ["C4"]
    events = np.array([[round((1 + 2.5 * i) * sfreq), 0, 1] for i in range(n)])
    return mne.Epochs(raw, events, tmin=0, tmax=seconds - 1 / sfreq, baseline=None, preload=True, verbose="error")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "trials-epo.fif"
    epochs().save(path, verbose="error")
    return path


def test_epochs_become_trials_with_their_own_times():
    trials = as_recording(epochs())
    assert isinstance(trials, Trials)
    assert (len(trials.parts), trials.ch_names, trials.sfreq, trials.seconds) == (4, ("Fp1", "Fp2", "C3", "C4"), 200, 8)
    np.testing.assert_array_equal(trials.onsets, [1, 3.5, 6, 8.5])
    np.testing.assert_array_equal(trials.parts[2].data, epochs().get_data(copy=False)[2, :4])
    assert trials.parts[0].bads == ("C4",)


def test_a_file_of_epochs_is_taken_where_the_windows_fit(file):
    recipe = Recipe("two", (CUT, Step("baseline")))
    windows = prepare_source(file, lambda part: prepare(part, recipe), exclude=["Fp2"])
    assert windows.data.shape == (8, 3, 200)
    np.testing.assert_array_equal(windows.onsets, [1, 2, 3.5, 4.5, 6, 7, 8.5, 9.5])
    np.testing.assert_array_equal(windows.index, np.arange(8))
    same = prepare(without(as_recording(epochs()), ["Fp2"]), recipe)
    np.testing.assert_allclose(windows.data, same.data, atol=1e-11)
    assert windows.name == "trials-epo.fif"
    assert windows.bads == ("C4",)


def test_epochs_shorter_than_a_window_are_refused_as_not_continuous(file):
    recipe = Recipe("long", (Step("cut", {"seconds": 5.0}),))
    with pytest.raises(
        RecordingError, match="holds epochs, not a continuous recording: 2 s each, wanted at least 5 s"
    ) as refused:
        prepare(as_recording(file), recipe)
    assert refused.value.code == "not_continuous"


def test_steps_behind_the_cut_see_the_windows_of_all_epochs():
    windows = prepare(as_recording(epochs()), Recipe("aligned", (CUT, Step("align"))))
    plain = prepare(as_recording(epochs()), Recipe("plain", (CUT,)), watch=lambda step, state: None)
    trials = [part.data for part in as_recording(epochs()).parts]
    cut = np.stack([part[:, k * 200 : (k + 1) * 200] for part in trials for k in range(2)])
    spread = np.mean(cut @ cut.swapaxes(1, 2), axis=0)
    values, vectors = np.linalg.eigh(spread)
    expected = (vectors / np.sqrt(values)) @ vectors.T @ cut
    np.testing.assert_allclose(windows.data, expected, atol=1e-5)
    np.testing.assert_allclose(align(plain).data, expected, atol=1e-4)


def test_one_loud_epoch_is_dropped_and_the_others_stay():
    loud = epochs()
    loud._data[1, :3] *= 100
    windows = prepare(as_recording(loud), Recipe("quiet", (CUT, Step("reject", {"limit_uv": 500.0}))))
    np.testing.assert_array_equal(windows.onsets, [1, 2, 6, 7, 8.5, 9.5])
    assert "2 of 8 windows dropped at 500 µV" in windows.notes


def test_a_dropped_window_leaves_its_number_out_and_no_two_share_one():
    trials = as_recording(epochs(n=3))
    early, late = Annotation(0.2, 0.1, "BAD_move"), Annotation(1.2, 0.1, "BAD_move")
    parts = [replace(part, annotations=(bad,)) for part, bad in zip(trials.parts, (early, late, early), strict=True)]
    recipe = Recipe("clean", (Step("cut", {"seconds": 1.0, "reject_by_annotation": True}),))
    windows = prepare(replace(trials, parts=tuple(parts)), recipe)
    np.testing.assert_array_equal(windows.onsets, [2, 3.5, 7])
    np.testing.assert_array_equal(windows.index, [1, 2, 5])


def test_windows_of_trials_keep_their_own_missing_cells():
    first = prepare(as_recording(epochs()), Recipe("plain", (CUT,)))
    nothing, some = first.take([0, 1]), np.zeros((2, 4, 200), bool)
    some[1, 2] = True
    both = join([nothing, replace(nothing, missing=some)])
    np.testing.assert_array_equal(both.missing, np.concatenate([np.zeros_like(some), some]))


def test_marking_bad_and_wanting_a_continuous_recording():
    trials = marked_bad(as_recording(epochs()), ["Fp1"])
    assert [part.bads for part in trials.parts] == [("C4", "Fp1")] * 4
    for source in (epochs(), trials):
        with pytest.raises(RecordingError, match="wanted a continuous recording") as refused:
            as_signal(source)
        assert refused.value.code == "not_continuous"


def test_windows_say_which_epoch_and_event_they_are_cut_from():
    made = epochs()
    made.events[:, 2] = [1, 2, 2, 1]
    made.event_id = {"left": 1, "right": 2}
    recipe = Recipe("half", (Step("cut", {"seconds": 1.0, "every": 0.5}),))
    windows = prepare(as_recording(made), recipe)
    assert windows.flags[:4] == (("epoch:0", "event:left"),) * 3 + (("epoch:1", "event:right"),)
    assert windows.flags[-1] == ("epoch:3", "event:left")


@pytest.mark.parametrize(
    ("seconds", "lost"), [(2.5, "the last 0.5 s of each epoch of 2.5 s are in no window"), (2.0, None), (2.005, None)]
)
def test_what_is_left_over_of_epochs_is_said(seconds, lost):
    notes = prepare(as_recording(epochs(seconds=seconds)), Recipe("one", (CUT,))).notes
    assert [note for note in notes if "in no window" in note] == ([lost] if lost else [])


def test_epochs_from_a_file_know_its_path(file):
    assert as_recording(file).parts[0].path == str(file)
    assert as_recording(mne.read_epochs(file, verbose="error")).parts[3].path == str(file)
    assert as_recording(epochs()).parts[0].path == ""


@pytest.mark.parametrize("tmin", [0.0, -0.5])
def test_annotations_inside_epochs_drop_their_windows_told_once(tmin):
    raw = mne.io.RawArray(
        np.random.default_rng(0).standard_normal((1, 2400)) * 20e-6,
        mne.create_info(["Cz"], 200, "eeg"),
        verbose="error",
    )
    raw.set_annotations(mne.Annotations([3.1, 5.6, 6.2], [0.2, 0.2, 0.2], ["BAD_x", "BAD_x", "bad y"]))
    events = np.array([[round(at * 200), 0, 1] for at in (1, 3 - tmin, 5.5 - tmin, 9)])  # the second begins at 3 s, …
    options = {"tmin": tmin, "tmax": tmin + 2 - 1 / 200, "baseline": None, "preload": True, "verbose": "error"}
    trials = as_recording(mne.Epochs(raw, events, reject_by_annotation=False, **options))
    np.testing.assert_allclose([a.onset for part in trials.parts for a in part.annotations], [0.1, 0.1, 0.7])
    used = prepare(trials, Recipe("all", (CUT,)))
    hit = [any(flag.startswith("annotated:") for flag in flags) for flags in used.flags]
    assert hit == [False, False, True, False, True, False, False, False]
    kept = prepare(trials, Recipe("clean", (CUT,)).choosing(reject_by_annotation=True))
    np.testing.assert_array_equal(kept.data, used.data[np.logical_not(hit)])
    np.testing.assert_array_equal(kept.onsets, used.onsets[np.logical_not(hit)])
    assert kept.index.tolist() == [0, 1, 3, 5, 6, 7]
    assert [note for note in kept.notes if "dropped" in note] == ["2 of 8 windows dropped, they overlap BAD_x, bad y"]


def test_an_epoch_with_no_window_left_is_left_out_and_none_at_all_is_refused():
    trials = as_recording(epochs(2))
    marked = replace(trials.parts[0], annotations=(Annotation(0, 2, "BAD"),))
    clean = Recipe("clean", (CUT,)).choosing(reject_by_annotation=True)
    assert prepare(replace(trials, parts=(marked, trials.parts[1])), clean).index.tolist() == [2, 3]
    with pytest.raises(RecordingError, match="all 4 windows overlap BAD"):
        prepare(replace(trials, parts=(marked, marked)), clean)


def test_epochs_are_not_cut_at_events_again():
    recipe = Recipe("at", (Step("cut_events", {"events": "left", "seconds": 1.0}),))
    with pytest.raises(RecordingError, match="holds epochs, which are cut at their events already") as refused:
        prepare(as_recording(epochs(2)), recipe)
    assert "a recipe with the step cut" in refused.value.hint
