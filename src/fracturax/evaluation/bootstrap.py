"""Intervals for any statistic by drawing patients, not images, with replacement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from fracturax.core.errors import DataError

FloatArray = npt.NDArray[np.float64]
Statistic = Callable[[npt.NDArray[np.int64]], "float | npt.NDArray[np.float64]"]


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """What a statistic became on resampled patients.

    Args:
        samples: Values, shape `(resamples, statistics)`.
        level: Coverage of the intervals.
        groups: How many groups (patients) were drawn each time.
        redrawn: How many resamples were thrown away because a statistic was not defined on them.
        estimate: The statistics of all rows as they are, shape `(statistics,)`; where given, the
            interval is BCa.
        acceleration: How fast the spread of each statistic changes with its value, shape
            `(statistics,)`; given together with `estimate`.
    """

    samples: FloatArray
    level: float
    groups: int
    redrawn: int
    estimate: FloatArray | None = None
    acceleration: FloatArray | None = None

    @property
    def method(self) -> str:
        """Name of the interval."""
        return "percentile bootstrap" if self.acceleration is None else "BCa bootstrap"

    def interval(self, statistic: int = 0) -> tuple[float, float]:
        """Return the interval of one statistic, by its position.

        The percentile interval, or, from a bootstrap that was asked for it, the bias-corrected
        and accelerated one (BCa).

        References:
            Efron, JASA 82:171-185, 1987.
        """
        tail = (1 - self.level) / 2
        values = self.samples[:, statistic]
        tails = np.array([tail, 1 - tail])
        if self.estimate is not None and self.acceleration is not None:
            at = self.estimate[statistic]
            below = float((values < at).sum()) + float((values == at).sum()) / 2
            # An estimate outside all resamples has a finite bias all the same.
            least = 1 / (values.size + 1)
            bias = float(ndtri(min(max(below / values.size, least), 1 - least)))
            shifted = bias + ndtri(tails)
            tails = ndtr(bias + shifted / (1 - self.acceleration[statistic] * shifted))
        low, high = np.quantile(values, tails)
        return float(low), float(high)


def group_bootstrap(
    groups: npt.ArrayLike,
    statistic: Statistic,
    *,
    generator: np.random.Generator,
    resamples: int = 1000,
    level: float = 0.95,
    strata: npt.ArrayLike | None = None,
    bca: bool = False,
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
        bca: Whether to make the intervals BCa, for which the statistic is evaluated once more
            for each group, without it.

    Returns:
        All values, with their intervals.

    Raises:
        DataError: If the groups are empty, a group lies in two strata, or the statistic is
            undefined on more resamples than are kept.

    References:
        Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapters 8, 13 and 14; Field
        & Welsh, J. R. Statist. Soc. B 69:369-390, 2007 (clusters).

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
        groups,
        of_weights,
        generator=generator,
        resamples=resamples,
        level=level,
        strata=strata,
        bca=bca,
    )


def group_bootstrap_weighted(
    groups: npt.ArrayLike,
    statistic: Statistic,
    *,
    generator: np.random.Generator,
    resamples: int = 1000,
    level: float = 0.95,
    strata: npt.ArrayLike | None = None,
    bca: bool = False,
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
        bca: As in `group_bootstrap`.

    Returns:
        All values, with their intervals.

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
    group_of_row, pools = _drawn_from(groups, strata, resamples, level)
    count = sum(pool.size for pool in pools)

    def of_groups(times: npt.NDArray[np.int64]) -> FloatArray:
        return np.atleast_1d(np.asarray(statistic(times[group_of_row]), dtype=np.float64))

    samples: list[FloatArray] = []
    redrawn = 0
    while len(samples) < resamples:
        chosen = np.concatenate(
            [pool[generator.integers(pool.size, size=pool.size)] for pool in pools]
        )
        value = of_groups(np.bincount(chosen, minlength=count).astype(np.int64, copy=False))
        if np.isnan(value).any():
            redrawn += 1
            _check_redrawn(redrawn, resamples, len(samples), count)
            continue
        samples.append(value)
    if not bca:
        return Bootstrap(np.stack(samples), level, count, redrawn)
    without = np.empty((count, samples[0].size))
    times = np.ones(count, dtype=np.int64)
    estimate = of_groups(times)
    for group in range(count):
        times[group] = 0
        without[group] = of_groups(times)
        times[group] = 1
    return Bootstrap(
        np.stack(samples), level, count, redrawn, estimate, _acceleration(without, pools)
    )


def group_bootstrap_tallies(
    groups: npt.ArrayLike,
    tallies: npt.ArrayLike,
    statistic: Callable[[FloatArray], FloatArray],
    *,
    generator: np.random.Generator,
    resamples: int = 2000,
    level: float = 0.95,
    strata: npt.ArrayLike | None = None,
    bca: bool = True,
) -> Bootstrap:
    """Bootstrap a statistic of sums over rows (counts, means, net benefit), all draws at once.

    Args:
        groups: Which group each row belongs to, shape `(n,)`.
        tallies: What each row adds to the sums, shape `(n, k)`.
        statistic: From sums, shape `(draws, k)`, to numbers, shape `(draws, m)`; NaN where one is
            not defined.
        generator: Source of randomness.
        resamples: How many resamples to keep.
        level: Coverage of the interval.
        strata: As in `group_bootstrap`.
        bca: As in `group_bootstrap`.

    Returns:
        All values, with their intervals.

    Raises:
        DataError: As `group_bootstrap`, or if the tallies are not one row a row.

    Example:
        >>> right = np.array([[1.0, 1], [1, 1], [0, 1], [1, 1], [0, 1], [1, 1]])
        >>> drawn = group_bootstrap_tallies(
        ...     ["a", "a", "b", "c", "d", "e"], right, lambda sums: sums[:, :1] / sums[:, 1:],
        ...     generator=np.random.default_rng(0), resamples=500)
        >>> low, high = drawn.interval()
        >>> drawn.method, round(float(drawn.estimate[0]), 3), bool(low < 2 / 3 < high)
        ('BCa bootstrap', 0.667, True)
    """
    group_of_row, pools = _drawn_from(groups, strata, resamples, level)
    rows = np.asarray(tallies, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[0] != group_of_row.size:
        raise DataError("tallies need one row a row", got=f"shape {rows.shape}")
    count = sum(pool.size for pool in pools)
    of_group = np.zeros((count, rows.shape[1]))
    np.add.at(of_group, group_of_row, rows)
    kept: list[FloatArray] = []
    found = redrawn = 0
    # A block of draws holds one count a group; about 16 MB.
    block = max(1, min(resamples, 2_000_000 // count))
    while found < resamples:
        sums = np.zeros((block, rows.shape[1]))
        for pool in pools:
            drawn = generator.integers(pool.size, size=(block, pool.size))
            drawn += pool.size * np.arange(block)[:, None]
            times = np.bincount(drawn.ravel(), minlength=block * pool.size)
            sums += times.reshape(block, pool.size) @ of_group[pool]
        values = np.asarray(statistic(sums), dtype=np.float64)
        is_defined = ~np.isnan(values).any(axis=1)
        wanted = values[is_defined][: resamples - found]
        redrawn += int((~is_defined).sum())
        _check_redrawn(redrawn, resamples, found, count)
        kept.append(wanted)
        found += wanted.shape[0]
    samples = np.concatenate(kept)
    if not bca:
        return Bootstrap(samples, level, count, redrawn)
    total = of_group.sum(axis=0, keepdims=True)
    estimate = np.asarray(statistic(total), dtype=np.float64)[0]
    without = np.asarray(statistic(total - of_group), dtype=np.float64)
    return Bootstrap(samples, level, count, redrawn, estimate, _acceleration(without, pools))


def _drawn_from(
    groups: npt.ArrayLike, strata: npt.ArrayLike | None, resamples: int, level: float
) -> tuple[npt.NDArray[np.intp], list[npt.NDArray[np.intp]]]:
    """Return the group of each row, and the groups of each stratum."""
    keys = np.asarray(groups)
    if keys.ndim != 1 or keys.size == 0 or resamples < 1 or not 0 < level < 1:
        raise DataError(
            "a bootstrap needs rows, resamples and a level in (0, 1)",
            got=f"groups of shape {keys.shape}, {resamples} resamples, level {level}",
        )
    _, group_of_row = np.unique(keys, return_inverse=True)
    return group_of_row, _pools(group_of_row, int(group_of_row.max()) + 1, strata)


def _check_redrawn(redrawn: int, resamples: int, kept: int, groups: int) -> None:
    if redrawn > resamples:
        raise DataError(
            "a statistic is not defined on most resamples",
            got=f"{redrawn} undefined, {kept} defined, from {groups} groups",
            cure="use more patients, or draw within strata of the class",
        )


def _acceleration(without: FloatArray, pools: list[npt.NDArray[np.intp]]) -> FloatArray:
    """Return the acceleration of statistics of all groups but one, shape `(groups, statistics)`."""
    if np.isnan(without).any():
        raise DataError(
            "a statistic is not defined without one of the groups",
            got=f"{int(np.isnan(without).any(axis=1).sum())} such groups",
            cure="use more patients, or the percentile interval (bca=False)",
        )
    pull = np.zeros_like(without)
    for pool in pools:
        if pool.size > 1:
            inside = without[pool]
            pull[pool] = (pool.size - 1) / pool.size * (inside.mean(axis=0) - inside)
    cubes, squares = (pull**3).sum(axis=0), (pull**2).sum(axis=0)
    # A statistic that no group moves has no acceleration.
    return np.where(squares > 1e-28, cubes / (6 * np.maximum(squares, 1e-28) ** 1.5), 0.0)


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
