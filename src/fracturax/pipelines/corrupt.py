"""Corrupt: how much a reader's answers suffer from films that were spoiled in known ways."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fracturax.core.case import Case
from fracturax.core.errors import DataError, ImageError
from fracturax.core.image import Radiograph
from fracturax.core.prediction import Predictor, Status
from fracturax.core.progress import Progress, silent
from fracturax.core.report import RESEARCH_USE_NOTICE
from fracturax.core.study import Study
from fracturax.evaluation import Evaluation, Row, auroc, group_bootstrap_weighted
from fracturax.models.runtime import XrayPredictor
from fracturax.pipelines.evaluate import (
    MEMORY_NOTE,
    map_films,
    refuse_scans,
    refuse_training_film,
)
from fracturax.pipelines.read import make_folder
from fracturax.reporting.figures import Panel, draw_robustness, write_figure
from fracturax.transforms.corruption import CORRUPTIONS, SEVERITIES, corrupt

CLEAN = "clean"

Values = npt.NDArray[np.float64]
Answers = list[tuple[float | None, Status]]
"""Probability and status of one case, condition by condition."""

_MEASURES = ("auroc", "auroc_change", "sensitivity", "specificity")


@dataclass(frozen=True, eq=False)
class Robustness:
    """What a reader is worth on films as they are, and on the same films spoiled.

    Args:
        model: Name and version of the reader.
        films: How many cases were read.
        evaluation: Rows named `auroc, blur 3` and so on: `auroc`, its change from the clean
            films, `sensitivity` of *doubt or fracture*, `specificity` of *no fracture*, all of
            cases assessed, and the share that was `not_assessed`.
    """

    model: str
    films: int
    evaluation: Evaluation

    def as_document(self) -> dict[str, object]:
        """Return a JSON-able document; no number is rounded."""
        return {
            "model": self.model,
            "cases": self.films,
            "corruptions": {
                name: {"says": one.says, "levels": list(one.levels)}
                for name, one in CORRUPTIONS.items()
            },
            **self.evaluation.as_document(),
            "notice": RESEARCH_USE_NOTICE,
        }

    def as_text(self) -> str:
        """Return a table for a terminal: a line a corruption and severity."""
        lines = [
            f"{self.films} cases, {self.model}",
            f"{'':16}{'AUROC':24}{'sensitivity':24}{'specificity':24}not assessed",
        ]
        for name in conditions():
            cells = [
                _cell(self.evaluation, f"{measure}, {name}")
                for measure in ("auroc", "sensitivity", "specificity")
            ]
            refused = self.evaluation[f"not_assessed, {name}"].value
            lines.append(f"{name:16}" + "".join(f"{one:24}" for one in cells) + f"{refused:.1%}")
        return "\n".join([*lines, *self.evaluation.notes])

    def write(self, folder: Path) -> tuple[Path, ...]:
        """Write `robustness.json`, `.md`, and the figure as SVG and PNG; return the paths."""
        make_folder(folder)
        document = folder / "robustness.json"
        document.write_text(json.dumps(self.as_document(), indent=1) + "\n", encoding="utf-8")
        table = folder / "robustness.md"
        table.write_text(
            f"{self.evaluation.as_markdown()}\n\n{RESEARCH_USE_NOTICE}\n", encoding="utf-8"
        )
        figure = draw_robustness(
            [self._panel(name) for name in CORRUPTIONS],
            clean=self.evaluation[f"auroc, {CLEAN}"].value,
            y="AUROC",
        )
        pictures = [write_figure(figure, folder / f"robustness{end}") for end in (".svg", ".png")]
        return (document, table, *pictures)

    def _panel(self, name: str) -> Panel:
        metrics = [f"auroc, {name} {severity}" for severity in SEVERITIES]
        known = [place for place, metric in enumerate(metrics) if metric in self.evaluation]
        rows = [self.evaluation[metrics[place]] for place in known]
        return Panel(
            name,
            np.array([SEVERITIES[place] for place in known], np.float64),
            np.array([row.value for row in rows], np.float64),
            np.array([row.low for row in rows], np.float64),
            np.array([row.high for row in rows], np.float64),
        )


def measure_robustness(
    model: Predictor,
    cases: Sequence[Case],
    *,
    most: int | None = None,
    seed: int = 0,
    resamples: int = 500,
    allow_training_films: bool = False,
    progress: Progress = silent,
) -> Robustness:
    """Let a reader answer about cases as they are, and spoiled in every way and severity.

    Args:
        model: Any reader.
        cases: With their truth; those that cannot be read, or hold no film, are left out.
        most: Read so many, chosen at random with both classes in proportion; else all.
        seed: Seed of everything random.
        resamples: Bootstrap resamples of patients behind the intervals.
        allow_training_films: Go on although the model was trained on these films.
        progress: Where to tell how far the work is.

    Raises:
        LeakageError: If the model was trained on one of the cases.
        DataError: If fewer than two cases of either class can be read, or cases are CTs.
    """
    refuse_scans(cases, what="films are spoiled in known ways")

    def answer(numbered: tuple[int, Case]) -> Answers | None:
        number, case = numbered
        try:
            study = case.open()
        except ImageError:
            return None
        if not study.radiographs:
            return None
        if isinstance(model, XrayPredictor) and not allow_training_films:
            for film in study.radiographs:
                refuse_training_film(model, case, film)
        return _answers(model, study, np.random.SeedSequence([seed, number]))

    chosen = list(enumerate(_sample(cases, most, np.random.default_rng(seed))))
    found = map_films(answer, chosen, words="reading films", progress=progress)
    read = [(case, one) for (_, case), one in zip(chosen, found, strict=True) if one is not None]
    fractured = sum(case.reference.fracture for case, _ in read)
    if min(fractured, len(read) - fractured) < 2:
        raise DataError(
            "robustness needs two cases of either class",
            got=f"{fractured} fractured and {len(read) - fractured} others",
            cure="give more cases",
        )
    rows = _measure([case for case, _ in read], [one for _, one in read], seed, resamples)
    notes = [
        f"Seed {seed}; intervals: bootstrap of patients, {resamples} resamples.",
        f"Left out as unreadable: {len(chosen) - len(read)}.",
        *([MEMORY_NOTE] if allow_training_films else []),
    ]
    identity = model.identity
    return Robustness(
        f"{identity.name} {identity.version}", len(read), Evaluation(rows, tuple(notes))
    )


def conditions() -> list[str]:
    """Return the names of all conditions: `clean`, then each corruption with its severity."""
    return [CLEAN, *(f"{name} {severity}" for name in CORRUPTIONS for severity in SEVERITIES)]


def _sample(cases: Sequence[Case], most: int | None, generator: np.random.Generator) -> list[Case]:
    """Choose cases at random, fractured and others in proportion, in their order."""
    if most is None or most >= len(cases):
        return list(cases)
    fractured = np.array([case.reference.fracture for case in cases])
    wanted = round(most * float(fractured.mean()))
    rows = [
        *generator.permutation(np.flatnonzero(fractured))[:wanted].tolist(),
        *generator.permutation(np.flatnonzero(~fractured))[: most - wanted].tolist(),
    ]
    return [cases[row] for row in sorted(rows)]


def _answers(model: Predictor, study: Study, seed: np.random.SeedSequence) -> Answers:
    """Return the answer under each condition, in their order."""
    answers = [model.predict(study)]
    spoilings = [(name, severity) for name in CORRUPTIONS for severity in SEVERITIES]
    for (name, severity), own in zip(spoilings, seed.spawn(len(spoilings)), strict=True):
        generator = np.random.default_rng(own)
        images = tuple(
            corrupt(image, name, severity, generator) if isinstance(image, Radiograph) else image
            for image in study.images
        )
        answers.append(model.predict(replace(study, images=images)))
    return [(one.probability, one.status) for one in answers]


def _measure(
    cases: Sequence[Case], answers: Sequence[Answers], seed: int, resamples: int
) -> tuple[Row, ...]:
    reference = np.array([int(case.reference.fracture) for case in cases])
    keys = np.array([case.patient_key for case in cases])
    probability = np.array(
        [[np.nan if value is None else value for value, _ in one] for one in answers]
    )
    status = np.array([[said for _, said in one] for one in answers])
    rows: list[Row] = []
    for column, name in enumerate(conditions()):
        is_assessed = status[:, column] != "not_assessed"
        refused = (status[:, column] == "not_assessed").mean()
        rows.append(Row(f"not_assessed, {name}", float(refused), None, None, len(cases), "share"))
        both = np.flatnonzero(is_assessed & (status[:, 0] != "not_assessed"))
        truth = reference[both]
        if min(truth.sum(), len(truth) - truth.sum()) < 2:
            continue

        def numbers(
            weights: npt.NDArray[np.int64],
            truth: npt.NDArray[np.int_] = truth,
            both: npt.NDArray[np.intp] = both,
            column: int = column,
        ) -> Values:
            area = auroc(truth, probability[both, column], weights=weights)
            clean = auroc(truth, probability[both, 0], weights=weights)
            called = status[both, column] != "no_fracture"
            ill, well = weights * truth, weights * (1 - truth)
            if not ill.sum() or not well.sum():
                return np.full(4, np.nan)
            return np.array(
                [area, area - clean, ill @ called / ill.sum(), well @ ~called / well.sum()]
            )

        drawn = group_bootstrap_weighted(
            keys[both], numbers, generator=np.random.default_rng(seed), resamples=resamples
        )
        values = numbers(np.ones(len(both), np.int64))
        for index, measure in enumerate(_MEASURES):
            low, high = drawn.interval(index)
            value = float(values[index])
            rows.append(Row(f"{measure}, {name}", value, low, high, len(both), "bootstrap"))
    return tuple(rows)


def _cell(evaluation: Evaluation, metric: str) -> str:
    if metric not in evaluation:
        return ""
    row = evaluation[metric]
    return f"{row.value:.3f} ({row.low:.3f}–{row.high:.3f})"
