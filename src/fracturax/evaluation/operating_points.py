"""Thresholds: chosen on one part of the cases, applied to another, never to the same."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError, LeakageError
from fracturax.evaluation.confusion import ConfusionTable
from fracturax.evaluation.sample import check_both_classes, check_sample


class ThresholdRule(Protocol):
    """How a threshold is chosen; named, so that a number can say where it was taken."""

    @property
    def name(self) -> str:
        """The rule in a few words."""

    def threshold(self, reference: npt.ArrayLike, probability: npt.ArrayLike) -> float:
        """Return the threshold that the rule takes on these rows."""


@dataclass(frozen=True)
class Youden:
    """The threshold of highest sensitivity + specificity - 1.

    References:
        Youden, Cancer 3:32-35, 1950.
    """

    name: str = "Youden"

    def threshold(self, reference: npt.ArrayLike, probability: npt.ArrayLike) -> float:
        """Return the threshold, as `threshold_for_cost` with equal costs and classes."""
        return threshold_for_cost(reference, probability, prevalence=0.5)


@dataclass(frozen=True)
class AtSensitivity:
    """The threshold of highest specificity whose sensitivity reaches a bound.

    Args:
        at_least: Sensitivity to reach, in (0, 1].
    """

    at_least: float

    @property
    def name(self) -> str:
        """The rule in a few words."""
        return f"sensitivity >= {self.at_least:g}"

    def threshold(self, reference: npt.ArrayLike, probability: npt.ArrayLike) -> float:
        """Return the threshold, as `threshold_for_sensitivity`."""
        return threshold_for_sensitivity(reference, probability, self.at_least)


@dataclass(frozen=True)
class AtSpecificity:
    """The threshold of highest sensitivity whose specificity reaches a bound.

    Args:
        at_least: Specificity to reach, in (0, 1].
    """

    at_least: float

    @property
    def name(self) -> str:
        """The rule in a few words."""
        return f"specificity >= {self.at_least:g}"

    def threshold(self, reference: npt.ArrayLike, probability: npt.ArrayLike) -> float:
        """Return the threshold, as `threshold_for_specificity`."""
        return threshold_for_specificity(reference, probability, self.at_least)


@dataclass(frozen=True)
class LeastCost:
    """The threshold of least expected cost.

    Args:
        missed: Cost of a missed fracture, against
        false_alarm: that of a false alarm.
        prevalence: Share of fractures where the threshold will be used; None takes that of the
            rows it is chosen on.
    """

    missed: float
    false_alarm: float = 1.0
    prevalence: float | None = None

    @property
    def name(self) -> str:
        """The rule in a few words."""
        where = "" if self.prevalence is None else f" at prevalence {self.prevalence:g}"
        return f"least cost, missed : false alarm = {self.missed:g} : {self.false_alarm:g}{where}"

    def threshold(self, reference: npt.ArrayLike, probability: npt.ArrayLike) -> float:
        """Return the threshold, as `threshold_for_cost`."""
        return threshold_for_cost(
            reference,
            probability,
            missed=self.missed,
            false_alarm=self.false_alarm,
            prevalence=self.prevalence,
        )


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold that knows the cases it was chosen on, and refuses to be measured on them.

    Args:
        rule: How it was chosen.
        threshold: An image is called fractured at or above it.
        chosen_on: Keys (patients) of the cases it was chosen on.
    """

    rule: str
    threshold: float
    chosen_on: frozenset[str]

    def confusion(
        self, reference: npt.ArrayLike, probability: npt.ArrayLike, keys: npt.ArrayLike
    ) -> ConfusionTable:
        """Return the 2 x 2 table of other cases at this threshold.

        Args:
            reference: Labels 0 or 1, shape `(n,)`.
            probability: Scores, shape `(n,)`.
            keys: `patient_key` of each row, shape `(n,)`.

        Raises:
            LeakageError: If a key is one that the threshold was chosen on; names it and its row.
            DataError: If the rows are not valid.
        """
        sample = check_sample(reference, probability)
        names = _keys(keys, sample.score.size)
        for row, key in enumerate(names, 1):
            if key in self.chosen_on:
                shared = len(self.chosen_on.intersection(names))
                raise LeakageError(
                    "a threshold is measured on a case it was chosen on",
                    got=f"{key!r} in row {row}; {shared} keys are shared",
                    cure="choose on one part of the patients and measure on another",
                )
        return ConfusionTable.of(sample.positive, sample.score >= self.threshold)


def choose_operating_point(
    reference: npt.ArrayLike, probability: npt.ArrayLike, keys: npt.ArrayLike, rule: ThresholdRule
) -> OperatingPoint:
    """Choose a threshold on some cases, to be applied to others.

    Args:
        reference: Labels 0 or 1, shape `(n,)`.
        probability: Scores, shape `(n,)`.
        keys: `patient_key` of each row, shape `(n,)`.
        rule: `Youden()`, `AtSensitivity(0.95)`, `AtSpecificity(0.95)`, `LeastCost(...)`.

    Raises:
        DataError: If the rows are not valid, a class is missing or the rule is not one.

    Example:
        >>> point = choose_operating_point(
        ...     [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], ["a", "b", "c", "d"], AtSensitivity(0.9))
        >>> round(point.threshold, 3), point.rule
        (0.225, 'sensitivity >= 0.9')
        >>> point.confusion([0, 1], [0.3, 0.6], ["e", "f"])
        ConfusionTable(tp=1, fp=1, fn=0, tn=0)
    """
    names = _keys(keys, np.size(probability))
    return OperatingPoint(rule.name, rule.threshold(reference, probability), frozenset(names))


