"""Intervals of the numbers of a 2 x 2 table that are no plain proportions."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import expit, logit

from fracturax.evaluation.confusion import ConfusionTable
from fracturax.evaluation.intervals import (
    ProportionMethod,
    fisher_interval,
    normal_quantile,
    proportion_interval,
)

Interval = tuple[float, float]


def f1_interval(
    table: ConfusionTable, *, level: float = 0.95, method: ProportionMethod = "wilson"
) -> Interval:
    """Return the interval of F1 = 2J / (1 + J), J being tp / (tp + fp + fn), a proportion.

    Raises:
        DataError: If nothing was fractured nor called so.

    Example:
        >>> [round(end, 3) for end in f1_interval(ConfusionTable(90, 20, 10, 180))]
        [0.799, 0.9]
    """
    union = table.tp + table.fp + table.fn
    low, high = proportion_interval(table.tp, union, level=level, method=method)
    return 2 * low / (1 + low), 2 * high / (1 + high)


def balanced_accuracy_interval(
    table: ConfusionTable, *, level: float = 0.95, method: ProportionMethod = "wilson"
) -> Interval:
    """Return the interval of the mean of sensitivity and specificity, squared and added.

    Raises:
        DataError: If a class is missing.

    References:
        Newcombe, Statistics in Medicine 17:873-890, 1998, method 10, with a sum in place of the
        difference; Zou & Donner, Statistics in Medicine 27:1693-1702, 2008.

    Example:
        >>> [round(end, 3) for end in balanced_accuracy_interval(ConfusionTable(90, 20, 10, 180))]
        [0.855, 0.928]
    """
    down = up = mean = 0.0
    for hits, trials in ((table.tp, table.tp + table.fn), (table.tn, table.tn + table.fp)):
        low, high = proportion_interval(hits, trials, level=level, method=method)
        down += (hits / trials - low) ** 2
        up += (high - hits / trials) ** 2
        mean += hits / trials / 2
    return max(mean - math.sqrt(down) / 2, 0.0), min(mean + math.sqrt(up) / 2, 1.0)


def mcc_variance(table: ConfusionTable) -> float:
    """Return the large-sample variance of Matthews' correlation; NaN where it is not defined.

    References:
        Bishop, Fienberg & Holland, Discrete Multivariate Analysis, 1975, equation 11.3-21.

    Example:
        >>> round(mcc_variance(ConfusionTable(90, 20, 10, 180)) ** 0.5, 4)
        0.0373
    """
    tp, fp, fn, _ = (table.counts / table.n).tolist()
    truth, answer = tp + fn, tp + fp
    of_truth, of_answer = truth * (1 - truth), answer * (1 - answer)
    if of_truth * of_answer <= 0:
        return math.nan
    phi = (tp - truth * answer) / math.sqrt(of_truth * of_answer)
    lean_truth = (2 * truth - 1) / math.sqrt(of_truth)
    lean_answer = (2 * answer - 1) / math.sqrt(of_answer)
    variance = (
        1
        - phi**2
        + phi * (1 + phi**2 / 2) * lean_truth * lean_answer
        - 0.75 * phi**2 * (lean_truth**2 + lean_answer**2)
    )
    return float(max(variance, 0.0) / table.n)


def correlation_interval(value: float, variance: float, *, level: float = 0.95) -> Interval | None:
    """Return an interval on Fisher's scale; None where it is perfect or has no variance."""
    if not variance > 1e-15 or abs(value) >= 1 - 1e-12:
        return None
    return fisher_interval(value, math.sqrt(variance), level=level)


def ratio_interval(
    hits_a: int, trials_a: int, hits_b: int, trials_b: int, *, level: float = 0.95
) -> Interval:
    """Return the interval of a ratio of two independent proportions on the log scale.

    Where a count is 0, or all are hits on both sides, 0.5 is added to all hits and 1 to all
    trials; the end on the side of an estimate of 0 or infinity is that estimate.

    References:
        Simel, Samsa & Matchar, J. Clin. Epidemiol. 44:763-770, 1991; the 0.5: Walter,
        Biometrika 62:371-374, 1975.

    Example:
        A likelihood ratio of 90 of 100 against 20 of 200:

        >>> [round(end, 2) for end in ratio_interval(90, 100, 20, 200)]
        [5.91, 13.71]
    """
    a, n_a, b, n_b = float(hits_a), float(trials_a), float(hits_b), float(trials_b)
    if hits_a == 0 or hits_b == 0 or (hits_a == trials_a and hits_b == trials_b):
        a, n_a, b, n_b = a + 0.5, n_a + 1, b + 0.5, n_b + 1
    error = math.sqrt(max(1 / a - 1 / n_a + 1 / b - 1 / n_b, 0.0))
    half = normal_quantile(level) * error
    middle = math.log(a / n_a) - math.log(b / n_b)
    low = 0.0 if hits_a == 0 else math.exp(middle - half)
    high = math.inf if hits_b == 0 else math.exp(middle + half)
    return low, high


def positive_ratio_interval(table: ConfusionTable, *, level: float = 0.95) -> Interval:
    """Return the interval of the positive likelihood ratio; its upper end may be infinite."""
    return ratio_interval(table.tp, table.tp + table.fn, table.fp, table.fp + table.tn, level=level)


def negative_ratio_interval(table: ConfusionTable, *, level: float = 0.95) -> Interval:
    """Return the interval of the negative likelihood ratio; its upper end may be infinite."""
    return ratio_interval(table.fn, table.tp + table.fn, table.tn, table.fp + table.tn, level=level)


def predictive_intervals(
    table: ConfusionTable, prevalence: float, *, level: float = 0.95
) -> tuple[Interval, Interval]:
    """Return the intervals of PPV and NPV where the prevalence is another.

    They are those of the likelihood ratios, turned into chances: intervals on the logit scale.

    References:
        Mercaldo, Lau & Zhou, Statistics in Medicine 26:2170-2183, 2007.

    Example:
        >>> of_ppv, of_npv = predictive_intervals(ConfusionTable(90, 20, 10, 180), 0.1)
        >>> [round(end, 3) for end in (*of_ppv, *of_npv)]
        [0.396, 0.604, 0.978, 0.993]
    """
    odds = float(logit(prevalence))
    with np.errstate(divide="ignore"):
        of_positive = np.log(positive_ratio_interval(table, level=level))
        of_negative = np.log(negative_ratio_interval(table, level=level))
    ppv = expit(odds + of_positive)
    npv = expit(-odds - of_negative)
    return (float(ppv[0]), float(ppv[1])), (float(npv[1]), float(npv[0]))
