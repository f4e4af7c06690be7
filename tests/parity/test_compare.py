"""Judging one stage: which limit applies, and that both sides of it are told apart."""

from __future__ import annotations

import math

import numpy as np
import pytest

from eegora.parity.compare import Limits, is_judged, judge
from eegora.parity.vectors import Case, Expected

RNG = np.random.default_rng(1)
TRUTH = RNG.standard_normal(100)
EMBED = Case("a", "small", "embed")


def verdict(truth, got, dtype="float64", *, case=EMBED, original=None, limits=None, **fields):
    expected = Expected(tensor="t", data=np.asarray(truth), **fields)
    return judge(case, expected, got, dtype, original=original, limits=limits or Limits())


def off(truth, error):
    """Move one value."""
    got = np.array(truth, dtype=np.float64)
    got[3] += error
    return got


def test_errors_are_measured():
    got = TRUTH + 1e-3 * np.cos(np.arange(100))
    found = verdict(TRUTH, got)
    error = got - TRUTH
    assert found.n == 100
    assert found.max_abs == np.abs(error).max()
    assert found.rmse == pytest.approx(np.sqrt((error**2).mean()), rel=1e-12)
    assert found.relative_rmse == pytest.approx(found.rmse / np.sqrt((TRUTH**2).mean()), rel=1e-12)
    assert found.r == pytest.approx(np.corrcoef(got, TRUTH)[0, 1], rel=1e-12)


def test_pearson_of_a_constant_cannot_be_told():
    assert verdict(np.ones(5), np.ones(5)).r is None


@pytest.mark.parametrize("peak", [0.5, 1000.0])
def test_float64_limit_is_a_share_of_the_scale(peak):
    truth = TRUTH / np.abs(TRUTH).max() * peak
    scale = max(1.0, peak)
    assert verdict(truth, off(truth, 0.9e-12 * scale)).ok
    assert not verdict(truth, off(truth, 1.2e-12 * scale)).ok


def test_what_is_stored_in_float32_may_be_off_by_its_last_place():
    stored = (TRUTH * 3).astype(np.float32)
    last_place = float(np.spacing(np.abs(stored[3])))
    assert verdict(stored, off(stored, 0.9 * last_place)).ok
    found = verdict(stored, off(stored, 1.5 * last_place))
    assert not found.ok
    assert found.limit == last_place
    assert found.ratio == pytest.approx(1.5)


def test_the_limit_shown_is_not_below_an_error_that_passes():
    stored = np.array([1e3, 1e-3], np.float32)
    found = verdict(stored, stored + np.array([2e-5, 1e-11]))
    assert found.ok
    assert found.max_abs <= found.limit


def test_float32_max_is_four_times_the_originals():
    original = (1e-4, 1.0)
    assert verdict(TRUTH, off(TRUTH, 3.9e-4), "float32", original=original).ok
    assert not verdict(TRUTH, off(TRUTH, 4.1e-4), "float32", original=original).ok


@pytest.mark.parametrize("peak", [0.5, 1000.0])
def test_float32_max_is_never_below_the_floor(peak):
    truth = TRUTH / np.abs(TRUTH).max() * peak
    floor = 2e-6 * max(1.0, peak)
    assert verdict(truth, off(truth, 0.9 * floor), "float32", original=(1e-9, 1.0)).ok
    assert not verdict(truth, off(truth, 1.1 * floor), "float32", original=(1e-9, 1.0)).ok


def test_float32_rmse_is_twice_the_originals_from_32_values_on():
    original = (1e-3, 1e-4)
    assert verdict(TRUTH, TRUTH + 1.9e-4, "float32", original=original).ok
    found = verdict(TRUTH, TRUTH + 2.1e-4, "float32", original=original)
    assert not found.ok
    assert "RMSE" in found.why
    assert not verdict(TRUTH[:32], TRUTH[:32] + 2.1e-4, "float32", original=original).ok
    assert verdict(TRUTH[:31], TRUTH[:31] + 2.1e-4, "float32", original=original).ok


@pytest.mark.parametrize("n", [5, 40])  # with and without an RMSE limit
def test_float32_is_equal_where_the_original_makes_no_error(n):
    assert verdict(np.ones(n), np.ones(n, np.float32), "float32", original=(0.0, 0.0)).ok
    found = verdict(np.ones(n), off(np.ones(n), 1e-9), "float32", original=(0.0, 0.0))
    assert not found.ok
    assert found.ratio == math.inf


