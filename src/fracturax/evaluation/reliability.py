"""The reliability curve: observed share against probability, with bands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.evaluation.binning import Binning, bin_rows
from fracturax.evaluation.intervals import (
    clustered_proportion_row,
    normal_quantile,
    wilson_interval,
)
from fracturax.evaluation.sample import check_sample

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ReliabilityCurve:
    """Observed share of fractures in bins of probability; every array has shape `(bins,)`.

    Args:
        probability: Mean probability of the bin.
        share: Share of fractures in it.
        count: How many cases it holds.
        low: Lower end of the confidence interval of the share.
        high: Upper end of it.
        consistent_low: Lower end of where the share would lie if the model were calibrated.
        consistent_high: Upper end of that.
        level: Coverage of both bands, bin by bin.
    """

    probability: FloatArray
    share: FloatArray
    count: npt.NDArray[np.int64]
    low: FloatArray
    high: FloatArray
    consistent_low: FloatArray
    consistent_high: FloatArray
    level: float


def reliability_curve(
    reference: npt.ArrayLike,
    probability: npt.ArrayLike,
    *,
    generator: np.random.Generator,
    bins: int = 10,
    binning: Binning = "equal_mass",
    groups: npt.ArrayLike | None = None,
    draws: int = 1000,
    level: float = 0.95,
) -> ReliabilityCurve:
    """Return observed share against probability with a confidence and a consistency band.

    Args:
        reference: Labels 0 or 1, shape `(n,)`.
        probability: Probabilities, shape `(n,)`.
        generator: Source of randomness of the consistency band.
        bins: How many bins.
        binning: `equal_mass` or `equal_width`.
        groups: Rows that are not independent share a value, shape `(n,)`; widens the confidence
            band (Wilson by groups). The consistency band takes rows as independent.
        draws: How often labels are drawn from the probabilities for the consistency band.
        level: Coverage of both bands, bin by bin.

    Raises:
        DataError: If the rows are not valid, there is no bin or no draw, or a bin holds one
            group only.

    References:
        Consistency: Bröcker & Smith, Weather and Forecasting 22:651-661, 2007, with the
        probabilities kept as they are.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> probability = generator.uniform(size=2000)
        >>> reference = generator.uniform(size=2000) < probability
        >>> curve = reliability_curve(reference, probability, generator=generator, bins=4)
        >>> curve.probability.round(2).tolist(), curve.count.tolist()
        ([0.12, 0.37, 0.63, 0.88], [500, 500, 500, 500])
        >>> inside = (curve.consistent_low <= curve.share) & (curve.share <= curve.consistent_high)
        >>> bool(inside.all())
        True
    """
    sample = check_sample(reference, probability, is_probability=True)
    normal_quantile(level)
    if draws < 1:
        raise DataError("a consistency band needs a draw", got=str(draws))
    bin_of_row = bin_rows(sample.score, bins, binning)
    count = np.bincount(bin_of_row)
    hits = np.bincount(bin_of_row, weights=sample.positive)
    keys = None if groups is None else np.asarray(groups)
    if keys is not None and keys.shape != sample.score.shape:
        raise DataError("groups need one value a row", got=f"shape {keys.shape}")
    ends = []
    consistent = []
    tails = ((1 - level) / 2, (1 + level) / 2)
    for place, size in enumerate(count.tolist()):
        inside = bin_of_row == place
        if keys is None:
            ends.append(wilson_interval(int(hits[place]), size, level=level))
        else:
            row = clustered_proportion_row(
                "share", sample.positive[inside], keys[inside], level=level
            )
            ends.append((row.low or 0.0, 1.0 if row.high is None else row.high))
        chance = sample.score[inside]
        # Row by row, so that memory does not grow with the draws.
        drawn = [int((generator.random(size) < chance).sum()) for _ in range(draws)]
        consistent.append(np.quantile(drawn, tails) / size)
    confidence, band = np.array(ends), np.array(consistent)
    return ReliabilityCurve(
        probability=np.bincount(bin_of_row, weights=sample.score) / count,
        share=hits / count,
        count=count.astype(np.int64),
        low=confidence[:, 0],
        high=confidence[:, 1],
        consistent_low=band[:, 0],
        consistent_high=band[:, 1],
        level=level,
    )
