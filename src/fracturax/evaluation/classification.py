"""How well a score tells fractured from healthy: AUROC with DeLong, sensitivity, specificity."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.evaluation.delong import (
    clustered_placement_variance,
    placement_variance,
    placements,
)
from fracturax.evaluation.intervals import (
    ProportionMethod,
    clustered_proportion_row,
    logit_interval,
    percent,
    proportion_row,
)
from fracturax.evaluation.result import Row
from fracturax.evaluation.sample import check_both_classes, check_sample


def auroc(
    reference: npt.ArrayLike, probability: npt.ArrayLike, *, weights: npt.ArrayLike | None = None
) -> float:
    """Return the area under the ROC curve; a tie counts half.

    It is the probability that a fractured image scores above a healthy one. Any increasing
    transform of the scores leaves it as it is. `O(n log n)`, and `O(n)` on rows already sorted.

    Args:
        reference: Labels 0 or 1, shape `(n,)`.
        probability: Scores of any range, shape `(n,)`.
        weights: How often each row counts, shape `(n,)`; what a bootstrap draws.

    Returns:
        Area in [0, 1]; NaN if the weights leave one class only.

    Raises:
        DataError: If the rows are not valid or one class is missing.

    References:
        Hanley & McNeil, Radiology 143:29-36, 1982.

    Example:
        >>> auroc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
        0.75
    """
    counts = np.ones(np.shape(probability)) if weights is None else weights
    return auroc_of_weights(reference, probability)(counts)


def auroc_of_weights(
    reference: npt.ArrayLike, probability: npt.ArrayLike
) -> Callable[[npt.ArrayLike], float]:
    """Return the AUROC as a function of how often each row counts.

    Rows are checked and sorted once, so that each of a bootstrap's thousands of calls is `O(n)`.

    Args:
        reference: Labels 0 or 1, shape `(n,)`.
        probability: Scores of any range, shape `(n,)`.

    Returns:
        From weights, shape `(n,)`, not negative, to the area; NaN if they leave one class only.

    Raises:
        DataError: If the rows are not valid or one class is missing; the function raises it for
            weights that are not one a row, negative or no number.

    Example:
        >>> area = auroc_of_weights([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
        >>> area([1, 1, 1, 1]), area([1, 0, 2, 1])
        (0.75, 1.0)
    """
    sample = check_sample(reference, probability)
    check_both_classes(sample)
    order = np.argsort(sample.score, kind="stable")
    score = sample.score[order]
    is_positive = sample.positive[order].astype(np.float64)
    starts = np.flatnonzero(np.append(True, score[1:] != score[:-1]))
    has_ties = starts.size < score.size

    def area(weights: npt.ArrayLike) -> float:
        counts = np.asarray(weights, dtype=np.float64)
        if counts.shape != score.shape or not counts.min() >= 0:
            check_sample(reference, probability, counts)  # says which row is wrong
        weight = counts[order]
        positive = weight * is_positive
        negative = weight - positive
        if has_ties:
            positive = np.add.reduceat(positive, starts)
            negative = np.add.reduceat(negative, starts)
        below = np.cumsum(negative)
        pairs = float(positive.sum()) * float(below[-1])
        if pairs == 0:
            return math.nan
        return float(positive @ (below - negative / 2)) / pairs

    return area


def delong_variance(reference: npt.ArrayLike, probability: npt.ArrayLike) -> float:
    """Return DeLong's variance of the AUROC in `O(n log n)`.

    It takes the rows as independent; where patients have several images use `auroc_interval`
    with its groups.

    Raises:
        DataError: If the rows are not valid or a class has fewer than two.

    References:
        DeLong et al., Biometrics 44:837-845, 1988; fast algorithm: Sun & Xu, IEEE Signal
        Processing Letters 21:1389-1393, 2014.

    Example:
        >>> round(delong_variance([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]), 4)
        0.125
    """
    sample = check_sample(reference, probability)
    of_positives, of_negatives = placements(sample)
    return placement_variance(of_positives, of_negatives)


def auroc_interval(
    reference: npt.ArrayLike,
    probability: npt.ArrayLike,
    *,
    level: float = 0.95,
    groups: npt.ArrayLike | None = None,
) -> Row:
    """Return the AUROC with DeLong's interval on the logit scale, which stays within (0, 1).

    The variance of few fractured images is itself uncertain: the quantile is Student's, with one
    degree of freedom less than the smaller class has images, or groups.

    Args:
        reference: Labels 0 or 1, shape `(n,)`.
        probability: Scores of any range, shape `(n,)`.
        level: Coverage, in (0, 1).
        groups: Rows that are not independent share a value, shape `(n,)` (patients, copies);
            None takes all as independent.

    Returns:
        The row `auroc`; without interval where the variance is 0 (perfect separation).

    Raises:
        DataError: If the rows are not valid or a class has fewer than two rows, or groups.

    References:
        Pepe, The Statistical Evaluation of Medical Tests, 2003, section 5.2.5; groups:
        Obuchowski, Biometrics 53:567-578, 1997.

    Example:
        >>> row = auroc_interval([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.5, 0.4, 0.7, 0.8])
        >>> round(row.low, 3), round(row.value, 3), round(row.high, 3)
        (0.008, 0.889, 1.0)
    """
    sample = check_sample(reference, probability)
    of_positives, of_negatives = placements(sample)
    area = float(of_positives.mean())
    if groups is None:
        variance = placement_variance(of_positives, of_negatives)
        df = min(len(of_positives), len(of_negatives)) - 1
        method = f"DeLong, logit scale, Student's t, {percent(level)}"
    else:
        keys = np.asarray(groups)
        variance = clustered_placement_variance(sample, of_positives, of_negatives, keys)
        df = min(len(np.unique(keys[own])) for own in (sample.positive, ~sample.positive)) - 1
        method = f"DeLong by groups (Obuchowski), logit scale, Student's t, {percent(level)}"
    if variance == 0 or not 0 < area < 1:
        return Row("auroc", area, None, None, sample.score.size, method)
    low, high = logit_interval(area, math.sqrt(variance), level=level, df=df)
    return Row("auroc", area, low, high, sample.score.size, method)


def sensitivity(
    reference: npt.ArrayLike,
    probability: npt.ArrayLike,
    threshold: float,
    *,
    level: float = 0.95,
    method: ProportionMethod = "wilson",
    groups: npt.ArrayLike | None = None,
) -> Row:
    """Return the share of fractured images at or above a threshold, with its interval.

    Args:
        reference: Labels 0 or 1, shape `(n,)`.
        probability: Scores, shape `(n,)`.
        threshold: Called fractured at or above it.
        level: Coverage.
        method: Interval of independent images: `wilson` or `clopper-pearson`.
        groups: Images that are not independent share a value, shape `(n,)`; the interval is then
            Wilson's by groups.

    Raises:
        DataError: If the rows are not valid or there is no fractured image.

    Example:
        >>> row = sensitivity([0, 1, 1, 1, 1], [0.6, 0.2, 0.5, 0.7, 0.9], 0.5)
        >>> row.value, round(row.low, 3), round(row.high, 3), row.n
        (0.75, 0.301, 0.954, 4)
    """
    sample = check_sample(reference, probability)
    right = sample.score >= threshold
    return _proportion("sensitivity", right, sample.positive, level, method, groups)


def specificity(
    reference: npt.ArrayLike,
    probability: npt.ArrayLike,
    threshold: float,
    *,
    level: float = 0.95,
    method: ProportionMethod = "wilson",
    groups: npt.ArrayLike | None = None,
) -> Row:
    """Return the share of healthy images below a threshold, with its interval.

    Args:
        reference: Labels 0 or 1, shape `(n,)`.
        probability: Scores, shape `(n,)`.
        threshold: Called healthy below it.
        level: Coverage.
        method: As in `sensitivity`.
        groups: As in `sensitivity`.

    Raises:
        DataError: If the rows are not valid or there is no healthy image.

    Example:
        >>> specificity([0, 0, 1], [0.1, 0.5, 0.9], 0.5).value
        0.5
    """
    sample = check_sample(reference, probability)
    right = sample.score < threshold
    return _proportion("specificity", right, ~sample.positive, level, method, groups)


def _proportion(
    metric: str,
    right: npt.NDArray[np.bool_],
    members: npt.NDArray[np.bool_],
    level: float,
    method: ProportionMethod,
    groups: npt.ArrayLike | None,
) -> Row:
    outcomes = right[members]
    if outcomes.size == 0:
        raise DataError(f"the {metric} needs images of its class", got="none")
    if groups is None:
        successes = int(outcomes.sum())
        return proportion_row(metric, successes, outcomes.size, level=level, method=method)
    keys = np.asarray(groups)
    if keys.shape != members.shape:
        raise DataError("groups need one value a row", got=f"shape {keys.shape}")
    return clustered_proportion_row(metric, outcomes, keys[members], level=level)
