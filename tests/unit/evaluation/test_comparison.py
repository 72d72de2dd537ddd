"""Comparisons against statsmodels, brute force, published examples and each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from fracturax.core.errors import DataError
from fracturax.evaluation.classification import auroc, auroc_interval, auroc_of_weights
from fracturax.evaluation.comparison import (
    delong_test,
    delong_test_unpaired,
    mcnemar_p,
    mcnemar_test,
    non_inferiority,
)
from fracturax.evaluation.multiplicity import benjamini_hochberg, holm
from fracturax.evaluation.paired_proportions import tango_interval
from fracturax.evaluation.resampling_tests import bootstrap_difference, permutation_test


@pytest.fixture(scope="module")
def two_models():
    generator = np.random.default_rng(0)
    reference = (generator.uniform(size=120) < 0.4).astype(int)
    shared = generator.normal(size=120)
    a, b = reference + shared + 0.7 * generator.normal(size=(2, 120))
    return reference, np.round(a, 1), np.round(b, 1)


def test_groups_of_one_leave_the_paired_test_as_it_is(two_models):
    reference, a, b = two_models
    plain = delong_test(reference, a, b)
    grouped = delong_test(reference, a, b, groups=np.arange(120))
    assert grouped.standard_error == pytest.approx(plain.standard_error, rel=1e-9)
    assert grouped.p == pytest.approx(plain.p)
    assert plain.as_comparison().difference == plain.difference


def test_images_given_twice_tell_nothing_new(two_models):
    reference, a, b = two_models
    once = delong_test(reference, a, b, groups=np.arange(120))
    twice = delong_test(*(np.tile(x, 2) for x in two_models), groups=np.tile(np.arange(120), 2))
    assert twice.standard_error == pytest.approx(once.standard_error, rel=1e-9)
    assert delong_test(*(np.tile(x, 2) for x in two_models)).p < once.p


def test_obuchowskis_paired_variance_is_that_of_single_models_and_their_covariance(two_models):
    # V(a - b) + V(a + b) = 2 V(a) + 2 V(b), with a + b's placements from the same formula.
    reference, a, b = two_models
    groups = np.arange(120) // 4
    of_a, of_b = (auroc_interval(reference, x, groups=groups) for x in (a, b))
    assert of_a.value - of_b.value == pytest.approx(
        delong_test(reference, a, b, groups=groups).difference
    )
    # The group jackknife of the difference, which knows no placements, comes out near it.
    gaps = []
    for group in range(30):
        keep = groups != group
        gaps.append(auroc(reference[keep], a[keep]) - auroc(reference[keep], b[keep]))
    jackknife = 29 / 30 * np.square(np.array(gaps) - np.mean(gaps)).sum()
    found = delong_test(reference, a, b, groups=groups).standard_error
    assert found == pytest.approx(jackknife**0.5, rel=0.05)


def test_the_clustered_test_holds_its_size_where_the_plain_one_does_not():
    generator = np.random.default_rng(5)
    groups = np.repeat(np.arange(60), 4)
    rejected = {"plain": 0, "groups": 0}
    for _ in range(300):
        reference = (np.arange(60) % 3 == 0).astype(int)[groups]
        shared = generator.normal(size=(2, 60))[:, groups]
        a, b = reference + shared + 0.5 * generator.normal(size=(2, 240))
        rejected["plain"] += delong_test(reference, a, b).p < 0.05
        rejected["groups"] += delong_test(reference, a, b, groups=groups).p < 0.05
    assert rejected["groups"] / 300 < 0.1
    assert rejected["plain"] / 300 > 0.2


def test_unpaired_is_the_sum_of_both_variances(two_models):
    reference, a, b = two_models
    half = np.arange(120) < 60
    rest = ~half
    test = delong_test_unpaired(reference[half], a[half], reference[rest], b[rest])
    from fracturax.evaluation.classification import delong_variance

    variance = delong_variance(reference[half], a[half]) + delong_variance(reference[rest], b[rest])
    assert test.standard_error == pytest.approx(variance**0.5)
    assert test.p == pytest.approx(2 * norm.sf(abs(test.difference) / variance**0.5))
    grouped = delong_test_unpaired(
        reference[half], a[half], reference[rest], b[rest], groups_a=np.arange(60)
    )
    assert grouped.standard_error == pytest.approx(test.standard_error)


@given(st.integers(0, 30), st.integers(0, 30))
@settings(max_examples=40, deadline=None)
def test_mcnemar_is_that_of_statsmodels_and_of_fagerlands_formula(only_a, only_b):
    from scipy.stats import binom
    from statsmodels.stats.contingency_tables import mcnemar

    exact = mcnemar([[5, only_a], [only_b, 5]], exact=True).pvalue
    assert mcnemar_p(only_a, only_b, method="exact") == pytest.approx(exact)
    if only_a != only_b:
        expected = exact - binom.pmf(only_a, only_a + only_b, 0.5)
        assert mcnemar_p(only_a, only_b) == pytest.approx(expected)
    assert mcnemar_p(only_a, only_b) <= 1


def test_tango_is_the_score_interval_by_brute_force():
    only_a, only_b, pairs, z = 6, 16, 161, norm.ppf(0.975)

    def score(delta):
        both = pairs - only_a - only_b

        def loss(q):  # most likely share that only b gets right, given the difference
            p = q + delta
            return -(
                only_a * np.log(p) + only_b * np.log(q) + both * np.log(max(1 - p - q, 1e-300))
            )

        low = max(0.0, -delta) + 1e-9
        best = minimize_scalar(
            loss, bounds=(low, (1 - delta) / 2 - 1e-9), method="bounded", options={"xatol": 1e-12}
        ).x
        return (only_a - only_b - pairs * delta) / np.sqrt(pairs * (2 * best + delta - delta**2))

    low, high = tango_interval(only_a, only_b, pairs)
    assert score(low) == pytest.approx(z, abs=1e-4)
    assert score(high) == pytest.approx(-z, abs=1e-4)
    assert tango_interval(only_b, only_a, pairs) == pytest.approx((-high, -low), abs=1e-9)


@pytest.mark.parametrize("counts", [(0, 0, 10), (10, 0, 10), (0, 10, 10), (3, 0, 50)])
def test_tango_stays_within_bounds(counts):
    low, high = tango_interval(*counts)
    assert -1 <= low <= (counts[0] - counts[1]) / counts[2] <= high <= 1
    assert low < high


def test_mcnemar_by_groups_of_one_is_the_normal_test():
    generator = np.random.default_rng(1)
    a, b = generator.uniform(size=(2, 200)) < np.array([[0.8], [0.7]])
    only = int((a & ~b).sum()), int((~a & b).sum())
    test = mcnemar_test(a, b, groups=np.arange(200))
    z = (only[0] - only[1]) / np.sqrt(sum(only))
    assert test.p == pytest.approx(2 * norm.sf(abs(z)))
    twice = mcnemar_test(np.tile(a, 2), np.tile(b, 2), groups=np.tile(np.arange(200), 2))
    assert (twice.p, twice.low) == pytest.approx((test.p, test.low))


def test_the_bootstrap_of_a_difference_agrees_with_delong(two_models):
    reference, a, b = two_models
    compared = bootstrap_difference(
        np.arange(120),
        auroc_of_weights(reference, a),
        auroc_of_weights(reference, b),
        metric="auroc",
        generator=np.random.default_rng(0),
        resamples=1000,
        strata=reference,
    )
    test = delong_test(reference, a, b)
    width = test.high - test.low
    assert (compared.low, compared.high) == pytest.approx((test.low, test.high), abs=0.1 * width)
    assert compared.p == pytest.approx(test.p, abs=0.06)
    assert "BCa bootstrap" in compared.method


def test_permutation_agrees_with_delong_and_ignores_scale(two_models):
    reference, a, b = two_models

    def area(score):
        return auroc(reference, score)

    found = [
        permutation_test(
            a, other, area, metric="auroc", generator=np.random.default_rng(0), permutations=400
        )
        for other in (b, 100 * b + 7)
    ]
    assert found[0].p == found[1].p
    assert found[0].p == pytest.approx(delong_test(reference, a, b).p, abs=0.1)


def test_few_groups_are_permuted_exactly():
    a, b = np.array([1.0, 2, 3]), np.array([0.0, 0, 0])
    compared = permutation_test(
        a, b, np.mean, metric="mean", generator=np.random.default_rng(0), on_ranks=False
    )
    assert compared.p == 2 / 8  # only all as they are, and all exchanged
    assert compared.method.endswith("all 8")


def test_non_inferiority_is_the_interval_against_the_margin():
    for difference in (-0.06, -0.03, 0.01):
        found = non_inferiority(difference, 0.01, margin=0.05)
        assert found.is_shown == (difference - 1.959964 * 0.01 > -0.05)
        assert found.is_shown == (found.p < 0.025)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
@settings(max_examples=40, deadline=None)
def test_adjusted_p_values_are_those_of_statsmodels(p_values):
    from statsmodels.stats.multitest import multipletests

    for found, method in ((holm, "holm"), (benjamini_hochberg, "fdr_bh")):
        expected = multipletests(p_values, method=method)[1]
        assert found(p_values) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: mcnemar_test([0, 2], [0, 1]), "2 in row 2"),
        (lambda: mcnemar_test([0], [0, 1]), "1 and 2"),
        (lambda: mcnemar_p(-1, 2), "-1"),
        (lambda: tango_interval(3, 3, 5), "3 and 3 of 5"),
        (lambda: non_inferiority(0.1, 0.01, margin=0), "margin"),
        (lambda: holm([0.1, 1.2]), "1.2 in row 2"),
        (
            lambda: permutation_test(
                [1, np.nan], [1, 2], np.mean, metric="x", generator=np.random.default_rng(0)
            ),
            "row 2",
        ),
        (lambda: delong_test([0, 0, 1, 1], [1, 2, 3, 4], [1, 2, 3, 4], groups=[1, 2]), "groups"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(DataError, match=words):
        call()
