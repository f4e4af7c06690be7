"""From recordings to LUNA's answers: names, positions, masks, shapes, and the way back to volts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import eegora
from eegora import assembly
from eegora.checkpoints.synthetic import read_manifest
from eegora.compute.device import choose_device
from eegora.errors import ChannelError, RecordingError, UsageError
from eegora.model import Model
from eegora.models.luna.inference import CODE, locations_of, pack
from eegora.models.luna.network import frequency_features
from eegora.models.luna.spec import SCRIPT_ROWS, SEED, SIENA, SPEC, TUEG, UNSEEN, VOCABULARY
from eegora.preparation import Preparation
from eegora.recipes.prepare import prepare
from eegora.recordings.positions import head_position
from eegora.recordings.read import to_signal
from eegora.recordings.source import without
from eegora.recordings.synthetic import synthetic_raw

VECTORS = Path(__file__).parent / "vectors"


def model(name="luna-tiny", dtype="float32", **config):
    config = dict(read_manifest(VECTORS / f"{name}.json").config) | config
    loaded = assembly.untrained_network(CODE, config, dtype=dtype)
    record = {"source": "untrained", "name": name}
    return Model(SPEC, CODE, loaded, variant="custom", device=choose_device("cpu", dtype), checkpoint=record)


@pytest.fixture(scope="module")
def tiny():
    return model()


@pytest.fixture(scope="module")
def raw():
    return synthetic_raw(12, 1)


@pytest.fixture(scope="module")
def windows(tiny, raw):
    return tiny.prepare(raw)


def of_channels(names, n_windows=2, n_times=400):
    """Windows of noise on the named channels."""
    rng = np.random.default_rng(0)
    return eegora.Windows(
        data=rng.standard_normal((n_windows, len(names), n_times)).astype(np.float32),
        ch_names=tuple(names),
        ch_pos=np.full((len(names), 3), np.nan),
        sfreq=256.0,
        onsets=np.arange(n_windows) * n_times / 256,
        index=np.arange(n_windows),
        n_valid=np.full(n_windows, n_times),
        flags=((),) * n_windows,
    )


def test_the_channel_sets():
    assert tuple(sorted(set(TUEG) | set(SIENA) | set(SEED))) == VOCABULARY
    assert (len(TUEG), len(SIENA), len(SEED), len(VOCABULARY), len(UNSEEN)) == (22, 29, 62, 90, 39)


def test_rows_are_first_minus_second_in_the_models_order(raw, windows):
    """Filters are linear, so the difference of what a unipolar recipe gives is the derivation."""
    assert windows.ch_names == TUEG
    single = model().prepare(raw, Preparation(recipe="luna-unipolar"))
    volts = dict(zip(single.ch_names, single.to_volts().swapaxes(0, 1), strict=True))
    expected = volts["Fp1"] - volts["F7"]
    np.testing.assert_allclose(windows.to_volts()[:, 0], expected, atol=1e-5 * np.abs(expected).max())


def test_a_bipolar_recording_is_matched_by_name(tiny, raw, windows):
    """A recording that holds the derivations gives what the referential one gives, without differencing twice."""
    names = [name.removeprefix("EEG ").removesuffix("-REF").upper() for name in raw.ch_names]
    volts = dict(zip(names, raw.get_data(), strict=True))
    rows = [name.replace("T3", "T7").replace("T4", "T8") for name in reversed(TUEG)]
    data = [volts[a] - volts[b] for a, b in (name.split("-") for name in reversed(TUEG))]
    bipolar = tiny.prepare((np.array(data), [*rows], raw.info["sfreq"]))
    assert bipolar.ch_names == TUEG
    np.testing.assert_allclose(bipolar.data, windows.data, atol=2e-5)


def test_the_finetuning_scripts_row_order_is_a_recipe(tiny, raw, windows):
    script = tiny.prepare(raw, Preparation(recipe="luna-tuh-finetuned"))
    assert script.ch_names == TUEG
    np.testing.assert_array_equal(script.data[:, 8], windows.data[:, TUEG.index("A1-T3")])
    assert SCRIPT_ROWS[13] == "T4-A2"


def test_positions_are_the_frozen_tables_whatever_the_file_says_and_that_is_said(tiny, raw, windows):
    moved = raw.copy()
    for channel in moved.info["chs"]:
        channel["loc"][:3] += 0.01
    again = tiny.prepare(moved)
    assert np.array_equal(again.ch_pos, windows.ch_pos)
    assert np.array_equal(tiny.embed(again).data, tiny.embed(windows).data)
    assert any("the standard table's, not the file's" in note for note in again.notes)
    expected = np.float32((head_position("FP1") + head_position("F7")) / 2)
    assert np.array_equal(locations_of(windows)[0, 0], expected)


def test_bad_channels_are_used_and_that_is_said(tiny, raw):
    marked = raw.copy()
    marked.info["bads"] = ["EEG C3-REF"]
    result = tiny.reconstruct(marked)
    assert any("marked bad" in note and "C3-CZ" in note for note in result.provenance.notes)
    assert set(result.to_raw(like=marked).info["bads"]) == {"T3-C3", "C3-CZ", "F3-C3", "C3-P3"}


def test_filled_electrodes_make_filled_rows(tiny, raw):
    fewer = raw.copy().drop_channels(["EEG CZ-REF"])
    windows = tiny.prepare(fewer, Preparation(missing="mean"))
    assert windows.plan.of("C3-CZ").action == "filled"
    assert windows.plan.of("FP1-F7").action == "derived"


def test_electrodes_without_a_position_are_refused_or_dropped_on_demand(tiny, raw):
    odd = (raw.get_data(), [*raw.ch_names[:-1], "EEG T1-REF"], raw.info["sfreq"])
    with pytest.raises(ChannelError, match="T1") as caught:
        tiny.prepare(odd, Preparation(recipe="luna-unipolar"))
    assert "--unknown drop" in str(caught.value)
    windows = tiny.prepare(odd, Preparation(recipe="luna-unipolar", unknown="drop"))
    assert "T1" not in windows.ch_names
    with pytest.raises(UsageError, match="banana"):
        tiny.prepare(raw, Preparation(unknown="banana"))


def test_a_mixed_recording_gives_the_derivations_it_holds(tiny, raw):
    names = [name.removeprefix("EEG ").removesuffix("-REF").upper() for name in raw.ch_names]
    volts = dict(zip(names, raw.get_data(), strict=True))
    data = [volts[a] - volts[b] for a, b in (name.split("-") for name in TUEG)] + [volts["CZ"]]
    windows = tiny.prepare((np.array(data), [*TUEG, "Cz"], raw.info["sfreq"]))
    assert windows.ch_names == TUEG


def test_what_ran_is_what_the_record_says(tiny, raw):
    unipolar = tiny.prepare(raw, Preparation(recipe="luna-unipolar", exclude=["Pz"]))
    record = tiny.embed(unipolar).provenance
    assert 'name = "luna-unipolar"' in record.recipe
    assert record.options["exclude"] == ["Pz"]
    filled = tiny.embed(raw, Preparation(missing="zero")).provenance
    assert 'missing = "zero"' in filled.recipe
    assert tiny.embed(of_channels(["C3"])).provenance.recipe == ""


def test_a_channel_the_table_lacks_needs_a_position_of_its_own(tiny):
    windows = of_channels(["C3", "C4", "MYSTERY"])
    with pytest.raises(ChannelError, match="MYSTERY") as caught:
        tiny.embed(windows)
    assert caught.value.code == "no_position"
    placed = replace(windows, ch_pos=np.array([[np.nan] * 3, [np.nan] * 3, [0.01, 0.02, 0.1]]))
    assert tiny.embed(placed).data.shape == (2, 10, 96)


def test_any_pair_and_any_case_may_be_embedded_but_not_reconstructed(tiny):
    windows = of_channels(["f3-P3", "c3", "Oz"])
    assert tiny.embed(windows).data.shape == (2, 10, 96)
    with pytest.raises(ChannelError, match="f3-P3") as caught:
        tiny.reconstruct(windows)
    assert caught.value.code == "outside_vocabulary"
    kept = tiny.reconstruct(windows, Preparation(unknown="drop"))
    assert kept.ch_names == ("c3", "Oz")


def test_rows_that_pretraining_never_saw_are_noted(tiny):
    seen = tiny.reconstruct(of_channels(["C3", "FC1"]))
    unseen = tiny.reconstruct(of_channels(["C3", "FC3", "T8"]))
    assert not any("never trained" in note for note in seen.provenance.notes)
    assert any("FC3, T8" in note for note in unseen.provenance.notes)


@pytest.mark.parametrize("n_channels", [1, 2, 128])
def test_any_number_of_channels(tiny, n_channels):
    names = [*VOCABULARY[:90], *[f"{a}-{b}" for a in ("C1", "C2") for b in SEED[:30] if a != b]][:n_channels]
    result = tiny.attention(of_channels(names))
    assert result.data.shape == (2, 10, 3, n_channels)
    np.testing.assert_allclose(result.data.sum(-1), 1, atol=1e-5)


@pytest.mark.parametrize("n_patches", [1, 7, 300])
def test_any_number_of_patches(tiny, n_patches):
    windows = of_channels(["C3", "C4"], n_windows=1, n_times=40 * n_patches)
    assert tiny.embed(windows).data.shape == (1, n_patches, 96)
    assert tiny.reconstruct(windows).data.shape == (1, 2, 40 * n_patches)


def test_a_window_of_broken_patches_is_refused(tiny):
    with pytest.raises(RecordingError, match="100 samples; wanted a multiple of 40"):
        tiny.embed(of_channels(["C3"], n_times=100))


def test_channels_in_another_order_give_the_same_latent(tiny, windows):
    turned = windows.keep_channels(range(21, -1, -1), "")
    a, b = tiny.embed(windows), tiny.embed(turned)
    np.testing.assert_allclose(a.data, b.data, atol=1e-5)


def test_a_window_does_not_feel_its_neighbours(tiny, windows):
    alone = tiny.embed(windows.take([1]))
    np.testing.assert_allclose(alone.data[0], tiny.embed(windows).data[1], atol=3e-6)


def test_float64_agrees_with_float32(windows):
    single, double = model(), model(dtype="float64")
    a, b = single.embed(windows).data, double.embed(windows).data
    assert (a.dtype, b.dtype) == (np.float32, np.float64)
    assert 0 < np.abs(a - b).max() < 1e-5


def test_a_masked_patch_is_not_seen(tiny):
    """What lies under the mask reaches the answer through the statistics of the window only: none if they stay."""
    windows = of_channels(["C3", "C4", "O1"])
    mask = np.zeros(windows.data.shape, bool)
    mask[:, 1, 40:80] = True
    masked = tiny.reconstruct(windows, mask=mask)
    plain = tiny.reconstruct(windows)
    assert np.abs(masked.data - plain.data).max() > 1e-3
    # One sample is enough to mask its patch.
    one = np.zeros(windows.data.shape, bool)
    one[:, 1, 59] = True
    np.testing.assert_array_equal(tiny.reconstruct(windows, mask=one).data, masked.data)
    assert masked.rmse.shape == (2, 3)


def test_a_flat_channel_becomes_exact_zeros_and_is_flagged(tiny, raw):
    flat = raw.copy()
    flat._data[2] = 37.123e-6
    windows = tiny.prepare(flat, Preparation(recipe="luna-unipolar"))
    row = windows.ch_names.index("F3")
    assert not windows.data[:, row].any()
    assert any("F3" in flag for flag in windows.flags[0])


def test_phases_of_dc_and_nyquist_are_zero_or_pi_exactly():
    patches = torch.randn(500, 40, dtype=torch.float32, generator=torch.Generator().manual_seed(0))
    patches[0] = 0.0
    patches[1] = -0.0
    features = frequency_features(patches)
    pi = torch.tensor(np.pi, dtype=torch.float32)
    for bin_ in (21, 41):
        assert set(features[:, bin_].tolist()) <= {0.0, pi.item()}
    assert not features[:2].any()
    expected = torch.fft.rfft(patches.double())
    np.testing.assert_allclose(features[2:, :21], expected.abs()[2:], rtol=1e-5, atol=1e-5)


def test_reconstruction_comes_back_in_volts_on_the_recordings_time_axis(tiny, raw):
    result = tiny.reconstruct(raw, Preparation(recipe="luna-unipolar", unknown="drop"))
    windows = result.windows
    np.testing.assert_allclose(windows.to_volts(windows.data).std(), raw.get_data().std(), rtol=0.5)
    back = result.to_raw(like=raw)
    assert back.info["sfreq"] == 256
    onset = int(windows.onsets[1] * 256)
    np.testing.assert_allclose(back.get_data()[:, onset : onset + 1280], result.volts[1], rtol=1e-5, atol=1e-12)


def test_attention_names_the_channels_it_looks_at(tiny, windows):
    top = tiny.attention(windows).top_channels(3)
    assert len(top) == 3
    assert all(name in TUEG and 0 < weight < 1 for query in top for name, weight in query)


def test_classification_adds_up(raw):
    ready = model("luna-tiny-cls")
    result = ready.classify(raw, classes=["a", "b", "c", "d"])
    np.testing.assert_allclose(result.probabilities.sum(-1), 1, atol=1e-6)
    with pytest.raises(UsageError, match="3 class names"):
        ready.classify(raw, classes=["a", "a", "b", "c"])
    several = ready.classify(raw, multilabel=True)
    rows = several.probabilities >= 0.5
    assert [p.split("+") if p != "none" else [] for p in several.predicted] == [
        [c for c, on in zip(several.classes, row, strict=True) if on] for row in rows
    ]
    np.testing.assert_allclose(several.probabilities, 1 / (1 + np.exp(-several.logits)), rtol=1e-5)
    with pytest.raises(UsageError, match="2 class names"):
        ready.classify(raw, classes=["a", "b"])


def test_sources_of_every_kind_give_the_same(tiny, raw, tmp_path):
    import mne

    from eegora.recordings.write import save_raw

    path = save_raw(raw, tmp_path / "r_raw.fif", fmt="double")
    array = (raw.get_data() * 1e6, list(raw.ch_names), raw.info["sfreq"], "uV")
    results = [tiny.embed(source).data for source in (raw, path, str(path), array, tiny.prepare(raw))]
    for other in results[1:]:
        np.testing.assert_allclose(other, results[0], atol=2e-5)
    epochs = mne.make_fixed_length_epochs(raw, duration=6.0, preload=True, verbose="ERROR")
    result = tiny.embed(epochs)
    assert result.onsets.tolist() == [0.0, 6.0]
    assert any("epoch" in note for note in result.provenance.notes)
    with pytest.raises(UsageError, match="is no recording"):
        tiny.embed(42)


def test_inputs_are_what_the_network_gets(tiny, windows):
    packed = pack(windows, tiny.config)
    assert packed["x"].shape == (2, 22, 1280)
    assert packed["position"].shape == (1, 22, 32)
    assert packed["names"].tolist() == [[VOCABULARY.index(name) for name in TUEG]]
    assert all(len(value) == 2 for value in tiny.inputs(windows).values())


def test_epochs_are_placed_by_the_recordings_clock():
    import mne

    raw = synthetic_raw(30, 0, sfreq=512)
    events = np.array([[1024, 0, 1], [5120, 0, 1]])
    tiny = model()
    for decim in (1, 2):
        epochs = mne.Epochs(raw, events, tmin=0, tmax=6, baseline=None, preload=True, decim=decim, verbose="ERROR")
        assert tiny.embed(epochs).onsets.tolist() == [2.0, 10.0]
    array = mne.EpochsArray(epochs.get_data(), epochs.info, verbose="ERROR")
    result = tiny.embed(array)
    assert np.diff(result.onsets)[0] > 5
    assert any("no time of their own" in note for note in result.provenance.notes)
    with pytest.raises(RecordingError) as caught:
        tiny.embed(epochs[[]])
    assert caught.value.code == "no_windows"


def test_a_mask_that_does_not_fit_is_refused(tiny, windows):
    with pytest.raises(UsageError, match="mask of shape"):
        tiny.reconstruct(windows, mask=np.zeros((3, 4), bool))


def test_one_output_is_a_probability_of_its_own(raw):
    result = model("luna-tiny-cls", num_classes=1).classify(raw, classes=["seizure"])
    assert result.multilabel
    assert set(result.predicted) <= {"seizure", "none"}
    assert [p == "seizure" for p in result.predicted] == (result.probabilities[:, 0] >= 0.5).tolist()


def test_one_excluded_name_is_not_read_letter_by_letter(tiny, raw):
    windows = tiny.prepare(raw, Preparation(recipe="luna-unipolar", exclude="A1"))
    assert "A1" not in windows.ch_names
    assert windows.choices["exclude"] == ["A1"]


def test_the_montage_without_ears_takes_a_recording_without_ears(raw):
    recipe = next(recipe for recipe in SPEC.recipes if recipe.name == "luna-tueg20")
    signal = without(to_signal(raw), ("A1", "A2"))
    assert prepare(signal, recipe).ch_names == TUEG[:20]
