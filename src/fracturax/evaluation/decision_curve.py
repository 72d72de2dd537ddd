"""Is it worth acting on the model? Net benefit against treating all or none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.evaluation.bootstrap import group_bootstrap_tallies
from fracturax.evaluation.intervals import percent
from fracturax.evaluation.sample import check_both_classes, check_sample

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DecisionCurve:
    """Net benefit at threshold probabilities; every array has shape `(thresholds,)`.

    Args:
        thresholds: Probability of a fracture at which acting is worth it.
        model: Net benefit of acting on the model, in true positives a case.
        low: Lower end of its interval.
        high: Upper end of it.
        treat_all: Net benefit of acting on everyone; acting on nobody has 0.
        gain: What the model is worth beyond the better of acting on all and on nobody.
        gain_low: Lower end of the interval of the gain.
        gain_high: Upper end of it.
        n: How many cases.
        method: How the intervals came to be.
    """

    thresholds: FloatArray
    model: FloatArray
    low: FloatArray
    high: FloatArray
    treat_all: FloatArray
    gain: FloatArray
    gain_low: FloatArray
    gain_high: FloatArray
    n: int
    method: str


def net_benefit(
    reference: npt.ArrayLike, probability: npt.ArrayLike, thresholds: npt.ArrayLike
) -> FloatArray:
    """Return the net benefit of acting at or above threshold probabilities.

    True positives a case, less false positives a case times the odds of the threshold.

    Args:
        reference: Labels 0 or 1, shape `(n,)`.
        probability: Probabilities, shape `(n,)`.
        thresholds: Threshold probabilities in (0, 1), shape `(k,)`.

    Returns:
        Net benefit, shape `(k,)`, at most the prevalence.

    Raises:
        DataError: If the rows are not valid or a threshold is not in (0, 1).

    References:
        Vickers & Elkin, Medical Decision Making 26:565-574, 2006.

    Example:
        Of four called at 0.2, three are fractured:

        >>> net_benefit([1, 1, 1, 0, 0], [0.9, 0.8, 0.3, 0.4, 0.1], [0.2]).round(3)
        array([0.55])
    """
    sample = check_sample(reference, probability, is_probability=True)
    chosen = _thresholds(thresholds)
    rows = _benefit_rows(sample.positive, sample.score, chosen)
    return np.asarray(rows.mean(axis=0))


def decision_curve(
    reference: npt.ArrayLike,
    probability: npt.ArrayLike,
    *,
    generator: np.random.Generator,
    thresholds: npt.ArrayLike | None = None,
    groups: npt.ArrayLike | None = None,
    resamples: int = 2000,
    level: float = 0.95,
) -> DecisionCurve:
    """Return net benefit and gain at threshold probabilities, with bootstrap intervals.

    Args:
        reference: Labels 0 or 1, shape `(n,)`.
        probability: Probabilities, shape `(n,)`.
        generator: Source of randomness.
        thresholds: Threshold probabilities in (0, 1), shape `(k,)`; None takes 0.01 to 0.99.
        groups: Rows that are not independent share a value, shape `(n,)`; None draws each alone.
        resamples: How many resamples.
        level: Coverage of the intervals, threshold by threshold.

    Raises:
        DataError: As `net_benefit`, or if one class is missing.

    References:
        Vickers et al., BMC Medical Informatics and Decision Making 8:53, 2008.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> probability = generator.uniform(size=300)
        >>> reference = generator.uniform(size=300) < probability
        >>> curve = decision_curve(reference, probability, generator=generator,
        ...                        thresholds=[0.3, 0.5], resamples=200)
        >>> bool((curve.low < curve.model).all()), bool((curve.gain > 0).all())
        (True, True)
    """
    sample = check_sample(reference, probability, is_probability=True)
    check_both_classes(sample)
    chosen = _thresholds(np.arange(1, 100) / 100 if thresholds is None else thresholds)
    n, size = sample.score.size, chosen.size
    odds = chosen / (1 - chosen)
    rows = _benefit_rows(sample.positive, sample.score, chosen)
    tallies = np.column_stack([rows, sample.positive, np.ones(n)])

    def measure(sums: FloatArray) -> FloatArray:
        model = sums[:, :size] / sums[:, -1:]
        prevalence = sums[:, size : size + 1] / sums[:, -1:]
        everyone = prevalence - (1 - prevalence) * odds
        return np.column_stack([model, model - np.maximum(everyone, 0.0)])

    drawn = group_bootstrap_tallies(
        np.arange(n) if groups is None else groups,
        tallies,
        measure,
        generator=generator,
        resamples=resamples,
        level=level,
        bca=False,
    )
    ends = np.array([drawn.interval(position) for position in range(2 * size)])
    found = measure(tallies.sum(axis=0, keepdims=True))[0]
    prevalence = float(sample.positive.mean())
    words = "" if groups is None else " by groups"
    return DecisionCurve(
        thresholds=chosen,
        model=found[:size],
        low=ends[:size, 0],
        high=ends[:size, 1],
        treat_all=prevalence - (1 - prevalence) * odds,
        gain=found[size:],
        gain_low=ends[size:, 0],
        gain_high=ends[size:, 1],
        n=n,
        method=f"{drawn.method}{words}, {resamples} resamples, {percent(level)}",
    )


def _benefit_rows(
    positive: npt.NDArray[np.bool_], score: FloatArray, thresholds: FloatArray
) -> FloatArray:
    """Return what each row adds to the net benefit at each threshold, shape `(n, k)`."""
    called = score[:, None] >= thresholds
    worth = np.where(positive[:, None], 1.0, -thresholds / (1 - thresholds))
    return np.asarray(called * worth)


def _thresholds(thresholds: npt.ArrayLike) -> FloatArray:
    chosen = np.asarray(thresholds, dtype=np.float64)
    if chosen.ndim != 1 or chosen.size == 0 or not ((chosen > 0) & (chosen < 1)).all():
        raise DataError("threshold probabilities must be a row in (0, 1)", got=str(chosen.tolist()))
    return chosen
