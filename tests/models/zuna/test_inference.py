"""ZUNA's inputs and answers: tokens and their order, shapes, batches, shorter windows, noise, and what is refused."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from eegora.errors import ChannelError, RecordingError, UsageError
from eegora.models.zuna import inference
from eegora.models.zuna.inference import CODE
from eegora.models.zuna.tokens import by_channel, position_bins, to_tokens, token_indices
from tests.models.zuna.conftest import NAMES, double, pack, run, tiny, windows


def embed(loaded, source, **settings):
    return run(loaded, "embed", source, **settings)


def reconstruct(loaded, source, **settings):
    return run(loaded, "reconstruct", source, **{"steps": 3, **settings})


def test_tokens_in_both_orders():
    signal = torch.arange(2 * 3 * 64.0).view(2, 3, 64)
    by_time, by_name = to_tokens(signal, "A"), to_tokens(signal, "B")
    assert torch.equal(by_time[0, 1], signal[0, 1, :32])
    assert torch.equal(by_name[0, 1], signal[0, 0, 32:])
    for order, tokens in (("A", by_time), ("B", by_name)):
        assert torch.equal(by_channel(tokens, 3, order).flatten(2), signal)
    indices = token_indices(torch.tensor([[[1, 2, 3], [4, 5, 6]]]), torch.arange(2)[None], "A")
    assert indices[0].tolist() == [[1, 2, 3, 0], [4, 5, 6, 0], [1, 2, 3, 1], [4, 5, 6, 1]]


def test_positions_outside_are_at_the_side():
    found = position_bins(np.array([[-1.0, 0.0, 1.0], [-0.12, 0.12, 0.1199]]), 50, 0.12)
    assert found.tolist() == [[0, 25, 49], [0, 49, 49]]


@pytest.mark.parametrize("name", ["zuna-tiny", "zuna-tiny1"])
def test_shapes(name):
    loaded = tiny(name)
    assert embed(loaded, windows()).shape == (3, 5, 4, 32)
    assert reconstruct(loaded, windows()).shape == (3, 5, 128)


def test_the_order_of_tokens_only_moves_the_noise(second):
    """Spec section 3: the network does not know an order."""
    other = tiny("zuna-tiny", token_order="B")
    noise = np.random.RandomState(0).standard_normal((3, 5, 4, 32))
    by_time = reconstruct(second, windows(), noise=noise.swapaxes(1, 2).reshape(3, 20, 32))
    by_name = reconstruct(other, windows(), noise=noise.reshape(3, 20, 32))
    np.testing.assert_allclose(by_time, by_name, atol=1e-12)
    np.testing.assert_allclose(embed(second, windows()), embed(other, windows()), atol=1e-12)


def test_a_window_does_not_know_its_batch(second, monkeypatch):
    source = windows(4)
    whole, latents = reconstruct(second, source), embed(second, source)
    for i in range(4):
        np.testing.assert_allclose(reconstruct(second, source.take([i]))[0], whole[i], atol=1e-12)
        np.testing.assert_allclose(embed(second, source.take([i]))[0], latents[i], atol=1e-12)
    monkeypatch.setattr(inference, "TOKENS", 1)  # one window at a time
    np.testing.assert_allclose(reconstruct(second, source), whole, atol=1e-12)


def test_a_shorter_window_is_run_at_its_own_length(second):
    source = windows(3, n_valid=[128, 64, 128])
    alone = replace(source.take([1]), data=source.data[1:2, :, :64], n_valid=np.array([64]))
    whole, latents = reconstruct(second, source), embed(second, source)
    np.testing.assert_allclose(whole[1, :, :64], reconstruct(second, alone)[0], atol=1e-12)
    assert not whole[1, :, 64:].any()
    own = embed(second, alone)[0]
    np.testing.assert_allclose(latents[1, :, :2], own, atol=1e-12)
    np.testing.assert_allclose(latents[1].mean(axis=1), own.mean(axis=1), atol=1e-12)


def test_missing_cells_are_blank_tokens(second):
    """One missing sample blanks its token, whatever stands there; a blank token is not an absent one."""
    source = windows(1)
    missing = np.zeros(source.data.shape, bool)
    missing[0, 2, 40] = True
    loud = source.data.copy()
    loud[0, 2, 32:64] = 0.7
    zero = source.data.copy()
    zero[0, 2, 32:64] = 0.0
    blank = embed(second, replace(source, data=loud, missing=missing))
    assert np.array_equal(blank, embed(second, replace(source, data=zero)))
    assert not np.allclose(blank, embed(second, source))


def test_values_are_limited(second):
    source = windows(1)
    wild = source.data.copy()
    wild[0, 0, 0] = 50.0
    tame = source.data.copy()
    tame[0, 0, 0] = 1.0
    assert np.array_equal(embed(second, replace(source, data=wild)), embed(second, replace(source, data=tame)))


def test_noise_is_given_or_drawn(second):
    source = windows(2)
    assert np.array_equal(reconstruct(second, source), reconstruct(second, source))
    assert not np.allclose(reconstruct(second, source), reconstruct(second, source, seed=1))
    assert not np.allclose(reconstruct(second, source), reconstruct(second, source, draw=1))
    shifted = replace(source, index=source.index + 1)
    assert not np.allclose(reconstruct(second, source)[0], reconstruct(second, shifted)[0])
    with pytest.raises(UsageError, match="noise of shape"):
        pack(second, source, noise=np.zeros((2, 19, 32)))


def test_guidance_and_steps_are_settings(second):
    source = windows(1)
    plain = reconstruct(second, source)
    assert not np.allclose(plain, reconstruct(second, source, cfg=2.0))
    assert not np.allclose(plain, reconstruct(second, source, steps=4))


def test_latents_become_signal_again(second):
    source = windows(3, n_valid=[128, 96, 128])
    latents = embed(second, source)
    again = run(second, "decode", replace(source, data=0 * source.data), {"latent": latents}, steps=3, cfg=2.0)
    np.testing.assert_allclose(again, reconstruct(second, source, cfg=2.0), atol=1e-12)


def test_nothing_decides_the_flow_but_names_and_shapes(second):
    """On the meta device there is no value to read: whoever needs one fails."""
    inputs = pack(second, windows(2), steps=3, cfg=2.0)
    assert inputs["cfg"].item() == 2_000_000
    meta = {name: value.to("meta") for name, value in inputs.items()}
    network = copy.deepcopy(second.network).to("meta")
    assert CODE.embed(network, meta).shape == (2, 5, 4, 32)
    assert CODE.reconstruct(network, meta).shape == (2, 5, 128)
    latent = torch.empty(2, 5, 4, 32, device="meta")
    assert CODE.decode(network, meta | {"latent": latent}).shape == (2, 5, 128)


def test_given_noise_belongs_to_the_windows_of_the_recording(second):
    source, noise = windows(3), np.random.RandomState(0).standard_normal((3, 20, 32))
    whole = reconstruct(second, source, noise=noise)
    np.testing.assert_allclose(reconstruct(second, source.take([2]), noise=noise)[0], whole[2], atol=1e-12)
    short = replace(source, n_valid=np.array([128, 64, 128]))
    np.testing.assert_allclose(reconstruct(second, short, noise=noise)[2], whole[2], atol=1e-12)


def test_a_single_token():
    loaded = tiny("zuna-tiny")
    source = windows(1, 32, names=("Cz",))
    assert embed(loaded, source).shape == (1, 1, 1, 32)
    assert np.isfinite(reconstruct(loaded, source, cfg=2.0)).all()


def test_float32_and_bfloat16_are_near_float64(second):
    source, exact = windows(2), second
    truth = reconstruct(exact, source, cfg=2.0)
    for dtype, limit in (("float32", 1e-5), ("bfloat16", 0.1)):
        loaded = tiny("zuna-tiny", dtype)
        inputs = CODE.packed("reconstruct", source, {**loaded.config, "steps": 3, "cfg": 2.0})
        inputs["x"] = inputs["x"].to(getattr(torch, dtype))
        found = CODE.reconstruct(loaded.network, inputs)
        assert str(found.dtype) == f"torch.{dtype}"
        error = np.abs(found.double().numpy() - truth).max()
        assert 0 < error < limit * np.abs(truth).max()


@pytest.mark.parametrize("n_times", [100, 0, 51 * 32])
def test_windows_that_do_not_fit_are_refused(first, n_times):
    with pytest.raises(RecordingError) as caught:
        pack(first, windows(1, n_times))
    assert caught.value.code == "bad_window"


def test_a_channel_without_position_is_refused(second):
    source = windows(1)
    lost = source.ch_pos.copy()
    lost[2] = np.nan
    with pytest.raises(ChannelError, match=NAMES[2]):
        pack(second, replace(source, ch_pos=lost))


@pytest.mark.parametrize(
    "setting", [{"steps": 0}, {"cfg": float("nan")}, {"token_order": "C"}, {"position_bins": 300}, {"half_range": 0.0}]
)
def test_settings_out_of_range_are_refused(second, setting):
    with pytest.raises(UsageError) as caught:
        pack(second, windows(1), **setting)
    assert caught.value.code == "bad_option"


def test_packing_leaves_the_windows_alone(second):
    source = windows(1)
    before = source.data.copy()
    double(CODE.pack(replace(source, missing=np.ones((1, 1, 1), bool)), second.config))
    assert np.array_equal(source.data, before)
