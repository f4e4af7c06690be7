"""LUNA's checkpoints: every layout loads, and what does not fit is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from eegora import assembly
from eegora.checkpoints.synthetic import read_manifest, synthetic_state_dict
from eegora.errors import CheckpointError
from eegora.models.luna import checkpoint
from eegora.models.luna.inference import CODE
from eegora.models.luna.network import theta
from eegora.models.luna.spec import SPEC

VECTORS = Path(__file__).parent / "vectors"
MANIFESTS = sorted(VECTORS.glob("*.json"))


@pytest.fixture(scope="module")
def tensors():
    """A synthetic tiny checkpoint in the published layout."""
    return synthetic_state_dict(read_manifest(VECTORS / "luna-tiny.json"))


def load(tensors, path, **options):
    if path.suffix == ".safetensors":
        save_file({k: np.array(v) for k, v in tensors.items()}, path)
    else:
        torch.save({"state_dict": {k: torch.from_numpy(np.array(v)) for k, v in tensors.items()}, "epoch": 3}, path)
    return assembly.load_network(CODE, path, **options)


def state(loaded):
    return loaded.network.state_dict()


def assert_same(a, b):
    assert a.keys() == b.keys()
    assert all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda p: p.stem)
def test_the_layout_is_the_manifests(path):
    manifest = read_manifest(path)
    found = checkpoint.layout(manifest.config)
    assert {k: v for k, v in found.items() if v[1] != "constant"} == dict(manifest.layout)
    assert {k: v[0] for k, v in found.items() if v[1] == "constant"} == dict(manifest.constants)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda p: p.stem)
def test_the_configuration_is_told_by_the_shapes(path):
    manifest = read_manifest(path)
    assert checkpoint.detect({k: shape for k, (shape, _) in manifest.layout.items()}) == manifest.config


def test_published_variants_are_the_manifests():
    for variant in SPEC.variants:
        manifest = read_manifest(VECTORS / f"luna-{variant.name}.json")
        assert {k: manifest.config[k] for k in variant.config} == variant.config


def test_every_spelling_gives_the_same_network(tensors, tmp_path):
    plain = state(load(tensors, tmp_path / "plain.safetensors"))
    prefixed = {f"model.{k}": v for k, v in tensors.items()}
    assert_same(plain, state(load(prefixed, tmp_path / "prefixed.safetensors")))
    trained = prefixed | {"criterion.weight": np.ones(2, np.float32)}
    lightning = load(trained, tmp_path / "lightning.ckpt")
    assert_same(plain, state(lightning))
    assert lightning.coverage.dropped == {"model.criterion.weight": "the training loss"} or (
        lightning.coverage.dropped == {"criterion.weight": "the training loss"}
    )


def test_another_librarys_names(tmp_path):
    tensors = synthetic_state_dict(read_manifest(VECTORS / "luna-tiny-cls.json"))
    renamed = {
        k.replace("classifier.", "final_layer.")
        .replace("channel_location_embedder.0.", "channel_location_embedder.")
        .replace("temparature", "temperature"): v
        for k, v in tensors.items()
    }
    loaded = load(renamed, tmp_path / "renamed.safetensors")
    assert_same(state(load(tensors, tmp_path / "plain.safetensors")), state(loaded))
    assert loaded.coverage.renamed["final_layer.learned_agg"] == "classifier.learned_agg"


def test_a_file_without_the_two_inner_norms_is_refused(tensors, tmp_path):
    """What another library saves lacks them: it is another function."""
    without = {k: v for k, v in tensors.items() if "embedder.0.norm" not in k and "ffn.norm" not in k}
    with pytest.raises(CheckpointError, match="4 missing") as caught:
        load(without, tmp_path / "without.safetensors")
    assert caught.value.code == "does_not_fit"


def test_stored_rotary_constants_are_checked_not_used(tensors, tmp_path):
    right = theta(16).float().numpy()
    stored = {f"blocks.{i}.attn.rotary_emb.freqs": right for i in range(2)}
    whole = load(tensors | stored, tmp_path / "right.safetensors")
    assert whole.notes == ()
    assert_same(state(whole), state(load(tensors, tmp_path / "none.safetensors")))
    wrong = load(tensors | {k: v * 2 for k, v in stored.items()}, tmp_path / "wrong.safetensors")
    assert "rotary" in wrong.notes[0]


def test_stored_rotary_constants_tell_the_number_of_heads(tensors, tmp_path):
    stored = {f"blocks.{i}.attn.rotary_emb.freqs": theta(8).float().numpy() for i in range(2)}
    assert load(tensors | stored, tmp_path / "four.safetensors").config["num_heads"] == 4


def test_a_configuration_wins_over_the_guess(tensors, tmp_path):
    assert load(tensors, tmp_path / "c.safetensors", config={"num_heads": 4}).config["num_heads"] == 4


def test_rotary_frequencies_are_rounded_as_the_original_rounds():
    for head in (32, 48, 64):
        exponent = (np.arange(0, head, 2) / np.float64(head)).astype(np.float32)
        power = (10000.0 ** exponent.astype(np.float64)).astype(np.float32)
        expected = (np.float32(1) / power).astype(np.float64)
        assert np.array_equal(theta(head).numpy(), expected)


def test_another_models_file_is_refused_by_name(tmp_path):
    with pytest.raises(CheckpointError) as caught:
        load({"encoder.weight": np.ones((3, 3), np.float32)}, tmp_path / "other.safetensors")
    assert caught.value.code == "not_this_model"
    assert "other.safetensors" in str(caught.value)
