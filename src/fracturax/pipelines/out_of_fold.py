"""Out of fold: what fold networks say of the films they never saw, calibrated across folds."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fracturax.core.case import Case
from fracturax.core.prediction import OperatingPoints
from fracturax.core.progress import Progress, silent
from fracturax.evaluation import (
    boxes_as_array,
    fit_platt,
    match,
    threshold_for_sensitivity,
    threshold_for_specificity,
)
from fracturax.models.bundle import TURNED, Calibration, Manifest
from fracturax.models.runtime import RawAnswer, XrayPredictor, box_probabilities
from fracturax.pipelines.alike import kinds_alike
from fracturax.pipelines.evaluate import CaseAnswer, Judgement, judge, map_films
from fracturax.pipelines.prepare import only_film
from fracturax.pipelines.way_up import even

SENSITIVITY, SPECIFICITY = 0.90, 0.95
"""What the two operating points of an image are chosen for."""
NORMALS_WITH_DOTTED, NORMALS_WITH_SOLID = 0.30, 0.05
"""Share of normal films that the two operating points of a box let a box appear on."""
BOX_OVERLAP = 0.3
"""Overlap with a reference box from which a candidate box holds a fracture."""


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """Raw answers about films their network never saw; all of equal length.

    Args:
        cases: The films.
        fold: Fold each was held out in.
        answers: What the network of that fold said.
    """

    cases: tuple[Case, ...]
    fold: npt.NDArray[np.int64]
    answers: tuple[RawAnswer, ...]

    def part(self, chosen: npt.NDArray[np.bool_]) -> OutOfFold:
        """Return some of the films."""
        rows = np.flatnonzero(chosen).tolist()
        return OutOfFold(
            tuple(self.cases[row] for row in rows),
            self.fold[chosen],
            tuple(self.answers[row] for row in rows),
        )

    @property
    def reference(self) -> npt.NDArray[np.int64]:
        """1 where the film shows a fracture."""
        return np.array([int(case.reference.fracture) for case in self.cases])


@dataclass(frozen=True)
class Fitted:
    """What calibration makes of raw answers; fields of the manifest with the same names."""

    calibration: Calibration
    box_calibration: Calibration
    operating_points: OperatingPoints
    box_operating_points: OperatingPoints

    def into(self, manifest: Manifest) -> Manifest:
        """Return the manifest with this calibration."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return dataclasses.replace(manifest, **fields)


def read_both_ways_out_of_fold(
    cases: Sequence[Case],
    folds: Sequence[int],
    predictors: Sequence[XrayPredictor],
    *,
    progress: Progress = silent,
) -> tuple[OutOfFold, OutOfFold]:
    """Let each fold's network read the films that were held out from it, once and both views.

    Returns:
        Answers from one view of each film, and from both.
    """
    fold_of = {case.name: fold for case, fold in zip(cases, folds, strict=True)}

    def read(case: Case) -> tuple[RawAnswer, RawAnswer]:
        return predictors[fold_of[case.name]].infer_from_one_and_both(only_film(case))

    answers = map_films(read, cases, words="reading out of fold", progress=progress)
    once, both = (
        OutOfFold(tuple(cases), np.array(folds), one) for one in zip(*answers, strict=True)
    )
    return once, both


def fit_answers(films: OutOfFold) -> Fitted:
    """Fit calibrations and choose operating points on out-of-fold answers."""
    reference = films.reference
    calibration = _fit_images(films)
    probability = np.array([calibration.probability(one.values) for one in films.answers])
    box_calibration = _fit_boxes(films)
    strongest = np.array([strongest_box(one, box_calibration) for one in films.answers])
    normals = strongest[reference == 0]
    dotted, solid = np.quantile(normals, (1 - NORMALS_WITH_DOTTED, 1 - NORMALS_WITH_SOLID))
    return Fitted(
        calibration=calibration,
        box_calibration=box_calibration,
        operating_points=choose_points(reference, probability),
        box_operating_points=_points(float(dotted), float(solid)),
    )


