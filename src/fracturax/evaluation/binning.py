"""Bins of probabilities: of equal count, of equal width, or one for each distinct value."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError

Binning = Literal["equal_mass", "equal_width"]


def bin_rows(
    probability: npt.NDArray[np.float64], bins: int | None, binning: Binning
) -> npt.NDArray[np.intp]:
    """Return the bin of each row, from 0; equal probabilities always share one.

    Args:
        probability: Probabilities in [0, 1], shape `(n,)`.
        bins: How many bins; None gives every distinct probability its own.
        binning: `equal_mass`, adaptive to where the probabilities are, or `equal_width`, with
            bins `[0, 1/k), ..., [1 - 1/k, 1]`.

    Returns:
        Bins without a gap in their numbers, shape `(n,)`; empty ones are not counted.

    Raises:
        DataError: If there is no bin or no such binning.

    Example:
        >>> bin_rows(np.array([0.1, 0.2, 0.2, 0.9]), 2, "equal_width").tolist()
        [0, 0, 0, 1]
        >>> bin_rows(np.array([0.1, 0.2, 0.2, 0.9]), None, "equal_mass").tolist()
        [0, 1, 1, 2]
    """
    if bins is not None and bins < 1:
        raise DataError("a calibration error needs a bin", got=str(bins))
    if binning not in ("equal_mass", "equal_width"):
        raise DataError("bins are equal_mass or equal_width", got=repr(binning))
    values, value_of_row, counts = np.unique(probability, return_inverse=True, return_counts=True)
    if bins is None:
        return value_of_row
    if binning == "equal_width":
        of_value = np.minimum((values * bins).astype(np.intp), bins - 1)
    else:
        middle = (np.cumsum(counts) - counts / 2) / probability.size
        of_value = np.minimum((middle * bins).astype(np.intp), bins - 1)
    _, dense = np.unique(of_value, return_inverse=True)
    return np.asarray(dense[value_of_row], dtype=np.intp)
