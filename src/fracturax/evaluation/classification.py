"""How well a score tells fractured from healthy: AUROC with DeLong, and operating points."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit, ndtr, ndtri

from fracturax.core.errors import DataError
from fracturax.evaluation.result import Row
from fracturax.evaluation.sample import Sample, check_both_classes, check_sample

FloatArray = npt.NDArray[np.float64]


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
    sample = check_sample(reference, probability, weights)
    check_both_classes(sample)
    # A stable sort is linear on sorted input, so a bootstrap that sorts its rows once pays no more.
    order = np.argsort(sample.score, kind="stable")
    score, weight = sample.score[order], sample.weights[order]
    starts = np.flatnonzero(np.append(True, score[1:] != score[:-1]))
    positive = np.add.reduceat(weight * sample.positive[order], starts)
    negative = np.add.reduceat(weight, starts) - positive
    pairs = positive.sum() * negative.sum()
    if pairs == 0:
        return math.nan
    below = np.cumsum(negative) - negative / 2
    return float((positive * below).sum() / pairs)


def delong_variance(reference: npt.ArrayLike, probability: npt.ArrayLike) -> float:
    """Return DeLong's variance of the AUROC in `O(n log n)`.

    It takes the rows as independent; where patients have several images use
    `group_bootstrap`.

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
    of_positives, of_negatives = _placements(sample)
    return _variance(of_positives, of_negatives)


def auroc_interval(
    reference: npt.ArrayLike,
    probability: npt.ArrayLike,
    *,
    level: float = 0.95,
    groups: npt.ArrayLike | None = None,
) -> Row:
    """Return the AUROC with DeLong's interval on the logit scale, which stays within (0, 1).

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
        >>> row = auroc_interval([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
        >>> round(row.low, 3), row.value, round(row.high, 3)
        (0.069, 0.75, 0.992)
    """
    sample = check_sample(reference, probability)
    of_positives, of_negatives = _placements(sample)
    area = float(of_positives.mean())
    if groups is None:
        variance = _variance(of_positives, of_negatives)
        method = f"DeLong, logit scale, {level:.0%}"
    else:
        variance = _clustered_variance(sample, of_positives, of_negatives, np.asarray(groups))
        method = f"DeLong by groups (Obuchowski), logit scale, {level:.0%}"
    if variance == 0 or not 0 < area < 1:
        return Row("auroc", area, None, None, sample.score.size, method)
    half = _z(level) * math.sqrt(variance) / (area * (1 - area))
    low, high = expit(logit(area) - half), expit(logit(area) + half)
    return Row("auroc", area, float(low), float(high), sample.score.size, method)


@dataclass(frozen=True)
class DelongTest:
    """Two AUROCs on the same images, compared.

    Args:
        auroc_a: Area of the first score.
        auroc_b: Area of the second score.
        difference: `auroc_a - auroc_b`.
        low: Lower end of the interval of the difference.
        high: Upper end of the interval of the difference.
        z: Standard normal statistic.
        p: Two-sided p-value.
    """

    auroc_a: float
    auroc_b: float
    difference: float
    low: float
    high: float
    z: float
    p: float


def delong_test(
    reference: npt.ArrayLike, a: npt.ArrayLike, b: npt.ArrayLike, *, level: float = 0.95
) -> DelongTest:
    """Test whether two scores of the same images have the same AUROC (paired).

    Args:
        reference: Labels 0 or 1, shape `(n,)`.
        a: First score, shape `(n,)`.
        b: Second score, shape `(n,)`.
        level: Coverage of the interval of the difference.

    Raises:
        DataError: If the rows are not valid, a class has fewer than two, or the areas differ
            without any variance (both separate perfectly, in opposite directions).

    References:
        DeLong et al., Biometrics 44:837-845, 1988.

    Example:
        >>> test = delong_test([0, 0, 0, 1, 1, 1], [1, 2, 4, 3, 5, 6], [2, 1, 5, 4, 3, 6])
        >>> round(test.difference, 3), round(test.p, 3)
        (0.111, 0.48)
    """
    positives_a, negatives_a = _placements(check_sample(reference, a))
    positives_b, negatives_b = _placements(check_sample(reference, b))
    area_a, area_b = float(positives_a.mean()), float(positives_b.mean())
    # The variance of the difference of placements is V(a) + V(b) - 2 Cov(a, b), without the
    # cancellation that would make two identical models differ.
    variance = _variance(positives_a - positives_b, negatives_a - negatives_b)
    difference = area_a - area_b
    if variance == 0:
        if not math.isclose(difference, 0, abs_tol=1e-12):
            raise DataError(
                "two areas without variance cannot be compared",
                got=f"{area_a} and {area_b}",
                cure="use more images, or report both areas without a test",
            )
        return DelongTest(area_a, area_b, 0.0, 0.0, 0.0, 0.0, 1.0)
    error = math.sqrt(variance)
    z, half = difference / error, _z(level) * error
    p = float(2 * ndtr(-abs(z)))
    return DelongTest(area_a, area_b, difference, difference - half, difference + half, z, p)


