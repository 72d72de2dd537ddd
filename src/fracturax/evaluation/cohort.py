"""The cohort table ("Table 1"): who was studied, by group, with tests and differences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.evaluation.cohort_tests import (
    categorical_difference,
    categorical_test,
    continuous_difference,
    continuous_test,
)
from fracturax.evaluation.normality import normality_test

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Numbers:
    """A column of numbers in one group.

    Args:
        n: How many are known.
        missing: How many are not.
        mean: Their mean; NaN where none is known, as all of the following.
        sd: Standard deviation (n - 1); NaN below two.
        median: Median.
        quartiles: 25th and 75th percentile, interpolated linearly.
    """

    n: int
    missing: int
    mean: float
    sd: float
    median: float
    quartiles: tuple[float, float]


@dataclass(frozen=True)
class Counts:
    """A column of categories in one group.

    Args:
        n: How many are known.
        missing: How many are not.
        counts: How many of each category, in the order of the variable's levels.
    """

    n: int
    missing: int
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Variable:
    """One variable of the cohort.

    Args:
        name: Name of the column.
        levels: Its categories; empty for numbers.
        is_normal: Whether numbers looked normal in every group, so that mean and SD say it;
            False for categories.
        overall: All rows.
        groups: Each group, in the order of the table.
        test: Name of the test between the groups; empty where there is none.
        p: P-value of it; None where there is none.
        difference: Standardized mean difference of the two groups; None where there is none.
    """

    name: str
    levels: tuple[str, ...]
    is_normal: bool
    overall: Numbers | Counts
    groups: tuple[Numbers | Counts, ...]
    test: str
    p: float | None
    difference: float | None


@dataclass(frozen=True)
class CohortTable:
    """Who was studied.

    Args:
        n: How many rows.
        group_column: Column that tells the groups apart; empty where there is none.
        groups: Names and sizes of the groups.
        variables: One a column.
        notes: How numbers were chosen and tested.
    """

    n: int
    group_column: str
    groups: tuple[tuple[str, int], ...]
    variables: tuple[Variable, ...]
    notes: tuple[str, ...]

    def __getitem__(self, name: str) -> Variable:
        for variable in self.variables:
            if variable.name == name:
                return variable
        raise DataError(
            "the cohort has no such variable",
            got=repr(name),
            cure=f"use {', '.join(one.name for one in self.variables)}",
        )

    def lines(self) -> tuple[tuple[str, ...], ...]:
        """Return the table as text, a header line first."""
        two = len(self.groups) == 2
        header = ["", f"all (n = {self.n})", *(f"{name} (n = {n})" for name, n in self.groups)]
        lines = [tuple(header + (["p", "test", "SMD"] if two else []))]
        for one in self.variables:
            ends = ["" if one.p is None else _p(one.p), one.test, _smd(one.difference)]
            tail = ends if two else []
            blank = [""] * len(tail)
            parts = [one.overall, *one.groups]
            if isinstance(one.overall, Counts):
                lines.append((one.name, *([""] * len(parts)), *tail))
                lines += [
                    (f"  {level}", *(_share(part, at) for part in parts), *blank)
                    for at, level in enumerate(one.levels)
                ]
            else:
                form = "mean ± SD" if one.is_normal else "median (IQR)"
                cells = [_center(part, one.is_normal) for part in parts]
                lines.append((f"{one.name}, {form}", *cells, *tail))
            if any(part.missing for part in parts):
                lines.append(("  missing", *(str(part.missing) for part in parts), *blank))
        return tuple(lines)

    def as_markdown(self) -> str:
        """Return a Markdown table with its notes."""
        header, *body = self.lines()
        rows = ["| " + " | ".join(header) + " |", "|:--" + "|--:" * (len(header) - 1) + "|"]
        rows += ["| " + " | ".join(line) + " |" for line in body]
        return "\n".join([*rows, "", *(f"- {note}" for note in self.notes)])


def cohort_table(
    data: Mapping[str, Sequence[object] | npt.NDArray[np.generic]],
    *,
    group: str | None = None,
    categorical: Sequence[str] = (),
    shapiro_up_to: int = 50,
    seed: int = 0,
) -> CohortTable:
    """Summarize who was studied, and how two groups of them differ.

    Numbers that look normal in every group (p >= 0.05; Shapiro-Wilk or Lilliefors by their
    count) are given as mean ± SD and compared by Welch's t-test, others as median (IQR) and by
    Mann-Whitney. Categories are compared by chi-square, or, where an expected count is below 5,
    by Fisher's exact test (2 x 2) or chi-square with drawn tables. Missing values are counted and
    left out, each variable by itself.

    Args:
        data: Values by column; None, empty or NaN is missing. A column of numbers is summarized
            as numbers, any other (also of True and False) as categories.
        group: Column that tells two groups apart; its rows must not be missing. None: no groups.
        categorical: Columns of numbers that are codes of categories.
        shapiro_up_to: As in `normality_test`.
        seed: Of the drawn tables.

    Raises:
        DataError: If the columns differ in length, there is none, the group has not two values,
            or a column mixes numbers and words; names row and column.

    References:
        Differences: Austin, Statistics in Medicine 28:3083-3107, 2009; Yang & Dalton, SAS Global
        Forum 335, 2012 (more than two categories).

    Example:
        >>> generator = np.random.default_rng(0)
        >>> table = cohort_table(
        ...     {"age": generator.normal(50, 10, size=40).round(), "sex": ["f", "m"] * 20,
        ...      "fracture": ["no", "no", "yes", "yes"] * 10}, group="fracture")
        >>> table["age"].test, table["sex"].test, table["sex"].p
        ("Welch's t", 'chi-square', 1.0)
        >>> table["sex"].groups[0]
        Counts(n=20, missing=0, counts=(10, 10))
    """
    columns = {name: _cells(name, values) for name, values in data.items()}
    lengths = {len(cells) for cells in columns.values()}
    if len(lengths) != 1 or 0 in lengths:
        raise DataError(
            "the columns of a cohort must have one length, at least 1",
            got=", ".join(f"{name} {len(cells)}" for name, cells in columns.items()),
        )
    strangers = {*categorical, *({group} if group is not None else set())} - set(columns)
    if strangers:
        raise DataError("the cohort lacks columns", got=", ".join(sorted(strangers)))
    n = lengths.pop()
    members = {} if group is None else _members(group, columns[group])
    generator = np.random.default_rng(seed)
    variables = []
    for name, cells in columns.items():
        if name == group:
            continue
        if name not in categorical and _are_numbers(name, cells):
            variables.append(_numbers_variable(name, cells, members, shapiro_up_to))
        else:
            variables.append(_counts_variable(name, cells, members, generator))
    notes = (
        f"Normal where p >= 0.05 in every group: Shapiro-Wilk up to {shapiro_up_to} values, "
        "Kolmogorov-Smirnov (Lilliefors) beyond.",
        "Percentages and tests are of known values.",
    )
    sizes = tuple((name, int(inside.sum())) for name, inside in members.items())
    return CohortTable(n, group or "", sizes, tuple(variables), notes)


def _cells(name: str, values: Sequence[object] | npt.NDArray[np.generic]) -> list[object]:
    cells = values.tolist() if isinstance(values, np.ndarray) else list(values)
    if any(isinstance(cell, list) for cell in cells):
        raise DataError(f"the column {name!r} needs one value a row", got="rows of several")
    return [None if _is_missing(cell) else _plain(cell) for cell in cells]


def _plain(cell: object) -> object:
    return cell.item() if isinstance(cell, np.generic) else cell


def _is_missing(cell: object) -> bool:
    return cell is None or cell == "" or (isinstance(cell, float) and math.isnan(cell))


def _are_numbers(name: str, cells: list[object]) -> bool:
    kinds = [
        isinstance(cell, int | float) and not isinstance(cell, bool)
        for cell in cells
        if cell is not None
    ]
    if any(kinds) and not all(kinds):
        known = [row for row, cell in enumerate(cells, 1) if cell is not None]
        odd = known[kinds.index(not kinds[0])]
        raise DataError(
            f"the column {name!r} mixes numbers and words",
            got=f"{cells[odd - 1]!r} in row {odd}",
            cure="leave missing values empty, or name the column in categorical",
        )
    for row, cell in enumerate(cells, 1):
        if isinstance(cell, float) and math.isinf(cell):
            raise DataError(f"the column {name!r} is not finite", got=f"{cell} in row {row}")
    return all(kinds)


def _members(group: str, cells: list[object]) -> dict[str, npt.NDArray[np.bool_]]:
    for row, cell in enumerate(cells, 1):
        if cell is None:
            raise DataError(
                f"the column {group!r} tells the groups apart and must not be missing",
                got=f"nothing in row {row}",
            )
    texts = np.array([str(cell) for cell in cells])
    names = np.unique(texts)
    if names.size != 2:
        raise DataError(
            f"the column {group!r} must tell two groups apart",
            got=f"{names.size} values",
            cure="compare two groups at a time, or give none",
        )
    return {str(name): texts == name for name in names}


def _numbers_variable(
    name: str,
    cells: list[object],
    members: Mapping[str, npt.NDArray[np.bool_]],
    shapiro_up_to: int,
) -> Variable:
    values = np.array([np.nan if cell is None else cell for cell in cells], dtype=np.float64)
    parts = [values[inside] for inside in members.values()]
    known = [part[~np.isnan(part)] for part in (parts or [values])]
    is_normal = all(_looks_normal(part, shapiro_up_to) for part in known)
    test, p, difference = "", None, None
    if len(parts) == 2:
        test, p = continuous_test(known[0], known[1], is_normal=is_normal)
        difference = continuous_difference(known[0], known[1])
    return Variable(
        name,
        (),
        is_normal,
        _numbers(values),
        tuple(_numbers(part) for part in parts),
        test,
        p,
        difference,
    )


def _looks_normal(values: FloatArray, shapiro_up_to: int) -> bool:
    # Too few to tell, or no spread at all: then the median says more.
    if values.size < 4 or np.unique(values).size < 2:
        return False
    return normality_test(values, shapiro_up_to=shapiro_up_to).p >= 0.05


def _numbers(values: FloatArray) -> Numbers:
    known = values[~np.isnan(values)]
    if known.size == 0:
        nan = math.nan
        return Numbers(0, values.size, nan, nan, nan, (nan, nan))
    low, middle, high = np.quantile(known, (0.25, 0.5, 0.75)).tolist()
    sd = float(known.std(ddof=1)) if known.size > 1 else math.nan
    missing = values.size - known.size
    return Numbers(known.size, missing, float(known.mean()), sd, middle, (low, high))


def _counts_variable(
    name: str,
    cells: list[object],
    members: Mapping[str, npt.NDArray[np.bool_]],
    generator: np.random.Generator,
) -> Variable:
    levels = _levels(cells)
    place = {level: position for position, level in enumerate(levels)}
    codes = np.array([-1 if cell is None else place[str(cell)] for cell in cells])
    parts = [codes[inside] for inside in members.values()]
    counted = [_counts(part, len(levels)) for part in parts]
    test, p, difference = "", None, None
    if len(parts) == 2:
        table = np.array([part.counts for part in counted])
        test, p = categorical_test(table, generator=generator)
        difference = categorical_difference(table)
    return Variable(
        name, levels, False, _counts(codes, len(levels)), tuple(counted), test, p, difference
    )


def _levels(cells: list[object]) -> tuple[str, ...]:
    """Return the categories that occur; codes that are numbers in the order of numbers."""
    numbers = {cell for cell in cells if isinstance(cell, int | float)}
    words = {str(cell) for cell in cells if cell is not None and cell not in numbers}
    return tuple(dict.fromkeys([*map(str, sorted(numbers)), *sorted(words)]))


def _counts(codes: npt.NDArray[np.int64], levels: int) -> Counts:
    known = codes[codes >= 0]
    counts = np.bincount(known, minlength=levels)
    return Counts(known.size, codes.size - known.size, tuple(counts.tolist()))


def _share(part: Numbers | Counts, at: int) -> str:
    assert isinstance(part, Counts)
    share = f" ({100 * part.counts[at] / part.n:.1f}%)" if part.n else ""
    return f"{part.counts[at]}{share}"


def _center(part: Numbers | Counts, is_normal: bool) -> str:
    assert isinstance(part, Numbers)
    if part.n == 0:
        return ""
    if is_normal:
        return f"{part.mean:.1f} ± {part.sd:.1f}"
    return f"{part.median:.1f} ({part.quartiles[0]:.1f}–{part.quartiles[1]:.1f})"


def _p(p: float) -> str:
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _smd(difference: float | None) -> str:
    return "" if difference is None else f"{difference:.3f}"
