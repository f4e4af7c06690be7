import math
from dataclasses import replace

import mne
import numpy as np
import pytest

from eegora.compare import trial as module
from eegora.compare.hiding import Wish
from eegora.compare.measures import measures
from eegora.compare.trial import area_of, hidden_from, prepare_trial, run_trial, score_repair, seconds_needed
from eegora.errors import ChannelError, RecordingError, UsageError
from eegora.preparation import Preparation
from eegora.recipes.recipe import Recipe, Step
from eegora.recordings.positions import head_position
from eegora.recordings.source import as_signal
from eegora.recordings.synthetic import synthetic_raw
from tests.compare.conftest import RECIPE, StandIn, in_band, oracle

EVERY_KIND = Wish(channels=("Cz", "O1", "F4"), regions=1, spans=2, gaps=1, runs=5)


def annotated(raw, *rows):
    onsets, durations, texts, names = zip(*rows, strict=True)
    return raw.set_annotations(mne.Annotations(onsets, durations, texts, ch_names=names))


def answers_of(signal, model, wish, monkeypatch, **wanted):
    """Whole reconstructions of every hidden thing by every method, and what the model was given."""
    monkeypatch.setattr(module, "SHOWN", 1e9)
    given, repair = [], model.repair

    def keeping(shown, *rest, **options):
        given.append(shown.data.copy())
        return repair(shown, *rest, **options)

    spied = type("Spied", (), {"__getattr__": lambda _, name: getattr(model, name), "repair": staticmethod(keeping)})()
    score = score_repair(signal, spied, wish, **wanted)
    return [(t.channel, method, a) for t in score.traces for method, a in t.answers.items()], given, score


def spoilt(signal, run, rng):
    """The same signal with garbage wherever a run hides something, and in every bad channel."""
    data = signal.data.copy()
    for item in run:
        rows = [signal.ch_names.index(name) for name in item.ch_names]
        start, stop = (round(t * signal.sfreq) for t in (item.start, item.stop))
        data[rows, start:stop] = 1e-3 * rng.standard_normal((len(rows), stop - start))
    for name in signal.bads:
        data[signal.ch_names.index(name)] = rng.standard_normal(signal.n_times)
    return replace(signal, data=data)


@pytest.mark.parametrize(
    "wish",
    [Wish(channels=("Cz", "O1", "F4"), runs=1), Wish(regions=1), Wish(spans=3), Wish(gaps=2)],
    ids=["channels", "region", "spans", "gaps"],
)
@pytest.mark.parametrize("like_original", [False, True], ids=["ours", "like the original"])
def test_nothing_of_the_hidden_truth_reaches_any_method(raw, tiny, wish, like_original, monkeypatch):
    """Garbage in its place, and in the bad channels, gives bit-identical answers; the judgement alone changes."""
    if like_original:
        raw.info["bads"] = []  # the original lets bad channels into its reference, which is not what is tested here
    signal = as_signal(raw)
    (run,) = prepare_trial(signal, tiny, wish).runs
    wanted = {"steps": 1, "like_original": like_original}
    first, given, score = answers_of(signal, tiny, wish, monkeypatch, **wanted)
    garbage = spoilt(signal, run, np.random.default_rng(5))
    second, given_again, other = answers_of(garbage, tiny, wish, monkeypatch, **wanted)
    assert len(first) == len(second) >= 3
    for (channel, method, one), (_, _, two) in zip(first, second, strict=True):
        assert np.array_equal(one, two), (channel, method)
    good = [i for i, name in enumerate(signal.ch_names) if name not in signal.bads]
    for one, two in zip(given, given_again, strict=True):
        assert np.array_equal(one[good], two[good])
    assert [row["nmse"] for row in score.table] != [row["nmse"] for row in other.table]


def test_the_check_above_would_see_a_leak(raw, tiny, monkeypatch):
    monkeypatch.setattr(module, "hidden_from", lambda signal, run: signal)
    signal, wish = as_signal(raw), Wish(channels=("Cz",))
    (run,) = prepare_trial(signal, tiny, wish).runs
    _, given, _ = answers_of(signal, tiny, wish, monkeypatch, steps=1)
    _, again, _ = answers_of(spoilt(signal, run, np.random.default_rng(5)), tiny, wish, monkeypatch, steps=1)
    row = signal.ch_names.index("Cz")
    assert not np.array_equal(given[0][row], again[0][row])


