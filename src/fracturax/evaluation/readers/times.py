"""Time to the diagnosis, and how confident readers are, under each treatment."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.evaluation.readers.estimate import Estimate
from fracturax.evaluation.readers.figures import Mean
from fracturax.evaluation.readers.mrmc import RANDOM, Inference, analyse
from fracturax.evaluation.readers.result import ReaderAnalysis
from fracturax.evaluation.readers.study import study_of
from fracturax.evaluation.readers.table import Ratings
from fracturax.evaluation.result import Evaluation, Row


@dataclass(frozen=True)
class TimeComparison:
    """Times compared in seconds and as ratios.

    Args:
        seconds: Mean times and their differences.
        log_seconds: The same on the logarithm of the time.
    """

    seconds: ReaderAnalysis
    log_seconds: ReaderAnalysis

    def as_document(self) -> dict[str, object]:
        """Return a JSON-able document; no number is rounded."""
        return {
            "seconds": self.seconds.as_document(),
            "log_seconds": self.log_seconds.as_document(),
            "ratios": [
                {"first": one.first, "second": one.second, "p": one.test.p}
                | dict(zip(("value", "low", "high"), _exp(one.estimate), strict=True))
                for one in self.log_seconds.differences
            ],
        }

    def as_evaluation(self) -> Evaluation:
        """Return means, differences and ratios of geometric means as rows."""
        plain = self.seconds.as_evaluation()
        cases = self.seconds.fractured + self.seconds.healthy
        method = f"geometric means; {self.log_seconds.method}"
        ratios = tuple(
            Row(f"time ratio, {one.first} / {one.second}", *_exp(one.estimate), cases, method)
            for one in self.log_seconds.differences
        )
        notes = tuple(
            f"time ratio, {one.first} / {one.second}: p = {one.test.p:.4g}."
            for one in self.log_seconds.differences
        )
        return Evaluation((*plain.rows, *ratios), notes=(*plain.notes, *notes))


def compare_times(
    table: Ratings,
    *,
    treatments: tuple[str, ...] | None = None,
    inference: Inference = RANDOM,
    allow_missing: bool = False,
    level: float = 0.95,
) -> TimeComparison:
    """Compare the time to the diagnosis, paired by reader and case, both random.

    The mean over cases is the figure of merit of an Obuchowski-Rockette analysis with jackknife
    covariances, which for a mean is the analysis of variance with readers and cases random
    (Dorfman-Berbaum-Metz). Times are skewed: the ratio of geometric means is the number to trust.

    Args:
        table: With the column `time_s`.
        treatments: Those to compare, in order.
        inference: What is random.
        allow_missing: Leave out readings without a time instead of refusing them.
        level: Coverage of the intervals.

    Raises:
        DataError: If the table has no times, or some are missing and that was not allowed.

    References:
        Dorfman, Berbaum & Metz, Investigative Radiology 27:723-731, 1992; Hillis et al.,
        Statistics in Medicine 24:1579-1607, 2005 (both are one).
    """
    seconds = _column(table, "time_s", allow_missing)
    logs = replace(seconds, rating=np.log(seconds.rating))
    found = [
        analyse(
            study_of(one, treatments=treatments, allow_missing=allow_missing),
            Mean(of),
            inference=inference,
            level=level,
        )
        for one, of in ((seconds, "time_s"), (logs, "log time_s"))
    ]
    return TimeComparison(*found)


def compare_confidence(
    table: Ratings,
    *,
    treatments: tuple[str, ...] | None = None,
    inference: Inference = RANDOM,
    allow_missing: bool = False,
    level: float = 0.95,
) -> ReaderAnalysis:
    """Compare how confident readers were, as `compare_times` does in seconds.

    Raises:
        DataError: If the table has no confidence, or some is missing and that was not allowed.
    """
    chosen = _column(table, "confidence", allow_missing)
    study = study_of(chosen, treatments=treatments, allow_missing=allow_missing)
    return analyse(study, Mean("confidence"), inference=inference, level=level)


def _column(table: Ratings, name: str, allow_missing: bool) -> Ratings:
    """Return the table with a column in place of the rating."""
    values: npt.NDArray[np.float64] | None = getattr(table, name)
    if values is None or np.isnan(values).all():
        raise DataError(f"the table has no column {name!r}, or an empty one", got="no value")
    is_empty = np.isnan(values)
    if is_empty.any() and not allow_missing:
        raise DataError(
            f"the column {name!r} must not be empty",
            got=f"'' in row {int(np.argmax(is_empty)) + 1}",
            cure="allow missing values, which leaves these readings out",
        )
    kept = table.take(~is_empty)
    return replace(kept, rating=values[~is_empty])


def _exp(found: Estimate) -> tuple[float, float | None, float | None]:
    if found.low is None or found.high is None:
        return math.exp(found.value), None, None
    return math.exp(found.value), math.exp(found.low), math.exp(found.high)
