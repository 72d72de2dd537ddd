"""Settled: films that one view answers so clearly that the mirrored one could change nothing.

The margin is measured: of a hundred films, so many keep their two probabilities, of one view and of
both, this near each other. A film farther than that beyond every threshold is read once.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fracturax.models.bundle import Manifest
from fracturax.pipelines.out_of_fold import Fitted, OutOfFold, fit_answers

KEPT_WITHIN = 0.99
"""Share of films whose second view moves the probability by no more than the margin."""


def mirror_margin(both: OutOfFold, once: OutOfFold) -> float:
    """Return how far, in log-odds, a second view moves a probability in all but a few films.

    Args:
        both: Answers from both views.
        once: Answers from one view, of the same films in the same order.
    """
    calibration = fit_answers(both).calibration
    two, one = (
        np.array([calibration.log_odds(answer.values) for answer in way.answers])
        for way in (both, once)
    )
    return float(np.quantile(np.abs(two - one), KEPT_WITHIN))


def settle(
    both: OutOfFold,
    once: OutOfFold,
    manifest: Manifest,
    *,
    fitted_on: OutOfFold | None = None,
) -> OutOfFold:
    """Return the answers of a reader that reads settled films once.

    Args:
        both: Answers from both views.
        once: Answers from one view, of the same films in the same order.
        manifest: Of the reader, with its margin; calibration and thresholds that decide in a fold
            are fitted on the others.
        fitted_on: Answers about the same films that these are fitted on; `both` if None.
    """
    answers = list(both.answers)
    others = both if fitted_on is None else fitted_on
    for fold in np.unique(both.fold).tolist():
        fitted: Fitted = fit_answers(others.part(others.fold != fold))
        reader = fitted.into(manifest)
        for row in np.flatnonzero(both.fold == fold).tolist():
            single = once.answers[row]
            if not reader.needs_mirror(reader.calibration.probability(single.values)):
                answers[row] = single
    return replace(both, answers=tuple(answers))
