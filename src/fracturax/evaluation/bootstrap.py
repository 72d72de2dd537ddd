"""Intervals for any statistic by drawing patients, not images, with replacement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError

Statistic = Callable[[npt.NDArray[np.int64]], "float | npt.NDArray[np.float64]"]


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """What a statistic became on resampled patients.

    Args:
        samples: Values, shape `(resamples, statistics)`.
        level: Coverage of the intervals.
        groups: How many groups (patients) were drawn each time.
        redrawn: How many resamples were thrown away because a statistic was not defined on them.
    """

    samples: npt.NDArray[np.float64]
    level: float
    groups: int
    redrawn: int

    def interval(self, statistic: int = 0) -> tuple[float, float]:
        """Return the percentile interval of one statistic, by its position."""
        tail = (1 - self.level) / 2
        low, high = np.quantile(self.samples[:, statistic], (tail, 1 - tail))
        return float(low), float(high)


def group_bootstrap(
    groups: npt.ArrayLike,
    statistic: Statistic,
    *,
    generator: np.random.Generator,
    resamples: int = 1000,
    level: float = 0.95,
    strata: npt.ArrayLike | None = None,
) -> Bootstrap:
    """Bootstrap a statistic of row indices, drawing whole groups with replacement.

    Images of one patient resemble each other; drawing them one by one would make every interval
    too narrow.

    Args:
        groups: Which group each row belongs to (`patient_key`), shape `(n,)`.
        statistic: From row indices, shape `(m,)`, a row drawn twice occurring twice, to a number
            or an array of numbers. NaN says that it is not defined there (one class only, no
            box); such a resample is drawn anew and counted.
        generator: Source of randomness.
        resamples: How many resamples to keep.
        level: Coverage of the interval.
        strata: Draw within these, shape `(n,)`, one value a group (the class, the site); None
            draws from all groups together.

    Returns:
        All values, with their percentile intervals.

    Raises:
        DataError: If the groups are empty, a group lies in two strata, or the statistic is
            undefined on more resamples than are kept.

    References:
        Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapters 8 and 13; Field &
        Welsh, J. R. Statist. Soc. B 69:369-390, 2007 (clusters).

    Example:
        >>> values = np.array([1.0, 1.2, 3.0, 5.0, 2.0])
        >>> patients = ["a", "a", "b", "c", "d"]
        >>> drawn = group_bootstrap(patients, lambda rows: values[rows].mean(),
        ...                         generator=np.random.default_rng(0), resamples=200)
        >>> low, high = drawn.interval()
        >>> drawn.groups, bool(1.0 <= low < values.mean() < high <= 5.0)
        (4, True)
    """

    def of_weights(weights: npt.NDArray[np.int64]) -> float | npt.NDArray[np.float64]:
        return statistic(np.repeat(np.arange(weights.size), weights))

    return group_bootstrap_weighted(
        groups, of_weights, generator=generator, resamples=resamples, level=level, strata=strata
    )


def group_bootstrap_weighted(
    groups: npt.ArrayLike,
    statistic: Statistic,
    *,
    generator: np.random.Generator,
    resamples: int = 1000,
    level: float = 0.95,
    strata: npt.ArrayLike | None = None,
) -> Bootstrap:
    """Bootstrap a statistic of row weights: as `group_bootstrap`, without moving any row.

    Args:
        groups: Which group each row belongs to, shape `(n,)`.
        statistic: From how often each row was drawn, int64 of shape `(n,)`, to a number or an
            array of numbers; NaN where it is not defined. For `auroc(..., weights=...)`,
            `average_precision(..., weights=...)` and their like, which sort once.
        generator: Source of randomness; the same draws as `group_bootstrap` makes of it.
        resamples: How many resamples to keep.
        level: Coverage of the interval.
        strata: As in `group_bootstrap`.

    Returns:
        All values, with their percentile intervals.

    Raises:
        DataError: As `group_bootstrap`.

    Example:
        >>> from fracturax.evaluation.classification import auroc
        >>> reference, score = [0, 0, 0, 1, 1, 1], [1, 2, 4, 3, 5, 6]
        >>> drawn = group_bootstrap_weighted(
        ...     [0, 1, 2, 3, 4, 5], lambda weights: auroc(reference, score, weights=weights),
        ...     generator=np.random.default_rng(0), resamples=100)
        >>> drawn.samples.shape, drawn.redrawn > 0
        ((100, 1), True)
    """
    keys = np.asarray(groups)
    if keys.ndim != 1 or keys.size == 0 or resamples < 1 or not 0 < level < 1:
        raise DataError(
            "a bootstrap needs rows, resamples and a level in (0, 1)",
            got=f"groups of shape {keys.shape}, {resamples} resamples, level {level}",
        )
    _, group_of_row = np.unique(keys, return_inverse=True)
    count = int(group_of_row.max()) + 1
    pools = _pools(group_of_row, count, strata)
    samples: list[npt.NDArray[np.float64]] = []
    redrawn = 0
    while len(samples) < resamples:
        chosen = np.concatenate(
            [pool[generator.integers(pool.size, size=pool.size)] for pool in pools]
        )
        weights = np.bincount(chosen, minlength=count)[group_of_row].astype(np.int64, copy=False)
        value = np.atleast_1d(np.asarray(statistic(weights), dtype=np.float64))
        if np.isnan(value).any():
            redrawn += 1
            if redrawn > resamples:
                raise DataError(
                    "a statistic is not defined on most resamples",
                    got=f"{redrawn} undefined, {len(samples)} defined, from {count} groups",
                    cure="use more patients, or draw within strata of the class",
                )
            continue
        samples.append(value)
    return Bootstrap(np.stack(samples), level, count, redrawn)


def _pools(
    group_of_row: npt.NDArray[np.intp], count: int, strata: npt.ArrayLike | None
) -> list[npt.NDArray[np.intp]]:
    """Return the groups of each stratum."""
    if strata is None:
        return [np.arange(count)]
    labels = np.asarray(strata)
    if labels.shape != group_of_row.shape:
        raise DataError("strata need one value a row", got=f"shape {labels.shape}")
    _, stratum_of_row = np.unique(labels, return_inverse=True)
    stratum_of_group = np.zeros(count, dtype=np.intp)
    stratum_of_group[group_of_row] = stratum_of_row
    mixed = stratum_of_group[group_of_row] != stratum_of_row
    if mixed.any():
        raise DataError(
            "a group lies in two strata",
            got=f"row {int(np.argmax(mixed)) + 1}",
            cure="give one stratum a group, such as whether any of its images has a fracture",
        )
    return [np.flatnonzero(stratum_of_group == stratum) for stratum in np.unique(stratum_of_group)]
