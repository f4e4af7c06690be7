"""From windows to EEGPT's answers: names, patches, masks, shared patches, attention, reconstruction."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from eegora.errors import ChannelError, CheckpointError, RecordingError, UsageError
from eegora.models.eegpt.inference import attention_maps, channel_ids, encode, pack, places, pooled, trace
from eegora.models.eegpt.interpolation import interpolation_matrix
from eegora.models.eegpt.network import patches_of
from eegora.models.eegpt.spec import UNSEEN, VOCABULARY
from eegora.preparation import Preparation
from eegora.recordings.synthetic import synthetic_raw
from tests.models.eegpt.sizes import model, task_config, windows

NAMES = ("FP1", "CZ", "O2", "T7")
WHOLE = {"predictor_depth": 2, "reconstructor_depth": 2}


@pytest.fixture(scope="module")
def small():
    return model()


@pytest.fixture(scope="module")
def whole():
    return model(**WHOLE)


def test_ids_are_found_by_name_in_any_spelling():
    assert channel_ids(["Fp1", " cz ", "EEG O2-REF", "T3", "T6", "Fc5."]) == [
        VOCABULARY.index(name) for name in ("FP1", "CZ", "O2", "T7", "P8", "FC5")
    ]


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(ChannelError, match="TP9") as caught:
        channel_ids(["CZ", "TP9"])
    assert "TP7" in str(caught.value)


def test_unknown_names_by_position_and_all_in_sequence():
    assert channel_ids(["CZ", "TP9"], "position") == [29, 1]
    assert channel_ids(["CZ", "TP9"], "sequential") == [0, 1]
    with pytest.raises(ChannelError, match="62 rows"):
        channel_ids([f"E{i}" for i in range(63)], "sequential")


def test_channels_may_come_in_any_order(small):
    a = windows(NAMES)
    b = a.keep_channels([2, 0, 3, 1], "")
    np.testing.assert_allclose(small.embed(a).data, small.embed(b).data, atol=1e-5)


def test_names_matter(small):
    a = windows(NAMES)
    b = replace(a, ch_names=("FP2", *NAMES[1:]))
    assert not np.allclose(small.embed(a).data, small.embed(b).data, atol=1e-3)


def test_channels_outside_the_vocabulary_are_refused_or_dropped(small):
    a = windows((*NAMES, "A1"))
    with pytest.raises(ChannelError, match="A1"):
        small.embed(a)
    dropped = small.embed(a, Preparation(unknown="drop"))
    np.testing.assert_array_equal(dropped.data, small.embed(a.keep_channels(range(4), "")).data)


@pytest.mark.parametrize("settings", [{"channel_ids": "position"}, {"interpolation": "always"}])
def test_a_call_that_needs_no_names_takes_other_channels(small, settings):
    """Names count where channels reach the encoder as they are: what a call chooses decides, not the checkpoint alone."""
    a = windows((*NAMES, "C3", "AFZ"))
    wanted = model(fields=settings).embed(a).data
    np.testing.assert_array_equal(small.embed(a, Preparation(settings=settings)).data, wanted)


def test_rows_that_pretraining_never_saw_are_noted(small):
    found = small.embed(windows((*NAMES, *UNSEEN))).provenance.notes
    assert any("never trained" in note and "AF7" in note for note in found)


@pytest.mark.parametrize(
    ("n_times", "stride", "tail", "wanted"),
    [
        (1000, 32, "floor", 30),
        (1000, 32, "pad", 31),
        (537, 32, "floor", 15),
        (537, 32, "pad", 16),
        (1024, 64, "pad", 16),
    ],
)
def test_patches(n_times, stride, tail, wanted):
    x = torch.arange(n_times, dtype=torch.float32).expand(1, 2, -1) + 1
    patches = patches_of(x, 64, stride, tail)
    assert patches.shape == (1, wanted, 2, 64)
    assert torch.equal(patches[0, 1, 0], x[0, 0, stride : stride + 64])
    zeros = int((patches[0, -1, 0] == 0).sum())
    assert zeros == max(0, (wanted - 1) * stride + 64 - n_times)


def test_the_profile_sets_the_number_of_patches():
    for profile, n in (("official", 4), ("braindecode", 8)):
        assert model(fields={"profile": profile}).embed(windows(NAMES, n_times=300)).data.shape[1] == n + (n == 8)


def test_a_call_may_cut_otherwise(small):
    how = Preparation(settings={"profile": "braindecode"})
    a = windows(NAMES, n_times=300)
    wanted = model(fields={"profile": "braindecode"}).embed(a).data
    np.testing.assert_array_equal(small.embed(a, how).data, wanted)


def test_a_trace_of_the_reconstruction_shows_predictor_and_reconstructor(whole):
    stages = trace(whole.network, pack(windows(NAMES), whole.config), "reconstruct")
    assert stages["context"].shape == (2, 2, 4, 32)
    assert stages["pred"].shape == (2, 4, 4, 32)
    assert stages["recon"].shape == (2, 16, 64)


def test_a_window_shorter_than_a_patch_is_refused(small):
    with pytest.raises(RecordingError, match="at least 64"):
        small.embed(windows(NAMES, n_times=63))


def test_the_last_block_for_the_summary_tokens_alone_changes_nothing():
    network = model("float64").network
    a = windows(NAMES)
    inputs = {"x": torch.from_numpy(a.data).double(), "ids": torch.tensor([channel_ids(NAMES)])}
    full = trace(network, inputs, "embed")["tokens"]
    torch.testing.assert_close(encode(network, inputs), full, atol=1e-13, rtol=0)


def test_one_block_is_first_and_last():
    network = model("float64", depth=1).network
    inputs = {"x": torch.from_numpy(windows(NAMES).data).double(), "ids": torch.tensor([channel_ids(NAMES)])}
    torch.testing.assert_close(encode(network, inputs), trace(network, inputs, "embed")["tokens"], atol=1e-13, rtol=0)


def test_poolings(small):
    embeddings = small.embed(windows(NAMES))
    z = embeddings.data
    assert z.shape == (2, 4, 4, 32)
    by_name = {name: embeddings.pool(name).data for name in ("window", "mean", "patches", "tokens")}
    np.testing.assert_allclose(by_name["mean"], z.mean((1, 2)), atol=1e-6)
    np.testing.assert_array_equal(by_name["patches"], z.reshape(2, 4, 128))
    np.testing.assert_allclose(by_name["window"], z.reshape(2, 4, 128).mean(1), atol=1e-6)
    np.testing.assert_array_equal(by_name["tokens"], z)
    stages = pooled(torch.from_numpy(z))
    for name, values in by_name.items():
        np.testing.assert_allclose(stages[name].numpy(), values, atol=1e-6)


def test_masks(small):
    a = windows(NAMES)
    inputs = pack(a, small.config)
    everything = torch.arange(16).view(4, 4)[None]
    z = encode(small.network, inputs)
    torch.testing.assert_close(encode(small.network, inputs | {"mask_x": everything}), z)
    picked = encode(small.network, inputs | {"mask_t": torch.tensor([[3, 1]])})
    assert torch.equal(picked, z[:, [3, 1]])
    fewer = encode(small.network, inputs | {"mask_x": everything[:, [2]][..., :2]})
    alone = encode(small.network, pack(a.keep_channels([0, 1], ""), small.config))
    torch.testing.assert_close(fewer, alone[:, [2]], atol=1e-5, rtol=1e-5)
    with pytest.raises(UsageError, match="mask_x"):
        encode(small.network, inputs | {"mask_x": torch.arange(4)[None]})


# ── patches that windows share ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("profile", ["official", "braindecode"])
@pytest.mark.parametrize("n_times", [256, 300])
def test_shared_patches_give_the_same_numbers(profile, n_times, monkeypatch):
    ready = model("float64", fields={"profile": profile})
    a = windows(NAMES, n_windows=5, n_times=n_times, hop=64)
    n_encoded = []
    forward = type(ready.network.encoder).forward

    def counting(self, patches, *rest):
        n_encoded.append(patches.shape[0] * patches.shape[1])
        return forward(self, patches, *rest)

    monkeypatch.setattr(type(ready.network.encoder), "forward", counting)
    together = ready.embed(a).data
    alone = np.concatenate([ready.embed(a.take([i])).data for i in range(5)])
    np.testing.assert_allclose(together, alone, atol=1e-13)
    assert n_encoded[0] < sum(n_encoded[1:])


def test_windows_of_an_overlapping_recipe_share_patches(small):
    raw = synthetic_raw(9, 1, sfreq=250)
    prepared = small.prepare(raw, Preparation(recipe=small.recipe().with_options("cut", every=1.0)))
    place = pack(prepared, small.config)["place"]
    assert place.shape == (6, 16)
    assert len(place.unique()) == 9 * 4


def test_windows_that_were_normalised_one_by_one_share_nothing():
    a = windows(NAMES, n_windows=3, hop=64)
    scored = replace(a, data=a.data / a.data.std(-1, keepdims=True))
    assert places(a, 64, 64, 4) is not None
    assert places(scored, 64, 64, 4) is None


def test_a_hop_beside_the_stride_shares_nothing():
    assert places(windows(NAMES, n_windows=3, hop=48), 64, 64, 4) is None


def test_patches_filled_with_zeros_are_not_shared():
    place = places(windows(NAMES, n_windows=3, n_times=300, hop=64), 64, 64, 5)
    assert len(np.unique(place[:, -1])) == 3
    assert len(np.unique(place)) == 4 + 1 + 1 + 3


# ── attention and reconstruction ────────────────────────────────────────────────────────────────────────────────────


def test_attention_sums_to_one_over_channels(small):
    found = small.attention(windows(NAMES))
    assert found.data.shape == (2, 4, 4, 4)
    np.testing.assert_allclose(found.data.sum(-1), 1, atol=1e-6)


def test_attention_maps_are_whole(small):
    maps = attention_maps(small.network, pack(windows(NAMES), small.config), 0)
    assert maps.shape == (2, 4, 4, 8, 8)
    torch.testing.assert_close(maps.sum(-1), torch.ones(2, 4, 4, 8))


def test_a_reconstruction_is_in_volts_of_its_channels(whole):
    a = replace(windows(NAMES), scale=np.full((1, 1, 1), 1e-3))
    found = whole.reconstruct(a)
    assert found.data.shape == a.data.shape
    np.testing.assert_allclose(found.volts, found.data * 1e-3, rtol=1e-6)
    patches, given = (v.reshape(2, 4, 4, 64) for v in (found.data, a.data))
    assert np.abs(patches - given).max() < 50 * np.abs(given).max()


def test_what_is_hidden_is_not_seen(whole):
    """Other values behind the mask leave every other patch's reconstruction as it is."""
    a = windows(NAMES)
    mask = np.zeros((1, 4, 256), bool)
    mask[:, 1, 64:192] = True
    mask[:, :, 128:192] = True
    data = a.data.copy()
    data[np.broadcast_to(mask, data.shape)] = 7 * np.random.default_rng(1).standard_normal(int(mask.sum()) * 2)
    one, other = (whole.reconstruct(w, mask=mask).data for w in (a, replace(a, data=data)))
    seen = ~np.broadcast_to(mask, data.shape)
    np.testing.assert_allclose(one[seen], other[seen], atol=1e-4)
    assert not np.allclose(one, whole.reconstruct(a).data, atol=1e-4)