def wilson_interval(successes: int, trials: int, *, level: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval of a proportion.

    Raises:
        DataError: If there is no trial or not `0 <= successes <= trials`.

    References:
        Wilson, JASA 22:209-212, 1927; Newcombe, Statistics in Medicine 17:857-872, 1998,
        method 3.

    Example:
        Newcombe's first example, 81 of 263:

        >>> [round(end, 4) for end in wilson_interval(81, 263)]
        [0.2553, 0.3662]
    """
    if trials <= 0 or not 0 <= successes <= trials:
        raise DataError("a proportion needs trials", got=f"{successes} of {trials}")
    z = _z(level)
    share = successes / trials
    center = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = (
        z * math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2)) / (1 + z**2 / trials)
    )
    # Rounding must not leave a bound at 1e-17 where it is 0 by algebra.
    low = 0.0 if successes == 0 else center - half
    high = 1.0 if successes == trials else center + half
    return low, high


def sensitivity(
    reference: npt.ArrayLike,
    probability: npt.ArrayLike,
    threshold: float,
    *,
    level: float = 0.95,
) -> Row:
    """Return the share of fractured images at or above a threshold, with Wilson's interval.

    Raises:
        DataError: If the rows are not valid or there is no fractured image.

    Example:
        >>> row = sensitivity([0, 1, 1, 1, 1], [0.6, 0.2, 0.5, 0.7, 0.9], 0.5)
        >>> row.value, round(row.low, 3), round(row.high, 3), row.n
        (0.75, 0.301, 0.954, 4)
    """
    sample = check_sample(reference, probability)
    called = sample.score[sample.positive] >= threshold
    return _proportion("sensitivity", called, level)


def specificity(
    reference: npt.ArrayLike,
    probability: npt.ArrayLike,
    threshold: float,
    *,
    level: float = 0.95,
) -> Row:
    """Return the share of healthy images below a threshold, with Wilson's interval.

    Raises:
        DataError: If the rows are not valid or there is no healthy image.

    Example:
        >>> specificity([0, 0, 1], [0.1, 0.5, 0.9], 0.5).value
        0.5
    """
    sample = check_sample(reference, probability)
    passed = sample.score[~sample.positive] < threshold
    return _proportion("specificity", passed, level)


def threshold_for_sensitivity(
    reference: npt.ArrayLike, probability: npt.ArrayLike, at_least: float
) -> float:
    """Return the threshold of highest specificity whose sensitivity is at least a bound.

    An image is called fractured at or above the threshold. It lies half-way between two observed
    scores, so that another machine's rounding does not turn a case.

    Args:
        reference: Labels 0 or 1, shape `(n,)`.
        probability: Scores, shape `(n,)`.
        at_least: Sensitivity to reach on these rows, in (0, 1].

    Raises:
        DataError: If the rows are not valid, there is no fractured image or the bound is not in
            (0, 1].

    Example:
        >>> threshold_for_sensitivity([0, 0, 1, 1], [0.1, 0.5, 0.4, 0.8], at_least=0.9)
        0.25
    """
    sample = check_sample(reference, probability)
    scores = np.sort(sample.score[sample.positive])[::-1]
    needed = _needed(at_least, scores.size, "fractured")
    lowest_called = float(scores[needed - 1])
    below = sample.score[sample.score < lowest_called]
    return _between(float(below.max()), lowest_called) if below.size else lowest_called


def threshold_for_specificity(
    reference: npt.ArrayLike, probability: npt.ArrayLike, at_least: float
) -> float:
    """Return the threshold of highest sensitivity whose specificity is at least a bound.

    Args:
        reference: Labels 0 or 1, shape `(n,)`.
        probability: Scores, shape `(n,)`.
        at_least: Specificity to reach on these rows, in (0, 1].

    Returns:
        A threshold half-way between two observed scores; just above the highest score where the
        bound asks for that.

    Raises:
        DataError: If the rows are not valid, there is no healthy image or the bound is not in
            (0, 1].

    Example:
        >>> threshold_for_specificity([0, 0, 1, 1], [0.1, 0.5, 0.4, 0.8], at_least=0.9)
        0.65
    """
    sample = check_sample(reference, probability)
    scores = np.sort(sample.score[~sample.positive])
    needed = _needed(at_least, scores.size, "healthy")
    highest_passed = float(scores[needed - 1])
    above = sample.score[sample.score > highest_passed]
    if above.size:
        return _between(highest_passed, float(above.min()))
    return float(np.nextafter(highest_passed, np.inf))


def _proportion(metric: str, outcomes: npt.NDArray[np.bool_], level: float) -> Row:
    if outcomes.size == 0:
        raise DataError(f"the {metric} needs images of its class", got="none")
    successes = int(outcomes.sum())
    low, high = wilson_interval(successes, outcomes.size, level=level)
    method = f"Wilson score, {level:.0%}"
    return Row(metric, successes / outcomes.size, low, high, outcomes.size, method)


def _needed(at_least: float, total: int, kind: str) -> int:
    """Return the smallest count whose share of `total` reaches the bound as a float does."""
    if total == 0:
        raise DataError(f"a threshold needs {kind} images", got="none")
    if not 0 < at_least <= 1:
        raise DataError("the bound of a threshold must lie in (0, 1]", got=str(at_least))
    count = max(math.ceil(at_least * total) - 1, 1)
    while count / total < at_least:
        count += 1
    return count


def _between(low: float, high: float) -> float:
    middle = low + (high - low) / 2
    return middle if low < middle <= high else high


def _z(level: float) -> float:
    if not 0 < level < 1:
        raise DataError("the level of an interval must lie in (0, 1)", got=str(level))
    return float(ndtri(0.5 + level / 2))


def _midranks(values: FloatArray) -> FloatArray:
    """Return ranks from 1, ties sharing their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse], dtype=np.float64)


