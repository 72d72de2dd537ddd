"""AUROC, DeLong and operating points against sklearn, brute force and published examples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr
from sklearn.metrics import roc_auc_score

from fracturax.core.errors import DataError
from fracturax.evaluation import (
    auroc,
    auroc_interval,
    delong_test,
    delong_variance,
    sensitivity,
    specificity,
    threshold_for_sensitivity,
    threshold_for_specificity,
    wilson_interval,
)

# Few distinct scores, so that ties are the rule.
rows = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 8)), min_size=4, max_size=40).filter(
    lambda drawn: 2 <= sum(label for label, _ in drawn) <= len(drawn) - 2
)


def arrays(drawn):
    reference, score = np.array(drawn).T
    return reference, score / 8


def placements(reference, score):
    """DeLong's structural components, pair by pair."""
    positive, negative = score[reference == 1], score[reference == 0]
    psi = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    return psi.mean(axis=1), psi.mean(axis=0)


@given(rows)
@settings(max_examples=100, deadline=None)
def test_auroc_is_that_of_sklearn(drawn):
    reference, score = arrays(drawn)
    assert auroc(reference, score) == pytest.approx(roc_auc_score(reference, score), abs=1e-12)


@given(rows, st.integers(0, 2**31))
@settings(max_examples=50, deadline=None)
def test_weighted_auroc_is_that_of_repeated_rows(drawn, seed):
    reference, score = arrays(drawn)
    weights = np.random.default_rng(seed).integers(0, 3, reference.size)
    repeated = np.repeat(np.arange(reference.size), weights)
    area = auroc(reference, score, weights=weights)
    if len(set(reference[repeated])) < 2:
        assert np.isnan(area)
    else:
        expected = roc_auc_score(reference[repeated], score[repeated])
        assert area == pytest.approx(expected, abs=1e-12)


@given(rows)
@settings(max_examples=50, deadline=None)
def test_auroc_ignores_monotone_transforms_and_mirrors_with_the_classes(drawn):
    reference, score = arrays(drawn)
    area = auroc(reference, score)
    assert auroc(reference, np.exp(3 * score) - 7) == area
    assert auroc(1 - reference, score) == pytest.approx(1 - area, abs=1e-12)
    assert auroc(reference, -score) == pytest.approx(1 - area, abs=1e-12)


@given(rows)
@settings(max_examples=100, deadline=None)
def test_delong_variance_is_that_of_all_pairs(drawn):
    reference, score = arrays(drawn)
    up, down = placements(reference, score)
    expected = up.var(ddof=1) / up.size + down.var(ddof=1) / down.size
    assert delong_variance(reference, score) == pytest.approx(expected, abs=1e-14)


def test_delong_test_is_that_of_the_covariance_matrix():
    generator = np.random.default_rng(1)
    reference = generator.integers(0, 2, 80)
    truth = reference + generator.normal(size=80)
    a = np.round(truth + generator.normal(size=80), 1)
    b = np.round(truth + 2 * generator.normal(size=80), 1)
    (up_a, down_a), (up_b, down_b) = placements(reference, a), placements(reference, b)
    covariance = np.cov(up_a, up_b) / up_a.size + np.cov(down_a, down_b) / down_a.size
    error = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    test = delong_test(reference, a, b)
    z = (up_a.mean() - up_b.mean()) / error
    assert test.z == pytest.approx(z)
    assert test.p == pytest.approx(2 * ndtr(-abs(z)))
    assert test.high - test.low == pytest.approx(2 * 1.959964 * error, rel=1e-6)
    swapped = delong_test(reference, b, a)
    assert (swapped.difference, swapped.p) == pytest.approx((-test.difference, test.p))


def test_a_model_does_not_differ_from_itself():
    reference, score = np.array([0, 0, 0, 1, 1, 1]), np.array([1, 3, 4, 2, 5, 6])
    test = delong_test(reference, score, np.exp(score))
    assert (test.difference, test.z, test.p) == (0.0, 0.0, 1.0)


def test_delong_interval_covers():
    generator = np.random.default_rng(2)
    reference = np.repeat([0, 1], [60, 40])
    truth = ndtr(1.2 / np.sqrt(2))  # two normals, 1.2 apart
    covered = 0
    for _ in range(400):
        row = auroc_interval(reference, generator.normal(size=100) + 1.2 * reference)
        covered += row.low <= truth <= row.high
    assert 0.92 <= covered / 400 <= 0.985


