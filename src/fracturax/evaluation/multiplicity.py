"""P-values of many comparisons, adjusted so that many do not make one by chance."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError

FloatArray = npt.NDArray[np.float64]


def holm(p_values: npt.ArrayLike) -> FloatArray:
    """Return p-values adjusted by Holm: the chance of any false finding stays below the level.

    Raises:
        DataError: If a p-value is not in [0, 1].

    References:
        Holm, Scandinavian Journal of Statistics 6:65-70, 1979.

    Example:
        >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
        [0.03, 0.06, 0.06]
    """
    values = _checked(p_values)
    order = np.argsort(values, kind="stable")
    factors = values.size - np.arange(values.size)
    adjusted = np.empty(values.size)
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * factors), 1.0)
    return adjusted


def benjamini_hochberg(p_values: npt.ArrayLike) -> FloatArray:
    """Return p-values adjusted by Benjamini and Hochberg: the share of false findings is bounded.

    Raises:
        DataError: If a p-value is not in [0, 1].

    References:
        Benjamini & Hochberg, J. R. Statist. Soc. B 57:289-300, 1995.

    Example:
        >>> benjamini_hochberg([0.01, 0.04, 0.03]).round(3).tolist()
        [0.03, 0.04, 0.04]
    """
    values = _checked(p_values)
    order = np.argsort(values, kind="stable")[::-1]
    factors = values.size / np.arange(values.size, 0, -1)
    adjusted = np.empty(values.size)
    adjusted[order] = np.minimum(np.minimum.accumulate(values[order] * factors), 1.0)
    return adjusted


def _checked(p_values: npt.ArrayLike) -> FloatArray:
    values = np.asarray(p_values, dtype=np.float64)
    if values.ndim != 1 or values.size == 0:
        raise DataError("p-values must be one row, at least one", got=f"shape {values.shape}")
    wrong = ~((values >= 0) & (values <= 1))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError("a p-value lies outside [0, 1]", got=f"{values[row]} in row {row + 1}")
    return values
