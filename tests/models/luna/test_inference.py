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
from eegora.model import Model, Preparation
from eegora.models.luna.inference import CODE, locations_of, pack
from eegora.models.luna.network import frequency_features
from eegora.models.luna.spec import SCRIPT_ROWS, SEED, SIENA, SPEC, TUEG, UNSEEN, VOCABULARY
from eegora.recordings.positions import head_position
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


def test_positions_are_the_frozen_tables_whatever_the_file_says(windows):
    moved = replace(windows, ch_pos=windows.ch_pos + 0.01)
    assert np.array_equal(locations_of(moved), locations_of(windows))
    expected = np.float32((head_position("FP1") + head_position("F7")) / 2)
    assert np.array_equal(locations_of(windows)[0, 0], expected)


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
    several = ready.classify(raw, multilabel=True)
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
    assert any("epochs" in note for note in result.provenance.notes)
    with pytest.raises(UsageError, match="is no recording"):
        tiny.embed(42)


def test_inputs_are_what_the_network_gets(tiny, windows):
    packed = pack(windows, tiny.config)
    assert packed["x"].shape == (2, 22, 1280)
    assert packed["position"].shape == (1, 22, 32)
    assert packed["names"].tolist() == [[VOCABULARY.index(name) for name in TUEG]]
    assert all(len(value) == 2 for value in tiny.inputs(windows).values())
