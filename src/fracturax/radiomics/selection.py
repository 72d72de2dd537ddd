"""Selection: the few features that tell the classes apart and do not repeat each other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

MOST_FEATURES = 20
MOST_ALIKE = 0.9
_LEAST_SPREAD = 1e-9


def select_features(
    values: Values,
    labels: npt.ArrayLike,
    *,
    most: int = MOST_FEATURES,
    most_alike: float = MOST_ALIKE,
) -> tuple[int, ...]:
    """Choose columns by minimum redundancy and maximum relevance.

    Relevance is the size of a feature's correlation with the label. Of two features that are
    correlated above `most_alike` the less relevant one leaves; of what remains, the next one is
    always that whose relevance minus its mean correlation with those chosen is largest.

    Args:
        values: Shape `(cases, features)`, finite.
        labels: 0 or 1 a case.
        most: How many are chosen at most.
        most_alike: Largest size of a correlation between two that are chosen.

    Returns:
        Columns in the order they were chosen; constant ones never. Empty if all are constant.

    References:
        Ding and Peng, "Minimum redundancy feature selection from microarray gene expression
        data", J Bioinform Comput Biol 3, 185-205 (2005), doi 10.1142/S0219720005001004.

    Example:
        The second column repeats the first, the third is constant:

        >>> values = np.array([[0.0, 0.0, 5.0, 1.0], [1, 2, 5, 0], [4, 8, 5, 1], [5, 10, 5, 0]])
        >>> select_features(values, [0, 0, 1, 1])
        (0, 3)
    """
    centred = values - values.mean(axis=0)
    spread = np.sqrt(np.mean(centred**2, axis=0))
    size = np.maximum(np.abs(values).max(axis=0), 1.0)
    alive = np.flatnonzero(spread > _LEAST_SPREAD * size)
    if alive.size == 0:
        return ()
    scaled = centred[:, alive] / spread[alive]
    target = np.asarray(labels, np.float64)
    target = (target - target.mean()) / target.std()
    relevance = np.abs(scaled.T @ target) / len(scaled)
    alike = np.abs(scaled.T @ scaled) / len(scaled)
    kept: list[int] = []
    for column in np.argsort(-relevance, kind="stable"):
        if not kept or alike[column, kept].max() <= most_alike:
            kept.append(int(column))
    chosen, left = [kept[0]], kept[1:]
    while left and len(chosen) < most:
        worth = relevance[left] - alike[np.ix_(left, chosen)].mean(axis=1)
        chosen.append(left.pop(int(np.argmax(worth))))
    return tuple(int(alive[column]) for column in chosen)
