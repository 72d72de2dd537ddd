"""Precision against recall of a score, and the area under it, the average precision."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fracturax.evaluation.influence import influence_variance
from fracturax.evaluation.intervals import logit_interval, percent
from fracturax.evaluation.result import Row
from fracturax.evaluation.sample import Sample, check_both_classes, check_sample

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PrecisionRecallCurve:
    """One point for each distinct score, strictest first.

    Args:
        thresholds: Called fractured from this score on, shape `(points,)`.
        precision: Share of the called that are fractured, shape `(points,)`.
        recall: Share of the fractured that are called, shape `(points,)`.
    """

    thresholds: FloatArray
    precision: FloatArray
    recall: FloatArray


def precision_recall_curve(
    reference: npt.ArrayLike, probability: npt.ArrayLike
) -> PrecisionRecallCurve:
    """Return precision and recall at every distinct score.

    Args:
        reference: Labels 0 or 1, shape `(n,)`.
        probability: Scores of any range, shape `(n,)`.

    Raises:
        DataError: If the rows are not valid or one class is missing.

    Example:
        >>> curve = precision_recall_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
        >>> curve.precision.round(3).tolist(), curve.recall.tolist()
        ([1.0, 0.5, 0.667, 0.5], [0.5, 0.5, 1.0, 1.0])
    """
    sample = check_sample(reference, probability)
    check_both_classes(sample)
    order, last, scores = _descending(sample)
    found = np.cumsum(sample.positive[order])[last]
    return PrecisionRecallCurve(scores, found / (last + 1), found / found[-1])


def auprc(
    reference: npt.ArrayLike, probability: npt.ArrayLike, *, weights: npt.ArrayLike | None = None
) -> float:
    """Return the area under the precision-recall curve as the average precision.

    It is the mean, over the fractured images, of the precision at their score; nothing is
    interpolated. A model that knows nothing has the prevalence.

    Args:
        reference: Labels 0 or 1, shape `(n,)`.
        probability: Scores of any range, shape `(n,)`.
        weights: How often each row counts, shape `(n,)`; what a bootstrap draws.

    Returns:
        Area in (0, 1]; NaN if the weights leave no fractured image.

    Raises:
        DataError: If the rows are not valid or one class is missing.

    References:
        Davis & Goadrich, ICML 2006; Boyd et al., ECML PKDD 2013.

    Example:
        >>> round(auprc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]), 4)
        0.8333
    """
    sample = check_sample(reference, probability, weights)
    check_both_classes(sample)
    order, last, _ = _descending(sample)
    weight = sample.weights[order]
    found = np.cumsum(weight * sample.positive[order])[last]
    called = np.cumsum(weight)[last]
    if found[-1] == 0:
        return math.nan
    gained = np.diff(found, prepend=0.0)
    precision = found / np.where(called > 0, called, 1.0)
    return float(gained @ precision / found[-1])


def auprc_interval(
    reference: npt.ArrayLike,
    probability: npt.ArrayLike,
    *,
    level: float = 0.95,
    groups: npt.ArrayLike | None = None,
) -> Row:
    """Return the average precision with an interval on the logit scale.

    The variance is that of the infinitesimal jackknife: from how much each image moves the area;
    its degrees of freedom are the fractured images (or groups with one) less one.

    Args:
        reference: Labels 0 or 1, shape `(n,)`.
        probability: Scores of any range, shape `(n,)`.
        level: Coverage.
        groups: Rows that are not independent share a value, shape `(n,)`; None takes all as
            independent.

    Returns:
        The row `auprc`; without interval where the variance is 0 (perfect separation) or one image
        alone is fractured.

    Raises:
        DataError: If the rows are not valid, a class is missing or there are not two groups.

    References:
        Logit scale: Boyd et al., ECML PKDD 2013; variance as in `influence_variance`.

    Example:
        >>> row = auprc_interval([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.7, 0.3, 0.8, 0.9])
        >>> round(row.low, 3), round(row.value, 3), round(row.high, 3)
        (0.024, 0.917, 1.0)
    """
    sample = check_sample(reference, probability)
    check_both_classes(sample)
    pulls, area = _pulls(sample)
    variance = influence_variance(pulls, groups)
    words = "" if groups is None else " by groups"
    method = f"infinitesimal jackknife{words}, logit scale, Student's t, {percent(level)}"
    # The fractured images make most of the variance; a few of them are not many cases.
    keys = np.arange(sample.score.size) if groups is None else np.asarray(groups)
    df = np.unique(keys[sample.positive]).size - 1
    if variance == 0 or df < 1 or not 0 < area < 1:
        return Row("auprc", area, None, None, sample.score.size, method)
    low, high = logit_interval(area, math.sqrt(variance), level=level, df=df)
    return Row("auprc", area, low, high, sample.score.size, method)


def _pulls(sample: Sample) -> tuple[FloatArray, float]:
    """Return how much each row moves the average precision, and what it is."""
    order, last, _ = _descending(sample)
    positive = sample.positive[order].astype(np.float64)
    called = (last + 1).astype(np.float64)
    found = np.cumsum(positive)[last]
    gained = np.diff(found, prepend=0.0)
    total, precision = found[-1], found / called
    area = float(gained @ precision / total)
    # A row changes the precision at its own score and at every lower one.
    point_of_row = np.searchsorted(last, np.arange(order.size))
    later = np.cumsum((gained / called)[::-1])[::-1]
    later_precision = np.cumsum((gained / called * precision)[::-1])[::-1]
    of_sorted = positive * (precision[point_of_row] - area)
    of_sorted += positive * later[point_of_row] - later_precision[point_of_row]
    pulls = np.empty(order.size)
    pulls[order] = of_sorted / total
    return pulls, area


def _descending(sample: Sample) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], FloatArray]:
    """Return rows from the highest score, the last row of each score, and the scores."""
    order = np.argsort(-sample.score, kind="stable")
    score = sample.score[order]
    last = np.flatnonzero(np.append(score[1:] != score[:-1], True))
    return order, last, score[last]
