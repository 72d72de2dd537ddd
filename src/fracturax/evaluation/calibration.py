"""Turning scores into probabilities, and measuring how true the probabilities are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from fracturax.core.errors import DataError
from fracturax.evaluation.sample import Sample, check_both_classes, check_sample

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LogisticCalibration:
    """A probability as the logistic function of a weighted sum of features.

    Args:
        coefficients: One a feature.
        intercept: Log-odds where all features are 0.

    Raises:
        DataError: If there is no coefficient or a number is not finite.

    Example:
        >>> LogisticCalibration((2.0,), -1.0).apply([[0.5], [1.5]]).round(3)
        array([0.5  , 0.881])
    """

    coefficients: tuple[float, ...]
    intercept: float

    def __post_init__(self) -> None:
        if not self.coefficients or not all(
            map(math.isfinite, (*self.coefficients, self.intercept))
        ):
            raise DataError(
                "a calibration needs finite coefficients",
                got=f"{self.coefficients} and intercept {self.intercept}",
            )

    def apply(self, features: npt.ArrayLike) -> FloatArray:
        """Return probabilities, shape `(n,)`, of features, shape `(n, k)`.

        Raises:
            DataError: If the features are not finite or not as many as the coefficients.
        """
        matrix = _feature_matrix(features)
        if matrix.shape[1] != len(self.coefficients):
            raise DataError(
                "the features do not fit the calibration",
                got=f"{matrix.shape[1]} features for {len(self.coefficients)} coefficients",
            )
        return np.asarray(expit(matrix @ np.asarray(self.coefficients) + self.intercept))

    def as_document(self) -> dict[str, object]:
        """Return a JSON-able document; no number is rounded."""
        return {
            "kind": "logistic",
            "coefficients": list(self.coefficients),
            "intercept": self.intercept,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, object]) -> LogisticCalibration:
        """Return what `as_document` described.

        Raises:
            DataError: If it describes something else.
        """
        coefficients, intercept = document.get("coefficients"), document.get("intercept")
        if (
            document.get("kind") != "logistic"
            or not isinstance(coefficients, Sequence)
            or not all(_is_number(value) for value in (*coefficients, intercept))
        ):
            raise DataError("this document describes no logistic calibration", got=repr(document))
        return cls(tuple(float(value) for value in coefficients), float(str(intercept)))


def fit_platt(
    features: npt.ArrayLike,
    reference: npt.ArrayLike,
    *,
    penalty: float = 1e-3,
    weights: npt.ArrayLike | None = None,
) -> LogisticCalibration:
    """Fit a logistic calibration by maximum likelihood (Platt scaling, of one feature or more).

    Args:
        features: Logits or other scores, shape `(n, k)`.
        reference: Labels 0 or 1, shape `(n,)`.
        penalty: L2 penalty on the coefficients of the standardized features, against a summed
            log-likelihood: small enough to be without weight, it keeps a sample that separates
            perfectly from an infinite coefficient, and makes the unit of a feature irrelevant.
        weights: How often each row counts, shape `(n,)`, above 0; once by default.

    Raises:
        DataError: If the rows are not valid, one class is missing, or the penalty or a weight is
            not positive.

    References:
        Platt, Probabilistic Outputs for Support Vector Machines, 1999.

    Example:
        >>> calibration = fit_platt([[-2.0], [-1.0], [0.0], [1.0], [2.0]], [0, 0, 1, 0, 1])
        >>> calibration.apply([[-2.0], [2.0]]).round(2)
        array([0.06, 0.83])
    """
    from scipy.optimize import minimize

    matrix = _feature_matrix(features)
    sample = check_sample(reference, np.zeros(matrix.shape[0]))
    check_both_classes(sample)
    if not penalty > 0:
        raise DataError("the penalty of a calibration must be positive", got=str(penalty))
    counts = _weights(weights, matrix.shape[0])
    mean = np.average(matrix, axis=0, weights=counts)
    scale = np.sqrt(np.average((matrix - mean) ** 2, axis=0, weights=counts))
    scale[scale == 0] = 1.0  # a constant feature gets coefficient 0 from the penalty
    design = np.column_stack([(matrix - mean) / scale, np.ones(matrix.shape[0])])
    target = sample.positive.astype(np.float64)
    shrink = np.full(design.shape[1], penalty)
    shrink[-1] = 0.0

    def loss(theta: FloatArray) -> float:
        z = design @ theta
        return float(counts @ (np.logaddexp(0, z) - target * z) + (shrink * theta**2).sum() / 2)

    def gradient(theta: FloatArray) -> FloatArray:
        return np.asarray(design.T @ (counts * (expit(design @ theta) - target)) + shrink * theta)

    def hessian(theta: FloatArray) -> FloatArray:
        share = expit(design @ theta)
        spread = counts * share * (1 - share)
        return np.asarray((design * spread[:, None]).T @ design + np.diag(shrink))

    start = np.zeros(design.shape[1])
    fitted = minimize(
        loss, start, jac=gradient, hess=hessian, method="trust-exact", options={"gtol": 1e-9}
    )
    coefficients = fitted.x[:-1] / scale
    intercept = float(fitted.x[-1] - coefficients @ mean)
    return LogisticCalibration(tuple(coefficients.tolist()), intercept)


def _weights(weights: npt.ArrayLike | None, count: int) -> FloatArray:
    if weights is None:
        return np.ones(count)
    found = np.asarray(weights, dtype=np.float64)
    if found.shape != (count,) or not (np.isfinite(found).all() and (found > 0).all()):
        raise DataError(
            "the weights of a calibration are positive, one a row", got=f"shape {found.shape}"
        )
    return found


def cross_fitted(
    features: npt.ArrayLike, reference: npt.ArrayLike, folds: npt.ArrayLike
) -> FloatArray:
    """Return probabilities each of which comes from a calibration that never saw its fold.

    Args:
        features: Out-of-fold scores, shape `(n, k)`.
        reference: Labels 0 or 1, shape `(n,)`.
        folds: Fold of each row, shape `(n,)`; no patient in two folds, which is for the split to
            ensure.

    Returns:
        Probabilities, shape `(n,)`.

    Raises:
        DataError: If there is one fold only, or the other folds lack a class.

    Example:
        >>> scores = [[-1.0], [1.0], [0.2], [-0.5], [2.0], [-2.0]]
        >>> cross_fitted(scores, [0, 1, 0, 1, 1, 0], [0, 0, 1, 1, 2, 2]).shape
        (6,)
    """
    matrix = _feature_matrix(features)
    labels, fold_of_row = np.asarray(reference), np.asarray(folds)
    if not fold_of_row.shape == labels.shape == matrix.shape[:1]:
        raise DataError(
            "features, reference and folds need one row an image",
            got=f"{matrix.shape}, {labels.shape} and {fold_of_row.shape}",
        )
    names = np.unique(fold_of_row)
    if names.size < 2:
        raise DataError("cross-fitting needs two folds", got=f"{names.size}")
    probability = np.empty(matrix.shape[0])
    for name in names:
        held_out = fold_of_row == name
        calibration = fit_platt(matrix[~held_out], labels[~held_out])
        probability[held_out] = calibration.apply(matrix[held_out])
    return probability


def brier_score(
    reference: npt.ArrayLike, probability: npt.ArrayLike, *, weights: npt.ArrayLike | None = None
) -> float:
    """Return the mean squared error of the probabilities; lower is better.

    Raises:
        DataError: If the rows are not valid.

    References:
        Brier, Monthly Weather Review 78:1-3, 1950.

    Example:
        >>> brier_score([1, 1, 0, 0], [0.9, 0.5, 0.1, 0.3])
        0.09
    """
    sample = check_sample(reference, probability, weights, is_probability=True)
    error = (sample.score - sample.positive) ** 2
    return float((sample.weights * error).sum() / _total(sample))


def expected_calibration_error(
    reference: npt.ArrayLike,
    probability: npt.ArrayLike,
    *,
    bins: int = 10,
    weights: npt.ArrayLike | None = None,
) -> float:
    """Return the mean gap between probability and observed share over bins of equal count.

    Bins of equal width would leave most of them empty, as most images are healthy. Equal
    probabilities share a bin, so that the order of the rows does not matter.

    Args:
        reference: Labels 0 or 1, shape `(n,)`.
        probability: Probabilities, shape `(n,)`.
        bins: How many bins.
        weights: How often each row counts, shape `(n,)`.

    Raises:
        DataError: If the rows are not valid or there is no bin.

    References:
        Nguyen & O'Connor, EMNLP 2015 (adaptive bins); Naeini et al., AAAI 2015.

    Example:
        >>> round(expected_calibration_error([0, 1, 1, 1], [0.2, 0.2, 0.9, 0.9], bins=2), 3)
        0.2
    """
    sample = check_sample(reference, probability, weights, is_probability=True)
    if bins < 1:
        raise DataError("a calibration error needs a bin", got=str(bins))
    total = _total(sample)
    order = np.argsort(sample.score, kind="stable")
    score, weight = sample.score[order], sample.weights[order]
    is_start = np.append(True, score[1:] != score[:-1])
    starts = np.flatnonzero(is_start)
    tied = np.add.reduceat(weight, starts)
    middle = (np.cumsum(tied) - tied / 2) / total
    bin_of_row = np.minimum((middle * bins).astype(np.intp), bins - 1)[np.cumsum(is_start) - 1]
    gap = weight * (score - sample.positive[order])
    return float(np.abs(np.bincount(bin_of_row, gap, minlength=bins)).sum() / total)


def _total(sample: Sample) -> float:
    total = float(sample.weights.sum())
    if total == 0:
        raise DataError("every row has weight 0", got=f"{sample.weights.size} rows")
    return total


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _feature_matrix(features: npt.ArrayLike) -> FloatArray:
    matrix = np.asarray(features, dtype=np.float64)
    if matrix.ndim != 2 or 0 in matrix.shape or not np.isfinite(matrix).all():
        raise DataError(
            "features must be a finite matrix (rows, features)", got=f"shape {matrix.shape}"
        )
    return matrix
