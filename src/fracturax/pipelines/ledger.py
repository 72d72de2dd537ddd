"""The ledger of a model card: every subgroup with its numbers, and none left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.evaluation.subgroups import MISSING

LEDGER = {
    "region": "region",
    "view": "view",
    "hardware": "metal implants",
    "exposures": "exposures on the film",
    "fracture_size": "largest fracture, per mille of the film",
    "acquisition": "acquisition group",
}
"""Columns of a table of predictions that a card accounts for, and what it calls them."""
_METRICS = ("auroc", "sensitivity", "specificity")


@dataclass(frozen=True)
class LedgerLine:
    """A subgroup, as a report of the table measured it.

    Args:
        column: Column of the table.
        name: Value of the column; `missing` where it is not known of the films.
        films: How many films it has.
        rows: `auroc`, `sensitivity` and `specificity`, as the report writes a number with its
            interval; None where the subgroup is too small for it, or it says nothing there.
    """

    column: str
    name: str
    films: int
    rows: Mapping[str, Mapping[str, Any] | None]


@dataclass(frozen=True)
class Ledger:
    """All subgroups of a model's results.

    Args:
        lines: One a subgroup, column by column.
        unknown: What the data set says of none of its films, as the card calls it.
    """

    lines: tuple[LedgerLine, ...]
    unknown: tuple[str, ...]

    @classmethod
    def of(
        cls, subgroups: Sequence[Mapping[str, Any]], films: Mapping[str, Mapping[str, int]]
    ) -> Ledger:
        """Put the ledger together from the subgroups in the document of a `TableReport`.

        Args:
            subgroups: One analysis a column and number.
            films: How many films each value of each column has, as `count_films` gives it.

        Raises:
            DataError: If a value has no line, or the line of other films: no card is better than
                one that looks complete.
        """
        lines: dict[tuple[str, str], LedgerLine] = {}
        for analysis in subgroups:
            metric = analysis["metric"].partition("@")[0]
            for one in analysis["subgroups"]:
                key = (analysis["column"], one["name"])
                empty: Mapping[str, Any] = dict.fromkeys(_METRICS)
                rows = lines[key].rows if key in lines else empty
                lines[key] = LedgerLine(*key, one["n"], {**rows, metric: one["row"]})
        for column, counts in films.items():
            for name, count in counts.items():
                line = lines.get((column, name))
                if line is None or line.films != count:
                    held = "no line" if line is None else f"a line of {line.films} films"
                    raise DataError(
                        "a card accounts for every subgroup",
                        got=f"{held} for {column} {name!r}, which has {count}",
                        cure="see not_computed in evaluation.json",
                    )
        unknown = tuple(words for column, words in LEDGER.items() if column not in films)
        return cls(tuple(lines[key] for key in sorted(lines)), unknown)


def count_films(
    columns: Mapping[str, npt.NDArray[np.str_]], reference: npt.NDArray[np.int64]
) -> dict[str, dict[str, int]]:
    """Count the films of each subgroup.

    Of a column that is known of fractured films alone, only these count.

    Args:
        columns: What the subgroups are made of, shape `(n,)` each, by name.
        reference: 1 where a film shows a fracture, shape `(n,)`.

    Example:
        >>> size = np.array(["small", "large", "small", ""])
        >>> count_films({"fracture_size": size}, np.array([1, 1, 1, 0]))
        {'fracture_size': {'large': 1, 'small': 2}}
    """
    films = {}
    for column, values in columns.items():
        is_of_fractures = not (values[reference == 0] != "").any()
        named = np.where(values == "", MISSING, values)[(reference == 1) | (not is_of_fractures)]
        names, counts = np.unique(named, return_counts=True)
        films[column] = dict(zip(names.tolist(), counts.tolist(), strict=True))
    return films
