"""Thresholds by brute force, and never measured where they were chosen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_curve

from fracturax.core.errors import DataError, LeakageError
from fracturax.evaluation.confusion import ConfusionTable
from fracturax.evaluation.operating_points import (
    AtSensitivity,
    AtSpecificity,
    LeastCost,
    Youden,
    choose_operating_point,
    threshold_for_cost,
)

rows = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 8)), min_size=4, max_size=30).filter(
    lambda drawn: 0 < sum(label for label, _ in drawn) < len(drawn)
)


@given(rows)
@settings(max_examples=60, deadline=None)
def test_youden_is_the_highest_point_of_sklearns_curve(drawn):
    reference, score = np.array(drawn).T
    false, true, _ = roc_curve(reference, score)
    threshold = Youden().threshold(reference, score)
    called = score >= threshold
    index = called[reference == 1].mean() - called[reference == 0].mean()
    assert index == pytest.approx((true - false).max())


@given(rows, st.floats(0.1, 10), st.floats(0.01, 0.99))
@settings(max_examples=60, deadline=None)
def test_no_threshold_costs_less(drawn, missed, prevalence):
    reference, score = np.array(drawn).T

    def cost(threshold):
        called = score >= threshold
        return (
            prevalence * missed * (~called)[reference == 1].mean()
            + (1 - prevalence) * called[reference == 0].mean()
        )

    best = threshold_for_cost(reference, score, missed=missed, prevalence=prevalence)
    assert cost(best) <= min(cost(other) for other in [*score, 99]) + 1e-9


def test_a_point_refuses_the_cases_it_was_chosen_on():
    reference, score = [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]
    point = choose_operating_point(reference, score, ["p1", "p2", "p3", "p4"], Youden())
    assert point.confusion([1, 0], [0.9, 0.1], ["q1", "q2"]) == ConfusionTable(1, 0, 0, 1)
    with pytest.raises(LeakageError, match="'p3' in row 2; 1 keys"):
        point.confusion([1, 0], [0.9, 0.1], ["q1", "p3"])
    with pytest.raises(DataError, match="one key a row"):
        point.confusion([1, 0], [0.9, 0.1], ["q1"])


def test_rules_say_what_they_are():
    assert AtSpecificity(0.9).name == "specificity >= 0.9"
    assert LeastCost(5, prevalence=0.1).name == (
        "least cost, missed : false alarm = 5 : 1 at prevalence 0.1"
    )
    reference, score = [0, 0, 1, 1], [0.1, 0.5, 0.4, 0.8]
    for rule, expected in ((AtSensitivity(0.9), 0.25), (AtSpecificity(0.9), 0.65)):
        point = choose_operating_point(reference, score, list("abcd"), rule)
        assert point.threshold == pytest.approx(expected)


@pytest.mark.parametrize("options", [{"missed": 0.0}, {"false_alarm": -1.0}, {"prevalence": 1.0}])
def test_impossible_costs_are_refused(options):
    with pytest.raises(DataError):
        threshold_for_cost([0, 1], [0.1, 0.2], **options)