def _placements(sample: Sample) -> tuple[FloatArray, FloatArray]:
    """Return DeLong's structural components of the positives and of the negatives."""
    check_both_classes(sample)
    positive, negative = sample.score[sample.positive], sample.score[~sample.positive]
    if min(positive.size, negative.size) < 2:
        raise DataError(
            "DeLong's variance needs two images of each class",
            got=f"{positive.size} with and {negative.size} without a fracture",
        )
    ranks = _midranks(np.concatenate([positive, negative]))
    above = (ranks[: positive.size] - _midranks(positive)) / negative.size
    below = 1 - (ranks[positive.size :] - _midranks(negative)) / positive.size
    return above, below


def _variance(of_positives: FloatArray, of_negatives: FloatArray) -> float:
    variance = float(
        of_positives.var(ddof=1) / of_positives.size + of_negatives.var(ddof=1) / of_negatives.size
    )
    # Equal placements such as 1/3 leave the square of a rounding error, which is no variance.
    return 0.0 if variance < 1e-28 else variance


def _clustered_variance(
    sample: Sample, of_positives: FloatArray, of_negatives: FloatArray, groups: npt.NDArray[Any]
) -> float:
    """Return the variance of the area where the rows of a group are not independent."""
    if groups.shape != sample.score.shape:
        raise DataError("groups need one value a row", got=f"shape {groups.shape}")
    _, group_of_row = np.unique(groups, return_inverse=True)
    count = int(group_of_row.max()) + 1
    area = float(of_positives.mean())
    # Sums of the components of each group, less what they would be if all were alike.
    parts = []
    for placed, chosen in ((of_positives, sample.positive), (of_negatives, ~sample.positive)):
        inside = group_of_row[chosen]
        sizes = np.bincount(inside, minlength=count)
        sums = np.bincount(inside, weights=placed, minlength=count) - area * sizes
        parts.append((sums / placed.size, np.count_nonzero(sizes)))
    (positives, with_positive), (negatives, with_negative) = parts
    if min(with_positive, with_negative) < 2:
        raise DataError(
            "a variance between groups needs two groups with each class",
            got=f"{with_positive} with and {with_negative} without a fracture",
        )
    variance = (
        with_positive / (with_positive - 1) * float(positives @ positives)
        + with_negative / (with_negative - 1) * float(negatives @ negatives)
        + 2 * count / (count - 1) * float(positives @ negatives)
    )
    return 0.0 if variance < 1e-28 else variance
