"""Whole recipes: the way back to volts, inputs left alone, what `missing` and `watch` do, what is refused."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from eegora.errors import ChannelError, RecordingError, UsageError
from eegora.recipes.prepare import prepare
from eegora.recipes.recipe import Recipe, Step
from eegora.recipes.time_steps import cut
from eegora.signal import Annotation, Signal
from eegora.windows import Windows
from tests.recipes.known import EEGDINO, EEGPT, EEGPT_TUAB, LUNA, NINETEEN, RECIPES, TUH, ZUNA, ZUNA11
from tests.recipes.test_steps import recording

LOSSY = ("filter", "notch", "resample", "derive", "clip")
LATE = Recipe(
    "late",
    (
        Step("cut", {"seconds": 5.0}),
        Step("baseline"),
        Step("average_reference", {"over": "all"}),
        Step("scale", {"unit": "uV"}),
    ),
)
NAMES = " ".join([*NINETEEN, "A1", "A2", "T1", "T2"])


def _full(seconds: float = 21.7) -> Signal:
    return recording(NAMES, seconds, 250.0, bads=("C3",), annotations=(Annotation(5.5, 0.1, "BAD_x"),))


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=list(RECIPES))
def test_scale_and_shift_bring_volts_back(recipe: Recipe) -> None:
    undoable = replace(recipe, steps=tuple(step for step in recipe.steps if step.name not in LOSSY))
    if recipe is LUNA:
        undoable = undoable.with_options("zscore", dtype="float64")
    signal = _full()
    last: list[Windows] = []
    windows = prepare(signal, undoable, watch=lambda step, state: last.append(state))
    volts = last[-1].to_volts()
    assert windows.not_undone == ()
    rows = {name.upper(): i for i, name in enumerate(signal.ch_names)}
    for k, name in enumerate(windows.ch_names):
        for i, onset in enumerate(windows.onsets):
            start, n = round(onset * 250), windows.n_valid[i]
            original = signal.data[rows[name.upper()], start : start + n]
            assert np.abs(volts[i, k, :n] - original).max() <= 1e-9 * np.abs(original).max()


def test_the_way_back_is_much_smaller_than_the_windows() -> None:
    windows = prepare(_full(), ZUNA)
    n_windows, n_channels, n_times = windows.data.shape
    assert windows.scale.size == 1
    assert windows.shift.shape == (n_windows, n_channels, n_times)  # C3 is bad: it has no average to add
    windows = prepare(replace(_full(), bads=()), ZUNA)
    assert windows.shift.shape == (n_windows, 1, n_times)
    assert windows.level.shape == (n_windows, n_channels, 1)


def test_a_filter_behind_a_baseline_filters_the_level_too() -> None:
    steps = (Step("cut", {"seconds": 5.0}), Step("baseline"), Step("filter", {"h_freq": 30.0}))
    made: list[Windows] = []
    prepare(_full(), Recipe("late", steps), watch=lambda step, state: made.append(state))
    plain: list[Windows] = []
    prepare(_full(), Recipe("plain", (steps[0], steps[2])), watch=lambda step, state: plain.append(state))
    assert made[1].level.any()
    assert not made[2].level.any()
    np.testing.assert_allclose(made[2].to_volts(), plain[1].data, atol=1e-18)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=list(RECIPES))
def test_no_step_changes_its_input(recipe: Recipe) -> None:
    def frozen(state: Signal | Windows) -> None:
        for field in fields(state):
            value = getattr(state, field.name)
            if isinstance(value, np.ndarray):
                value.setflags(write=False)

    signal = _full()
    frozen(signal)
    prepare(signal, recipe, watch=lambda step, state: frozen(state))


@pytest.mark.parametrize("seconds", [21.7, 400.0], ids=["one block", "blocks"])
@pytest.mark.parametrize("recipe", [*RECIPES.values(), LATE], ids=[*RECIPES, "cut first"])
def test_memory_is_used_again_but_never_the_callers(recipe: Recipe, seconds: float) -> None:
    signal = _full(seconds)
    before = signal.data.copy()
    windows = prepare(signal, recipe)
    assert np.array_equal(signal.data, before)
    step_by_step = prepare(signal, recipe, watch=lambda step, state: None)  # steps that are watched overwrite nothing
    assert np.array_equal(windows.data, step_by_step.data)
    assert np.allclose(windows.to_volts(), step_by_step.to_volts(), rtol=1e-6, atol=1e-12)
    again = prepare(windows, recipe)
    assert np.array_equal(windows.data, step_by_step.data)
    assert again.data.shape == windows.data.shape


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=list(RECIPES))
def test_every_channel_of_the_recording_is_accounted_for(recipe: Recipe) -> None:
    signal = _full()
    plan = prepare(signal, recipe).plan
    found = {label for use in plan.uses for label in use.sources}
    assert found == {f"EEG {name}" for name in signal.ch_names}


def test_recordings_with_the_same_samples_give_the_same_windows_whatever_the_unit_declared() -> None:
    windows = prepare(_full(), ZUNA)
    assert windows.data.dtype == np.float32
    assert windows.data.flags.c_contiguous
    assert 0.05 < windows.data.std() < 0.2
    assert set(windows.not_undone) == {"resample", "filter"}


def test_watch_sees_every_step_in_order() -> None:
    seen: list[str] = []
    prepare(_full(), EEGPT, watch=lambda step, state: seen.append(f"{step.name}:{type(state).__name__}"))
    assert seen == ["pick:Signal", "average_reference:Signal", "resample:Signal", "scale:Signal", "cut:Windows"]


def test_windows_run_through_the_steps_behind_the_cut_only() -> None:
    whole = prepare(_full(), ZUNA11)
    half: list[Signal | Windows] = []
    prepare(_full(), ZUNA11, watch=lambda step, state: half.append(state) if step.name == "cut" else None)
    again = prepare(half[0], ZUNA11)
    np.testing.assert_array_equal(again.data, whole.data)
    assert again.notes[-1].startswith("windows came ready-made: pick, resample, filter, cut did not run")


def test_missing_overrides_the_recipe() -> None:
    signal = recording("Fp1 Fp2 C3", 25.0)
    with pytest.raises(ChannelError) as error:
        prepare(signal, EEGDINO)
    assert error.value.code == "missing_channels"
    assert prepare(signal, EEGDINO, missing="skip").ch_names == ("Fp1", "Fp2", "C3")
    filled = prepare(signal, EEGDINO, missing="zero")
    assert filled.ch_names == NINETEEN
    assert not filled.data[:, 5].any()
    assert prepare(signal, ZUNA, missing="skip").ch_names == signal.ch_names
    with pytest.raises(UsageError, match="spline"):
        prepare(signal, EEGDINO, missing="invent")


def test_a_bipolar_recording_is_matched_by_name() -> None:
    signal = recording("Fp1-F7 F7-T7 T7-P7 P7-O1 Fz-Cz Cz-Pz", 11.0)
    with pytest.raises(ChannelError) as error:
        prepare(signal, LUNA)
    assert error.value.code == "missing_channels"
    windows = prepare(signal, LUNA, missing="skip")
    assert windows.ch_names == ("FP1-F7", "F7-T3", "T3-T5", "T5-O1")
    assert [use.reason for use in windows.plan.uses if use.action == "dropped"] == ["in no derivation"] * 2


def test_a_rate_below_the_band_names_the_option() -> None:
    with pytest.raises(RecordingError, match="h_freq = 75 Hz") as error:
        prepare(recording(" ".join(TUH), 20.0, 128.0), LUNA)
    assert error.value.code == "bad_rate"


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=list(RECIPES))
def test_windows_a_few_at_a_time_are_the_windows_all_at_once(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    signal = _full(60.0)
    whole = prepare(signal, recipe, watch=lambda step, state: None)
    monkeypatch.setattr("eegora.recipes.blocks.BLOCK", 2 * whole.data[0].size)
    parts = prepare(signal, recipe)
    for field in fields(Windows):
        a, b = getattr(parts, field.name), getattr(whole, field.name)
        np.testing.assert_array_equal(a, b) if isinstance(a, np.ndarray) else None
        assert isinstance(a, np.ndarray) or a == b, field.name


def test_a_flat_channel_is_noted_once() -> None:
    signal = _full()
    data = signal.data.copy()
    data[0, :2500] = 1e-5
    recipe = Recipe("r", (Step("cut", {"seconds": 5}), Step("zscore", {"over": "window"})))
    windows = prepare(replace(signal, data=data), recipe)
    assert windows.notes.count("Fp1 is flat in 2 of 4 windows: set to 0") == 1
    assert [flags[-1:] for flags in windows.flags] == [("flat:Fp1",), ("flat:Fp1",), (), ()]


def test_nan_never_comes_out() -> None:
    signal = _full()
    data = signal.data.copy()
    data[4, 100] = np.nan
    with pytest.raises(RecordingError, match="channel C3 has NaN") as error:
        prepare(replace(signal, data=data), EEGPT_TUAB)
    assert error.value.code == "non_finite"


def test_the_rest_of_a_shorter_window_stays_zero() -> None:
    windows = prepare(_full(), ZUNA11)
    assert windows.n_valid[-1] % 32 == 0
    assert 0 < windows.n_valid[-1] < 1280
    assert not windows.data[-1, :, windows.n_valid[-1] :].any()


def test_a_recipe_that_is_wrong_is_refused_before_it_runs() -> None:
    ran: list[Step] = []
    with pytest.raises(UsageError):
        prepare(_full(), Recipe("r", (Step("pick"),)), watch=lambda step, state: ran.append(step))
    assert ran == []


def test_cut_windows_can_be_prepared_without_a_signal() -> None:
    windows = cut(recording(), seconds=5.0)
    recipe = Recipe("r", (Step("cut", {"seconds": 5}), Step("scale", {"factor": 2.0})))
    np.testing.assert_allclose(prepare(windows, recipe).data, 2 * windows.data, rtol=1e-6)


def test_windows_print_as_one_line():
    signal = recording()
    windows = cut(signal, seconds=5.0)
    assert (
        repr(windows)
        == f"<Windows window {len(windows)} × channel {len(signal.ch_names)} × 5 s at {signal.sfreq:g} Hz of {signal.name}>"
    )