def judge_across_folds(
    films: OutOfFold, *, model: str, fitted_on: OutOfFold | None = None
) -> Judgement:
    """Judge answers whose calibration and thresholds come from the other folds.

    Args:
        films: The answers.
        model: Name of the model.
        fitted_on: Answers about the same films that calibrations are fitted on, for a way of
            reading that uses those of another; `films` itself if None.
    """
    answers: dict[str, CaseAnswer] = {}
    others = films if fitted_on is None else fitted_on
    for fold in np.unique(films.fold).tolist():
        fitted = fit_answers(others.part(others.fold != fold))
        held_out = films.part(films.fold == fold)
        for case, raw in zip(held_out.cases, held_out.answers, strict=True):
            answers[case.name] = _answer(raw, fitted)
    return judge(
        films.cases,
        [answers[case.name] for case in films.cases],
        model=model,
        folds=films.fold.tolist(),
    )


def _answer(raw: RawAnswer, fitted: Fitted) -> CaseAnswer:
    probability = fitted.calibration.probability(raw.values)
    return CaseAnswer(
        status=fitted.operating_points.status(probability),
        probability=probability,
        boxes=raw.boxes,
        box_scores=box_probabilities(raw, fitted.box_calibration),
    )


def _fit_images(films: OutOfFold) -> Calibration:
    """Fit what a film's values say; then lift lying films, and fit how much all of that says."""
    names = tuple(name for name in films.answers[0].values if name != TURNED)
    values = np.array([[one.values[name] for name in names] for one in films.answers])
    fitted = fit_platt(values, films.reference)
    kinds = kinds_alike(films.cases)
    return even(
        Calibration(names, fitted.coefficients, fitted.intercept),
        values @ np.array(fitted.coefficients) + fitted.intercept,
        is_turned=np.array([one.values.get(TURNED, 0.0) > 0 for one in films.answers]),
        # Networks of two folds differ in their level: films are compared within a fold.
        kinds=kinds + films.fold * (kinds.max() + 1),
        reference=films.reference,
    )


def _fit_boxes(films: OutOfFold) -> Calibration:
    names = tuple(films.answers[0].box_values)
    values: list[npt.NDArray[np.float64]] = []
    hits: list[bool] = []
    for case, raw in zip(films.cases, films.answers, strict=True):
        boxes = case.reference.boxes
        if boxes is None or len(raw.boxes) == 0:
            continue
        owner = match(raw.boxes, raw.box_logits, boxes_as_array(boxes), iou=BOX_OVERLAP)
        values.append(np.stack([raw.box_values[name] for name in names], axis=1))
        hits += (owner >= 0).tolist()
    found = np.array(hits, dtype=np.int64)
    if len(np.unique(found)) < 2:
        # Nothing tells a box that holds a fracture from one that does not: all are worth the same,
        # by Laplace's rule of succession. A long training must not be lost for that.
        share = (found.sum() + 1) / (found.size + 2)
        return Calibration(names, (0.0,) * len(names), float(np.log(share / (1 - share))))
    fitted = fit_platt(np.concatenate(values), found)
    return Calibration(names, fitted.coefficients, fitted.intercept)


def strongest_box(raw: RawAnswer, calibration: Calibration) -> float:
    """Return the probability of the strongest candidate box; 0 where there is none."""
    return float(box_probabilities(raw, calibration).max(initial=0.0))


def choose_points(
    reference: npt.NDArray[np.int64], probability: npt.NDArray[np.float64]
) -> OperatingPoints:
    """Return the thresholds at which an image's probability reaches what is asked for."""
    return _points(
        threshold_for_sensitivity(reference, probability, SENSITIVITY),
        threshold_for_specificity(reference, probability, SPECIFICITY),
    )


def _points(sensitive: float, specific: float) -> OperatingPoints:
    # A network that is better than asked for needs no doubt between its two points.
    specific = min(specific, 1.0)
    return OperatingPoints(min(sensitive, specific), specific)


def bundle_folder(run_folder: Path, fold: int) -> Path:
    """Return where the bundle of a fold's network lies."""
    return run_folder / f"fold-{fold}" / "bundle"
