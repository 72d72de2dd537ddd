"""Cohen's kappa of a confusion matrix, plain or weighted, with its variance."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.evaluation.intervals import fisher_interval, percent
from fracturax.evaluation.result import Row

FloatArray = npt.NDArray[np.float64]
KappaWeights = Literal["none", "linear", "quadratic"]
"""What a near miss is worth: nothing, or the more the nearer it is."""


def kappa_of_confusion(
    confusion: npt.ArrayLike, *, weights: KappaWeights = "none", level: float = 0.95
) -> Row:
    """Return Cohen's kappa, how far two agree beyond chance, with its interval.

    Args:
        confusion: Counts, reference down and answer across, in one order, shape `(k, k)`.
        weights: `none` for named classes, `linear` or `quadratic` for ordered ones.
        level: Coverage.

    Returns:
        The row `kappa`, `kappa_linear` or `kappa_quadratic`; without interval where all agree or
        the variance is 0.

    Raises:
        DataError: If the matrix is not one of counts, or only one class occurs on both sides, so
            that no agreement is beyond chance.

    References:
        Cohen, Educ. Psychol. Meas. 20:37-46, 1960, and Psychol. Bull. 70:213-220, 1968; variance:
        Fleiss, Cohen & Everitt, Psychol. Bull. 72:323-327, 1969.

    Example:
        >>> row = kappa_of_confusion([[20, 5], [10, 15]])
        >>> round(row.value, 3), round(row.low, 3), round(row.high, 3)
        (0.4, 0.127, 0.617)
    """
    matrix = check_confusion(confusion)
    credit = agreement_weights(matrix.shape[0], weights)
    value, variance = kappa_with_variance(matrix, credit)
    if math.isnan(value):
        raise DataError(
            "kappa needs two classes",
            got="one class alone in reference and answers",
            cure="report the accuracy",
        )
    n = int(matrix.sum())
    name = "kappa" if weights == "none" else f"kappa_{weights}"
    method = f"Fleiss et al., Fisher's z scale, {percent(level)}"
    if variance <= 1e-15 or abs(value) >= 1:
        return Row(name, value, None, None, n, method)
    low, high = fisher_interval(value, math.sqrt(variance), level=level)
    return Row(name, value, low, high, n, method)


def agreement_weights(classes: int, weights: KappaWeights) -> FloatArray:
    """Return what each pair of classes is worth as agreement, 1 on the diagonal, shape `(k, k)`.

    Raises:
        DataError: If there are no such weights.

    Example:
        >>> agreement_weights(3, "linear")[0].tolist()
        [1.0, 0.5, 0.0]
    """
    if weights == "none":
        return np.eye(classes)
    if weights not in ("linear", "quadratic"):
        raise DataError(
            "there are no such weights of kappa",
            got=repr(weights),
            cure="use none, linear or quadratic",
        )
    steps = np.abs(np.subtract.outer(np.arange(classes), np.arange(classes)))
    power = 1 if weights == "linear" else 2
    return np.asarray(1 - (steps / max(classes - 1, 1)) ** power)


def kappa_with_variance(matrix: FloatArray, credit: FloatArray) -> tuple[float, float]:
    """Return kappa and its large-sample variance; NaN where no agreement is beyond chance.

    Args:
        matrix: Counts, shape `(k, k)`.
        credit: What each pair is worth, shape `(k, k)`, 1 on the diagonal.
    """
    n = matrix.sum()
    share = matrix / n
    rows, columns = share.sum(axis=1), share.sum(axis=0)
    observed = float((credit * share).sum())
    chance = float(rows @ credit @ columns)
    if math.isclose(chance, 1):
        return math.nan, math.nan
    kappa = (observed - chance) / (1 - chance)
    mean_credit = np.add.outer(credit @ columns, rows @ credit)
    spread = float((share * (credit - mean_credit * (1 - kappa)) ** 2).sum())
    variance = (spread - (kappa - chance * (1 - kappa)) ** 2) / (n * (1 - chance) ** 2)
    return float(kappa), float(max(variance, 0.0))


def check_confusion(confusion: npt.ArrayLike) -> FloatArray:
    """Return a confusion matrix as floats, or say what is wrong with it.

    Raises:
        DataError: If it is not square with two classes or more, or a count is negative or no
            whole number, or all are 0.
    """
    matrix = np.asarray(confusion, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.shape[0] < 2:
        raise DataError("a confusion matrix must be square", got=f"shape {matrix.shape}")
    if not (np.isfinite(matrix) & (matrix >= 0) & (matrix == np.floor(matrix))).all():
        raise DataError("a confusion matrix holds counts", got=str(matrix.tolist()))
    if matrix.sum() == 0:
        raise DataError("a confusion matrix counts nothing", got="all 0")
    return matrix
