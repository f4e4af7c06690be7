from __future__ import annotations

import argparse
import hashlib
import json
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from eegora.checkpoints.read import is_zipped, read_config, read_metadata, read_tensors, sha256_of
from eegora.errors import CheckpointError

TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.ones(3, dtype=torch.bfloat16), "n": torch.tensor(7)}


class Runs:
    """Pickled so that reading it makes a folder."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.trace),)


@pytest.fixture
def safe(tmp_path: Path) -> Path:
    save_file(TENSORS, tmp_path / "a.safetensors", metadata={"classes": "x,y"})
    return tmp_path / "a.safetensors"


def refused(path: Path) -> CheckpointError:
    with pytest.raises(CheckpointError) as error:
        read_tensors(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)
    return error.value


def same(found: Mapping[str, torch.Tensor]) -> bool:
    return found.keys() == TENSORS.keys() and all(
        found[key].dtype == value.dtype and torch.equal(found[key], value) for key, value in TENSORS.items()
    )


def test_safetensors(safe: Path) -> None:
    assert same(read_tensors(safe))
    assert read_metadata(safe) == {"classes": "x,y"}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
@pytest.mark.parametrize("suffix", [".pt", ".pth", ".ckpt", ".bin"])
def test_torch_files(tmp_path: Path, suffix: str, wrapper: str | None, zipped: bool) -> None:
    path = tmp_path / f"a{suffix}"
    content = {wrapper: TENSORS, "epoch": 3, "optimizer_states": [{"lr": 0.1}]} if wrapper else TENSORS
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    assert same(read_tensors(path))
    assert read_metadata(path) == {}
    assert is_zipped(path) is zipped


def test_content_counts_but_no_pickle_goes_as_safetensors(tmp_path: Path, safe: Path) -> None:
    assert same(read_tensors(safe.rename(tmp_path / "safe.bin")))
    torch.save(TENSORS, tmp_path / "pickled.safetensors")
    assert "a torch pickle under a safetensors name" in str(refused(tmp_path / "pickled.safetensors"))


def test_parameters_come_without_gradient(tmp_path: Path) -> None:
    torch.save({"w": torch.nn.Parameter(torch.ones(2))}, tmp_path / "p.pt")
    assert not read_tensors(tmp_path / "p.pt")["w"].requires_grad


@pytest.mark.parametrize("how", ["torch", "legacy", "plain pickle"])
def test_pickle_that_would_run_code_does_not(tmp_path: Path, how: str) -> None:
    trace, path = tmp_path / "trace", tmp_path / "evil.ckpt"
    content = {"state_dict": TENSORS, "callback": Runs(trace)}
    if how == "plain pickle":
        path.write_bytes(pickle.dumps({"callback": Runs(trace)}, protocol=2))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=how == "torch")
    error = refused(path)
    assert (error.code, error.exit_code) == ("unsafe_checkpoint", 3)
    assert ".mkdir" in str(error)
    assert not trace.exists()


def test_pickle_that_needs_a_class_is_refused_by_its_name(tmp_path: Path) -> None:
    torch.save({"state_dict": TENSORS, "args": argparse.Namespace(lr=1)}, tmp_path / "n.ckpt")
    assert "argparse.Namespace" in str(refused(tmp_path / "n.ckpt"))


@pytest.mark.parametrize("kept", [0, 1, 5, 40, 200, -1])
def test_truncated_safetensors(safe: Path, kept: int) -> None:
    safe.write_bytes(safe.read_bytes()[:kept])
    error = refused(safe)
    assert (error.code, error.exit_code) == ("bad_checkpoint", 2)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("kept", [10, 600, -10])
def test_truncated_torch_file(tmp_path: Path, kept: int, zipped: bool) -> None:
    path = tmp_path / "t.pt"
    torch.save(TENSORS, path, _use_new_zipfile_serialization=zipped)
    path.write_bytes(path.read_bytes()[:kept])
    assert refused(path).code == "bad_checkpoint"


def header(record: object, data: bytes = b"") -> bytes:
    text = json.dumps(record).encode()
    return len(text).to_bytes(8, "little") + text + data


F32 = {"dtype": "F32", "shape": [2]}


@pytest.mark.parametrize(
    "content",
    [
        (1 << 60).to_bytes(8, "little") + b"{}",
        header({"a": F32 | {"data_offsets": [0, 8]}, "b": F32 | {"data_offsets": [4, 12]}}, bytes(12)),
        header({"a": F32 | {"data_offsets": [0, 1 << 50]}}, bytes(8)),
        header({"a": F32 | {"shape": [3], "data_offsets": [0, 8]}}, bytes(8)),
        header([1, 2]),
        b"a text file, not a checkpoint at all",
        b"<!DOCTYPE html><title>Sign in</title>",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n",
    ],
    ids=["2^60", "overlap", "beyond", "shape", "list", "text", "web page", "lfs"],
)
def test_crafted_or_foreign_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.safetensors").write_bytes(content)
    assert refused(tmp_path / "x.safetensors").code == "bad_checkpoint"


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, {"state_dict": {"epoch": 3}}, 5])
def test_torch_file_without_tensors_by_name(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "x.pt")
    assert "no tensors by name" in str(refused(tmp_path / "x.pt"))


def test_header_length_that_looks_like_a_pickle(tmp_path: Path) -> None:
    """Its lowest byte is 0x80 in one file of thirty-two."""
    path = tmp_path / "x.safetensors"
    for n in range(400):
        save_file(TENSORS, path, metadata={"classes": "x" * n})
        if path.read_bytes()[0] == 0x80:
            break
    assert path.read_bytes()[0] == 0x80
    assert same(read_tensors(path))
    assert read_metadata(path) == {"classes": "x" * n}
    assert not is_zipped(path)


def test_folder_names_the_files_in_it(safe: Path) -> None:
    error = refused(safe.parent)
    assert (error.code, error.exit_code) == ("bad_checkpoint", 2)
    assert "a.safetensors" in error.hint


def test_absent_file(tmp_path: Path) -> None:
    error = refused(tmp_path / "absent.safetensors")
    assert (error.code, error.exit_code) == ("not_found", 2)
    for read in (read_metadata, read_config, sha256_of):
        with pytest.raises(CheckpointError, match="not_found"):
            read(tmp_path / "absent")


def test_config_flat_or_under_model(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    for text in ('{"dim": 3}', '{"model": {"dim": 3}, "data": {}}'):
        path.write_text(text)
        assert read_config(path) == {"dim": 3}
    path.write_text('{"model": "name", "dim": 3}')
    assert read_config(path) == {"model": "name", "dim": 3}


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff\xfe"])
def test_config_that_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(CheckpointError, match="bad_checkpoint"):
        read_config(tmp_path / "config.json")


def test_sha256(safe: Path) -> None:
    assert sha256_of(safe) == hashlib.sha256(safe.read_bytes()).hexdigest()
