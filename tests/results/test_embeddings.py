import json
from dataclasses import replace

import numpy as np
import pytest
from pyarrow import parquet
from safetensors import safe_open

from eegora.errors import UsageError
from eegora.results import Embeddings

COLUMNS = [
    "recording",
    "model",
    "variant",
    "pooling",
    "onset",
    "duration",
    "n_channels",
    "epoch",
    "event",
    "flags",
    "untrained",
    "vector",
]


def same(a, b):
    for name in ("data", "onsets"):
        assert getattr(a, name).dtype == getattr(b, name).dtype
        assert np.array_equal(getattr(a, name), getattr(b, name))
    for name in ("axes", "seconds", "ch_names", "provenance", "flags", "pooling"):
        assert getattr(a, name) == getattr(b, name), name
    assert list(a.poolings.items()) == list(b.poolings.items())
    assert a.extras.keys() == b.extras.keys()
    for name, array in a.extras.items():
        assert array.dtype == b.extras[name].dtype
        assert np.array_equal(array, b.extras[name])


def test_pooling_by_default_and_by_name(embeddings):
    window = embeddings.pool()
    assert window.pooling == "window"
    assert window.axes == ("window", "feature")
    np.testing.assert_allclose(window.data, embeddings.data.mean(1), atol=1e-7)
    assert np.array_equal(embeddings.pool("first").data, embeddings.data[:, 0])
    assert embeddings.pool("all").data.shape == (3, 20)
    assert embeddings.data.shape == (3, 4, 5)
    assert window.pool() is window
    assert window.pool("window") is window


def test_a_wrong_pooling_lists_the_right_ones(embeddings):
    with pytest.raises(UsageError, match=r"'mean'.*window, first, all") as caught:
        embeddings.pool("mean")
    assert caught.value.code == "unknown_pooling"
    with pytest.raises(UsageError, match="are pooled"):
        embeddings.pool().pool("first")
    with pytest.raises(UsageError, match="none"):
        replace(embeddings, poolings={}).pool()


def test_the_table_has_one_row_per_window(embeddings):
    table = embeddings.to_table()
    assert table.column_names == [*COLUMNS, "extra/x", "extra/index"]
    assert str(table.schema.field("vector").type) == "fixed_size_list<item: float>[5]"
    row = table.slice(1, 1).to_pylist()[0]
    assert row["vector"] == embeddings.pool().data[1].tolist()
    del row["vector"], row["extra/x"], row["extra/index"]
    assert row == {
        "recording": "night.edf",
        "model": "agora",
        "variant": "small",
        "pooling": "window",
        "onset": 5.0,
        "duration": 5.0,
        "n_channels": 2,
        "epoch": None,
        "event": None,
        "flags": ["flat:Fp2", "annotated:BAD_move"],
        "untrained": False,
    }


def test_a_parquet_file_tells_everything_to_pyarrow_alone(embeddings, tmp_path):
    table = parquet.read_table(embeddings.save(tmp_path / "out.parquet"))
    record = json.loads(table.schema.metadata[b"eegora"])
    assert record["layout"] == "eegora-result-1"
    assert record["untrained"] is False
    assert record["provenance"]["checkpoint"]["sha256"] == "ab12"
    assert record["provenance"]["recipe"] == 'name = "plain"\n'
    assert [use["row"] for use in record["provenance"]["plan"]] == ["FP1-F7", None]


def test_an_untrained_checkpoint_shows_everywhere(embeddings, tmp_path):
    embeddings = replace(embeddings, provenance=replace(embeddings.provenance, untrained=True))
    table = parquet.read_table(embeddings.save(tmp_path / "out.parquet"))
    assert table["untrained"].to_pylist() == [True] * 3
    assert table.schema.metadata[b"untrained"] == b"true"
    assert "numbers mean nothing" in json.loads(table.schema.metadata[b"eegora"])["statement"]
    with safe_open(embeddings.save(tmp_path / "out.safetensors"), "np") as file:
        assert file.metadata()["untrained"] == "true"
    with np.load(embeddings.save(tmp_path / "out.npz")) as file:
        assert json.loads(str(file["eegora"]))["untrained"] is True
    assert "untrained" in repr(embeddings)
    assert Embeddings.load(tmp_path / "out.npz").provenance.untrained


@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
@pytest.mark.parametrize("pooled", [False, True])
def test_arrays_come_back_bit_for_bit(embeddings, tmp_path, suffix, pooled):
    embeddings = embeddings.pool("first") if pooled else embeddings
    same(Embeddings.load(embeddings.save(tmp_path / f"out{suffix}")), embeddings)


@pytest.mark.parametrize("name", ["window", "first", "all"])
def test_tables_come_back_bit_for_bit(embeddings, tmp_path, name):
    pooled = embeddings.pool(name)
    same(Embeddings.load(pooled.save(tmp_path / "out.parquet")), pooled)


def test_float64_stays_float64_in_a_table(embeddings, tmp_path):
    exact = replace(embeddings, data=embeddings.data.astype(np.float64) + np.pi).pool()
    assert exact.data.dtype == np.float64
    again = Embeddings.load(exact.save(tmp_path / "e.parquet"))
    assert np.array_equal(again.data, exact.data)
    assert again.data.dtype == np.float64


def test_a_table_is_pooled_by_default(embeddings, tmp_path):
    same(Embeddings.load(embeddings.save(tmp_path / "out.parquet")), embeddings.pool())


def test_no_windows_and_no_poolings_are_fine(embeddings, tmp_path):
    none = replace(embeddings, data=embeddings.data[:0], onsets=embeddings.onsets[:0], flags=(), poolings={}, extras={})
    for suffix in (".parquet", ".safetensors", ".npz"):
        same(Embeddings.load(none.save(tmp_path / f"out{suffix}")), none)


def test_tokens_lie_in_the_file_under_the_names_that_others_read(embeddings, tmp_path):
    with safe_open(embeddings.save(tmp_path / "out.safetensors"), "np") as file:
        for i, window in enumerate(embeddings.data):
            assert np.array_equal(file.get_tensor(f"embeddings_{i}"), window)
        assert np.array_equal(file.get_tensor("onsets"), embeddings.onsets)
        assert np.array_equal(file.get_tensor("extra/x"), embeddings.extras["x"])


def test_a_wrong_ending_is_said_before_anything_is_written(embeddings, tmp_path):
    with pytest.raises(UsageError, match=r"\.parquet, \.safetensors, \.npz"):
        embeddings.save(tmp_path / "sub" / "out.csv")
    with pytest.raises(UsageError, match=r"\.parquet, \.safetensors, \.npz"):
        Embeddings.load(tmp_path / "out.csv")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_table_is_one_line(tmp_path):
    (tmp_path / "out.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(UsageError, match="cannot be read") as caught:
        Embeddings.load(tmp_path / "out.parquet")
    assert caught.value.code == "bad_result"
