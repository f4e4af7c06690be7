"""Every layout of spec section 7 leads to the same network; what no tensor tells is asked for, recorded or refused."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from eegora import assembly
from eegora.checkpoints.rename import new_names
from eegora.checkpoints.synthetic import synthetic_state_dict
from eegora.errors import CheckpointError, UsageError
from eegora.models.eeg_dino import checkpoint
from eegora.models.eeg_dino.inference import CODE
from eegora.models.eeg_dino.spec import SPEC
from tests.models.eeg_dino.conftest import VECTORS, manifest

MANIFESTS = sorted(path.stem for path in VECTORS.glob("*.json"))
LAYOUTS = ("eegdino-tiny", "eegdino-tiny-official", "eegdino-tiny-finetuned", "eegdino-tiny-burn")


def renamed(found, **fields):
    names, _ = new_names(found.layout, checkpoint.renames(found.layout, fields))
    return names, {new: found.layout[old] for old, new in names.items()}


def detected(layout):
    return checkpoint.detect({key: shape for key, (shape, _) in layout.items()})


def filled(name, source):
    """Write a plain checkpoint's tensors as another layout has them."""
    found = manifest(name)
    tensors = {key: torch.zeros(shape) for key, (shape, _) in found.layout.items()}
    for old, new in renamed(found)[0].items():
        value = source[new.removeprefix("transposed.").removeprefix("student.")]
        tensors[old] = value.T.contiguous() if new.startswith("transposed.") else value
    return tensors


@pytest.fixture
def plain():
    """The tiny checkpoint in braindecode's layout."""
    return {k: torch.from_numpy(v) for k, v in synthetic_state_dict(manifest("eegdino-tiny")).items()}


@pytest.fixture
def load(tmp_path):
    """Write tensors to a file and load it with the tiny manifests' configuration and other fields."""

    def loaded(tensors, **fields):
        path = tmp_path / "checkpoint.safetensors"
        save_file(tensors, path)
        return assembly.load_network(CODE, path, config={"groups": [2, 2, 2], "nhead": 4} | fields)

    return loaded


@pytest.mark.parametrize("name", MANIFESTS)
def test_layout_is_the_manifests(name):
    for branch in ("student", "teacher") if name == "eegdino-tiny-official" else (None,):
        _, wanted = renamed(manifest(name), branch=branch)
        assert checkpoint.layout(detected(wanted)) == wanted


def test_a_manifests_own_configuration_gives_its_layout():
    found = manifest("eegdino-tiny")
    assert checkpoint.layout(found.config) == found.layout


@pytest.mark.parametrize("name", ["eegdino-small", "eegdino-medium", "eegdino-large"])
def test_the_tensors_tell_the_variant(name):
    config = detected(renamed(manifest(name))[1])
    (same,) = (v.name for v in SPEC.variants if all(config[key] == value for key, value in v.config.items()))
    assert same == name.removeprefix("eegdino-")
    full = checkpoint.complete(config)
    assert full["groups"] == list(manifest(name).config["groups"])
    assert full["nhead"] == 8
    assert full["n_classes"] == (0 if same == "large" else 2)


@pytest.mark.parametrize("name", LAYOUTS[1:])
def test_every_layout_makes_the_same_network(name, plain, load):
    wanted = load(plain).network.state_dict()
    found = load(filled(name, plain)).network.state_dict()
    assert found.keys() == wanted.keys() - {key for key in wanted if "official" in name and key.startswith("head.")}
    for key, value in found.items():
        assert torch.equal(value, wanted[key]), key
        assert value.is_contiguous()


def test_a_torch_file_of_the_training_run(plain, tmp_path):
    official = filled("eegdino-tiny-official", plain) | {
        "module.student.encoder_layers.0.attn.relative_position_index": torch.zeros(4, 4, dtype=torch.int64),
        "dino_loss.center": torch.zeros(1, 8),
    }
    official |= {k: -official[k.replace("teacher", "student")] for k in official if k.startswith("module.teacher.")}
    path = tmp_path / "model_EEG_DINO_T.pt"
    torch.save({"state_dict": official, "epoch": 3}, path)
    config = {"groups": [2, 2, 2], "nhead": 4}
    student = assembly.load_network(CODE, path, config=config)
    assert torch.equal(student.network.global_tokens, plain["global_tokens"])
    assert "student" in student.notes[0]
    assert student.coverage.dropped["module.mask_projector.0.weight"] == "not the student branch"
    teacher = assembly.load_network(CODE, path, config=config | {"branch": "teacher"})
    assert torch.equal(teacher.network.global_tokens, -plain["global_tokens"])
    assert "teacher" in teacher.notes[0]
    assert teacher.config["branch"] == "teacher"


def test_a_branch_that_is_not_there_is_refused(plain, load):
    official = filled("eegdino-tiny-official", plain)
    only = {key: value for key, value in official.items() if "teacher" not in key}
    with pytest.raises(CheckpointError, match="no teacher branch, only student") as caught:
        load(only, branch="teacher")
    assert caught.value.code == "no_such_branch"
    with pytest.raises(UsageError, match="only official"):
        load(plain, branch="teacher")
    with pytest.raises(UsageError, match="wanted of"):
        load(plain, branch="pupil")


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_converted_file_keeps_its_configuration(name, plain, load):
    """Written back in braindecode's layout with all that was known of it, a file loads as what it was."""
    tensors = filled(name, plain)
    before = load(tensors, layout=manifest(name).config["layout"])
    names, _ = new_names(tensors, checkpoint.renames(tensors, {}))
    after = load(CODE.publish({new: tensors[old] for old, new in names.items()}), **before.config)
    assert after.config == {key: value for key, value in before.config.items() if key != "stored"}
    assert after.notes == before.notes
    assert all(
        torch.equal(value, after.network.state_dict()[key]) for key, value in before.network.state_dict().items()
    )
    assert load(tensors, **before.config).config == before.config


