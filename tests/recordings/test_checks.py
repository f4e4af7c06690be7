import numpy as np
import pytest

from eegora.errors import RecordingError
from eegora.recordings.checks import check_rate, constant, finite, plausible_rate, plausible_unit


def _noise(n_channels=2, n_times=1000):
    return 20e-6 * np.random.default_rng(0).standard_normal((n_channels, n_times))


def test_good_data_pass_without_a_copy():
    data = _noise()
    assert finite(data, ("Fp1", "Cz"), 250, "x", "refuse", None)[0] is data


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_bad_sample_is_found_and_named(value):
    data = _noise()
    data[1, 500] = value
    with pytest.raises(RecordingError, match=r"Cz, 2\.000000 s, 1 sample\b"):
        finite(data, ("Fp1", "Cz"), 250, "x", "refuse", None)


def test_opposite_infinities_do_not_hide():
    data = _noise()
    data[0, 3], data[0, 4] = np.inf, -np.inf
    with pytest.raises(RecordingError, match="2 samples"):
        finite(data, ("Fp1", "Cz"), 250, "x", "refuse", None)


def test_long_holes_and_holes_at_the_edge_make_a_channel_bad():
    data = _noise(3)
    data[0, 100:125] = np.nan  # 0.1 s: the longest that is repaired
    data[1, 100:126] = np.nan
    data[2, :2] = np.nan
    fixed, bads, notes = finite(data, ("Fp1", "Cz", "Oz"), 250, "x", "interpolate", None)
    assert bads == ("Cz", "Oz")
    assert not fixed[1:].any()
    assert np.allclose(np.diff(fixed[0, 99:126], 2), 0)
    assert np.isnan(data[1, 100])  # the input stays as it was
    assert len(notes) == 3


@pytest.mark.parametrize(("n_samples", "bads"), [(25, ()), (26, ("Fp1",))])
def test_a_tenth_of_a_second_is_not_rounded_up(n_samples, bads):
    data = _noise()
    data[0, 100 : 100 + n_samples] = np.nan  # 26 samples at 256 Hz are 0.1016 s
    assert finite(data, ("Fp1", "Cz"), 256, "x", "interpolate", None)[1] == bads


def test_constant_channels_are_reported_by_name():
    data = _noise()
    data[0] = 5.0
    assert constant(data, ("Fp1", "Cz"), "x") == ("flat over the whole recording: Fp1",)
    assert constant(_noise(), ("Fp1", "Cz"), "x") == ()


@pytest.mark.parametrize(("factor", "told"), [(1, False), (1e6, True), (1e-6, True), (20, False), (100, True)])
def test_impossible_amplitudes_are_reported(factor, told):
    assert bool(plausible_unit(_noise() * factor, ("Fp1", "Cz"), 250)) == told


def test_a_drift_does_not_look_like_a_wrong_unit():
    drift = np.linspace(0, 50e-3, 25_000) * np.ones((2, 1))
    assert plausible_unit(_noise(2, 25_000) + drift, ("Fp1", "Cz"), 250) == ()


def test_one_channel_that_no_eeg_is_like_is_named():
    data = _noise(3)
    data[2] *= 1e5
    (note,) = plausible_unit(data, ("Fp1", "Cz", "Oz"), 250)
    assert note.startswith("unit? more than EEG can vary: Oz by 1.96e+06 µV")


def test_amplitudes_near_the_end_of_the_numbers_do_not_overflow():
    assert "unit?" in plausible_unit(_noise() * 1e305, ("Fp1", "Cz"), 250)[0]
    data = _noise(3)
    data[1, 500] = 1e308
    assert "Cz by inf µV" in plausible_unit(data, ("Fp1", "Cz", "Oz"), 250)[0]


@pytest.mark.parametrize(("sfreq", "told"), [(256, False), (20, False), (0.25, True), (1e6, True)])
def test_rates_that_no_eeg_has_are_reported(sfreq, told):
    assert bool(plausible_rate(sfreq)) == told


@pytest.mark.parametrize("sfreq", [0, -1, np.nan, np.inf])
def test_a_rate_that_is_none_is_refused(sfreq):
    with pytest.raises(RecordingError) as error:
        check_rate(sfreq, "x")
    assert error.value.code == "bad_rate"
