"""Files made to do harm: each ends in a one-line error, and nothing is written outside of where things belong."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from eegora.checkpoints.published import Published
from eegora.checkpoints.read import read_config, read_tensors
from eegora.checkpoints.resolve import fetch
from eegora.errors import CheckpointError, EegoraError

from .hub import Hub, resolve

PUBLISHED = Published(("One/Model",), ("w.safetensors",), "MIT", 10, config_files=("config.json",))


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[Path]:
    """A folder to work in; whatever appears beside it fails the test."""
    (tmp_path / "inside").mkdir()
    yield tmp_path / "inside"
    assert {p.name for p in tmp_path.iterdir()} <= {"inside", "hf-home"}


def refused(error: pytest.ExceptionInfo[EegoraError], *codes: str) -> None:
    assert error.value.code in codes
    assert "\n" not in str(error.value)


class Runs:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("wrap", [lambda evil: evil, lambda evil: {"state_dict": {"w": torch.ones(2)}, "epoch": evil}])
def test_pickle_that_runs_code(inside: Path, wrap: Any, zipped: bool) -> None:
    torch.save(wrap(Runs(inside.parent / "ran")), inside / "x.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError) as error:
        read_tensors(inside / "x.pt")
    refused(error, "unsafe_checkpoint")


def test_plain_pickle_that_runs_code(inside: Path) -> None:
    (inside / "x.bin").write_bytes(pickle.dumps(Runs(inside.parent / "ran")))
    with pytest.raises(CheckpointError) as error:
        read_tensors(inside / "x.bin")
    refused(error, "unsafe_checkpoint", "bad_checkpoint")


def header(record: object, data: bytes = b"") -> bytes:
    text = json.dumps(record).encode()
    return len(text).to_bytes(8, "little") + text + data


@pytest.mark.parametrize(
    "content",
    [
        (1 << 60).to_bytes(8, "little") + b"{}",
        ((1 << 64) - 1).to_bytes(8, "little") + b"{}",
        header(
            {
                "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
                "b": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]},
            },
            bytes(12),
        ),
        header({"a": {"dtype": "F32", "shape": [1 << 40, 1 << 40], "data_offsets": [0, 8]}}, bytes(8)),
        header({"a": {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}}, bytes(8)),
        header({"a": {"dtype": "F32", "shape": [2], "data_offsets": [-8, 0]}}, bytes(8)),
    ],
    ids=["2^60", "2^64", "overlap", "2^80 numbers", "backwards", "negative"],
)
def test_crafted_header(inside: Path, content: bytes) -> None:
    (inside / "x.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError) as error:
        read_tensors(inside / "x.safetensors")
    refused(error, "bad_checkpoint")


def test_zip_whose_members_lead_outside(inside: Path) -> None:
    torch.save({"w": torch.ones(2)}, inside / "x.pt")
    with zipfile.ZipFile(inside / "x.pt", "a") as archive:
        archive.writestr("../outside", "evil")
        archive.writestr(str(inside.parent / "absolute"), "evil")
    with contextlib.suppress(CheckpointError):  # read or refused, but never unpacked: `inside` looks
        read_tensors(inside / "x.pt")


def test_zip_given_as_a_bundle_is_not_unpacked(inside: Path) -> None:
    with zipfile.ZipFile(inside / "bundle.zip", "w") as archive:
        archive.writestr("../outside", "evil")
    with pytest.raises(CheckpointError) as error:
        resolve(PUBLISHED, bundle=inside / "bundle.zip", offline=True)
    refused(error, "not_found")


@pytest.mark.parametrize(
    ("name", "repo"),
    [
        ("../outside/w.safetensors", "One/Model"),
        ("One--Model/../../outside", "One/Model"),
        ("One--Model\\..\\..\\outside", "One/Model"),
        ("/etc/passwd", "One/Model"),
        ("C:\\windows", "One/Model"),
        ("One--Model/w.safetensors", "../.."),
        ("One--Model/w.safetensors", 3),
        ("One--Model/w.safetensors", None),
        ("", ""),
    ],
)
def test_bundle_whose_entries_lead_outside(inside: Path, hub: Hub, name: str, repo: object) -> None:
    bundle = inside / "bundle"
    (bundle / "One--Model").mkdir(parents=True)
    (bundle / "One--Model" / "w.safetensors").write_bytes(b"0123456789")
    (bundle / "bundle.json").write_text(json.dumps({"files": {name: {"sha256": "0" * 64, "repo": repo}}}))
    hub.files["One/Model", "w.safetensors"] = b"0123456789"
    for attempt in (lambda: resolve(PUBLISHED, bundle=bundle, offline=True), lambda: fetch(PUBLISHED, bundle)):
        with pytest.raises(CheckpointError) as error:
            attempt()
        refused(error, "bad_bundle")


@pytest.mark.parametrize("repo", ["../..", "a/../b", "/etc/passwd", "a/b/../../c", "..%2f..", "a b/c"])
def test_repository_that_leads_outside(inside: Path, hub: Hub, repo: str) -> None:
    with pytest.raises(EegoraError) as error:
        fetch(PUBLISHED.at(repo), inside / "bundle", cache_dir=inside / "cache")
    refused(error, "bad_repo", "not_on_hub")


@pytest.mark.parametrize("file", ["../../../outside", "/outside"])
def test_file_name_that_leads_outside(inside: Path, hub: Hub, file: str) -> None:
    hub.files["One/Model", file] = b"evil"
    with pytest.raises(EegoraError) as error:
        fetch(Published(("One/Model",), (file,), "MIT", 4), inside / "bundle", cache_dir=inside / "cache")
    assert "\n" not in str(error.value)


OUTSIDE = ["../../../../outside", "../outside", "/outside", "a/b", "..", "a\\b", "x" * 400, "%2e%2e"]


@pytest.mark.parametrize("patience", [0, 1])
@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("field", ["etag", "commit"])
def test_hub_whose_answer_leads_outside(inside: Path, hub: Hub, field: str, name: str, patience: int) -> None:
    """The client names files after the hub's ETag and commit; an answer is looked at whenever it comes, not once."""
    setattr(hub, field, name)
    hub.patience = patience
    hub.files["One/Model", "w.safetensors"] = b"0123456789"
    with pytest.raises(EegoraError) as error:
        fetch(PUBLISHED, cache_dir=inside / "a" / "b" / "cache")
    refused(error, "bad_hub")
    assert [p for p in inside.rglob("*") if p.is_file()] == []


