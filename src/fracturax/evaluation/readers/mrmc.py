"""Treatments compared over many readers and many cases: Obuchowski and Rockette, Hillis."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc
from scipy.stats import f as fisher

from fracturax.core.errors import DataError
from fracturax.evaluation.readers.covariance import (
    CovarianceMethod,
    ErrorCovariance,
    covariance_of_cells,
    default_method,
    error_covariance,
)
from fracturax.evaluation.readers.estimate import against_zero, estimate, satterthwaite
from fracturax.evaluation.readers.figures import CellValues, Figure, figure_of_cells
from fracturax.evaluation.readers.result import (
    Components,
    Difference,
    OverallTest,
    ReaderAnalysis,
    ReaderDifference,
    ReaderValue,
    TreatmentMean,
)
from fracturax.evaluation.readers.study import ReaderStudy

FloatArray = npt.NDArray[np.float64]
Inference = Literal[
    "random readers and cases", "fixed readers, random cases", "random readers, fixed cases"
]
RANDOM: Inference = "random readers and cases"
FIXED_READERS: Inference = "fixed readers, random cases"
FIXED_CASES: Inference = "random readers, fixed cases"
INFERENCES: tuple[Inference, ...] = (RANDOM, FIXED_READERS, FIXED_CASES)


def analyse(
    study: ReaderStudy,
    figure: Figure,
    *,
    inference: Inference = RANDOM,
    covariance: CovarianceMethod | None = None,
    level: float = 0.95,
) -> ReaderAnalysis:
    """Compare treatments by a figure of merit, over readers and cases.

    Args:
        study: The study; every design that `recognize_design` knows.
        figure: `Auc()`, `Sensitivity(...)`, `Specificity(...)`, `Mean(...)`.
        inference: What is random: a result holds for other readers and cases, for other cases read
            by these readers, or for other readers of these cases.
        covariance: How the error covariances are estimated; None takes DeLong for areas and the
            jackknife for the rest.
        level: Coverage of the intervals.

    Returns:
        Means, all differences, the overall test, and the values of each reader. Intervals are
        symmetric, cut at 0 and 1 where the figure is a share.

    Raises:
        DataError: If there is one reader only and readers are random, a reader saw too few cases,
            the covariance method does not serve, or no variance is left to test with.

    References:
        Obuchowski & Rockette, Communications in Statistics - Simulation 24:285-308, 1995; Hillis,
        Statistics in Medicine 26:596-619, 2007 (degrees of freedom); Hillis, Statistics in
        Medicine 33:330-360, 2014 (nested designs).

    Example:
        >>> from fracturax.evaluation.readers import Auc, crossed_study
        >>> study = crossed_study(
        ...     [[[1, 2, 3, 2, 4, 5], [2, 1, 3, 3, 4, 4], [1, 3, 2, 4, 3, 5]],
        ...      [[1, 1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 5], [1, 2, 2, 3, 5, 4]]],
        ...     truth=[0, 0, 0, 1, 1, 1])
        >>> found = analyse(study, Auc())
        >>> round(found.differences[0].estimate.value, 4), round(found.differences[0].test.p, 3)
        (-0.0926, 0.139)
    """
    if inference not in INFERENCES:
        raise DataError("no such inference", got=repr(inference), cure="; ".join(INFERENCES))
    _check_readers(study, inference)
    method = covariance or default_method(study, figure)
    measured = figure_of_cells(study, figure)
    matrix = covariance_of_cells(study, figure, measured, method)
    model = _Model.fit(study, measured, matrix)
    means = tuple(
        model.mean(position, inference, level, is_share=figure.is_share)
        for position in range(len(study.treatments))
    )
    differences = tuple(
        model.difference(first, second, inference, level)
        for first, second in combinations(range(len(study.treatments)), 2)
    )
    counted = measured.truth
    return ReaderAnalysis(
        figure=figure.name,
        inference=inference,
        covariance=method,
        design=study.design.kind,
        level=level,
        readers=len(study.readers),
        fractured=int(counted.sum()),
        healthy=int((~counted).sum()),
        components=model.components(),
        means=means,
        differences=differences,
        overall=model.overall(inference) if len(means) > 1 else None,
        reader_values=model.reader_values(level, is_share=figure.is_share),
        reader_differences=() if study.design.is_reader_nested else model.by_reader(level),
    )


def _check_readers(study: ReaderStudy, inference: Inference) -> None:
    if inference == FIXED_READERS:
        return
    if study.design.is_reader_nested:
        per_treatment = study.seen.any(axis=2).sum(axis=1)
        if per_treatment.min() < 2:
            raise DataError(
                "one reader under a treatment says nothing of other readers",
                got=f"1 under {study.treatments[int(np.argmin(per_treatment))]!r}",
                cure="take readers as fixed, or more readers",
            )
    elif len(study.readers) - len(set(study.design.group_of_reader)) < 1:
        raise DataError(
            "one reader says nothing of other readers, who would be random here",
            got=f"1 reader, {study.readers[0]!r}",
            cure="take readers as fixed; the result then holds for this reader alone",
        )


@dataclass(frozen=True, eq=False)
class _Model:
    """Figures of merit of all cells with their error covariance, as Hillis writes them.

    `spread` is how many readers a covariance between readers counts for: their number where all
    saw the same cases, and the mean size of a reader's group where groups did not.
    """

    study: ReaderStudy
    measured: CellValues
    matrix: FloatArray
    error: ErrorCovariance
    values: FloatArray  # (treatments, readers), NaN where a reader did not work

    @classmethod
    def fit(cls, study: ReaderStudy, measured: CellValues, matrix: FloatArray) -> _Model:
        values = np.full((len(study.treatments), len(study.readers)), np.nan)
        for (treatment, reader), value in zip(measured.cells, measured.values, strict=True):
            values[treatment, reader] = value
        error = error_covariance(matrix, measured.cells, study.design)
        return cls(study, measured, matrix, error, values)

    @property
    def group(self) -> npt.NDArray[np.intp]:
        return np.array(self.study.design.group_of_reader)

    @property
    def spread(self) -> float:
        per_treatment = (~np.isnan(self.values)).sum(axis=1)
        readers = int(per_treatment.sum())
        if self.study.design.is_reader_nested:
            if len(per_treatment) < 2:
                return float(readers)
            uneven = readers - float((per_treatment**2).sum()) / readers
            return uneven / (len(per_treatment) - 1)
        sizes = np.bincount(self.group)
        return float((sizes**2).sum()) / len(self.group)

    @property
    def interaction(self) -> tuple[float, int]:
        """Mean square of reader by treatment (of readers, where they are nested), and its df."""
        if self.study.design.is_reader_nested:
            centered = self.values - np.nanmean(self.values, axis=1, keepdims=True)
            df = int((~np.isnan(self.values)).sum()) - len(self.values)
        else:
            centered = self._within_groups(self.values)
            centered = centered - centered.mean(axis=0)
            groups = len(set(self.group.tolist()))
            df = (len(self.values) - 1) * (len(self.group) - groups)
        return (float(np.nansum(centered**2)) / df if df else 0.0), df

    def mean(
        self, treatment: int, inference: Inference, level: float, *, is_share: bool
    ) -> TreatmentMean:
        own = [
            position for position, cell in enumerate(self.measured.cells) if cell[0] == treatment
        ]
        readers = len(own)
        cells = tuple(self.measured.cells[position] for position in own)
        error = error_covariance(self.matrix[np.ix_(own, own)], cells, self.study.design)
        values = self.values[treatment][~np.isnan(self.values[treatment])]
        nested = self.study.design.is_reader_nested
        group = np.zeros(readers, dtype=np.intp) if nested else self.group
        spread = float((np.bincount(group) ** 2).sum()) / readers
        df = readers - len(set(group.tolist()))
        centered = values - values.mean() if nested else self._within_groups(values[None])[0]
        square = float((centered**2).sum()) / df if df else 0.0
        between = max(error.cov2, 0.0)
        found = estimate(
            float(values.mean()),
            _scaled(inference, square, error.variance, between, spread) / readers,
            _freedom(inference, square, spread * between, df),
            level,
            is_share=is_share,
        )
        return TreatmentMean(self.study.treatments[treatment], found, readers)

    def difference(self, first: int, second: int, inference: Inference, level: float) -> Difference:
        means = np.nanmean(self.values, axis=1)
        per_treatment = (~np.isnan(self.values)).sum(axis=1)
        shares = 1 / per_treatment[first] + 1 / per_treatment[second]
        variance = float(shares) * self._denominator(inference)
        df = self._df(inference)
        value = float(means[first] - means[second])
        names = self.study.treatments
        return Difference(
            names[first],
            names[second],
            estimate(value, variance, df, level),
            against_zero(value, variance, df),
        )

    def overall(self, inference: Inference) -> OverallTest:
        means = np.nanmean(self.values, axis=1)
        per_treatment = (~np.isnan(self.values)).sum(axis=1)
        df1 = len(means) - 1
        grand = float((per_treatment * means).sum() / per_treatment.sum())
        square = float((per_treatment * (means - grand) ** 2).sum()) / df1
        denominator = self._denominator(inference)
        is_fixed = inference == FIXED_READERS
        name = "chi-square" if is_fixed else "F"
        df2 = self._df(inference)
        if denominator < 1e-28:
            if square > 1e-28:
                raise DataError(
                    "treatments without any variance cannot be tested",
                    got=f"a mean square of {square}",
                    cure="use more cases, or report the readers' values without a test",
                )
            return OverallTest(0.0, name, df1, df2, 1.0)
        ratio = square / denominator
        if df2 is None:
            p = float(chdtrc(df1, df1 * ratio))
        else:
            p = float(fisher.sf(ratio, df1, df2))
        return OverallTest(df1 * ratio if is_fixed else ratio, name, df1, df2, p)

    def components(self) -> Components:
        error = self.error
        square, df = self.interaction
        parts = (error.variance, error.cov1, error.cov2, error.cov3)
        if self.study.design.is_reader_nested:
            reader = square - error.variance + error.cov2 if df else None
            return Components(reader, None, *parts)
        treatments, readers = self.values.shape
        free = readers - len(set(self.group.tolist()))
        if not free:
            return Components(None, None, *parts)
        of_readers = self._within_groups(self.values).mean(axis=0)
        readers_square = treatments * float((of_readers**2).sum()) / free
        if treatments == 1:
            return Components(readers_square - error.variance + error.cov2, None, *parts)
        reader = (readers_square - square) / treatments - error.cov1 + error.cov3
        both = square - error.variance + error.cov1 + error.cov2 - error.cov3
        return Components(reader, both, *parts)

    def reader_values(self, level: float, *, is_share: bool) -> tuple[ReaderValue, ...]:
        cases = self.measured.seen.sum(axis=0)
        return tuple(
            ReaderValue(
                self.study.readers[reader],
                self.study.treatments[treatment],
                estimate(
                    float(self.measured.values[position]),
                    max(float(self.matrix[position, position]), 0.0),
                    None,
                    level,
                    is_share=is_share,
                ),
                int(cases[position]),
            )
            for position, (treatment, reader) in enumerate(self.measured.cells)
        )

    def by_reader(self, level: float) -> tuple[ReaderDifference, ...]:
        treatments, readers = self.values.shape
        found = []
        for reader in range(readers):
            own = np.arange(treatments) * readers + reader
            cells = tuple(self.measured.cells[position] for position in own)
            error = error_covariance(self.matrix[np.ix_(own, own)], cells, self.study.design)
            variance = max(2 * (error.variance - error.cov1), 0.0)
            for first, second in combinations(range(treatments), 2):
                value = float(self.values[first, reader] - self.values[second, reader])
                if variance < 1e-28 and value != 0:
                    continue  # nothing to test with: both values stand above
                difference = Difference(
                    self.study.treatments[first],
                    self.study.treatments[second],
                    estimate(value, variance, None, level),
                    against_zero(value, variance, None),
                )
                found.append(ReaderDifference(self.study.readers[reader], difference))
        return tuple(found)

    def _denominator(self, inference: Inference) -> float:
        error = self.error
        within = error.cov2 if self.study.design.is_reader_nested else error.cov1
        between = max(error.cov2 - error.cov3, 0.0)
        square, _ = self.interaction
        if inference != FIXED_READERS:
            return _scaled(inference, square, 0.0, between, self.spread)
        if self.study.design.is_reader_nested:
            return error.variance - within + self.spread * between
        return error.variance - within + (self.spread - 1) * between

    def _df(self, inference: Inference) -> float | None:
        square, df = self.interaction
        between = max(self.error.cov2 - self.error.cov3, 0.0)
        return _freedom(inference, square, self.spread * between, df)

    def _within_groups(self, values: FloatArray) -> FloatArray:
        """Return values less the mean of their group of readers."""
        centered = np.empty_like(values)
        for group in set(self.group.tolist()):
            mine = self.group == group
            centered[:, mine] = values[:, mine] - values[:, mine].mean(axis=1, keepdims=True)
        return centered


def _scaled(
    inference: Inference, square: float, variance: float, between: float, spread: float
) -> float:
    """Return the variance of a mean of readers, times their number."""
    if inference == FIXED_READERS:
        return variance + (spread - 1) * between
    if inference == FIXED_CASES:
        return square
    return square + spread * between


def _freedom(inference: Inference, square: float, added: float, df: int) -> float | None:
    if inference == FIXED_READERS:
        return None
    return float(df) if inference == FIXED_CASES else satterthwaite(square, added, df)
