"""EEGPT's recipes: what they make of a recording, and each downstream task from recording to probabilities."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from eegora.errors import ChannelError
from eegora.models.eegpt.spec import DOWNSTREAM, RECIPES, VOCABULARY
from eegora.preparation import Preparation
from eegora.recipes.prepare import prepare
from eegora.recipes.recipe import Recipe
from eegora.recipes.steps import STEPS
from eegora.recordings.read import array_to_signal, to_signal
from eegora.recordings.synthetic import synthetic_raw
from tests.models.eegpt.sizes import SMALL, model, recording, task_config, windows

PREPROCESSING = Path(__file__).parents[2] / "data" / "recipes" / "preprocessing.safetensors"
BY_NAME = {recipe.name: recipe for recipe in RECIPES}
SECONDS = {"bcic2a": 130, "bcic2b": 20, "sleepedf": 70, "tuab": 25}


def test_the_recipe_of_pretraining():
    raw = synthetic_raw(9, 1, sfreq=250)
    made = prepare(to_signal(raw), BY_NAME["eegpt"])
    assert made.data.shape == (2, 19, 1024)
    assert set(made.ch_names) <= set(VOCABULARY)
    assert "T7" in made.ch_names
    assert made.plan.of("T7").sources == ("EEG T3-REF",)
    assert {u.sources[0] for u in made.plan.uses if u.action == "dropped"} == {"EEG A1-REF", "EEG A2-REF"}
    np.testing.assert_allclose(made.data.mean(1), 0, atol=1e-6)
    volts = made.to_volts()
    assert 1e-6 < volts.std() < 1e-4
    assert 1e-3 < made.data.std() < 1


def test_a_recording_of_derivations_is_refused():
    with pytest.raises(ChannelError):
        prepare(to_signal(synthetic_raw(9, 1, ch_names=("Fp1-F7", "F7-T3"))), BY_NAME["eegpt"])


def test_tuab_against_the_vectors():
    """Three of the 23 channels, as the file has them."""
    vectors = load_file(PREPROCESSING)
    names = ["Fp1", "Fp2", "F3"]
    signal = array_to_signal(vectors["eegpt_tuab.input"], names, 250.0, unit="V")
    made = prepare(signal, BY_NAME["eegpt-tuab"].with_options("pick", names=names))
    wanted = vectors["eegpt_tuab.windows"]
    assert len(made) == vectors["eegpt_tuab.n_windows"]
    np.testing.assert_allclose(made.data[[0, 1]], wanted, atol=2e-6 * np.abs(wanted).max())


@pytest.mark.parametrize("name", DOWNSTREAM)
def test_a_task_from_recording_to_probabilities(name):
    task = DOWNSTREAM[name]
    ready = model(**task_config(name))
    assert ready.config["recipe"] == name
    raw = recording(name, SECONDS.get(name, 12))
    found = ready.classify(raw, Preparation(recipe=f"eegpt-{name}"), classes=task.classes)
    assert found.logits.shape == (len(found), len(task.classes))
    assert len(found) > 1
    assert np.isfinite(found.logits).all()
    assert np.unique(found.logits[:, 0]).size == len(found)
    if len(task.classes) > 1:
        np.testing.assert_allclose(found.probabilities.sum(-1), 1, atol=1e-6)


@pytest.mark.parametrize("over", ["predictor", "reconstructor"])
def test_the_classifiers_tail_from_recording_to_probabilities(over):
    """The tail over time on the pre-trained predictor or reconstructor takes the recipe of pre-training."""
    head = {"head": over, "cls_tokens": [over], "n_outputs": 3, "head_width": SMALL["embed_dim"]}
    ready = model(predictor_depth=2, reconstructor_depth=2, **head)
    found = ready.classify(synthetic_raw(9, 1, sfreq=250), classes=("a", "b", "c"))
    assert found.logits.shape == (2, 3)
    assert np.unique(found.logits[:, 0]).size == 2
    np.testing.assert_allclose(found.probabilities.sum(-1), 1, atol=1e-6)


def test_every_task_has_its_recipe_first_comes_pretraining():
    assert [recipe.name for recipe in RECIPES] == ["eegpt", *(f"eegpt-{name}" for name in DOWNSTREAM)]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("bcic2a", lambda x: x),
        ("bcic2b", lambda x: x / 10),
        ("physiop300", lambda x: (x - x.mean(1, keepdims=True))[:, [0, 32, 33]]),
        ("kaggleern", lambda x: ((x - x.mean(1, keepdims=True)) / 10)[..., np.arange(512) * 400 // 512]),
        ("sleepedf", lambda x: (x - x.mean(1, keepdims=True))[..., np.arange(7680) * 3000 // 7680]),
        ("tuab", lambda x: x),
    ],
)
def test_what_the_forward_pass_does_first(name, wanted):
    task = DOWNSTREAM[name]
    n_times = {"kaggleern": 400, "sleepedf": 3000}.get(name, 128)
    state = given = windows(task.rows, n_times=n_times)
    for step in task.forward:
        state = STEPS[step.name].function(state, **step.options)
    found = state.data[:, :3] if name == "physiop300" else state.data
    np.testing.assert_allclose(found, wanted(given.data), atol=1e-5)


def test_electrodes_outside_the_62_names_are_dropped_for_that_reason_and_kept_without_the_list():
    """What the guide says about interpolating from all of a cap."""
    raw = synthetic_raw(9, 0, ch_names="Fp1 Fp2 AFz TP9 TP10 Cz Pz Oz Iz".split())
    plain = prepare(to_signal(raw), BY_NAME["eegpt"])
    dropped = {use.sources[0]: use.reason for use in plain.plan.uses if use.action == "dropped"}
    assert dropped == dict.fromkeys(("AFz", "TP9", "TP10", "Iz"), "not among the recipe's 62 electrodes")
    text = "".join(line for line in BY_NAME["eegpt"].to_toml().splitlines(True) if not line.startswith("names = "))
    every = prepare(to_signal(raw), Recipe.from_toml(text))
    assert every.ch_names == tuple(raw.ch_names)
    packed = model(fields={"interpolation": "name_match"}).inputs(every)
    assert packed["matrix"].shape[1:] == (62, 9)
    assert packed["matrix"][0, VOCABULARY.index("TP7"), 3] != 0  # next to TP9
