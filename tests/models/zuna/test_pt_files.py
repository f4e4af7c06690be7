"""Files of epochs that the first generation's pipeline leaves: read without running anything, back to volts."""

import pickle

import numpy as np
import pytest
import torch

from eegora.errors import RecordingError
from eegora.models.zuna.pt_files import read_pt
from eegora.recordings.positions import head_position
from tests.models.zuna.conftest import NAMES, run

PLACES = np.array([head_position(name) for name in NAMES], np.float32)


def write(path, **more):
    rng = np.random.RandomState(0)
    data = [torch.from_numpy(rng.standard_normal((5, 128)).astype(np.float32)) for _ in range(3)]
    torch.save({"data": data, "channel_positions": [torch.from_numpy(PLACES)] * 3, **more}, path)
    return np.stack([epoch.numpy() for epoch in data])


def test_epochs_become_windows_and_go_back_to_volts(tmp_path, first):
    facts = {"channel_names": ["a", "b", "c", "d", "e"], "reversibility": {"global_mean": 1e-6, "global_std": 2e-5}}
    data = write(tmp_path / "e.pt", metadata=facts)
    windows = read_pt(tmp_path / "e.pt")
    assert windows.ch_names == ("a", "b", "c", "d", "e")
    np.testing.assert_allclose(windows.data, data / 10, rtol=1e-6)
    np.testing.assert_allclose(windows.to_volts(), data * 2e-5 + 1e-6, rtol=1e-5, atol=1e-12)
    np.testing.assert_array_equal(windows.ch_pos, PLACES)
    assert "zscore" not in windows.not_undone
    assert run(first, "embed", windows).shape == (3, 5, 4, 32)


def test_without_metadata_places_tell_names_and_units_stay(tmp_path):
    data = write(tmp_path / "e.pt")
    windows = read_pt(tmp_path / "e.pt")
    assert windows.ch_names == NAMES
    np.testing.assert_allclose(windows.to_volts(), data, rtol=1e-5)
    assert "zscore" in windows.not_undone


class Bomb:
    """Would make a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("content", [{"data": []}, {"other": 1}, [1, 2], {"data": [1.0], "channel_positions": []}])
def test_other_contents_are_refused(tmp_path, content):
    torch.save(content, tmp_path / "e.pt")
    with pytest.raises(RecordingError) as caught:
        read_pt(tmp_path / "e.pt")
    assert caught.value.code == "cannot_read"


def test_nothing_in_a_file_is_run(tmp_path):
    (tmp_path / "e.pt").write_bytes(pickle.dumps({"data": Bomb(tmp_path / "ran")}))
    with pytest.raises(RecordingError):
        read_pt(tmp_path / "e.pt")
    assert not (tmp_path / "ran").exists()
    with pytest.raises(RecordingError, match="no such file"):
        read_pt(tmp_path / "gone.pt")
