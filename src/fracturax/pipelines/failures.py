"""The failure atlas: the worst misses and false alarms of a table, and what they have in common."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.evaluation.failures import Trait, common_traits
from fracturax.pipelines.table_columns import UnitTable

WORST = 24
_FLOAT_DIGITS = 4


@dataclass(frozen=True)
class Failure:
    """One film that was answered wrong.

    Args:
        case: Its name.
        probability: What the model gave it.
        traits: What is known of it, by column.
    """

    case: str
    probability: float
    traits: dict[str, str]


@dataclass(frozen=True)
class Failures:
    """Failures of one kind.

    Args:
        kind: `missed` (a fracture answered *no_fracture*) or `false_alarm` (a healthy film answered
            *fracture*).
        count: How many there are.
        among: Of how many films of that class.
        worst: The worst of them, the worst first.
        traits: What they have in common; empty where there is nothing to compare.
    """

    kind: str
    count: int
    among: int
    worst: tuple[Failure, ...]
    traits: tuple[Trait, ...]


def failure_atlas(units: UnitTable, *, worst: int = WORST) -> tuple[Failures, Failures]:
    """Find the misses and the false alarms of a table of predictions.

    Args:
        units: The table with its further columns, as `read_units` gives it.
        worst: How many of each are named.

    Raises:
        DataError: If no film has been assessed.
    """
    table = units.table
    assessed = table.is_assessed
    if not assessed.any():
        raise DataError("failures are found among assessed films", got="none is")
    return (
        _failures("missed", units, assessed & (table.reference == 1), "no_fracture", worst),
        _failures("false_alarm", units, assessed & (table.reference == 0), "fracture", worst),
    )


def _failures(
    kind: str, units: UnitTable, chosen: npt.NDArray[np.bool_], status: str, worst: int
) -> Failures:
    table = units.table
    failed = table.status == status
    rows = np.flatnonzero(chosen & failed)
    sign = 1 if kind == "missed" else -1
    order = rows[np.argsort(sign * table.probability[rows], kind="stable")]
    columns = {name: values[chosen] for name, values in units.columns.items()}
    known = {name: values for name, values in columns.items() if (values != "").any()}
    can_compare = 0 < rows.size < int(chosen.sum())
    return Failures(
        kind=kind,
        count=int(rows.size),
        among=int(chosen.sum()),
        worst=tuple(
            Failure(
                str(table.case[row]),
                round(float(table.probability[row]), _FLOAT_DIGITS),
                {name: str(values[row]) for name, values in units.columns.items() if values[row]},
            )
            for row in order[:worst].tolist()
        ),
        traits=common_traits(failed[chosen], known) if can_compare else (),
    )


def as_document(atlas: tuple[Failures, Failures]) -> dict[str, Any]:
    """Return a JSON-able document."""
    return {one.kind: asdict(one) for one in atlas}


def as_markdown(atlas: tuple[Failures, Failures]) -> str:
    """Return tables of what failures have in common; traits that tell nothing are left out."""
    words = {"missed": "Missed fractures", "false_alarm": "False alarms"}
    lines = []
    for one in atlas:
        lines += [
            f"## {words[one.kind]}: {one.count} of {one.among}",
            "",
            "| trait | among failures | among the rest | odds ratio (95 %) | p (Holm) |",
            "|---|---|---|---|---|",
        ]
        lines += [
            f"| {trait.column}: {trait.value} | {trait.failed / trait.failures:.0%} "
            f"| {trait.right / trait.others:.0%} "
            f"| {trait.odds_ratio:.2f} ({trait.low:.2f} to {trait.high:.2f}) | {trait.p:.2g} |"
            for trait in one.traits
            if trait.p < 0.05
        ]
        lines += ["", "The worst: " + ", ".join(f.case for f in one.worst) + ".", ""]
    return "\n".join(lines)
