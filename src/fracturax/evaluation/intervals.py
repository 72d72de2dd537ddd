"""Intervals of proportions, and of estimates with a standard error on the scale that suits them."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, expit, logit, ndtri, stdtrit

from fracturax.core.errors import DataError
from fracturax.evaluation.result import Row

ProportionMethod = Literal["wilson", "clopper-pearson"]
"""How the interval of a proportion is made: about right on average, or never too narrow."""

_NAMES = {"wilson": "Wilson score", "clopper-pearson": "Clopper-Pearson exact"}


def normal_quantile(level: float) -> float:
    """Return how many standard errors an interval reaches to each side.

    Raises:
        DataError: If the level is not in (0, 1).

    Example:
        >>> round(normal_quantile(0.95), 3)
        1.96
    """
    if not 0 < level < 1:
        raise DataError("the level of an interval must lie in (0, 1)", got=str(level))
    return float(ndtri(0.5 + level / 2))


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
    _check_trials(successes, trials)
    low, high = _wilson(successes / trials, trials, level)
    # Rounding must not leave a bound at 1e-17 where it is 0 by algebra.
    return 0.0 if successes == 0 else low, 1.0 if successes == trials else high


def clopper_pearson_interval(
    successes: int, trials: int, *, level: float = 0.95
) -> tuple[float, float]:
    """Return the exact interval of a proportion, which covers at least as often as it says.

    Raises:
        DataError: If there is no trial or not `0 <= successes <= trials`.

    References:
        Clopper & Pearson, Biometrika 26:404-413, 1934.

    Example:
        >>> [round(end, 4) for end in clopper_pearson_interval(81, 263)]
        [0.2527, 0.3676]
    """
    _check_trials(successes, trials)
    normal_quantile(level)
    tail = (1 - level) / 2
    failures = trials - successes
    low = 0.0 if successes == 0 else float(betaincinv(successes, failures + 1, tail))
    high = 1.0 if failures == 0 else float(betaincinv(successes + 1, failures, 1 - tail))
    return low, high


def proportion_interval(
    successes: int, trials: int, *, level: float = 0.95, method: ProportionMethod = "wilson"
) -> tuple[float, float]:
    """Return the interval of a proportion by the method of that name.

    Raises:
        DataError: If there is no such method, or as `wilson_interval`.

    Example:
        >>> proportion_interval(0, 10, method="clopper-pearson")[0]
        0.0
    """
    if method == "wilson":
        return wilson_interval(successes, trials, level=level)
    if method == "clopper-pearson":
        return clopper_pearson_interval(successes, trials, level=level)
    raise DataError(
        "there is no such interval of a proportion", got=repr(method), cure=f"use {_KNOWN}"
    )


_KNOWN = " or ".join(_NAMES)


def proportion_row(
    metric: str,
    successes: int,
    trials: int,
    *,
    level: float = 0.95,
    method: ProportionMethod = "wilson",
) -> Row:
    """Return a proportion of independent trials as a row of an evaluation.

    Raises:
        DataError: As `proportion_interval`.

    Example:
        >>> proportion_row("sensitivity", 9, 10).method
        'Wilson score, 95%'
    """
    low, high = proportion_interval(successes, trials, level=level, method=method)
    return Row(metric, successes / trials, low, high, trials, f"{_NAMES[method]}, {percent(level)}")


def clustered_proportion_row(
    metric: str, outcomes: npt.ArrayLike, groups: npt.ArrayLike, *, level: float = 0.95
) -> Row:
    """Return a proportion of trials that come in groups (images of a patient).

    Wilson's interval for as many independent trials as would vary like these do.

    Args:
        metric: Name of the row.
        outcomes: Whether each trial succeeded, shape `(n,)`.
        groups: Which group each trial belongs to, shape `(n,)`.
        level: Coverage.

    Raises:
        DataError: If there is no trial, an outcome is not 0 or 1, or there are fewer than two
            groups.

    References:
        Rao & Scott, Biometrics 48:577-585, 1992.

    Example:
        Every image given twice tells as much as given once:

        >>> once = proportion_row("sensitivity", 30, 40)
        >>> right = np.arange(40) < 30
        >>> row = clustered_proportion_row("sensitivity", np.tile(right, 2), [*range(40)] * 2)
        >>> row.n, bool(abs(row.low - once.low) < 0.005)
        (80, True)
    """
    right = np.asarray(outcomes)
    keys = np.asarray(groups)
    if right.ndim != 1 or right.shape != keys.shape or right.size == 0:
        raise DataError(
            f"the {metric} needs one outcome and one group a row, at least one row",
            got=f"shapes {right.shape} and {keys.shape}",
        )
    wrong = (right != 0) & (right != 1)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError("an outcome is neither 0 nor 1", got=f"{right[row]} in row {row + 1}")
    _, group_of_row = np.unique(keys, return_inverse=True)
    sizes = np.bincount(group_of_row)
    count = sizes.size
    if count < 2:
        raise DataError("an interval between groups needs two groups", got=str(count))
    trials, share = right.size, float(right.mean())
    method = f"Wilson score by groups (Rao-Scott), {percent(level)}"
    effect = 1.0
    if 0 < share < 1:
        residual = np.bincount(group_of_row, weights=right) - share * sizes
        variance = count / (count - 1) * float(residual @ residual) / trials**2
        effect = variance / (share * (1 - share) / trials)
    # All alike shows no variance: then only the number of groups is known to be independent.
    effective = trials / effect if effect > 0 and 0 < share < 1 else float(count)
    # Independent trials can vary less than binomially by chance; more trials than there are
    # would be a claim.
    low, high = _wilson(share, min(effective, float(trials)), level)
    low, high = (0.0 if share == 0 else low), (1.0 if share == 1 else high)
    return Row(metric, share, low, high, trials, method)


def logit_interval(
    value: float, standard_error: float, *, level: float = 0.95, df: int | None = None
) -> tuple[float, float]:
    """Return the interval of an estimate in (0, 1) that is symmetric on the logit scale.

    It stays within (0, 1) and, for an area near 1, is longer towards 0.5, as it should.

    Args:
        value: The estimate.
        standard_error: Its standard error.
        level: Coverage.
        df: Degrees of freedom of the standard error, for Student's quantile; None: the normal one.

    Raises:
        DataError: If the value is not in (0, 1) or the standard error is negative.

    References:
        Pepe, The Statistical Evaluation of Medical Tests, 2003, section 5.2.5.

    Example:
        >>> [round(end, 3) for end in logit_interval(0.9, 0.03)]
        [0.824, 0.945]
    """
    if not 0 < value < 1 or not standard_error >= 0:
        raise DataError(
            "a logit interval needs a value in (0, 1) and a standard error",
            got=f"{value} and {standard_error}",
        )
    reach = normal_quantile(level) if df is None else float(stdtrit(df, 0.5 + level / 2))
    half = reach * standard_error / (value * (1 - value))
    return float(expit(logit(value) - half)), float(expit(logit(value) + half))


def fisher_interval(
    value: float, standard_error: float, *, level: float = 0.95
) -> tuple[float, float]:
    """Return the interval of an estimate in (-1, 1) that is symmetric on Fisher's z scale.

    Raises:
        DataError: If the value is not in (-1, 1) or the standard error is negative.

    References:
        Fisher, Metron 1:3-32, 1921.

    Example:
        >>> [round(end, 3) for end in fisher_interval(0.8, 0.05)]
        [0.679, 0.879]
    """
    if not -1 < value < 1 or not standard_error >= 0:
        raise DataError(
            "an interval on Fisher's scale needs a value in (-1, 1) and a standard error",
            got=f"{value} and {standard_error}",
        )
    half = normal_quantile(level) * standard_error / (1 - value**2)
    return math.tanh(math.atanh(value) - half), math.tanh(math.atanh(value) + half)


def percent(level: float) -> str:
    """Return a level as words of a method, without losing its digits.

    Example:
        >>> percent(0.95), percent(0.975)
        ('95%', '97.5%')
    """
    return f"{100 * level:.4g}%"


def _check_trials(successes: int, trials: int) -> None:
    if trials <= 0 or not 0 <= successes <= trials:
        raise DataError("a proportion needs trials", got=f"{successes} of {trials}")


def _wilson(share: float, trials: float, level: float) -> tuple[float, float]:
    z = normal_quantile(level)
    center = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = (
        z * math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2)) / (1 + z**2 / trials)
    )
    return max(center - half, 0.0), min(center + half, 1.0)
