"""Windows go to a file and come back equal in everything, and a model embeds them as it embeds the recording."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest

from eegora.errors import UsageError
from eegora.loading import load_model
from eegora.recipes.prepare import prepare
from eegora.recordings.read import to_signal
from eegora.recordings.synthetic import synthetic_raw
from eegora.registry import specs
from eegora.results.storage import load_arrays, save_arrays
from eegora.results.windows import KIND, load_windows, save_windows
from eegora.signal import Annotation

SPEC = specs()["luna"]


@pytest.fixture(scope="module")
def windows():
    signal = replace(
        to_signal(synthetic_raw(21, 0)), bads=("F3",), annotations=(Annotation(6.0, 0.5, "BAD_x", ("Fp1",)),)
    )
    made = prepare(signal, SPEC.recipes[0])
    missing = np.zeros((len(made), 1, made.data.shape[-1]), bool)
    missing[1, 0, :40] = True
    return replace(made, missing=missing, choices={"missing": "skip"})


@pytest.mark.parametrize("ending", [".npz", ".safetensors"])
def test_everything_comes_back(windows, tmp_path, ending):
    path = tmp_path / f"windows{ending}"
    save_windows(path, windows)
    back = load_windows(path)
    for field in fields(windows):
        value, found = getattr(windows, field.name), getattr(back, field.name)
        if isinstance(value, np.ndarray):
            assert found.dtype == value.dtype
            np.testing.assert_array_equal(found, value, err_msg=field.name)
        else:
            assert found == value, field.name
    np.testing.assert_array_equal(back.to_volts(), windows.to_volts())
    assert ("annotated:BAD_x",) in back.flags
    assert back.bads == windows.bads != ()


def test_a_model_embeds_windows_from_a_file(windows, tmp_path):
    plain = replace(windows, missing=None)
    save_windows(tmp_path / "w.npz", plain)
    model = load_model("luna-base", untrained=0, device="cpu")
    direct, loaded = model.embed(plain), model.embed(load_windows(tmp_path / "w.npz"))
    np.testing.assert_array_equal(loaded.data, direct.data)
    assert loaded.provenance.recipe == direct.provenance.recipe != ""


@pytest.mark.parametrize("ending", [".npz", ".safetensors"])
def test_large_windows_stay_on_disk_and_are_the_same(windows, tmp_path, ending, monkeypatch):
    path = tmp_path / f"w{ending}"
    save_windows(path, windows)
    whole = load_windows(path)
    monkeypatch.setattr("eegora.results.arrays.LARGE", 1000)
    mapped = load_windows(path)
    assert isinstance(mapped.data, np.memmap)
    assert not isinstance(whole.data, np.memmap)
    for field in fields(windows):
        np.testing.assert_equal(getattr(mapped, field.name), getattr(whole, field.name))
    np.testing.assert_array_equal(mapped.to_volts(), windows.to_volts())
    some = path.read_bytes()
    path.write_bytes(some[: len(some) // 2])
    with pytest.raises(UsageError, match="bad_result"):
        load_windows(path)


def test_a_byte_that_changed_in_large_windows_is_noticed(windows, tmp_path, monkeypatch):
    monkeypatch.setattr("eegora.results.arrays.LARGE", 1000)
    path = tmp_path / "w.npz"
    save_windows(path, windows)
    some = bytearray(path.read_bytes())
    some[len(some) // 2] ^= 1
    path.write_bytes(some)
    with pytest.raises(UsageError, match="cannot be read"):
        load_windows(path)


def test_what_is_no_whole_windows_file_is_refused(windows, tmp_path):
    path = tmp_path / "w.safetensors"
    save_windows(path, windows)
    arrays, record = load_arrays(path, KIND)
    save_arrays(path, {k: v for k, v in arrays.items() if k != "level"}, record)
    with pytest.raises(UsageError, match="KeyError 'way_back/level'"):
        load_windows(path)
    save_arrays(path, {**arrays, "data": arrays["data"][:1]}, record)
    with pytest.raises(UsageError, match="no whole windows: ValueError samples of shape"):
        load_windows(path)
    with pytest.raises(UsageError) as refused:
        load_windows(tmp_path / "w.csv")
    assert refused.value.code == "unknown_suffix"
    np.savez(tmp_path / "other.npz", eegora=json.dumps({"kind": "embeddings"}))
    with pytest.raises(UsageError):
        load_windows(tmp_path / "other.npz")


def test_windows_in_a_file_are_told_by_their_record(tmp_path, embeddings):
    from eegora.results.windows import holds_windows

    np.savez(tmp_path / "array.npz", data=np.zeros(3))
    (tmp_path / "broken.safetensors").write_bytes(b"no")
    embeddings.save(tmp_path / "embeddings.npz")
    for name in ("array.npz", "broken.safetensors", "embeddings.npz", "none.npz", "other.edf"):
        assert not holds_windows(tmp_path / name)
