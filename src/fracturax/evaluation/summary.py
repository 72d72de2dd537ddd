"""One Evaluation of a table of predictions: the numbers a model's card shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.evaluation.bootstrap import Bootstrap, group_bootstrap_weighted
from fracturax.evaluation.calibration import brier_score, expected_calibration_error
from fracturax.evaluation.classification import auroc
from fracturax.evaluation.intervals import wilson_interval
from fracturax.evaluation.localization import (
    Criterion,
    ImageDetections,
    Matches,
    average_precision,
    froc_of_matches,
    match_images,
    sensitivity_at_false_positives,
)
from fracturax.evaluation.result import Evaluation, Row
from fracturax.evaluation.table import PredictionTable

FloatArray = npt.NDArray[np.float64]

FALSE_POSITIVE_LEVELS = (0.5, 1.0, 2.0)
"""False positives an image at which the summary gives the FROC sensitivity."""

_CALLED = {"high_sensitivity": ("fracture", "doubt"), "high_specificity": ("fracture",)}


@dataclass(frozen=True)
class _Metric:
    """Name, number of units and method of one number of the summary."""

    name: str
    n: int
    method: str
    is_proportion: bool = False


def evaluate_table(
    table: PredictionTable,
    detections: Sequence[ImageDetections] | None,
    *,
    resamples: int = 1000,
    seed: int = 0,
    froc_iou: float = 0.5,
    froc_criterion: Criterion = "iou",
) -> Evaluation:
    """Return all numbers of the summary, each with a 95 % interval from resampled patients.

    Images that were not assessed are counted and left out of everything else; fractured images
    whose fractures nobody marked are counted and left out of the localization. At the
    high-sensitivity point `doubt` counts as positive, at the high-specificity point only
    `fracture` does: the statuses say what the model answered with its own thresholds.

    Args:
        table: Predictions with their reference.
        detections: Boxes, one entry for each assessed image of the table, in any order; None
            leaves the localization out.
        resamples: Bootstrap resamples.
        seed: Seed of the resampling.
        froc_iou: Least overlap of a match on the FROC curve.
        froc_criterion: How the FROC curve matches: `iou` or `center`.

    Raises:
        DataError: If the assessed images are of one class, the detections do not fit the table,
            or resamples are mostly without a class (too few patients).

    Example:
        >>> table = PredictionTable.from_records([
        ...     {"case": f"c{i}", "image": "1", "patient_key": f"p{i}", "reference": i % 2,
        ...      "probability": (i % 2 * 4 + i % 7) / 10, "status": "doubt", "fold": "0",
        ...      "model": "xray"} for i in range(40)])
        >>> evaluation = evaluate_table(table, None, resamples=100)
        >>> row = evaluation["auroc"]
        >>> row.low <= row.value <= row.high, evaluation["groups"].value
        (True, 40.0)
    """
    assessed = table.take(table.is_assessed) if table.is_assessed.any() else None
    if assessed is None:
        raise DataError("no image of the table was assessed", got=f"{len(table)} images")
    parts: list[_Part] = [_Classification(assessed)]
    counts = [
        _count("images", len(table)),
        _count("groups", np.unique(table.patient_key).size),
        _count("not_assessed", len(table) - len(assessed)),
    ]
    if detections is not None:
        _check_known(table, detections)
        part = _Localization(assessed, detections, froc_iou, froc_criterion)
        parts.append(part)
        counts.append(_count("not_marked", int((~part.is_marked).sum())))

    def statistic(weights: npt.NDArray[np.int64]) -> FloatArray:
        return np.concatenate([part.measure(weights) for part in parts])

    values = statistic(np.ones(len(assessed), dtype=np.int64))
    drawn = group_bootstrap_weighted(
        assessed.patient_key, statistic, generator=np.random.default_rng(seed), resamples=resamples
    )
    metrics = [metric for part in parts for metric in part.metrics]
    rows = [
        _row(metric, float(value), drawn, position)
        for position, (metric, value) in enumerate(zip(metrics, values, strict=True))
    ]
    note = (
        f"Bootstrap: {resamples} resamples of {drawn.groups} patient groups, seed {seed}, "
        f"{drawn.redrawn} redrawn."
    )
    return Evaluation((*rows, *counts), notes=(note,))


class _Classification:
    """The numbers on the probability of an image."""

    def __init__(self, table: PredictionTable) -> None:
        # Sorted once: every later stable sort of these rows is linear.
        self._order = np.argsort(table.probability, kind="stable")
        self._probability = table.probability[self._order]
        self._reference = table.reference[self._order]
        positive = self._reference == 1
        auroc(self._reference, self._probability)  # says if a class is missing
        self._called: list[tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]] = []
        self.metrics = [_Metric("auroc", positive.size, "group bootstrap")]
        status = table.status[self._order]
        for name, called in _CALLED.items():
            is_called = np.isin(status, called)
            for metric, members, right in (
                ("sensitivity", positive, is_called),
                ("specificity", ~positive, ~is_called),
            ):
                self._called.append((members, members & right))
                method = f"group bootstrap, positive: {' or '.join(called)}"
                self.metrics.append(_Metric(f"{metric}@{name}", int(members.sum()), method, True))
        self.metrics += [
            _Metric("brier_score", positive.size, "group bootstrap"),
            _Metric(
                "expected_calibration_error",
                positive.size,
                "group bootstrap, 10 bins of equal count",
            ),
        ]

    def measure(self, weights: npt.NDArray[np.int64]) -> FloatArray:
        """Return the numbers, in the order of `metrics`, with rows counted as weights say."""
        drawn = weights[self._order]
        area = auroc(self._reference, self._probability, weights=drawn)
        if np.isnan(area):
            return np.full(len(self.metrics), np.nan)
        shares = [(drawn @ right) / (drawn @ members) for members, right in self._called]
        brier = brier_score(self._reference, self._probability, weights=drawn)
        gap = expected_calibration_error(self._reference, self._probability, weights=drawn)
        return np.array([area, *shares, brier, gap])


class _Localization:
    """The numbers on the boxes."""

    def __init__(
        self,
        table: PredictionTable,
        detections: Sequence[ImageDetections],
        iou: float,
        criterion: Criterion,
    ) -> None:
        images = _aligned(table, detections)
        self.is_marked = np.array([image.reference is not None for image in images])
        marked = [image for image in images if image.reference is not None]
        self._is_fractured = table.reference[self.is_marked] == 1
        self._overlaps: Matches = match_images(marked)
        self._half = self._overlaps.at(0.5)
        self._froc = match_images(marked, thresholds=(iou,), criterion=criterion)
        fractured, every = int(self._is_fractured.sum()), len(marked)
        rule = f"IoU >= {iou:g}" if criterion == "iou" else "center in box"
        boxes = f"{int(self._overlaps.references.sum())} boxes"
        self.metrics = [
            _Metric("map50_fractured", fractured, f"group bootstrap, COCO, {boxes}"),
            _Metric("map50_95_fractured", fractured, f"group bootstrap, COCO, {boxes}"),
            _Metric("map50_all", every, f"group bootstrap, COCO, {boxes}"),
            *(
                _Metric(
                    f"froc_sensitivity@{level:g}",
                    every,
                    f"group bootstrap, {rule}, {boxes}, {level:g} false positives an image",
                )
                for level in FALSE_POSITIVE_LEVELS
            ),
        ]

    def measure(self, weights: npt.NDArray[np.int64]) -> FloatArray:
        """Return the numbers, in the order of `metrics`, with rows counted as weights say."""
        drawn = weights[self.is_marked]
        overlaps = average_precision(self._overlaps, weights=drawn * self._is_fractured)
        every = average_precision(self._half, weights=drawn)
        curve = froc_of_matches(self._froc, weights=drawn)
        found = sensitivity_at_false_positives(curve, FALSE_POSITIVE_LEVELS)
        half = overlaps[self._overlaps.thresholds.index(0.5)]
        return np.concatenate([[half, overlaps.mean()], every, found])


_Part = _Classification | _Localization


def _check_known(table: PredictionTable, detections: Sequence[ImageDetections]) -> None:
    known = set(zip(table.case.tolist(), table.image.tolist(), strict=True))
    strangers = sum((image.case, image.image) not in known for image in detections)
    if strangers:
        raise DataError(
            "detections belong to images that the table does not have",
            got=f"{strangers} of {len(detections)} entries",
            cure="give the detections of the images of the table",
        )


def _aligned(
    table: PredictionTable, detections: Sequence[ImageDetections]
) -> list[ImageDetections]:
    """Return the detections in the order of the table; those of a healthy image have no box."""
    by_key = {(image.case, image.image): image for image in detections}
    if len(by_key) != len(detections):
        raise DataError(
            "an image has two entries of detections",
            got=f"{len(detections)} entries for {len(by_key)} images",
        )
    keys = list(zip(table.case.tolist(), table.image.tolist(), strict=True))
    missing = [row for row, key in enumerate(keys, 1) if key not in by_key]
    if missing:
        raise DataError(
            "assessed images lack an entry of detections",
            got=f"{len(missing)}, the first in row {missing[0]} of the assessed ones",
            cure="give an entry without boxes where the model saw none",
        )
    return [
        _with_reference(by_key[key], bool(label), row)
        for row, (key, label) in enumerate(zip(keys, table.reference, strict=True), 1)
    ]


def _with_reference(image: ImageDetections, is_fractured: bool, row: int) -> ImageDetections:
    if image.reference is None:
        if is_fractured:
            return image
        return ImageDetections(
            image.case, image.image, image.predicted, image.scores, np.empty((0, 4))
        )
    if is_fractured != bool(image.reference.size):
        raise DataError(
            "reference boxes contradict the reference of the table",
            got=f"{image.reference.shape[0]} boxes and reference {int(is_fractured)} "
            f"in row {row} of the assessed ones",
            cure="give reference=None where nobody marked the fractures",
        )
    return image


def _row(metric: _Metric, value: float, drawn: Bootstrap, position: int) -> Row:
    low, high = drawn.interval(position)
    method = metric.method
    if metric.is_proportion and low == high:
        # Where all or none are right every resample agrees, which is no certainty.
        low, high = wilson_interval(round(value * metric.n), metric.n)
        method = method.replace("group bootstrap", "Wilson score")
    return Row(metric.name, value, low, high, metric.n, method)


def _count(name: str, number: int) -> Row:
    return Row(name, float(number), None, None, number, "count")
