"""Any number by any column: each subgroup with its interval, and whether they differ."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc, expit, logit

from fracturax.core.errors import DataError
from fracturax.evaluation.intervals import normal_quantile
from fracturax.evaluation.result import Evaluation, Row

FloatArray = npt.NDArray[np.float64]
Measure = Callable[[npt.NDArray[np.intp]], Row]
"""From the rows of a subgroup, shape `(m,)`, to the number with its interval."""
MISSING = "missing"
"""Name of the subgroup whose value is not known."""


@dataclass(frozen=True)
class Subgroup:
    """One subgroup of a column.

    Args:
        name: Value of the column.
        n: How many rows it has.
        row: The number with its interval; None where it is too small.
        note: Why there is no number; empty where there is one.
    """

    name: str
    n: int
    row: Row | None
    note: str = ""


@dataclass(frozen=True)
class Heterogeneity:
    """Whether subgroups differ by more than chance.

    Args:
        statistic: Value of the test statistic.
        df: Degrees of freedom; None where the test has none.
        p: P-value.
        method: Name of the test.
    """

    statistic: float
    df: int | None
    p: float
    method: str


@dataclass(frozen=True)
class SubgroupAnalysis:
    """A number in all rows and by the values of one column; what a forest plot shows.

    Args:
        column: Name of the column.
        overall: The number over all rows.
        subgroups: One for each value of the column, in order.
        heterogeneity: Test that all subgroups are alike; None where fewer than two can be
            compared.
    """

    column: str
    overall: Row
    subgroups: tuple[Subgroup, ...]
    heterogeneity: Heterogeneity | None

    def as_evaluation(self) -> Evaluation:
        """Return the numbers as rows `metric[column=value]`, what is missing as notes."""
        rows = [self.overall]
        notes = []
        for group in self.subgroups:
            if group.row is None:
                notes.append(f"{self.column}={group.name}: {group.note}.")
                continue
            one = group.row
            name = f"{one.metric}[{self.column}={group.name}]"
            rows.append(Row(name, one.value, one.low, one.high, one.n, one.method))
        if self.heterogeneity is not None:
            test = self.heterogeneity
            notes.append(f"Heterogeneity by {self.column}: {test.method}, p = {test.p:.4g}.")
        return Evaluation(tuple(rows), tuple(notes))


def by_subgroup(
    column: str,
    values: npt.ArrayLike,
    measure: Measure,
    *,
    order: Sequence[str] | None = None,
    smallest: int = 10,
) -> SubgroupAnalysis:
    """Measure a number in every subgroup of a column, and test that they are alike.

    The test is Cochran's Q on the logit scale, with standard errors from the intervals; it needs
    numbers in (0, 1) with intervals. Where a subgroup has none (all are right), or the number is
    of another kind, use `permutation_heterogeneity`.

    Args:
        column: Name of the column (region, view, age band, site, ...).
        values: Value of each row, shape `(n,)`; None or empty is its own subgroup, `missing`.
        measure: From row indices to a `Row`, such as
            `lambda rows: auroc_interval(reference[rows], score[rows], groups=patient[rows])`; its
            interval must be of level 0.95. A DataError it raises says why a subgroup has no
            number.
        order: Values in the order wanted; None takes them sorted.
        smallest: A subgroup of fewer rows, or whose number stands on fewer units, gets none.

    Raises:
        DataError: If there is no row, a value is not in the order given, or the number is not
            defined on all rows.

    References:
        Cochran, Biometrics 10:101-129, 1954.

    Example:
        >>> from fracturax.evaluation.intervals import proportion_row
        >>> right = np.array([1] * 45 + [0] * 5 + [1] * 30 + [0] * 20 + [1] * 3)
        >>> view = ["ap"] * 50 + ["lateral"] * 50 + ["oblique"] * 3
        >>> analysis = by_subgroup("view", view, lambda rows: proportion_row(
        ...     "sensitivity", int(right[rows].sum()), rows.size))
        >>> [(group.name, group.n, group.row and group.row.value, group.note)
        ...  for group in analysis.subgroups]
        [('ap', 50, 0.9, ''), ('lateral', 50, 0.6, ''), ('oblique', 3, None, 'too small: 3 of 10')]
        >>> round(analysis.heterogeneity.p, 4), analysis.heterogeneity.df
        (0.0009, 1)
    """
    names, group_of_row = subgroup_codes(column, values, order)
    everything = measure(np.arange(group_of_row.size))
    groups = []
    for place, name in enumerate(names):
        rows = np.flatnonzero(group_of_row == place)
        if rows.size < smallest:
            groups.append(Subgroup(name, rows.size, None, f"too small: {rows.size} of {smallest}"))
            continue
        try:
            row = measure(rows)
        except DataError as error:
            groups.append(Subgroup(name, rows.size, None, str(error)))
            continue
        if row.n < smallest:
            note = f"too small: the number stands on {row.n} of {smallest}"
            groups.append(Subgroup(name, rows.size, None, note))
        else:
            groups.append(Subgroup(name, rows.size, row))
    found = [group.row for group in groups if group.row is not None]
    return SubgroupAnalysis(column, everything, tuple(groups), cochran_q(found))


def cochran_q(rows: Sequence[Row], *, level: float = 0.95) -> Heterogeneity | None:
    """Return Cochran's Q of numbers in (0, 1), on the logit scale.

    Args:
        rows: The numbers of independent subgroups, with intervals.
        level: Coverage of the intervals, from which the standard errors are taken.

    Returns:
        The test; None if there are fewer than two rows, or a row has no interval within (0, 1).

    References:
        Cochran, Biometrics 10:101-129, 1954; standard errors from intervals: Cochrane Handbook
        for Systematic Reviews, 6.3.2.

    Example:
        >>> rows = [Row("a", 0.8, 0.7, 0.87, 90, ""), Row("b", 0.8, 0.65, 0.9, 40, "")]
        >>> cochran_q(rows).p > 0.9
        True
    """
    estimates, errors = [], []
    for row in rows:
        if row.low is None or row.high is None:
            return None
        if not (0 < row.low < row.high < 1 and 0 < row.value < 1):
            return None
        estimates.append(float(logit(row.value)))
        width = float(logit(row.high) - logit(row.low))
        errors.append(width / (2 * normal_quantile(level)))
    if len(estimates) < 2:
        return None
    weights = 1 / np.square(errors)
    middle = float(weights @ estimates / weights.sum())
    q = float(weights @ np.square(np.subtract(estimates, middle)))
    df = len(estimates) - 1
    method = f"Cochran's Q on the logit scale, pooled {float(expit(middle)):.4f}"
    return Heterogeneity(q, df, float(chdtrc(df, q)), method)


def permutation_heterogeneity(
    column: str,
    values: npt.ArrayLike,
    statistic: Callable[[npt.NDArray[np.intp]], float],
    *,
    generator: np.random.Generator,
    groups: npt.ArrayLike | None = None,
    strata: npt.ArrayLike | None = None,
    permutations: int = 1000,
    smallest: int = 10,
) -> Heterogeneity:
    """Test that subgroups are alike by giving their values to other patients.

    Args:
        column: Name of the column.
        values: Value of each row, shape `(n,)`, one value a group.
        statistic: From row indices to the number (accuracy, Dice, AUROC, ...).
        generator: Source of randomness.
        groups: Rows that keep their value together (patients), shape `(n,)`; None: each alone.
        strata: Values are exchanged within these only, shape `(n,)`, one value a group: the class,
            so that subgroups may differ in prevalence. None exchanges among all.
        permutations: How many exchanges to draw.
        smallest: Subgroups of fewer rows are left out.

    Returns:
        The spread of the subgroups around their mean, weighted by their rows, with the share of
        exchanges that spread as far.

    Raises:
        DataError: If the rows do not fit, a group has two values, fewer than two subgroups are
            large enough, or the number is not defined in one of them.

    References:
        Good, Permutation, Parametric and Bootstrap Tests of Hypotheses, 2005, chapter 3; Phipson
        & Smyth, Stat. Appl. Genet. Mol. Biol. 9:39, 2010.

    Example:
        >>> right = np.array([1.0] * 40 + [1.0, 0.0] * 20)
        >>> site = ["a"] * 40 + ["b"] * 40
        >>> test = permutation_heterogeneity("site", site, lambda rows: right[rows].mean(),
        ...                                  generator=np.random.default_rng(0))
        >>> test.p < 0.01
        True
    """
    _, code_of_row = subgroup_codes(column, values, None)
    keep = np.flatnonzero(np.bincount(code_of_row)[code_of_row] >= smallest)
    codes, code_of_row = np.unique(code_of_row[keep], return_inverse=True)
    if codes.size < 2 or permutations < 1:
        raise DataError(
            "a test for heterogeneity needs two subgroups and a permutation",
            got=f"{codes.size} of {smallest} rows or more in {column!r}",
        )
    units = _unit_of_row(keep, groups, np.size(values))
    strata_of_row = _unit_of_row(keep, strata, np.size(values)) if strata is not None else None
    _, first = np.unique(units, return_index=True)
    code_of_unit = code_of_row[first]
    if (code_of_unit[units] != code_of_row).any():
        row = int(keep[np.argmax(code_of_unit[units] != code_of_row)]) + 1
        raise DataError(f"a group has two values of {column!r}", got=f"row {row}")
    stratum_of_unit = np.zeros(first.size, dtype=np.intp)
    if strata_of_row is not None:
        stratum_of_unit = strata_of_row[first]
        if (stratum_of_unit[units] != strata_of_row).any():
            row = int(keep[np.argmax(stratum_of_unit[units] != strata_of_row)]) + 1
            raise DataError("a group lies in two strata", got=f"row {row}")
    pools = [np.flatnonzero(stratum_of_unit == one) for one in np.unique(stratum_of_unit)]

    def spread(of_unit: npt.NDArray[np.intp]) -> float:
        of_row = of_unit[units]
        chosen = [keep[of_row == code] for code in range(codes.size)]
        found = np.array([float(statistic(rows)) for rows in chosen])
        weight = np.array([rows.size for rows in chosen], dtype=np.float64)
        return float(weight @ (found - weight @ found / weight.sum()) ** 2 / weight.sum())

    observed = spread(code_of_unit)
    if math.isnan(observed):
        raise DataError("the number is not defined in a subgroup", got=repr(column))
    extreme = 0
    for _ in range(permutations):
        shuffled = code_of_unit.copy()
        for pool in pools:
            shuffled[pool] = generator.permutation(shuffled[pool])
        # An exchange on which the number is not defined counts against a difference.
        extreme += not spread(shuffled) < observed - 1e-12
    method = f"permutation, {permutations} drawn"
    return Heterogeneity(observed, None, (extreme + 1) / (permutations + 1), method)


def subgroup_codes(
    column: str, values: npt.ArrayLike, order: Sequence[str] | None
) -> tuple[tuple[str, ...], npt.NDArray[np.intp]]:
    """Return the names of the subgroups of a column and which one each row is in.

    Raises:
        DataError: If there is no row, or a value is not in the order given; names row and column.
    """
    listed = np.asarray(values, dtype=object)
    if listed.ndim != 1 or listed.size == 0:
        raise DataError(f"the column {column!r} needs one value a row", got=f"{listed.shape}")
    texts = [MISSING if _is_missing(value) else str(value) for value in listed.tolist()]
    found = sorted(set(texts))
    if order is None:
        names = tuple(found)
    else:
        names = tuple(order)
        for row, text in enumerate(texts, 1):
            if text not in names:
                raise DataError(
                    f"the column {column!r} holds a value that is not in its order",
                    got=f"{text!r} in row {row}",
                    cure=f"use {', '.join(names)}",
                )
    place = {name: position for position, name in enumerate(names)}
    return names, np.array([place[text] for text in texts], dtype=np.intp)


def _is_missing(value: object) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def _unit_of_row(
    keep: npt.NDArray[np.intp], groups: npt.ArrayLike | None, rows: int
) -> npt.NDArray[np.intp]:
    keys = np.arange(rows) if groups is None else np.asarray(groups)
    if keys.shape != (rows,):
        raise DataError("groups and strata need one value a row", got=f"shape {keys.shape}")
    _, unit = np.unique(keys[keep], return_inverse=True)
    return unit
