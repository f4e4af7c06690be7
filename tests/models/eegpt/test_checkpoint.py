"""EEGPT's checkpoints: every layout, what is read off shapes, and the folds."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from eegora import assembly
from eegora.checkpoints.rename import new_names
from eegora.checkpoints.synthetic import synthetic_state_dict
from eegora.errors import CheckpointError, UsageError
from eegora.models.eegpt.checkpoint import detect, layout, renames, tasks, trusted, vocabulary
from eegora.models.eegpt.folds import max_norm
from eegora.models.eegpt.heads import _positions
from eegora.models.eegpt.inference import CODE, encode
from eegora.models.eegpt.settings import own_input, recipe_of, settings
from eegora.models.eegpt.spec import DOWNSTREAM, UNSEEN
from eegora.parity.manifests import find_layout
from tests.models.eegpt.sizes import SMALL, model, task_config

VECTORS = Path(__file__).parent / "vectors"
MANIFESTS = sorted(path.stem for path in VECTORS.glob("*.json"))


def read(name):
    """A manifest's layout under our names, and what is detected from it."""
    manifest = find_layout(name, [VECTORS])
    names, _ = new_names(manifest.layout, renames(manifest.layout, {}))
    return manifest, {new: manifest.layout[old] for old, new in names.items()}


def load(tensors, tmp_path, **config):
    # A name of its own: parameters of a loaded network may be mapped from the file.
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}.pt"
    torch.save({key: torch.from_numpy(np.array(value)) for key, value in tensors.items()}, path)
    return assembly.load_network(CODE, path, config=config)


def same(a, b):
    a, b = a.network.state_dict(), b.network.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("name", MANIFESTS)
def test_the_layout_is_the_manifests(name):
    manifest, found = read(name)
    config = detect({key: shape for key, (shape, _) in found.items()})
    assert layout(config) == found
    for key in ("embed_dim", "embed_num", "depth", "patch_size", "predictor_depth", "n_outputs", "n_chans_target"):
        assert config[key] == manifest.config.get(key, config[key]), key


@pytest.mark.parametrize("name", DOWNSTREAM)
def test_a_downstream_task_is_known_by_its_shapes(name):
    _, found = read(f"eegpt-recipe-{name}")
    config = detect({key: shape for key, (shape, _) in found.items()})
    assert config["recipe"] == name
    assert settings(config).channels == DOWNSTREAM[name].channels
    assert settings(config).stride == DOWNSTREAM[name].stride


def test_another_classifier_of_the_same_channels_is_not_that_task():
    _, found = read("eegpt-probe")
    assert detect({key: shape for key, (shape, _) in found.items()})["recipe"] is None


def test_the_published_sizes_have_eight_heads():
    _, found = read("eegpt-base")
    shapes = {key: shape for key, (shape, _) in found.items()}
    assert detect(shapes)["num_heads"] == 8
    wide = {key: tuple(384 if n == 512 else n for n in shape) for key, shape in shapes.items()}
    assert detect(wide)["num_heads"] is None


def test_an_unknown_number_of_heads_is_refused():
    with pytest.raises(CheckpointError, match="num_heads"):
        CODE.build(SMALL | {"embed_dim": 384, "num_heads": None})


def test_heads_given_change_the_numbers():
    x = {"x": torch.randn(1, 3, 128, generator=torch.Generator().manual_seed(0)), "ids": torch.tensor([[0, 1, 2]])}
    two, four = (model(fields={"num_heads": n}).network for n in (2, 4))
    assert not torch.allclose(encode(two, x), encode(four, x))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (r"linear_probe", "final_layer.probe"),
        (r"linear_probe", "final_layer.1.probe"),
        (r"target_encoder.", ""),
        (r"chan_conv.", "chan_conv.0."),
        (r"", "model."),
    ],
)
def test_every_spelling_loads_alike(old, new, tmp_path):
    tensors = synthetic_state_dict(layout(SMALL | task_config("bcic2a")), 1)
    other = {key.replace(old, new, 1) if key.startswith(old) else key: value for key, value in tensors.items()}
    assert other.keys() != tensors.keys()
    assert same(load(tensors, tmp_path), load(other, tmp_path))


def test_parametrized_weights_load_alike(tmp_path):
    tensors = synthetic_state_dict(layout(SMALL | task_config("bcic2a")), 1)
    names = {f"linear_probe{i}.weight": f"final_layer.probe{i}.parametrizations.weight.original" for i in (1, 2)}
    names |= {
        "chan_conv.weight": "chan_proj.proj.parametrizations.weight.original",
        "chan_conv.bias": "chan_proj.proj.bias",
    }
    other = {names.get(key, key): value for key, value in tensors.items()}
    assert same(load(tensors, tmp_path), load(other, tmp_path))


def test_stored_channel_ids_are_ignored(tmp_path):
    tensors = synthetic_state_dict(layout(SMALL), 1)
    loaded = load(tensors | {"chans_id": np.arange(62)[::-1]}, tmp_path)
    assert "chans_id" in loaded.coverage.dropped
    assert same(loaded, load(tensors, tmp_path))


def test_a_channel_step_and_a_head_can_be_left_out(tmp_path):
    tensors = synthetic_state_dict(layout(SMALL | task_config("bcic2b")), 1)
    loaded = load(tensors, tmp_path, chan_proj_type="none", head="none")
    assert loaded.network.channel_step is None
    assert loaded.network.head is None
    assert "classify" not in tasks(loaded.config)
    assert "linear_probe1.weight" in loaded.coverage.dropped


