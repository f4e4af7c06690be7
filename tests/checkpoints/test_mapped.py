from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from eegora.checkpoints import mapped
from eegora.checkpoints.mapped import MappedTensors, RenamedTensors, release
from eegora.checkpoints.read import read_tensors
from eegora.errors import CheckpointError

NUMBERS = {
    name: torch.arange(6).to(getattr(torch, name)).reshape(2, 3)
    for name in ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    extra = {"empty": torch.zeros(0, 3), "scalar": torch.tensor(2.5), "odd": torch.ones(3, dtype=torch.uint8)}
    save_file(NUMBERS | extra, tmp_path / "x.safetensors")
    return tmp_path / "x.safetensors"


def in_memory(part: bytes = b"x.safetensors") -> int:
    """Bytes of the file that this process holds."""
    total, ours = 0, False
    for line in Path("/proc/self/smaps").read_bytes().splitlines():
        if b"-" in line.split(b" ")[0]:
            ours = line.endswith(part)
        elif ours and line.startswith(b"Rss:"):
            total += 1024 * int(line.split()[1])
    return total


def test_every_number_format_comes_back(file: Path) -> None:
    found = MappedTensors(file)
    assert len(found) == len(list(found)) == len(NUMBERS) + 3
    for name, value in NUMBERS.items():
        assert found[name].dtype == value.dtype
        assert torch.equal(found[name], value)
    assert (found["empty"].shape, found["scalar"].item(), found["scalar"].shape) == ((0, 3), 2.5, ())
    with pytest.raises(KeyError):
        found["absent"]


def test_numbers_stay_when_their_pages_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = {f"t{i}": torch.full((1 << 20,), float(i)) for i in range(8)}
    save_file(tensors, tmp_path / "x.safetensors")
    monkeypatch.setattr(mapped, "HELD", 3 * (4 << 20))
    found = MappedTensors(tmp_path / "x.safetensors")
    kept = {}
    for i, name in enumerate(found):
        kept[name] = found[name]
        assert kept[name].sum().item() == float(name[1:]) * (1 << 20)
        assert 4 << 20 <= in_memory() <= 5 * (4 << 20), i
    release(RenamedTensors(found, {"a": "t0"}))
    assert in_memory() == 0
    assert all(torch.equal(kept[name], tensors[name]) for name in tensors)


def test_other_names(file: Path) -> None:
    found = RenamedTensors(RenamedTensors(MappedTensors(file), {"a": "int8", "b": "bool"}), {"c": "b"})
    assert (list(found), len(found), "a" in found) == (["c"], 1, False)
    assert torch.equal(found["c"], NUMBERS["bool"])


def test_a_number_format_that_torch_does_not_have(tmp_path: Path) -> None:
    record = {"w": {"dtype": "F8_E8M0", "shape": [4], "data_offsets": [0, 4]}}
    text = json.dumps(record).encode()
    (tmp_path / "x.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bytes(4))
    with pytest.raises(CheckpointError) as error:
        read_tensors(tmp_path / "x.safetensors")
    assert error.value.code == "bad_checkpoint"
    assert "w is F8_E8M0" in str(error.value)
