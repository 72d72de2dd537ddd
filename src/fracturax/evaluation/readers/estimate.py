"""Numbers with standard error, interval and test, by Student's t or the normal distribution."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from scipy.special import expit, logit, ndtr, ndtri
from scipy.stats import t as student

from fracturax.core.errors import DataError


@dataclass(frozen=True)
class Estimate:
    """A number with its interval.

    Args:
        value: The number.
        standard_error: Its standard error.
        df: Degrees of freedom of Student's t; None where the normal distribution is meant.
        low: Lower end of the interval; None where all agree, which is no certainty.
        high: Upper end of the interval; None together with `low`.
        scale: Where the interval is symmetric: `linear` or `logit`.
    """

    value: float
    standard_error: float
    df: float | None
    low: float | None
    high: float | None
    scale: Literal["linear", "logit"] = "linear"

    def as_words(self) -> str:
        """Return value and interval with four decimals."""
        if self.low is None or self.high is None:
            return f"{self.value:.4f} (no interval)"
        return f"{self.value:.4f} ({self.low:.4f}–{self.high:.4f})"

    def as_document(self) -> dict[str, float | str | None]:
        """Return a JSON-able document; no number is rounded."""
        return {
            "value": self.value,
            "standard_error": self.standard_error,
            "df": self.df,
            "low": self.low,
            "high": self.high,
            "scale": self.scale,
        }


@dataclass(frozen=True)
class ZeroTest:
    """A two-sided test of a number against 0.

    Args:
        statistic: The number by its standard error; 0 where both are 0.
        p: Two-sided p-value.
    """

    statistic: float
    p: float

    def as_document(self) -> dict[str, float]:
        """Return a JSON-able document; no number is rounded."""
        return {"statistic": self.statistic, "p": self.p}


def estimate(
    value: float, variance: float, df: float | None, level: float, *, is_share: bool = False
) -> Estimate:
    """Return a number with its interval: symmetric, or on the logit scale where it is a share.

    A mean area near 1 is skewed: a symmetric interval reaches beyond 1 and holds the truth in 91 %
    instead of 95 % (`benchmarks/accuracy/statistics`). A share without variance (all cases right,
    all readers perfect) has no interval.

    Raises:
        DataError: If the level is not in (0, 1), or the variance is negative.

    References:
        Pepe, The Statistical Evaluation of Medical Tests, 2003, section 5.2.5 (logit scale).

    Example:
        >>> found = estimate(0.9, 0.0004, 4.0, 0.95, is_share=True)
        >>> round(found.low, 4), round(found.high, 4)
        (0.8292, 0.9434)
        >>> found = estimate(0.1, 0.0004, 4.0, 0.95)
        >>> round(found.low, 4), round(found.high, 4)
        (0.0445, 0.1555)
    """
    error = standard_error(value, variance)
    half = quantile(df, level) * error
    if not is_share:
        return Estimate(value, error, df, value - half, value + half)
    if error == 0:
        return Estimate(value, error, df, None, None)
    if not 0 < value < 1:  # an end of the scale has no logit
        return Estimate(value, error, df, max(value - half, 0.0), min(value + half, 1.0))
    middle, reach = logit(value), half / (value * (1 - value))
    low, high = float(expit(middle - reach)), float(expit(middle + reach))
    return Estimate(value, error, df, low, high, "logit")


def against_zero(value: float, variance: float, df: float | None) -> ZeroTest:
    """Test whether a number differs from 0.

    Raises:
        DataError: If the number is not 0 but has no variance.
    """
    error = standard_error(value, variance)
    if error == 0:
        if not math.isclose(value, 0, abs_tol=1e-12):
            raise DataError(
                "a difference without any variance cannot be tested",
                got=f"{value}",
                cure="use more cases, or report the readers' values without a test",
            )
        return ZeroTest(0.0, 1.0)
    statistic = value / error
    tail = ndtr(-abs(statistic)) if df is None else student.sf(abs(statistic), df)
    return ZeroTest(statistic, float(2 * tail))


def standard_error(value: float, variance: float) -> float:
    """Return the root of a variance; a rounding error is none.

    Raises:
        DataError: If the variance is clearly negative, as few cases can make it.
    """
    if variance < 0 and not math.isclose(variance, 0, abs_tol=1e-15):
        raise DataError(
            "the estimated variance is negative",
            got=f"{variance} beside the value {value}",
            cure="take jackknife or delong covariances, or more cases",
        )
    # Equal values of all readers leave the square of a rounding error, which is no variance.
    return 0.0 if variance < 1e-28 else math.sqrt(variance)


def quantile(df: float | None, level: float) -> float:
    """Return how many standard errors an interval reaches to each side.

    Raises:
        DataError: If the level is not in (0, 1).
    """
    if not 0 < level < 1:
        raise DataError("the level of an interval must lie in (0, 1)", got=str(level))
    upper = 0.5 + level / 2
    return float(ndtri(upper) if df is None else student.ppf(upper, df))


def satterthwaite(mean_square: float, added: float, df: float) -> float | None:
    """Return Hillis' degrees of freedom of a mean square to which a covariance was added.

    None, the normal distribution, where the mean square vanishes beside what was added.

    References:
        Hillis, Statistics in Medicine 26:596-619, 2007, equation 13.

    Example:
        Without anything added they are those of the mean square:

        >>> satterthwaite(0.02, 0.0, 4), satterthwaite(0.02, 0.02, 4)
        (4.0, 16.0)
    """
    if mean_square <= 1e-28:
        return None if added > 0 else float(df)
    found = df * ((mean_square + added) / mean_square) ** 2
    return None if math.isinf(found) else found
