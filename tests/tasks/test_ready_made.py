"""Windows that come ready-made: choices that come too late are refused, and another model's recipe is said."""

import pytest

from eegora.errors import UsageError
from eegora.preparation import Preparation
from eegora.recordings.synthetic import synthetic_raw
from eegora.results.windows import save_windows
from tests.models.test_every_model import tiny_model

HOW = Preparation(recipe="luna-unipolar", line_freq=50, every=2, exclude=["F3"], missing="skip", unknown="drop")


@pytest.fixture(scope="module")
def windows():
    return tiny_model("luna").prepare(synthetic_raw(12, 0), HOW)


@pytest.mark.parametrize(
    "choice",
    [
        {"line_freq": 60},
        {"every": 3},
        {"units": "uV"},
        {"recipe": "luna-tuab"},
        {"exclude": ["F4"]},
        {"missing": "zero"},
        {"reject_annotated": True},
        {"rename": {"A": "Cz"}},
        {"channels": "Cz"},
    ],
)
def test_what_asks_for_other_windows_comes_too_late(windows, tmp_path, choice):
    model, (name,) = tiny_model("luna"), choice
    save_windows(tmp_path / "w.npz", windows)
    for source in (windows, tmp_path / "w.npz", str(tmp_path / "w.npz")):
        with pytest.raises(UsageError, match=rf"comes too late \(in Python {name}=\)"):
            model.embed(source, Preparation(**choice))


def test_what_they_were_made_with_may_be_said_again(windows, tmp_path):
    model = tiny_model("luna")
    save_windows(tmp_path / "w.npz", windows)
    for source in (windows, tmp_path / "w.npz"):
        assert len(model.embed(source, HOW)) == len(windows)


def test_unknown_has_a_say_only_where_the_task_has_a_vocabulary(windows):
    plain = tiny_model("luna").prepare(synthetic_raw(12, 0))
    with pytest.raises(UsageError, match="--unknown comes too late"):
        tiny_model("luna").prepare(plain, Preparation(unknown="drop"))
    own = tiny_model("eegpt").prepare(synthetic_raw(12, 0))
    assert len(tiny_model("eegpt").prepare(own, Preparation(unknown="drop"))) == len(own)


def test_another_models_recipe_is_said_once():
    def said(model, source):
        return [note for note in model.prepare(source).notes if "which made these windows" in note]

    eegpt = tiny_model("eegpt")
    windows = tiny_model("luna").prepare(
        synthetic_raw(12, 0), Preparation(recipe="luna-unipolar", exclude=["A1", "A2"])
    )
    (note,) = said(eegpt, windows)
    assert note.startswith("recipe luna-unipolar, which made these windows, is LUNA's: EEGPT was trained on others")
    assert said(eegpt, eegpt.prepare(windows)) == [note]
    assert said(tiny_model("luna"), windows) == []