def test_perfect_separation_has_no_delong_interval():
    row = auroc_interval([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9])
    assert (row.value, row.low, row.high) == (1.0, None, None)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # Newcombe, Statistics in Medicine 17:857-872, 1998, Table I, method 3.
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_is_that_of_newcombe(successes, trials, low, high):
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=5e-5)
    mirrored = wilson_interval(trials - successes, trials)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=5e-5)


@given(rows, st.floats(0.01, 1.0))
@settings(max_examples=200, deadline=None)
def test_thresholds_keep_their_bound_and_none_better_does(drawn, bound):
    reference, score = arrays(drawn)
    positive, negative = score[reference == 1], score[reference == 0]
    # Between and beyond all observed scores lies every decision that can be made.
    candidates = np.concatenate([[-1], (np.unique(score)[1:] + np.unique(score)[:-1]) / 2, [2]])

    threshold = threshold_for_sensitivity(reference, score, bound)
    assert sensitivity(reference, score, threshold).value >= bound
    allowed = [t for t in candidates if np.mean(positive >= t) >= bound]
    best = max(np.mean(negative < t) for t in allowed)
    assert specificity(reference, score, threshold).value == best

    threshold = threshold_for_specificity(reference, score, bound)
    assert specificity(reference, score, threshold).value >= bound
    allowed = [t for t in candidates if np.mean(negative < t) >= bound]
    best = max(np.mean(positive >= t) for t in allowed)
    assert sensitivity(reference, score, threshold).value == best


@pytest.mark.parametrize(
    ("reference", "score", "words"),
    [
        ([0, 1, 1], [0.1, 0.2], "equal length"),
        ([0, 2], [0.1, 0.2], "neither 0 nor 1; got 2 in row 2"),
        ([0, 1], [0.1, np.nan], "no finite number; got nan in row 2"),
        ([1, 1], [0.1, 0.2], "both classes"),
        ([], [], "at least one"),
    ],
)
def test_wrong_rows_are_named(reference, score, words):
    with pytest.raises(DataError, match=words):
        auroc(reference, score)


@given(rows)
@settings(max_examples=50, deadline=None)
def test_groups_of_one_give_the_interval_of_independent_rows(drawn):
    reference, score = arrays(drawn)
    plain = auroc_interval(reference, score)
    grouped = auroc_interval(reference, score, groups=np.arange(reference.size))
    assert grouped.value == plain.value
    if plain.low is not None:
        assert (grouped.low, grouped.high) == pytest.approx((plain.low, plain.high), abs=1e-9)


def test_rows_given_twice_tell_nothing_new_where_groups_say_so():
    generator = np.random.default_rng(0)
    reference = np.repeat([0, 1], 100)
    score = reference + generator.normal(0, 1.2, 200)
    once = auroc_interval(reference, score)
    twice = [np.repeat(rows, 2) for rows in (reference, score)]
    known = auroc_interval(*twice, groups=np.repeat(np.arange(200), 2))
    assert (known.low, known.high) == pytest.approx((once.low, once.high), abs=1e-3)
    ignored = auroc_interval(*twice)
    assert ignored.high - ignored.low < 0.75 * (once.high - once.low)


def test_the_interval_by_groups_covers_the_truth_where_the_plain_one_does_not():
    # Forty groups of ten rows whose scores share a part: the area of such a score is ndtr(1 / 2).
    generator = np.random.default_rng(1)
    truth = ndtr(1 / 2)
    group = np.repeat(np.arange(40), 10)
    covered = {"plain": 0, "grouped": 0}
    for _ in range(300):
        reference = generator.integers(0, 2, 40)[group]
        shared = generator.normal(0, 1, 40)[group]
        score = reference + shared + generator.normal(0, 1, 400)
        for name, groups in (("plain", None), ("grouped", group)):
            row = auroc_interval(reference, score, groups=groups)
            covered[name] += row.low <= truth <= row.high
    assert covered["grouped"] >= 0.9 * 300
    assert covered["plain"] <= 0.75 * 300
