"""The AUROC of several classes: each against the rest, their mean, and Hand and Till's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.evaluation.delong import placements
from fracturax.evaluation.influence import auroc_pulls, influence_variance
from fracturax.evaluation.intervals import logit_interval, percent
from fracturax.evaluation.result import Evaluation, Row
from fracturax.evaluation.sample import check_sample

FloatArray = npt.NDArray[np.float64]


def multiclass_auroc(
    reference: Sequence[str] | npt.NDArray[np.generic],
    probability: npt.ArrayLike,
    *,
    labels: Sequence[str],
    level: float = 0.95,
    groups: npt.ArrayLike | None = None,
) -> Evaluation:
    """Return the AUROC of several classes with intervals, also of images that come in groups.

    Args:
        reference: Class of each row, shape `(n,)`.
        probability: Probability of each class, shape `(n, k)`, each row summing to 1.
        labels: Names of the classes, in the order of the columns.
        level: Coverage of the intervals.
        groups: Rows that are not independent share a value, shape `(n,)`; None takes all as
            independent.

    Returns:
        `auroc_hand_till` (mean over all pairs of classes of how well each tells the two apart;
        the prevalences do not matter), `auroc_macro` (mean of the following), and `auroc:LABEL`
        of each class against the rest. Without interval where the variance is 0.

    Raises:
        DataError: If the rows are not valid, a probability is not in [0, 1] or a row does not sum
            to 1, a reference is not among the labels, or a class has fewer than two rows; names
            row and column.

    References:
        Hand & Till, Machine Learning 45:171-186, 2001; the variance of all of them from DeLong's
        placements, by the infinitesimal jackknife.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> truth = np.arange(90) % 3
        >>> weight = np.exp(np.eye(3)[truth] + generator.normal(size=(90, 3)))
        >>> probability = weight / weight.sum(axis=1, keepdims=True)
        >>> labels = ("none", "simple", "complex")
        >>> evaluation = multiclass_auroc(np.array(labels)[truth], probability, labels=labels)
        >>> evaluation.metrics[:3]
        ('auroc_hand_till', 'auroc_macro', 'auroc:none')
        >>> row = evaluation["auroc_hand_till"]
        >>> row.low < row.value < row.high
        True
    """
    names = [str(label) for label in labels]
    scores = _checked(probability, names)
    truth = np.array([str(value) for value in np.asarray(reference).tolist()])
    if truth.shape != scores.shape[:1]:
        raise DataError(
            "reference and probability need one row an image",
            got=f"{truth.shape} and {scores.shape}",
        )
    stranger = ~np.isin(truth, names)
    if stranger.any():
        row = int(np.argmax(stranger))
        raise DataError(
            "the reference holds a class that is not among the labels",
            got=f"{truth[row].item()!r} in row {row + 1}",
            cure=f"use {', '.join(names)}",
        )
    members = [truth == name for name in names]
    for name, inside in zip(names, members, strict=True):
        if int(inside.sum()) < 2:
            raise DataError(
                "the AUROC of a class needs two of its images",
                got=f"{int(inside.sum())} of class {name!r}",
            )
    everyone = np.ones(truth.size, dtype=bool)
    against_rest = [_area(scores[:, at], inside, everyone) for at, inside in enumerate(members)]
    pairs = []
    for one, two in combinations(range(len(names)), 2):
        both = members[one] | members[two]
        pairs.append(_area(scores[:, one], members[one], both))
        pairs.append(_area(scores[:, two], members[two], both))
    rows = [
        _row("auroc_hand_till", _mean(pairs), groups, level),
        _row("auroc_macro", _mean(against_rest), groups, level),
        *(
            _row(f"auroc:{name}", found, groups, level)
            for name, found in zip(names, against_rest, strict=True)
        ),
    ]
    return Evaluation(tuple(rows))


_Area = tuple[float, FloatArray]


def _area(
    score: FloatArray, positive: npt.NDArray[np.bool_], chosen: npt.NDArray[np.bool_]
) -> _Area:
    """Return an area over some rows, and how much each of all rows moves it."""
    of_positives, of_negatives = placements(check_sample(positive[chosen], score[chosen]))
    pulls = np.zeros(score.size)
    pulls[chosen] = auroc_pulls(positive[chosen], of_positives, of_negatives)
    return float(of_positives.mean()), pulls


def _mean(areas: Sequence[_Area]) -> _Area:
    value = math.fsum(area for area, _ in areas) / len(areas)
    return value, np.mean([pulls for _, pulls in areas], axis=0)


def _row(name: str, found: _Area, groups: npt.ArrayLike | None, level: float) -> Row:
    value, pulls = found
    words = "" if groups is None else " by groups"
    method = f"infinitesimal jackknife{words}, logit scale, {percent(level)}"
    variance = influence_variance(pulls, groups)
    if variance == 0 or not 0 < value < 1:
        return Row(name, value, None, None, pulls.size, method)
    low, high = logit_interval(value, math.sqrt(variance), level=level)
    return Row(name, value, low, high, pulls.size, method)


def _checked(probability: npt.ArrayLike, names: list[str]) -> FloatArray:
    scores = np.asarray(probability, dtype=np.float64)
    if scores.ndim != 2 or scores.shape[1] != len(names) or len(set(names)) < 2:
        raise DataError(
            "the probabilities need one column a class, of two classes or more",
            got=f"shape {scores.shape} for {names}",
        )
    wrong = ~((scores >= 0) & (scores <= 1))
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise DataError(
            "a probability lies outside [0, 1]",
            got=f"{scores[row, column]} in row {row + 1}, column {names[column]!r}",
        )
    off = np.abs(scores.sum(axis=1) - 1) > 1e-4
    if off.any():
        row = int(np.argmax(off))
        raise DataError(
            "the probabilities of a row do not sum to 1",
            got=f"{scores[row].sum()} in row {row + 1}",
        )
    return scores
