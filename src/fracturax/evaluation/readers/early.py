"""The early detection rate: fractures seen at once that were confirmed only later."""

from __future__ import annotations

from dataclasses import replace

from fracturax.core.errors import DataError
from fracturax.evaluation.readers.figures import Sensitivity
from fracturax.evaluation.readers.mrmc import RANDOM, Inference, analyse
from fracturax.evaluation.readers.result import ReaderAnalysis
from fracturax.evaluation.readers.study import study_of
from fracturax.evaluation.readers.table import Ratings


def early_detection(
    table: Ratings,
    *,
    threshold: float,
    treatments: tuple[str, ...] | None = None,
    inference: Inference = RANDOM,
    allow_missing: bool = False,
    level: float = 0.95,
) -> ReaderAnalysis:
    """Compare sensitivities on fractures that were confirmed only at a later examination.

    The Obuchowski-Rockette analysis of the sensitivity with jackknife covariances, on those cases
    alone: intervals and tests respect readers and cases.

    Args:
        table: With the column `confirmed_later`.
        threshold: A reader calls a case fractured at this rating or above.
        treatments: Those to compare, in order.
        inference: What is random.
        allow_missing: As in `study_of`.
        level: Coverage of the intervals.

    Raises:
        DataError: If the table has no such column, or fewer than two such fractures.
    """
    if table.confirmed_later is None:
        raise DataError(
            "the early detection rate needs the column 'confirmed_later'",
            got="a table without it",
            cure="say 1 where a later examination confirmed the fracture",
        )
    cases = set(table.case[table.confirmed_later].tolist())
    if len(cases) < 2:
        raise DataError(
            "the early detection rate needs two fractures confirmed later", got=f"{len(cases)}"
        )
    # Healthy cases stay so that the table keeps both classes; the sensitivity does not count them.
    kept = table.take(table.confirmed_later | ~table.truth)
    study = study_of(kept, treatments=treatments, allow_missing=allow_missing)
    found = analyse(study, Sensitivity(threshold), inference=inference, level=level)
    return replace(found, figure=f"early detection rate at rating >= {threshold:g}")
