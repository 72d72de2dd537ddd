"""A binary sample: reference labels and scores side by side, checked once for all metrics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError


@dataclass(frozen=True, eq=False)
class Sample:
    """Checked rows of a two-class problem.

    Args:
        positive: Whether the reference says fracture, shape `(n,)`.
        score: Scores or probabilities, shape `(n,)`, finite.
        weights: How often each row counts, shape `(n,)`, not negative.
    """

    positive: npt.NDArray[np.bool_]
    score: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]


def check_sample(
    reference: npt.ArrayLike,
    score: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    *,
    is_probability: bool = False,
) -> Sample:
    """Return the rows as arrays, or say which one is wrong.

    Args:
        reference: Labels 0 or 1 (or bool), shape `(n,)`.
        score: Scores, shape `(n,)`.
        weights: How often each row counts, shape `(n,)`; None counts each once.
        is_probability: Whether a score outside [0, 1] is an error.

    Raises:
        DataError: If shapes differ, no row is left, a label is not 0 or 1, a score is not finite
            (or not in [0, 1] where it must be), or a weight is negative.

    Example:
        >>> check_sample([0, 1], [0.2, 0.7]).positive
        array([False,  True])
    """
    labels = np.asarray(reference)
    values = np.asarray(score, dtype=np.float64)
    counts = np.ones(values.shape) if weights is None else np.asarray(weights, dtype=np.float64)
    if labels.ndim != 1 or not labels.shape == values.shape == counts.shape or labels.size == 0:
        raise DataError(
            "reference and score must be rows of equal length, at least one",
            got=f"shapes {labels.shape}, {values.shape} and weights {counts.shape}",
        )
    _refuse("a reference is neither 0 nor 1", labels, (labels != 0) & (labels != 1))
    _refuse("a score is no finite number", values, ~np.isfinite(values))
    _refuse("a weight is negative or no number", counts, ~(counts >= 0))
    if is_probability:
        _refuse("a probability lies outside [0, 1]", values, (values < 0) | (values > 1))
    return Sample(labels == 1, values, counts)


def check_both_classes(sample: Sample) -> None:
    """Raise DataError unless there is a row of each class."""
    positives = int(sample.positive.sum())
    if positives in (0, sample.positive.size):
        raise DataError(
            "both classes are needed",
            got=f"{positives} positives among {sample.positive.size}",
            cure="evaluate on cases with and without fractures",
        )


def _refuse(what: str, values: npt.NDArray[np.generic], wrong: npt.NDArray[np.bool_]) -> None:
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(what, got=f"{values[row]} in row {row + 1}")
