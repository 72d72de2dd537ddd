"""Films read once where settled, and the guard: on synthetic answers whose noise is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fracturax.core.case import Case, Reference
from fracturax.core.prediction import OperatingPoints
from fracturax.core.study import Study
from fracturax.models.bundle import Calibration, Manifest
from fracturax.pipelines.guard import LARGEST_LOSS, compare_ways, holds
from fracturax.pipelines.out_of_fold import OutOfFold, fit_answers, judge_across_folds
from fracturax.pipelines.settled import KEPT_WITHIN, choose_margin, mirror_margin, settle
from fracturax.transforms.plan import PreprocessingPlan
from raw_answers import BOX, raw_answer

FILMS = 1500
MANIFEST = Manifest(
    name="xray",
    version="1",
    network="xray",
    created="2026-01-01",
    plan=PreprocessingPlan(rows=64, columns=64),
    is_mirrored=True,
    operating_points=OperatingPoints(0.2, 0.6),
    box_operating_points=OperatingPoints(0.1, 0.5),
    calibration=Calibration(("logit",), (1.0,), 0.0),
    box_calibration=Calibration(("box",), (1.0,), 0.0),
    default_precision="fp32",
    graphs=(("fp32", "model.onnx"),),
)


def _open() -> Study:
    raise AssertionError("nothing is read")


def _films(*, noise: float) -> OutOfFold:
    """The same films whatever the noise, a third of them fractured, three folds."""
    generator = np.random.default_rng(3)
    label = np.arange(FILMS) % 3 == 0
    logit = 4.0 * label - 2 + 1.5 * generator.normal(size=FILMS)
    logit = logit + noise * np.random.default_rng(4).normal(size=FILMS)
    cases = [
        Case(f"f{row}", Reference(bool(one), (BOX,) if one else ()), f"p{row}", open=_open)
        for row, one in enumerate(label)
    ]
    answers = tuple(raw_answer({"logit": value}) for value in logit.tolist())
    return OutOfFold(tuple(cases), np.arange(FILMS) % 5 % 3, answers)


def test_the_margin_is_what_a_second_view_moves_all_but_some_films_by() -> None:
    both, once = _films(noise=0.0), _films(noise=0.2)
    slope = dict(zip(*_calibration(both), strict=True))["logit"]
    # 99 % of a normal distribution lie within 2.576 standard deviations.
    margin = mirror_margin(both, once, kept_within=0.99)
    assert margin == pytest.approx(2.576 * 0.2 * slope, rel=0.15)
    assert mirror_margin(both, both, kept_within=0.99) == 0


def _calibration(films: OutOfFold) -> tuple[tuple[str, ...], tuple[float, ...]]:
    fitted = fit_answers(films).calibration
    return fitted.inputs, fitted.coefficients


def test_only_films_below_every_threshold_keep_the_answer_of_one_view() -> None:
    both, once = _films(noise=0.0), _films(noise=0.2)
    margin = mirror_margin(both, once, kept_within=0.99)
    settled = settle(both, once, replace(MANIFEST, mirror_margin=margin))
    alone = [one is other for one, other in zip(settled.answers, once.answers, strict=True)]
    assert 0.2 < np.mean(alone) < 0.9
    exact, cheaper = (judge_across_folds(one, model="xray") for one in (both, settled))
    changed = exact.table.status != cheaper.table.status
    assert changed[alone].mean() < 0.02
    for row in np.flatnonzero(np.array(alone) & ~changed).tolist():
        assert cheaper.table.status[row] == "no_fracture"


@pytest.mark.parametrize(("noise", "tried"), [(0.02, 1), (1.5, len(KEPT_WITHIN))])
def test_the_smallest_margin_that_costs_nothing_is_taken(noise: float, tried: int) -> None:
    both, once = _films(noise=0.0), _films(noise=noise)
    exact = judge_across_folds(both, model="xray")
    settled = choose_margin(both, once, exact, MANIFEST, model="xray")
    assert len(settled.guards) == tried
    held = [holds(one) for one in settled.guards.values()]
    assert not any(held[:-1])
    assert held[-1] == (settled.margin is not None)
    if settled.margin is None:
        assert settled.films is both
    else:
        assert settled.margin == mirror_margin(both, once, kept_within=KEPT_WITHIN[tried - 1])
        assert settled.judgement.evaluation["auroc"].n == FILMS


def test_the_guard_refuses_a_way_that_loses_and_tells_what() -> None:
    exact = judge_across_folds(_films(noise=0.0), model="xray")
    worse = judge_across_folds(_films(noise=1.5), model="xray")
    differences = compare_ways(exact, worse)
    assert not holds(differences)
    assert differences["auroc"].high is not None
    assert differences["auroc"].high < 0
    called = np.isin(exact.table.status, ("fracture",)) & (exact.table.reference == 1)
    again = np.isin(worse.table.status, ("fracture",)) & (worse.table.reference == 1)
    expected = (again.sum() - called.sum()) / (exact.table.reference == 1).sum()
    assert differences["sensitivity@high_specificity"].value == pytest.approx(expected)
    back = compare_ways(worse, exact)
    assert back["auroc"].value == pytest.approx(-differences["auroc"].value)


def test_the_same_answers_lose_nothing() -> None:
    exact = judge_across_folds(_films(noise=0.0), model="xray")
    differences = compare_ways(exact, exact)
    assert holds(differences)
    assert all(differences[name].value == 0 for name in LARGEST_LOSS)
