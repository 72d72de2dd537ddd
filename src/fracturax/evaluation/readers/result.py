"""What an analysis of a reader study found, in forms for people and programs."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from fracturax.evaluation.readers.estimate import Estimate, ZeroTest
from fracturax.evaluation.result import Evaluation, Row

_FEW_READERS = 4
"""With fewer, the degrees of freedom are too generous where readers differ much and cases agree
little: `benchmarks/accuracy/statistics/readers.md`, cells with 3 readers."""


@dataclass(frozen=True)
class TreatmentMean:
    """Mean figure of merit of the readers under one treatment."""

    treatment: str
    estimate: Estimate
    readers: int


@dataclass(frozen=True)
class Difference:
    """Mean figure of merit under one treatment less that under another."""

    first: str
    second: str
    estimate: Estimate
    test: ZeroTest

    @property
    def name(self) -> str:
        """Both names with a minus."""
        return f"{self.first} - {self.second}"


@dataclass(frozen=True)
class OverallTest:
    """Test that all treatments are equal.

    Args:
        statistic: F, or chi-square where readers are fixed.
        distribution: `F` or `chi-square`.
        df1: Degrees of freedom of the numerator, or of chi-square.
        df2: Those of the denominator; None for chi-square, and where they are without limit.
        p: p-value.
    """

    statistic: float
    distribution: str
    df1: int
    df2: float | None
    p: float


@dataclass(frozen=True)
class ReaderValue:
    """Figure of merit of one reader under one treatment, its interval over cases."""

    reader: str
    treatment: str
    estimate: Estimate
    cases: int


@dataclass(frozen=True)
class ReaderDifference:
    """Difference of two treatments in the hands of one reader, its interval over cases."""

    reader: str
    difference: Difference


@dataclass(frozen=True)
class Components:
    """Variance components of the Obuchowski-Rockette model.

    Args:
        reader: Variance of readers; negative where the data put it below 0. With readers nested in
            treatments this is the sum of both. None with one reader.
        reader_by_treatment: Variance of the interaction of reader and treatment; None where it
            cannot be told apart.
        error: Variance of one reader's figure from one sample of cases to the next.
        cov1: Error covariance of the same reader under two treatments.
        cov2: Of two readers under the same treatment.
        cov3: Of two readers under two treatments.
    """

    reader: float | None
    reader_by_treatment: float | None
    error: float
    cov1: float
    cov2: float
    cov3: float


@dataclass(frozen=True)
class ReaderAnalysis:
    """Treatments compared over readers and cases.

    Args:
        figure: Name of the figure of merit.
        inference: What is random, such as `random readers and cases`.
        covariance: How error covariances were estimated.
        design: Name of the design.
        level: Coverage of the intervals.
        readers: How many.
        fractured: How many fractured cases.
        healthy: How many healthy cases.
        components: Variance components.
        means: One a treatment.
        differences: One a pair of treatments.
        overall: The test of all treatments; None with one treatment or one reader.
        reader_values: One a reader and treatment.
        reader_differences: One a reader and pair of treatments, where readers are crossed.
    """

    figure: str
    inference: str
    covariance: str
    design: str
    level: float
    readers: int
    fractured: int
    healthy: int
    components: Components
    means: tuple[TreatmentMean, ...]
    differences: tuple[Difference, ...]
    overall: OverallTest | None
    reader_values: tuple[ReaderValue, ...]
    reader_differences: tuple[ReaderDifference, ...]

    @property
    def method(self) -> str:
        """How the numbers came to be, in a few words."""
        return (
            f"Obuchowski-Rockette, {self.inference}, {self.covariance} covariances, "
            f"{self.design}, {self.level:.0%}"
        )

    def as_document(self) -> dict[str, object]:
        """Return a JSON-able document; no number is rounded."""
        return {
            "figure": self.figure,
            "method": self.method,
            "inference": self.inference,
            "covariance": self.covariance,
            "design": self.design,
            "level": self.level,
            "readers": self.readers,
            "fractured": self.fractured,
            "healthy": self.healthy,
            "components": asdict(self.components),
            "means": [
                {"treatment": mean.treatment, "readers": mean.readers} | mean.estimate.as_document()
                for mean in self.means
            ],
            "differences": [_difference_document(one) for one in self.differences],
            "overall": None if self.overall is None else asdict(self.overall),
            "reader_values": [
                {"reader": one.reader, "treatment": one.treatment, "cases": one.cases}
                | one.estimate.as_document()
                for one in self.reader_values
            ],
            "reader_differences": [
                {"reader": one.reader} | _difference_document(one.difference)
                for one in self.reader_differences
            ],
        }

    def as_evaluation(self) -> Evaluation:
        """Return means and differences as rows; the p-values stand in the notes."""
        cases = self.fractured + self.healthy
        rows = [
            _row(f"{self.figure}, {mean.treatment}", mean.estimate, cases, self.method)
            for mean in self.means
        ]
        rows += [
            _row(f"{self.figure}, {one.name}", one.estimate, cases, self.method)
            for one in self.differences
        ]
        return Evaluation(tuple(rows), notes=self.notes)

    @property
    def notes(self) -> tuple[str, ...]:
        """The tests, in words."""
        found = []
        for one in self.differences:
            freedom = "" if one.estimate.df is None else f" with {one.estimate.df:.2f} df"
            letter = "z" if one.estimate.df is None else "t"
            found.append(
                f"{one.name}: {letter} = {one.test.statistic:.4f}{freedom}, p = {one.test.p:.4g}."
            )
        if self.overall is not None and len(self.means) > 2:
            freedom = f"{self.overall.df1}"
            if self.overall.df2 is not None:
                freedom += f" and {self.overall.df2:.2f}"
            found.append(
                f"All treatments equal: {self.overall.distribution} = "
                f"{self.overall.statistic:.4f} with {freedom} df, p = {self.overall.p:.4g}."
            )
        if found and self.readers < _FEW_READERS and self.inference.startswith("random readers"):
            found.append(
                f"With {self.readers} readers, a test at 0.05 found a difference where there was "
                "none in up to 7 % of simulated studies: take p-values just below 0.05 with care."
            )
        return tuple(found)

    def as_text(self) -> str:
        """Return tables for a terminal, four decimals."""
        parts = "".join(
            f"  {name} {value:.4g}"
            for name, value in asdict(self.components).items()
            if value is not None
        )
        width = max(len(one.reader) for one in self.reader_values)
        wide = max(len(one.treatment) for one in self.reader_values)
        readers = [
            f"  {one.reader:<{width}}  {one.treatment:<{wide}}  {one.estimate.as_words()}, "
            f"{one.cases} cases"
            for one in self.reader_values
        ]
        return "\n".join(
            [
                f"{self.figure}: {self.readers} readers, {self.fractured} fractured and "
                f"{self.healthy} healthy cases",
                self.as_evaluation().as_text(),
                "Variance components:" + parts,
                "Readers (interval over cases, normal, a share on the logit scale):",
                *readers,
            ]
        )


def _difference_document(one: Difference) -> dict[str, object]:
    return {
        "first": one.first,
        "second": one.second,
        **one.estimate.as_document(),
        **one.test.as_document(),
    }


def _row(metric: str, found: Estimate, n: int, method: str) -> Row:
    scale = ", logit scale" if found.scale == "logit" else ""
    return Row(metric, found.value, found.low, found.high, n, f"{method}{scale}")
