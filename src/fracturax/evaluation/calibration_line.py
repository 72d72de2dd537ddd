"""Calibration slope, intercept and ratio of expected to observed fractures."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from fracturax.core.errors import DataError
from fracturax.evaluation.influence import influence_variance
from fracturax.evaluation.intervals import normal_quantile, percent
from fracturax.evaluation.result import Evaluation, Row
from fracturax.evaluation.sample import Sample, check_both_classes, check_sample

FloatArray = npt.NDArray[np.float64]


def calibration_line(
    reference: npt.ArrayLike,
    probability: npt.ArrayLike,
    *,
    level: float = 0.95,
    groups: npt.ArrayLike | None = None,
) -> Evaluation:
    """Return how the log-odds of the truth follow those of the model, with intervals.

    Args:
        reference: Labels 0 or 1, shape `(n,)`.
        probability: Probabilities in (0, 1), shape `(n,)`; 0 and 1 have no log-odds.
        level: Coverage of the intervals.
        groups: Rows that are not independent share a value, shape `(n,)`; None takes all as
            independent.

    Returns:
        `calibration_slope` (1 if calibrated; below 1: too extreme), `calibration_intercept`
        (in the large, at slope 1; 0 if calibrated, above 0: too low) and `expected_to_observed`
        (fractures expected to fractures there; 1 if calibrated).

    Raises:
        DataError: If the rows are not valid, a probability is 0 or 1, a class is missing, or a
            probability tells the classes apart perfectly, so that no slope is finite.

    References:
        Cox, Biometrika 45:562-565, 1958; Van Calster et al., BMC Medicine 17:230, 2019; groups:
        Liang & Zeger, Biometrika 73:13-22, 1986.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> probability = generator.uniform(0.05, 0.95, size=4000)
        >>> reference = generator.uniform(size=4000) < probability
        >>> for row in calibration_line(reference, probability).rows:
        ...     print(row.metric, round(row.value, 2), row.low < row.value < row.high)
        calibration_slope 0.98 True
        calibration_intercept 0.05 True
        expected_to_observed 0.98 True
    """
    sample = check_sample(reference, probability, is_probability=True)
    check_both_classes(sample)
    edge = (sample.score == 0) | (sample.score == 1)
    if edge.any():
        row = int(np.argmax(edge))
        raise DataError(
            "a probability of 0 or 1 has no log-odds",
            got=f"{sample.score[row]} in row {row + 1}",
            cure="calibrate the scores first (fit_platt), which gives neither",
        )
    _check_overlap(sample)
    target = sample.positive.astype(np.float64)
    odds = logit(sample.score)
    ones = np.ones((odds.size, 1))
    line, line_pulls = _fit(np.column_stack([ones, odds]), np.zeros(odds.size), target)
    level_only, level_pulls = _fit(ones, odds, target)
    observed, expected = float(target.mean()), float(sample.score.mean())
    ratio = expected / observed
    ratio_pulls = (
        (sample.score - expected) / expected - (target - observed) / observed
    ) / odds.size
    z, n = normal_quantile(level), odds.size
    of_slope = z * _error(line_pulls[:, 1], groups)
    of_level = z * _error(level_pulls[:, 0], groups)
    of_ratio = z * _error(ratio_pulls, groups)
    words = "" if groups is None else " by groups"
    wald = f"logistic regression, sandwich{words}, {percent(level)}"
    slope, intercept = float(line[1]), float(level_only[0])
    return Evaluation(
        (
            Row("calibration_slope", slope, slope - of_slope, slope + of_slope, n, wald),
            Row(
                "calibration_intercept",
                intercept,
                intercept - of_level,
                intercept + of_level,
                n,
                wald,
            ),
            Row(
                "expected_to_observed",
                ratio,
                ratio * math.exp(-of_ratio),
                ratio * math.exp(of_ratio),
                n,
                f"delta method{words}, log scale, {percent(level)}",
            ),
        )
    )


def _fit(
    design: FloatArray, offset: FloatArray, target: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return coefficients of a logistic regression, and how much each row moves them."""
    theta = np.zeros(design.shape[1])
    for _ in range(100):
        chance = expit(design @ theta + offset)
        curvature = (design * (chance * (1 - chance))[:, None]).T @ design
        slope = design.T @ (target - chance)
        step = np.linalg.solve(curvature, slope)
        # Halved until the likelihood does not fall: Newton overshoots from far away.
        here = _log_likelihood(design @ theta + offset, target)
        while _log_likelihood(design @ (theta + step) + offset, target) < here - 1e-12 * abs(here):
            step = step / 2
        theta = theta + step
        if np.abs(step).max() < 1e-10 * (1 + np.abs(theta).max()):
            break
    residual = target - expit(design @ theta + offset)
    return theta, (design * residual[:, None]) @ np.linalg.inv(curvature)


def _log_likelihood(odds: FloatArray, target: FloatArray) -> float:
    return float((target * odds - np.logaddexp(0, odds)).sum())


def _error(pulls: FloatArray, groups: npt.ArrayLike | None) -> float:
    return math.sqrt(influence_variance(pulls, groups))


def _check_overlap(sample: Sample) -> None:
    yes, no = sample.score[sample.positive], sample.score[~sample.positive]
    if yes.min() >= no.max() or yes.max() <= no.min():
        raise DataError(
            "a calibration slope needs classes whose probabilities overlap",
            got=f"fractured {yes.min()} to {yes.max()}, healthy {no.min()} to {no.max()}",
            cure="use more cases, or report the calibration in the large",
        )
