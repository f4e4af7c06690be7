"""Our kernels against MNE's, on rates and lengths that nobody chose."""

from __future__ import annotations

import mne
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eegora.recipes import kernels

RATES = st.sampled_from([100.0, 160.0, 173.61, 200.0, 250.0, 256.0, 256.3, 500.0, 512.0, 600.615, 1000.0])


def _noise(n_times: int, seed: int = 0, offset: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((3, n_times)) * 2e-5 + offset


@settings(max_examples=25, deadline=None, derandomize=True)
@given(sfreq=RATES, rate=st.sampled_from([128.0, 200.0, 256.0]), n_times=st.integers(7, 20_000))
def test_resampling_equals_mne_bit_for_bit(sfreq: float, rate: float, n_times: int) -> None:
    n_times = min(n_times, 7_992) if sfreq / rate in (2.0, 4.0) else n_times  # longer ones: the next test
    data = _noise(n_times)
    np.testing.assert_array_equal(kernels.resample(data, raw_rate(sfreq), rate), by_mne(data, sfreq, rate))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    rates=st.sampled_from([(512.0, 256.0), (400.0, 200.0), (1000.0, 250.0), (2048.0, 256.0)]),
    n_times=st.integers(7_993, 70_000),
)
def test_resampling_to_a_half_a_quarter_or_an_eighth_equals_mne(rates: tuple[float, float], n_times: int) -> None:
    data = _noise(n_times, offset=1e-3).cumsum(axis=1)
    expected = by_mne(data, *rates)
    np.testing.assert_allclose(
        kernels.resample(data, *rates), expected, rtol=0, atol=4e-15 * np.abs(data).max(), strict=True
    )


def test_the_nyquist_bin_is_doubled_where_samples_are_left_out() -> None:
    tone = np.cos(np.pi * np.arange(40_000) / 2)[None]  # the new Nyquist frequency
    np.testing.assert_allclose(kernels.resample(tone, 512.0, 256.0), by_mne(tone, 512.0, 256.0), rtol=0, atol=1e-13)


def test_rates_that_are_all_but_equal_leave_no_sample_out() -> None:
    data = _noise(20_000)
    np.testing.assert_array_equal(kernels.resample(data, 256.003, 256.0), by_mne(data, 256.003, 256.0))


def by_mne(data: np.ndarray, sfreq: float, rate: float) -> np.ndarray:
    raw = mne.io.RawArray(data, mne.create_info(len(data), sfreq, "eeg"), copy="both", verbose="error")
    return raw.resample(rate, verbose="error").get_data()


def raw_rate(sfreq: float) -> float:
    return float(mne.create_info(1, sfreq, "eeg")["sfreq"])


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    sfreq=RATES,
    edges=st.sampled_from([(0.5, None), (0.1, 45.0), (None, 38.0), (1.0, 40.0), (12.0, 30.0), (None, 49.0)]),
    n_times=st.integers(2, 30_000),
    offset=st.sampled_from([0.0, 0.2]),
)
def test_filters_equal_mne(sfreq: float, edges: tuple[float | None, float | None], n_times: int, offset: float) -> None:
    data = _noise(n_times, offset=offset)
    expected = mne.filter.filter_data(data, sfreq, *edges, verbose="error")
    found = kernels.convolve(data, kernels.design(sfreq, *edges))
    # MNE loses digits on an electrode that sits at 200 mV; the signal's own size is what counts.
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11 * (np.abs(expected).max() + offset))


@pytest.mark.parametrize("freqs", [(60.0,), (50.0, 100.0), (50.0, 60.0, 100.0)])
def test_notches_equal_mne(freqs: tuple[float, ...]) -> None:
    data = _noise(9_001)
    expected = mne.filter.notch_filter(data, 250.0, freqs, verbose="error")
    np.testing.assert_allclose(
        kernels.convolve(data, kernels.design_notch(250.0, freqs)), expected, rtol=0, atol=1e-12 * 2e-4
    )


def test_long_signals_are_filtered_as_short_ones_are() -> None:
    taps = kernels.design(256.0, 0.5, None)
    data = _noise(4 * kernels.SHORT)[:1]
    whole = np.convolve(kernels.reflect(data, 845, 845)[0], taps, mode="valid")
    np.testing.assert_allclose(kernels.convolve(data, taps)[0], whole, rtol=0, atol=1e-12 * np.abs(whole).max())


def test_leading_axes_are_independent_signals() -> None:
    data = _noise(600).reshape(3, 1, 600)
    taps = kernels.design(200.0, 1.0, 40.0)
    np.testing.assert_allclose(kernels.convolve(data, taps)[1, 0], kernels.convolve(data[1, 0], taps), atol=1e-18)
    np.testing.assert_allclose(kernels.resample(data, 200.0, 256.0)[1, 0], kernels.resample(data[1, 0], 200.0, 256.0))


def test_threads_do_not_change_a_bit() -> None:
    data = _noise(100_000)
    assert data.size > kernels.AT_ONCE
    taps = kernels.design(250.0, 0.5, None)
    np.testing.assert_array_equal(kernels.convolve(data, taps, n_threads=2), kernels.convolve(data, taps))
    for sfreq in (250.0, 512.0):
        np.testing.assert_array_equal(
            kernels.resample(data, sfreq, 256.0, n_threads=2), kernels.resample(data, sfreq, 256.0, n_threads=1)
        )


@pytest.mark.parametrize("n_times", [3_000, 100_000])
def test_a_filter_may_write_over_its_input(n_times: int) -> None:
    data, taps = _noise(n_times, offset=1e-2), kernels.design(256.0, None, 40.0)
    expected = kernels.convolve(data, taps)
    assert kernels.convolve(data, taps, out=data) is data
    np.testing.assert_array_equal(data, expected)


def test_a_constant_passes_a_high_pass_as_nothing() -> None:
    filtered = kernels.convolve(np.full((1, 4000), 0.3), kernels.design(256.0, 0.5, None))
    assert np.abs(filtered).max() < 1e-15


def test_resampling_leaves_a_signal_at_its_own_rate_alone() -> None:
    data = _noise(100)
    assert kernels.resample(data, 256.0001, 256.0) is data


def test_odd_reflection_runs_out_into_zeros() -> None:
    extended = kernels.reflect(np.array([[1.0, 2.0, 4.0]]), 4, 3)
    np.testing.assert_array_equal(extended, [[0, 0, -2, 0, 1, 2, 4, 6, 7, 0]])


@pytest.mark.parametrize(("n_times", "wanted"), [(1001, 1024), (400, 512), (3000, 7680), (2000, 1024)])
def test_nearest_takes_the_sample_before_in_float32(n_times: int, wanted: int) -> None:
    ratio = np.float32(n_times) / np.float32(wanted)
    expected = [min(n_times - 1, int(np.floor(np.float32(j) * ratio))) for j in range(wanted)]
    np.testing.assert_array_equal(kernels.nearest_index(n_times, wanted), expected)


def test_nearest_does_not_skip_samples_of_a_long_recording() -> None:
    n_times = 40_000_000
    last = kernels.nearest_index(n_times, 2 * n_times)[-4:]
    np.testing.assert_array_equal(last, [n_times - 2, n_times - 2, n_times - 1, n_times - 1])


@given(least=st.integers(1, 200_000))
def test_fast_lengths_are_even_products_of_2_3_5(least: int) -> None:
    from scipy.fft import next_fast_len

    assert kernels.fast_length(least) == 16 * next_fast_len(-(-least // 16), real=True)