def test_a_step_that_the_file_does_not_hold_is_refused(tmp_path):
    with pytest.raises(CheckpointError) as caught:
        load(synthetic_state_dict(layout(SMALL), 1), tmp_path, chan_proj_type="linear", n_chans=22, n_chans_target=19)
    assert caught.value.code == "does_not_fit"


def test_the_online_encoder_alone_is_not_the_model(tmp_path):
    whole = synthetic_state_dict(layout(SMALL), 1)
    with pytest.raises(CheckpointError) as caught:
        load({key.replace("target_", ""): value for key, value in whole.items()}, tmp_path)
    assert caught.value.code == "not_this_model"


def test_max_norm_shrinks_long_rows_only():
    weight = torch.tensor([[3.0, 4.0], [0.3, 0.4]])
    out = max_norm(weight, 1.0)
    assert out.dtype == torch.float64
    assert torch.equal(out[1], weight[1].double())
    np.testing.assert_allclose(out[0], np.array([3, 4]) / (5 + 1e-7), rtol=1e-15)


def test_heads_are_held_at_their_norms(tmp_path):
    loaded = load(synthetic_state_dict(layout(SMALL | task_config("bcic2a")), 1), tmp_path)
    state = loaded.network.state_dict()
    assert state["head.fc1.weight"].norm(dim=1).max() <= 1 + 1e-6
    assert state["head.fc2.weight"].norm(dim=1).max() <= 0.25 + 1e-6
    assert state["channel_step.weight"].norm(dim=1).max() <= 1 + 1e-6


@pytest.mark.parametrize(("name", "padding", "last"), [("tuab", 0, torch.nn.GELU()), ("tuev", 27, torch.nn.Identity())])
def test_stems_fold_their_batch_norms(name, padding, last, tmp_path):
    """Convolution, batch norm, GELU, convolution, batch norm, and in stem A another GELU, by torch's own layers."""
    tensors = synthetic_state_dict(layout(SMALL | task_config(name)), 1)
    step = load(tensors, tmp_path).network.channel_step
    given = {key: torch.from_numpy(value).double() for key, value in tensors.items()}
    x = torch.randn(2, 23, 80, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def norm(i, y):
        kinds = ("running_mean", "running_var", "weight", "bias")
        return torch.nn.functional.batch_norm(y, *(given[f"chan_conv.{i}.{kind}"] for kind in kinds))

    y = torch.nn.functional.conv1d(x, max_norm(given["chan_conv.0.weight"][..., 0], 1), given["chan_conv.0.bias"])
    y = torch.nn.functional.gelu(norm(1, y))
    taps, bias = given["chan_conv.3.weight"][:, 0], given["chan_conv.3.bias"]
    y = last(norm(4, torch.nn.functional.conv1d(y, taps, bias, groups=20, padding=padding)))
    torch.testing.assert_close(step(x.float()), y.float(), atol=1e-5, rtol=1e-5)


def test_the_sleep_heads_positions_are_the_originals():
    code = _positions(torch.zeros(1, 3, 6))
    n = torch.arange(3.0)
    one, nothing = torch.ones(3), torch.zeros(3)
    torch.testing.assert_close(code, torch.stack([n.sin(), n.cos(), nothing, one, nothing, one], dim=1))


def test_an_unknown_stem_is_refused():
    with pytest.raises(CheckpointError, match="taps"):
        CODE.build(SMALL | task_config("tuab") | {"n_taps": 31})


def test_a_config_file_does_not_win_over_the_tensors():
    detected = detect({key: shape for key, (shape, _) in layout(SMALL).items()})
    believed, notes = trusted({"num_heads": 8, "patch_stride": 32, "embed_dim": 512}, detected)
    assert believed == {"num_heads": 8}
    assert "512" in notes[0]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("bcic2b", (3, 1024)),
        ("kaggleern", (19, 512)),
        ("sleepedf", (2, None)),
        ("tuab", (23, 1998)),
        ("tuev", (23, 960)),
    ],
)
def test_what_a_step_and_a_head_take(name, wanted):
    assert own_input(SMALL | task_config(name) | {"recipe": name}) == wanted


def test_names_count_where_channels_reach_the_encoder():
    assert set(UNSEEN) < set(vocabulary(SMALL, "embed"))
    assert vocabulary(SMALL | task_config("tuab"), "classify") is None
    assert vocabulary(SMALL | {"channel_ids": "position"}, "embed") is None


def test_choices_are_checked():
    for field, value in (("profile", "mine"), ("tail", "ceil"), ("patch_stride", 0.5), ("pooling", "max")):
        with pytest.raises(UsageError, match=field):
            settings(SMALL | {field: value})


def test_profiles():
    assert (settings(SMALL).stride, settings(SMALL).tail) == (64, "floor")
    other = settings(SMALL | {"profile": "braindecode"})
    assert (other.stride, other.tail) == (32, "pad")
    assert settings(SMALL | {"profile": "braindecode", "tail": "floor"}).tail == "floor"


def test_every_small_task_is_recognised():
    for name in DOWNSTREAM:
        assert recipe_of(SMALL | task_config(name)) == name


def test_a_safetensors_file_loads(tmp_path):
    tensors = synthetic_state_dict(layout(SMALL), 1)
    save_file(tensors, tmp_path / "c.safetensors")
    loaded = assembly.load_network(CODE, tmp_path / "c.safetensors")
    assert same(loaded, load(tensors, tmp_path))
    assert any("every 64, tail floor" in note for note in loaded.notes)
