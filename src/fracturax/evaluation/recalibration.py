"""Calibrations of one score: temperature, and any increasing function (isotonic)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from fracturax.core.errors import DataError
from fracturax.evaluation.calibration import LogisticCalibration
from fracturax.evaluation.sample import check_both_classes, check_sample

FloatArray = npt.NDArray[np.float64]


def fit_temperature(logits: npt.ArrayLike, reference: npt.ArrayLike) -> LogisticCalibration:
    """Fit the one factor that makes logits as sure as they should be.

    Args:
        logits: Log-odds of a fracture, shape `(n,)`.
        reference: Labels 0 or 1, shape `(n,)`.

    Returns:
        A calibration of one feature with coefficient `1 / temperature` and intercept 0, for
        `apply(logits[:, None])`.

    Raises:
        DataError: If the rows are not valid, a class is missing, or no temperature is best: the
            logits tell the classes apart perfectly, or point the wrong way.

    References:
        Guo et al., On Calibration of Modern Neural Networks, ICML 2017.

    Example:
        Logits twice as sure as they should be:

        >>> generator = np.random.default_rng(0)
        >>> odds = generator.normal(scale=2, size=5000)
        >>> reference = generator.uniform(size=5000) < expit(odds)
        >>> round(1 / fit_temperature(2 * odds, reference).coefficients[0], 1)
        2.0
    """
    from scipy.optimize import brentq

    sample = check_sample(reference, logits)
    check_both_classes(sample)
    target = sample.positive.astype(np.float64)

    def slope(factor: float) -> float:
        return float(((expit(factor * sample.score) - target) * sample.score).sum())

    # The loss is convex, so its slope rises: from below 0 at no confidence, if there is a best.
    if slope(0.0) >= 0:
        raise DataError(
            "no temperature is best",
            got="logits that do not rise with the reference",
            cure="check the sign of the logits, or fit_platt",
        )
    largest = float(np.abs(sample.score).max())
    signed = np.where(sample.positive, sample.score, -sample.score)
    if signed.min() >= 0:
        raise DataError(
            "no temperature is best",
            got="logits whose signs are all right",
            cure="use cases that the model has not learned, or more of them",
        )
    low, high = 0.0, 1 / largest
    while slope(high) < 0:
        low, high = high, 2 * high
    return LogisticCalibration((float(brentq(slope, low, high, xtol=1e-14)),), 0.0)


@dataclass(frozen=True)
class IsotonicCalibration:
    """A probability as an increasing function of a score, straight between its knots.

    Args:
        scores: Knots, increasing.
        probabilities: Probability at each knot, not decreasing, in [0, 1].

    Raises:
        DataError: If there is no knot, or the knots are not as they have to be.

    Example:
        >>> IsotonicCalibration((0.0, 1.0), (0.1, 0.5)).apply([-1.0, 0.5, 2.0])
        array([0.1, 0.3, 0.5])
    """

    scores: tuple[float, ...]
    probabilities: tuple[float, ...]

    def __post_init__(self) -> None:
        pairs = itertools.pairwise
        if (
            not self.scores
            or len(self.scores) != len(self.probabilities)
            or not all(map(math.isfinite, (*self.scores, *self.probabilities)))
            or any(one >= two for one, two in pairs(self.scores))
            or any(one > two for one, two in pairs(self.probabilities))
            or not 0 <= self.probabilities[0] <= self.probabilities[-1] <= 1
        ):
            raise DataError(
                "an isotonic calibration needs increasing scores and probabilities in [0, 1]",
                got=f"{len(self.scores)} scores and {len(self.probabilities)} probabilities",
            )

    def apply(self, scores: npt.ArrayLike) -> FloatArray:
        """Return probabilities, shape `(n,)`; beyond the outer knots that of the outer knot.

        Raises:
            DataError: If a score is not finite.
        """
        values = np.asarray(scores, dtype=np.float64)
        if values.ndim != 1 or not np.isfinite(values).all():
            raise DataError("scores must be a finite row", got=f"shape {values.shape}")
        return np.interp(values, self.scores, self.probabilities)

    def as_document(self) -> dict[str, object]:
        """Return a JSON-able document; no number is rounded."""
        return {
            "kind": "isotonic",
            "scores": list(self.scores),
            "probabilities": list(self.probabilities),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, object]) -> IsotonicCalibration:
        """Return what `as_document` described.

        Raises:
            DataError: If it describes something else.
        """
        scores, probabilities = document.get("scores"), document.get("probabilities")
        if (
            document.get("kind") != "isotonic"
            or not isinstance(scores, Sequence)
            or not isinstance(probabilities, Sequence)
            or not all(
                isinstance(value, int | float) and not isinstance(value, bool)
                for value in (*scores, *probabilities)
            )
        ):
            raise DataError("this document describes no isotonic calibration", got=repr(document))
        return cls(tuple(map(float, scores)), tuple(map(float, probabilities)))


def fit_isotonic(scores: npt.ArrayLike, reference: npt.ArrayLike) -> IsotonicCalibration:
    """Fit the increasing function of a score nearest to the labels (pooled adjacent violators).

    It needs some hundred cases of each class and gives probabilities of exactly 0 and 1 at the
    ends; `fit_platt` does neither.

    Args:
        scores: Scores of any range, shape `(n,)`.
        reference: Labels 0 or 1, shape `(n,)`.

    Raises:
        DataError: If the rows are not valid or a class is missing.

    References:
        Ayer et al., Ann. Math. Statist. 26:641-647, 1955; Zadrozny & Elkan, KDD 2002.

    Example:
        >>> fitted = fit_isotonic([1, 2, 3, 4, 5], [0, 1, 0, 1, 1])
        >>> fitted.scores, fitted.probabilities
        ((1.0, 2.0, 3.0, 4.0, 5.0), (0.0, 0.5, 0.5, 1.0, 1.0))
    """
    from scipy.optimize import isotonic_regression

    sample = check_sample(reference, scores)
    check_both_classes(sample)
    values, value_of_row, counts = np.unique(sample.score, return_inverse=True, return_counts=True)
    share = np.bincount(value_of_row, weights=sample.positive) / counts
    fitted = np.clip(isotonic_regression(share, weights=counts).x, 0.0, 1.0)
    # Within a level only its ends are knots; np.interp gives the rest.
    is_end = np.append(True, fitted[1:] != fitted[:-1])
    is_knot = is_end | np.append(is_end[1:], True)
    return IsotonicCalibration(tuple(values[is_knot].tolist()), tuple(fitted[is_knot].tolist()))
