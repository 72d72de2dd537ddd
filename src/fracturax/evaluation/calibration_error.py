"""Calibration errors: over bins of equal count or width, as they are or without their bias."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from fracturax.core.errors import DataError
from fracturax.evaluation.binning import Binning, bin_rows
from fracturax.evaluation.sample import check_sample

Norm = Literal["l1", "l2"]


def calibration_error(
    reference: npt.ArrayLike,
    probability: npt.ArrayLike,
    *,
    bins: int = 10,
    binning: Binning = "equal_mass",
    norm: Norm = "l1",
    is_debiased: bool = False,
) -> float:
    """Return the gap between probability and observed share, over bins.

    Even a perfectly calibrated model has an error above 0, as the share of a bin is a matter of
    chance; the fewer the cases, the more. A debiased error takes off what chance alone adds.

    Args:
        reference: Labels 0 or 1, shape `(n,)`.
        probability: Probabilities, shape `(n,)`.
        bins: How many bins.
        binning: `equal_mass` (adaptive) or `equal_width`, as the first papers had it.
        norm: `l1`, the mean gap (ECE), or `l2`, the root of the mean squared gap.
        is_debiased: Whether to take off the bias. `l2` is then the root of an unbiased estimate
            of the square, 0 where that is negative; `l1` loses the mean of what normal noise
            adds, and may fall below 0. Bins of one case are left out of the correction of `l2`.

    Raises:
        DataError: If the rows are not valid, there is no bin, or no such norm.

    References:
        Naeini et al., AAAI 2015; Nguyen & O'Connor, EMNLP 2015 (adaptive); debiased: Bröcker,
        Climate Dynamics 39:655-667, 2012; Kumar, Liang & Ma, NeurIPS 2019.

    Example:
        >>> reference, probability = [0, 1, 0, 1, 1, 1], [0.2, 0.2, 0.2, 0.9, 0.9, 0.9]
        >>> round(calibration_error(reference, probability, bins=2), 4)
        0.1167
        >>> round(calibration_error(reference, probability, bins=2, norm="l2"), 4)
        0.1179
        >>> calibration_error(reference, probability, bins=2, norm="l2", is_debiased=True)
        0.0
    """
    sample = check_sample(reference, probability, is_probability=True)
    if norm not in ("l1", "l2"):
        raise DataError("a calibration error has the norm l1 or l2", got=repr(norm))
    bin_of_row = bin_rows(sample.score, bins, binning)
    size = np.bincount(bin_of_row)
    share = np.bincount(bin_of_row, weights=sample.positive) / size
    gap = np.abs(share - np.bincount(bin_of_row, weights=sample.score) / size)
    part = size / size.sum()
    if norm == "l2":
        square = float(part @ gap**2)
        if is_debiased:
            noise = np.divide(
                share * (1 - share), size - 1, out=np.zeros_like(share), where=size > 1
            )
            square -= float(part @ noise)
        return math.sqrt(max(square, 0.0))
    plain = float(part @ gap)
    if not is_debiased:
        return plain
    # Mean of a folded normal around the gap of each bin, with the noise of its share.
    noise = np.sqrt(share * (1 - share) / size)
    ratio = np.divide(gap, noise, out=np.full_like(gap, np.inf), where=noise > 0)
    folded = noise * math.sqrt(2 / math.pi) * np.exp(-(ratio**2) / 2) + gap * (1 - 2 * ndtr(-ratio))
    return 2 * plain - float(part @ folded)
