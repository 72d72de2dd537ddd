"""The intraclass correlation: how much of what differs lies between cases, not between readings."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import fdtri

from fracturax.core.errors import DataError
from fracturax.evaluation.intervals import percent
from fracturax.evaluation.result import Row

FloatArray = npt.NDArray[np.float64]
IccForm = Literal["1,1", "2,1", "3,1"]
"""Shrout and Fleiss' names: readings in no order; the same readers, agreement or consistency."""

# Values that differ by rounding alone are equal: their correlation would be that of rounding.
_ROUNDING = 1e-12


def intraclass_correlation(
    readings: npt.ArrayLike, *, form: IccForm = "1,1", level: float = 0.95
) -> Row:
    """Return the intraclass correlation of single readings, with its interval.

    Args:
        readings: Shape `(cases, readings)`, numbers of one unit, none missing.
        form: `1,1` where the readings of a case have no order or come from other readers in each
            case; `2,1` where the same readers, drawn from many, read all cases, and a reader who
            always reads higher counts as disagreement; `3,1` where he does not.
        level: Coverage.

    Returns:
        The row `ICC(1,1)`, `ICC(2,1)` or `ICC(3,1)`, n the cases. It may be below 0. Where no case
        is ever read differently, value and both ends are 1: the limit of the formulas, in which
        the number of cases no longer tells.

    Raises:
        DataError: If there are fewer than two cases or readings, one is missing, all are equal, the
            form or level is impossible, or ICC(2,1) is 0 by 0: two cases that two readers exchange.

    References:
        Shrout & Fleiss, Psychological Bulletin 86:420-428, 1979; intervals: McGraw & Wong,
        Psychological Methods 1:30-46 and 390, 1996 (of ICC(2,1) with Satterthwaite's degrees of
        freedom).

    Example:
        Shrout and Fleiss' table 2, four judges of six targets:

        >>> judged = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9],
        ...           [6, 2, 4, 7]]
        >>> [round(intraclass_correlation(judged, form=form).value, 2)
        ...  for form in ("1,1", "2,1", "3,1")]
        [0.17, 0.29, 0.71]
    """
    table = _checked(readings, form, level)
    cases, count = table.shape
    between, within, readers, error = _mean_squares(table)
    upper = (1 + level) / 2
    if form == "2,1":
        value, low, high = _agreement(between, readers, error, cases, count, upper)
    else:
        rest, freedom = (
            (within, cases * (count - 1)) if form == "1,1" else (error, (cases - 1) * (count - 1))
        )
        value = (between - rest) / (between + (count - 1) * rest)
        # Both ends follow from MSB/MSW times or by a quantile of F; written without dividing by
        # MSW, which is 0 where no case is read differently.
        least = between / float(fdtri(cases - 1, freedom, upper))
        most = between * float(fdtri(freedom, cases - 1, upper))
        low = (least - rest) / (least + (count - 1) * rest)
        high = (most - rest) / (most + (count - 1) * rest)
    method = f"McGraw & Wong, {count} readings a case, {percent(level)}"
    return Row(f"ICC({form})", value, low, high, cases, method)


def _agreement(
    between: float, readers: float, error: float, cases: int, count: int, upper: float
) -> tuple[float, float, float]:
    total = between + (count - 1) * error + count * (readers - error) / cases
    if total <= _ROUNDING * (between + readers + error):
        raise DataError(
            "ICC(2,1) is not defined where two readers exchange the readings of two cases",
            got="no variance between cases or readers",
            cure="use 1,1 or 3,1, or give more cases",
        )
    value = (between - error) / total
    if value >= 1:
        return 1.0, 1.0, 1.0
    of_readers = count * value / (cases * (1 - value)) * readers
    of_error = (1 + count * value * (cases - 1) / (cases * (1 - value))) * error
    freedom = (of_readers + of_error) ** 2 / (
        of_readers**2 / (count - 1) + of_error**2 / ((cases - 1) * (count - 1))
    )
    f_low = float(fdtri(cases - 1, freedom, upper))
    f_high = float(fdtri(freedom, cases - 1, upper))
    apart = count * readers + (count * cases - count - cases) * error
    low = cases * (between - f_low * error) / (f_low * apart + cases * between)
    high = cases * (f_high * between - error) / (apart + cases * f_high * between)
    return value, low, high


def _mean_squares(table: FloatArray) -> tuple[float, float, float, float]:
    """Return the mean squares between cases, within them, between readers, and of the rest."""
    cases, count = table.shape
    mean = table.mean()
    of_case = table.mean(axis=1, keepdims=True)
    of_reader = table.mean(axis=0, keepdims=True)
    between = count * float(((of_case - mean) ** 2).sum()) / (cases - 1)
    within = float(((table - of_case) ** 2).sum()) / (cases * (count - 1))
    readers = cases * float(((of_reader - mean) ** 2).sum()) / (count - 1)
    rest = float(((table - of_case - of_reader + mean) ** 2).sum())
    return between, within, readers, rest / ((cases - 1) * (count - 1))


def _checked(readings: npt.ArrayLike, form: str, level: float) -> FloatArray:
    table = np.asarray(readings, dtype=np.float64)
    if form not in ("1,1", "2,1", "3,1"):
        raise DataError(
            "there is no such intraclass correlation", got=repr(form), cure="use 1,1, 2,1 or 3,1"
        )
    if not 0 < level < 1:
        raise DataError("the level of an interval must lie in (0, 1)", got=str(level))
    if table.ndim != 2 or min(table.shape) < 2:
        raise DataError(
            "an intraclass correlation needs two cases with two readings each",
            got=f"shape {table.shape}",
        )
    if not np.isfinite(table).all():
        case, reading = np.argwhere(~np.isfinite(table))[0]
        raise DataError(
            "an intraclass correlation needs every reading",
            got=f"{table[case, reading]} as reading {reading + 1} of case {case + 1}",
            cure="leave the case out",
        )
    if np.ptp(table) <= _ROUNDING * np.abs(table).max():
        raise DataError(
            "an intraclass correlation is not defined where all readings are equal",
            got=f"{table[0, 0]} throughout",
        )
    # A common scale changes nothing, and squares of numbers beyond 1e154 are infinite.
    return np.asarray(table / np.abs(table).max())
