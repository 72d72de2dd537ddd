"""What failures have in common: how often a trait is among them, and among the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.stats import fisher_exact
from scipy.stats.contingency import odds_ratio

from fracturax.core.errors import DataError
from fracturax.evaluation.multiplicity import holm
from fracturax.evaluation.subgroups import MISSING


@dataclass(frozen=True)
class Trait:
    """One value of a column, among failures and among the rest of their class.

    Args:
        column: Name of the column.
        value: The value.
        failed: Failures that have it.
        failures: All failures.
        right: Others of the class that have it.
        others: All others of the class.
        odds_ratio: Of failing with it against failing without it; conditional maximum likelihood.
        low: Lower end of its 95 % interval (exact, conditional).
        high: Upper end.
        p: Fisher's exact test, two-sided, adjusted by Holm over all traits that were tested.
    """

    column: str
    value: str
    failed: int
    failures: int
    right: int
    others: int
    odds_ratio: float
    low: float
    high: float
    p: float


def common_traits(
    is_failure: npt.ArrayLike,
    columns: Mapping[str, Sequence[str] | npt.NDArray[np.str_]],
    *,
    smallest: int = 10,
) -> tuple[Trait, ...]:
    """Return the traits of the failures of one class, the most telling first.

    Films of one patient are taken as independent, so p-values are somewhat too small where a
    patient has several.

    Args:
        is_failure: Whether each case failed, shape `(n,)`; all cases of one class, such as all
            fractured ones.
        columns: Value of each case, shape `(n,)` each, by name; empty where unknown.
        smallest: A value that fewer cases have, or lack, is not tested.

    Raises:
        DataError: If a column is not of that length, or nothing or everything failed.

    References:
        Fisher, Journal of the Royal Statistical Society 85:87-94, 1922; Holm, Scandinavian
        Journal of Statistics 6:65-70, 1979.

    Example:
        >>> failed = np.arange(40) < 12
        >>> traits = common_traits(failed, {"view": ["oblique"] * 10 + ["frontal"] * 30})
        >>> [(one.value, one.failed, one.right) for one in traits]
        [('frontal', 2, 28), ('oblique', 10, 0)]
        >>> traits[0].p == traits[1].p < 1e-4
        True
    """
    failed = np.asarray(is_failure, np.bool_)
    if not 0 < failed.sum() < failed.size:
        raise DataError(
            "traits are compared between failures and the rest",
            got=f"{int(failed.sum())} failures of {failed.size}",
        )
    traits = []
    for column, given in columns.items():
        values = np.asarray(given, np.str_)
        if values.shape != failed.shape:
            raise DataError(
                f"the column {column!r} has another length",
                got=f"{values.size} values for {failed.size} cases",
            )
        for value in np.unique(values).tolist():
            has = values == value
            if min(has.sum(), (~has).sum()) < smallest:
                continue
            traits.append(_trait(column, value or MISSING, failed, has))
    adjusted = holm([one.p for one in traits]).tolist() if traits else []
    found = [replace(one, p=p) for one, p in zip(traits, adjusted, strict=True)]
    return tuple(sorted(found, key=lambda one: (one.p, one.column, one.value)))


def _trait(
    column: str, value: str, failed: npt.NDArray[np.bool_], has: npt.NDArray[np.bool_]
) -> Trait:
    table = np.array(
        [
            [(failed & has).sum(), (failed & ~has).sum()],
            [(~failed & has).sum(), (~failed & ~has).sum()],
        ]
    )
    ratio = odds_ratio(table)
    interval = ratio.confidence_interval(0.95)
    return Trait(
        column=column,
        value=value,
        failed=int(table[0, 0]),
        failures=int(table[0].sum()),
        right=int(table[1, 0]),
        others=int(table[1].sum()),
        odds_ratio=float(ratio.statistic),
        low=float(interval.low),
        high=float(interval.high),
        p=float(fisher_exact(table).pvalue),
    )
