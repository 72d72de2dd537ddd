"""How far readers agree beyond chance: kappas and Krippendorff's alpha, with intervals."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.evaluation.kappa import KappaWeights, kappa_of_confusion
from fracturax.evaluation.result import Row

FloatArray = npt.NDArray[np.float64]
Scale = Literal["nominal", "ordinal", "interval"]


def cohen_kappa(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    *,
    weights: KappaWeights = "none",
    categories: npt.ArrayLike | None = None,
    level: float = 0.95,
) -> Row:
    """Return Cohen's kappa of two readers of the same cases.

    Args:
        first: Answers of one reader, shape `(cases,)`, numbers or text.
        second: Answers of the other, same shape.
        weights: `linear` and `quadratic` count near misses as part agreement, by the distance of
            the categories in order.
        categories: All possible answers, in order; None takes those that occur, sorted.
        level: Coverage of the interval.

    Returns:
        As `kappa_of_confusion`: the row `kappa`, `kappa_linear` or `kappa_quadratic`.

    Raises:
        DataError: If the shapes differ, there are fewer than two cases, an answer is none of the
            categories, or both readers gave one and the same answer throughout.

    References:
        Cohen, Psychological Bulletin 70:213-220, 1968; standard error: Fleiss, Cohen & Everitt,
        Psychological Bulletin 72:323-327, 1969.

    Example:
        >>> row = cohen_kappa([1, 1, 1, 0, 0, 0, 1, 0], [1, 1, 0, 0, 0, 1, 1, 0])
        >>> row.value, round(row.low, 3), round(row.high, 3)
        (0.5, -0.246, 0.874)
    """
    a, b = np.asarray(first), np.asarray(second)
    if a.ndim != 1 or a.shape != b.shape or a.size < 2:
        raise DataError(
            "kappa needs two rows of answers of equal length, at least two",
            got=f"shapes {a.shape} and {b.shape}",
        )
    known = np.unique(np.concatenate([a, b])) if categories is None else np.asarray(categories)
    if known.size < 2:
        raise DataError(
            "kappa is not defined where both readers gave one answer throughout",
            got=f"{known[0]!r} for all {a.size} cases",
        )
    counts = np.zeros((known.size, known.size))
    np.add.at(counts, (_index(a, known, "first"), _index(b, known, "second")), 1.0)
    return kappa_of_confusion(counts, weights=weights, level=level)


def fleiss_kappa(
    answers: npt.ArrayLike,
    *,
    generator: np.random.Generator,
    resamples: int = 2000,
    level: float = 0.95,
) -> Row:
    """Return Fleiss' kappa of any number of readers who all answered for every case.

    Args:
        answers: Shape `(readers, cases)`, numbers or text.
        generator: Source of randomness of the bootstrap.
        resamples: Bootstrap resamples of cases.
        level: Coverage of the percentile interval.

    Returns:
        The row `fleiss_kappa`.

    Raises:
        DataError: If there are fewer than two readers or cases, an answer is missing, or all
            answers are the same.

    References:
        Fleiss, Psychological Bulletin 76:378-382, 1971; interval: Zapf et al., BMC Medical
        Research Methodology 16:93, 2016.

    Example:
        >>> answers = [["a", "a", "b", "b"], ["a", "a", "b", "a"], ["a", "b", "b", "b"]]
        >>> round(fleiss_kappa(answers, generator=np.random.default_rng(0)).value, 4)
        0.3333
    """
    table = np.asarray(answers)
    if table.ndim != 2 or min(table.shape) < 2:
        raise DataError(
            "Fleiss' kappa needs answers of two readers for two cases",
            got=f"shape {table.shape}",
        )
    if table.dtype.kind == "f" and np.isnan(table).any():
        reader, case = np.argwhere(np.isnan(table))[0]
        raise DataError(
            "Fleiss' kappa needs every answer",
            got=f"none of reader {reader + 1} for case {case + 1}",
            cure="take Krippendorff's alpha, which allows missing answers",
        )
    counts = _counts(table)
    readers = table.shape[0]
    agreeing = ((counts**2).sum(axis=1) - readers) / (readers * (readers - 1))

    def statistic(weights: FloatArray) -> FloatArray:
        shares = weights @ counts / (readers * weights.sum(axis=1, keepdims=True))
        chance = (shares**2).sum(axis=1)
        observed = weights @ agreeing / weights.sum(axis=1)
        return _beyond_chance(1 - observed, 1 - chance)

    return _bootstrap_row(
        "fleiss_kappa", statistic, table.shape[1], generator, resamples, level, "all answers"
    )


def krippendorff_alpha(
    answers: npt.ArrayLike,
    *,
    scale: Scale,
    generator: np.random.Generator,
    resamples: int = 2000,
    level: float = 0.95,
) -> Row:
    """Return Krippendorff's alpha of any number of readers, also with missing answers.

    Args:
        answers: Shape `(readers, cases)`, numbers; NaN where a reader did not answer.
        scale: `nominal` counts different answers, `ordinal` how many ranks lie between, `interval`
            the squared distance.
        generator: Source of randomness of the bootstrap.
        resamples: Bootstrap resamples of cases.
        level: Coverage of the percentile interval.

    Returns:
        The row `krippendorff_alpha`, n the cases with two answers or more; others say nothing.

    Raises:
        DataError: If fewer than two cases have two answers, all answers are the same, or the scale
            is unknown.

    References:
        Krippendorff, Content Analysis, 4th edition, 2018, chapter 12; interval: Zapf et al., BMC
        Medical Research Methodology 16:93, 2016.

    Example:
        >>> answers = [[1, 2, 3, 3, np.nan], [1, 2, 3, 2, 1], [1, 3, 3, 3, 1]]
        >>> row = krippendorff_alpha(answers, scale="ordinal", generator=np.random.default_rng(0))
        >>> round(row.value, 3), row.n
        (0.81, 5)
    """
    table = np.asarray(answers, dtype=np.float64)
    if scale not in ("nominal", "ordinal", "interval"):
        raise DataError("no such scale", got=repr(scale), cure="nominal, ordinal or interval")
    if table.ndim != 2:
        raise DataError("answers need the shape (readers, cases)", got=f"shape {table.shape}")
    enough = (~np.isnan(table)).sum(axis=0) >= 2
    if int(enough.sum()) < 2:
        raise DataError(
            "Krippendorff's alpha needs two cases with two answers", got=f"{int(enough.sum())}"
        )
    kept = table[:, enough]
    values = np.unique(kept[~np.isnan(kept)])
    counts = _counts(kept)
    paired = counts.sum(axis=1)

    def statistic(weights: FloatArray) -> FloatArray:
        totals = weights @ counts
        answered = totals.sum(axis=1)
        if scale == "nominal":
            apart = (paired**2 - (counts**2).sum(axis=1)) / (paired - 1)
            return _beyond_chance(
                weights @ apart / answered,
                (answered**2 - (totals**2).sum(axis=1)) / (answered * (answered - 1)),
            )
        # The ordinal metric is the interval metric on mean ranks, which each resample has anew.
        place = np.broadcast_to(values - values.mean(), totals.shape)
        if scale == "ordinal":
            place = np.cumsum(totals, axis=1) - totals / 2
        within = 2 * (paired[:, None] * (counts @ (place**2).T) - (counts @ place.T) ** 2)
        seen = (weights.T * within / (paired - 1)[:, None]).sum(axis=0) / answered
        first, second = (totals * place).sum(axis=1), (totals * place**2).sum(axis=1)
        return _beyond_chance(
            seen, 2 * (answered * second - first**2) / (answered * (answered - 1))
        )

    return _bootstrap_row(
        "krippendorff_alpha", statistic, kept.shape[1], generator, resamples, level, scale
    )


def _index(
    answers: npt.NDArray[np.generic], known: npt.NDArray[np.generic], which: str
) -> npt.NDArray[np.intp]:
    found = answers[:, None] == known
    if not found.any(axis=1).all():
        row = int(np.argmin(found.any(axis=1)))
        raise DataError(
            "an answer is none of the categories",
            got=f"{answers[row]!r} of the {which} reader for case {row + 1}",
        )
    return np.asarray(found.argmax(axis=1))


def _counts(table: npt.NDArray[np.generic]) -> FloatArray:
    """Return how many readers gave each answer, shape `(cases, answers)`; NaN is no answer."""
    is_given = np.ones(table.shape, dtype=np.bool_)
    if table.dtype.kind == "f":
        is_given = ~np.isnan(table.astype(np.float64))
    values, code = np.unique(table[is_given], return_inverse=True)
    counts = np.zeros((table.shape[1], values.size))
    np.add.at(counts, (np.nonzero(is_given)[1], code), 1.0)
    return counts


def _beyond_chance(observed: FloatArray, expected: FloatArray) -> FloatArray:
    """Return 1 less the ratio of disagreements; NaN where none is expected."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(expected > 1e-12, 1 - observed / expected, np.nan))


def _bootstrap_row(
    metric: str,
    statistic: Callable[[FloatArray], FloatArray],
    cases: int,
    generator: np.random.Generator,
    resamples: int,
    level: float,
    what: str,
) -> Row:
    value = float(statistic(np.ones((1, cases)))[0])
    if math.isnan(value):
        raise DataError("agreement is not defined where all answers are the same", got="one answer")
    if not 0 < level < 1 or resamples < 1:
        raise DataError("the level of an interval must lie in (0, 1)", got=f"{level}, {resamples}")
    drawn = generator.multinomial(cases, np.full(cases, 1 / cases), size=resamples)
    samples = statistic(drawn.astype(np.float64))
    defined = samples[~np.isnan(samples)]
    method = f"{what}, bootstrap of cases, percentile, {level:.0%}"
    if defined.size < resamples / 2:
        return Row(metric, value, None, None, cases, method)
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Row(metric, value, float(low), float(high), cases, method)
