"""Calibration against sklearn and by the laws of probabilities."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss

from fracturax.core.errors import DataError
from fracturax.evaluation import (
    LogisticCalibration,
    brier_score,
    cross_fitted,
    expected_calibration_error,
    fit_platt,
)


def sample(n=600, seed=0):
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(n, 2)) * [3.0, 0.1] + [5.0, 0.0]
    truth = expit(0.8 * features[:, 0] - 4 * features[:, 1] - 4.5)
    return features, (generator.random(n) < truth).astype(int), truth


def test_the_fit_is_that_of_sklearn():
    features, reference, _ = sample()
    ours = fit_platt(features, reference)
    theirs = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit(features, reference)
    expected = theirs.predict_proba(features)[:, 1]
    assert np.abs(ours.apply(features) - expected).max() < 1e-4


def test_the_unit_of_a_feature_does_not_matter():
    features, reference, _ = sample()
    one = fit_platt(features, reference).apply(features)
    scaled = features * [1e4, 1e-4] - 7
    assert np.allclose(fit_platt(scaled, reference).apply(scaled), one, atol=1e-9)


def test_fitted_probabilities_sum_to_the_positives():
    features, reference, _ = sample()
    assert fit_platt(features, reference).apply(features).sum() == pytest.approx(reference.sum())


def test_separated_and_constant_features_stay_finite():
    separated = fit_platt([[-2.0, 1.0], [-1.0, 1.0], [1.0, 1.0], [2.0, 1.0]], [0, 0, 1, 1])
    assert np.all((separated.apply([[-1.0, 1.0], [1.0, 1.0]]) > 0.5) == [False, True])
    assert separated.coefficients[1] == pytest.approx(0, abs=1e-12)


def test_a_document_gives_the_same_calibration_back():
    calibration = LogisticCalibration((0.1 + 0.2, -1 / 3), 1e-17)
    document = json.loads(json.dumps(calibration.as_document()))
    assert LogisticCalibration.from_document(document) == calibration
    with pytest.raises(DataError, match="no logistic calibration"):
        LogisticCalibration.from_document({"kind": "isotonic"})


def test_cross_fitting_never_sees_its_own_fold():
    features, reference, _ = sample(120)
    folds = np.arange(120) % 4
    before = cross_fitted(features, reference, folds)
    flipped = np.where(folds == 2, 1 - reference, reference)
    after = cross_fitted(features, flipped, folds)
    assert np.array_equal(before[folds == 2], after[folds == 2])
    assert not np.array_equal(before[folds != 2], after[folds != 2])
    with pytest.raises(DataError, match="two folds"):
        cross_fitted(features, reference, np.zeros(120))


def test_brier_is_that_of_sklearn():
    _, reference, truth = sample()
    assert brier_score(reference, truth) == pytest.approx(brier_score_loss(reference, truth))


def test_calibration_error_of_equal_bins_is_that_of_sorted_slices():
    _, reference, truth = sample(600)
    slices = np.array_split(np.argsort(truth), 10)
    expected = np.mean([abs(truth[rows].mean() - reference[rows].mean()) for rows in slices])
    assert expected_calibration_error(reference, truth, bins=10) == pytest.approx(expected)


def test_weights_are_repeated_rows_and_order_does_not_matter():
    _, reference, truth = sample(200)
    truth = np.round(truth, 1)
    generator = np.random.default_rng(3)
    weights = generator.integers(0, 4, 200)
    rows = generator.permutation(np.repeat(np.arange(200), weights))
    for metric in (brier_score, expected_calibration_error):
        weighted = metric(reference, truth, weights=weights)
        assert weighted == pytest.approx(metric(reference[rows], truth[rows]))


def test_true_probabilities_have_a_small_error_and_false_ones_a_large_one():
    generator = np.random.default_rng(5)
    truth = generator.random(20_000)
    reference = (generator.random(20_000) < truth).astype(int)
    assert expected_calibration_error(reference, truth) < 0.015
    assert expected_calibration_error(reference, truth**3) > 0.1


def test_a_score_outside_of_0_and_1_is_no_probability():
    with pytest.raises(DataError, match=r"outside \[0, 1\]; got 1.5 in row 2"):
        brier_score([0, 1], [0.5, 1.5])


def test_a_weight_of_two_is_a_row_twice() -> None:
    generator = np.random.default_rng(6)
    scores = generator.normal(size=(80, 1))
    reference = (generator.random(80) < expit(scores[:, 0])).astype(int)
    counts = generator.integers(1, 4, 80)
    weighed = fit_platt(scores, reference, weights=counts)
    repeated = fit_platt(np.repeat(scores, counts, axis=0), np.repeat(reference, counts))
    assert weighed.coefficients == pytest.approx(repeated.coefficients)
    assert weighed.intercept == pytest.approx(repeated.intercept)
    with pytest.raises(DataError, match="one a row"):
        fit_platt(scores, reference, weights=np.zeros(80))
