"""The table of predictions as a study reads it: joined to its unit, further columns beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError, UnknownNameError
from fracturax.evaluation.aggregate import Rule, aggregate
from fracturax.evaluation.table import COLUMNS, PredictionTable
from fracturax.pipelines.evaluate import MIXED

UnitName = Literal["image", "study", "patient"]
_MOST_VALUES = 12
_UNITS: dict[str, Literal["case", "patient_key"]] = {"study": "case", "patient": "patient_key"}


@dataclass(frozen=True, eq=False)
class UnitTable:
    """Predictions of one row a unit, with further columns.

    Args:
        table: The predictions.
        columns: Values of each further column, shape `(n,)`, by name.
        notes: What was done to them.
    """

    table: PredictionTable
    columns: dict[str, npt.NDArray[np.str_]]
    notes: tuple[str, ...] = ()


def read_units(
    path: Path, *, by: Sequence[str] = (), unit: UnitName = "image", rule: Rule = "max"
) -> UnitTable:
    """Read a table of predictions and join its images.

    A column of more than 12 different numbers is cut at its quartiles.

    Args:
        path: CSV file with the columns of `PredictionTable`, and any others.
        by: Further columns to keep.
        unit: What a row shall be.
        rule: How the images of a study or patient are joined.

    Raises:
        DataError: If the table is not valid, or its images cannot be joined.
        UnknownNameError: If it has no column of that name.
    """
    import pandas as pd

    images = PredictionTable.from_csv(path)
    columns: dict[str, npt.NDArray[np.str_]] = {}
    if by:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
        columns = {str(name): frame[name].to_numpy(dtype=np.str_) for name in frame.columns}
    return join_units(images, columns, by=by, unit=unit, rule=rule)


def join_units(
    images: PredictionTable,
    known: Mapping[str, npt.NDArray[np.str_]],
    *,
    by: Sequence[str] = (),
    unit: UnitName = "image",
    rule: Rule = "max",
) -> UnitTable:
    """Join images as `read_units` does, with further columns at hand.

    Args:
        images: The predictions.
        known: Further columns, shape `(n,)`, by name.
        by: Those of them to keep.
        unit: What a row shall be.
        rule: How the images of a study or patient are joined.

    Raises:
        DataError: If the images cannot be joined.
        UnknownNameError: If there is no column of that name.
    """
    columns: dict[str, npt.NDArray[np.str_]] = {}
    notes: list[str] = []
    for name in by:
        if name not in known:
            raise UnknownNameError("column", name, tuple(known))
        values = np.array([value.strip() for value in known[name].tolist()], dtype=np.str_)
        columns[name], note = _binned(name, values)
        notes += [note] if note else []
    if unit == "image":
        return UnitTable(images, columns, tuple(notes))
    if unit not in _UNITS:
        raise DataError("a unit is image, study or patient", got=repr(unit))
    key = _UNITS[unit]
    joined = aggregate(images, key, rule=rule)
    units = joined.case.tolist()
    rows_of: dict[str, list[int]] = {}
    for row, name in enumerate(getattr(images, key).tolist()):
        rows_of.setdefault(name, []).append(row)
    for name, values in columns.items():
        columns[name] = np.array([_one(values[rows_of[one]]) for one in units])
    notes.append(
        f"{len(images)} images were joined to {len(joined)} "
        f"{'studies' if unit == 'study' else 'patients'} by the rule {rule}."
    )
    return UnitTable(joined, columns, tuple(notes))


def _one(values: npt.NDArray[np.str_]) -> str:
    different = np.unique(values)
    return str(different[0]) if different.size == 1 else MIXED


def _binned(name: str, values: npt.NDArray[np.str_]) -> tuple[npt.NDArray[np.str_], str]:
    """Cut a column of many different numbers at its quartiles; leave any other as it is."""
    known = values != ""
    different = np.unique(values[known])
    if different.size <= _MOST_VALUES or name in COLUMNS:
        return values, ""
    try:
        numbers = values[known].astype(np.float64)
    except ValueError:
        return values, ""
    if not np.isfinite(numbers).all():
        return values, ""
    inner = np.unique(np.quantile(numbers, (0.25, 0.5, 0.75)))
    ends = [f"{end:g}" for end in inner]
    labels = [
        f"1: up to {ends[0]}",
        *(f"{n}: {a} to {b}" for n, (a, b) in enumerate(pairwise(ends), 2)),
        f"{len(ends) + 1}: above {ends[-1]}",
    ]
    cut = np.full(values.shape, "", dtype="<U60")
    cut[known] = np.array(labels)[np.searchsorted(inner, numbers)]
    return cut, f"The column {name!r} holds many numbers and was cut at its quartiles."