def test_what_is_hidden_is_zero_throughout_and_a_line_across_stretches(raw):
    signal = as_signal(raw)
    runs = prepare_trial(signal, oracle(raw), Wish(channels=("Cz",), spans=1, gaps=1)).runs
    whole, span, gap = (hidden_from(signal, run) for run in runs)
    row = signal.ch_names.index("Cz")
    assert not whole.data[row].any()
    assert np.array_equal(np.delete(whole.data, row, 0), np.delete(signal.data, row, 0))
    item = runs[1][0]
    row = signal.ch_names.index(item.ch_names[0])
    start, stop = round(item.start * 200), round(item.stop * 200)
    np.testing.assert_allclose(np.diff(span.data[row, start - 1 : stop + 1], 2), 0, atol=1e-18)
    assert (span.data != signal.data).sum() <= stop - start
    changed = (gap.data != signal.data).any(axis=1)
    assert {name for name, c in zip(signal.ch_names, changed, strict=True) if c} == set(runs[2][0].ch_names)


def test_who_knows_the_truth_is_perfect(raw):
    """The model's rate and band are not held against it: truth and answers are limited alike."""
    score = score_repair(raw, oracle(raw), EVERY_KIND)
    ours = [row for row in score.table if row["method"] == "Stand-in"]
    assert {row["kind"] for row in ours} == {"channel", "region", "span", "gap"}
    assert max(row["nmse"] for row in ours) < 1e-20
    assert min(row["r"] for row in ours) == pytest.approx(1)
    assert all(row["won"] for row in ours)
    assert score.band == "limited to 1 to 40 Hz, as recipe stand-in does"
    assert "Stand-in was better in 3 of 3 hidden channels than spherical spline" in score.sentence
    assert "Stand-in was better in 19 of 19 channels across hidden gaps than linear bridge" in score.sentence
    assert score.sentence.endswith("imputed, not measured.")


def test_steps_behind_a_cut_at_events_do_not_limit_the_truth(raw):
    behind = (Step("filter", {"l_freq": 5.0}), Step("resample", {"rate": 64.0}))
    locked = Recipe("locked", (*RECIPE.at_events("left").steps, *behind))
    wish, plain, model = Wish(channels=("Cz",)), oracle(raw), oracle(raw)
    model.recipe = lambda how: locked
    score = score_repair(raw, model, wish)
    assert score.table == score_repair(raw, plain, wish).table
    assert score.band == "limited to 1 to 40 Hz, as recipe locked does"


def test_windows_of_samples_at_any_rate_have_no_length_to_plan_with(tiny):
    recipe = Recipe("samples", (Step("cut", {"samples": 640}),))
    with pytest.raises(UsageError, match="recipe samples cuts windows of a number of samples at any rate"):
        tiny.window_seconds(Preparation(recipe=recipe))


def test_numbers_are_those_of_the_measures(raw):
    """A model that answers half of the truth: an error of a quarter, 6 dB."""
    half = oracle(raw)
    whole = half.answer
    half.answer = lambda shown: replace(whole(shown), data=whole(shown).data / 2)
    score = score_repair(raw, half, Wish(channels=("Cz", "Fz"), runs=1))
    for row in (r for r in score.table if r["method"] == "Stand-in"):
        assert row["nmse"] == pytest.approx(0.25)
        assert row["snr_db"] == pytest.approx(20 * math.log10(2))
        assert row["spectral"] == pytest.approx(math.log10(4))
        assert (row["n_samples"], row["hidden_at_once"], row["run"]) == (2400, 2, 0)
    truth = in_band(raw)
    names = as_signal(raw).ch_names
    visible = [i for i, n in enumerate(names) if n not in ("Cz", "Fz", "Fp1", "Pz")]
    mean = truth[visible].mean(axis=0)
    wanted = measures(truth[names.index("Cz")], mean, 200.0, [(0, 2400)])
    found = next(r for r in score.table if (r["channel"], r["method"]) == ("Cz", "mean of the others"))
    assert {name: found[name] for name in wanted} == pytest.approx(wanted, rel=1e-9)


