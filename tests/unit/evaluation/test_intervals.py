"""Intervals of proportions against statsmodels and published examples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit
from scipy.stats import binom, binomtest

from fracturax.core.errors import DataError
from fracturax.evaluation.intervals import (
    clopper_pearson_interval,
    clustered_proportion_row,
    fisher_interval,
    logit_interval,
    proportion_interval,
    proportion_row,
    wilson_interval,
)

counts = st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts, st.sampled_from([0.8, 0.95, 0.99]))
@settings(max_examples=60, deadline=None)
def test_proportions_are_those_of_scipy(drawn, level):
    successes, trials = drawn
    test = binomtest(successes, trials)
    for interval, method in ((wilson_interval, "wilson"), (clopper_pearson_interval, "exact")):
        expected = test.proportion_ci(level, method=method)
        found = interval(successes, trials, level=level)
        assert found == pytest.approx((expected.low, expected.high), abs=1e-9)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.85])
def test_the_exact_interval_covers_by_enumeration(share):
    trials = 40
    ends = np.array([clopper_pearson_interval(k, trials) for k in range(trials + 1)])
    inside = (ends[:, 0] <= share) & (share <= ends[:, 1])
    assert binom.pmf(np.arange(trials + 1), trials, share)[inside].sum() >= 0.95


def test_success_and_failure_mirror():
    for interval in (wilson_interval, clopper_pearson_interval):
        low, high = interval(7, 30)
        assert interval(23, 30) == pytest.approx((1 - high, 1 - low), abs=1e-12)


def test_groups_of_one_leave_wilson_as_it_is():
    right = np.arange(40) < 30
    alone = proportion_row("sensitivity", 30, 40)
    row = clustered_proportion_row("sensitivity", right, np.arange(40))
    # One degree of freedom goes into the variance between groups: an effect of 40 / 39.
    assert (row.low, row.high) == pytest.approx((alone.low, alone.high), abs=3e-3)
    assert row.low <= alone.low


def test_the_design_effect_is_that_of_a_ratio_estimate():
    generator = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 4)
    right = generator.uniform(size=120) < generator.uniform(size=30)[groups]
    share, n = right.mean(), right.size
    residual = np.array([(right[groups == g] - share).sum() for g in range(30)])
    variance = 30 / 29 * (residual**2).sum() / n**2
    effective = n / (variance / (share * (1 - share) / n))
    z = 1.959964
    center = (share + z**2 / (2 * effective)) / (1 + z**2 / effective)
    half = z * np.sqrt(share * (1 - share) / effective + z**2 / (4 * effective**2))
    half /= 1 + z**2 / effective
    row = clustered_proportion_row("x", right, groups)
    assert (row.low, row.high) == pytest.approx((center - half, center + half), abs=1e-6)


def test_all_right_is_no_certainty_with_groups():
    row = clustered_proportion_row("x", np.ones(100), np.arange(100) // 10)
    assert row.high == 1.0
    assert row.low == pytest.approx(wilson_interval(10, 10)[0])


def test_transformed_intervals_are_symmetric_on_their_scale():
    low, high = logit_interval(0.9, 0.02)
    assert logit(high) - logit(0.9) == pytest.approx(logit(0.9) - logit(low))
    assert low == pytest.approx(expit(logit(0.9) - 1.959964 * 0.02 / 0.09), abs=1e-7)
    low, high = fisher_interval(0.7, 0.05)
    assert np.arctanh(high) - np.arctanh(0.7) == pytest.approx(np.arctanh(0.7) - np.arctanh(low))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: clopper_pearson_interval(3, 2), "3 of 2"),
        (lambda: wilson_interval(1, 2, level=1.0), "level"),
        (lambda: proportion_interval(1, 2, method="wald"), "wald"),
        (lambda: logit_interval(1.0, 0.1), "1.0"),
        (lambda: fisher_interval(0.5, -1), "-1"),
        (lambda: clustered_proportion_row("x", [1, 2], [1, 2]), "2 in row 2"),
        (lambda: clustered_proportion_row("x", [1, 1], [1, 1]), "two groups"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(DataError, match=words):
        call()
