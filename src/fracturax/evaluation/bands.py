"""ROC and precision-recall curves on a grid, with a band: drawn patient by patient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.evaluation.bootstrap import group_bootstrap_weighted
from fracturax.evaluation.sample import check_both_classes, check_sample

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BandedCurve:
    """A curve on a grid; every array has shape `(points,)`.

    Args:
        x: 1 - specificity of a ROC curve, recall of a precision-recall curve; rising.
        y: Sensitivity, or precision.
        low: Lower end of the interval of `y`, point by point.
        high: Upper end of it.
        method: How the band came to be.
    """

    x: FloatArray
    y: FloatArray
    low: FloatArray
    high: FloatArray
    method: str


def roc_band(
    reference: npt.ArrayLike,
    probability: npt.ArrayLike,
    groups: npt.ArrayLike,
    *,
    generator: np.random.Generator,
    points: int = 201,
    resamples: int = 1000,
) -> BandedCurve:
    """Return sensitivity on a grid of 1 - specificity, with a 95 % band.

    Args:
        reference: Labels 0 or 1, shape `(n,)`.
        probability: Scores of any range, shape `(n,)`.
        groups: Which patient each row belongs to, shape `(n,)`.
        generator: Source of randomness.
        points: How many points, evenly spread over [0, 1].
        resamples: Bootstrap resamples of the groups.

    Raises:
        DataError: If the rows are not valid, a class is missing, or most resamples lack one.

    References:
        Vertical averaging: Fawcett, Pattern Recognition Letters 27:861-874, 2006.

    Example:
        >>> curve = roc_band([0, 0, 1, 1] * 20, [0.1, 0.4, 0.35, 0.8] * 20, range(80),
        ...                  generator=np.random.default_rng(0), points=5, resamples=50)
        >>> curve.y.round(2).tolist()
        [0.5, 0.5, 1.0, 1.0, 1.0]
    """
    return _banded(reference, probability, groups, generator, points, resamples, is_roc=True)


def precision_recall_band(
    reference: npt.ArrayLike,
    probability: npt.ArrayLike,
    groups: npt.ArrayLike,
    *,
    generator: np.random.Generator,
    points: int = 201,
    resamples: int = 1000,
) -> BandedCurve:
    """Return precision on a grid of recall, with a 95 % band.

    The precision at a recall is that of the strictest threshold that reaches it; nothing is
    interpolated. The grid begins at `1 / (points - 1)`, as recall 0 has no precision.

    Args:
        reference: As in `roc_band`.
        probability: As in `roc_band`.
        groups: As in `roc_band`.
        generator: As in `roc_band`.
        points: As in `roc_band`.
        resamples: As in `roc_band`.

    Raises:
        DataError: As `roc_band`.

    References:
        Davis & Goadrich, ICML 2006, on why a line between two points is wrong.

    Example:
        >>> curve = precision_recall_band([0, 0, 1, 1] * 20, [0.1, 0.4, 0.35, 0.8] * 20,
        ...     range(80), generator=np.random.default_rng(0), points=3, resamples=50)
        >>> curve.x.tolist(), curve.y.round(3).tolist()
        ([0.5, 1.0], [1.0, 0.667])
    """
    return _banded(reference, probability, groups, generator, points, resamples, is_roc=False)


def _banded(
    reference: npt.ArrayLike,
    probability: npt.ArrayLike,
    groups: npt.ArrayLike,
    generator: np.random.Generator,
    points: int,
    resamples: int,
    *,
    is_roc: bool,
) -> BandedCurve:
    sample = check_sample(reference, probability)
    check_both_classes(sample)
    if points < 2:
        raise DataError("a curve needs two points", got=str(points))
    order = np.argsort(-sample.score, kind="stable")
    positive, score = sample.positive[order], sample.score[order]
    # Rows of equal score are called together: a curve has no point within a tie.
    last = np.flatnonzero(np.append(score[1:] != score[:-1], True))
    grid = np.linspace(0, 1, points)[0 if is_roc else 1 :]

    def measure(weights: npt.NDArray[np.int64]) -> FloatArray:
        drawn = weights[order]
        hits = np.cumsum(drawn * positive)[last]
        alarms = np.cumsum(drawn * ~positive)[last]
        if hits[-1] == 0 or alarms[-1] == 0:
            return np.full(grid.size, np.nan)
        sensitivity = hits / hits[-1]
        if is_roc:
            return _at_false_positive_rate(alarms / alarms[-1], sensitivity, grid)
        reached = np.searchsorted(sensitivity, grid - 1e-12)
        return np.asarray(hits[reached] / (hits[reached] + alarms[reached]), dtype=np.float64)

    drawn = group_bootstrap_weighted(groups, measure, generator=generator, resamples=resamples)
    y = measure(np.ones(sample.score.size, dtype=np.int64))
    low, high = np.quantile(drawn.samples, (0.025, 0.975), axis=0)
    # A band holds its curve, also where hardly any resample reaches it.
    low, high = np.minimum(low, y), np.maximum(high, y)
    words = f"percentile bootstrap of {drawn.groups} groups, {resamples} resamples, 95%"
    return BandedCurve(grid, y, low, high, words)


def _at_false_positive_rate(
    rate: FloatArray, sensitivity: FloatArray, grid: FloatArray
) -> FloatArray:
    """Return the height of a ROC curve; where it rises straight up, its upper end."""
    rate, sensitivity = np.append(0.0, rate), np.append(0.0, sensitivity)
    here = np.searchsorted(rate, grid + 1e-12, side="right") - 1
    beyond = np.minimum(here + 1, rate.size - 1)
    run = rate[beyond] - rate[here]
    share = np.where(run > 0, (grid - rate[here]) / np.where(run > 0, run, 1.0), 0.0)
    height = sensitivity[here] + share * (sensitivity[beyond] - sensitivity[here])
    return np.asarray(np.clip(height, 0.0, 1.0), dtype=np.float64)
