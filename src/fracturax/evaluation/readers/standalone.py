"""A model alone against the readers: the same cases, one model, many readers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fracturax.core.errors import DataError, UnknownNameError
from fracturax.evaluation.readers.covariance import (
    CovarianceMethod,
    covariance_of_cells,
    default_method,
)
from fracturax.evaluation.readers.estimate import (
    Estimate,
    ZeroTest,
    against_zero,
    estimate,
    satterthwaite,
)
from fracturax.evaluation.readers.figures import Figure, figure_of_cells
from fracturax.evaluation.readers.mrmc import FIXED_CASES, FIXED_READERS, RANDOM, Inference
from fracturax.evaluation.readers.study import ReaderStudy
from fracturax.evaluation.readers.table import Ratings
from fracturax.evaluation.result import Evaluation, Row


@dataclass(frozen=True)
class StandaloneComparison:
    """A model against the mean of the readers.

    Args:
        figure: Name of the figure of merit.
        method: How the numbers came to be.
        model: Figure of the model, its interval over cases.
        readers: Mean of the readers; its interval is that of the inference.
        difference: Model less readers.
        test: Of the difference.
        count: How many readers.
        cases: How many cases.
        better_than: How many readers the model is above of.
    """

    figure: str
    method: str
    model: Estimate
    readers: Estimate
    difference: Estimate
    test: ZeroTest
    count: int
    cases: int
    better_than: int

    def as_document(self) -> dict[str, object]:
        """Return a JSON-able document; no number is rounded."""
        return {
            "figure": self.figure,
            "method": self.method,
            "model": self.model.as_document(),
            "readers": self.readers.as_document(),
            "difference": self.difference.as_document() | self.test.as_document(),
            "count": self.count,
            "cases": self.cases,
            "better_than": self.better_than,
        }

    def as_evaluation(self) -> Evaluation:
        """Return the numbers as rows; the test stands in the notes."""
        named = (
            ("model", self.model),
            ("readers", self.readers),
            ("model - readers", self.difference),
        )
        rows = tuple(
            Row(f"{self.figure}, {name}", one.value, one.low, one.high, self.cases, self.method)
            for name, one in named
        )
        freedom = "" if self.difference.df is None else f" with {self.difference.df:.2f} df"
        note = (
            f"model - readers: statistic {self.test.statistic:.4f}{freedom}, "
            f"p = {self.test.p:.4g}; the model is above {self.better_than} of "
            f"{self.count} readers."
        )
        return Evaluation(rows, notes=(note,))


def compare_standalone(
    study: ReaderStudy,
    figure: Figure,
    *,
    model: str,
    inference: Inference = RANDOM,
    covariance: CovarianceMethod | None = None,
    level: float = 0.95,
) -> StandaloneComparison:
    """Compare a model with the mean of the readers.

    The model is one of the readers of a fully crossed study with one treatment. Each reader's
    difference from the model is taken, and their mean is tested against 0 by the
    Obuchowski-Rockette model of one treatment, so that readers and cases are random and the model
    is fixed.

    Args:
        study: One treatment; `with_model_as_reader` makes it of a table with several.
        figure: The figure of merit.
        model: Name of the model among the readers.
        inference: What is random.
        covariance: How error covariances are estimated; None as in `analyse`.
        level: Coverage of the intervals.

    Raises:
        DataError: If the study has several treatments or missing ratings, or fewer than two
            readers beside the model where readers are random.
        UnknownNameError: If no reader has the name of the model.

    References:
        Hillis, Statistics in Medicine 26:596-619, 2007, section 5.3 (one treatment); Hupse et al.,
        European Radiology 23:93-100, 2013 (model against readers); Chakraborty, Observer
        Performance Methods for Diagnostic Imaging, 2017, chapter 22 (method 1T-RRRC).

    Example:
        >>> from fracturax.evaluation.readers import Auc, crossed_study
        >>> study = crossed_study([[[1, 2, 3, 2, 4, 5], [2, 1, 3, 3, 4, 4], [1, 1, 2, 3, 5, 4]]],
        ...                       truth=[0, 0, 0, 1, 1, 1])
        >>> found = compare_standalone(study, Auc(), model="3")
        >>> round(found.difference.value, 4), found.better_than, found.count
        (0.1111, 2, 2)
    """
    if len(study.treatments) != 1 or study.design.kind != "fully crossed":
        raise DataError(
            "a model is compared with readers who saw the same cases under one treatment",
            got=f"{len(study.treatments)} treatments, {study.design.kind}",
            cure="name the treatment of the readers",
        )
    if model not in study.readers:
        raise UnknownNameError("reader", model, study.readers)
    own = study.readers.index(model)
    count = len(study.readers) - 1
    if count < 1 or (count < 2 and inference != FIXED_READERS):
        raise DataError(
            "one reader says nothing of other readers, who would be random here",
            got=f"{count} beside the model",
            cure="take readers as fixed, or more readers",
        )
    method = covariance or default_method(study, figure)
    measured = figure_of_cells(study, figure)
    matrix = covariance_of_cells(study, figure, measured, method)
    others = [position for position in range(count + 1) if position != own]
    # Rows of differences, reader less model.
    contrast = np.zeros((count, count + 1))
    contrast[np.arange(count), others] = 1.0
    contrast[:, own] = -1.0
    differences = contrast @ measured.values

    def over_readers(values: np.ndarray, errors: np.ndarray) -> tuple[float, float | None]:
        """Return variance of a mean of readers, and its degrees of freedom."""
        if inference == FIXED_READERS:
            return float(errors.mean()), None
        square = float(values.var(ddof=1))
        if inference == FIXED_CASES:
            return square / count, float(count - 1)
        shared = float((errors.sum() - np.trace(errors)) / (count * (count - 1)))
        added = count * max(shared, 0.0)
        return (square + added) / count, satterthwaite(square, added, count - 1)

    variance, df = over_readers(differences, contrast @ matrix @ contrast.T)
    of_mean, mean_df = over_readers(measured.values[others], matrix[np.ix_(others, others)])
    value = -float(differences.mean())
    share = figure.is_share
    return StandaloneComparison(
        figure=figure.name,
        method=(
            f"single-treatment Obuchowski-Rockette on reader - model (Hillis 2007), {inference}, "
            f"{method} covariances, {level:.0%}"
        ),
        model=estimate(
            float(measured.values[own]), float(matrix[own, own]), None, level, is_share=share
        ),
        readers=estimate(
            float(measured.values[others].mean()), of_mean, mean_df, level, is_share=share
        ),
        difference=estimate(value, variance, df, level),
        test=against_zero(value, variance, df),
        count=count,
        cases=measured.truth.size,
        better_than=int((differences < 0).sum()),
    )


def with_model_as_reader(table: Ratings, *, model: str, treatment: str) -> Ratings:
    """Return the readings of one treatment, with the model's rows as those of one more reader.

    Args:
        table: Readers under several treatments; the model's rows may stand under any one.
        model: Name of the model in the column `reader`.
        treatment: The readers' treatment to compare with.

    Raises:
        DataError: If the model has rows under several treatments, none of them this one.
        UnknownNameError: If model or treatment do not occur.
    """
    of_model = table.of("reader", model)
    of_treatment = table.of("treatment", treatment)
    names = set(table.treatment[of_model].tolist())
    if treatment not in names and len(names) > 1:
        raise DataError(
            "the model's readings must stand under one treatment, or under that of the readers",
            got=f"{', '.join(sorted(names))}",
        )
    wanted = treatment if treatment in names else names.pop()
    kept = np.where(of_model, table.treatment == wanted, of_treatment)
    chosen = table.take(kept)
    return replace(chosen, treatment=np.full(len(chosen), treatment))