@pytest.mark.parametrize("name", OUTSIDE)
def test_hub_that_says_absent_and_leads_outside(inside: Path, hub: Hub, name: str) -> None:
    """Also that a file is absent is remembered in a file, under the commit's name."""
    hub.commit = name
    hub.files["One/Model", "README.md"] = b"card"
    with pytest.raises(EegoraError) as error:
        fetch(PUBLISHED, cache_dir=inside / "a" / "b" / "cache")
    refused(error, "bad_hub")
    assert [p for p in inside.rglob("*") if p.is_file()] == []


def test_hub_with_a_weak_etag(inside: Path, hub: Hub) -> None:
    """``W/"…"`` is allowed by the standard; its mark is no part of the name."""
    hub.etag = '"abc-1"'
    hub.files["One/Model", "w.safetensors"] = b"0123456789"
    assert fetch(PUBLISHED, cache_dir=inside / "cache").path.read_bytes() == b"0123456789"


def test_config_whose_values_are_paths(inside: Path) -> None:
    """A configuration is fields, never a place to read from or write to."""
    from eegora import assembly, registry

    fields = {"checkpoint": "../../outside", "path": "/etc/passwd", "weight_map": {"w": "../outside"}}
    (inside / "config.json").write_text(json.dumps(fields))
    assert read_config(inside / "config.json") == fields
    save_file({"w": torch.ones(2)}, inside / "x.safetensors")
    for folder in registry.specs():
        with pytest.raises(CheckpointError) as error:
            assembly.load_network(registry.code(folder), inside / "x.safetensors", beside=inside / "config.json")
        refused(error, "not_this_model", "does_not_fit")


def test_config_that_is_nested_too_deep(inside: Path) -> None:
    (inside / "config.json").write_text("[" * 100_000)
    with pytest.raises(CheckpointError) as error:
        read_config(inside / "config.json")
    refused(error, "bad_checkpoint")
