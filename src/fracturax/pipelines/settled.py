"""Settled: films that one view answers so clearly that the mirrored one could change nothing.

The margin is measured: of a hundred films, so many keep their two probabilities, of one view and of
both, this near each other. A film farther than that below every threshold is read once; where a
fracture is suspected, both views are: its box lies better. A smaller margin lets more films be read
once, and more of them be answered otherwise: the guard decides.
Calibration and thresholds stay those of both views: where they were fitted anew, their own scatter
moved more answers than the missing view did.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from fracturax.evaluation import Evaluation
from fracturax.models.bundle import Manifest
from fracturax.pipelines.evaluate import Judgement
from fracturax.pipelines.guard import compare_ways, holds
from fracturax.pipelines.out_of_fold import Fitted, OutOfFold, fit_answers, judge_across_folds

KEPT_WITHIN = (0.9, 0.95, 0.99)
"""Shares of films whose second view moves the probability by no more than the margin, as tried."""


@dataclass(frozen=True, eq=False)
class Settled:
    """How settled films are read.

    Args:
        margin: The manifest's `mirror_margin`; None where every film is read twice.
        films: The answers of a reader with it.
        judgement: What they are worth.
        guards: What each margin that was tried gains or loses against reading every film twice.
    """

    margin: float | None
    films: OutOfFold
    judgement: Judgement
    guards: Mapping[str, Evaluation]


def choose_margin(
    both: OutOfFold, once: OutOfFold, exact: Judgement, manifest: Manifest, *, model: str
) -> Settled:
    """Return the smallest margin that costs no accuracy; none where each does.

    Args:
        both: Answers from both views.
        once: Answers from one view, of the same films in the same order.
        exact: What the answers from both views are worth.
        manifest: Of the readers.
        model: Name of the model.
    """
    guards: dict[str, Evaluation] = {}
    for share in KEPT_WITHIN:
        margin = mirror_margin(both, once, kept_within=share)
        films = settle(both, once, replace(manifest, mirror_margin=margin))
        judgement = judge_across_folds(films, model=model, fitted_on=both)
        name = f"one_view_below_{margin:.2f}"
        guards[name] = compare_ways(exact, judgement)
        if holds(guards[name]):
            return Settled(margin, films, judgement, guards)
    return Settled(None, both, exact, guards)


def mirror_margin(both: OutOfFold, once: OutOfFold, *, kept_within: float) -> float:
    """Return how far, in log-odds, a second view moves a probability in all but a few films.

    Args:
        both: Answers from both views.
        once: Answers from one view, of the same films in the same order.
        kept_within: Share of films that it moves no farther.
    """
    calibration = fit_answers(both).calibration
    two, one = (
        np.array([calibration.log_odds(answer.values) for answer in way.answers])
        for way in (both, once)
    )
    return float(np.quantile(np.abs(two - one), kept_within))


def settle(both: OutOfFold, once: OutOfFold, manifest: Manifest) -> OutOfFold:
    """Return the answers of a reader that reads settled films once.

    Args:
        both: Answers from both views.
        once: Answers from one view, of the same films in the same order.
        manifest: Of the reader, with its margin; calibration and thresholds that decide in a fold
            are fitted on the others, read from both views.
    """
    answers = list(both.answers)
    for fold in np.unique(both.fold).tolist():
        fitted: Fitted = fit_answers(both.part(both.fold != fold))
        reader = fitted.into(manifest)
        for row in np.flatnonzero(both.fold == fold).tolist():
            single = once.answers[row]
            if not reader.needs_mirror(reader.calibration.probability(single.values)):
                answers[row] = single
    return replace(both, answers=tuple(answers))
