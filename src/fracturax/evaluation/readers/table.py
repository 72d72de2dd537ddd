"""The ratings table: one line for each time a reader judged a case, checked when it is built."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError, UnknownNameError
from fracturax.evaluation.readers.columns import (
    cell_error,
    flag,
    label,
    number_or_nothing,
    parse,
    rating_within,
    read_columns,
    reader_among,
)

COLUMNS = ("reader", "treatment", "case", "truth", "rating")
"""Columns a ratings table must have."""

OPTIONAL_COLUMNS = ("time_s", "confidence", "confirmed_later")
"""Columns it may have."""


@dataclass(frozen=True, eq=False)
class Ratings:
    """Judgements of readers, valid once built; every column has shape `(n,)`.

    Args:
        reader: Name of the reader.
        treatment: How the case was read, such as `alone` and `with AI`.
        case: Name of the case; the same case has the same name for all readers and treatments.
        truth: Whether the case is fractured; the same in all rows of a case.
        rating: How sure the reader is of a fracture; higher is surer. Only the order counts for
            an area, a threshold makes it a yes or no.
        time_s: Time to the diagnosis in seconds, positive; NaN where nobody took it. None without
            that column.
        confidence: How confident the reader is of the own answer; NaN where it was not asked.
        confirmed_later: Whether the fracture was confirmed only at a later examination; the same
            in all rows of a case, and only of fractured ones.

    Raises:
        DataError: If columns differ in length, a value is not what it has to be, a reader judged
            a case twice under one treatment, a case contradicts itself, or a class is missing.
            Names row (the first is 1) and column.

    Example:
        >>> table = Ratings(
        ...     np.array(["a", "a"]), np.array(["alone", "alone"]), np.array(["1", "2"]),
        ...     np.array([True, False]), np.array([4.0, 2.0]))
        >>> len(table), table.time_s is None
        (2, True)
    """

    reader: npt.NDArray[np.str_]
    treatment: npt.NDArray[np.str_]
    case: npt.NDArray[np.str_]
    truth: npt.NDArray[np.bool_]
    rating: npt.NDArray[np.float64]
    time_s: npt.NDArray[np.float64] | None = None
    confidence: npt.NDArray[np.float64] | None = None
    confirmed_later: npt.NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        shapes = {name: column.shape for name, column in self._columns().items()}
        if len(set(shapes.values())) != 1 or len(self.reader.shape) != 1 or self.reader.size == 0:
            raise DataError(
                "the columns of a ratings table must have one length, at least 1",
                got=", ".join(f"{name} {shape}" for name, shape in shapes.items()),
            )
        self._refuse("rating", ~np.isfinite(self.rating), "must be a finite number")
        if self.time_s is not None:
            self._refuse("time_s", self.time_s <= 0, "must be positive")
        check_once(self.reader, self.treatment, self.case)
        check_constant("truth", self.truth, self.case)
        if self.confirmed_later is not None:
            check_constant("confirmed_later", self.confirmed_later, self.case)
            wrong = self.confirmed_later & ~self.truth
            self._refuse("confirmed_later", wrong, "is for fractured cases only")
        check_two_classes(self.truth)

    def __len__(self) -> int:
        return int(self.reader.size)

    @classmethod
    def from_csv(
        cls,
        path: Path,
        *,
        lowest: float = -math.inf,
        highest: float = math.inf,
        readers: Collection[str] | None = None,
        allow_missing: bool = False,
    ) -> Ratings:
        """Read a table from a CSV file with a header line; further columns are ignored.

        Args:
            path: The file.
            lowest: Least rating of the scale.
            highest: Greatest rating of the scale.
            readers: Names of the readers of the study; None takes every name.
            allow_missing: Leave out rows without a rating instead of refusing them.

        Raises:
            DataError: If the file cannot be read or the table is not valid.
        """
        cells = read_columns(path, COLUMNS, OPTIONAL_COLUMNS)

        within = rating_within(lowest, highest)

        def rating(cell: str) -> float:
            if not cell and not allow_missing:
                raise ValueError("must not be empty")
            return within(cell)

        def later(cell: str) -> bool:
            return cell != "" and flag(cell)

        rules: dict[str, tuple[Callable[[str], object], type[np.generic]]] = {
            "reader": (reader_among(readers), np.str_),
            "treatment": (label, np.str_),
            "case": (label, np.str_),
            "truth": (flag, np.bool_),
            "rating": (rating, np.float64),
            "time_s": (number_or_nothing, np.float64),
            "confidence": (number_or_nothing, np.float64),
            "confirmed_later": (later, np.bool_),
        }
        columns: dict[str, Any] = {
            name: np.array(parse(name, cells[name], rule), dtype=kind)
            for name, (rule, kind) in rules.items()
            if name in cells
        }
        is_rated = ~np.isnan(columns["rating"])
        return cls(**{name: column[is_rated] for name, column in columns.items()})

    def take(self, rows: npt.ArrayLike) -> Ratings:
        """Return the table of some rows, given by index or as a mask of shape `(n,)`."""
        chosen = np.asarray(rows)
        return Ratings(**{name: column[chosen] for name, column in self._columns().items()})

    def of(self, column: str, *names: str) -> npt.NDArray[np.bool_]:
        """Return which rows hold one of some names, shape `(n,)`.

        Raises:
            UnknownNameError: If a name does not occur in the column.
        """
        values = getattr(self, column)
        known = set(values.tolist())
        for name in names:
            if name not in known:
                raise UnknownNameError(column, name, known)
        return np.asarray(np.isin(values, names))

    def _columns(self) -> dict[str, npt.NDArray[np.generic]]:
        columns = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: column for name, column in columns.items() if column is not None}

    def _refuse(self, column: str, wrong: npt.NDArray[np.bool_], rule: str) -> None:
        if wrong.any():
            row = int(np.argmax(wrong))
            raise cell_error(column, row + 1, rule, self._columns()[column][row].item())


def check_once(
    reader: npt.NDArray[np.str_], treatment: npt.NDArray[np.str_], case: npt.NDArray[np.str_]
) -> None:
    """Raise DataError if a reader judged a case twice under one treatment."""
    first: dict[tuple[str, str, str], int] = {}
    keys = zip(reader.tolist(), treatment.tolist(), case.tolist(), strict=True)
    for row, key in enumerate(keys, 1):
        if key in first:
            raise DataError(
                "the columns 'reader', 'treatment' and 'case' must name every judgement once",
                got=f"reader {key[0]!r}, treatment {key[1]!r}, case {key[2]!r} in rows "
                f"{first[key]} and {row}",
                cure="keep one of them",
            )
        first[key] = row


def check_constant(column: str, values: npt.NDArray[np.bool_], case: npt.NDArray[np.str_]) -> None:
    """Raise DataError unless a column says the same in all rows of a case."""
    names, first, case_of_row = np.unique(case, return_index=True, return_inverse=True)
    differs = values != values[first][case_of_row]
    if differs.any():
        row = int(np.argmax(differs))
        raise DataError(
            f"the column {column!r} must say the same in all rows of a case",
            got=f"case {names[case_of_row[row]].item()!r}: {int(values[row])} in row {row + 1}, "
            f"{int(not values[row])} in row {int(first[case_of_row[row]]) + 1}",
        )


def check_two_classes(truth: npt.NDArray[np.bool_]) -> None:
    """Raise DataError unless there are fractured and healthy cases."""
    if truth.all() or not truth.any():
        raise DataError(
            "the column 'truth' must hold both classes",
            got=f"{int(truth.sum())} of {truth.size} rows with a fracture",
            cure="give cases with and without fractures",
        )
