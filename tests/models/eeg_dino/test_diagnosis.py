"""The two diagnostics see what was planted, and nothing where nothing was (spec 10.1, 10.3)."""

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from eegora.checkpoints.synthetic import synthetic_state_dict
from eegora.loading import examine, load_model
from eegora.models.eeg_dino.diagnosis import diagnose, head_distances, slot_correlations
from eegora.models.eeg_dino.spec import ORDERS
from eegora.recordings.positions import head_position
from tests.models.eeg_dino.conftest import manifest


def layers_with(n_heads, width=128, n_layers=4):
    """Attention tensors whose scale differs from head to head."""
    random = np.random.RandomState(0)
    tensors = {}
    for i in range(n_layers):
        gain = np.repeat(np.exp(random.standard_normal((5, n_heads))), width // n_heads, axis=1)
        parts = [random.standard_normal((width, width)) * gain[k][:, None] for k in range(3)]
        key = f"encoder_layers.{i}.attn"
        tensors[f"{key}.qkv.weight"] = torch.from_numpy(np.concatenate(parts))
        tensors[f"{key}.proj.weight"] = torch.from_numpy(random.standard_normal((width, width)) * gain[3])
        tensors[f"{key}.q_bias"] = torch.from_numpy(random.standard_normal(width) * gain[4])
    return tensors


def test_eight_heads_make_siblings_close():
    siblings, strangers = head_distances(layers_with(8), 4, 16)
    assert siblings < 0.4 * strangers


def test_sixteen_heads_make_no_siblings():
    siblings, strangers = head_distances(layers_with(16), 4, 16)
    assert siblings == pytest.approx(strangers, rel=0.2)


@pytest.mark.parametrize("order", ORDERS)
def test_the_planted_slot_order_wins(order):
    positions = np.array([head_position(name) for name in ORDERS[order]])
    waves = np.random.RandomState(0).standard_normal((64, 3)) * 15
    weight = torch.from_numpy(np.cos(waves @ positions.T + np.arange(64)[:, None]))
    found = slot_correlations(weight)
    assert max(found, key=found.get) == order
    assert found[order] > 0.7


def test_random_tensors_prefer_no_order():
    weight = torch.from_numpy(np.random.RandomState(0).standard_normal((200, 19)))
    assert all(abs(r) < 0.2 for r in slot_correlations(weight).values())


def test_both_questions_at_once():
    tensors = layers_with(8) | {
        "patch_embedding.channel_embedding.weight": torch.arange(128.0 * 19).sin().view(128, 19)
    }
    found = diagnose(tensors, {"emb_dim": 128, "n_layer": 4})
    assert found["siblings"] < found["strangers"]
    assert set(found["slot_order"]) == set(ORDERS)


def test_the_questions_are_asked_of_the_configuration_that_is_loaded(tmp_path):
    """The user's config wins over what `convert` wrote into the file, and leaves the rest of it as it is."""
    file, config = tmp_path / "x.safetensors", tmp_path / "own.json"
    written = {"fields": {"groups": [2, 2, 2], "nhead": 4, "channel_order": "rows"}}
    save_file(synthetic_state_dict(manifest("eegdino-tiny")), file, {"eegora": json.dumps(written)})
    config.write_text(json.dumps({"nhead": 8}))
    loaded = load_model("eeg-dino", checkpoint=file, config=config, device="cpu").config
    assert (loaded["nhead"], loaded["channel_order"]) == (8, "rows")
    (told,) = [answer.answer for answer in examine("eeg-dino", file, config) if "slot" in answer.question]
    assert told.endswith("rows is used")
