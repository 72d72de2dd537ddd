"""Subgroups: each number is that of its rows, and tests for heterogeneity do what they say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logit
from scipy.stats import chi2

from fracturax.core.errors import DataError
from fracturax.evaluation.classification import auroc, auroc_interval
from fracturax.evaluation.intervals import proportion_row
from fracturax.evaluation.result import Row
from fracturax.evaluation.subgroups import by_subgroup, cochran_q, permutation_heterogeneity


@pytest.fixture(scope="module")
def cases():
    generator = np.random.default_rng(0)
    site = np.repeat(["a", "b", "c"], [120, 80, 5])
    reference = (generator.uniform(size=205) < 0.4).astype(int)
    shift = np.where(site == "a", 2.5, 0.8)
    return site, reference, generator.normal(size=205) + shift * reference


def test_each_subgroup_has_the_number_of_its_rows(cases):
    site, reference, score = cases
    analysis = by_subgroup("site", site, lambda rows: auroc_interval(reference[rows], score[rows]))
    for group in analysis.subgroups[:2]:
        inside = site == group.name
        assert group.row == auroc_interval(reference[inside], score[inside])
        assert group.n == inside.sum()
    small = analysis.subgroups[2]
    assert (small.row, small.note) == (None, "too small: 5 of 10")
    assert analysis.overall == auroc_interval(reference, score)
    assert analysis.heterogeneity.p < 0.01
    evaluation = analysis.as_evaluation()
    assert evaluation.metrics == ("auroc", "auroc[site=a]", "auroc[site=b]")
    assert "site=c: too small" in evaluation.notes[0]


def test_a_subgroup_of_one_class_says_so(cases):
    site, reference, score = cases
    healthy = np.where(site == "b", 0, reference)
    analysis = by_subgroup("site", site, lambda rows: auroc_interval(healthy[rows], score[rows]))
    assert analysis.subgroups[1].row is None
    assert "both classes" in analysis.subgroups[1].note
    assert analysis.heterogeneity is None


def test_missing_values_and_an_order_are_kept():
    right = np.ones(40)
    values = [None, "old", "young", float("nan")] * 10
    measured = by_subgroup(
        "age",
        values,
        lambda rows: proportion_row("accuracy", int(right[rows].sum()), rows.size),
        order=("young", "old", "missing"),
    )
    assert [(group.name, group.n) for group in measured.subgroups] == [
        ("young", 10),
        ("old", 10),
        ("missing", 20),
    ]
    with pytest.raises(DataError, match=r"'age'.*'old' in row 2"):
        by_subgroup("age", values, lambda rows: None, order=("young", "missing"))


def test_cochrans_q_is_that_of_its_formula():
    values, errors = np.array([0.7, 0.85, 0.9]), np.array([0.2, 0.3, 0.25])
    rows = []
    for value, error in zip(values, errors, strict=True):
        ends = 1 / (1 + np.exp(-(logit(value) + np.array([-1, 1]) * 1.959963985 * error)))
        rows.append(Row("x", value, ends[0], ends[1], 100, ""))
    weights = 1 / errors**2
    pooled = (weights * logit(values)).sum() / weights.sum()
    q = (weights * (logit(values) - pooled) ** 2).sum()
    test = cochran_q(rows)
    assert (test.statistic, test.df) == pytest.approx((q, 2))
    assert test.p == pytest.approx(chi2.sf(q, 2))
    assert cochran_q(rows[:1]) is None
    assert cochran_q([*rows, Row("x", 1.0, 0.9, 1.0, 50, "")]) is None


def test_permutation_finds_what_is_there_and_holds_its_size():
    generator = np.random.default_rng(0)
    found = []
    for _ in range(40):
        values = generator.normal(size=60)
        column = generator.permutation(np.repeat(["a", "b", "c"], 20))
        test = permutation_heterogeneity(
            "c",
            column,
            lambda rows, values=values: values[rows].mean(),
            generator=generator,
            permutations=99,
        )
        found.append(test.p)
    assert 0.3 < np.mean(found) < 0.7
    assert min(found) >= 0.01


def test_groups_and_strata_are_kept_together(cases):
    site, reference, score = cases
    seen = []

    def area(rows):
        seen.append(reference[rows].sum())
        return auroc(reference[rows], score[rows])

    test = permutation_heterogeneity(
        "site", site, area, generator=np.random.default_rng(0), strata=reference, permutations=99
    )
    assert len(set(seen)) == 2  # each subgroup keeps its number of fractures
    assert test.p < 0.05
    with pytest.raises(DataError, match="two values of 'site'"):
        permutation_heterogeneity(
            "site",
            site,
            area,
            generator=np.random.default_rng(0),
            groups=np.zeros(205),
        )
    with pytest.raises(DataError, match="two subgroups"):
        permutation_heterogeneity("site", ["x"] * 205, area, generator=np.random.default_rng(0))
