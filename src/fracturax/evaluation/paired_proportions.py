"""The difference of two proportions of the same cases, with Tango's score interval."""

from __future__ import annotations

import math

from fracturax.core.errors import DataError
from fracturax.evaluation.intervals import normal_quantile


def tango_interval(
    only_a: int, only_b: int, pairs: int, *, level: float = 0.95
) -> tuple[float, float]:
    """Return the score interval of the difference of two paired proportions.

    Args:
        only_a: Cases that only the first got right.
        only_b: Cases that only the second got right.
        pairs: All cases.
        level: Coverage.

    Raises:
        DataError: If there is no pair or the counts exceed it.

    References:
        Tango, Statistics in Medicine 17:891-908, 1998.

    Example:
        Airway hyper-responsiveness (Fagerland et al., Statistics in Medicine 33:2850-2875, 2014):

        >>> [round(end, 3) for end in tango_interval(1, 7, 21)]
        [-0.517, -0.026]
    """
    if pairs <= 0 or min(only_a, only_b) < 0 or only_a + only_b > pairs:
        raise DataError(
            "paired proportions need counts of pairs", got=f"{only_a} and {only_b} of {pairs}"
        )
    from scipy.optimize import brentq

    z = normal_quantile(level)
    difference = (only_a - only_b) / pairs

    def excess(delta: float) -> float:
        return _score(only_a, only_b, pairs, delta) - z

    def lack(delta: float) -> float:
        return _score(only_a, only_b, pairs, delta) + z

    low = -1.0 if excess(-1.0) <= 0 else float(brentq(excess, -1.0, difference, xtol=1e-12))
    high = 1.0 if lack(1.0) >= 0 else float(brentq(lack, difference, 1.0, xtol=1e-12))
    return low, high


def _score(only_a: int, only_b: int, pairs: int, delta: float) -> float:
    """Return the score statistic of a difference, under its own most likely proportions."""
    gap = only_a - only_b - pairs * delta
    if gap == 0:
        return 0.0
    # The share of cases that only b gets right, most likely given the difference.
    linear = -only_a - only_b + (2 * pairs - only_a + only_b) * delta
    constant = -only_b * delta * (1 - delta)
    root = math.sqrt(max(linear**2 - 8 * pairs * constant, 0.0))
    share = (root - linear) / (4 * pairs)
    variance = pairs * (2 * share + delta * (1 - delta))
    if variance <= 1e-15:
        return math.copysign(math.inf, gap)
    return gap / math.sqrt(variance)