def threshold_for_cost(
    reference: npt.ArrayLike,
    probability: npt.ArrayLike,
    *,
    missed: float = 1.0,
    false_alarm: float = 1.0,
    prevalence: float | None = None,
) -> float:
    """Return the threshold of least expected cost; of several, the most sensitive one.

    Args:
        reference: Labels 0 or 1, shape `(n,)`.
        probability: Scores, shape `(n,)`.
        missed: Cost of a missed fracture.
        false_alarm: Cost of a false alarm.
        prevalence: Share of fractures where it will be used, in (0, 1); None takes these rows'.

    Returns:
        A threshold half-way between two observed scores; the lowest score where all are called,
        just above the highest where none is.

    Raises:
        DataError: If the rows are not valid, a class is missing, a cost is not positive or the
            prevalence is not in (0, 1).

    References:
        Metz, Seminars in Nuclear Medicine 8:283-298, 1978.

    Example:
        >>> threshold_for_cost([0, 0, 1, 1], [0.1, 0.5, 0.4, 0.8])
        0.25
        >>> round(threshold_for_cost([0, 0, 1, 1], [0.1, 0.5, 0.4, 0.8], false_alarm=5), 3)
        0.65
    """
    sample = check_sample(reference, probability)
    check_both_classes(sample)
    if not (0 < missed < math.inf and 0 < false_alarm < math.inf):
        raise DataError("a cost must be positive", got=f"{missed} and {false_alarm}")
    share = float(sample.positive.mean()) if prevalence is None else prevalence
    if not 0 < share < 1:
        raise DataError("a prevalence must lie in (0, 1)", got=str(share))
    scores, score_of_row = np.unique(sample.score, return_inverse=True)
    positives = np.bincount(score_of_row, sample.positive, minlength=scores.size)
    negatives = np.bincount(score_of_row, ~sample.positive, minlength=scores.size)
    # At position i the scores from the i-th on are called; at the last position none is.
    misses = np.append(0.0, np.cumsum(positives)) / positives.sum()
    alarms = 1 - np.append(0.0, np.cumsum(negatives)) / negatives.sum()
    cost = share * missed * misses + (1 - share) * false_alarm * alarms
    best = int(np.flatnonzero(cost <= cost.min() + 1e-12 * (missed + false_alarm))[0])
    if best == 0:
        return float(scores[0])
    if best == scores.size:
        return float(np.nextafter(scores[-1], np.inf))
    return _between(float(scores[best - 1]), float(scores[best]))


def threshold_for_sensitivity(
    reference: npt.ArrayLike, probability: npt.ArrayLike, at_least: float
) -> float:
    """Return the threshold of highest specificity whose sensitivity is at least a bound.

    An image is called fractured at or above the threshold. It lies half-way between two observed
    scores, so that another machine's rounding does not turn a case.

    Args:
        reference: Labels 0 or 1, shape `(n,)`.
        probability: Scores, shape `(n,)`.
        at_least: Sensitivity to reach on these rows, in (0, 1].

    Raises:
        DataError: If the rows are not valid, there is no fractured image or the bound is not in
            (0, 1].

    Example:
        >>> threshold_for_sensitivity([0, 0, 1, 1], [0.1, 0.5, 0.4, 0.8], at_least=0.9)
        0.25
    """
    sample = check_sample(reference, probability)
    scores = np.sort(sample.score[sample.positive])[::-1]
    needed = _needed(at_least, scores.size, "fractured")
    lowest_called = float(scores[needed - 1])
    below = sample.score[sample.score < lowest_called]
    return _between(float(below.max()), lowest_called) if below.size else lowest_called


def threshold_for_specificity(
    reference: npt.ArrayLike, probability: npt.ArrayLike, at_least: float
) -> float:
    """Return the threshold of highest sensitivity whose specificity is at least a bound.

    Args:
        reference: Labels 0 or 1, shape `(n,)`.
        probability: Scores, shape `(n,)`.
        at_least: Specificity to reach on these rows, in (0, 1].

    Returns:
        A threshold half-way between two observed scores; just above the highest score where the
        bound asks for that.

    Raises:
        DataError: If the rows are not valid, there is no healthy image or the bound is not in
            (0, 1].

    Example:
        >>> threshold_for_specificity([0, 0, 1, 1], [0.1, 0.5, 0.4, 0.8], at_least=0.9)
        0.65
    """
    sample = check_sample(reference, probability)
    scores = np.sort(sample.score[~sample.positive])
    needed = _needed(at_least, scores.size, "healthy")
    highest_passed = float(scores[needed - 1])
    above = sample.score[sample.score > highest_passed]
    if above.size:
        return _between(highest_passed, float(above.min()))
    return float(np.nextafter(highest_passed, np.inf))


def _needed(at_least: float, total: int, kind: str) -> int:
    """Return the smallest count whose share of `total` reaches the bound as a float does."""
    if total == 0:
        raise DataError(f"a threshold needs {kind} images", got="none")
    if not 0 < at_least <= 1:
        raise DataError("the bound of a threshold must lie in (0, 1]", got=str(at_least))
    count = max(math.ceil(at_least * total) - 1, 1)
    while count / total < at_least:
        count += 1
    return count


def _between(low: float, high: float) -> float:
    middle = low + (high - low) / 2
    return middle if low < middle <= high else high


def _keys(keys: npt.ArrayLike, rows: int) -> list[str]:
    names = np.asarray(keys)
    if names.shape != (rows,):
        raise DataError("a threshold needs one key a row", got=f"{names.shape} for {rows} rows")
    return [str(name) for name in names.tolist()]
