"""A reader study as arrays: treatments, readers, cases, and what was rated how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError, UnknownNameError
from fracturax.evaluation.readers.columns import in_order
from fracturax.evaluation.readers.design import Design, recognize_design
from fracturax.evaluation.readers.marks import Marks
from fracturax.evaluation.readers.table import Ratings

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ReaderStudy:
    """What readers said of cases under treatments.

    Args:
        treatments: Names, in the order differences are taken.
        readers: Names.
        cases: Names.
        truth: Whether each case is fractured, shape `(cases,)`.
        ratings: Shape `(treatments, readers, cases, lesions)`. Of a healthy case the first lesion
            slot holds the rating. `-inf` is an unmarked lesion or an unmarked healthy case; NaN in
            the first slot is a case that the reader did not see.
        weights: Weight of each lesion, shape `(cases, lesions)`; each case sums to 1.
        design: Which reader saw what.

    Example:
        >>> study = crossed_study([[[1, 2, 3, 4], [2, 1, 4, 3]], [[1, 1, 2, 3], [1, 2, 2, 2]]],
        ...                       truth=[0, 0, 1, 1])
        >>> study.treatments, study.readers, study.design.kind
        (('1', '2'), ('1', '2'), 'fully crossed')
    """

    treatments: tuple[str, ...]
    readers: tuple[str, ...]
    cases: tuple[str, ...]
    truth: npt.NDArray[np.bool_]
    ratings: FloatArray
    weights: FloatArray
    design: Design

    @property
    def seen(self) -> npt.NDArray[np.bool_]:
        """Whether a rating exists, shape `(treatments, readers, cases)`."""
        return np.asarray(~np.isnan(self.ratings[..., 0]))

    @property
    def cells(self) -> list[tuple[int, int]]:
        """Treatment and reader of every cell that was read, in order of treatments."""
        return [(int(i), int(j)) for i, j in np.argwhere(self.seen.any(axis=2))]


def crossed_study(ratings: npt.ArrayLike, truth: npt.ArrayLike) -> ReaderStudy:
    """Return a fully crossed study of numbered treatments, readers and cases.

    Args:
        ratings: Shape `(treatments, readers, cases)`, finite.
        truth: 0 or 1, shape `(cases,)`.

    Raises:
        DataError: If the shapes do not fit.
    """
    values = np.asarray(ratings, dtype=np.float64)
    labels = np.asarray(truth) == 1
    if values.ndim != 3 or labels.shape != values.shape[2:] or not np.isfinite(values).all():
        raise DataError(
            "ratings of a crossed study need the shape (treatments, readers, cases)",
            got=f"shape {values.shape} with a truth of shape {labels.shape}, or a gap",
        )
    treatments, readers, cases = values.shape
    return ReaderStudy(
        _numbers(treatments),
        _numbers(readers),
        _numbers(cases),
        labels,
        values[..., None],
        np.ones((cases, 1)),
        Design("fully crossed", (0,) * readers, True, True),
    )


def study_of(
    table: Ratings,
    *,
    treatments: Sequence[str] | None = None,
    allow_missing: bool = False,
) -> ReaderStudy:
    """Arrange a ratings table as a study.

    Args:
        table: The judgements.
        treatments: Those to compare, in the order differences are taken; None takes all, in order.
        allow_missing: Take a study with missing ratings as partially paired.

    Raises:
        DataError: If ratings are missing, or readers worked under some treatments only.
        UnknownNameError: If a treatment does not occur.
    """
    names = _Names.of(table, treatments)
    values = np.full((*names.shape, 1), np.nan)
    values[(*names.positions(table), 0)] = table.rating[np.isin(table.treatment, names.treatments)]
    return names.study(table, values, np.ones((len(names.cases), 1)), allow_missing)


def study_of_marks(marks: Marks, *, treatments: Sequence[str] | None = None) -> ReaderStudy:
    """Arrange a marks table as a study whose area is that below the weighted AFROC curve.

    Of a healthy case the highest mark counts; marks that hit no lesion of a fractured case do not.

    Args:
        marks: The marks.
        treatments: Those to compare, in the order differences are taken; None takes all, in order.

    Raises:
        DataError: If a reading lacks a lesion of its case, or a fractured case has none; and as
            `study_of`.
        UnknownNameError: If a treatment does not occur.

    References:
        Chakraborty, Observer Performance Methods for Diagnostic Imaging, 2017, chapter 14.
    """
    names = _Names.of(marks, treatments)
    rows = np.flatnonzero(np.isin(marks.treatment, names.treatments))
    treatment, reader, case = names.positions(marks)
    lesions_of = _lesions_of(marks, rows, case, names)
    most = max(1, *(len(lesions) for lesions in lesions_of))
    values = np.full((*names.shape, most), np.nan)
    values[treatment, reader, case] = -np.inf
    weights = np.zeros((len(names.cases), most))
    weights[:, 0] = 1.0
    for position, lesions in enumerate(lesions_of):
        if lesions:
            share = np.array(list(lesions.values()))
            weights[position, : share.size] = share / share.sum()
    named = np.zeros(values.shape, dtype=np.bool_)
    for row, where in zip(rows, zip(treatment, reader, case, strict=True), strict=True):
        rating = float(marks.rating[row])
        lesion = str(marks.lesion[row])
        if lesion:
            slot = list(lesions_of[where[2]]).index(lesion)
            named[(*where, slot)] = True
            values[(*where, slot)] = -np.inf if np.isnan(rating) else rating
        elif not marks.truth[row] and not np.isnan(rating):
            values[(*where, 0)] = max(values[(*where, 0)], rating)
    study = names.study(marks, values, weights, False)
    _check_lesions_complete(study, named, lesions_of)
    return study


def _lesions_of(
    marks: Marks, rows: npt.NDArray[np.intp], case: npt.NDArray[np.intp], names: _Names
) -> list[dict[str, float]]:
    """Return the weight of each lesion of each case."""
    lesions_of: list[dict[str, float]] = [{} for _ in names.cases]
    for row, position in zip(rows, case, strict=True):
        if marks.lesion[row] != "":
            weight = 1.0 if marks.weight is None else float(marks.weight[row])
            lesions_of[position].setdefault(str(marks.lesion[row]), weight)
    return lesions_of


def _check_lesions_complete(
    study: ReaderStudy, named: npt.NDArray[np.bool_], lesions_of: list[dict[str, float]]
) -> None:
    for position, lesions in enumerate(lesions_of):
        if not study.truth[position]:
            continue
        if not lesions:
            raise DataError(
                "a fractured case needs a row for each of its lesions",
                got=f"none in case {study.cases[position]!r}",
                cure="name the lesion, with an empty rating where it was not marked",
            )
        lacks = study.seen[:, :, position, None] & ~named[:, :, position, : len(lesions)]
        if lacks.any():
            treatment, reader, slot = np.argwhere(lacks)[0]
            raise DataError(
                "a reading lacks a row for a lesion of its case",
                got=f"lesion {list(lesions)[slot]!r} of case {study.cases[position]!r}, reader "
                f"{study.readers[reader]!r}, treatment {study.treatments[treatment]!r}",
                cure="add it, with an empty rating where it was not marked",
            )


@dataclass(frozen=True, eq=False)
class _Names:
    """The labels of a table, each with its position."""

    treatments: tuple[str, ...]
    readers: tuple[str, ...]
    cases: tuple[str, ...]

    @classmethod
    def of(cls, table: Ratings | Marks, treatments: Sequence[str] | None) -> _Names:
        order = in_order(table.treatment.tolist())
        if treatments is not None:
            for name in treatments:
                if name not in order:
                    raise UnknownNameError("treatment", name, order)
            order = tuple(treatments)
        rows = np.isin(table.treatment, order)
        return cls(
            order, in_order(table.reader[rows].tolist()), in_order(table.case[rows].tolist())
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self.treatments), len(self.readers), len(self.cases)

    def positions(
        self, table: Ratings | Marks
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Return treatment, reader and case of every row of the chosen treatments."""
        rows = np.isin(table.treatment, self.treatments)
        return (
            _position(self.treatments, table.treatment[rows]),
            _position(self.readers, table.reader[rows]),
            _position(self.cases, table.case[rows]),
        )

    def study(
        self, table: Ratings | Marks, values: FloatArray, weights: FloatArray, allow_missing: bool
    ) -> ReaderStudy:
        rows = np.isin(table.treatment, self.treatments)
        truth = np.zeros(len(self.cases), dtype=np.bool_)
        truth[_position(self.cases, table.case[rows])] = table.truth[rows]
        design = recognize_design(
            ~np.isnan(values[..., 0]),
            treatments=self.treatments,
            readers=self.readers,
            cases=self.cases,
            allow_missing=allow_missing,
        )
        return ReaderStudy(
            self.treatments, self.readers, self.cases, truth, values, weights, design
        )


def _position(names: tuple[str, ...], values: npt.NDArray[np.str_]) -> npt.NDArray[np.intp]:
    order = np.argsort(np.array(names))
    return np.asarray(order[np.searchsorted(np.array(names)[order], values)])


def _numbers(count: int) -> tuple[str, ...]:
    return tuple(str(number) for number in range(1, count + 1))
