"""Columns of a CSV table as checked arrays; every complaint names the row and the column."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TypeVar

from fracturax.core.errors import DataError

ValueT = TypeVar("ValueT")


def read_columns(
    path: Path, required: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, list[str]]:
    """Read columns of a CSV file with a header line as text; further columns are ignored.

    Raises:
        DataError: If the file cannot be read, lacks a required column, names a column twice, has
            a line that is too short or too long, or holds no line at all.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = list(csv.reader(file))
    except FileNotFoundError:
        raise DataError("there is no such table", got=path.name) from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path.name} is no readable CSV table", got=str(error)) from error
    header = [name.strip() for name in lines[0]] if lines else []
    missing = [name for name in required if name not in header]
    if missing:
        raise DataError(
            f"{path.name} lacks columns",
            got=f"no {', '.join(missing)}",
            cure=f"give {', '.join(required)}",
        )
    repeated = [name for name in (*required, *optional) if header.count(name) > 1]
    if repeated:
        raise DataError(f"{path.name} names a column twice", got=repeated[0])
    body = [line for line in lines[1:] if any(cell.strip() for cell in line)]
    if not body:
        raise DataError(f"{path.name} holds a header and nothing else", got="0 rows")
    for row, line in enumerate(body, 1):
        if len(line) != len(header):
            raise DataError(
                f"row {row} of {path.name} does not fit its header",
                got=f"{len(line)} cells for {len(header)} columns",
            )
    return {
        name: [line[header.index(name)].strip() for line in body]
        for name in (*required, *optional)
        if name in header
    }


def parse(column: str, cells: Sequence[str], rule: Callable[[str], ValueT]) -> list[ValueT]:
    """Apply a rule to every cell.

    Raises:
        DataError: Naming row and column, if the rule raises ValueError; its words are the reason.
    """
    values: list[ValueT] = []
    for row, cell in enumerate(cells, 1):
        try:
            values.append(rule(cell))
        except ValueError as error:
            raise cell_error(column, row, str(error), cell) from None
    return values


def cell_error(column: str, row: int, rule: str, value: object, *, cure: str = "") -> DataError:
    """Return the error of one cell; the first row is 1."""
    return DataError(f"the column {column!r} {rule}", got=f"{value!r} in row {row}", cure=cure)


def label(cell: str) -> str:
    """Return a name that is not empty."""
    if not cell:
        raise ValueError("must not be empty")
    return cell


def flag(cell: str) -> bool:
    """Return a yes or no, written as 1 or 0, true or false, yes or no."""
    known = {"1": True, "0": False, "true": True, "false": False, "yes": True, "no": False}
    if cell.lower() not in known:
        raise ValueError("must be 0 or 1")
    return known[cell.lower()]


def number(cell: str) -> float:
    """Return a finite number."""
    try:
        value = float(cell)
    except ValueError:
        raise ValueError("must be a number") from None
    if not math.isfinite(value):
        raise ValueError("must be a finite number")
    return value


def number_or_nothing(cell: str) -> float:
    """Return a finite number, or NaN of an empty cell."""
    return math.nan if cell == "" else number(cell)


def rating_within(lowest: float, highest: float) -> Callable[[str], float]:
    """Return the rule of a rating: a number of the scale, or nothing (NaN)."""

    def rating(cell: str) -> float:
        value = number_or_nothing(cell)
        if cell and not lowest <= value <= highest:
            raise ValueError(f"must lie in [{lowest:g}, {highest:g}]")
        return value

    return rating


def reader_among(readers: Collection[str] | None) -> Callable[[str], str]:
    """Return the rule of a reader: one of the study's; None takes every name."""

    def reader(cell: str) -> str:
        if readers is not None and cell not in readers:
            raise ValueError(f"must name a reader of the study: {', '.join(sorted(readers))}")
        return label(cell)

    return reader


def in_order(labels: Sequence[str]) -> tuple[str, ...]:
    """Return distinct labels in order: as numbers where all are numbers, else as text.

    Example:
        >>> in_order(["10", "9", "10"]), in_order(["with AI", "alone"])
        (('9', '10'), ('alone', 'with AI'))
    """
    distinct = sorted(set(labels))
    try:
        return tuple(sorted(distinct, key=number))
    except ValueError:
        return tuple(distinct)
