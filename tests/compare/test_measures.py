"""Every measure against its closed form, and against cases whose answer is known."""

import math

import numpy as np
import pytest

from eegora.compare.measures import BANDS, measures, nmse, pearson, snr_db, spectra

RATE = 200.0
N = 4000
TIMES = np.arange(N) / RATE
WHOLE = [(0, N)]


def sine(hz=10.0, phase=0.0, size=1e-5):
    return size * np.sin(2 * np.pi * hz * TIMES + phase)


@pytest.fixture
def noise():
    return 1e-5 * np.random.default_rng(0).standard_normal((2, N))


def test_by_hand():
    truth, answer = np.array([1.0, -2.0, 3.0, 0.0]), np.array([1.0, -1.0, 1.0, 1.0])
    # squares of the differences 0, 1, 4, 1; of the truth 1, 4, 9, 0; means 1/2 and 1/2; deviations by hand below
    assert nmse(truth, answer) == pytest.approx(6 / 14)
    assert snr_db(6 / 14) == pytest.approx(10 * math.log10(14 / 6))
    a, b = (0.5, -2.5, 2.5, -0.5), (0.5, -1.5, 0.5, 0.5)
    covariance = sum(x * y for x, y in zip(a, b, strict=True))
    scale = math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))
    assert pearson(truth, answer) == pytest.approx(covariance / scale)


def test_identical_is_perfect(noise):
    found = measures(noise[0], noise[0].copy(), RATE, WHOLE)
    assert found["nmse"] == 0
    assert found["r"] == pytest.approx(1, abs=1e-12)
    assert found["snr_db"] == math.inf
    assert found["spectral"] == 0
    assert all(found[band] == 0 for band in BANDS)


def test_sign_flipped(noise):
    found = measures(noise[0], -noise[0], RATE, WHOLE)
    assert found["nmse"] == pytest.approx(4)
    assert found["r"] == pytest.approx(-1)
    assert found["snr_db"] == pytest.approx(-10 * math.log10(4))
    assert found["spectral"] == pytest.approx(0, abs=1e-12)


def test_twice_as_large(noise):
    found = measures(noise[0], 2 * noise[0], RATE, WHOLE)
    assert found["nmse"] == pytest.approx(1)
    assert found["r"] == pytest.approx(1)
    assert found["snr_db"] == pytest.approx(0, abs=1e-9)
    assert found["spectral"] == pytest.approx(math.log10(4))
    assert all(found[band] == pytest.approx(math.log10(4)) for band in BANDS)


@pytest.mark.parametrize("phase", [0.3, math.pi / 2, 2.5])
def test_a_delayed_sine(phase):
    found = measures(sine(), sine(phase=-phase), RATE, WHOLE)
    assert found["nmse"] == pytest.approx(2 - 2 * math.cos(phase))
    assert found["r"] == pytest.approx(math.cos(phase))


def test_a_delay_leaves_the_spectrum_alone(noise):
    found = measures(noise[0], np.roll(noise[0], 40), RATE, WHOLE)
    assert found["nmse"] == pytest.approx(2, abs=0.15)
    assert abs(found["r"]) < 0.05
    assert found["spectral"] < 0.06
    assert measures(noise[0], noise[1], RATE, WHOLE)["spectral"] > 2 * found["spectral"]


def test_independent_noise(noise):
    found = measures(noise[0], noise[1], RATE, WHOLE)
    assert found["nmse"] == pytest.approx(2, abs=0.15)
    assert abs(found["r"]) < 0.05


def test_zeros_reach_one_and_correlate_with_nothing(noise):
    found = measures(noise[0], np.zeros(N), RATE, WHOLE)
    assert found["nmse"] == 1
    assert found["snr_db"] == 0
    assert math.copysign(1, found["snr_db"]) == 1
    assert math.isnan(found["r"])
    assert found["spectral"] == math.inf


def test_a_truth_without_power_is_not_judged(noise):
    found = measures(np.zeros(N), noise[0], RATE, WHOLE)
    assert math.isnan(found["nmse"])
    assert math.isnan(found["snr_db"])
    assert math.isnan(found["r"])


def test_a_constant_that_rounds_is_still_a_constant():
    assert math.isnan(pearson(sine(), np.full(N, 0.1)))


def test_an_offset_counts_in_the_error_and_not_in_the_correlation():
    answer = sine() + 1e-5
    assert nmse(sine(), answer) == pytest.approx(2)  # offset² over the sine's half
    assert pearson(sine(), answer) == pytest.approx(1)


def test_a_change_in_one_band_is_seen_there_alone(noise):
    """Ten times the power between 8 and 13 Hz, made in the spectrum, away from the band's edges."""
    spectrum = np.fft.rfft(noise[0])
    hz = np.fft.rfftfreq(N, 1 / RATE)
    spectrum[(hz >= 7.0) & (hz < 13.0)] *= math.sqrt(10)
    found = measures(noise[0], np.fft.irfft(spectrum, N), RATE, WHOLE)
    assert found["alpha"] == pytest.approx(1, abs=0.12)
    assert max(found[band] for band in ("delta", "gamma")) < 0.02
    assert 0.05 < found["spectral"] < 0.3


def test_only_the_pieces_count(noise):
    truth, answer = noise[0], noise[0].copy()
    answer[1000:2000] = 7.0
    assert measures(truth, answer, RATE, [(0, 1000), (2000, N)])["nmse"] == 0
    assert measures(truth, answer, RATE, [(0, 1000), (2000, N)])["spectral"] == 0
    assert measures(truth, answer, RATE, WHOLE)["nmse"] > 1


def test_pieces_weigh_as_many_spectra_as_they_hold(noise):
    pieces = [(0, 1200), (1200, 1600), (1600, 1700)]  # 5 spectra of 400 samples, 1, and none
    hz, power = spectra(noise[0], RATE, pieces)
    one, two = (spectra(noise[0], RATE, [piece])[1] for piece in pieces[:2])
    np.testing.assert_allclose(power, (5 * one + two) / 6)
    assert hz[1] == 0.5


def test_the_power_of_a_sine():
    """Half the square of its size, in one place."""
    hz, power = spectra(sine(10.0, size=1.0), RATE, WHOLE)
    assert hz[power.argmax()] == 10.0
    assert power.sum() * (hz[1] - hz[0]) == pytest.approx(0.5, rel=0.01)


def test_bands_that_a_rate_or_a_length_cannot_hold_are_not_defined(noise):
    slow = measures(noise[0], noise[1], 50.0, WHOLE)
    assert math.isnan(slow["gamma"])
    assert np.isfinite(slow["beta"])
    short = measures(noise[0], noise[1], RATE, [(0, 50)])  # 4 Hz apart
    assert math.isnan(short["delta"])
    assert np.isfinite(short["theta"])