def test_without_a_float32_error_only_float64_judges():
    got = TRUTH + 1.0
    found = verdict(TRUTH, got, "float32")
    assert found.ok
    assert found.limit is None
    assert found.max_abs == pytest.approx(1.0)
    assert not verdict(TRUTH, got, "float64").ok


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_exact_is_equal_in_both_runs(dtype):
    truth = TRUTH.astype(np.float32)
    assert verdict(truth, truth.astype(np.float64), dtype, exact=True).ok
    assert not verdict(truth, np.nextafter(truth, np.float32(9)), dtype, exact=True, original=(1.0, 1.0)).ok


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_integers_and_bools_are_equal_in_both_runs(dtype):
    assert verdict(np.arange(5), np.arange(5), dtype).ok
    assert not verdict(np.arange(5), np.array([0, 1, 2, 3, 5]), dtype).ok
    assert verdict([True, False], [True, False], dtype).ok
    assert not verdict([True, False], [True, True], dtype).ok


@pytest.mark.parametrize("task", ["prepare", "fir"])
def test_preparation_is_judged_once_relative_to_the_tensor(task):
    case = Case("a", None, task)
    volts = TRUTH * 1e-5
    peak = np.abs(volts).max()
    assert verdict(volts, off(volts, 0.9e-9 * peak), case=case).ok
    assert not verdict(volts, off(volts, 1.1e-9 * peak), case=case).ok
    narrow = volts.astype(np.float32)
    assert verdict(narrow, off(narrow, 0.9e-6 * peak), case=case).ok
    assert not verdict(narrow, off(narrow, 1.1e-6 * peak), case=case).ok
    assert not is_judged(case, Expected("t", volts), "float32", None, Limits())


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_tensors_own_limit_replaces_the_others(dtype):
    assert verdict(TRUTH, off(TRUTH, 0.9), dtype, max_abs=1.0, original=(0.0, 0.0)).ok
    assert not verdict(TRUTH, off(TRUTH, 1.1), dtype, max_abs=1.0, original=(9.0, 9.0)).ok
    wide = TRUTH * 50
    assert verdict(wide, off(wide, 0.009 * wide.std()), dtype, max_of_std=0.01).ok
    assert not verdict(wide, off(wide, 0.011 * wide.std()), dtype, max_of_std=0.01).ok


def test_a_model_may_have_other_limits():
    limits = Limits(float64=5e-7, float32_max=3.0, unlisted="equal")
    assert verdict(TRUTH, off(TRUTH, 4e-7), limits=limits, original=(1.0, 1.0)).ok
    assert not verdict(TRUTH, off(TRUTH, 3.1e-2), "float32", limits=limits, original=(1e-2, 1.0)).ok
    assert not verdict(TRUTH, off(TRUTH, 1e-12), "float32", limits=limits).ok


def test_take_is_applied_to_the_computed_stage():
    whole = RNG.standard_normal((3, 12))
    assert verdict(whole[:, ::6], whole, take="[:, ::6]").ok
    found = verdict(whole[:, ::6], whole, take="[:, :, 0]")
    assert not found.ok
    assert "has no [:, :, 0]" in found.why


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_another_shape_fails_in_words(dtype):
    found = verdict(TRUTH, TRUTH[None], dtype)
    assert not found.ok
    assert found.why == "shape (1, 100), wanted (100,)"


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_inf_fail_in_words_even_where_nothing_is_judged(dtype, value):
    found = verdict(TRUTH, off(TRUTH, value), dtype)
    assert not found.ok
    assert "1 of 100 values are not finite" in found.why


def test_nan_where_nan_is_expected_passes_and_a_number_there_does_not():
    truth = off(TRUTH, np.nan)
    assert verdict(truth, truth).ok
    assert not verdict(truth, TRUTH).ok
    assert not verdict(off(TRUTH, np.inf), off(TRUTH, -np.inf)).ok


def test_what_is_no_array_of_numbers_fails_in_words():
    assert "not an array of numbers" in verdict(TRUTH, ["a"] * 100).why
    assert "not an array of numbers" in verdict(TRUTH, None).why


def test_empty_tensors_agree():
    assert verdict(np.zeros((0, 3, 5)), np.zeros((0, 3, 5))).ok


def test_plain_values_are_equal_or_within_their_limit():
    def value(wanted, came, max_abs=None):
        return judge(EMBED, Expected(value=wanted, max_abs=max_abs), came, "float64", original=None, limits=Limits())

    assert value([["Fp1", 1.0, []]], (("Fp1", np.float64(1.0), np.zeros(0)),)).ok
    assert not value(["Fp1"], ["Fp2"]).ok
    assert not value(["Fp1"], ["Fp1", "Fp2"]).ok
    assert not value(2, 3).ok
    assert not value(0.0, float("nan"), max_abs=1.0).ok
    assert not value({"a": 1}, {"b": 1}).ok
    assert value([1.0, "x"], [1.0 + 1e-11, "x"], max_abs=1e-10).ok
    assert not value([1.0, "x"], [1.0 + 1e-9, "x"], max_abs=1e-10).ok
    assert value(None, None).ok
