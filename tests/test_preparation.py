"""What options change of a recipe, and what every result says of the recording: the same by hand, by command and by `check`."""

import json

import mne
import numpy as np
import pytest

from eegora.check.fit import check_recording
from eegora.cli.main import main
from eegora.errors import UsageError
from eegora.preparation import Preparation
from eegora.recordings.synthetic import synthetic_raw
from eegora.recordings.write import save_raw
from eegora.registry import find
from tests.models.test_every_model import tiny_model

MOVES = "line noise at 50 Hz is still there: the notch is at 60 Hz; --line-freq 50 moves it (in Python line_freq=50)"
USED = (
    "2 windows overlap stretches annotated as bad, and are used; --reject-annotated leaves them out as windows are made"
)


@pytest.fixture(scope="module")
def raw():
    """A TUH cap near 50 Hz mains with two marked stretches."""
    raw = synthetic_raw(30, 0, sfreq=256)
    raw._data += 20e-6 * np.sin(2 * np.pi * 50 * raw.times)
    raw.set_annotations(mne.Annotations([7.0, 22.0], [0.5, 0.5], ["BAD_move", "bad"]))
    return raw


def said(windows, beginning):
    return [note for note in windows.notes if note.startswith(beginning)]


def test_what_matters_for_the_numbers_is_noted_and_goes_by_its_option(raw):
    model = tiny_model("luna")
    plain = model.prepare(raw)
    assert said(plain, "line noise") == [MOVES]
    assert [note.partition(" (in")[0] for note in said(plain, "2 windows")] == [USED]
    better = model.prepare(raw, Preparation(line_freq=50, reject_annotated=True))
    assert not said(better, "line noise")
    assert not said(better, "2 windows")
    assert (len(plain), len(better)) == (6, 4)
    assert better.index.tolist() == [0, 2, 3, 5]
    assert "freqs = [50.0]" in better.recipe
    assert "reject_by_annotation = true" in better.recipe
    assert better.choices["line_freq"] == 50
    assert better.choices["reject_annotated"] is True
    assert "freqs = []" in model.prepare(raw, Preparation(line_freq="off")).recipe


def test_the_default_is_the_recipes_number(raw):
    model = tiny_model("luna")
    same = model.prepare(raw, Preparation(line_freq=60))
    np.testing.assert_array_equal(same.data, model.prepare(raw).data)
    assert "freqs = [60.0]" in same.recipe


def test_a_recipe_without_a_notch_says_that_nothing_moved(raw):
    windows = tiny_model("eegpt").prepare(raw, Preparation(line_freq=50))
    assert said(windows, "line_freq") == ["line_freq 50: recipe eegpt has no notch, no line was taken out"]


def test_another_line_is_refused():
    with pytest.raises(UsageError, match="line_freq = 55 came, wanted 50, 60 or off"):
        Preparation(line_freq=55).applied(find("luna-base")[1].recipes[0])


def test_check_recommends_the_options_and_is_content_with_them(raw):
    spec = find("luna-base")[1]
    plain = check_recording(raw, spec)
    assert plain.finding("line_noise").next == "--line-freq 50"
    assert plain.finding("annotated_windows").next.startswith("--reject-annotated")
    better = check_recording(raw, spec, line_freq="50", reject_annotated=True)
    assert better.finding("line_noise").severity == "ok"
    assert better.finding("annotated_windows") is None
    assert better.next.endswith("--line-freq 50 --reject-annotated")


@pytest.mark.parametrize("model", ["luna", "eeg_dino", "eegpt"])
def test_to_classify_with_the_default_recipe_names_those_of_fine_tuning(raw, model):
    tiny = tiny_model(model)
    spec = tiny.spec
    assert set(spec.finetuned) <= {recipe.name for recipe in spec.recipes}
    doubt = f"prepared by the default recipe {spec.recipes[0].name}: a fine-tuned model wants"
    (note,) = said(tiny.prepare(raw, task="classify"), "prepared by")
    assert note.startswith(doubt)
    assert all(name in note for name in spec.finetuned)
    assert not said(tiny.prepare(raw, Preparation(recipe=spec.recipes[0].name), task="classify"), "prepared by")
    assert not said(tiny.prepare(raw), "prepared by")
    finding = check_recording(raw, spec, task="classify").finding("default_recipe")
    assert finding.sentence.startswith(doubt)
    assert check_recording(raw, spec, task="classify", recipe=spec.recipes[0].name).finding("default_recipe") is None


def test_commands_take_the_options(raw, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_raw(raw, tmp_path / "a_raw.fif")
    words = ["recipe", "run", "a_raw.fif", "--recipe", "luna-tuab", "--json"]
    assert main([*words, "-o", "plain.npz"]) == 0
    plain = json.loads(capfd.readouterr().out)
    assert MOVES in plain["notes"]
    options = ["--line-freq", "50", "--reject-annotated"]
    assert main([*words, "-o", "better.npz", *options]) == 0
    better = json.loads(capfd.readouterr().out)
    assert (plain["shape"][0], better["shape"][0]) == (6, 4)
    assert not any("50 Hz" in note or ("annotated" in note and "used" in note) for note in better["notes"])
    embed = ["embed", "a_raw.fif", "--model", "luna-base", "--untrained", "-o", "x.npz", "--json", *options]
    assert main(embed) == 0
    assert json.loads(capfd.readouterr().out)["shape"]["window"] == 4
    assert main([*words, "-o", "z.npz", "--line-freq", "55"]) == 2
    assert "wanted 50, 60 or off" in capfd.readouterr().err
