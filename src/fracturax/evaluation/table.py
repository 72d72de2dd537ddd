"""The table of predictions: one line an image, what is known of it and what a model answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.core.prediction import STATUSES

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("case", "image", "patient_key", "reference", "probability", "status", "fold", "model")
"""Columns of a table of predictions, in order."""


@dataclass(frozen=True, eq=False)
class PredictionTable:
    """Predictions with their reference, valid once built; every column has shape `(n,)`.

    Args:
        case: Name of the case.
        image: Name of the image within the case.
        patient_key: What resampling must keep together.
        reference: 1 where the image shows a fracture, else 0 (int64).
        probability: Calibrated probability of a fracture (float64); NaN if not assessed.
        status: One of `fracture`, `doubt`, `no_fracture`, `not_assessed`.
        fold: Fold or split the image was held out in; empty where there is none.
        model: Which model answered, as `name@version` where `fracturax evaluate` wrote it.

    Raises:
        DataError: If columns differ in length, a value is not what it has to be, an image occurs
            twice, or a class is missing; names the row (the first is 1) and the column.

    Example:
        >>> table = PredictionTable.from_records([
        ...     {"case": "a", "image": "1", "patient_key": "p", "reference": 1,
        ...      "probability": 0.9, "status": "fracture", "fold": "0", "model": "xray"},
        ...     {"case": "b", "image": "1", "patient_key": "q", "reference": 0,
        ...      "probability": None, "status": "not_assessed", "fold": "0", "model": "xray"},
        ... ])
        >>> len(table), table.is_assessed.tolist()
        (2, [True, False])
    """

    case: npt.NDArray[np.str_]
    image: npt.NDArray[np.str_]
    patient_key: npt.NDArray[np.str_]
    reference: npt.NDArray[np.int64]
    probability: npt.NDArray[np.float64]
    status: npt.NDArray[np.str_]
    fold: npt.NDArray[np.str_]
    model: npt.NDArray[np.str_]

    def __post_init__(self) -> None:
        shapes = {name: getattr(self, name).shape for name in COLUMNS}
        if len(set(shapes.values())) != 1 or len(self.case.shape) != 1 or self.case.size == 0:
            raise DataError(
                "the columns of a table of predictions must have one length, at least 1",
                got=", ".join(f"{name} {shape}" for name, shape in shapes.items()),
            )
        for name in ("case", "image", "patient_key"):
            self._refuse(name, getattr(self, name) == "", "must not be empty")
        self._refuse("reference", ~np.isin(self.reference, (0, 1)), "must be 0 or 1")
        self._refuse(
            "status", ~np.isin(self.status, STATUSES), f"must be one of {', '.join(STATUSES)}"
        )
        is_empty = np.isnan(self.probability)
        in_range = (self.probability >= 0) & (self.probability <= 1)
        self._refuse("probability", ~is_empty & ~in_range, "must lie in [0, 1]")
        self._refuse(
            "probability",
            is_empty != (self.status == "not_assessed"),
            "must be empty where the status is not_assessed, and only there",
        )
        self._refuse_repeats()
        positives = int(self.reference.sum())
        if positives in (0, len(self)):
            raise DataError(
                "the column 'reference' must hold both classes",
                got=f"{positives} of {len(self)} images with a fracture",
                cure="evaluate on cases with and without fractures",
            )

    def __len__(self) -> int:
        return int(self.case.size)

    @property
    def is_assessed(self) -> npt.NDArray[np.bool_]:
        """Which rows have a probability, shape `(n,)`."""
        return np.asarray(~np.isnan(self.probability))

    @classmethod
    def from_csv(cls, path: Path) -> PredictionTable:
        """Read a table from a CSV file with a header line; further columns are ignored.

        Raises:
            DataError: If the file cannot be read or the table is not valid.
        """
        import pandas as pd

        try:
            frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
        except FileNotFoundError:
            raise DataError("there is no such table", got=path.name) from None
        except (OSError, ValueError) as error:  # pandas' parser errors are ValueErrors
            raise DataError(f"{path.name} is no readable CSV table", got=str(error)) from error
        return cls.from_frame(frame)

    @classmethod
    def from_records(cls, records: Iterable[Mapping[str, object]]) -> PredictionTable:
        """Build a table from one mapping an image, with the columns as keys."""
        import pandas as pd

        # As objects, so that pandas turns no None into NaN and no integer key into a float.
        return cls.from_frame(pd.DataFrame([dict(record) for record in records], dtype=object))

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> PredictionTable:
        """Build a table from a data frame; further columns are ignored."""
        missing = [name for name in COLUMNS if name not in frame.columns]
        if missing:
            raise DataError(
                "a table of predictions lacks columns",
                got=f"no {', '.join(missing)}",
                cure=f"give {', '.join(COLUMNS)}",
            )
        # pandas knows several kinds of missing; here there is one.
        frame = frame[list(COLUMNS)].astype(object).where(frame[list(COLUMNS)].notna(), None)
        text = {
            name: np.array([_text(value) for value in frame[name]], dtype=np.str_)
            for name in COLUMNS
            if name not in ("reference", "probability")
        }
        references = [_reference(value, row) for row, value in enumerate(frame["reference"], 1)]
        probabilities = [
            _probability(value, row) for row, value in enumerate(frame["probability"], 1)
        ]
        return cls(
            reference=np.array(references, dtype=np.int64),
            probability=np.array(probabilities, dtype=np.float64),
            **text,
        )

    def as_frame(self) -> pd.DataFrame:
        """Return the table as a data frame."""
        import pandas as pd

        return pd.DataFrame({name: getattr(self, name) for name in COLUMNS})

    def write_csv(
        self, path: Path, columns: Mapping[str, npt.NDArray[np.str_]] | None = None
    ) -> None:
        """Write the table so that `from_csv` gives the very same numbers back.

        Args:
            path: Where to.
            columns: Further columns by name, shape `(n,)` each: what subgroups are made of.
        """
        frame = self.as_frame().assign(**(columns or {}))
        # 17 significant digits tell any two doubles apart.
        frame.to_csv(path, index=False, float_format="%.17g", encoding="utf-8")

    def take(self, rows: npt.ArrayLike) -> PredictionTable:
        """Return the table of some rows, given by index or as a mask of shape `(n,)`."""
        chosen = np.asarray(rows)
        return PredictionTable(**{name: getattr(self, name)[chosen] for name in COLUMNS})

    def _refuse(self, column: str, wrong: npt.NDArray[np.bool_], rule: str) -> None:
        if wrong.any():
            row = int(np.argmax(wrong))
            raise _cell_error(column, row + 1, rule, getattr(self, column)[row].item())

    def _refuse_repeats(self) -> None:
        first: dict[tuple[str, str], int] = {}
        for row, key in enumerate(zip(self.case.tolist(), self.image.tolist(), strict=True), 1):
            if key in first:
                raise DataError(
                    "the columns 'case' and 'image' must name every image once",
                    got=f"the same image in rows {first[key]} and {row}",
                    cure="keep one prediction for each image",
                )
            first[key] = row


def _cell_error(column: str, row: int, rule: str, value: object) -> DataError:
    return DataError(f"the column {column!r} {rule}", got=f"{value!r} in row {row}")


def _is_empty(value: object) -> bool:
    return value is None or value == ""


def _text(value: object) -> str:
    return "" if _is_empty(value) else str(value)


def _reference(value: object, row: int) -> int:
    if isinstance(value, str):
        known = {"0": 0, "1": 1}.get(value.strip())
        if known is not None:
            return known
    elif isinstance(value, int | float | np.number | np.bool_) and value in (0, 1):
        return int(value)
    raise _cell_error("reference", row, "must be 0 or 1", value)


def _probability(value: object, row: int) -> float:
    if _is_empty(value):
        return float("nan")
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = float("nan")
    if np.isnan(number):  # the word "nan" is no probability either; only an empty cell is missing
        raise _cell_error("probability", row, "must be a number in [0, 1] or empty", value)
    return number
