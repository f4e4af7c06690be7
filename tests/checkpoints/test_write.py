from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from eegora.checkpoints.read import read_metadata, read_tensors
from eegora.checkpoints.write import in_format, write_tensors
from eegora.errors import CheckpointError, UsageError

TENSORS = {"a": torch.arange(6.0).reshape(2, 3).T, "n": torch.tensor(3)}


def test_written_whole_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "x.safetensors"
    write_tensors(path, TENSORS, {"eegora": "{}"})
    again = read_tensors(path)
    assert all(torch.equal(again[key], TENSORS[key]) for key in TENSORS)
    assert read_metadata(path) == {"eegora": "{}"}
    assert os.listdir(path.parent) == ["x.safetensors"]


def test_nothing_is_ever_replaced(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_text("mine")
    with pytest.raises(UsageError) as error:
        write_tensors(path, TENSORS, {})
    assert error.value.code == "exists"
    assert path.read_text() == "mine"
    assert os.listdir(tmp_path) == ["x.safetensors"]


def test_another_number_format() -> None:
    halved = in_format(TENSORS, "bfloat16")
    assert (halved["a"].dtype, halved["n"].dtype) == (torch.bfloat16, torch.int64)
    assert in_format(TENSORS, None)["a"] is TENSORS["a"]
    with pytest.raises(CheckpointError) as error:
        in_format({"a": torch.tensor([70000.0])}, "float16")
    assert error.value.code == "out_of_range"
