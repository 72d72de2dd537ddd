"""Which reader saw which case under which treatment: the design of a reader study."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError

Kind = Literal[
    "fully crossed",
    "cases nested in readers",
    "cases nested in treatments",
    "cases nested in reader groups",
    "cases nested in readers and treatments",
    "readers nested in treatments",
    "partially paired",
]


@dataclass(frozen=True)
class Design:
    """A design, and what the covariance of readers has to know of it.

    Args:
        kind: Its name.
        group_of_reader: Readers of one value see the same cases; all 0 but where cases are nested
            in reader groups.
        shares_cases_across_treatments: Whether treatments are tried on the same cases.
        shares_cases_across_readers: Whether readers (of a group) see the same cases.
    """

    kind: Kind
    group_of_reader: tuple[int, ...]
    shares_cases_across_treatments: bool
    shares_cases_across_readers: bool

    @property
    def is_reader_nested(self) -> bool:
        """Whether each reader worked under one treatment only."""
        return self.kind == "readers nested in treatments"


def recognize_design(
    seen: npt.NDArray[np.bool_],
    *,
    treatments: tuple[str, ...],
    readers: tuple[str, ...],
    cases: tuple[str, ...],
    allow_missing: bool = False,
) -> Design:
    """Tell the design from what was seen.

    Args:
        seen: Whether a rating exists, shape `(treatments, readers, cases)`.
        treatments: Their names.
        readers: Their names.
        cases: Their names.
        allow_missing: Call what is none of the designs partially paired instead of refusing it.

    Raises:
        DataError: If readers worked under some treatments only, or single ratings are missing.

    References:
        Hillis, Statistics in Medicine 33:330-360, 2014 (factorial, reader-nested-within-test,
        case-nested-within-test, case-nested-within-reader and mixed split-plot designs).

    Example:
        >>> seen = np.ones((2, 3, 4), dtype=bool)
        >>> names = dict(treatments=("1", "2"), readers=("a", "b", "c"), cases=tuple("wxyz"))
        >>> recognize_design(seen, **names).kind
        'fully crossed'
    """
    is_cell = np.asarray(seen.any(axis=2))
    all_same = (0,) * len(readers)
    if not is_cell.all():
        if not (is_cell.sum(axis=0) == 1).all():
            treatment, reader = np.argwhere(~is_cell)[0]
            raise DataError(
                "readers must work under all treatments, or each under one",
                got=f"no rating of reader {readers[reader]!r} under treatment "
                f"{treatments[treatment]!r}",
                cure="leave the reader or the treatment out",
            )
        per_treatment = np.asarray(seen.any(axis=1))
        expected = per_treatment[:, None, :] & is_cell[:, :, None]
        shares = bool((per_treatment.sum(axis=0) > 1).all())
        if (seen == expected).all() and (shares or (per_treatment.sum(axis=0) == 1).all()):
            return Design("readers nested in treatments", all_same, shares, True)
    elif seen.all():
        return Design("fully crossed", all_same, True, True)
    else:
        found = _crossed_split_plot(seen, all_same)
        if found is not None:
            return found
    if allow_missing:
        if not is_cell.all():
            return Design("readers nested in treatments", all_same, True, True)
        return Design("partially paired", all_same, True, True)
    raise _missing(seen, is_cell, treatments, readers, cases)


def _crossed_split_plot(seen: npt.NDArray[np.bool_], all_same: tuple[int, ...]) -> Design | None:
    """Return the split-plot design of readers who all worked under all treatments."""
    by_treatment, by_reader = np.asarray(seen.any(axis=1)), np.asarray(seen.any(axis=0))
    if (seen == by_treatment[:, None, :]).all() and (by_treatment.sum(axis=0) == 1).all():
        return Design("cases nested in treatments", all_same, False, True)
    if (seen.sum(axis=(0, 1)) == 1).all():
        return Design("cases nested in readers and treatments", all_same, False, False)
    if not (seen == by_reader[None, :, :]).all():
        return None
    rows, group_of_reader = np.unique(by_reader, axis=0, return_inverse=True)
    if not (rows.sum(axis=0) == 1).all():
        return None
    groups = tuple(int(group) for group in group_of_reader)
    if len(rows) == len(groups):
        return Design("cases nested in readers", all_same, True, False)
    return Design("cases nested in reader groups", groups, True, True)


def _missing(
    seen: npt.NDArray[np.bool_],
    is_cell: npt.NDArray[np.bool_],
    treatments: tuple[str, ...],
    readers: tuple[str, ...],
    cases: tuple[str, ...],
) -> DataError:
    # The rarest gap is the likeliest slip: name a case that most cells have.
    gaps = np.asarray(~seen & is_cell[:, :, None])
    count = gaps.sum(axis=(0, 1))
    case = int(np.argmin(np.where(count > 0, count, count.max() + 1)))
    treatment, reader = np.argwhere(gaps[:, :, case])[0]
    return DataError(
        "ratings are missing, and what is there is no split-plot design",
        got=f"{int(gaps.sum())} gaps, such as case {cases[case]!r}, reader {readers[reader]!r}, "
        f"treatment {treatments[treatment]!r}",
        cure="give the ratings, leave these cases out, or allow missing ratings",
    )