def test_masks_that_leave_nothing_or_differ_are_refused(whole):
    a = windows(NAMES)
    with pytest.raises(UsageError, match="hidden"):
        whole.reconstruct(a, mask=np.ones((1, 1, 1), bool))
    with pytest.raises(UsageError, match="different masks"):
        whole.reconstruct(a, mask=np.array([True, False])[:, None, None])


def test_a_reconstruction_wants_whole_patches(whole):
    with pytest.raises(RecordingError, match="multiple of 64"):
        whole.reconstruct(windows(NAMES, n_times=300))


def test_an_encoder_alone_neither_reconstructs_nor_classifies(small):
    for run in (small.reconstruct, small.classify):
        with pytest.raises(CheckpointError, match="no trained head"):
            run(windows(NAMES))


# ── channel steps ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_number_of_channels_must_be_the_steps():
    with pytest.raises(ChannelError, match="takes 22") as caught:
        model(**task_config("bcic2a")).classify(windows(NAMES, n_times=1024))
    assert "--recipe eegpt-bcic2a" in str(caught.value)


def test_the_number_of_patches_must_be_the_heads():
    with pytest.raises(RecordingError, match="head takes 16"):
        model(**task_config("bcic2b")).classify(windows(("C3", "CZ", "C4")))


def test_names_behind_an_unknown_step_must_be_given():
    config = {"chan_proj_type": "linear", "n_chans": 4, "n_chans_target": 2}
    with pytest.raises(UsageError, match="makes 2 channels"):
        model(**config).embed(windows(NAMES))
    assert len(model(fields={"channels": ["C3", "C4"]}, **config).embed(windows(NAMES))) == 2


