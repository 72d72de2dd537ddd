"""The 2 x 2 table of answers against the reference, and every number made of its four counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError

FloatArray = npt.NDArray[np.float64]

BINARY_METRICS = (
    "accuracy",
    "sensitivity",
    "specificity",
    "ppv",
    "npv",
    "f1",
    "balanced_accuracy",
    "mcc",
    "kappa",
    "lr_positive",
    "lr_negative",
)
"""Numbers of a 2 x 2 table, in the order of `binary_values`."""


@dataclass(frozen=True)
class ConfusionTable:
    """Counts of answers against the reference.

    Args:
        tp: Fractured and called fractured.
        fp: Healthy and called fractured.
        fn: Fractured and called healthy.
        tn: Healthy and called healthy.

    Raises:
        DataError: If a count is negative or all are 0.

    Example:
        >>> table = ConfusionTable.of([1, 1, 0, 0, 0], [1, 0, 1, 0, 0])
        >>> table, table.n
        (ConfusionTable(tp=1, fp=1, fn=1, tn=2), 5)
    """

    tp: int
    fp: int
    fn: int
    tn: int

    def __post_init__(self) -> None:
        counts = (self.tp, self.fp, self.fn, self.tn)
        if min(counts) < 0 or sum(counts) == 0:
            raise DataError("a confusion table needs counts, not all 0", got=f"{counts}")

    @property
    def n(self) -> int:
        """How many rows were counted."""
        return self.tp + self.fp + self.fn + self.tn

    @property
    def counts(self) -> FloatArray:
        """The counts tp, fp, fn, tn, shape `(4,)`."""
        return np.array([self.tp, self.fp, self.fn, self.tn], dtype=np.float64)

    @classmethod
    def of(cls, reference: npt.ArrayLike, called: npt.ArrayLike) -> ConfusionTable:
        """Count answers against the reference.

        Args:
            reference: Labels 0 or 1, shape `(n,)`.
            called: Whether each was called fractured, 0 or 1, shape `(n,)`.

        Raises:
            DataError: If the rows are not valid; names the row.
        """
        return cls(*confusion_rows(reference, called).sum(axis=0).tolist())


def confusion_rows(reference: npt.ArrayLike, called: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Return which of tp, fp, fn, tn each row is, int64 of 0 and 1, shape `(n, 4)`.

    Raises:
        DataError: If shapes differ, there is no row, or a value is neither 0 nor 1.

    Example:
        >>> confusion_rows([1, 0], [1, 1]).tolist()
        [[1, 0, 0, 0], [0, 1, 0, 0]]
    """
    truth, answer = np.asarray(reference), np.asarray(called)
    if truth.ndim != 1 or truth.shape != answer.shape or truth.size == 0:
        raise DataError(
            "reference and answers must be rows of equal length, at least one",
            got=f"shapes {truth.shape} and {answer.shape}",
        )
    for name, values in (("a reference", truth), ("an answer", answer)):
        wrong = (values != 0) & (values != 1)
        if wrong.any():
            row = int(np.argmax(wrong))
            raise DataError(f"{name} is neither 0 nor 1", got=f"{values[row]} in row {row + 1}")
    is_positive, is_called = truth == 1, answer == 1
    cells = [
        is_positive & is_called,
        ~is_positive & is_called,
        is_positive & ~is_called,
        ~is_positive & ~is_called,
    ]
    return np.column_stack(cells).astype(np.int64)


def binary_values(counts: npt.ArrayLike) -> FloatArray:
    """Return every number of `BINARY_METRICS` of many 2 x 2 tables at once.

    Args:
        counts: tp, fp, fn, tn, shape `(tables, 4)`.

    Returns:
        Shape `(tables, 11)`; NaN where a number is not defined (nothing was called: no PPV), and
        an infinite likelihood ratio where its denominator is 0.

    References:
        MCC: Matthews, Biochim. Biophys. Acta 405:442-451, 1975; kappa: Cohen, Educ. Psychol.
        Meas. 20:37-46, 1960.

    Example:
        >>> values = binary_values([[90, 20, 10, 180]])[0]
        >>> dict(zip(BINARY_METRICS, values.round(3).tolist(), strict=True))["lr_positive"]
        9.0
    """
    table = np.asarray(counts, dtype=np.float64)
    tp, fp, fn, tn = table.T
    n = table.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        sensitivity, specificity = tp / (tp + fn), tn / (tn + fp)
        chance = ((tp + fn) * (tp + fp) + (tn + fp) * (tn + fn)) / n**2
        margins = np.sqrt(tp + fn) * np.sqrt(tp + fp) * np.sqrt(tn + fp) * np.sqrt(tn + fn)
        agreed = (tp + tn) / n
        return np.column_stack(
            [
                agreed,
                sensitivity,
                specificity,
                tp / (tp + fp),
                tn / (tn + fn),
                2 * tp / (2 * tp + fp + fn),
                (sensitivity + specificity) / 2,
                (tp * tn - fp * fn) / margins,
                (agreed - chance) / (1 - chance),
                sensitivity / (1 - specificity),
                (1 - sensitivity) / specificity,
            ]
        )


def predictive_values(
    sensitivity: npt.ArrayLike, specificity: npt.ArrayLike, prevalence: float
) -> tuple[FloatArray, FloatArray]:
    """Return PPV and NPV where the prevalence is another (Bayes' rule).

    Raises:
        DataError: If the prevalence is not in (0, 1).

    Example:
        >>> ppv, npv = predictive_values(0.9, 0.9, 0.01)
        >>> round(float(ppv), 3), round(float(npv), 4)
        (0.083, 0.9989)
    """
    if not 0 < prevalence < 1:
        raise DataError("a prevalence must lie in (0, 1)", got=str(prevalence))
    sens = np.asarray(sensitivity, dtype=np.float64)
    spec = np.asarray(specificity, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        ppv = sens * prevalence / (sens * prevalence + (1 - spec) * (1 - prevalence))
        npv = spec * (1 - prevalence) / (spec * (1 - prevalence) + (1 - sens) * prevalence)
    return np.asarray(ppv), np.asarray(npv)
