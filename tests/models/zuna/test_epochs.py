"""The first generation's artefact rules (spec zuna-pipeline.md, B4) and its way back to volts."""

import numpy as np

from eegora.models.zuna import epochs


def noise(*shape):
    return np.random.RandomState(0).standard_normal(shape)


def test_flat_clipped_and_noisy_channels_are_found():
    z = noise(8, 5000)
    assert not epochs.bad_channels(z).any()
    z[1] *= 1e-3
    z[3] = np.clip(z[3], -1.0, 1.0)
    z[5] *= 10
    assert np.flatnonzero(epochs.bad_channels(z)).tolist() == [1, 3, 5]


def test_equal_channels_are_flat_below_a_hundredth():
    z = np.tile(noise(1, 1000), (5, 1))
    z[0] *= 0.02
    assert not epochs.bad_channels(z)[0]
    z[0] *= 0.4
    assert epochs.bad_channels(z)[0]


def test_loud_quiet_and_wide_pieces_are_zeroed():
    made = noise(4, 3, 200)
    made[0, 0] *= 9
    made[1, 1] *= 0.01
    made[2, 2, 50] = 25.0
    out = epochs.without_artefacts(made, np.zeros(3, bool))
    zeroed = ~out.any(axis=2)
    assert np.argwhere(zeroed).tolist() == [[0, 0], [1, 1], [2, 2]]
    assert np.array_equal(out[~zeroed], made[~zeroed])
    assert not epochs.without_artefacts(made, np.array([True, False, False]))[:, 0].any()


def test_epochs_without_half_of_their_channels_are_zeroed():
    made = noise(2, 4, 10)
    made[0, :3] = 0.0
    made[1, :2] = 0.0
    out = epochs.without_bad_epochs(made)
    assert not out[0].any()
    assert np.array_equal(out[1], made[1])


def test_back_to_volts_in_float32():
    made = noise(2, 3, 4)
    out = epochs.to_volts(made, 1e-6, 2e-5)
    assert out.shape == (3, 8)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out[:, 4:], made[1] * 2e-5 + 1e-6, rtol=1e-5)
