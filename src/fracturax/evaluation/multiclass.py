"""Several classes at once: the confusion matrix, and numbers a class, on average and pooled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.evaluation.binary import binary_evaluation
from fracturax.evaluation.confusion import ConfusionTable
from fracturax.evaluation.intervals import (
    ProportionMethod,
    logit_interval,
    percent,
    proportion_interval,
    proportion_row,
)
from fracturax.evaluation.kappa import KappaWeights, kappa_of_confusion
from fracturax.evaluation.result import Evaluation, Row

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ConfusionMatrix:
    """Counts of answers against the reference, of two classes or more.

    Args:
        labels: Names of the classes, in the order of the matrix.
        counts: Reference down, answer across, int64 of shape `(k, k)`.

    Raises:
        DataError: If the counts do not fit the labels, one is negative or all are 0.

    Example:
        >>> matrix = ConfusionMatrix.of(["a", "b", "b", "c"], ["a", "b", "c", "c"])
        >>> matrix.labels, matrix.counts.tolist()
        (('a', 'b', 'c'), [[1, 0, 0], [0, 1, 1], [0, 0, 1]])
        >>> matrix.one_against_rest("b")
        ConfusionTable(tp=1, fp=0, fn=1, tn=2)
    """

    labels: tuple[str, ...]
    counts: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        size = len(self.labels)
        if size < 2 or len(set(self.labels)) != size or self.counts.shape != (size, size):
            raise DataError(
                "a confusion matrix needs two labels or more, each once, and a count a pair",
                got=f"{self.labels} and shape {self.counts.shape}",
            )
        if (self.counts < 0).any() or not self.counts.any():
            raise DataError("a confusion matrix holds counts, not all 0", got=str(self.counts))

    @classmethod
    def of(
        cls,
        reference: Sequence[str] | npt.NDArray[np.generic],
        answer: Sequence[str] | npt.NDArray[np.generic],
        *,
        labels: Sequence[str] | None = None,
    ) -> ConfusionMatrix:
        """Count answers against the reference.

        Args:
            reference: Class of each row, shape `(n,)`.
            answer: Class that each was called, shape `(n,)`.
            labels: Classes in the order wanted (of severity, for a weighted kappa); None takes
                those that occur, sorted.

        Raises:
            DataError: If the rows differ in length, there is none, or a class is not among the
                labels; names the row.
        """
        truth = [str(value) for value in np.asarray(reference).tolist()]
        called = [str(value) for value in np.asarray(answer).tolist()]
        if len(truth) != len(called) or not truth:
            raise DataError(
                "reference and answers must be rows of equal length, at least one",
                got=f"{len(truth)} and {len(called)} rows",
            )
        names = tuple(sorted({*truth, *called})) if labels is None else tuple(map(str, labels))
        place = {name: position for position, name in enumerate(names)}
        for column, values in (("reference", truth), ("answer", called)):
            for row, value in enumerate(values, 1):
                if value not in place:
                    raise DataError(
                        f"the {column} holds a class that is not among the labels",
                        got=f"{value!r} in row {row}",
                        cure=f"use {', '.join(names)}",
                    )
        size = len(names)
        flat = [place[one] * size + place[two] for one, two in zip(truth, called, strict=True)]
        counts = np.bincount(flat, minlength=size * size).reshape(size, size)
        return cls(names, counts.astype(np.int64))

    def one_against_rest(self, label: str) -> ConfusionTable:
        """Return the 2 x 2 table of one class against all others.

        Raises:
            DataError: If there is no such class.
        """
        if label not in self.labels:
            raise DataError("there is no such class", got=repr(label), cure=f"{self.labels}")
        at = self.labels.index(label)
        hit = int(self.counts[at, at])
        called, true = int(self.counts[:, at].sum()), int(self.counts[at].sum())
        total = int(self.counts.sum())
        return ConfusionTable(hit, called - hit, true - hit, total - called - true + hit)


def multiclass_evaluation(
    matrix: ConfusionMatrix,
    *,
    level: float = 0.95,
    method: ProportionMethod = "wilson",
    kappa_weights: KappaWeights = "none",
) -> Evaluation:
    """Return the numbers of a confusion matrix of independent cases, each with its interval.

    Pooled over the classes (micro), sensitivity, PPV and F1 are all the accuracy, as every case
    has one class and one answer; it is given once.

    Args:
        matrix: The counts.
        level: Coverage of the intervals.
        method: Interval of the proportions, as in `binary_evaluation`.
        kappa_weights: Also give kappa with `linear` or `quadratic` weights; the labels are then
            in their order.

    Returns:
        Accuracy, kappa, `macro_sensitivity`, `macro_ppv`, `macro_f1` (means over the classes),
        then sensitivity, specificity, PPV, NPV and F1 of each class against the rest. What is
        not defined is left out and named in the notes: a mean where one of its parts is not.

    References:
        Macro F1: Takahashi et al., Applied Intelligence 52:4961-4972, 2022; macro sensitivity:
        squared and added, Zou & Donner, Statistics in Medicine 27:1693-1702, 2008.

    Example:
        >>> matrix = ConfusionMatrix(("no", "doubt", "yes"), np.array([[80, 15, 5],
        ...                                                          [10, 30, 10],
        ...                                                          [2, 8, 40]]))
        >>> evaluation = multiclass_evaluation(matrix, kappa_weights="quadratic")
        >>> round(evaluation["accuracy"].value, 3), round(evaluation["macro_f1"].value, 3)
        (0.75, 0.726)
        >>> evaluation["sensitivity:yes"].n
        50
    """
    counts = matrix.counts.astype(np.float64)
    total = int(counts.sum())
    right = int(np.trace(matrix.counts))
    rows = [proportion_row("accuracy", right, total, level=level, method=method)]
    missing: list[str] = []
    rows += _kappas(matrix, kappa_weights, level, missing)
    true, called = counts.sum(axis=1), counts.sum(axis=0)
    for row, name, is_defined in (
        (_macro_sensitivity, "macro_sensitivity", true.all()),
        (_macro_ppv, "macro_ppv", called.all()),
        (_macro_f1, "macro_f1", (true + called).all()),
    ):
        if is_defined:
            rows.append(row(matrix, level, method))
        else:
            missing.append(name)
    wanted = ("sensitivity", "specificity", "ppv", "npv", "f1")
    for label in matrix.labels:
        of_label = binary_evaluation(matrix.one_against_rest(label), level=level, method=method)
        for metric in wanted:
            if metric in of_label:
                found = of_label[metric]
                name = f"{metric}:{label}"
                rows.append(Row(name, found.value, found.low, found.high, found.n, found.method))
            else:
                missing.append(f"{metric}:{label}")
    notes = (f"Not defined on these counts: {', '.join(missing)}.",) if missing else ()
    return Evaluation(tuple(rows), notes)


def _kappas(
    matrix: ConfusionMatrix, weights: KappaWeights, level: float, missing: list[str]
) -> list[Row]:
    kinds: list[KappaWeights] = ["none"] if weights == "none" else ["none", weights]
    if np.count_nonzero(matrix.counts.sum(axis=0) + matrix.counts.sum(axis=1)) < 2:
        missing.append("kappa")
        return []
    return [kappa_of_confusion(matrix.counts, weights=kind, level=level) for kind in kinds]


def _macro_sensitivity(matrix: ConfusionMatrix, level: float, method: ProportionMethod) -> Row:
    # Classes are different cases: their sensitivities are independent, and their errors add.
    down = up = mean = 0.0
    size = len(matrix.labels)
    for at, of_class in enumerate(matrix.counts):
        hits, trials = int(of_class[at]), int(of_class.sum())
        low, high = proportion_interval(hits, trials, level=level, method=method)
        down += (hits / trials - low) ** 2
        up += (high - hits / trials) ** 2
        mean += hits / trials / size
    low, high = mean - math.sqrt(down) / size, mean + math.sqrt(up) / size
    words = "Wilson" if method == "wilson" else "Clopper-Pearson"
    return Row(
        "macro_sensitivity",
        mean,
        max(low, 0.0),
        min(high, 1.0),
        int(matrix.counts.sum()),
        f"{words}, squared and added, {percent(level)}",
    )


def _macro_ppv(matrix: ConfusionMatrix, level: float, method: ProportionMethod) -> Row:
    # Given what was called, PPVs are proportions of different cases, as sensitivities are.
    turned = ConfusionMatrix(matrix.labels, np.ascontiguousarray(matrix.counts.T))
    row = _macro_sensitivity(turned, level, method)
    return Row("macro_ppv", row.value, row.low, row.high, row.n, row.method)


def _macro_f1(matrix: ConfusionMatrix, level: float, method: ProportionMethod) -> Row:
    del method
    counts = matrix.counts.astype(np.float64)
    n, size = counts.sum(), len(matrix.labels)
    share = counts / n
    both = share.sum(axis=1) + share.sum(axis=0)
    hits = np.diag(share)
    value = float((2 * hits / both).mean())
    # Derivative of the mean F1 by the share of each cell.
    fall = 2 * hits / both**2
    slope = -np.add.outer(fall, fall)
    slope[np.diag_indices(size)] += 2 / both
    slope /= size
    mean = float((share * slope).sum())
    variance = float((share * (slope - mean) ** 2).sum()) / n
    words = f"delta method (Takahashi), logit scale, {percent(level)}"
    if variance <= 1e-15 or not 0 < value < 1:
        return Row("macro_f1", value, None, None, int(n), words)
    low, high = logit_interval(value, math.sqrt(variance), level=level)
    return Row("macro_f1", value, low, high, int(n), words)
