"""Evaluate: a model reads cases whose truth is known; every number comes with its interval."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from fracturax.core.case import Case
from fracturax.core.errors import DataError, ImageError, LeakageError
from fracturax.core.image import Radiograph
from fracturax.core.prediction import Predictor, Status
from fracturax.core.progress import Progress, silent
from fracturax.datasets.register import trace
from fracturax.evaluation import (
    Evaluation,
    ImageDetections,
    PredictionTable,
    boxes_as_array,
    evaluate_table,
)
from fracturax.imaging.size import image_size
from fracturax.models.boxes import Boxes
from fracturax.models.runtime import XrayPredictor, box_probabilities

MEMORY_NOTE = (
    "Films of the model's own training were allowed: these numbers measure memory, not skill."
)

MIXED = "several"
"""What stands in a column where a film, or the films of a unit, are of several kinds."""

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, eq=False)
class CaseAnswer:
    """What a model says of one case.

    Args:
        status: The answer.
        probability: Calibrated, of an image with a fracture; None if not assessed.
        boxes: Every candidate box, shape `(n, 4)`, also those too weak to be shown.
        box_scores: What ranks the boxes of all images, shape `(n,)`.
    """

    status: Status
    probability: float | None
    boxes: Boxes
    box_scores: npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Judgement:
    """Predictions of many cases, and what they are worth.

    Args:
        table: The predictions.
        columns: What else is known of each row, shape `(n,)` each, by name, as `known_columns`
            gives it; what the data set says of no case is left out.
        detections: The boxes of each row.
        evaluation: The numbers.
    """

    table: PredictionTable
    columns: Mapping[str, npt.NDArray[np.str_]]
    detections: tuple[ImageDetections, ...]
    evaluation: Evaluation

    @property
    def assessed(self) -> tuple[ImageDetections, ...]:
        """The boxes of the rows that were assessed."""
        rows = np.flatnonzero(self.table.is_assessed).tolist()
        return tuple(self.detections[row] for row in rows)


def evaluate(
    model: Predictor,
    cases: Sequence[Case],
    *,
    resamples: int = 1000,
    allow_training_films: bool = False,
    progress: Progress = silent,
) -> Judgement:
    """Let a model read cases and judge its answers.

    Args:
        model: The reader: that of radiographs, or any `Predictor` of films or CTs. Only of the
            first are boxes measured and films of its training refused.
        cases: Of a case with several films the most suspicious one decides, as in reading; a case
            that cannot be read counts as not assessed.
        resamples: Bootstrap resamples of patients behind the intervals.
        allow_training_films: Evaluate although the model was trained on these films; the
            numbers are then no measure of anything but memory.
        progress: Where to tell how far the work is.

    Raises:
        LeakageError: If the model was trained on one of the cases.
        DataError: If the cases hold one class only, or a reader of films is given CTs.
    """
    if not isinstance(model, XrayPredictor):
        answers = map_films(
            lambda case: _answer_study(model, case), cases, words="reading", progress=progress
        )
        return judge(cases, answers, model=model.identity.label, resamples=resamples)
    xray = model
    refuse_scans(cases, what="this model reads films")

    def answer(case: Case) -> CaseAnswer:
        try:
            films = case.open().radiographs
        except ImageError:
            films = ()
        if not films:
            return CaseAnswer("not_assessed", None, np.empty((0, 4)), np.empty(0))
        if not allow_training_films:
            for film in films:
                refuse_training_film(xray, case, film)
        shown = [answer_film(xray, film) for film in films]
        return max(shown, key=lambda one: -1.0 if one.probability is None else one.probability)

    answers = map_films(answer, cases, words="reading films", progress=progress)
    judgement = judge(cases, answers, model=model.identity.label, resamples=resamples)
    if not allow_training_films:
        return judgement
    evaluation = judgement.evaluation
    return replace(
        judgement, evaluation=replace(evaluation, notes=(*evaluation.notes, MEMORY_NOTE))
    )


def refuse_scans(cases: Sequence[Case], *, what: str) -> None:
    """Refuse cases that are CTs where only films can be worked on.

    Raises:
        DataError: If there is one.
    """
    scans = sum(case.modality == "ct" for case in cases)
    if scans:
        raise DataError(
            f"{what}, and these cases are CTs",
            got=f"{scans} CTs of {len(cases)} cases",
            cure="give films, or a reader of CTs",
        )


def _answer_study(model: Predictor, case: Case) -> CaseAnswer:
    """Answer about a case as a reader does that knows no single films."""
    nothing = np.empty((0, 4)), np.empty(0)
    try:
        study = case.open()
        if not study.images:
            return CaseAnswer("not_assessed", None, *nothing)
        shown = model.predict(study)
    except ImageError:
        return CaseAnswer("not_assessed", None, *nothing)
    return CaseAnswer(shown.status, shown.probability, *nothing)


def answer_film(model: XrayPredictor, film: Radiograph) -> CaseAnswer:
    """Answer about one film, with every candidate box."""
    shown, raw = model.examine(film)
    if shown.probability is None or raw is None:
        return CaseAnswer(shown.status, None, np.empty((0, 4)), np.empty(0))
    scores = box_probabilities(raw, model.bundle.manifest.box_calibration)
    return CaseAnswer(shown.status, shown.probability, raw.boxes, scores)


def judge(
    cases: Sequence[Case],
    answers: Sequence[CaseAnswer],
    *,
    model: str,
    folds: Sequence[int] | None = None,
    resamples: int = 1000,
) -> Judgement:
    """Put answers beside the truth, and measure them."""
    records, detections = [], []
    for index, (case, answer) in enumerate(zip(cases, answers, strict=True)):
        records.append(
            {
                "case": case.name,
                "image": case.name,
                "patient_key": case.patient_key,
                "reference": int(case.reference.fracture),
                "probability": answer.probability,
                "status": answer.status,
                "fold": "" if folds is None else str(folds[index]),
                "model": model,
            }
        )
        boxes = case.reference.boxes
        detections.append(
            ImageDetections(
                case.name,
                case.name,
                answer.boxes,
                answer.box_scores,
                None if boxes is None else boxes_as_array(boxes),
            )
        )
    table = PredictionTable.from_records(records)
    # Where nobody marked a fracture there is nothing to say of boxes.
    is_marked = any(case.reference.boxes for case in cases)
    evaluation = evaluate_table(table, detections if is_marked else None, resamples=resamples)
    return Judgement(table, known_columns(cases), tuple(detections), evaluation)


def known_columns(cases: Sequence[Case]) -> dict[str, npt.NDArray[np.str_]]:
    """Return what subgroups can be made of: columns of one text a case, empty where unknown.

    `fracture_size` is the largest marked box in per mille of the film's area.
    """
    references = [case.reference for case in cases]
    hardware = {True: "yes", False: "no", None: ""}
    exposures = {True: MIXED, False: "one", None: ""}
    columns = {
        "region": [_one_of(one.regions) for one in references],
        "view": [_one_of(one.views) for one in references],
        "hardware": [hardware[one.hardware] for one in references],
        "exposures": [exposures[one.several_exposures] for one in references],
        "fracture_size": [_fracture_size(case) for case in cases],
    }
    return {name: np.array(values) for name, values in columns.items() if any(values)}


def _fracture_size(case: Case) -> str:
    boxes = case.reference.boxes
    if not boxes or case.path is None or not case.path.is_file():
        return ""
    try:
        rows, columns = image_size(case.path)
    except ImageError:
        return ""
    return f"{1000 * max(box.area for box in boxes) / (rows * columns):.3g}"


def _one_of(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else MIXED if words else ""


def refuse_training_film(model: XrayPredictor, case: Case, film: Radiograph) -> None:
    """Refuse a film that a model was trained on, whatever it is called.

    Raises:
        LeakageError: Naming the film.
    """
    how = model.bundle.register.holds(trace(film.pixels))
    if how is not None:
        raise LeakageError(
            f"the model was trained on a film of these cases: {case.name}",
            got=how,
            cure="its out-of-fold numbers stand in its card; give films it never saw",
        )


def map_films(
    work: Callable[[ItemT], ResultT],
    items: Sequence[ItemT],
    *,
    words: str,
    progress: Progress = silent,
) -> list[ResultT]:
    """Do the same to every case, or whatever stands for it, on all cores, in order."""
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        waiting = [pool.submit(work, item) for item in items]
        return [one.result() for one in progress(waiting, words)]
