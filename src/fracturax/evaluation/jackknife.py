"""Intervals by leaving out one patient at a time: no randomness, and what reader studies use."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student_t

from fracturax.core.errors import DataError


@dataclass(frozen=True, eq=False)
class Jackknife:
    """What a statistic became without each of the groups.

    Args:
        estimate: The statistics of all rows, shape `(statistics,)`.
        without: The statistics without each group, shape `(groups, statistics)`.
        level: Coverage of the intervals.
    """

    estimate: npt.NDArray[np.float64]
    without: npt.NDArray[np.float64]
    level: float

    @property
    def groups(self) -> int:
        """How many groups there are."""
        return int(self.without.shape[0])

    @property
    def method(self) -> str:
        """Name of the interval."""
        return (
            f"group jackknife of {self.groups} groups, t with {self.groups - 1} degrees of freedom"
        )

    def standard_error(self, statistic: int = 0) -> float:
        """Return the standard error of one statistic, by its position."""
        values = self.without[:, statistic]
        spread = float(((values - values.mean()) ** 2).sum())
        return math.sqrt((self.groups - 1) / self.groups * spread)

    def interval(self, statistic: int = 0) -> tuple[float, float]:
        """Return the interval of one statistic: the estimate and t standard errors around it."""
        reach = float(student_t.ppf(0.5 + self.level / 2, self.groups - 1))
        half = reach * self.standard_error(statistic)
        value = float(self.estimate[statistic])
        return value - half, value + half


def group_jackknife_weighted(
    groups: npt.ArrayLike,
    statistic: Callable[[npt.NDArray[np.int64]], float | npt.NDArray[np.float64]],
    *,
    level: float = 0.95,
) -> Jackknife:
    """Leave out one group at a time from a statistic of row weights.

    Args:
        groups: Which group each row belongs to (`patient_key`), shape `(n,)`.
        statistic: From how often each row counts (0 or 1), int64 of shape `(n,)`, to a number or
            an array of numbers.
        level: Coverage of the interval.

    Raises:
        DataError: If there are fewer than two groups, or a statistic is not defined without one.

    References:
        Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter 11.

    Example:
        Of a mean it is the standard error one learns first:

        >>> values = np.array([1.0, 2.0, 4.0, 7.0])
        >>> left_out = group_jackknife_weighted(
        ...     range(4), lambda weights: np.average(values, weights=weights))
        >>> round(left_out.standard_error(), 6), round(float(values.std(ddof=1) / 2), 6)
        (1.322876, 1.322876)
    """
    keys = np.asarray(groups)
    if keys.ndim != 1 or not 0 < level < 1:
        raise DataError(
            "a jackknife needs rows and a level in (0, 1)",
            got=f"groups of shape {keys.shape}, level {level}",
        )
    names, group_of_row = np.unique(keys, return_inverse=True)
    if names.size < 2:
        raise DataError("a jackknife needs at least two groups", got=f"{names.size}")

    def measure(weights: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        return np.atleast_1d(np.asarray(statistic(weights.astype(np.int64)), dtype=np.float64))

    estimate = measure(np.ones(keys.size, dtype=np.bool_))
    without = np.stack([measure(group_of_row != group) for group in range(names.size)])
    lost = np.isnan(without).any(axis=1)
    if lost.any():
        raise DataError(
            "a statistic is not defined without one of the groups",
            got=f"{int(lost.sum())} such groups",
            cure="use more patients of each class",
        )
    return Jackknife(estimate, without, level)
