"""Tests and standardized differences between the two groups of a cohort."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

_DRAWS = 9999


def continuous_test(
    one: FloatArray, other: FloatArray, *, is_normal: bool
) -> tuple[str, float | None]:
    """Return test and p-value of numbers of two groups; no p-value where a group is too small.

    References:
        Welch, Biometrika 34:28-35, 1947; Mann & Whitney, Ann. Math. Statist. 18:50-60, 1947.

    Example:
        >>> name, p = continuous_test(np.arange(9.0), np.arange(9.0) + 3, is_normal=False)
        >>> name, round(p, 3)
        ('Mann-Whitney', 0.051)
    """
    from scipy.stats import mannwhitneyu, ttest_ind

    if is_normal and min(one.size, other.size) >= 2:
        return "Welch's t", _number(ttest_ind(one, other, equal_var=False).pvalue)
    if min(one.size, other.size) < 1:
        return "", None
    return "Mann-Whitney", _number(mannwhitneyu(one, other, alternative="two-sided").pvalue)


def categorical_test(
    table: npt.NDArray[np.int64], *, generator: np.random.Generator
) -> tuple[str, float | None]:
    """Return test and p-value of the counts of two groups, shape `(2, levels)`.

    Chi-square without continuity correction where all expected counts reach 5; else Fisher's
    exact test of two levels, or chi-square against 9,999 drawn tables of the same margins.

    References:
        Cochran, Biometrics 10:417-451, 1954 (when chi-square holds); Hope, J. R. Statist. Soc. B
        30:582-598, 1968 (drawn tables).

    Example:
        >>> generator = np.random.default_rng(0)
        >>> name, p = categorical_test(np.array([[3, 1], [1, 3]]), generator=generator)
        >>> name, round(p, 4)
        ("Fisher's exact", 0.4857)
    """
    from scipy.stats import chi2_contingency, fisher_exact, random_table

    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2 or (table.sum(axis=1) == 0).any():
        return "", None
    result = chi2_contingency(table, correction=False)
    if result.expected_freq.min() >= 5:
        return "chi-square", _number(result.pvalue)
    if table.shape[1] == 2:
        return "Fisher's exact", _number(fisher_exact(table).pvalue)
    drawn = random_table(table.sum(axis=1), table.sum(axis=0)).rvs(_DRAWS, random_state=generator)
    spread = ((drawn - result.expected_freq) ** 2 / result.expected_freq).sum(axis=(1, 2))
    extreme = int((spread >= result.statistic - 1e-9).sum())
    return f"chi-square, {_DRAWS} tables drawn", (extreme + 1) / (_DRAWS + 1)


def continuous_difference(one: FloatArray, other: FloatArray) -> float | None:
    """Return the difference of means over the pooled SD; None where it is not defined.

    References:
        Austin, Statistics in Medicine 28:3083-3107, 2009.

    Example:
        >>> round(continuous_difference(np.array([1.0, 2, 3]), np.array([2.0, 3, 4])), 3)
        -1.0
    """
    if min(one.size, other.size) < 2:
        return None
    pooled = math.sqrt((float(one.var(ddof=1)) + float(other.var(ddof=1))) / 2)
    gap = float(one.mean() - other.mean())
    if pooled == 0:
        return 0.0 if gap == 0 else None
    return gap / pooled


def categorical_difference(table: npt.NDArray[np.int64]) -> float | None:
    """Return the standardized difference of two groups' shares, shape `(2, levels)`.

    Of two levels it is the difference of the shares over its pooled SD, without sign; of more,
    the Mahalanobis distance. None where it is not defined.

    References:
        Yang & Dalton, SAS Global Forum 335, 2012.

    Example:
        >>> round(categorical_difference(np.array([[30, 70], [50, 50]])), 4)
        0.417
    """
    table = table[:, table.sum(axis=0) > 0]
    sizes = table.sum(axis=1, keepdims=True)
    if (sizes == 0).any():
        return None
    if table.shape[1] < 2:
        return 0.0
    shares = (table / sizes)[:, 1:]
    gap = shares[0] - shares[1]
    spread = np.mean([np.diag(share) - np.outer(share, share) for share in shares], axis=0)
    if np.linalg.matrix_rank(spread) < spread.shape[0]:
        return None
    return float(math.sqrt(gap @ np.linalg.solve(spread, gap)))


def _number(value: object) -> float | None:
    number = float(str(value))
    return None if math.isnan(number) else number
