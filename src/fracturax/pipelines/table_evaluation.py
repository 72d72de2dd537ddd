"""Every number of a table of predictions: discrimination, answers, calibration, subgroups."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.core.prediction import STATUSES
from fracturax.core.provenance import sha256_of_file, software_version
from fracturax.evaluation.bands import precision_recall_band, roc_band
from fracturax.evaluation.binary import clustered_binary_evaluation
from fracturax.evaluation.classification import auroc_interval, sensitivity, specificity
from fracturax.evaluation.confusion import ConfusionTable
from fracturax.evaluation.decision_curve import DecisionCurve, decision_curve
from fracturax.evaluation.localization import read_boxes
from fracturax.evaluation.operating_points import (
    AtSensitivity,
    AtSpecificity,
    LeastCost,
    ThresholdRule,
    Youden,
    choose_operating_point,
)
from fracturax.evaluation.partial_auc import partial_auc_interval
from fracturax.evaluation.precision_recall import auprc_interval
from fracturax.evaluation.reliability import ReliabilityCurve, reliability_curve
from fracturax.evaluation.result import Evaluation, Row
from fracturax.evaluation.subgroups import SubgroupAnalysis, by_subgroup
from fracturax.evaluation.table import PredictionTable
from fracturax.pipelines.box_report import BoxReport
from fracturax.pipelines.calibration_numbers import calibration_numbers
from fracturax.pipelines.table_columns import UnitTable, read_units
from fracturax.pipelines.table_report import (
    BoolArray,
    NotComputed,
    Point,
    TableOptions,
    TableReport,
)

ResultT = TypeVar("ResultT")

_ANSWERS = {
    "answer: fracture or doubt": ("fracture", "doubt"),
    "answer: fracture": ("fracture",),
}
_PARTIAL = 0.9
_FEWEST_OF_A_CLASS, _FEWEST_PATIENTS = 10, 5
"""What an AUROC of a subgroup has to stand on; of fewer its interval is all there is."""
_PLURAL = {"image": "images", "study": "studies", "patient": "patients"}


def evaluate_predictions(
    path: Path, options: TableOptions | None = None, *, boxes: Path | None = None
) -> TableReport:
    """Evaluate a table of predictions of one model.

    Rows that share a `patient_key` are taken as dependent everywhere. Thresholds are chosen on
    the rows of the other folds, never on those they are applied to.

    Args:
        path: CSV file with the columns of `PredictionTable`, and any others.
        options: How.
        boxes: CSV file of its boxes, as `evaluation.localization.read_boxes` takes it.

    Raises:
        DataError: If a table is not valid, holds several models, or has one class only among
            what was assessed.
        UnknownNameError: If it has no column of `by`.
    """
    chosen = options or TableOptions()
    units = read_units(path, by=chosen.by, unit=chosen.unit, rule=chosen.rule)
    found = None
    if boxes is not None:
        images = PredictionTable.from_csv(path)
        found = BoxReport.of(
            images, read_boxes(boxes, images), resamples=chosen.resamples, seed=chosen.seed
        )
    sha256 = sha256_of_file(path)
    return evaluate_units(units, chosen, source=path.name, sha256=sha256, boxes=found)


def evaluate_units(
    units: UnitTable,
    options: TableOptions,
    *,
    source: str,
    sha256: str = "",
    boxes: BoxReport | None = None,
) -> TableReport:
    """Evaluate predictions that are at hand; as `evaluate_predictions`.

    Args:
        units: The predictions, already joined to the unit that the options name.
        options: How.
        source: What they are from, in a few words.
        sha256: Hash of the file they are from.
        boxes: What the boxes are worth, where there are any.

    Raises:
        DataError: As `evaluate_predictions`.
    """
    models = np.unique(units.table.model)
    if models.size > 1:
        raise DataError(
            "a table of predictions is evaluated for one model",
            got=f"{models.size} in the column 'model', such as {models[1]!r}",
            cure="give one table a model; fracturax compare takes several tables",
        )
    work = _Work(units, options)
    table = units.table
    answers = np.array(
        [
            [
                int(((table.reference == truth) & (table.status == status)).sum())
                for status in STATUSES
            ]
            for truth in (0, 1)
        ]
    )
    return TableReport(
        source=source,
        sha256=sha256,
        software=software_version(),
        options=options,
        units=units,
        assessed=table.is_assessed,
        counts=work.counts(),
        discrimination=work.discrimination(),
        points=work.points(),
        answers=answers,
        calibration=work.calibration(),
        subgroups=work.subgroups(),
        roc=roc_band(
            *work.sample, work.groups, generator=work.generator(), resamples=options.resamples
        ),
        precision_recall=precision_recall_band(
            *work.sample, work.groups, generator=work.generator(), resamples=options.resamples
        ),
        reliability=work.tried("reliability curve", work.reliability),
        decision=work.tried("decision curve", work.decision),
        not_computed=tuple(work.missing),
        notes=(
            *units.notes,
            f"Bootstrap: {options.resamples} resamples of {work.patients} patients, "
            f"seed {options.seed}. Rows of one patient are dependent in every interval.",
        ),
        boxes=boxes,
    )


class _Work:
    """The assessed rows, and what is computed of them."""

    def __init__(self, units: UnitTable, options: TableOptions) -> None:
        table = units.table
        if not table.is_assessed.any():
            raise DataError("no image of the table was assessed", got=f"{len(table)} rows")
        self._whole = table
        self._options = options
        self._table: PredictionTable = table.take(table.is_assessed)
        self._columns = {name: one[table.is_assessed] for name, one in units.columns.items()}
        self.groups = self._table.patient_key
        self.patients = int(np.unique(self.groups).size)
        self.missing: list[NotComputed] = []

    @property
    def sample(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Reference and probability."""
        return self._table.reference, self._table.probability

    def generator(self) -> np.random.Generator:
        """Return a generator that does not depend on what else was computed."""
        return np.random.default_rng(self._options.seed)

    def tried(self, what: str, make: Callable[[], ResultT]) -> ResultT | None:
        """Return what could be computed, or note why not."""
        try:
            return make()
        except DataError as error:
            self.missing.append(NotComputed(what, str(error)))
            return None

    def counts(self) -> Evaluation:
        """Count what was evaluated."""
        whole, kind = self._whole, _PLURAL[self._options.unit]
        numbers = {
            kind: len(whole),
            "patients": np.unique(whole.patient_key).size,
            "fractured": int(whole.reference.sum()),
            "healthy": int((whole.reference == 0).sum()),
            "not_assessed": len(whole) - len(self._table),
            "fractured_not_assessed": int(whole.reference[~whole.is_assessed].sum()),
        }
        if kind == "patients":
            del numbers["patients"]
            numbers = {"patients": len(whole)} | numbers
        return Evaluation(
            tuple(Row(name, float(n), None, None, int(n), "count") for name, n in numbers.items())
        )

    def discrimination(self) -> Evaluation:
        """Measure what needs no threshold."""
        options = self._options
        rows: list[Row | None] = [
            self.tried("AUROC", lambda: auroc_interval(*self.sample, groups=self.groups)),
            self.tried("AUPRC", lambda: auprc_interval(*self.sample, groups=self.groups)),
        ]
        for over in ("specificity", "sensitivity"):

            def part(over: str = over) -> Row:
                row = partial_auc_interval(
                    *self.sample,
                    generator=self.generator(),
                    low=_PARTIAL,
                    over="specificity" if over == "specificity" else "sensitivity",
                    groups=self.groups,
                    resamples=options.resamples,
                )
                name = f"partial_auc@{over}>={_PARTIAL:g}"
                return Row(name, row.value, row.low, row.high, row.n, row.method)

            rows.append(self.tried(f"partial AUC over {over}", part))
        return Evaluation(tuple(row for row in rows if row is not None))

    def points(self) -> tuple[Point, ...]:
        """Measure the answers as given, at chosen and at stated thresholds."""
        options = self._options
        points: list[Point | None] = []
        if options.unit == "image" or options.rule == "max":
            for name, called in _ANSWERS.items():
                where = "the model's own answers, at the thresholds it came with"
                points.append(self._point(name, where, {}, np.isin(self._table.status, called)))
        else:
            why = f"answers are about images; of the rule {options.rule} only a probability remains"
            self.missing.append(NotComputed("numbers of the answers as given", why))
        rules: list[ThresholdRule] = [
            Youden(),
            AtSensitivity(options.sensitivity),
            AtSpecificity(options.specificity),
        ]
        if options.missed_cost is not None:
            rules.append(LeastCost(options.missed_cost, prevalence=options.prevalence))
        points += [self._chosen(rule) for rule in rules]
        for threshold in options.thresholds:
            if not 0 <= threshold <= 1:
                raise DataError("a threshold lies in [0, 1]", got=f"{threshold:g}")
            is_called: BoolArray = self._table.probability >= threshold
            name = f"threshold {threshold:g}"
            points.append(self._point(name, "stated beforehand", {"": threshold}, is_called))
        return tuple(point for point in points if point is not None)

    def _chosen(self, rule: ThresholdRule) -> Point | None:
        table = self._table
        folds = np.unique(table.fold)

        def thresholds() -> dict[str, float]:
            if folds.size < 2:
                raise DataError(
                    "a threshold is chosen on other folds than it is applied to",
                    got="one fold in the column 'fold'",
                    cure="give a table of several folds, or state a threshold: --threshold",
                )
            found = {}
            for fold in folds.tolist():
                # A patient in two folds is refused here: the point knows whom it was chosen on.
                rest, held_out = table.take(table.fold != fold), table.take(table.fold == fold)
                point = choose_operating_point(
                    rest.reference, rest.probability, rest.patient_key, rule
                )
                point.confusion(held_out.reference, held_out.probability, held_out.patient_key)
                found[fold] = point.threshold
            return found

        found = self.tried(f"operating point by {rule.name}", thresholds)
        if found is None:
            return None
        cut = np.array([found[fold] for fold in table.fold.tolist()])
        where = f"chosen on the other folds, applied to each of {folds.size}"
        return self._point(rule.name, where, found, table.probability >= cut)

    def _point(
        self, name: str, where: str, thresholds: Mapping[str, float], called: BoolArray
    ) -> Point | None:
        options = self._options
        numbers = self.tried(
            f"numbers at {name}",
            lambda: clustered_binary_evaluation(
                self._table.reference,
                called,
                self.groups,
                generator=self.generator(),
                resamples=options.resamples,
                prevalence=options.prevalence,
            ),
        )
        if numbers is None:
            return None
        counts = ConfusionTable.of(self._table.reference, called)
        return Point(name, where, thresholds, counts, numbers)

    def calibration(self) -> Evaluation:
        """Measure how true the probabilities are."""
        rows: list[Row] = []
        for what, make in calibration_numbers(
            *self.sample, self.groups, generator=self.generator(), resamples=self._options.resamples
        ).items():
            rows += self.tried(what, make) or ()
        return Evaluation(tuple(rows))

    def reliability(self) -> ReliabilityCurve:
        """Return the reliability curve."""
        return reliability_curve(*self.sample, generator=self.generator(), groups=self.groups)

    def decision(self) -> DecisionCurve:
        """Return the net benefit."""
        return decision_curve(
            *self.sample,
            generator=self.generator(),
            groups=self.groups,
            resamples=self._options.resamples,
        )

    def subgroups(self) -> tuple[SubgroupAnalysis, ...]:
        """Measure AUROC, sensitivity and specificity in each subgroup.

        A column that is known of fractured films alone, such as the size of the fracture, has its
        subgroups compared with all healthy films. These then share them, and no test of
        heterogeneity holds for their areas.
        """
        table = self._table
        healthy = np.flatnonzero(table.reference == 0)
        is_called = np.isin(table.status, _ANSWERS["answer: fracture or doubt"]).astype(np.float64)

        def area(rows: npt.NDArray[np.intp]) -> Row:
            for truth, kind in ((1, "fractured"), (0, "healthy")):
                own = rows[table.reference[rows] == truth]
                patients = np.unique(self.groups[own]).size
                if own.size < _FEWEST_OF_A_CLASS or patients < _FEWEST_PATIENTS:
                    raise DataError(
                        f"too small: {own.size} {kind} of {patients} patients, "
                        f"{_FEWEST_OF_A_CLASS} of {_FEWEST_PATIENTS} are needed"
                    )
            return auroc_interval(
                table.reference[rows], table.probability[rows], groups=self.groups[rows]
            )

        def share(measure: Callable[..., Row]) -> Callable[[npt.NDArray[np.intp]], Row]:
            return lambda rows: measure(
                table.reference[rows], is_called[rows], 0.5, groups=self.groups[rows]
            )

        shares = self._options.unit == "image" or self._options.rule == "max"
        found: list[SubgroupAnalysis | None] = []
        for column, values in self._columns.items():
            rows, beside = np.arange(len(table)), healthy[:0]
            if not (values[healthy] != "").any():
                rows, beside = np.flatnonzero(table.reference), healthy
            work = partial(self._in_subgroups, column, values)
            found.append(work(area, rows, beside))
            if shares:
                found.append(work(share(sensitivity), rows))
            if shares and not beside.size:
                found.append(work(share(specificity), rows))
        return tuple(one for one in found if one is not None)

    def _in_subgroups(
        self,
        column: str,
        values: npt.NDArray[np.str_],
        measure: Callable[[npt.NDArray[np.intp]], Row],
        rows: npt.NDArray[np.intp],
        beside: npt.NDArray[np.intp] | None = None,
    ) -> SubgroupAnalysis | None:
        """Measure the subgroups that a column makes of some rows, each with the rows beside it."""
        shared = rows[:0] if beside is None else beside

        def measured(chosen: npt.NDArray[np.intp]) -> Row:
            return measure(np.concatenate([rows[chosen], shared]))

        work = partial(by_subgroup, column, values[rows], measured)
        found = self.tried(f"subgroups by {column}", work)
        return replace(found, heterogeneity=None) if found and shared.size else found
