import json
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors import safe_open

from eegora.errors import UsageError
from eegora.results import Reconstruction


@pytest.fixture
def reconstruction(windows, provenance):
    return Reconstruction(windows.data + np.float32(0.5), windows, provenance)


def test_volts_are_the_way_back(reconstruction):
    np.testing.assert_allclose(reconstruction.volts, reconstruction.data.astype(float) * 2e-5 + 1e-6)


def test_rmse_counts_the_recording_only_and_the_missing_cells_apart(windows, provenance):
    data = windows.data.copy()
    data[0, 0] += 3
    data[1, :, 6:] += 100  # beyond the recording's end
    data[1, 1, :3] += 4
    missing = np.zeros(windows.data.shape, bool)
    missing[1, 1, :3] = True
    found = Reconstruction(data, replace(windows, missing=missing), provenance)
    np.testing.assert_allclose(found.rmse, [[3, 0, 0], [0, np.sqrt(8), 0]], rtol=1e-6)
    np.testing.assert_allclose(found.rmse_missing, [[np.nan] * 3, [np.nan, 4, np.nan]], rtol=1e-6)
    assert np.isnan(Reconstruction(data, windows, provenance).rmse_missing).all()


def test_it_says_what_it_is_not(reconstruction):
    said = reconstruction.honesty
    for part in ("agora small", "not measured", "2 bipolar derivations, not electrodes", "not undone: notch"):
        assert part in said
    assert "untrained" not in said
    assert "untrained" in replace(reconstruction, provenance=replace(reconstruction.provenance, untrained=True)).honesty


def test_electrodes_are_not_called_derivations(reconstruction):
    windows = replace(reconstruction.windows, ch_names=("Fp1", "F7", "Cz"), not_undone=())
    assert replace(reconstruction, windows=windows).honesty == "agora small: imputed/model output, not measured"


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_arrays_and_the_honest_line_are_saved(reconstruction, tmp_path, suffix):
    path = replace(reconstruction, extras={"x": np.ones((2, 3))}).save(tmp_path / f"out{suffix}")
    if suffix == ".npz":
        with np.load(path) as file:
            arrays, text = dict(file), str(file["eegora"])
    else:
        with safe_open(path, "np") as file:
            arrays, text = {k: file.get_tensor(k) for k in file.keys()}, file.metadata()["eegora"]  # noqa: SIM118
    assert np.array_equal(arrays["data"], reconstruction.data)
    assert np.array_equal(arrays["data"] * arrays["scale"] + arrays["shift"] + arrays["level"], reconstruction.volts)
    assert np.array_equal(arrays["rmse"], reconstruction.rmse)
    assert arrays["extra/x"].shape == (2, 3)
    assert json.loads(text)["honesty"] == reconstruction.honesty


def test_a_fif_gets_volts_and_the_honest_line(reconstruction, tmp_path, monkeypatch):
    saved = {}
    stub = SimpleNamespace(
        windows_to_raw=lambda windows, volts, *, like, description: (windows, volts, like, description),
        save_raw=lambda raw, path: saved.update({path: raw}) or path,
    )
    monkeypatch.setitem(sys.modules, "eegora.recordings.write", stub)
    reconstruction.save(tmp_path / "rec_raw.fif", like="the recording")
    windows, volts, like, description = saved[tmp_path / "rec_raw.fif"]
    assert windows is reconstruction.windows
    assert np.array_equal(volts, reconstruction.volts)
    assert (like, description) == ("the recording", reconstruction.honesty)


def test_a_fif_has_no_room_for_inputs_and_csv_is_unknown(reconstruction, tmp_path):
    with pytest.raises(UsageError, match=r"\.safetensors or \.npz"):
        replace(reconstruction, extras={"x": np.ones((2, 3))}).save(tmp_path / "rec_raw.fif")
    with pytest.raises(UsageError, match=r"\.fif, \.safetensors, \.npz"):
        reconstruction.save(tmp_path / "rec.csv")
