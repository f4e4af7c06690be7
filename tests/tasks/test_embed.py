"""Embeddings that leave for their file as they come: equal to those that are made and saved at once."""

import numpy as np
import pyarrow.parquet as pq
import pytest

import eegora
from eegora.errors import UsageError
from eegora.preparation import Preparation
from eegora.recordings.synthetic import synthetic_raw
from eegora.results.embeddings import Embeddings
from eegora.stream import Room
from eegora.tasks import embed as embedding
from eegora.windows import Windows


@pytest.fixture(scope="module")
def model():
    return eegora.load_model("luna-base", untrained=0, device="cpu")


@pytest.fixture(scope="module")
def raw():
    return synthetic_raw(63, 2)


@pytest.fixture
def in_pieces(monkeypatch):
    """Sizes at which a minute of EEG is a large recording, its windows go to a file, and results come in many groups."""
    monkeypatch.setattr("eegora.stream.PIECE", 1 << 16)
    monkeypatch.setattr("eegora.recipes.spill.SMALL", 1000)
    monkeypatch.setattr("eegora.compute.batching.PORTION", 1000)
    monkeypatch.setattr(embedding, "GROUP", 200_000)
    return Preparation(room=Room(limit=0))


def assert_equal(found, wanted):
    np.testing.assert_array_equal(found.data, wanted.data)
    np.testing.assert_array_equal(found.onsets, wanted.onsets)
    for name in ("axes", "seconds", "ch_names", "provenance", "flags", "poolings", "pooling", "labels"):
        assert getattr(found, name) == getattr(wanted, name), name


@pytest.mark.parametrize("pooling", [None, "patches"])
@pytest.mark.parametrize("suffix", [".parquet", ".npz"])
def test_the_file_is_equal_to_the_one_that_is_saved_at_once(model, raw, tmp_path, monkeypatch, pooling, suffix):
    whole = model.embed(raw, batch_size=3)
    saved = (whole.pool(pooling) if pooling else whole).save(tmp_path / f"whole{suffix}")
    monkeypatch.setattr(embedding, "GROUP", 200_000)
    monkeypatch.setattr("eegora.compute.batching.PORTION", 1000)
    done = model.embed_to(raw, tmp_path / f"parts{suffix}", pooling=pooling, batch_size=3)
    assert_equal(Embeddings.load(done.path), Embeddings.load(saved))
    kept = whole.pool(pooling) if pooling or suffix == ".parquet" else whole
    assert (done.shape, done.axes, done.pooling) == (kept.data.shape, kept.axes, kept.pooling)
    if suffix == ".parquet":
        parts, at_once = pq.ParquetFile(done.path), pq.ParquetFile(saved)
        assert parts.num_row_groups == 2
        assert parts.read().equals(at_once.read(), check_metadata=True)


@pytest.mark.parametrize("name", ["luna-base", "eegpt", "eeg-dino-small"])
def test_a_recording_in_pieces_gives_the_same_file(name, raw, in_pieces, tmp_path):
    """Windows are equal to 1e-12 before they are rounded to float32, so a few may differ in their last bit."""
    model = eegora.load_model(name, untrained=0, device="cpu")
    how = Preparation(missing="skip")
    whole = Embeddings.load(model.embed(raw, how, batch_size=4).save(tmp_path / "whole.parquet"))
    pieces = Preparation(missing="skip", room=in_pieces.room)
    found = Embeddings.load(model.embed_to(raw, tmp_path / "parts.parquet", pieces, batch_size=4).path)
    np.testing.assert_allclose(found.data, whole.data, rtol=1e-4, atol=1e-5 * np.abs(whole.data).max())
    assert (found.flags, found.provenance, found.labels) == (whole.flags, whole.provenance, whole.labels)


def test_windows_in_a_file_go_through_the_network_a_portion_at_a_time(model, raw, in_pieces):
    windows = model.prepare(raw, in_pieces)
    assert isinstance(windows.data, np.memmap)
    seen = []
    found = model.embed(windows, batch_size=2, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(2, 12), (4, 12), (6, 12), (8, 12), (10, 12), (12, 12)]
    np.testing.assert_allclose(found.data, model.embed(model.prepare(raw), batch_size=2).data, rtol=1e-4, atol=1e-5)
    assert isinstance(windows, Windows)
    np.testing.assert_allclose(windows.to_volts(), model.prepare(raw).to_volts(), rtol=1e-6, atol=1e-12)


def test_what_is_written_at_once_is_refused_where_it_is_too_large(model, raw, tmp_path):
    small = Preparation(room=Room(limit=100_000))
    with pytest.raises(UsageError, match=r"out.npz is written as a whole.*-o out.parquet.*too_large"):
        model.embed_to(raw, tmp_path / "out.npz", small)
    assert not list(tmp_path.iterdir())


def test_a_run_that_fails_leaves_no_file(model, raw, tmp_path):
    def fail(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.embed_to(raw, tmp_path / "out.parquet", progress=fail)
    assert not list(tmp_path.iterdir())


def test_an_unknown_ending_is_refused_before_any_work(model, tmp_path):
    with pytest.raises(UsageError, match="unknown_suffix"):
        model.embed_to(tmp_path / "not_there.edf", tmp_path / "out.csv")