def test_the_spline_is_mnes_on_the_recording_in_the_same_band(raw):
    score = score_repair(raw, oracle(raw), Wish(channels=("Cz",)))
    signal = as_signal(raw)
    limited = mne.io.RawArray(in_band(raw), mne.create_info(list(signal.ch_names), 200.0, "eeg"), verbose="ERROR")
    places = dict(zip(signal.ch_names, signal.ch_pos, strict=True))
    limited.set_montage(mne.channels.make_dig_montage(places, coord_frame="head"), verbose="ERROR")
    limited.info["bads"] = ["Cz", "Fp1", "Pz"]
    truth = limited.get_data(picks=["Cz"])[0]
    limited.interpolate_bads(reset_bads=False, verbose="ERROR")
    wanted = measures(truth, limited.get_data(picks=["Cz"])[0], 200.0, [(0, 2400)])
    found = next(r for r in score.table if r["method"] == "spherical spline")
    # The sphere is fitted to all electrodes here, the bad ones too, and to the good ones there.
    assert found["r"] == pytest.approx(wanted["r"], abs=0.01)
    assert found["nmse"] == pytest.approx(wanted["nmse"], rel=0.05)


def test_a_model_is_told_what_is_hidden_and_what_was_bad(raw):
    model = oracle(raw)
    score_repair(raw, model, Wish(channels=("Cz",), spans=1, gaps=1), draws=3)
    assert [w["draws"] for _, w in model.asked] == [3, 3, 3]
    assert [w["bads"] for _, w in model.asked] == [("Cz",), (), ()]
    assert [len(span) for _, w in model.asked for span in w["spans"]] == [3, 2]
    assert all(set(signal.bads) == {"Fp1", "Pz"} for signal, _ in model.asked)


def test_good_channels_alone_are_hidden(raw):
    signal = as_signal(raw)
    data, places = signal.data.copy(), signal.ch_pos.copy()
    data[signal.ch_names.index("Cz")] = 3e-6
    data[signal.ch_names.index("F3"), 10] = np.nan
    places[signal.ch_names.index("O1")] = np.nan
    odd = replace(signal, data=data, ch_pos=places)
    trial = prepare_trial(odd, oracle(raw), bads=("T3",))
    assert set(signal.ch_names) - set(trial.good) == {"Fp1", "Pz", "Cz", "F3", "O1", "T3"}
    assert np.isfinite(trial.truth).all()
    table = run_trial(trial, oracle(raw)).table
    assert list(dict.fromkeys(row["channel"] for row in table)) == list(trial.good)  # in the recording's order


def test_samples_that_are_annotated_bad_do_not_count(raw):
    annotated(raw, (2.0, 1.0, "BAD_move", ()), (6.0, 0.5, "blink", ()))
    score = score_repair(raw, oracle(raw), Wish(channels=("Cz",)), spans=[(8, 8.5, "Fz")])
    assert {row["n_samples"] for row in score.table} == {2400 - 200 - 100}
    ignored = score_repair(raw, oracle(raw), Wish(channels=("Cz",)), use_annotations=False, spans=[(8, 8.5)])
    assert {row["n_samples"] for row in ignored.table} == {2400 - 100}


def test_a_channel_that_is_mostly_annotated_is_left_out_and_spoils_nothing(raw):
    annotated(raw, (0.0, 11.0, "BAD_loose", (raw.ch_names[19],)))  # Cz
    trial = prepare_trial(raw, oracle(raw))
    assert "Cz" not in trial.good
    assert trial.counted.all()


def test_a_part_of_a_long_recording_is_tried(tiny):
    raw = synthetic_raw(40, 1, sfreq=100)
    annotated(raw, (18.0, 1.0, "BAD_move", ()), (24.0, 1.0, "BAD_move", ()))
    trial = prepare_trial(raw, tiny, Wish(channels=("Cz",), seconds=10), steps=1)
    assert trial.signal.seconds == 10
    assert trial.counted.all()
    assert trial.start in (7.5, 30.0)
    score = run_trial(trial, oracle(raw, trial.start, 10))
    assert score.stretch == (trial.start, trial.start + 10)
    assert score.traces[0].start > trial.start
    assert f"Tried on {trial.start:g} to {trial.start + 10:g} s" in score.conditions


