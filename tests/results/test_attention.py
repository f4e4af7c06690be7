import numpy as np
import pytest
from pyarrow import parquet

from eegora.errors import UsageError
from eegora.results import Attention
from eegora.results.storage import load_arrays


@pytest.fixture
def attention(provenance):
    data = np.zeros((2, 3, 2, 4), np.float32)
    data[:, :, 0] = [0.1, 0.4, 0.2, 0.3]
    data[0, :, 1] = [1, 0, 0, 0]
    data[1, :, 1] = [0, 0, 0.5, 0.5]
    return Attention(data, ("A", "B", "C", "D"), np.array([0.0, 5.0]), 5.0, provenance)


def test_top_channels_per_query(attention):
    first, second = attention.top_channels(3)
    assert [name for name, _ in first] == ["B", "D", "C"]
    assert [weight for _, weight in first] == pytest.approx([0.4, 0.3, 0.2])
    assert [name for name, _ in second] == ["A", "C", "D"]  # equal ones in the order of the channels
    assert [weight for _, weight in second] == pytest.approx([0.5, 0.25, 0.25])
    assert [len(query) for query in attention.top_channels(9)] == [4, 4]


def test_the_table_is_long(attention, tmp_path):
    table = parquet.read_table(attention.save(tmp_path / "attention.parquet"))
    assert table.num_rows == attention.data.size
    wanted = {"onset": 5.0, "patch": 2, "query": 1, "channel": "C", "weight": 0.5, "untrained": False}
    row = table.slice(np.ravel_multi_index((1, 2, 1, 2), attention.data.shape), 1).to_pylist()[0]
    assert wanted.items() <= row.items()
    assert b"eegora" in table.schema.metadata


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_all_axes_are_saved(attention, tmp_path, suffix):
    arrays, record = load_arrays(attention.save(tmp_path / f"attention{suffix}"), "attention")
    assert np.array_equal(arrays["data"], attention.data)
    assert record["axes"] == ["window", "patch", "query", "channel"]
    assert record["ch_names"] == ["A", "B", "C", "D"]


def test_an_unknown_ending_is_refused(attention, tmp_path):
    with pytest.raises(UsageError, match=r"\.parquet"):
        attention.save(tmp_path / "attention.csv")
