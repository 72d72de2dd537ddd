"""Figures of merit of a reader, and what each becomes when one case is left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.evaluation.readers.study import ReaderStudy

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


class Figure(Protocol):
    """What one number says of a reader under a treatment."""

    @property
    def name(self) -> str:
        """Its name, with what it depends on."""
        ...

    @property
    def is_share(self) -> bool:
        """Whether it lies in [0, 1]."""
        ...

    def counts(self, truth: BoolArray) -> BoolArray:
        """Return which cases count, shape `(cases,)`."""
        ...

    def leave_out(
        self, ratings: FloatArray, weights: FloatArray, truth: BoolArray
    ) -> tuple[float, FloatArray]:
        """Return the figure, and the figure without each case.

        Args:
            ratings: Of one reader under one treatment, of cases that count and were seen, shape
                `(cases, lesions)`.
            weights: Of the lesions, same shape.
            truth: Whether the case is fractured, shape `(cases,)`.
        """
        ...


@dataclass(frozen=True)
class Auc:
    """Area under the empirical ROC curve; with marks, under the weighted AFROC curve.

    It is the probability that a lesion of a fractured case is rated above a healthy case, a tie
    counting half, lesions counted by their weight; with one rating a case, the AUC.

    References:
        Hanley & McNeil, Radiology 143:29-36, 1982; Chakraborty & Zhai, Medical Physics
        43:2313-2322, 2016 (weighted AFROC).
    """

    is_weighted_afroc: bool = False

    @property
    def name(self) -> str:
        """`auc` or `wafroc`."""
        return "wafroc" if self.is_weighted_afroc else "auc"

    @property
    def is_share(self) -> bool:
        """True."""
        return True

    def counts(self, truth: BoolArray) -> BoolArray:
        """Return that all cases count."""
        return np.ones(truth.shape, dtype=np.bool_)

    def leave_out(
        self, ratings: FloatArray, weights: FloatArray, truth: BoolArray
    ) -> tuple[float, FloatArray]:
        """Return the area, and the area without each case."""
        lesions, weight, healthy = ratings[truth], weights[truth], ratings[~truth, 0]
        fractured, others = lesions.shape[0], healthy.size
        sorted_healthy = np.sort(healthy)
        below = np.searchsorted(sorted_healthy, lesions, side="left")
        below = below + np.searchsorted(sorted_healthy, lesions, side="right")
        of_fractured = (weight * np.where(weight > 0, below, 0)).sum(axis=1) / (2 * others)
        kept = weight > 0
        order = np.argsort(lesions[kept])
        sorted_lesions = lesions[kept][order]
        mass = np.append(0.0, np.cumsum(weight[kept][order]))
        passed = mass[np.searchsorted(sorted_lesions, healthy, side="left")]
        passed = passed + mass[np.searchsorted(sorted_lesions, healthy, side="right")]
        of_healthy = 1 - passed / (2 * fractured)
        area = float(of_fractured.mean())
        left_out = np.empty(truth.size)
        left_out[truth] = area + (area - of_fractured) / (fractured - 1)
        left_out[~truth] = area + (area - of_healthy) / (others - 1)
        return area, left_out


@dataclass(frozen=True)
class Sensitivity:
    """Share of fractured cases rated at or above a threshold."""

    threshold: float

    @property
    def name(self) -> str:
        """The name with its threshold."""
        return f"sensitivity at rating >= {self.threshold:g}"

    @property
    def is_share(self) -> bool:
        """True."""
        return True

    def counts(self, truth: BoolArray) -> BoolArray:
        """Return the fractured cases."""
        return truth

    def leave_out(
        self, ratings: FloatArray, weights: FloatArray, truth: BoolArray
    ) -> tuple[float, FloatArray]:
        """Return the share, and the share without each case."""
        return _mean(_one_rating(ratings) >= self.threshold)


@dataclass(frozen=True)
class Specificity:
    """Share of healthy cases rated below a threshold."""

    threshold: float

    @property
    def name(self) -> str:
        """The name with its threshold."""
        return f"specificity at rating >= {self.threshold:g}"

    @property
    def is_share(self) -> bool:
        """True."""
        return True

    def counts(self, truth: BoolArray) -> BoolArray:
        """Return the healthy cases."""
        return np.asarray(~truth)

    def leave_out(
        self, ratings: FloatArray, weights: FloatArray, truth: BoolArray
    ) -> tuple[float, FloatArray]:
        """Return the share, and the share without each case."""
        return _mean(_one_rating(ratings) < self.threshold)


@dataclass(frozen=True)
class Mean:
    """Mean over all cases of what stands in place of the rating, such as a time."""

    of: str

    @property
    def name(self) -> str:
        """`mean of ...`."""
        return f"mean of {self.of}"

    @property
    def is_share(self) -> bool:
        """False."""
        return False

    def counts(self, truth: BoolArray) -> BoolArray:
        """Return that all cases count."""
        return np.ones(truth.shape, dtype=np.bool_)

    def leave_out(
        self, ratings: FloatArray, weights: FloatArray, truth: BoolArray
    ) -> tuple[float, FloatArray]:
        """Return the mean, and the mean without each case."""
        return _mean(_one_rating(ratings))


@dataclass(frozen=True, eq=False)
class CellValues:
    """A figure of merit of every cell of a study.

    Args:
        cells: Treatment and reader of each, in order of treatments.
        values: The figure, shape `(cells,)`.
        left_out: The figure without each case that counts, shape `(cases, cells)`; the figure
            itself where the case is none of the cell's.
        seen: Whether the case is one of the cell's, same shape.
        truth: Whether each case is fractured, shape `(cases,)`.
    """

    cells: tuple[tuple[int, int], ...]
    values: FloatArray
    left_out: FloatArray
    seen: BoolArray
    truth: BoolArray


def figure_of_cells(study: ReaderStudy, figure: Figure) -> CellValues:
    """Measure every reader under every treatment.

    Raises:
        DataError: If a reader saw fewer than two cases of a kind that the figure needs.
    """
    counts = figure.counts(study.truth)
    truth = study.truth[counts]
    seen_of = study.seen
    cells = study.cells
    values = np.empty(len(cells))
    left_out = np.empty((truth.size, len(cells)))
    seen = np.empty(left_out.shape, dtype=np.bool_)
    for position, (treatment, reader) in enumerate(cells):
        mine = seen_of[treatment, reader, counts]
        _check_enough(study, figure, truth[mine], treatment, reader)
        values[position], without = figure.leave_out(
            study.ratings[treatment, reader, counts][mine],
            study.weights[counts][mine],
            truth[mine],
        )
        left_out[:, position] = values[position]
        left_out[mine, position] = without
        seen[:, position] = mine
    return CellValues(tuple(cells), values, left_out, seen, truth)


def _check_enough(
    study: ReaderStudy, figure: Figure, truth: BoolArray, treatment: int, reader: int
) -> None:
    for kind, wanted in (("fractured", True), ("healthy", False)):
        is_needed = figure.counts(np.array([wanted]))[0]
        count = int((truth == wanted).sum())
        if is_needed and count < 2 and not (isinstance(figure, Mean) and truth.size >= 2):
            raise DataError(
                f"the {figure.name} of a reader needs two {kind} cases",
                got=f"{count} seen by reader {study.readers[reader]!r} under treatment "
                f"{study.treatments[treatment]!r}",
            )


def _one_rating(ratings: FloatArray) -> FloatArray:
    if ratings.shape[1] != 1:
        raise DataError(
            "this figure of merit needs one rating a case",
            got="marks of lesions",
            cure="give a ratings table, or take the weighted AFROC area",
        )
    return ratings[:, 0]


def _mean(values: npt.NDArray[np.generic]) -> tuple[float, FloatArray]:
    numbers = values.astype(np.float64)
    mean = float(numbers.mean())
    return mean, np.asarray(mean + (mean - numbers) / (numbers.size - 1))
