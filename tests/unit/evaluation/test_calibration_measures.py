"""Calibration errors, Brier parts, slope, temperature, isotonic: against references and laws."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit
from scipy.stats import norm
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import brier_score_loss

from fracturax.core.errors import DataError
from fracturax.evaluation.binning import bin_rows
from fracturax.evaluation.brier import brier_interval, brier_parts
from fracturax.evaluation.calibration import expected_calibration_error
from fracturax.evaluation.calibration_error import calibration_error
from fracturax.evaluation.calibration_line import calibration_line
from fracturax.evaluation.recalibration import (
    IsotonicCalibration,
    fit_isotonic,
    fit_temperature,
)
from fracturax.evaluation.reliability import reliability_curve

rows = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 20)), min_size=4, max_size=60)


def drawn_rows(n=400, seed=0):
    generator = np.random.default_rng(seed)
    probability = expit(generator.normal(scale=1.5, size=n))
    return (generator.uniform(size=n) < probability).astype(int), probability


@given(rows, st.integers(1, 12), st.sampled_from(["equal_mass", "equal_width"]))
@settings(max_examples=60, deadline=None)
def test_the_parts_of_brier_add_up(drawn, bins, binning):
    reference, score = np.array(drawn).T
    probability = score / 20
    parts = brier_parts(reference, probability, bins=bins, binning=binning)
    total = parts.reliability - parts.resolution + parts.uncertainty + parts.within_bins
    assert parts.score == pytest.approx(total, abs=1e-12)
    assert parts.score == pytest.approx(brier_score_loss(reference, probability), abs=1e-12)
    exact = brier_parts(reference, probability, bins=None)
    assert exact.within_bins == pytest.approx(0, abs=1e-12)


def test_briers_interval_is_that_of_a_mean_on_the_log_scale():
    reference, probability = drawn_rows()
    error = (probability - reference) ** 2
    row = brier_interval(reference, probability)
    half = 1.965927 * error.std(ddof=1) / 20 / error.mean()  # t with 399 degrees of freedom
    assert np.log([row.low, row.high]) == pytest.approx(
        np.log(error.mean()) + np.array([-half, half]), abs=1e-5
    )
    twice = brier_interval(
        np.tile(reference, 2), np.tile(probability, 2), groups=np.tile(np.arange(400), 2)
    )
    assert (twice.low, twice.high) == pytest.approx((row.low, row.high))


@given(rows, st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_equal_mass_l1_is_the_error_of_the_summary(drawn, bins):
    reference, score = np.array(drawn).T
    found = calibration_error(reference, score / 20, bins=bins)
    assert found == pytest.approx(expected_calibration_error(reference, score / 20, bins=bins))


def test_equal_width_is_that_of_a_loop():
    reference, probability = drawn_rows()
    edges = np.linspace(0, 1, 11)
    l1 = l2 = debiased = 0.0
    for low, high in itertools.pairwise(edges):
        inside = (probability >= low) & (probability < high)
        if inside.any():
            share, count = reference[inside].mean(), inside.sum()
            gap = abs(share - probability[inside].mean())
            l1 += inside.mean() * gap
            l2 += inside.mean() * gap**2
            debiased += inside.mean() * (gap**2 - share * (1 - share) / (count - 1))
    options = {"binning": "equal_width"}
    assert calibration_error(reference, probability, **options) == pytest.approx(l1)
    found = calibration_error(reference, probability, norm="l2", **options)
    assert found == pytest.approx(l2**0.5)
    found = calibration_error(reference, probability, norm="l2", is_debiased=True, **options)
    assert found == pytest.approx(max(debiased, 0) ** 0.5)


def test_the_l1_correction_is_that_of_drawn_noise():
    reference, probability = drawn_rows(200)
    bins = bin_rows(probability, 10, "equal_mass")
    generator = np.random.default_rng(0)
    plain = noisy = 0.0
    for place in range(10):
        inside = bins == place
        share = reference[inside].mean()
        gap = abs(share - probability[inside].mean())
        noise = np.sqrt(share * (1 - share) / inside.sum())
        plain += inside.mean() * gap
        noisy += inside.mean() * np.abs(generator.normal(gap, noise, size=100_000)).mean()
    found = calibration_error(reference, probability, is_debiased=True)
    assert found == pytest.approx(plain - (noisy - plain), abs=1e-3)


def test_debiasing_brings_a_calibrated_model_near_zero():
    plain, debiased, squares = [], [], []
    for seed in range(60):
        reference, probability = drawn_rows(300, seed)
        plain.append(calibration_error(reference, probability))
        debiased.append(calibration_error(reference, probability, is_debiased=True))
        squares.append(calibration_error(reference, probability, norm="l2", is_debiased=True) ** 2)
    assert np.mean(plain) > 0.03
    assert abs(np.mean(debiased)) < 0.6 * np.mean(plain)
    assert np.mean(squares) < 0.001


def test_bins_are_dense_and_ties_share_one():
    bins = bin_rows(np.array([0.5] * 9 + [0.1]), 5, "equal_mass")
    assert len(set(bins[:9])) == 1
    assert set(bins) == {0, 1}
    assert bin_rows(np.array([0.0, 1.0]), 4, "equal_width").tolist() == [0, 1]


def test_slope_and_intercept_are_those_of_statsmodels():
    import statsmodels.api as sm

    reference, probability = drawn_rows()
    odds = 0.6 * logit(probability) - 0.4
    probability = expit(odds)
    found = calibration_line(reference, probability)
    fits = {
        "calibration_slope": (sm.Logit(reference, sm.add_constant(odds)), 1),
        "calibration_intercept": (
            sm.GLM(reference, np.ones(400), family=sm.families.Binomial(), offset=odds),
            0,
        ),
    }
    for name, (model, place) in fits.items():
        options = {"disp": 0} if name == "calibration_slope" else {}
        fitted = model.fit(cov_type="HC0", **options)
        row = found[name]
        assert row.value == pytest.approx(fitted.params[place], abs=1e-6)
        error = (row.high - row.low) / (2 * norm.ppf(0.975))
        assert error == pytest.approx(fitted.bse[place] * np.sqrt(400 / 399), rel=1e-4)
    ratio = found["expected_to_observed"]
    assert ratio.value == pytest.approx(probability.mean() / reference.mean())


def test_groups_widen_the_calibration_line():
    reference, probability = (np.tile(x, 3) for x in drawn_rows(200))
    alone = calibration_line(reference[:200], probability[:200])
    grouped = calibration_line(reference, probability, groups=np.tile(np.arange(200), 3))
    for row in alone.rows:
        other = grouped[row.metric]
        assert (other.low, other.high) == pytest.approx((row.low, row.high), rel=1e-6)


def test_temperature_is_the_minimum_of_the_loss():
    reference, probability = drawn_rows()
    logits = 2.5 * logit(probability)
    factor = fit_temperature(logits, reference).coefficients[0]

    def loss(value):
        z = value * logits
        return (np.logaddexp(0, z) - reference * z).sum()

    assert loss(factor) < min(loss(factor * 1.001), loss(factor * 0.999))
    assert 0.3 < factor < 0.5


@given(rows.filter(lambda drawn: 0 < sum(one for one, _ in drawn) < len(drawn)))
@settings(max_examples=60, deadline=None)
def test_isotonic_is_that_of_sklearn(drawn):
    reference, score = np.array(drawn, dtype=float).T
    theirs = IsotonicRegression(out_of_bounds="clip").fit(score, reference)
    grid = np.linspace(-2, 23, 80)
    fitted = fit_isotonic(score, reference)
    assert fitted.apply(grid) == pytest.approx(theirs.predict(grid), abs=1e-9)
    assert IsotonicCalibration.from_document(fitted.as_document()) == fitted


def test_a_calibrated_model_lies_in_its_consistency_band_and_a_wrong_one_does_not():
    reference, probability = drawn_rows(3000)
    curve = reliability_curve(reference, probability, generator=np.random.default_rng(0))
    inside = (curve.consistent_low <= curve.share) & (curve.share <= curve.consistent_high)
    assert inside.sum() >= 9
    assert curve.count.sum() == 3000
    assert curve.count @ curve.share == pytest.approx(reference.sum())
    assert ((curve.low <= curve.share) & (curve.share <= curve.high)).all()
    wrong = reliability_curve(reference, probability**2, generator=np.random.default_rng(0))
    outside = (wrong.share < wrong.consistent_low) | (wrong.share > wrong.consistent_high)
    assert outside.sum() >= 6
    grouped = reliability_curve(
        np.tile(reference, 2),
        np.tile(probability, 2),
        generator=np.random.default_rng(0),
        groups=np.tile(np.arange(3000), 2),
        draws=50,
    )
    assert (grouped.high - grouped.low) == pytest.approx(curve.high - curve.low, rel=0.05)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: calibration_line([0, 1, 0], [0.2, 1.0, 0.4]), "1.0 in row 2"),
        (lambda: calibration_line([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4]), "overlap"),
        (lambda: calibration_error([0, 1], [0.2, 1.1]), "1.1 in row 2"),
        (lambda: calibration_error([0, 1], [0.2, 0.3], norm="max"), "max"),
        (lambda: bin_rows(np.array([0.5]), 0, "equal_mass"), "0"),
        (lambda: fit_temperature([-1.0, -2, 2, 3], [0, 0, 1, 1]), "signs are all right"),
        (lambda: fit_temperature([1.0, -2, -2, 3], [0, 1, 1, 0]), "rise"),
        (lambda: IsotonicCalibration((1.0, 1.0), (0.1, 0.2)), "increasing"),
        (lambda: IsotonicCalibration.from_document({"kind": "logistic"}), "isotonic"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(DataError, match=words):
        call()
