"""Repair: what is filled, what stays to the bit, scales, seams, and what is refused. The network is a stand-in, but for the last test."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from eegora.errors import ChannelError, RecordingError, UsageError
from eegora.models.zuna import repair as module
from eegora.models.zuna.inference import CODE
from eegora.models.zuna.masks import MaskFile, Span
from eegora.models.zuna.repair import RepairOptions, options_of, repair
from eegora.models.zuna.seams import without_seams
from eegora.models.zuna.segments import segments
from eegora.models.zuna.spec import ZUNA11
from eegora.recipes.recipe import Step
from eegora.recordings.read import to_signal
from eegora.recordings.synthetic import synthetic_raw
from eegora.signal import Annotation
from tests.models.zuna.conftest import run as network
from tests.models.zuna.conftest import tiny


@pytest.fixture(scope="module")
def signal():
    """23.3 s at 250 Hz, 21 electrodes."""
    return to_signal(synthetic_raw(23.3, 3, sfreq=250))


class Model:
    """Answers noise of a known size, and remembers what it was asked."""

    def __init__(self, size=0.1):
        self.asked, self.size = [], size

    def __call__(self, windows, rows, draw):
        some = windows.take(rows)
        self.asked.append(some)
        return (self.size * np.random.RandomState(draw).standard_normal(some.data.shape)).astype(np.float32)


def run(signal, model=None, **options):
    return repair(signal, ZUNA11, RepairOptions(**options), model or Model())


def row(signal, name):
    return signal.ch_names.index(name)


def test_only_bad_cells_change_in_the_recording(signal):
    done = run(signal, bads=("O2",), spans=(Span(12.5, 14.0), Span(20.0, 20.1, ("Fp1",))))
    out = done.at_own_rate(signal)
    assert out.shape == signal.data.shape
    assert np.isfinite(out).all()
    changed = out != signal.data
    time = np.arange(signal.n_times) / 250
    everywhere = (time >= 12.5) & (time < 14)
    assert (changed[:, everywhere].mean(axis=1) > 0.99).all()
    rest = ~everywhere
    assert changed[row(signal, "O2")].mean() > 0.99
    first = changed[row(signal, "Fp1")] & rest
    assert first.any()
    assert np.abs(time[first] - 20.0625).max() <= 0.0625 + 1 / 250  # one token, of 125 ms
    others = np.delete(np.arange(21), [row(signal, "O2"), row(signal, "Fp1")])
    assert not changed[np.ix_(others, np.flatnonzero(rest))].any()


def test_steps_behind_a_cut_at_events_do_not_run_on_the_recording(signal):
    locked = ZUNA11.at_events("left")
    behind = replace(locked, steps=(*locked.steps, Step("filter", {"l_freq": 5.0})))
    plain, other = (repair(signal, r, RepairOptions(bads=("O2",)), Model()) for r in (ZUNA11, behind))
    assert np.array_equal(plain.hybrid, other.hybrid)


def test_nothing_bad_means_nothing_sampled(signal):
    model = Model()
    done = run(signal, model)
    assert not model.asked
    assert np.array_equal(done.at_own_rate(signal), signal.data)
    assert done.annotations == ()


def test_segments_without_a_bad_cell_are_never_sampled(signal):
    model = Model()
    done = run(signal, model, spans=(Span(6, 7, ("Cz",)),))
    assert [w.index.tolist() for w in model.asked] == [[1]]
    assert np.array_equal(done.full[:, :1280], done.hybrid[:, :1280])
    model = Model()
    run(signal, model, spans=(Span(6, 7, ("Cz",)),), everything=True)
    assert [w.index.tolist() for w in model.asked] == [[0, 1, 2, 3, 4]]


def test_the_union_of_all_that_is_bad(signal):
    marked = replace(
        signal, bads=("T3",), annotations=(Annotation(1, 0.2, "BAD_x", ("Cz",)), Annotation(3, 1, "event"))
    )
    file = MaskFile(np.eye(1, 187, 30, dtype=bool), ("Pz",), True)
    done = run(marked, bads=("O1",), blank=("C3",), spans=(Span(2, 2.1, ("t4",)),), mask_files=(file,))
    found = {
        name: np.flatnonzero(done.cells[i]).tolist() for i, name in enumerate(done.ch_names) if done.cells[i].any()
    }
    n_tokens = done.cells.shape[1]
    throughout = list(range(n_tokens))
    assert found.pop("T3") == found.pop("O1") == found.pop("C3") == throughout
    assert found == {"Cz": [8, 9], "T4": [16], "Pz": [30]}
    assert done.bads == ()
    ignored = run(marked, use_annotations=False)
    assert not ignored.cells[row(signal, "Cz")].any()


def test_acquisition_gaps_are_neither_sampled_nor_filled(signal):
    """Nor do they touch what was recorded beside them, where a gap ends within a token."""
    gap = Annotation(5.03, 10.02, "BAD_ACQ_SKIP")
    cut = replace(signal, data=signal.data.copy(), annotations=(gap,))
    time = np.arange(signal.n_times) / 250
    inside = (np.arange(signal.n_times) >= round(5.03 * 250)) & (np.arange(signal.n_times) < round(15.05 * 250))
    cut.data[:, inside] = 0.0
    model = Model()
    alone = run(cut, model, spans=(Span(6, 9),))
    assert not model.asked
    assert np.array_equal(alone.at_own_rate(cut), cut.data)
    done = run(cut, model, bads=("O2",), add=("AF3",), draws=2)
    assert {i for some in model.asked for i in some.index} == {0, 1, 3, 4}
    out, band = done.at_own_rate(cut), done.spread_at_own_rate(cut)
    assert not out[:, inside].any()
    assert not band[:, inside].any()
    assert (out != [*cut.data, np.zeros(signal.n_times)])[[row(signal, "O2"), -1]][:, ~inside].mean() > 0.99
    others = np.delete(np.arange(21), row(signal, "O2"))
    assert np.array_equal(out[others], cut.data[others])
    assert [(a.onset, a.onset + a.duration) for a in done.annotations] == [
        (0.0, round(5.03 * 256) / 256),
        (round(15.05 * 256) / 256, pytest.approx(time[-1], abs=0.01)),
    ]
    assert done.bads == ()


def test_it_is_said_when_whole_cells_make_a_stretch_longer(signal):
    marked = replace(signal, annotations=(Annotation(8.0, 0.5, "BAD_x"), Annotation(9.99, 0.2, "BAD_y")))
    done = run(marked, spans=(Span(5.31, 5.32, ("Cz",)), Span(1.0, 1.5)))
    (note,) = [note for note in done.windows.notes if "cells" in note]
    assert note == "filled in whole cells of 0.125 s: 5.31-5.32 became 5.25-5.375 s, 9.99-10.19 became 9.875-10.25 s"
    assert not any("cells" in note for note in run(signal, spans=(Span(1.0, 1.5),)).windows.notes)
    many = run(signal, spans=tuple(Span(i + 0.01, i + 0.02) for i in range(9))).windows.notes[-1]
    assert many.count("became") == 4
    assert many.endswith("and 5 more")


def test_flat_and_noisy_cells_are_found_when_asked(signal):
    odd = signal.data.copy()
    odd[row(signal, "Cz"), 1000:1200] = 0.0
    odd[row(signal, "Pz"), 3000:3100] *= 60
    marked = replace(signal, data=odd)
    assert not run(marked).cells.any()
    done = run(marked, noisy=3.0)
    assert set(np.flatnonzero(done.cells.any(axis=1))) == {row(signal, "Pz")}
    times = np.flatnonzero(done.cells[row(signal, "Pz")]) * 0.125
    assert times.min() >= 11.8
    assert times.max() <= 12.5


def test_missing_values_are_bad_cells(signal):
    holes = signal.data.copy()
    holes[row(signal, "Cz"), 500:600] = np.nan
    holes[row(signal, "Pz")] = np.inf
    done = run(replace(signal, data=holes))
    assert np.isfinite(done.hybrid).all()
    out = done.at_own_rate(replace(signal, data=holes))
    assert np.isfinite(out).all()
    assert np.flatnonzero(done.cells[row(signal, "Cz")]).tolist() == [16, 17, 18, 19]
    assert done.cells[row(signal, "Pz")].all()
    clean = run(signal, bads=("Pz",), spans=(Span(2, 2.4, ("Cz",)),))
    others = np.delete(np.arange(21), [row(signal, "Cz"), row(signal, "Pz")])
    # What stood in Cz's hole reaches the high-pass of its other cells, and they the reference.
    np.testing.assert_allclose(done.windows.data[:, others], clean.windows.data[:, others], atol=2e-3)


def test_a_bad_channel_does_not_reach_the_others(signal):
    """The original lets it into the average reference; here its artefact changes nothing."""
    loud = signal.data.copy()
    loud[row(signal, "T3")] *= 1000
    others = np.delete(np.arange(21), row(signal, "T3"))
    plain, spoilt = (run(replace(signal, data=d), bads=("T3",)) for d in (signal.data, loud))
    np.testing.assert_array_equal(plain.windows.data[:, others], spoilt.windows.data[:, others])
    np.testing.assert_array_equal(plain.hybrid, spoilt.hybrid)
    options = RepairOptions(bads=("T3",)).like_original()
    plain, spoilt = (repair(replace(signal, data=d), ZUNA11, options, Model()) for d in (signal.data, loud))
    assert not np.allclose(plain.windows.data[:, others], spoilt.windows.data[:, others], atol=0.01)


def test_filled_channels_have_their_neighbours_amplitude(signal):
    loud = signal.data.copy()
    loud[row(signal, "T3")] *= 1000
    done = run(replace(signal, data=loud), bads=("T3",), add=("AF3",))
    usual = np.median(done.deviations[:, :21], axis=1)
    for name in ("T3", "AF3"):
        ratio = done.deviations[:, done.ch_names.index(name)] / usual
        assert (ratio > 0.5).all()
        assert (ratio < 2).all()
    options = RepairOptions(bads=("T3",), add=("AF3",)).like_original()
    original = repair(replace(signal, data=loud), ZUNA11, options, Model())
    assert (original.deviations[:, row(signal, "T3")] > 100 * usual).all()


def test_a_segment_that_is_bad_for_all_takes_the_next_ones_scale(signal):
    done = run(signal, spans=(Span(5, 10),))
    assert np.array_equal(done.deviations[1], done.deviations[0])
    assert np.isfinite(done.hybrid).all()


def test_added_electrodes_come_last_and_in_the_head_frame(signal):
    done = run(signal, add=("POz", "AF3"))
    assert done.added == done.ch_names[21:] == ("AF3", "POz")
    assert done.windows.plan.of("AF3").action == "filled"
    out = done.at_own_rate(signal)
    assert out.shape == (23, signal.n_times)
    assert np.array_equal(out[:21], signal.data)
    assert out[21:].std(axis=1).min() > 1e-6
    original = repair(signal, ZUNA11, RepairOptions(add=("AF3",)).like_original(), Model())
    apart = np.linalg.norm(original.windows.ch_pos[21] - done.windows.ch_pos[21])
    assert 0.02 < apart < 0.06
    assert len(run(signal, add=32).added) == 11
    assert run(signal, add=21).added == ()


def test_several_draws_have_a_mean_and_a_band(signal):
    done = run(signal, bads=("Cz",), draws=4)
    one = run(signal, bads=("Cz",))
    i = row(signal, "Cz")
    assert one.spread is None
    assert 0.5 < (done.spread[i] / (done.deviations[0, i] * 1.0)).mean() < 1.5
    assert done.full[i].std() < one.full[i].std()
    assert np.delete(done.spread, i, axis=0)[:, :1280].max() > 0  # all that was sampled, not only what was filled


def test_the_band_is_on_the_recordings_clock_and_zero_where_nothing_was_filled(signal):
    done = run(signal, bads=("Cz",), spans=(Span(6, 7, ("Pz",)),), add=("AF3",), draws=4)
    found = done.spread_at_own_rate(signal)
    assert found.shape == (22, signal.n_times)
    assert (found >= 0).all()
    assert (found[[row(signal, "Cz"), 21]] > 0).mean() > 0.99
    seconds = np.flatnonzero(found[row(signal, "Pz")]) / 250
    assert (seconds.min(), seconds.max()) == (pytest.approx(6, abs=0.125), pytest.approx(7, abs=0.125))
    others = np.delete(np.arange(21), [row(signal, "Cz"), row(signal, "Pz")])
    assert not found[others].any()
    half = signal.n_times // 2
    expected = np.interp(half / 250, np.arange(done.spread.shape[1]) / 256, done.spread[row(signal, "Cz")])
    assert found[row(signal, "Cz"), half] == pytest.approx(expected)
    assert run(signal, bads=("Cz",)).spread_at_own_rate(signal) is None


def test_seams_are_closed():
    rng = np.random.RandomState(0)
    values = rng.standard_normal((5, 50)).astype(np.float32)
    masked = np.zeros((5, 50), bool)
    masked[0, 10:20] = masked[1, :10] = masked[2, 40:] = masked[3, 25] = masked[4] = True
    out = without_seams(values, masked)
    assert out.dtype == np.float32
    assert np.array_equal(out[~masked], values[~masked])
    assert out[0, 10] == pytest.approx(values[0, 9], abs=1e-6)
    assert out[0, 19] == pytest.approx(values[0, 20], abs=1e-6)
    assert out[1, 9] == pytest.approx(values[1, 10], abs=1e-6)
    assert out[2, 40] == pytest.approx(values[2, 39], abs=1e-6)
    assert out[3, 25] == pytest.approx((values[3, 24] + values[3, 26]) / 2, abs=1e-6)
    np.testing.assert_allclose(np.diff(out[1, :10]), np.diff(values[1, :10]), atol=1e-6)
    assert np.array_equal(out[4], values[4])


def test_annotations_name_what_was_filled(signal):
    done = run(signal, spans=(Span(1, 2), Span(4, 5, ("Cz", "Pz"))))
    assert done.annotations == (Annotation(1, 1, "ZUNA_infilled"), Annotation(4, 1, "ZUNA_infilled", ("Cz", "Pz")))


def test_segments_reach_the_end_and_are_never_too_short():
    assert segments(2841, 5.0, "drop") == [(0, 1280), (1280, 2560), (2560, 2816)]
    assert segments(2841, 5.0) == [(0, 1280), (1280, 2560), (2560, 2848)]
    assert segments(2600, 5.0) == [(0, 1280), (1280, 2624)]
    assert segments(100, 30.0) == [(0, 128)]
    assert segments(640, 0.01, "drop")[0] == (0, 32)
    with pytest.raises(RecordingError, match="too_short"):
        segments(31, 5.0)
    with pytest.raises(UsageError, match="segments of 0"):
        segments(640, 0)


def test_what_was_filled_is_saved_and_fills_again(signal, tmp_path):
    done = run(signal, spans=(Span(1, 2, ("Cz",)),))
    again = repair(signal, ZUNA11, options_of({"mask_files": [done.save_mask(tmp_path / "m.npz")]}), Model())
    assert np.array_equal(again.cells, done.cells)


def test_options_by_name():
    found = options_of({"spans": [(1, 2), (3, 4, "Cz")], "bads": ("O1",), "like_original": True})
    assert found.spans == (Span(1, 2), Span(3, 4, ("Cz",)))
    assert (found.frame, found.scale, found.statistics, found.tail) == ("mri", "own", "all", "drop")
    for wrong in ({"bad": 1}, {"spans": [(2, 1)]}, {"spans": [(-1, 1)]}):
        with pytest.raises(UsageError) as caught:
            options_of(wrong)
        assert caught.value.code == "bad_option"


def test_recordings_that_cannot_be_repaired(signal):
    with pytest.raises(ChannelError) as caught:
        run(signal, bads=("Oz",))
    assert caught.value.code == "unknown_channels"
    with pytest.raises(ChannelError) as caught:
        run(signal, bads=signal.ch_names)
    assert caught.value.code == "all_bad"
    with pytest.raises(UsageError):
        run(signal, bads=("Cz",), draws=0)
    few = replace(
        signal, data=signal.data[:2], ch_names=signal.ch_names[:2], ch_pos=signal.ch_pos[:2], plan=type(signal.plan)()
    )
    with pytest.raises(ChannelError) as caught:
        run(few)
    assert caught.value.code == "too_few_channels"
    with pytest.raises(UsageError, match="nothing to add"):
        module.upsample_recording(signal, ZUNA11, {}, Model())
    one = replace(
        few, data=signal.data[:1], ch_names=signal.ch_names[:1], ch_pos=signal.ch_pos[:1], plan=type(signal.plan)()
    )
    with pytest.raises(ChannelError, match="1 channels with a position"):
        run(one)
    short = replace(signal, data=signal.data[:, :30])
    with pytest.raises(RecordingError, match=r"wanted 0\.125 s or more"):
        run(short, bads=("Cz",))


def test_bad_stretches_are_bridged_before_the_high_pass(signal):
    """What stands in a hole is the line between its edges, so that a filter has nothing to ring on."""
    holes = signal.data.copy()
    holes[row(signal, "Cz"), 2000:2250] = np.nan
    line = signal.data.copy()
    line[row(signal, "Cz"), 1999:2251] = np.linspace(line[row(signal, "Cz"), 1999], line[row(signal, "Cz"), 2250], 252)
    span = (Span(8, 9, ("Cz",)),)
    one, two = run(replace(signal, data=holes), spans=span), run(replace(signal, data=line), spans=span)
    np.testing.assert_allclose(one.windows.data, two.windows.data, atol=1e-5)


def test_a_mask_of_another_length_counts_by_its_share_of_the_recording(signal):
    """As the original: columns that are neither tokens nor samples are spread over the recording."""
    mask = np.zeros((1, 100), bool)
    mask[0, 50:60] = True
    done = run(signal, mask_files=(MaskFile(mask, ("Cz",)),))
    seconds = np.flatnonzero(done.cells[row(signal, "Cz")]) * 0.125
    assert seconds.min() == pytest.approx(0.5 * 23.3, abs=0.125)
    assert seconds.max() == pytest.approx(0.6 * 23.3, abs=0.125)


def test_a_channel_without_position_is_left_out_of_the_work(signal):
    lost = signal.ch_pos.copy()
    lost[row(signal, "Cz")] = np.nan
    unplaced = replace(signal, ch_pos=lost)
    done = run(unplaced, bads=("Pz",))
    assert "Cz" not in done.ch_names
    assert np.array_equal(done.at_own_rate(unplaced)[row(signal, "Cz")], signal.data[row(signal, "Cz")])
    with pytest.raises(ChannelError, match="Cz"):
        run(unplaced, bads=("Cz",))


@pytest.mark.parametrize("seconds", [0.4, 31, float("nan")])
def test_segments_that_the_model_was_not_trained_on_are_refused(signal, seconds):
    with pytest.raises(UsageError, match=r"wanted 0\.5 to 30 s"):
        CODE.repair(signal, ZUNA11, {"bads": ("Cz",), "seconds": seconds}, lambda windows, rows, draw: 1 / 0)


def test_repair_leaves_the_signal_alone(signal):
    before = signal.data.copy()
    run(signal, bads=("Cz",)).at_own_rate(signal)
    assert np.array_equal(signal.data, before)


def test_with_the_network(signal):
    """Repair is what the network says of the windows, in volts."""
    loaded = tiny("zuna-tiny", "float32")

    def answer(windows, rows, draw):
        return network(loaded, "reconstruct", windows.take(rows), steps=2, draw=draw)

    with torch.inference_mode():
        done = CODE.repair(signal, ZUNA11, {"bads": ("Cz",), "seconds": 4}, answer)
        found = answer(done.windows, np.arange(len(done.windows)), 0)
    i = row(signal, "Cz")
    volts = done.windows.to_volts(found)[0, i, :1024]
    np.testing.assert_allclose(done.hybrid[i, :1024], volts, atol=1e-6 * np.abs(volts).max())
