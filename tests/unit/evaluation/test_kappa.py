"""Kappa, plain and weighted, against scikit-learn and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from fracturax.core.errors import DataError
from fracturax.evaluation.kappa import agreement_weights, kappa_of_confusion, kappa_with_variance

MATRIX = np.array([[44, 5, 1], [7, 20, 3], [9, 5, 6]])  # Fleiss's counts of 100 patients


@pytest.mark.parametrize("weights", ["none", "linear", "quadratic"])
def test_kappa_is_that_of_sklearn(weights):
    rows = [(i, j) for i in range(3) for j in range(3) for _ in range(MATRIX[i, j])]
    one, other = np.array(rows).T
    kind = None if weights == "none" else weights
    expected = cohen_kappa_score(one, other, weights=kind)
    assert kappa_of_confusion(MATRIX, weights=weights).value == pytest.approx(expected)


@pytest.mark.parametrize("weights", ["none", "linear", "quadratic"])
def test_its_variance_is_that_of_statsmodels(weights):
    from statsmodels.stats.inter_rater import cohens_kappa

    _, variance = kappa_with_variance(MATRIX.astype(float), agreement_weights(3, weights))
    kind = {"none": None, "linear": "linear", "quadratic": "quadratic"}[weights]
    assert variance**0.5 == pytest.approx(cohens_kappa(MATRIX, wt=kind).std_kappa, rel=1e-9)


def test_full_agreement_is_one_and_swapping_changes_nothing():
    assert kappa_of_confusion([[5, 0], [0, 7]]).value == pytest.approx(1)
    assert kappa_of_confusion([[5, 0], [0, 7]]).low is None
    assert kappa_of_confusion(MATRIX.T).value == pytest.approx(kappa_of_confusion(MATRIX).value)


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        ([[5, 0], [0, 0]], "two classes"),
        ([[1.5, 0], [0, 1]], "counts"),
        ([[1, 2, 3]], "square"),
        ([[0, 0], [0, 0]], "nothing"),
    ],
)
def test_bad_matrices_are_named(matrix, words):
    with pytest.raises(DataError, match=words):
        kappa_of_confusion(matrix)
