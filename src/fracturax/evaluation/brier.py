"""The Brier score with its interval, and what it is made of."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from fracturax.evaluation.binning import Binning, bin_rows
from fracturax.evaluation.influence import influence_variance
from fracturax.evaluation.intervals import normal_quantile, percent
from fracturax.evaluation.result import Row
from fracturax.evaluation.sample import check_sample


@dataclass(frozen=True)
class BrierParts:
    """What a Brier score is made of: `reliability - resolution + uncertainty + within_bins`.

    Args:
        score: The Brier score; lower is better.
        reliability: Mean squared gap between probability and share; 0 if calibrated.
        resolution: How far the shares of the bins lie from the overall share; more is better.
        uncertainty: Of the overall share; a property of the data alone.
        within_bins: What the bins hide; 0 where every bin holds one probability.
    """

    score: float
    reliability: float
    resolution: float
    uncertainty: float
    within_bins: float


def brier_parts(
    reference: npt.ArrayLike,
    probability: npt.ArrayLike,
    *,
    bins: int | None = 10,
    binning: Binning = "equal_mass",
) -> BrierParts:
    """Decompose the Brier score (Murphy), exactly, also in bins.

    Args:
        reference: Labels 0 or 1, shape `(n,)`.
        probability: Probabilities, shape `(n,)`.
        bins: How many bins; None gives every distinct probability its own.
        binning: How bins are made: `equal_mass` or `equal_width`.

    Raises:
        DataError: If the rows are not valid or there is no bin.

    References:
        Murphy, J. Applied Meteorology 12:595-600, 1973; within bins: Stephenson, Coelho &
        Jolliffe, Weather and Forecasting 23:752-757, 2008.

    Example:
        >>> parts = brier_parts([0, 0, 1, 1, 1], [0.2, 0.2, 0.2, 0.9, 0.9], bins=None)
        >>> round(parts.score, 4), round(parts.reliability, 4), round(parts.resolution, 4)
        (0.148, 0.0147, 0.1067)
        >>> round(parts.reliability - parts.resolution + parts.uncertainty, 4)
        0.148
    """
    sample = check_sample(reference, probability, is_probability=True)
    bin_of_row = bin_rows(sample.score, bins, binning)
    size = np.bincount(bin_of_row)
    share = np.bincount(bin_of_row, weights=sample.positive) / np.maximum(size, 1)
    mean = np.bincount(bin_of_row, weights=sample.score) / np.maximum(size, 1)
    n, overall = sample.score.size, float(sample.positive.mean())
    residual = sample.score - mean[bin_of_row]
    hidden = float((residual**2).mean())
    hidden -= 2 * float((residual * (sample.positive - share[bin_of_row])).mean())
    return BrierParts(
        score=float(((sample.score - sample.positive) ** 2).mean()),
        reliability=float((size * (mean - share) ** 2).sum() / n),
        resolution=float((size * (share - overall) ** 2).sum() / n),
        uncertainty=overall * (1 - overall),
        within_bins=hidden,
    )


def brier_interval(
    reference: npt.ArrayLike,
    probability: npt.ArrayLike,
    *,
    level: float = 0.95,
    groups: npt.ArrayLike | None = None,
) -> Row:
    """Return the Brier score with its interval, on the log scale so that it stays positive.

    Args:
        reference: Labels 0 or 1, shape `(n,)`.
        probability: Probabilities, shape `(n,)`.
        level: Coverage.
        groups: Rows that are not independent share a value, shape `(n,)`; None takes all as
            independent.

    Returns:
        The row `brier`; without interval where the errors do not vary.

    Raises:
        DataError: If the rows are not valid or there are not two groups.

    References:
        Bradley, Schwartz & Hashino, Weather and Forecasting 23:992-1006, 2008.

    Example:
        >>> row = brier_interval([1, 1, 0, 0], [0.9, 0.5, 0.1, 0.3])
        >>> round(row.value, 3), row.low < row.value < row.high
        (0.09, True)
    """
    sample = check_sample(reference, probability, is_probability=True)
    error = (sample.score - sample.positive) ** 2
    value, n = float(error.mean()), error.size
    count = n if groups is None else np.unique(np.asarray(groups)).size
    words = "" if groups is None else " by groups"
    method = f"mean of squares{words}, log scale, {percent(level)}"
    variance = influence_variance((error - value) / n, groups)
    normal_quantile(level)
    if variance == 0 or value == 0:
        return Row("brier", value, None, None, n, method)
    half = float(stdtrit(count - 1, 0.5 + level / 2)) * math.sqrt(variance) / value
    return Row("brier", value, value * math.exp(-half), value * math.exp(half), n, method)
