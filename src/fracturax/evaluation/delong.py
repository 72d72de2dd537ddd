"""DeLong's theory of the AUROC: placements, and the variance of their means, also by groups."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.evaluation.sample import Sample, check_both_classes

FloatArray = npt.NDArray[np.float64]

# Equal placements such as 1/3 leave the square of a rounding error, which is no variance.
_NO_VARIANCE = 1e-28


def midranks(values: FloatArray) -> FloatArray:
    """Return ranks from 1, ties sharing their mean rank.

    Example:
        >>> midranks(np.array([0.3, 0.1, 0.3]))
        array([2.5, 1. , 2.5])
    """
    order = np.argsort(values)
    ordered = values[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    counts = np.diff(np.append(starts, values.size))
    ranks = np.empty(values.size)
    ranks[order] = np.repeat(starts + (counts + 1) / 2, counts)
    return ranks


def placements(sample: Sample) -> tuple[FloatArray, FloatArray]:
    """Return DeLong's structural components of the positives and of the negatives.

    The component of a positive is the share of negatives below it, of a negative the share of
    positives above it; ties count half. The mean of either is the AUROC. `O(n log n)`.

    Raises:
        DataError: If a class has fewer than two rows.

    References:
        DeLong et al., Biometrics 44:837-845, 1988; fast algorithm: Sun & Xu, IEEE Signal
        Processing Letters 21:1389-1393, 2014.

    Example:
        >>> from fracturax.evaluation.sample import check_sample
        >>> placements(check_sample([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]))
        (array([0.5, 1. ]), array([1. , 0.5]))
    """
    check_both_classes(sample)
    positive, negative = sample.score[sample.positive], sample.score[~sample.positive]
    if min(positive.size, negative.size) < 2:
        raise DataError(
            "DeLong's variance needs two images of each class",
            got=f"{positive.size} with and {negative.size} without a fracture",
        )
    ranks = midranks(np.concatenate([positive, negative]))
    above = (ranks[: positive.size] - midranks(positive)) / negative.size
    below = 1 - (ranks[positive.size :] - midranks(negative)) / positive.size
    return above, below


def placement_variance(of_positives: FloatArray, of_negatives: FloatArray) -> float:
    """Return the variance of an area of independent rows, or of a difference of areas.

    Args:
        of_positives: Placements of the positives, or differences of two models' placements.
        of_negatives: Those of the negatives.
    """
    variance = float(
        of_positives.var(ddof=1) / of_positives.size + of_negatives.var(ddof=1) / of_negatives.size
    )
    return 0.0 if variance < _NO_VARIANCE else variance


def clustered_placement_variance(
    sample: Sample, of_positives: FloatArray, of_negatives: FloatArray, groups: npt.NDArray[Any]
) -> float:
    """Return the variance of an area, or of a difference, where rows of a group are dependent.

    Args:
        sample: The rows.
        of_positives: Placements of the positives, or differences of two models' placements.
        of_negatives: Those of the negatives.
        groups: Which group each row belongs to, shape `(n,)`.

    Raises:
        DataError: If the groups are not one a row, or a class lies in fewer than two groups.

    References:
        Obuchowski, Biometrics 53:567-578, 1997.
    """
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
    return 0.0 if variance < _NO_VARIANCE else variance
