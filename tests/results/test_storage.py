import errno
import os
import subprocess
import sys

import numpy as np
import pytest

from eegora.errors import UsageError
from eegora.results import storage


def test_a_missing_folder_is_made_and_nothing_else_is_left(tmp_path):
    storage.write_whole(tmp_path / "a" / "b" / "out.txt", lambda part: part.write_text("whole") and None)
    assert (tmp_path / "a" / "b" / "out.txt").read_text() == "whole"
    assert os.listdir(tmp_path / "a" / "b") == ["out.txt"]


@pytest.mark.parametrize("stop", [ValueError, KeyboardInterrupt])
def test_an_interrupted_write_leaves_the_old_file_and_no_other(tmp_path, stop):
    path = tmp_path / "out.txt"
    path.write_text("old")

    def half(part):
        part.write_text("ne")
        raise stop

    with pytest.raises(stop):
        storage.write_whole(path, half)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["out.txt"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
def test_what_the_system_refuses_is_one_line(tmp_path, number):
    def refused(part):
        raise OSError(number, os.strerror(number), str(part))

    with pytest.raises(UsageError) as caught:
        storage.write_whole(tmp_path / "out.txt", refused)
    assert caught.value.code == "cannot_write"
    assert os.strerror(number) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_a_folder_a_device_and_a_file_as_folder_are_refused(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path, "/dev/null", tmp_path / "file" / "out.txt"):
        with pytest.raises(UsageError) as caught:
            storage.write_whole(path, lambda part: part.touch())
        assert caught.value.code == "cannot_write"
        assert str(path) in str(caught.value)


def test_a_link_is_followed(tmp_path):
    (tmp_path / "real.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to(tmp_path / "real.txt")
    storage.write_whole(tmp_path / "link.txt", lambda part: part.write_text("new") and None)
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real.txt").read_text() == "new"


def test_an_unknown_ending_names_those_that_work(tmp_path):
    with pytest.raises(UsageError, match=r"out\.txt.*\.npz, \.parquet") as caught:
        storage.ending(tmp_path / "out.txt", (".npz", ".parquet"), "embeddings")
    assert caught.value.code == "unknown_suffix"


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@pytest.mark.parametrize("name", ["out", "OUT"])
def test_arrays_come_back_as_they_were(tmp_path, suffix, name, provenance):
    path = tmp_path / (name + (suffix.upper() if name.isupper() else suffix))
    arrays = {"a": np.arange(6.0).reshape(2, 3).T, "b": np.array([True, False]), "none": np.zeros((0, 2), np.float32)}
    storage.save_arrays(path, arrays, storage.record("things", provenance))
    assert os.listdir(tmp_path) == [path.name]
    found, record = storage.load_arrays(path, "things")
    assert found.keys() == arrays.keys()
    for key, array in arrays.items():
        assert found[key].dtype == array.dtype
        assert np.array_equal(found[key], array)
    assert storage.provenance_of(record) == provenance


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_what_is_not_a_result_is_one_line(tmp_path, suffix, provenance):
    path = tmp_path / f"out{suffix}"
    with pytest.raises(UsageError, match="does not exist"):
        storage.load_arrays(path, "things")
    path.write_bytes(b"not this")
    with pytest.raises(UsageError, match="cannot be read") as caught:
        storage.load_arrays(path, "things")
    assert "\n" not in str(caught.value)
    storage.save_arrays(path, {"a": np.zeros(2)}, storage.record("things", provenance))
    with pytest.raises(UsageError, match=r"holds things, not others\. Next: give a file of others"):
        storage.load_arrays(path, "others")
    storage.save_arrays(path, {"a": np.zeros(2)}, storage.record("things", provenance) | {"layout": "eegora-result-99"})
    with pytest.raises(UsageError, match="eegora-result-99"):
        storage.load_arrays(path, "things")


def test_a_foreign_file_is_not_taken_for_ours(tmp_path):
    np.savez(tmp_path / "a.npz", data=np.zeros(3))
    with pytest.raises(UsageError, match="not a result of eegora"):
        storage.load_arrays(tmp_path / "a.npz", "things")


def test_result_classes_import_numpy_only():
    heavy = ("mne", "torch", "pyarrow", "safetensors", "matplotlib", "scipy", "pandas")
    script = f"import sys, eegora.results; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
