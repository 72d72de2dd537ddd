"""Two models compared by any number: the bootstrap of the difference, and permutation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.evaluation.bootstrap import group_bootstrap_weighted
from fracturax.evaluation.comparison import Comparison
from fracturax.evaluation.delong import midranks
from fracturax.evaluation.intervals import percent

FloatArray = npt.NDArray[np.float64]
WeightedStatistic = Callable[[npt.NDArray[np.int64]], float]
"""From how often each row counts, shape `(n,)`, to a number; NaN where it is not defined."""

_MOST_EXACT = 4096


def bootstrap_difference(
    groups: npt.ArrayLike,
    a: WeightedStatistic,
    b: WeightedStatistic,
    *,
    metric: str,
    generator: np.random.Generator,
    resamples: int = 2000,
    level: float = 0.95,
    strata: npt.ArrayLike | None = None,
    interval: Literal["bca", "percentile"] = "bca",
) -> Comparison:
    """Compare any number of two models on the same patients, drawn again and again.

    Args:
        groups: Which group (patient) each row belongs to, shape `(n,)`.
        a: Number of the first model, from row weights.
        b: Number of the second model.
        metric: Name of the number.
        generator: Source of randomness.
        resamples: How many resamples.
        level: Coverage of the interval.
        strata: As in `group_bootstrap`.
        interval: `bca`, which evaluates once more for each group, or `percentile`.

    Returns:
        Both numbers, the interval of their difference, and the p-value that agrees with the
        percentile interval: the level at which that would just touch 0.

    Raises:
        DataError: As `group_bootstrap`.

    References:
        Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapters 14 and 15.

    Example:
        >>> from fracturax.evaluation.classification import auroc_of_weights
        >>> generator = np.random.default_rng(0)
        >>> reference = np.tile([0, 1], 50)
        >>> a, b = reference + generator.normal(size=(2, 100))
        >>> compared = bootstrap_difference(
        ...     np.arange(100), auroc_of_weights(reference, a), auroc_of_weights(reference, b),
        ...     metric="auroc", generator=generator, resamples=200)
        >>> compared.low < compared.difference < compared.high
        True
    """

    def gap(weights: npt.NDArray[np.int64]) -> float:
        return a(weights) - b(weights)

    drawn = group_bootstrap_weighted(
        groups,
        gap,
        generator=generator,
        resamples=resamples,
        level=level,
        strata=strata,
        bca=interval == "bca",
    )
    every = np.ones(np.shape(groups), dtype=np.int64)
    of_a, of_b = float(a(every)), float(b(every))
    low, high = drawn.interval()
    values = drawn.samples[:, 0]
    tail = min(int((values <= 0).sum()), int((values >= 0).sum()))
    p = min(2 * (tail + 1) / (values.size + 1), 1.0)
    words = f"{drawn.method} by groups, {resamples} resamples, {percent(level)}"
    return Comparison(metric, of_a, of_b, of_a - of_b, low, high, p, every.size, words)


def permutation_test(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    statistic: Callable[[FloatArray], float],
    *,
    metric: str,
    generator: np.random.Generator,
    groups: npt.ArrayLike | None = None,
    permutations: int = 2000,
    on_ranks: bool = True,
) -> Comparison:
    """Test whether two models can be exchanged, by exchanging their scores patient by patient.

    Args:
        a: Scores of the first model, shape `(n,)`.
        b: Scores of the second model on the same images, shape `(n,)`.
        statistic: From scores, shape `(n,)`, to the number compared.
        metric: Name of the number.
        generator: Source of randomness.
        groups: Images that are exchanged together share a value; None exchanges each alone.
        permutations: How many exchanges to draw; where there are not more than 4,096 in all,
            each is taken once and the p-value is exact.
        on_ranks: Whether to compare ranks within each model, so that scores on different scales
            can be exchanged; False for a number of the probabilities themselves (Brier).

    Returns:
        Both numbers, as they are, and the p-value; there is no interval.

    Raises:
        DataError: If the scores are not finite rows of equal length or there is no permutation.

    References:
        Bandos, Rockette & Gur, Statistics in Medicine 24:2873-2893, 2005; Phipson & Smyth,
        Stat. Appl. Genet. Mol. Biol. 9:39, 2010 (the drawn p-value).

    Example:
        >>> from fracturax.evaluation.classification import auroc
        >>> reference = [0, 0, 0, 1, 1, 1]
        >>> compared = permutation_test(
        ...     [1, 2, 3, 4, 5, 6], [3, 2, 1, 6, 5, 4], lambda score: auroc(reference, score),
        ...     metric="auroc", generator=np.random.default_rng(0))
        >>> compared.p, compared.method
        (1.0, 'paired permutation of ranks, all 64')
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    keys = np.arange(first.size) if groups is None else np.asarray(groups)
    if first.ndim != 1 or not first.shape == second.shape == keys.shape or first.size == 0:
        raise DataError(
            "a permutation test needs two scores of the same images",
            got=f"shapes {first.shape}, {second.shape} and groups {keys.shape}",
        )
    wrong = ~(np.isfinite(first) & np.isfinite(second))
    if wrong.any() or permutations < 1:
        raise DataError(
            "a permutation test needs finite scores and a permutation",
            got=f"row {int(np.argmax(wrong)) + 1}" if wrong.any() else f"{permutations}",
        )
    of_a, of_b = float(statistic(first)), float(statistic(second))
    if on_ranks:
        # Midranks over n stay comparable with a rank statistic's own thresholds, in (0, 1].
        first, second = midranks(first) / first.size, midranks(second) / second.size
    observed = float(statistic(first)) - float(statistic(second))
    _, group_of_row = np.unique(keys, return_inverse=True)
    count = int(group_of_row.max()) + 1
    is_exact = count <= np.log2(_MOST_EXACT)
    total = 2**count if is_exact else permutations
    extreme = 0
    for number in range(total):
        if is_exact:
            flips = (number >> np.arange(count)) & 1
        else:
            flips = generator.integers(0, 2, count)
        swap = flips[group_of_row] == 1
        one, other = np.where(swap, second, first), np.where(swap, first, second)
        gap = float(statistic(one)) - float(statistic(other))
        extreme += abs(gap) >= abs(observed) - 1e-12
    p = extreme / total if is_exact else (extreme + 1) / (total + 1)
    kind = "ranks" if on_ranks else "scores"
    many = f"all {total}" if is_exact else f"{total} drawn"
    return Comparison(
        metric,
        of_a,
        of_b,
        of_a - of_b,
        None,
        None,
        p,
        first.size,
        f"paired permutation of {kind}, {many}",
    )
