"""ZUNA's checkpoints: every layout loads, and what does not fit is refused."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from eegora import assembly, load_model
from eegora.checkpoints.synthetic import read_manifest, synthetic_state_dict
from eegora.cli.main import main
from eegora.errors import CheckpointError
from eegora.models.zuna import checkpoint
from eegora.models.zuna.inference import CODE
from eegora.models.zuna.spec import SPEC
from eegora.preparation import Preparation
from eegora.recordings.synthetic import synthetic_raw
from eegora.recordings.write import save_raw
from eegora.results.embeddings import Embeddings
from tests.models.zuna.conftest import VECTORS, tiny

MANIFESTS = sorted(VECTORS.glob("*.json"))
TINY = ("zuna-tiny", "zuna-tiny1")


def tensors_of(name):
    manifest = read_manifest(VECTORS / f"{name}.json")
    return {k: torch.from_numpy(v) for k, v in synthetic_state_dict(manifest).items()}, manifest.config["model"]


def load(tensors, path, config, **options):
    if path.suffix == ".safetensors":
        save_file({k: v.contiguous() for k, v in tensors.items()}, path)
    else:
        torch.save(tensors, path)
    return assembly.load_network(CODE, path, config=config, **options)


def assert_same(a, b):
    a, b = a.network.state_dict(), b.network.state_dict()
    assert a.keys() == b.keys()
    assert all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda p: p.stem)
def test_the_layout_is_the_manifests(path):
    manifest = read_manifest(path)
    assert checkpoint.layout(manifest.config) == dict(manifest.layout)
    detected = checkpoint.detect({k: shape for k, (shape, _) in manifest.layout.items()})
    head = {"head_dim": manifest.config["model"]["head_dim"]}
    assert checkpoint.layout(detected | head) == dict(manifest.layout)


def test_published_variants_are_the_manifests():
    for variant, name in zip(SPEC.variants, ("zuna-ZUNA1.1", "zuna-ZUNA1"), strict=True):
        assert checkpoint.layout(variant.config) == dict(read_manifest(VECTORS / f"{name}.json").layout)


@pytest.mark.parametrize(("name", "second"), [("zuna-tiny", True), ("zuna-tiny1", False)])
def test_the_generation_is_told_by_the_tensors(name, second):
    config = tiny(name).config
    assert (config["qk_norm"], config["sandwich"]) == (second, second)
    assert (config["position_bins"], config["token_order"]) == ((100, "A") if second else (50, "B"))
    assert config["max_seqlen"] == (256 if second else 50)
    assert config["inner_dim"] == 32


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_other_spellings_load_alike(name, suffix, tmp_path):
    tensors, config = tensors_of(name)
    whole = load(tensors, tmp_path / f"a{suffix}", config)
    bare = {k.removeprefix("model."): v for k, v in tensors.items()}
    assert_same(load(bare, tmp_path / f"b{suffix}", config), whole)
    short = {k.replace(".norm.weight", ".weight") if "layers" in k else k: v for k, v in bare.items()}
    assert_same(load(short, tmp_path / f"c{suffix}", config), whole)
    more = tensors | {"model.decoder.repa_proj.0.weight": torch.zeros(3), "model.distill_head.bias": torch.zeros(2)}
    assert_same(found := load(more, tmp_path / f"d{suffix}", config), whole)
    assert len(found.coverage.dropped) == 2


@pytest.mark.parametrize("number", [torch.bfloat16, torch.float16])
def test_half_precision_files_are_computed_in_float32(number, tmp_path):
    tensors, config = tensors_of("zuna-tiny")
    found = load({k: v.to(number) for k, v in tensors.items()}, tmp_path / "half.safetensors", config)
    assert {p.dtype for p in found.network.parameters()} == {torch.float32}
    expected = tensors["model.encoder.output.weight"].to(number).float()
    assert torch.equal(found.network.encoder.output.weight, expected)


@pytest.mark.parametrize("name", TINY)
def test_the_encoder_alone(name, tmp_path):
    """Asked for, or because a file has no more: no decoder in memory, and only embedding is offered."""
    tensors, config = tensors_of(name)
    asked = load(tensors, tmp_path / "whole.safetensors", config | {"encoder_only": True})
    alone = {k: v for k, v in tensors.items() if ".encoder." in k}
    found = load(alone, tmp_path / "encoder.safetensors", config)
    assert asked.network.decoder is None
    assert CODE.tasks(asked.config) == CODE.tasks(found.config) == ("embed",)
    assert set(asked.coverage.dropped) == {k for k in tensors if ".decoder." in k}
    assert_same(asked, found)


def test_the_command_embeds_without_a_decoder(tmp_path, monkeypatch):
    """Only the encoder is made; what it gives and records is the whole model's, and decoding takes the whole one."""
    tensors, config = tensors_of("zuna-tiny")
    save_file(tensors, tmp_path / "tiny.safetensors")
    (tmp_path / "tiny.json").write_text(json.dumps(config))
    save_raw(synthetic_raw(10, 0), tmp_path / "rec_raw.fif")
    made = []
    build = assembly.assembled
    monkeypatch.setattr(assembly, "assembled", lambda *args: made.append(build(*args)) or made[-1])
    given = ["--checkpoint", str(tmp_path / "tiny.safetensors"), "--config", str(tmp_path / "tiny.json")]
    recording, out = str(tmp_path / "rec_raw.fif"), tmp_path / "e.safetensors"
    assert main(["embed", recording, "--model", "zuna", *given, "-o", str(out)]) == 0
    assert made[0].network.decoder is None
    found = Embeddings.load(out)
    whole = load_model("zuna", checkpoint=tmp_path / "tiny.safetensors", config=tmp_path / "tiny.json")
    assert whole.network.decoder is not None
    expected = whole.embed(recording)
    np.testing.assert_array_equal(found.data, expected.data)
    assert found.provenance.checkpoint == expected.provenance.checkpoint  # the file's fingerprint among it
    assert "fingerprint" in found.provenance.checkpoint
    assert np.isfinite(whole.decode(found, Preparation(settings={"steps": 1})).data).all()