def test_interpolation_makes_all_62():
    ready = model(fields={"interpolation": "name_match"})
    a = windows((*NAMES, "PZ", "F3"))
    inputs = pack(a, ready.config)
    assert inputs["ids"].tolist() == [list(range(62))]
    matrix = interpolation_matrix(a.ch_names, mode="name_match")
    spread = replace(a, data=(matrix @ a.data).astype(np.float32), ch_names=VOCABULARY, ch_pos=np.full((62, 3), np.nan))
    np.testing.assert_allclose(ready.embed(a).data, model().embed(spread).data, atol=1e-4)


def test_interpolation_copies_what_is_there():
    matrix = interpolation_matrix(("F3", "F4", "P3", "P4", "Cz"), mode="name_match")
    assert matrix[VOCABULARY.index("CZ")].tolist() == [0, 0, 0, 0, 1]
    always = interpolation_matrix(("F3", "F4", "P3", "P4", "Cz"))
    np.testing.assert_allclose(matrix, always, atol=1e-6)


def test_interpolation_wants_positions_and_four_electrodes():
    with pytest.raises(ChannelError, match="X1"):
        interpolation_matrix(("C3", "C4", "CZ", "PZ", "X1"))
    with pytest.raises(ChannelError, match="at least 4"):
        interpolation_matrix(("C3", "C4", "CZ"))
