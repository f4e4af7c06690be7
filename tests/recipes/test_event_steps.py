"""The cut at events: where windows begin, which annotations count, what is refused. MNE's epochs hold the same samples."""

import mne
import numpy as np
import pytest

from eegora.errors import RecordingError, UsageError
from eegora.recipes.event_steps import cut_events
from eegora.recipes.prepare import prepare
from eegora.recipes.recipe import Recipe, Step
from eegora.registry import find
from eegora.signal import Annotation
from tests.recipes.test_steps import recording

EVENTS = (
    Annotation(4.003, 0.0, "left"),
    Annotation(2.5, 1.0, "right/hand"),
    Annotation(9.9, 0.0, "left"),
    Annotation(0.1, 0.0, "left"),
    Annotation(7.0, 0.2, "BAD_move"),
    Annotation(6.5, 0.0, "left"),
)


def signal():
    return recording("Fp1 Fp2 Cz", 10.0, 250.0, annotations=EVENTS)


def test_windows_are_those_of_mne():
    windows = cut_events(signal(), events=["left", "right/hand"], samples=251, tmin=-0.2)
    raw = mne.io.RawArray(signal().data, mne.create_info(3, 250.0, "eeg"), verbose="error")
    raw.set_annotations(mne.Annotations(*zip(*((a.onset, a.duration, a.text) for a in EVENTS), strict=True)))
    events, ids = mne.events_from_annotations(raw, {"left": 1, "right/hand": 2}, verbose="error")
    epochs = mne.Epochs(
        raw, events, ids, tmin=-0.2, tmax=0.8, baseline=None, reject_by_annotation=False, preload=True, verbose="error"
    )
    np.testing.assert_array_equal(windows.data, epochs.get_data(copy=False))
    np.testing.assert_allclose(windows.onsets, epochs.events[:, 0] / 250 - 0.2, atol=1e-12)
    assert [flags[0] for flags in windows.flags] == ["event:right/hand", "event:left", "event:left"]
    assert windows.notes == ("2 of 5 events are too near to the ends of the recording",)


def test_a_star_stands_for_anything_and_rejection_works_as_on_the_grid():
    windows = cut_events(signal(), events="*", seconds=1.0, reject_by_annotation=True)
    assert [flag for flags in windows.flags for flag in flags] == ["event:left", "event:right/hand", "event:left"]
    np.testing.assert_array_equal(windows.onsets, [0.1, 2.5, 4.004])
    assert windows.notes[-1] == "2 of 5 windows dropped, they overlap BAD_move"


def test_unknown_events_are_refused_with_those_there_are():
    with pytest.raises(RecordingError, match="no annotation 'lefd'; it has left, right/hand, BAD_move") as refused:
        cut_events(signal(), events=("lefd",), seconds=1.0)
    assert refused.value.code == "no_events"
    assert "left" in refused.value.hint
    with pytest.raises(RecordingError, match="none of its 1 events leaves room for 9 s"):
        cut_events(signal(), events="right/hand", seconds=9.0)
    with pytest.raises(UsageError, match="seconds or samples"):
        cut_events(signal(), events="left", seconds=1.0, samples=250)
    with pytest.raises(UsageError, match="wanted 1 or more"):
        cut_events(signal(), events="left", samples=0)


def test_a_recipe_at_events_survives_toml_and_follows_the_rate():
    grid = Recipe(
        "grid", (Step("resample", {"rate": 200.0}), Step("cut", {"seconds": 1.0, "every": 0.5}), Step("baseline"))
    )
    recipe = grid.at_events(["left"], tmin=-0.05)
    assert Recipe.from_toml(recipe.to_toml()) == recipe
    windows = prepare(signal(), recipe)
    assert windows.data.shape == (3, 3, 200)
    np.testing.assert_allclose(windows.onsets, [0.05, 3.955, 6.45], atol=1e-12)
    with pytest.raises(UsageError, match="cut_events: events = 3"):
        Recipe.from_toml(recipe.to_toml().replace('events = ["left"]', "events = 3"))


@pytest.mark.parametrize("sfreq", [255.8, 256.3, 256.0])
def test_at_events_windows_are_as_long_as_on_the_grid(sfreq):
    """Rates that round to 256 Hz are counted as 256 Hz, in whole tokens; the event keeps its own time."""
    signal = recording("Fp1 Fp2 Cz", 20.0, sfreq, annotations=(Annotation(8.0, 0.0, "left"),))
    recipe = find("zuna")[1].recipes[0]
    grid, locked = prepare(signal, recipe), prepare(signal, recipe.at_events("left", tmin=-0.5))
    assert locked.data.shape == (1, 3, 1280) == (1, *grid.data.shape[1:])
    assert locked.onsets[0] == pytest.approx(7.5, abs=0.6 / sfreq)
    again = recipe.at_events("left").at_events("left")
    assert again == recipe.at_events("left"), "another event takes the same windows"
