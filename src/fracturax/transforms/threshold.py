"""Thresholds between classes of grey values: Otsu's, for two classes or three, and k-means."""

from __future__ import annotations

from itertools import combinations
from typing import Literal

import numpy as np
import numpy.typing as npt

_BINS = 128
_MOST_CLASSES = 4
Method = Literal["otsu", "multi_otsu", "k_means"]


def otsu_thresholds(values: npt.NDArray[np.float32], *, classes: int = 2) -> tuple[float, ...]:
    """Return the thresholds that leave the least variance within classes.

    Args:
        values: Grey values in [0, 1], of any shape.
        classes: Number of classes, 2 to 4.

    Returns:
        `classes - 1` thresholds, ascending; all the same value where there are fewer levels.

    References:
        Otsu, IEEE Trans SMC 9 (1979) 62; Liao, Chen and Chung, J Inf Sci Eng 17 (2001) 713.

    Example:
        >>> two = np.array([0.1, 0.1, 0.9, 0.9], np.float32)
        >>> 0.1 < otsu_thresholds(two)[0] < 0.9
        True
    """
    assert 2 <= classes <= _MOST_CLASSES, "every further class costs a factor of 128"
    counts, edges = np.histogram(values, bins=_BINS, range=(0.0, 1.0))
    total = max(int(counts.sum()), 1)
    middles = (edges[:-1] + edges[1:]) / 2
    mass = np.concatenate([[0.0], np.cumsum(counts / total)])
    moment = np.concatenate([[0.0], np.cumsum(counts / total * middles)])
    # between[i, j]: what a class of the bins i to j - 1 adds to the variance between classes.
    weight = mass[None] - mass[:, None]
    sums = moment[None] - moment[:, None]
    between = np.where(weight > 0, sums**2 / np.where(weight > 0, weight, 1.0), 0.0)
    if classes == 2:
        spread = between[0] + between[:, -1]
        return (_middle_of_best(spread, edges),)
    cuts = np.array(list(combinations(range(1, _BINS), classes - 1)))
    ends = np.column_stack([np.zeros(len(cuts), int), cuts, np.full(len(cuts), _BINS)])
    spread = sum(between[ends[:, place], ends[:, place + 1]] for place in range(classes))
    return tuple(edges[cuts[int(np.argmax(spread))]].tolist())


def _middle_of_best(spread: npt.NDArray[np.float64], edges: npt.NDArray[np.float64]) -> float:
    """Return the middle of the thresholds that are equally good: those between two far classes."""
    best = np.flatnonzero(spread >= spread.max() - 1e-12)
    return float(edges[best].mean())


def k_means_thresholds(values: npt.NDArray[np.float32], *, classes: int = 3) -> tuple[float, ...]:
    """Return the middles between the centres of k-means on grey values, ascending.

    It starts from evenly spread quantiles, so that the same values give the same centres
    (MacQueen, 1967; Lloyd, IEEE Trans IT 28 (1982) 129).

    Example:
        >>> values = np.array([0, 0, 0.4, 0.4, 1, 1], np.float32)
        >>> np.round(k_means_thresholds(values, classes=3), 2).tolist()
        [0.2, 0.7]
    """
    flat = values.reshape(-1).astype(np.float64)
    centers = np.quantile(flat, (np.arange(classes) + 0.5) / classes)
    if len(np.unique(flat[:: max(1, flat.size // 4096)])) < classes:
        return tuple(otsu_thresholds(values)) * (classes - 1)
    from sklearn.cluster import KMeans

    start = centers + np.arange(classes) * 1e-9
    found = KMeans(classes, init=start[:, None], n_init=1).fit(flat[:, None])
    ordered = np.sort(found.cluster_centers_[:, 0])
    return tuple(((ordered[1:] + ordered[:-1]) / 2).tolist())


def separability(values: npt.NDArray[np.float32], threshold: float) -> float:
    """Return the share of the variance that lies between what a threshold parts, in [0, 1].

    Otsu's eta, the quality of a threshold.

    Example:
        >>> separability(np.array([0.0, 0.0, 1.0, 1.0], np.float32), 0.5)
        1.0
    """
    above = values > threshold
    share = float(above.mean()) if values.size else 0.0
    variance = float(values.var(dtype=np.float64)) if values.size else 0.0
    if not 0 < share < 1 or variance < 1e-12:
        return 0.0
    gap = float(values[above].mean(dtype=np.float64) - values[~above].mean(dtype=np.float64))
    return min(1.0, share * (1 - share) * gap**2 / variance)
