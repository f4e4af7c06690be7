"""A recipe as data: what is refused, what survives a trip through text, what importing one costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from eegora.errors import UsageError
from eegora.recipes.prepare import prepare
from eegora.recipes.recipe import Recipe, Step
from eegora.recipes.steps import STEPS
from eegora.signal import Signal
from tests.recipes.known import LUNA, RECIPES, ZUNA

CUT = Step("cut", {"seconds": 2})


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=list(RECIPES))
def test_a_recipe_survives_toml(recipe: Recipe, tmp_path: Path) -> None:
    described = Recipe(recipe.name, (*recipe.steps, Step("clip", {"limit": 1.0}, 'says "7\\8"')), "a\ttitle")
    assert Recipe.from_toml(described.to_toml()) == described
    path = tmp_path / "mine.toml"
    path.write_text(recipe.to_toml(), encoding="utf-8")
    assert Recipe.from_toml(path) == recipe
    assert Recipe.from_toml(str(path)) == recipe


def test_the_fingerprint_follows_the_options_not_their_order() -> None:
    a = Recipe("r", (Step("cut", {"seconds": 2, "every": 1}),))
    b = Recipe("r", (Step("cut", {"every": 1, "seconds": 2}),))
    assert a.sha256 == b.sha256
    assert a.with_options("cut", every=2).sha256 != a.sha256
    assert len(a.sha256) == 64


def test_options_can_be_changed_and_taken_out() -> None:
    changed = LUNA.with_options("notch", freqs=50.0).with_options("resample", truncate=None)
    assert dict(changed.steps[2].options) == {"freqs": 50.0}
    assert dict(changed.steps[3].options) == {"rate": 256}
    assert dict(LUNA.steps[2].options) == {"freqs": 60.0}


def test_describe_gives_one_row_per_step() -> None:
    rows = Recipe("r", (Step("filter", {"l_freq": 0.5}, "paper, 3.1"), CUT)).describe()
    assert rows == [("filter", "l_freq = 0.5", "paper, 3.1"), ("cut", "seconds = 2", "")]
    assert str(ZUNA).startswith("zuna: pick → resample → filter")


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ((Step("scale", {"unit": "uV"}),), "0 cut steps"),
        ((CUT, CUT), "2 cut steps"),
        ((Step("filtre"), CUT), "filter"),
        ((Step("filter", {"lfreq": 1}), CUT), "l_freq"),
        ((Step("baseline"), CUT), "baseline stands before the cut"),
        ((CUT, Step("divide")), "lacks its option by"),
    ],
)
def test_what_is_no_recipe_is_refused(steps: tuple[Step, ...], says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        Recipe("r", steps).checked()
    assert caught.value.code == "bad_recipe"
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("text", ["name = ", 'name = "x"', 'name = "x"\n[[steps]]\nrate = 1\n', "steps = 3\nname = 1"])
def test_text_that_is_no_recipe_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Recipe.from_toml(text)
    assert caught.value.code == "bad_recipe"


def test_a_missing_recipe_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.toml"):
        Recipe.from_toml(tmp_path / "gone.toml")


def test_an_unknown_step_to_change_lists_near_ones() -> None:
    with pytest.raises(UsageError, match="resample"):
        ZUNA.with_options("resampel", rate=200)


def test_a_value_that_toml_cannot_hold_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot hold"):
        Recipe("r", (Step("cut", {"seconds": object()}),)).to_toml()


def test_every_step_says_what_it_does() -> None:
    for name, info in STEPS.items():
        assert len(info.summary) > 20, name
        assert info.where in ("before", "after", "both", "cut"), name


def test_a_recipe_is_cheap_to_import() -> None:
    code = (
        "import sys; from eegora.recipes.recipe import Recipe, Step; Recipe('r', (Step('cut', {'seconds': 1}),)).checked();"
        "print(sorted({'scipy', 'mne', 'torch', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_recipe_says_what_stands_where_and_how_long_its_windows_are() -> None:
    pick, rate, high = Step("pick"), Step("resample", {"rate": 100}), Step("filter", {"l_freq": 1.0})
    for cut in (Step("cut", {"samples": 250}), Step("cut_events", {"samples": 250, "events": ["left"]})):
        recipe = Recipe("r", (Step("zero"), pick, rate, cut, high, Step("resample", {"rate": 50})))
        assert recipe.before == (Step("zero"), pick, rate)
        assert recipe.cut == cut
        assert recipe.behind == (high, Step("resample", {"rate": 50}))
        assert recipe.limiting == (pick, rate)
        assert recipe.window_seconds == 2.5
    assert Recipe("r", (rate, CUT)).window_seconds == 2
    assert Recipe("r", (Step("cut", {"samples": 250}), rate)).window_seconds is None


def test_windows_begin_every_so_many_seconds_but_not_at_events() -> None:
    assert Recipe("r", (CUT,)).every(0.5).steps[0].options == {"seconds": 2, "every": 0.5}
    events = Recipe("r", (Step("cut_events", {"seconds": 2, "events": ["left"]}),))
    with pytest.raises(UsageError, match="at events"):
        events.every(0.5)


def test_windows_less_than_a_sample_apart_are_refused() -> None:
    signal = Signal(np.random.RandomState(0).standard_normal((2, 1000)), ("Cz", "Pz"), np.zeros((2, 3)), 256.0)
    with pytest.raises(UsageError, match="do not advance"):
        prepare(signal, Recipe("r", (CUT,)).every(0.003))
    onsets = prepare(signal, Recipe("r", (CUT,)).every(1 / 256)).onsets
    assert len(set(onsets.tolist())) == len(onsets)
