"""From images to studies to patients: a table of predictions in, a shorter one out."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.evaluation.table import PredictionTable

Unit = Literal["case", "patient_key"]
Rule = Literal["max", "mean", "noisy_or"]

_ALARM = ("not_assessed", "no_fracture", "doubt", "fracture")
"""Statuses, each outweighed by the next."""


def aggregate(table: PredictionTable, by: Unit, *, rule: Rule = "max") -> PredictionTable:
    """Join the images of each case, or of each patient, by a named rule.

    A unit is fractured where any of its images is. Its probability comes from the images that
    were assessed; it is not assessed where none was. Its status is the most alarming of them:
    that of the rule `max`, with thresholds of images; judge `mean` and `noisy_or` by their
    probability, at a threshold chosen on the joined table.

    Args:
        table: One row an image.
        by: `case` for studies, `patient_key` for patients.
        rule: `max`; `mean`; or `noisy_or`, the chance that any image shows a fracture if images
            erred independently, which they do not: it needs calibration anew.

    Returns:
        One row a unit, in the order in which they first occur; its `image` is `all`.

    Raises:
        DataError: If there is no such rule or unit, or a unit lies in two folds, is of two models,
            or a case belongs to two patients; names the row and the column.

    Example:
        >>> table = PredictionTable.from_records([
        ...     {"case": case, "image": image, "patient_key": case, "reference": truth,
        ...      "probability": probability, "status": status, "fold": "0", "model": "xray"}
        ...     for case, image, truth, probability, status in [
        ...         ("a", "ap", 0, 0.5, "doubt"), ("a", "lateral", 1, 0.8, "fracture"),
        ...         ("b", "ap", 0, 0.1, "no_fracture")]])
        >>> for rule in ("max", "mean", "noisy_or"):
        ...     aggregate(table, "case", rule=rule).probability.round(3).tolist()
        [0.8, 0.1]
        [0.65, 0.1]
        [0.9, 0.1]
        >>> aggregate(table, "case").status.tolist()
        ['fracture', 'no_fracture']
    """
    if by not in ("case", "patient_key") or rule not in ("max", "mean", "noisy_or"):
        raise DataError(
            "images are joined by case or patient_key and by max, mean or noisy_or",
            got=f"{by!r} and {rule!r}",
        )
    _, first, unit_of_row = np.unique(getattr(table, by), return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(order.size)
    unit_of_row, first = place[unit_of_row], first[order]
    for column in ("fold", "model", *(("patient_key",) if by == "case" else ())):
        _check_alike(table, by, column, unit_of_row, first)
    count = first.size
    fractured = np.bincount(unit_of_row, weights=table.reference, minlength=count) > 0
    alarm = np.zeros(count, dtype=np.intp)
    np.maximum.at(alarm, unit_of_row, [_ALARM.index(status) for status in table.status.tolist()])
    return PredictionTable(
        case=table.case[first] if by == "case" else table.patient_key[first],
        image=np.full(count, "all"),
        patient_key=table.patient_key[first],
        reference=fractured.astype(np.int64),
        probability=_joined(table, unit_of_row, count, rule),
        status=np.array(_ALARM)[alarm],
        fold=table.fold[first],
        model=table.model[first],
    )


def _joined(
    table: PredictionTable, unit_of_row: npt.NDArray[np.intp], count: int, rule: Rule
) -> npt.NDArray[np.float64]:
    assessed = table.is_assessed
    units, probability = unit_of_row[assessed], table.probability[assessed]
    number = np.bincount(units, minlength=count)
    if rule == "max":
        joined = np.full(count, -np.inf)
        np.maximum.at(joined, units, probability)
    elif rule == "mean":
        joined = np.bincount(units, weights=probability, minlength=count) / np.maximum(number, 1)
    else:
        missed = np.ones(count)
        np.multiply.at(missed, units, 1 - probability)
        joined = 1 - missed
    return np.where(number > 0, joined, np.nan)


def _check_alike(
    table: PredictionTable,
    by: str,
    column: str,
    unit_of_row: npt.NDArray[np.intp],
    first: npt.NDArray[np.intp],
) -> None:
    values = getattr(table, column)
    wrong = values != values[first][unit_of_row]
    if wrong.any():
        row = int(np.argmax(wrong))
        unit = getattr(table, by)[row]
        raise DataError(
            f"the column {column!r} differs within one {by}",
            got=f"{values[row].item()!r} in row {row + 1}, "
            f"{values[first[unit_of_row[row]]].item()!r} before, of {unit.item()!r}",
            cure=f"join the images of one {column} at a time",
        )
