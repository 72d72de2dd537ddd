"""What an evaluation of a table of predictions holds: its options, its numbers, its document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from fracturax.core.prediction import STATUSES
from fracturax.evaluation.aggregate import Rule
from fracturax.evaluation.bands import BandedCurve
from fracturax.evaluation.confusion import ConfusionTable
from fracturax.evaluation.decision_curve import DecisionCurve
from fracturax.evaluation.reliability import ReliabilityCurve
from fracturax.evaluation.result import Evaluation
from fracturax.evaluation.subgroups import SubgroupAnalysis
from fracturax.pipelines.box_report import BoxReport
from fracturax.pipelines.table_columns import UnitName, UnitTable

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class TableOptions:
    """How a table of predictions is evaluated.

    Args:
        by: Columns whose values are the subgroups.
        unit: What one row of the evaluation is.
        rule: How the images of a study or patient are joined.
        sensitivity: Sensitivity that an operating point is chosen for.
        specificity: Specificity that another is chosen for.
        missed_cost: Cost of a missed fracture in false alarms; None chooses no point by cost.
        thresholds: Thresholds stated before the cases were seen.
        prevalence: Also give PPV and NPV where this share is fractured.
        resamples: Bootstrap resamples of patients.
        seed: Seed of everything random.
    """

    by: tuple[str, ...] = ()
    unit: UnitName = "image"
    rule: Rule = "max"
    sensitivity: float = 0.95
    specificity: float = 0.95
    missed_cost: float | None = None
    thresholds: tuple[float, ...] = ()
    prevalence: float | None = None
    resamples: int = 1000
    seed: int = 0


@dataclass(frozen=True)
class Point:
    """What a model is worth where its answer is yes or no.

    Args:
        name: Which point this is.
        where: How the threshold came to be, in words.
        thresholds: The threshold of each fold it was applied to; empty for the answers as given.
        confusion: The counts.
        numbers: Every number of them.
    """

    name: str
    where: str
    thresholds: Mapping[str, float]
    confusion: ConfusionTable
    numbers: Evaluation


@dataclass(frozen=True)
class NotComputed:
    """A number that is missing, and why."""

    what: str
    why: str


@dataclass(frozen=True, eq=False)
class TableReport:
    """All that a table of predictions says of a model.

    Args:
        source: Name of the table's file.
        sha256: Hash of it; empty where there is no file.
        software: Version that computed this.
        options: How it was evaluated.
        units: The table, one row a unit, as it was evaluated.
        assessed: Which rows got an answer with a probability, shape `(n,)`.
        counts: How many of what.
        discrimination: Numbers of the probability that need no threshold.
        points: Numbers of answers.
        answers: Answers by reference, rows healthy and fractured, shape `(2, 4)`, in the order
            of `STATUSES`.
        calibration: Numbers of how true the probabilities are.
        subgroups: A number by a column.
        roc: With its band.
        precision_recall: With its band.
        reliability: None where it could not be computed.
        decision: Net benefit.
        not_computed: What is missing, and why.
        notes: What was done to the table.
        boxes: What the boxes are worth; None where there are none.
    """

    source: str
    sha256: str
    software: str
    options: TableOptions
    units: UnitTable
    assessed: BoolArray
    counts: Evaluation
    discrimination: Evaluation
    points: tuple[Point, ...]
    answers: npt.NDArray[np.int64]
    calibration: Evaluation
    subgroups: tuple[SubgroupAnalysis, ...]
    roc: BandedCurve
    precision_recall: BandedCurve
    reliability: ReliabilityCurve | None
    decision: DecisionCurve | None
    not_computed: tuple[NotComputed, ...]
    notes: tuple[str, ...]
    boxes: BoxReport | None = None

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models in the table."""
        return tuple(np.unique(self.units.table.model).tolist())

    def as_document(self) -> dict[str, object]:
        """Return a JSON-able document; no number is rounded."""
        return {
            "source": {"file": self.source, "sha256": self.sha256},
            "software": self.software,
            "models": list(self.models),
            "options": asdict(self.options),
            "counts": self.counts.as_document(),
            "discrimination": self.discrimination.as_document(),
            "points": [
                {
                    "name": one.name,
                    "where": one.where,
                    "thresholds": dict(one.thresholds),
                    "confusion": asdict(one.confusion),
                    **one.numbers.as_document(),
                }
                for one in self.points
            ],
            "answers": {
                truth: dict(zip(STATUSES, row, strict=True))
                for truth, row in zip(("healthy", "fractured"), self.answers.tolist(), strict=True)
            },
            "calibration": self.calibration.as_document(),
            "localization": None if self.boxes is None else self.boxes.numbers.as_document(),
            "subgroups": [_subgroup_document(one) for one in self.subgroups],
            "curves": {
                "roc": _arrays(self.roc),
                "precision_recall": _arrays(self.precision_recall),
                "reliability": None if self.reliability is None else _arrays(self.reliability),
                "decision": None if self.decision is None else _arrays(self.decision),
                "froc": _arrays(self.boxes.froc) if self.boxes and self.boxes.froc else None,
            },
            "not_computed": [asdict(one) for one in self.not_computed],
            "notes": list(self.notes),
        }

    def as_text(self) -> str:
        """Return tables for a terminal."""
        parts = [self.counts.as_text(), self.discrimination.as_text()]
        parts += [f"{one.name} ({one.where})\n{one.numbers.as_text()}" for one in self.points]
        if self.calibration.rows:
            parts.append(self.calibration.as_text())
        if self.boxes is not None:
            parts.append(self.boxes.numbers.as_text())
        parts += [one.as_evaluation().as_text() for one in self.subgroups]
        parts += [f"Not computed: {one.what}: {one.why}" for one in self.not_computed]
        return "\n\n".join([*parts, *self.notes])


def _subgroup_document(analysis: SubgroupAnalysis) -> dict[str, object]:
    test = analysis.heterogeneity
    return {
        "column": analysis.column,
        "metric": analysis.overall.metric,
        "overall": asdict(analysis.overall),
        "subgroups": [asdict(one) for one in analysis.subgroups],
        "heterogeneity": None if test is None else asdict(test),
    }


def _arrays(curve: object) -> dict[str, object]:
    return {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in vars(curve).items()
    }
