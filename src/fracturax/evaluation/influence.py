"""The variance of an estimate from how much each row, or each group of rows, moves it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError

FloatArray = npt.NDArray[np.float64]


def influence_variance(pulls: FloatArray, groups: npt.ArrayLike | None = None) -> float:
    """Return the variance of an estimate by the infinitesimal jackknife.

    Args:
        pulls: Derivative of the estimate by the weight of each row, where weights are 1, shape
            `(n,)`; their sum is 0.
        groups: Rows that are not independent share a value, shape `(n,)`; None takes all as
            independent.

    Raises:
        DataError: If the groups are not one a row or fewer than two.

    References:
        Jaeckel, The Infinitesimal Jackknife, Bell Laboratories MM 72-1215-11, 1972; Efron &
        Stein, Annals of Statistics 9:586-596, 1981.

    Example:
        Of a mean it is the usual variance:

        >>> values = np.array([1.0, 2.0, 4.0, 5.0])
        >>> pulls = (values - values.mean()) / values.size
        >>> bool(np.isclose(influence_variance(pulls), values.var(ddof=1) / values.size))
        True
    """
    if groups is not None:
        keys = np.asarray(groups)
        if keys.shape != pulls.shape:
            raise DataError("groups need one value a row", got=f"shape {keys.shape}")
        _, group_of_row = np.unique(keys, return_inverse=True)
        pulls = np.bincount(group_of_row, weights=pulls).astype(np.float64)
    if pulls.size < 2:
        raise DataError("a variance needs two groups", got=str(pulls.size))
    variance = pulls.size / (pulls.size - 1) * float(pulls @ pulls)
    # Equal pulls such as 1/3 leave the square of a rounding error, which is no variance.
    return 0.0 if variance < 1e-28 else variance


def auroc_pulls(
    positive: npt.NDArray[np.bool_], of_positives: FloatArray, of_negatives: FloatArray
) -> FloatArray:
    """Return how much each row moves an AUROC, from DeLong's placements, shape `(n,)`.

    Args:
        positive: Which rows are positive, shape `(n,)`.
        of_positives: Placements of the positives, in the order of the rows.
        of_negatives: Placements of the negatives, in the order of the rows.
    """
    area = float(of_positives.mean())
    pulls = np.empty(positive.size)
    pulls[positive] = (of_positives - area) / of_positives.size
    pulls[~positive] = (of_negatives - area) / of_negatives.size
    return pulls
