"""Readers: everything a reader study says, from its table, and how large the next has to be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fracturax.core.errors import ConfigError, DataError
from fracturax.evaluation.agreement import cohen_kappa, fleiss_kappa, krippendorff_alpha
from fracturax.evaluation.readers import (
    RANDOM,
    Auc,
    CovarianceMethod,
    Figure,
    Inference,
    Marks,
    PilotComponents,
    Ratings,
    ReaderAnalysis,
    ReaderStudy,
    Sensitivity,
    Specificity,
    StandaloneComparison,
    TimeComparison,
    analyse,
    compare_confidence,
    compare_standalone,
    compare_times,
    early_detection,
    study_of,
    study_of_marks,
    with_model_as_reader,
)
from fracturax.evaluation.readers.columns import read_columns
from fracturax.evaluation.result import Evaluation, Row


@dataclass(frozen=True)
class StudyOptions:
    """How a reader study is analysed.

    Args:
        threshold: A reader calls a case fractured at this rating or above; None leaves out what
            needs it (sensitivity, specificity, early detection, agreement of calls).
        treatments: Those to compare, in the order differences are taken; None takes all.
        model: Name of a model among the readers, which is set against them and is none of them.
        inference: What is random.
        covariance: How error covariances of areas are estimated; None takes DeLong, or the
            jackknife where ratings are missing.
        level: Coverage of the intervals.
        lowest: Least rating of the scale.
        highest: Greatest rating of the scale.
        readers: Names of the readers of the study; None takes every name.
        allow_missing: Analyse a study with missing ratings as partially paired.
        seed: Seed of the bootstrap behind the intervals of agreement.
    """

    threshold: float | None = None
    treatments: tuple[str, ...] | None = None
    model: str | None = None
    inference: Inference = RANDOM
    covariance: CovarianceMethod | None = None
    level: float = 0.95
    lowest: float = -np.inf
    highest: float = np.inf
    readers: tuple[str, ...] | None = None
    allow_missing: bool = False
    seed: int = 0

    @property
    def of_tables(self) -> dict[str, Any]:
        """What every analysis of a whole table is asked alike."""
        return {
            "treatments": self.treatments,
            "inference": self.inference,
            "allow_missing": self.allow_missing,
            "level": self.level,
        }


@dataclass(frozen=True)
class StudyReport:
    """What a reader study says.

    Args:
        analyses: One a figure of merit.
        early: Early detection; None where the table does not say which fractures these are.
        times: Times; None where the table has none.
        confidence: Confidence; None where the table has none.
        standalone: The model against the readers, one a treatment and figure of merit.
        agreement: Between the readers, by treatment; None with one reader.
        not_computed: Figures of merit that this table does not bear, and why.
    """

    analyses: tuple[ReaderAnalysis, ...]
    early: ReaderAnalysis | None = None
    times: TimeComparison | None = None
    confidence: ReaderAnalysis | None = None
    standalone: tuple[tuple[str, StandaloneComparison], ...] = ()
    agreement: Evaluation | None = None
    not_computed: tuple[str, ...] = ()

    def as_document(self) -> dict[str, object]:
        """Return a JSON-able document; no number is rounded."""
        return {
            "analyses": [one.as_document() for one in self.analyses],
            "early_detection": None if self.early is None else self.early.as_document(),
            "times": None if self.times is None else self.times.as_document(),
            "confidence": None if self.confidence is None else self.confidence.as_document(),
            "standalone": [
                {"treatment": treatment} | one.as_document() for treatment, one in self.standalone
            ],
            "agreement": None if self.agreement is None else self.agreement.as_document(),
            "not_computed": list(self.not_computed),
        }

    def as_text(self) -> str:
        """Return tables for a terminal."""
        parts = [one.as_text() for one in (*self.analyses, self.early) if one is not None]
        if self.times is not None:
            parts.append(self.times.as_evaluation().as_text())
        if self.confidence is not None:
            parts.append(self.confidence.as_evaluation().as_text())
        parts += [
            f"The model against the readers, {treatment}:\n{one.as_evaluation().as_text()}"
            for treatment, one in self.standalone
        ]
        if self.agreement is not None:
            parts.append(f"Agreement of the readers:\n{self.agreement.as_text()}")
        parts += [f"Not computed: {one}" for one in self.not_computed]
        return "\n\n".join(parts)


def analyse_readers(path: Path, options: StudyOptions | None = None) -> StudyReport:
    """Analyse the table of a reader study; one with the column `lesion` is a table of marks.

    Raises:
        DataError: If the table is not valid, or does not bear the analysis.
        ConfigError: If an option does not fit the table.
        UnknownNameError: If a treatment or the model does not occur.
    """
    chosen = options or StudyOptions()
    if "lesion" in read_columns(path, (), ("lesion",)):
        return _report_of_marks(path, chosen)
    table = Ratings.from_csv(
        path,
        lowest=chosen.lowest,
        highest=chosen.highest,
        readers=chosen.readers,
        allow_missing=chosen.allow_missing,
    )
    figures: list[Figure] = [Auc()]
    if chosen.threshold is not None:
        figures += [Sensitivity(chosen.threshold), Specificity(chosen.threshold)]
    people = table
    if chosen.model is not None:
        people = table.take(~table.of("reader", chosen.model))
    study = study_of(people, treatments=chosen.treatments, allow_missing=chosen.allow_missing)
    analyses, not_computed = _analyses(study, figures, chosen)
    return StudyReport(
        analyses=analyses,
        not_computed=not_computed,
        early=_early(people, chosen),
        times=_times(people, chosen),
        confidence=_confidence(people, chosen),
        standalone=_standalone(table, study.treatments, figures, chosen),
        agreement=_agreement(study, chosen),
    )


def pilot_components(path: Path, options: StudyOptions | None = None) -> PilotComponents:
    """Take the variance components of a planned study from the table of a pilot.

    The figure of merit is the area; with a threshold, the sensitivity.

    Raises:
        DataError: If the table is not valid, or no fully crossed pilot.
    """
    chosen = options or StudyOptions()
    table = Ratings.from_csv(path, lowest=chosen.lowest, highest=chosen.highest)
    study = study_of(table, treatments=chosen.treatments)
    figure = Auc() if chosen.threshold is None else Sensitivity(chosen.threshold)
    return PilotComponents.of(_analysed(study, figure, chosen))


def _report_of_marks(path: Path, options: StudyOptions) -> StudyReport:
    if options.threshold is not None or options.model is not None or options.allow_missing:
        raise ConfigError(
            "threshold, model and missing ratings are for a table of ratings",
            got="a table of marks, with the column 'lesion'",
            cure="give a table with one rating a case",
        )
    marks = Marks.from_csv(
        path, lowest=options.lowest, highest=options.highest, readers=options.readers
    )
    study = study_of_marks(marks, treatments=options.treatments)
    return StudyReport(analyses=(_analysed(study, Auc(is_weighted_afroc=True), options),))


def _analyses(
    study: ReaderStudy, figures: list[Figure], options: StudyOptions
) -> tuple[tuple[ReaderAnalysis, ...], tuple[str, ...]]:
    """Analyse each figure of merit; one that the table does not bear does not stop the others.

    Raises:
        DataError: If the table bears none.
    """
    found: list[ReaderAnalysis] = []
    errors: list[DataError] = []
    lines: list[str] = []
    for figure in figures:
        try:
            found.append(_analysed(study, figure, options))
        except DataError as error:
            errors.append(error)
            lines.append(f"{figure.name}: {error}")
    if not found:
        raise errors[0]
    return tuple(found), tuple(lines)


def _analysed(study: ReaderStudy, figure: Figure, options: StudyOptions) -> ReaderAnalysis:
    covariance = options.covariance if isinstance(figure, Auc) else None
    return analyse(
        study, figure, inference=options.inference, covariance=covariance, level=options.level
    )


def _early(table: Ratings, options: StudyOptions) -> ReaderAnalysis | None:
    if table.confirmed_later is None or options.threshold is None:
        return None
    if not table.confirmed_later.any():
        return None
    return early_detection(table, threshold=options.threshold, **options.of_tables)


def _times(table: Ratings, options: StudyOptions) -> TimeComparison | None:
    if table.time_s is None:
        return None
    return compare_times(table, **options.of_tables)


def _confidence(table: Ratings, options: StudyOptions) -> ReaderAnalysis | None:
    if table.confidence is None:
        return None
    return compare_confidence(table, **options.of_tables)


def _standalone(
    table: Ratings, treatments: tuple[str, ...], figures: list[Figure], options: StudyOptions
) -> tuple[tuple[str, StandaloneComparison], ...]:
    if options.model is None:
        return ()
    found = []
    for treatment in treatments:
        rows = with_model_as_reader(table, model=options.model, treatment=treatment)
        study = study_of(rows)
        for figure in figures:
            compared = compare_standalone(
                study,
                figure,
                model=options.model,
                inference=options.inference,
                covariance=options.covariance if isinstance(figure, Auc) else None,
                level=options.level,
            )
            found.append((treatment, compared))
    return tuple(found)


def _agreement(study: ReaderStudy, options: StudyOptions) -> Evaluation | None:
    """Return agreement on the rating, and with a threshold on the call."""
    generator = np.random.default_rng(options.seed)
    rows: list[Row] = []
    notes: list[str] = []
    for treatment, name in enumerate(study.treatments):
        ratings = study.ratings[treatment, :, :, 0]
        ratings = ratings[~np.isnan(ratings).all(axis=1)]
        if len(ratings) < 2 or (~np.isnan(ratings)).sum(axis=0).max() < 2:
            continue
        try:
            rows += _agreement_rows(ratings, name, generator, options)
        except DataError as error:
            notes.append(f"{name}: {error.what}.")
    if not rows and not notes:
        return None
    notes.append(f"Bootstrap: 2000 resamples of cases, seed {options.seed}.")
    return Evaluation(tuple(rows), notes=tuple(notes))


def _agreement_rows(
    ratings: np.ndarray, treatment: str, generator: np.random.Generator, options: StudyOptions
) -> list[Row]:
    level = options.level
    found = [
        (
            "alpha of ratings",
            krippendorff_alpha(ratings, scale="ordinal", generator=generator, level=level),
        )
    ]
    if options.threshold is not None:
        calls = np.where(np.isnan(ratings), np.nan, ratings >= options.threshold)
        found.append(
            (
                "alpha of calls",
                krippendorff_alpha(calls, scale="nominal", generator=generator, level=level),
            )
        )
        if not np.isnan(calls).any():
            found.append(
                ("Fleiss' kappa of calls", fleiss_kappa(calls, generator=generator, level=level))
            )
            if len(calls) == 2:
                found.append(("Cohen's kappa of calls", cohen_kappa(*calls, level=level)))
    return [
        Row(f"{name}, {treatment}", row.value, row.low, row.high, row.n, row.method)
        for name, row in found
    ]
