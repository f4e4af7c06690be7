from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import numpy as np
import pytest

from eegora.checkpoints.synthetic import (
    Manifest,
    find_manifest,
    is_synthetic,
    read_manifest,
    synthetic_state_dict,
    synthetic_tensor,
)
from eegora.errors import CheckpointError

# The first 16 digits of the SHA-256 of the bytes that the reference vectors' own filler writes.
FILLED = [
    ("blocks.0.attn.proj.weight", (4, 3, 2), "matrix", "bd7aca98f5bd7cb0"),
    ("head.weight", (4, 6), "matrix_t", "e60bf2ece0f7b621"),
    ("norm.bias", (7,), "bias", "64e023ee7c06465d"),
    ("norm.weight", (7,), "scale", "76e095d13a12a804"),
    ("mask_token", (1, 1, 5), "token", "d4a21d05be167d98"),
    ("temperature", (), "ones", "e00e5eb9444182f3"),
    ("chans_id", (1, 3), "zeros", "15ec7bf0b50732b4"),
    ("scalar", (), "matrix", "d6faa7617a51c59a"),
    ("scalar", (), "bias", "42daa6e56434e489"),
]
RECORD = {
    "name": "small",
    "config": {"dim": 2},
    "tensors": {"a.weight": {"shape": [2, 3], "init": "matrix"}, "a.bias": {"shape": [2], "init": "bias"}},
    "published_but_constant": {"freqs": {"shape": [4], "value": "1 / k"}},
}


@pytest.mark.parametrize(("key", "shape", "rule", "digest"), FILLED)
def test_unseeded_values_are_the_reference_vectors_own(
    key: str, shape: tuple[int, ...], rule: str, digest: str
) -> None:
    tensor = synthetic_tensor(key, shape, rule)
    assert (tensor.shape, tensor.dtype) == (shape, np.float32)
    assert hashlib.sha256(tensor.tobytes()).hexdigest()[:16] == digest


def test_scale_of_each_rule() -> None:
    z = synthetic_tensor("k", (50, 40, 5), "token").astype(float) / 0.5
    for rule, expected in {
        "matrix": z / math.sqrt(200),
        "matrix_t": z / math.sqrt(50),
        "bias": 0.02 * z,
        "scale": 1 + 0.1 * z,
    }.items():
        np.testing.assert_allclose(synthetic_tensor("k", (50, 40, 5), rule), expected, rtol=1e-5, atol=1e-7)


def test_seed_gives_another_checkpoint_and_always_the_same() -> None:
    one, again, two = (synthetic_tensor("k", (9,), "bias", seed) for seed in (1, 1, 2))
    assert one.tobytes() == again.tobytes()
    assert not np.allclose(one, two)
    assert not np.allclose(one, synthetic_tensor("k", (9,), "bias"))
    assert synthetic_tensor("k", (9,), "bias", 1).tobytes() == synthetic_tensor("1:k", (9,), "bias").tobytes()


def test_unknown_rule() -> None:
    with pytest.raises(CheckpointError, match=r"no rule 'uniform'.*bad_manifest"):
        synthetic_tensor("k", (1,), "uniform")


def test_manifest_is_read_and_filled(tmp_path: Path) -> None:
    path = tmp_path / "small.json"
    path.write_text(json.dumps(RECORD))
    manifest = read_manifest(path)
    assert manifest == Manifest(
        "small", {"dim": 2}, {"a.weight": ((2, 3), "matrix"), "a.bias": ((2,), "bias")}, {"freqs": (4,)}
    )
    filled = synthetic_state_dict(manifest)
    assert list(filled) == ["a.weight", "a.bias"]
    assert filled["a.weight"].tobytes() == synthetic_tensor("a.weight", (2, 3), "matrix").tobytes()
    seeded = synthetic_state_dict(manifest.layout, seed=3)
    assert seeded["a.bias"].tobytes() == synthetic_tensor("a.bias", (2,), "bias", 3).tobytes()


@pytest.mark.parametrize("text", ["{", "[]", '{"name": "x"}', '{"name": "x", "config": {}, "tensors": {"a": [1]}}'])
def test_damaged_manifest(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(CheckpointError) as error:
        read_manifest(tmp_path / "m.json")
    assert error.value.code == "bad_manifest"
    assert "\n" not in str(error.value)


def test_manifest_is_found_in_the_first_folder_that_has_it(tmp_path: Path) -> None:
    for folder, name in (("a", "x"), ("b", "x"), ("b", "y")):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / f"{name}.json").write_text("{}")
    folders = [tmp_path / "absent", tmp_path / "a", tmp_path / "b"]
    assert find_manifest("x", folders) == tmp_path / "a" / "x.json"
    assert find_manifest("y", folders) == tmp_path / "b" / "y.json"
    with pytest.raises(CheckpointError) as error:
        find_manifest("z", folders)
    assert (error.value.code, error.value.exit_code) == ("not_found", 2)
    assert all(str(folder) in str(error.value) for folder in folders)
    with pytest.raises(CheckpointError, match="bad_manifest"):
        find_manifest("../a/x", [tmp_path / "b"])


def test_a_checkpoint_that_the_rule_filled_is_recognised_in_any_format() -> None:
    layout = {"a.weight": ((8, 6), "matrix"), "a.bias": ((6,), "bias"), "a.norm": ((2,), "ones")}
    filled = synthetic_state_dict(layout)
    assert is_synthetic(filled, layout)
    assert is_synthetic({key: value.astype(np.float16) for key, value in filled.items()}, layout)
    assert not is_synthetic(synthetic_state_dict(layout, seed=1), layout)
    assert not is_synthetic({**filled, "a.bias": np.zeros(6, np.float32)}, layout)
    assert not is_synthetic({"a.norm": np.ones(2, np.float32)}, layout)
    assert not is_synthetic({}, layout)
