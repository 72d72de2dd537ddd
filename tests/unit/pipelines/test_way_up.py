"""Films that were turned upright are lifted to the level of films alike."""

import numpy as np
import pytest

from fracturax.core.anatomy import REGIONS
from fracturax.core.case import Case, Reference
from fracturax.core.study import Study
from fracturax.models.bundle import TURNED
from fracturax.pipelines.leftover import told_by_score
from fracturax.pipelines.out_of_fold import OutOfFold, fit_answers, judge_across_folds
from fracturax.pipelines.way_up import lift_of_turned
from raw_answers import BOX, raw_answer

FILMS = 1200


def _open() -> Study:
    raise AssertionError("nothing is read")


def _films(*, gap: float, turned_share: float = 0.3) -> OutOfFold:
    """Films whose logit is lower by `gap` where they were turned, and that are healthier too."""
    generator = np.random.default_rng(1)
    turned = generator.random(FILMS) < turned_share
    label = generator.random(FILMS) < np.where(turned, 0.15, 0.4)
    region = generator.integers(0, 2, FILMS)
    logit = 2.5 * label - 1.5 + generator.normal(size=FILMS) - gap * turned
    cases, answers = [], []
    for number in range(FILMS):
        reference = Reference(
            bool(label[number]), (BOX,) if label[number] else (), regions=(REGIONS[region[number]],)
        )
        cases.append(Case(f"f{number}", reference, f"p{number}", open=_open))
        answers.append(raw_answer({"logit": float(logit[number]), TURNED: float(turned[number])}))
    return OutOfFold(tuple(cases), np.arange(FILMS) % 3, tuple(answers))


def _is_turned(films: OutOfFold) -> np.ndarray:
    return np.array([one.values[TURNED] > 0 for one in films.answers])


def test_the_lift_makes_half_of_the_pairs_won() -> None:
    generator = np.random.default_rng(0)
    scores, kinds = generator.normal(size=400), generator.integers(0, 4, 400)
    turned = generator.random(400) < 0.4
    scores = scores + 3.0 * kinds - 0.8 * turned
    lifted = scores + lift_of_turned(scores, turned, kinds) * turned
    won = [
        float(one > other) + 0.5 * float(one == other)
        for kind in range(4)
        for one in lifted[turned & (kinds == kind)]
        for other in lifted[~turned & (kinds == kind)]
    ]
    assert np.mean(won) == pytest.approx(0.5, abs=1e-4)


def test_kinds_without_a_partner_and_few_films_say_nothing() -> None:
    scores = np.arange(100.0)
    apart = (scores < 50).astype(np.intp)
    assert lift_of_turned(scores, scores < 50, apart) == 0
    assert lift_of_turned(scores, scores < 29, np.zeros(100, np.intp)) == 0
    assert lift_of_turned(scores, scores < 30, np.zeros(100, np.intp)) == pytest.approx(50)


def test_a_gap_is_closed_across_folds_though_lying_films_are_healthier() -> None:
    films = _films(gap=1.2)
    turned = _is_turned(films)
    table = judge_across_folds(films, model="xray").table
    told = told_by_score(turned, table.probability, films.fold, films.cases)
    assert told.low < 0.5 < told.high
    raw = np.array([one.values["logit"] for one in films.answers])
    assert told_by_score(turned, raw, films.fold, films.cases).high < 0.3


def test_the_calibration_names_the_way_up_only_where_it_was_fitted() -> None:
    calibration = fit_answers(_films(gap=1.2)).calibration
    assert calibration.inputs == ("logit", TURNED)
    logit, turned = calibration.coefficients
    assert turned / logit == pytest.approx(1.2, abs=0.15)
    assert fit_answers(_films(gap=1.2, turned_share=0.01)).calibration.inputs == ("logit",)