@pytest.mark.parametrize(
    "fields",
    [
        {"rope_dim": 1},
        {"tok_idx_type": "{t}"},
        {"ape_dim": 1},
        {"seqlen_t": True},
        {"zero_spatial": True},
        {"encoder_latent_downsample_factor": 2},
        {"encoder_hidden_dim": 32},
        {"bottleneck_type": "fsq"},
        {"model": {"rope_dim": 3}},
    ],
    ids=str,
)
def test_networks_that_nobody_published_are_refused(fields, tmp_path):
    tensors, config = tensors_of("zuna-tiny")
    with pytest.raises(CheckpointError) as caught:
        load(tensors, tmp_path / "x.safetensors", config | fields if "model" not in fields else fields)
    assert caught.value.code == "unsupported"


def test_a_learned_vector_for_blanks_is_refused(tmp_path):
    tensors, config = tensors_of("zuna-tiny")
    with pytest.raises(CheckpointError, match="dropout_vec"):
        load(tensors | {"model.encoder.dropout_vec": torch.zeros(32)}, tmp_path / "x.safetensors", config)


def test_a_head_size_that_does_not_divide_is_refused(tmp_path):
    tensors, config = tensors_of("zuna-tiny1")
    with pytest.raises(CheckpointError, match="head_dim = 64"):
        load(tensors, tmp_path / "x.safetensors", {k: v for k, v in config.items() if k != "head_dim"})


def test_a_missed_transpose_and_another_model_are_refused(tmp_path):
    tensors, config = tensors_of("zuna-tiny")
    key = "model.decoder.layers.0.feed_forward.w2.weight"
    with pytest.raises(CheckpointError) as caught:
        load(tensors | {key: tensors[key].T}, tmp_path / "x.safetensors", config)
    assert caught.value.code == "does_not_fit"
    with pytest.raises(CheckpointError) as caught:
        load({"blocks.0.weight": torch.zeros(2, 2)}, tmp_path / "y.safetensors", config)
    assert caught.value.code == "not_this_model"


def test_settings_of_a_user_win():
    config = tiny("zuna-tiny", position_bins=50, token_order="B", steps=7, max_seqlen=99).config
    assert (config["position_bins"], config["token_order"], config["steps"], config["max_seqlen"]) == (50, "B", 7, 99)


def test_half_split_and_back():
    rows = torch.arange(32.0)
    split = checkpoint.half_split(rows, 8)
    assert split[:8].tolist() == [0, 2, 4, 6, 1, 3, 5, 7]
    assert torch.equal(checkpoint.interleaved(split[None], 8)[0], rows)


def test_shared_keys_and_values_are_loaded():
    """Fewer heads of keys and values than of queries: their number is read off wk."""
    config = dict(read_manifest(VECTORS / "zuna-tiny.json").config["model"]) | {"n_heads": 4, "n_kv_heads": 2}
    loaded = assembly.untrained_network(CODE, config, seed=1, dtype="float64")
    assert (loaded.config["inner_dim"], loaded.config["kv_dim"]) == (64, 32)
    assert np.isfinite(loaded.network.encoder.output.weight.numpy()).all()


def test_an_untrained_network_may_be_small():
    config = SPEC.variants[0].config
    loaded = assembly.untrained_network(CODE, config, fields={"n_layers": 1, "dim": 128})
    assert (loaded.config["n_layers"], loaded.config["dim"]) == (1, 128)
    assert not loaded.synthetic  # its seed is its own; its source says what it is


def test_a_synthetic_checkpoint_is_known_by_its_numbers():
    assert tiny("zuna-tiny").synthetic
    assert tiny("zuna-tiny1", "float32").synthetic
