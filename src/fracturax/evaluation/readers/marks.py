"""The marks table: where readers marked lesions, for the weighted AFROC area."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.evaluation.readers.columns import (
    cell_error,
    flag,
    label,
    number,
    parse,
    rating_within,
    read_columns,
    reader_among,
)
from fracturax.evaluation.readers.table import check_constant, check_two_classes

MARK_COLUMNS = ("reader", "treatment", "case", "truth", "lesion", "rating")
"""Columns a marks table must have; `weight` may follow."""


@dataclass(frozen=True, eq=False)
class Marks:
    """Marks of readers beside the lesions that are there; every column has shape `(n,)`.

    Every reading has a row for each lesion of its case, marked or not, and one for each mark that
    hit none. A reading of a healthy case without any mark is one row with neither.

    | lesion | rating | means |
    |---|---|---|
    | L1 | 80 | lesion L1 was marked, with this rating |
    | L1 | empty | lesion L1 was there and was not marked |
    | empty | 30 | a mark that hit no lesion |
    | empty | empty | the reader read the case and marked nothing |

    Args:
        reader: Name of the reader.
        treatment: How the case was read.
        case: Name of the case.
        truth: Whether the case is fractured.
        lesion: Name of the lesion within its case; empty for a mark that hit none.
        rating: Rating of the mark; NaN where there is no mark.
        weight: Clinical weight of the lesion, positive; they are scaled to sum to 1 in each case.
            NaN where there is no lesion. None gives all lesions of a case equal weight.

    Raises:
        DataError: If columns differ in length, a lesion stands in a healthy case, a lesion has two
            rows in one reading, weights differ between rows of a lesion, or a class is missing.
    """

    reader: npt.NDArray[np.str_]
    treatment: npt.NDArray[np.str_]
    case: npt.NDArray[np.str_]
    truth: npt.NDArray[np.bool_]
    lesion: npt.NDArray[np.str_]
    rating: npt.NDArray[np.float64]
    weight: npt.NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        columns = [getattr(self, name) for name in MARK_COLUMNS]
        if self.weight is not None:
            columns.append(self.weight)
        if len({column.shape for column in columns}) != 1 or self.reader.ndim != 1:
            raise DataError("the columns of a marks table must have one length", got="several")
        if np.isinf(self.rating).any():
            row = int(np.argmax(np.isinf(self.rating)))
            raise cell_error("rating", row + 1, "must be finite or empty", "inf")
        is_lesion = self.lesion != ""
        if (is_lesion & ~self.truth).any():
            row = int(np.argmax(is_lesion & ~self.truth))
            raise cell_error(
                "lesion", row + 1, "must be empty in a healthy case", self.lesion[row].item()
            )
        check_constant("truth", self.truth, self.case)
        check_two_classes(self.truth)
        self._check_lesions()

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
    ) -> Marks:
        """Read a table from a CSV file with a header line; further columns are ignored.

        Raises:
            DataError: If the file cannot be read or the table is not valid.
        """
        cells = read_columns(path, MARK_COLUMNS, ("weight",))

        def weight(cell: str) -> float:
            if cell == "":
                return math.nan
            if number(cell) <= 0:
                raise ValueError("must be positive")
            return number(cell)

        return cls(
            reader=np.array(parse("reader", cells["reader"], reader_among(readers)), dtype=np.str_),
            treatment=np.array(parse("treatment", cells["treatment"], label), dtype=np.str_),
            case=np.array(parse("case", cells["case"], label), dtype=np.str_),
            truth=np.array(parse("truth", cells["truth"], flag), dtype=np.bool_),
            lesion=np.array(cells["lesion"], dtype=np.str_),
            rating=np.array(
                parse("rating", cells["rating"], rating_within(lowest, highest)), dtype=np.float64
            ),
            weight=(
                np.array(parse("weight", cells["weight"], weight), dtype=np.float64)
                if "weight" in cells
                else None
            ),
        )

    def _check_lesions(self) -> None:
        first: dict[tuple[str, ...], int] = {}
        weight_of: dict[tuple[str, str], float] = {}
        columns = (self.reader, self.treatment, self.case, self.lesion)
        for row, key in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
            if key[3] == "":
                continue
            if key in first:
                raise DataError(
                    "a lesion has two rows in one reading",
                    got=f"lesion {key[3]!r} of case {key[2]!r}, reader {key[0]!r}, in rows "
                    f"{first[key] + 1} and {row + 1}",
                    cure="keep the mark with the higher rating",
                )
            first[key] = row
            if self.weight is None:
                continue
            weight = float(self.weight[row])
            if math.isnan(weight) or weight != weight_of.setdefault(key[2:], weight):
                raise cell_error(
                    "weight", row + 1, "must be given, and be one for all rows of a lesion", weight
                )
