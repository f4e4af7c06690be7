"""Plainer methods: MNE's own interpolation, and arithmetic that can be done by hand; none looks at what is hidden."""

import mne
import numpy as np
import pytest

from eegora.compare.baselines import LINE, SPATIAL, SPLINE, ZEROS, bridged, spatial, temporal
from eegora.recordings.positions import head_position

NAMES = tuple("Fp1 Fp2 F3 F4 C3 C4 P3 P4 O1 O2 Fz Cz Pz".split())
PLACES = np.array([head_position(name) for name in NAMES])


@pytest.fixture
def data():
    return 1e-5 * np.random.default_rng(1).standard_normal((13, 500))


def test_the_spline_is_what_mne_gives_a_user(data):
    info = mne.create_info(list(NAMES), 250.0, "eeg")
    raw = mne.io.RawArray(data.copy(), info, verbose="ERROR")
    montage = mne.channels.make_dig_montage(dict(zip(NAMES, PLACES, strict=True)), coord_frame="head")
    raw.set_montage(montage, verbose="ERROR")
    raw.info["bads"] = ["Cz", "O1"]
    raw.interpolate_bads(verbose="ERROR")
    found = spatial(data, NAMES, PLACES, [11, 8], 250.0)[SPLINE]
    np.testing.assert_allclose(found, raw.get_data(picks=["Cz", "O1"]), rtol=1e-9, atol=1e-15)


def test_nearest_and_mean_by_hand(data):
    found = spatial(data, NAMES, PLACES, [10, 11], 250.0)  # Fz, Cz
    visible = [i for i in range(13) if i not in (10, 11)]
    near = min(visible, key=lambda i: np.linalg.norm(PLACES[i] - PLACES[10]))
    assert np.array_equal(found["nearest neighbour"][0], data[near])
    np.testing.assert_allclose(found["mean of the others"][1], data[visible].mean(axis=0), atol=1e-18)


def test_no_method_reads_what_is_hidden(data):
    spoilt = data.copy()
    spoilt[[3, 8]] = 1e3
    clean, other = (spatial(d, NAMES, PLACES, [3, 8], 250.0) for d in (data, spoilt))
    for method in SPATIAL:
        assert np.array_equal(clean[method], other[method]), method
    spoilt = data.copy()
    spoilt[:, 100:200] = np.nan
    clean, other = (temporal(d, 100, 200) for d in (data, spoilt))
    assert np.array_equal(clean[LINE], other[LINE])
    assert not other[ZEROS].any()


def test_what_all_electrodes_share_comes_back(data):
    shared = np.broadcast_to(data[0], data.shape)
    for method, found in spatial(shared, NAMES, PLACES, [5], 250.0).items():
        np.testing.assert_allclose(found[0], data[0], rtol=1e-6, atol=1e-12, err_msg=method)


def test_a_line_from_edge_to_edge():
    row = np.array([[0.0, 1.0, 9.0, 9.0, 9.0, 5.0, 0.0]])
    assert np.array_equal(temporal(row, 2, 5)[LINE], [[2.0, 3.0, 4.0]])
    assert np.array_equal(bridged(row, 0, 5)[0], [5, 5, 5, 5, 5, 5, 0])
    assert np.array_equal(bridged(row, 2, 7)[0], [0, 1, 1, 1, 1, 1, 1])
    assert not bridged(row, 0, 7).any()
    assert row[0, 2] == 9  # what came is left alone
