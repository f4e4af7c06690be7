"""Files written a portion at a time are those that the libraries write at once, and read as theirs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from eegora.results import arrays

SOME = {
    "text": np.array("a word"),
    "turned": np.arange(60.0).reshape(3, 20).T,
    "flags": np.array([True, False, True]),
    "none": np.zeros((0, 4), np.float32),
    "one": np.broadcast_to(np.float32(2), (1, 5, 1)),
    "index": np.arange(7),
    "big-endian": np.arange(5, dtype=">f4"),
}


@pytest.fixture(autouse=True)
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "PORTION", 24)


def test_an_npz_is_the_file_that_numpy_writes(tmp_path: Path) -> None:
    little = {k: v for k, v in SOME.items() if k not in ("turned", "big-endian")}
    arrays.write_npz(tmp_path / "ours.npz", little)
    np.savez(tmp_path / "theirs.npz", **little)
    assert (tmp_path / "ours.npz").read_bytes() == (tmp_path / "theirs.npz").read_bytes()


def test_every_array_comes_back(tmp_path: Path) -> None:
    numbers = {k: v for k, v in SOME.items() if k != "text"}
    arrays.write_npz(tmp_path / "a.npz", SOME)
    arrays.write_safetensors(tmp_path / "a.safetensors", numbers, {"key": "ü"})
    with np.load(tmp_path / "a.npz", allow_pickle=False) as members:
        found = dict(members)
    for loaded, wanted in ((found, SOME), (load_file(tmp_path / "a.safetensors"), numbers)):
        assert loaded.keys() == wanted.keys()
        for name, array in wanted.items():
            assert loaded[name].dtype == array.dtype.newbyteorder("=")
            np.testing.assert_array_equal(loaded[name], array)
    with safe_open(tmp_path / "a.safetensors", "np") as opened:
        assert opened.metadata() == {"key": "ü"}


def test_an_array_on_disk_is_let_go_after_each_portion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "a.npy", np.arange(30.0).reshape(10, 3))
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    given_back: list[bool] = []
    monkeypatch.setattr(arrays, "let_go", lambda array: given_back.append(array._mmap is mapped._mmap))
    for write in (arrays.write_npz, lambda path, some: arrays.write_safetensors(path, some, {})):
        write(tmp_path / "out", {"a": mapped})
    assert given_back == [True] * 2 * 10  # 240 bytes, 24 at a time
