"""Which channel embedding each row takes, what a window must be, and what comes out (spec sections 5 and 6)."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from eegora.errors import ChannelError, RecordingError, UsageError
from eegora.models.eeg_dino.inference import classify, embed, labels, pack, slots_of, trace, whole_patches
from eegora.models.eeg_dino.spec import ROWS, SPEC, TUEG
from tests.models.eeg_dino.conftest import windows_of


def run(tiny, windows, **settings):
    inputs = pack(windows, tiny.config | settings)
    inputs["x"] = inputs["x"].double()
    with torch.inference_mode():
        return embed(tiny.network, inputs).numpy()


def test_shape_and_order(tiny, all_windows):
    assert run(tiny, all_windows).shape == (2, 1 + 19 * 2, 32)
    with torch.inference_mode():
        inputs = pack(all_windows, tiny.config)
        stages = trace(tiny.network, {**inputs, "x": inputs["x"].double()}, "embed")
    found = run(tiny, all_windows)
    np.testing.assert_array_equal(found[:, 0], stages["cls_token"])
    np.testing.assert_array_equal(found[:, 1:], stages["features"])


def test_the_order_of_channels_does_not_matter_by_name(tiny, all_windows):
    order = [4, 0, *range(1, 4), *range(5, 19)]
    swapped = all_windows.keep_channels(order, "swapped")
    a = run(tiny, all_windows)[:, 1:].reshape(2, 19, 2, 32)
    b = run(tiny, swapped)[:, 1:].reshape(2, 19, 2, 32)
    np.testing.assert_allclose(b, a[:, order], atol=1e-12)
    assert not np.allclose(run(tiny, swapped, channels="slots")[:, 1:].reshape(2, 19, 2, 32), b)


def test_three_strategies_for_fewer_channels(tiny, all_windows):
    first = all_windows.keep_channels(range(5), "five")
    np.testing.assert_array_equal(run(tiny, first), run(tiny, first, channels="slots"))
    some = all_windows.keep_channels([2, 7], "two")
    by_name, slots, filled = (run(tiny, some, channels=c) for c in ("by_name", "slots", "zero_fill"))
    assert by_name.shape == slots.shape == (2, 5, 32)
    assert not np.allclose(by_name, slots)
    zeros = np.zeros_like(all_windows.data)
    zeros[:, [2, 7]] = some.data
    np.testing.assert_array_equal(filled, run(tiny, replace(all_windows, data=zeros)))


@pytest.mark.parametrize(
    ("names", "order", "slots"),
    [
        (("Fp1", "fz", "T7", "T3"), "tueg", None),
        (("Fp1", "fz", "T7"), "tueg", (0, 16, 12)),
        (("Fp1", "Fz", "T3"), "rows", (0, 4, 7)),
        (("Oz", "Cz"), ("Cz", "Oz"), (1, 0)),
        (("Fp1-F7", "P4-O2", "T7-P7"), "tueg", (0, 15, 2)),
    ],
)
def test_slots_by_name(tiny, names, order, slots):
    config = tiny.config | {"channel_order": order}
    if slots is None:
        with pytest.raises(ChannelError, match="T7, T3 share a slot"):
            slots_of(windows_of(names), config)
    else:
        assert slots_of(windows_of(names), config) == slots


def test_the_named_orders_hold_the_same_electrodes(tiny):
    assert sorted(slots_of(windows_of(ROWS), tiny.config)) == list(range(19))
    assert slots_of(windows_of(ROWS), tiny.config | {"channel_order": "rows"}) == tuple(range(19))


def test_channels_it_cannot_take(tiny):
    with pytest.raises(ChannelError, match=r"no slot for Oz; Oz is nearest to") as caught:
        slots_of(windows_of(("Fp1", "Oz")), tiny.config)
    assert caught.value.hint
    with pytest.raises(ChannelError, match="no slot for Fp1-F7"):
        slots_of(windows_of(("Fp1-F7", "Cz")), tiny.config)
    with pytest.raises(ChannelError, match="20 channels, EEG-DINO takes 19"):
        slots_of(windows_of([f"X{i}" for i in range(20)]), tiny.config | {"channels": "slots"})
    assert slots_of(windows_of([f"X{i}" for i in range(3)]), tiny.config | {"channels": "slots"}) == (0, 1, 2)


@pytest.mark.parametrize(
    "settings",
    [
        {"channels": "position"},
        {"tail": "drop"},
        {"read": "nothing"},
        {"channel_order": "alphabet"},
        {"channel_order": ("Cz", "cz")},
    ],
)
def test_settings_it_does_not_know(tiny, all_windows, settings):
    with pytest.raises(UsageError) as caught:
        pack(all_windows, tiny.config | settings)
    assert caught.value.code == "bad_config"


def test_windows_that_are_no_whole_seconds(tiny):
    odd = windows_of(TUEG[:3], seconds=2.75)
    with pytest.raises(RecordingError, match="550 samples; wanted a multiple of 200"):
        pack(odd, tiny.config)
    padded, trimmed = (pack(odd, tiny.config | {"tail": tail})["x"] for tail in ("pad", "trim"))
    assert padded.shape[-1] == 600
    assert trimmed.shape[-1] == 400
    assert not padded[..., 550:].any()
    np.testing.assert_array_equal(padded[..., :400], trimmed)
    with pytest.raises(RecordingError):
        whole_patches(np.zeros((1, 1, 100)), 200, "trim")


def test_values_that_are_not_finite(tiny, all_windows):
    data = all_windows.data.copy()
    data[1, 3, 7] = np.nan
    with pytest.raises(RecordingError) as caught:
        pack(replace(all_windows, data=data), tiny.config)
    assert caught.value.code == "non_finite"


def test_the_global_token_alone(tiny, all_windows):
    alone = run(tiny, all_windows, read="cls")
    assert alone.shape == (2, 1, 32)
    np.testing.assert_allclose(alone[:, 0], run(tiny, all_windows)[:, 0], atol=1e-12)


def test_what_is_not_computed_is_not_pooled(tiny, all_windows):
    """With the global token alone there is nothing to take a mean of; nothing is NaN instead."""
    alone = run(tiny, all_windows, read="cls")
    assert SPEC.poolings["cls"](alone, SPEC.axes)[0].shape == (2, 32)
    with pytest.raises(UsageError, match="leaves out 1 token") as caught:
        SPEC.poolings["mean"](alone, SPEC.axes)
    assert caught.value.code == "nothing_to_pool"


def test_windows_do_not_know_of_each_other(tiny, all_windows):
    np.testing.assert_allclose(run(tiny, all_windows.take([1])), run(tiny, all_windows)[1:], atol=1e-12)


def test_patches_of_a_window_do(tiny, all_windows):
    """GroupNorm spans the window: the same second in another window has another embedding (spec 8)."""
    short = replace(all_windows, data=all_windows.data[..., :200])
    long = run(tiny, all_windows)[:, 1:].reshape(2, 19, 2, 32)[:, :, 0]
    assert np.abs(run(tiny, short)[:, 1:] - long).max() > 0.1


def test_labels_name_every_token(tiny):
    windows = windows_of(("Cz", "Fp1"))
    assert labels(windows, tiny.config)["token"] == ("global", "Cz 0 s", "Cz 1 s", "Fp1 0 s", "Fp1 1 s")
    filled = labels(windows, tiny.config | {"channels": "zero_fill"})["token"]
    assert len(filled) == 1 + 19 * 2
    assert filled[1:5] == ("Fp1 0 s", "Fp1 1 s", "zeros for Fp2 0 s", "zeros for Fp2 1 s")
    assert labels(windows, tiny.config | {"read": "cls"})["token"] == ("global",)


def test_poolings_are_the_specs_outputs(tiny, all_windows):
    inputs = pack(all_windows, tiny.config)
    with torch.inference_mode():
        stages = trace(tiny.network, {**inputs, "x": inputs["x"].double()}, "embed")
    data = run(tiny, all_windows)
    pooled = {name: pooling(data, SPEC.axes)[0] for name, pooling in SPEC.poolings.items()}
    np.testing.assert_allclose(pooled["mean"], stages["pooled"], atol=1e-12)
    np.testing.assert_array_equal(pooled["cls"], stages["cls_token"])
    np.testing.assert_allclose(pooled["all"], stages["output"].mean(1), atol=1e-12)
    np.testing.assert_array_equal(pooled["tokens"], stages["features"].flatten(1))
    assert next(iter(pooled)) == "mean"


def test_logits_come_from_patch_tokens(tiny, all_windows):
    inputs = pack(all_windows, tiny.config)
    inputs["x"] = inputs["x"].double()
    with torch.inference_mode():
        logits = classify(tiny.network, inputs)
        stages = trace(tiny.network, inputs, "classify")
    assert logits.shape == (2, 3)
    assert torch.equal(logits, stages["logits"])
    assert "logits" not in trace(tiny.network, inputs, "embed")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_other_number_formats(tiny, all_windows, dtype):
    network = copy.deepcopy(tiny.network).to(dtype)
    inputs = pack(all_windows, tiny.config)
    with torch.inference_mode():
        found = embed(network, {**inputs, "x": inputs["x"].to(dtype)})
    assert found.dtype == dtype
    error = np.abs(found.double().numpy() - run(tiny, all_windows)).max()
    assert error < (1e-4 if dtype == torch.float32 else 0.5)