@pytest.mark.parametrize("layout", ["braindecode", "burn"])
def test_matrices_the_wrong_way_round_are_refused(layout, plain, load):
    tensors = plain if layout == "braindecode" else filled("eegdino-tiny-burn", plain)
    turned = {k: v.T.contiguous() if v.ndim == 2 else v for k, v in tensors.items()}
    with pytest.raises(CheckpointError, match=r"does not fit|EEG-DINO encoder"):
        load(turned)


def test_a_layout_is_told_by_names_not_by_shapes(plain, load):
    """In a burn file the square matrices are turned too."""
    burn = filled("eegdino-tiny-burn", plain)
    key = "encoder_layers.0.attn.proj.weight"
    assert torch.equal(load(burn).network.blocks[0].attention.out.weight, burn[key].T)


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_missing_tensor_and_nan_are_refused(name, plain, load):
    tensors = filled(name, plain)
    key = next(key for key in tensors if key.endswith("encoder_layers.1.attn.q_bias"))
    with pytest.raises(CheckpointError, match="1 missing"):
        load({k: v for k, v in tensors.items() if k != key})
    with pytest.raises(CheckpointError, match="NaN"):
        load(tensors | {key: torch.full_like(tensors[key], np.nan)})


def test_another_models_file_is_refused(load):
    with pytest.raises(CheckpointError, match="no EEG-DINO encoder") as caught:
        load({"mask_token": torch.zeros(3)})
    assert caught.value.code == "not_this_model"


def test_heads_are_eight_unless_told(plain, load):
    assert load(plain, nhead=None).network.blocks[0].attention.n_heads == 8
    assert load(plain, nhead=16).network.blocks[0].attention.n_heads == 16
    assert "16 attention heads" in load(plain, nhead=16).notes[0]
    for width, heads in ((200, 8), (512, 16), (1024, 16)):
        config = {"emb_dim": width, "conv": [80, 80, 80], "n_layer": 1, "nhead_preset": "eegdino-rs"}
        assert checkpoint.complete(config)["nhead"] == heads


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"nhead": 5}, "5 heads do not divide"),
        ({"nhead": 4, "nhead_preset": "eegdino-rs"}, "one of them"),
        ({"nhead_preset": "eegdino"}, "eegdino-rs"),
        ({"groups": None}, "do not tell how many groups"),
        ({"groups": [3, 2, 2]}, "do not divide"),
        ({"global_token_layer": 4}, "wanted 1 to 3"),
        ({"layout": "torch"}, "wanted of braindecode"),
    ],
)
def test_impossible_configurations_are_refused(fields, words, plain, load):
    with pytest.raises(UsageError, match=words) as caught:
        load(plain, **fields)
    assert caught.value.code == "bad_config"


def test_the_global_token_may_enter_later(plain, load):
    x, slots = torch.randn(1, 2, 400, generator=torch.Generator().manual_seed(0)), torch.tensor([[0, 1]])
    one, three = (load(plain, global_token_layer=i).network.encode(x, slots) for i in (1, 3))
    assert one.shape == three.shape == (1, 5, 32)
    assert torch.equal(three[0, 0], plain["global_tokens"][0, 0])
    assert not torch.allclose(one, three)
    alone = load(plain, global_token_layer=3).network.encode(x, slots, only_global=True)
    assert torch.equal(alone, three[:, :1])


def test_a_repositorys_head_count_is_doubted(tmp_path):
    """A config.json that says 16 for a published width is not believed, and the user can force it."""
    config = {"emb_dim": 200, "n_layer": 1, "dim_feedforward": 8, "conv": [25, 25, 25]}
    tensors = {k: torch.from_numpy(v) for k, v in synthetic_state_dict(checkpoint.layout(config), 0).items()}
    path, beside = tmp_path / "model.safetensors", tmp_path / "config.json"
    save_file(tensors, path)
    beside.write_text(json.dumps({"nhead": 20, "n_layer": 1}))
    doubted = assembly.load_network(CODE, path, beside=beside)
    assert doubted.network.blocks[0].attention.n_heads == 8
    assert "says 20 heads, 8 are used" in doubted.notes[0]
    forced = assembly.load_network(CODE, path, beside=beside, config={"nhead": 20})
    assert forced.network.blocks[0].attention.n_heads == 20
    assert not any("are used" in note for note in forced.notes)


def test_a_head_that_was_never_trained_is_noticed(plain, load):
    assert not any("never been trained" in note for note in load(plain).notes)
    generator = torch.Generator().manual_seed(0)
    fresh = {
        key: (2 * torch.rand(value.shape, generator=generator) - 1) / value.shape[1] ** 0.5
        for key, value in plain.items()
        if key.startswith("final_layer.") and key.endswith(".weight")
    }
    assert any("never been trained" in note for note in load(plain | fresh).notes)
    silent = {key: torch.zeros_like(v) for key, v in plain.items() if key.startswith("final_") and v.ndim == 1}
    assert any("never been trained" in note for note in load(plain | silent).notes)
    trained = fresh | {"final_layer.classifier.6.weight": 2 * fresh["final_layer.classifier.6.weight"]}
    assert not any("never been trained" in note for note in load(plain | trained).notes)


def test_tasks_follow_the_head(plain, load):
    assert checkpoint.tasks(load(plain).config) == ("embed", "classify")
    bare = {key: value for key, value in plain.items() if not key.startswith("final_layer.")}
    assert checkpoint.tasks(load(bare, n_outputs=3).config) == ("embed",)