def test_a_synthetic_checkpoint_is_said_to_mean_nothing(raw, tiny):
    score = score_repair(raw, tiny, Wish(channels=("Cz", "Fz")), steps=1)
    assert score.meaningless
    assert score.sentence.startswith("The checkpoint of ZUNA is not trained: its figures mean nothing.")
    assert "better" not in score.sentence
    assert score.provenance.task == "score"
    assert score.provenance.options["hide"]["channels"] == ("Cz", "Fz")
    assert score.provenance.options["steps"] == 1
    assert not {"bads", "spans"} & set(score.provenance.options)


def test_the_same_seed_gives_the_same_score(raw, tiny):
    wish = Wish(channels=2, spans=1)
    one, two = (score_repair(raw, tiny, wish, steps=1, seed=4) for _ in range(2))
    assert one.to_dict() == two.to_dict()
    assert one.to_dict() != score_repair(raw, tiny, replace(wish, seed=1), steps=1, seed=4).to_dict()


def test_the_time_is_estimated_from_one_window(raw):
    model = oracle(raw, 0.0, 4.0)
    trial = prepare_trial(raw, model, Wish(channels=("Cz", "Fz"), spans=1))
    assert seconds_needed(trial, model) > 0
    ((signal, wanted),) = model.asked
    assert signal.seconds == 4
    assert wanted["spans"]


def test_progress_counts_runs(raw):
    told = []
    wish = Wish(channels=("Cz", "Fz"), runs=2)
    run_trial(prepare_trial(raw, oracle(raw), wish), oracle(raw), lambda *n: told.append(n))
    assert told == [(1, 2), (2, 2)]


def test_parts_of_the_head():
    found = {name: area_of(head_position(name)) for name in ("AF3", "FC1", "C5", "T8", "CP1", "PO3", "Iz", "Cz")}
    assert found["AF3"] == "frontal"
    assert found["Cz"] == "central"
    assert found["T8"] == "temporal"
    assert found["PO3"] == found["Iz"] == "occipital"


def test_what_came_is_left_alone(raw):
    before = raw.get_data().copy()
    score_repair(raw, oracle(raw), EVERY_KIND)
    assert np.array_equal(raw.get_data(), before)
    assert raw.info["bads"] == [raw.ch_names[0], raw.ch_names[20]]


def test_mistakes(raw, tiny):
    def refused(error, code, source=raw, wish=None, model=None, **wanted):
        with pytest.raises(error) as caught:
            score_repair(source, model or oracle(raw), wish, **wanted)
        assert caught.value.code == code
        assert "\n" not in str(caught.value)
        return str(caught.value)

    signal = as_signal(raw)
    assert "Q9" in refused(ChannelError, "no_such_channel", wish=Wish(channels=("Q9",)))
    assert "Pz" in refused(ChannelError, "bad_channel", wish=Wish(channels=("Pz", "Cz")))
    refused(ChannelError, "too_few_channels", bads=signal.ch_names)
    refused(ChannelError, "too_few_channels", bads=signal.ch_names[:17])
    assert "9:7" in refused(UsageError, "bad_option", spans=[(9, 7)])
    nowhere = replace(signal, ch_pos=np.full((21, 3), np.nan))
    refused(ChannelError, "no_positions", source=nowhere, model=tiny)
    annotated(raw, (0.0, 12.0, "BAD_all", ()))
    refused(ChannelError, "too_few_channels")
    stand_in = StandIn(lambda s: s)
    stand_in.tasks = ()
    stand_in.able = tiny.able
    assert "models that do" in refused(UsageError, "no_such_task", model=stand_in)


def test_hidden_stretches_that_are_mostly_bad_are_not_judged(raw):
    trial = prepare_trial(raw, oracle(raw), Wish(channels=("Cz",)))
    trial.counted[:] = False
    with pytest.raises(RecordingError, match="quarter of a second"):
        run_trial(trial, oracle(raw))
