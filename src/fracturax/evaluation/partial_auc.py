"""The part of the area under the ROC curve at the specificities, or sensitivities, that matter."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.evaluation.bootstrap import group_bootstrap_weighted
from fracturax.evaluation.intervals import percent
from fracturax.evaluation.result import Row
from fracturax.evaluation.sample import check_both_classes, check_sample

FloatArray = npt.NDArray[np.float64]
Axis = Literal["specificity", "sensitivity"]


def partial_auc(
    reference: npt.ArrayLike,
    probability: npt.ArrayLike,
    *,
    low: float,
    high: float = 1.0,
    over: Axis = "specificity",
    corrected: bool = True,
    weights: npt.ArrayLike | None = None,
) -> float:
    """Return the area under the part of the ROC curve between two specificities.

    Args:
        reference: Labels 0 or 1, shape `(n,)`.
        probability: Scores of any range, shape `(n,)`.
        low: Lower end of the range, in [0, 1).
        high: Upper end, in (low, 1].
        over: Whether the ends are specificities or sensitivities.
        corrected: Whether to scale the area so that knowing nothing gives 0.5 and knowing all 1
            (McClish); otherwise it is an area, at most `high - low`.
        weights: How often each row counts, shape `(n,)`.

    Returns:
        The area; NaN if the weights leave one class only.

    Raises:
        DataError: If the rows are not valid, one class is missing, or the range is none.

    References:
        McClish, Medical Decision Making 9:190-195, 1989; over sensitivities: Jiang, Metz &
        Nishikawa, Radiology 201:745-750, 1996.

    Example:
        >>> reference, score = [0, 0, 0, 0, 1, 1, 1, 1], [1, 2, 3, 6, 4, 5, 7, 8]
        >>> round(partial_auc(reference, score, low=0.75, corrected=False), 4)
        0.125
        >>> round(partial_auc(reference, score, low=0.75), 4)
        0.7143
    """
    counts = np.ones(np.shape(probability)) if weights is None else weights
    area = partial_auc_of_weights(
        reference, probability, low=low, high=high, over=over, corrected=corrected
    )
    return area(counts)


def partial_auc_of_weights(
    reference: npt.ArrayLike,
    probability: npt.ArrayLike,
    *,
    low: float,
    high: float = 1.0,
    over: Axis = "specificity",
    corrected: bool = True,
) -> Callable[[npt.ArrayLike], float]:
    """Return `partial_auc` as a function of how often each row counts; rows are sorted once.

    Raises:
        DataError: As `partial_auc`.

    Example:
        >>> area = partial_auc_of_weights([0, 0, 1, 1], [1, 3, 2, 4], low=0.5, corrected=False)
        >>> area([1, 1, 1, 1]), area([1, 0, 1, 1])
        (0.25, 0.5)
    """
    sample = check_sample(reference, probability)
    check_both_classes(sample)
    if not 0 <= low < high <= 1:
        raise DataError("a range must be 0 <= low < high <= 1", got=f"{low} to {high}")
    if over not in ("specificity", "sensitivity"):
        raise DataError("a range is one of specificity or sensitivity", got=repr(over))
    # Mirrored, with sensitivity as the axis, the curve is that of the swapped classes.
    is_swapped = over == "sensitivity"
    score = -sample.score if is_swapped else sample.score
    positive = ~sample.positive if is_swapped else sample.positive
    order = np.argsort(-score, kind="stable")
    ordered = score[order]
    last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    is_positive = positive[order].astype(np.float64)
    start, end = 1 - high, 1 - low
    least, most = (end**2 - start**2) / 2, end - start

    def area(weights: npt.ArrayLike) -> float:
        counts = np.asarray(weights, dtype=np.float64)
        if counts.shape != ordered.shape or not counts.min() >= 0:
            check_sample(reference, probability, counts)  # says which row is wrong
        weight = counts[order]
        up = np.append(0.0, np.cumsum(weight * is_positive)[last])
        right = np.append(0.0, np.cumsum(weight * (1 - is_positive))[last])
        if up[-1] == 0 or right[-1] == 0:
            return math.nan
        part = _area_between(right / right[-1], up / up[-1], start, end)
        return (1 + (part - least) / (most - least)) / 2 if corrected else part

    return area


def partial_auc_interval(
    reference: npt.ArrayLike,
    probability: npt.ArrayLike,
    *,
    generator: np.random.Generator,
    low: float,
    high: float = 1.0,
    over: Axis = "specificity",
    corrected: bool = True,
    groups: npt.ArrayLike | None = None,
    resamples: int = 2000,
    level: float = 0.95,
) -> Row:
    """Return the partial area with its interval, from a bootstrap.

    Images are drawn within their class, groups of images all together.

    Args:
        reference: Labels 0 or 1, shape `(n,)`.
        probability: Scores of any range, shape `(n,)`.
        generator: Source of randomness.
        low: As in `partial_auc`.
        high: As in `partial_auc`.
        over: As in `partial_auc`.
        corrected: As in `partial_auc`.
        groups: Rows that are not independent share a value, shape `(n,)`.
        resamples: How many resamples.
        level: Coverage.

    Raises:
        DataError: As `partial_auc` and `group_bootstrap`.

    References:
        Robin et al., pROC, BMC Bioinformatics 12:77, 2011.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> reference = np.tile([0, 1], 60)
        >>> score = reference + generator.normal(size=120)
        >>> row = partial_auc_interval(reference, score, generator=generator, low=0.8,
        ...                            resamples=200)
        >>> row.metric, row.low < row.value < row.high
        ('partial_auc@specificity 0.8-1', True)
    """
    area = partial_auc_of_weights(
        reference, probability, low=low, high=high, over=over, corrected=corrected
    )
    labels = np.asarray(reference)
    drawn = group_bootstrap_weighted(
        np.arange(labels.size) if groups is None else groups,
        area,
        generator=generator,
        resamples=resamples,
        level=level,
        strata=labels if groups is None else None,
    )
    words = "stratified by class" if groups is None else "by groups"
    scale = ", McClish-corrected" if corrected else ""
    method = f"{drawn.method} {words}, {resamples} resamples{scale}, {percent(level)}"
    name = f"partial_auc@{over} {low:g}-{high:g}"
    return Row(name, area(np.ones(labels.size)), *drawn.interval(), labels.size, method)


def _area_between(across: FloatArray, up: FloatArray, start: float, end: float) -> float:
    """Return the area under a polyline between two abscissas, upright steps allowed."""
    # Clipping each segment to the range leaves upright ones without width.
    left, right = across[:-1], across[1:]
    width = right - left
    slope = np.divide(up[1:] - up[:-1], width, out=np.zeros_like(width), where=width > 0)
    low, high = np.clip(left, start, end), np.clip(right, start, end)
    height = up[:-1] + slope * ((low + high) / 2 - left)
    return float(((high - low) * height).sum())
