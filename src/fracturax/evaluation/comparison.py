"""Two models compared: areas by DeLong, answers by McNemar, and non-inferiority to a margin."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr, ndtr

from fracturax.core.errors import DataError
from fracturax.evaluation.delong import (
    clustered_placement_variance,
    placement_variance,
    placements,
)
from fracturax.evaluation.intervals import normal_quantile, percent
from fracturax.evaluation.paired_proportions import tango_interval
from fracturax.evaluation.sample import check_sample

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """One number of two models, with the interval of its difference and a test.

    Args:
        metric: Name of the number.
        a: Of the first model.
        b: Of the second model.
        difference: `a - b`.
        low: Lower end of the interval of the difference; None where there is none.
        high: Upper end of it.
        p: Two-sided p-value of no difference.
        n: How many units (images, pairs) it was computed from.
        method: How interval and p-value came to be.
    """

    metric: str
    a: float
    b: float
    difference: float
    low: float | None
    high: float | None
    p: float
    n: int
    method: str


@dataclass(frozen=True)
class DelongTest:
    """Two AUROCs, compared.

    Args:
        auroc_a: Area of the first score.
        auroc_b: Area of the second score.
        difference: `auroc_a - auroc_b`.
        low: Lower end of the interval of the difference.
        high: Upper end of the interval of the difference.
        z: Standard normal statistic.
        p: Two-sided p-value.
        standard_error: Of the difference.
        n: How many images.
        method: Which of DeLong's tests.
    """

    auroc_a: float
    auroc_b: float
    difference: float
    low: float
    high: float
    z: float
    p: float
    standard_error: float
    n: int
    method: str

    def as_comparison(self) -> Comparison:
        """Return it in the form that all comparisons share."""
        return Comparison(
            "auroc",
            self.auroc_a,
            self.auroc_b,
            self.difference,
            self.low,
            self.high,
            self.p,
            self.n,
            self.method,
        )


def delong_test(
    reference: npt.ArrayLike,
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    *,
    level: float = 0.95,
    groups: npt.ArrayLike | None = None,
) -> DelongTest:
    """Test whether two scores of the same images have the same AUROC (paired).

    Args:
        reference: Labels 0 or 1, shape `(n,)`.
        a: First score, shape `(n,)`.
        b: Second score, shape `(n,)`.
        level: Coverage of the interval of the difference.
        groups: Rows that are not independent share a value, shape `(n,)` (patients, copies);
            None takes all as independent.

    Raises:
        DataError: If the rows are not valid, a class has fewer than two rows, or groups, or the
            areas differ without any variance (both separate perfectly, in opposite directions).

    References:
        DeLong et al., Biometrics 44:837-845, 1988; groups: Obuchowski, Biometrics 53:567-578,
        1997.

    Example:
        >>> test = delong_test([0, 0, 0, 1, 1, 1], [1, 2, 4, 3, 5, 6], [2, 1, 5, 4, 3, 6])
        >>> round(test.difference, 3), round(test.p, 3)
        (0.111, 0.48)
    """
    sample = check_sample(reference, a)
    positives_a, negatives_a = placements(sample)
    positives_b, negatives_b = placements(check_sample(reference, b))
    area_a, area_b = float(positives_a.mean()), float(positives_b.mean())
    # The variance of the difference of placements is V(a) + V(b) - 2 Cov(a, b), without the
    # cancellation that would make two identical models differ.
    positives, negatives = positives_a - positives_b, negatives_a - negatives_b
    if groups is None:
        variance = placement_variance(positives, negatives)
        method = f"DeLong paired, {percent(level)}"
    else:
        variance = clustered_placement_variance(sample, positives, negatives, np.asarray(groups))
        method = f"DeLong paired, by groups (Obuchowski), {percent(level)}"
    return _delong(area_a, area_b, variance, level, sample.score.size, method)


def delong_test_unpaired(
    reference_a: npt.ArrayLike,
    a: npt.ArrayLike,
    reference_b: npt.ArrayLike,
    b: npt.ArrayLike,
    *,
    level: float = 0.95,
    groups_a: npt.ArrayLike | None = None,
    groups_b: npt.ArrayLike | None = None,
) -> DelongTest:
    """Test whether scores of two different sets of patients have the same AUROC.

    Args:
        reference_a: Labels of the first set, shape `(n,)`.
        a: Scores of the first set, shape `(n,)`.
        reference_b: Labels of the second set, shape `(m,)`.
        b: Scores of the second set, shape `(m,)`.
        level: Coverage of the interval of the difference.
        groups_a: As in `delong_test`, of the first set.
        groups_b: Of the second set; no patient in both, which is for the caller to ensure.

    Raises:
        DataError: As `delong_test`.

    References:
        DeLong et al., Biometrics 44:837-845, 1988.

    Example:
        >>> test = delong_test_unpaired(
        ...     [0, 0, 0, 1, 1], [1, 2, 4, 3, 5], [0, 0, 1, 1], [1, 3, 2, 4])
        >>> round(test.difference, 3), round(test.p, 3)
        (0.083, 0.845)
    """
    areas, variance, size = [], 0.0, 0
    for reference, score, groups in ((reference_a, a, groups_a), (reference_b, b, groups_b)):
        sample = check_sample(reference, score)
        positives, negatives = placements(sample)
        areas.append(float(positives.mean()))
        size += sample.score.size
        if groups is None:
            variance += placement_variance(positives, negatives)
        else:
            keys = np.asarray(groups)
            variance += clustered_placement_variance(sample, positives, negatives, keys)
    is_grouped = groups_a is not None or groups_b is not None
    words = "DeLong unpaired" + (", by groups (Obuchowski)" if is_grouped else "")
    return _delong(areas[0], areas[1], variance, level, size, f"{words}, {percent(level)}")


def mcnemar_test(
    right_a: npt.ArrayLike,
    right_b: npt.ArrayLike,
    *,
    metric: str = "accuracy",
    method: Literal["mid-p", "exact"] = "mid-p",
    level: float = 0.95,
    groups: npt.ArrayLike | None = None,
) -> Comparison:
    """Test whether two models are right equally often on the same images.

    Give the fractured images alone to compare sensitivities, the healthy ones for specificities.

    Args:
        right_a: Whether the first model is right, shape `(n,)`.
        right_b: Whether the second one is, shape `(n,)`.
        metric: Name of what is compared.
        method: `mid-p`, or `exact`, which never rejects too often and rather seldom.
        level: Coverage of the interval of the difference.
        groups: Images that are not independent share a value, shape `(n,)`; the test is then
            normal, of the sums of the groups, whatever the method.

    Returns:
        Shares, their difference with Tango's score interval, and the p-value.

    Raises:
        DataError: If the rows are not valid or there are fewer than two groups.

    References:
        McNemar, Psychometrika 12:153-157, 1947; mid-p: Fagerland et al., BMC Medical Research
        Methodology 13:91, 2013; interval: Tango, Statistics in Medicine 17:891-908, 1998;
        groups: Obuchowski, Statistics in Medicine 17:1495-1507, 1998, with the variance under no
        difference of Yang et al., Biometrical Journal 52:638-652, 2010.

    Example:
        Airway hyper-responsiveness before and after transplantation (Fagerland et al.):

        >>> before = [1] * 2 + [0] * 19
        >>> after = [1, 0] + [1] * 7 + [0] * 12
        >>> round(mcnemar_test(before, after).p, 4)
        0.0391
        >>> round(mcnemar_test(before, after, method="exact").p, 4)
        0.0703
    """
    a, b = _outcomes("right_a", right_a), _outcomes("right_b", right_b)
    if a.shape != b.shape:
        raise DataError("two models need the same images", got=f"{a.size} and {b.size} rows")
    only_a, only_b = int((a & ~b).sum()), int((~a & b).sum())
    difference = (only_a - only_b) / a.size
    if groups is not None:
        return _grouped_mcnemar(a, b, np.asarray(groups), metric, level)
    low, high = tango_interval(only_a, only_b, a.size, level=level)
    p = mcnemar_p(only_a, only_b, method=method)
    words = f"McNemar {method}, Tango score interval, {percent(level)}"
    return Comparison(
        metric, float(a.mean()), float(b.mean()), difference, low, high, p, a.size, words
    )


def mcnemar_p(only_a: int, only_b: int, *, method: Literal["mid-p", "exact"] = "mid-p") -> float:
    """Return McNemar's two-sided p-value of the two counts of disagreement.

    Raises:
        DataError: If a count is negative or there is no such method.

    Example:
        >>> round(mcnemar_p(1, 7, method="exact"), 6), round(mcnemar_p(1, 7), 4)
        (0.070312, 0.0391)
    """
    if min(only_a, only_b) < 0 or method not in ("mid-p", "exact"):
        raise DataError("McNemar needs two counts", got=f"{only_a}, {only_b}, {method!r}")
    fewer, total = min(only_a, only_b), only_a + only_b
    up_to = float(bdtr(fewer, total, 0.5))
    exact = min(2 * up_to, 1.0)
    if method == "exact":
        return exact
    at = up_to - (float(bdtr(fewer - 1, total, 0.5)) if fewer > 0 else 0.0)
    return 1 - at / 2 if only_a == only_b else exact - at


@dataclass(frozen=True)
class NonInferiority:
    """Whether one model is worse than another by less than a margin.

    Args:
        difference: New less old; higher is better.
        bound: Lower confidence bound of the difference, one-sided at `1 - alpha`.
        margin: What may be lost, positive.
        p: One-sided p-value of a loss of the margin or more.
        alpha: One-sided level of the test.
        is_shown: Whether the bound lies above the loss of the margin.
    """

    difference: float
    bound: float
    margin: float
    p: float
    alpha: float
    is_shown: bool


def non_inferiority(
    difference: float, standard_error: float, *, margin: float, alpha: float = 0.025
) -> NonInferiority:
    """Test that a difference is above `-margin`, from its standard error.

    Args:
        difference: New less old, of a number of which more is better (`DelongTest.difference`).
        standard_error: Of the difference (`DelongTest.standard_error`).
        margin: Stated before the data were seen; positive.
        alpha: One-sided level; 0.025 agrees with the two-sided 95 % interval.

    Raises:
        DataError: If the margin or the standard error is not positive, or alpha not in (0, 0.5).

    References:
        Chen, Petrick & Sahiner, Academic Radiology 19:1158-1165, 2012; ICH E9, 1998, 3.3.2.

    Example:
        >>> shown = non_inferiority(-0.01, 0.01, margin=0.05)
        >>> shown.is_shown, round(shown.bound, 4), round(shown.p, 6)
        (True, -0.0296, 3.2e-05)
    """
    if not (margin > 0 and standard_error > 0 and 0 < alpha < 0.5):
        raise DataError(
            "non-inferiority needs a positive margin and standard error, and alpha in (0, 0.5)",
            got=f"{margin}, {standard_error} and {alpha}",
        )
    bound = difference - normal_quantile(1 - 2 * alpha) * standard_error
    p = float(ndtr(-(difference + margin) / standard_error))
    return NonInferiority(difference, bound, margin, p, alpha, bound > -margin)


def _delong(
    area_a: float, area_b: float, variance: float, level: float, n: int, method: str
) -> DelongTest:
    difference = area_a - area_b
    if variance == 0:
        if not math.isclose(difference, 0, abs_tol=1e-12):
            raise DataError(
                "two areas without variance cannot be compared",
                got=f"{area_a} and {area_b}",
                cure="use more images, or report both areas without a test",
            )
        return DelongTest(area_a, area_b, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, n, method)
    error = math.sqrt(variance)
    z, half = difference / error, normal_quantile(level) * error
    p = float(2 * ndtr(-abs(z)))
    low, high = difference - half, difference + half
    return DelongTest(area_a, area_b, difference, low, high, z, p, error, n, method)


def _grouped_mcnemar(
    a: npt.NDArray[np.bool_],
    b: npt.NDArray[np.bool_],
    groups: npt.NDArray[np.generic],
    metric: str,
    level: float,
) -> Comparison:
    if groups.shape != a.shape:
        raise DataError("groups need one value a row", got=f"shape {groups.shape}")
    _, group_of_row = np.unique(groups, return_inverse=True)
    gap = a.astype(np.float64) - b
    sums = np.bincount(group_of_row, weights=gap)
    sizes = np.bincount(group_of_row)
    if sizes.size < 2:
        raise DataError("a test between groups needs two groups", got=str(sizes.size))
    difference = float(gap.mean())
    residual = sums - difference * sizes
    error = math.sqrt(sizes.size / (sizes.size - 1) * float(residual @ residual)) / a.size
    half = normal_quantile(level) * error
    spread = math.sqrt(float(sums @ sums))
    p = float(2 * ndtr(-abs(float(sums.sum())) / spread)) if spread > 0 else 1.0
    words = f"McNemar by groups (Obuchowski), Wald interval, {percent(level)}"
    low, high = max(difference - half, -1.0), min(difference + half, 1.0)
    return Comparison(
        metric, float(a.mean()), float(b.mean()), difference, low, high, p, a.size, words
    )


def _outcomes(name: str, right: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    values = np.asarray(right)
    if values.ndim != 1 or values.size == 0:
        raise DataError(f"{name} must be one row an image", got=f"shape {values.shape}")
    wrong = (values != 0) & (values != 1)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(f"{name} is neither 0 nor 1", got=f"{values[row]} in row {row + 1}")
    return np.asarray(values == 1)
