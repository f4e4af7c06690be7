"""Embeddings back to signal: equal to the reconstruction, on the recording's clock, and what is refused."""

import json

import mne
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from eegora import assembly, load_model, registry
from eegora.checkpoints.synthetic import synthetic_state_dict
from eegora.cli.main import main
from eegora.errors import UsageError
from eegora.preparation import Preparation
from eegora.recordings.synthetic import synthetic_raw
from eegora.recordings.write import save_raw
from eegora.results.embeddings import Embeddings
from tests.models.test_every_model import smallest

FOLDER = next(folder for folder in registry.specs() if registry.code(folder).decode)
HOW = Preparation(settings={"steps": 3, "seed": 7, "cfg": 1.5})


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """23.3 s at 250 Hz with a date and an annotation, cut out of a longer acquisition; a tiny checkpoint."""
    folder = tmp_path_factory.mktemp("decode")
    raw = synthetic_raw(30, 0, sfreq=250)
    raw.info["bads"] = ["EEG O2-REF"]
    raw.set_meas_date(1_500_000_000)
    raw.set_annotations(mne.Annotations([8.0], [0.5], ["blink"], orig_time=raw.info["meas_date"]))
    save_raw(raw.crop(4, 27.3), folder / "rec_raw.fif")
    config, code = smallest(FOLDER), registry.code(FOLDER)
    layout = {k: v for k, v in code.layout(config).items() if v[1] != assembly.CONSTANT}
    save_file(synthetic_state_dict(layout, 0), folder / "tiny.safetensors")
    (folder / "tiny.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def model(desk):
    return load_model(FOLDER, checkpoint=desk / "tiny.safetensors", config=desk / "tiny.json")


def test_decoding_is_the_reconstruction(desk, model):
    raw = mne.io.read_raw_fif(desk / "rec_raw.fif", verbose="ERROR")
    embeddings, expected = model.embed(raw), model.reconstruct(raw, HOW)
    found = model.decode(embeddings, HOW)
    scale = np.abs(expected.volts).max()
    np.testing.assert_allclose(found.volts, expected.volts, atol=1e-6 * scale)
    assert np.isnan(found.rmse).all()
    one, two = found.to_raw(), expected.to_raw(like=raw)
    assert (one.n_times, one.first_samp, one.info["meas_date"]) == (two.n_times, two.first_samp, two.info["meas_date"])


@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
def test_a_file_holds_all_that_decoding_needs(desk, model, tmp_path, suffix):
    embeddings = model.embed(desk / "rec_raw.fif", Preparation(settings={"seed": 7}))
    embeddings.save(tmp_path / f"e{suffix}")
    found = model.decode(tmp_path / f"e{suffix}", Preparation(settings={"steps": 3}))
    expected = model.decode(embeddings, Preparation(settings={"steps": 3, "seed": 7}))
    np.testing.assert_array_equal(found.volts, expected.volts)
    assert found.provenance.options["seed"] == 7  # as it was embedded with
    found.save(tmp_path / f"r{suffix}")
    assert found.windows.annotations == expected.windows.annotations


def test_the_command_line_goes_there_and_back(desk, tmp_path, capfd):
    given = ["--checkpoint", str(desk / "tiny.safetensors"), "--config", str(desk / "tiny.json")]
    recording, saved = str(desk / "rec_raw.fif"), str(tmp_path / "e.safetensors")
    assert main(["embed", recording, "--model", FOLDER, *given, "-o", saved]) == 0
    sampler = ["--steps", "2", "--noise-seed", "5"]
    assert main(["decode", saved, *given, *sampler, "-o", str(tmp_path / "d_raw.fif")]) == 0
    assert "decoding 5 of 5 windows" in capfd.readouterr().err
    assert main(["reconstruct", recording, "--model", FOLDER, *given, *sampler, "-o", str(tmp_path / "r_raw.fif")]) == 0
    one, two = (mne.io.read_raw_fif(tmp_path / f"{name}_raw.fif", verbose="ERROR") for name in "dr")
    np.testing.assert_allclose(one.get_data(), two.get_data(), atol=1e-6 * np.abs(two.get_data()).max())
    assert (one.ch_names, one.first_samp, one.info["meas_date"]) == (
        two.ch_names,
        two.first_samp,
        two.info["meas_date"],
    )
    assert [*zip(one.annotations.onset, one.annotations.description, strict=True)] == [
        *zip(two.annotations.onset, two.annotations.description, strict=True)
    ]
    assert one.info["bads"] == ["O2"]


def test_noise_can_be_given(desk, model):
    noise = np.random.RandomState(0).standard_normal((5, 21 * 40, 32))
    given = Preparation(settings={"steps": 2, "noise": noise})
    first, again = (model.reconstruct(desk / "rec_raw.fif", given) for _ in range(2))
    assert np.array_equal(first.data, again.data)
    drawn = model.reconstruct(desk / "rec_raw.fif", Preparation(settings={"steps": 2}))
    assert not np.allclose(first.data, drawn.data)
    assert "array of shape (5, 840, 32)" in first.provenance.to_json()


def test_the_file_names_positions_tokens_and_the_way_to_volts(desk, model, tmp_path):
    embeddings = model.embed(desk / "rec_raw.fif")
    embeddings.save(tmp_path / "e.safetensors")
    arrays = load_file(tmp_path / "e.safetensors")
    np.testing.assert_array_equal(arrays["way_back/ch_pos"], embeddings.windows.ch_pos)
    assert {"way_back/scale", "way_back/shift", "way_back/index", "way_back/n_valid"} <= set(arrays)
    loaded = Embeddings.load(tmp_path / "e.safetensors")
    assert loaded.labels["channel"] == embeddings.ch_names
    assert loaded.labels["time"][:2] == ("0 s", "0.125 s")
    assert loaded.windows.axis == embeddings.windows.axis


def test_what_cannot_be_decoded_is_refused(desk, model, tmp_path):
    embeddings = model.embed(desk / "rec_raw.fif")
    with pytest.raises(UsageError, match="pooled") as caught:
        model.decode(embeddings.pool())
    assert caught.value.code == "not_whole"
    embeddings.save(tmp_path / "e.parquet")
    with pytest.raises(UsageError, match="pooled"):
        model.decode(tmp_path / "e.parquet")
    other = load_model(FOLDER, checkpoint=desk / "tiny.safetensors", config=desk / "tiny.json")
    other.variant = "other"
    with pytest.raises(UsageError) as caught:
        other.decode(embeddings)
    assert caught.value.code == "other_model"
    other.variant, other.checkpoint = model.variant, {"source": "untrained", "name": "untrained, seed 3", "seed": 3}
    with pytest.raises(UsageError) as caught:
        other.decode(embeddings)
    assert caught.value.code == "other_checkpoint"
    other.checkpoint = {**model.checkpoint, "sha256": "0" * 64}
    assert any("another checkpoint file" in note for note in other.decode(embeddings, HOW).windows.notes)


def test_models_without_it_name_those_that_have_it(tmp_path):
    plain = next(folder for folder in registry.specs() if registry.code(folder).decode is None)
    able = load_model(registry.full_name(registry.specs()[plain], registry.specs()[plain].variants[0]), untrained=0)
    with pytest.raises(UsageError, match=FOLDER) as caught:
        able.decode(tmp_path / "e.safetensors")
    assert caught.value.code == "no_such_task"


def test_latents_of_other_numbers_are_refused_and_of_a_converted_file_decoded(desk, model, tmp_path):
    embeddings = model.embed(desk / "rec_raw.fif")
    config, code = smallest(FOLDER), registry.code(FOLDER)
    layout = {k: v for k, v in code.layout(config).items() if v[1] != assembly.CONSTANT}
    for seed in (0, 1):
        save_file(synthetic_state_dict(layout, seed), tmp_path / f"{seed}.safetensors", metadata={"written": "again"})
    same, other = (
        load_model(FOLDER, checkpoint=tmp_path / f"{n}.safetensors", config=desk / "tiny.json") for n in (0, 1)
    )
    notes = same.decode(embeddings, HOW).windows.notes
    assert any("another checkpoint file" in note for note in notes)
    with pytest.raises(UsageError, match="numbers are not those"):
        other.decode(embeddings, HOW)


def test_a_recording_is_no_file_of_embeddings(desk, model):
    with pytest.raises(UsageError, match="read from rec_raw"):
        model.decode(desk / "rec_raw.fif")
