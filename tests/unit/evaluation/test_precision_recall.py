"""Average precision and partial areas against scikit-learn, and by derivative."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student
from sklearn import metrics

from fracturax.core.errors import DataError
from fracturax.evaluation.classification import auroc
from fracturax.evaluation.partial_auc import partial_auc, partial_auc_interval
from fracturax.evaluation.precision_recall import (
    auprc,
    auprc_interval,
    precision_recall_curve,
)

rows = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 8)), min_size=4, max_size=40).filter(
    lambda drawn: 0 < sum(label for label, _ in drawn) < len(drawn)
)


@given(rows, st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_average_precision_is_that_of_sklearn(drawn, seed):
    reference, score = np.array(drawn).T
    expected = metrics.average_precision_score(reference, score)
    assert auprc(reference, score) == pytest.approx(expected)
    weights = np.random.default_rng(seed).integers(0, 3, reference.size)
    if (weights * reference).sum() == 0:
        assert np.isnan(auprc(reference, score, weights=weights))
    else:
        expected = metrics.average_precision_score(reference, score, sample_weight=weights)
        assert auprc(reference, score, weights=weights) == pytest.approx(expected)
    curve = precision_recall_curve(reference, score)
    precision, recall, _ = metrics.precision_recall_curve(reference, score)
    assert curve.precision[::-1] == pytest.approx(precision[:-1])
    assert curve.recall[::-1] == pytest.approx(recall[:-1])


def test_the_variance_is_that_of_numerical_pulls():
    generator = np.random.default_rng(0)
    reference = generator.integers(0, 2, 80)
    score = np.round(reference + generator.normal(size=80), 1)
    groups = np.arange(80) // 4
    value = auprc(reference, score)
    pulls = []
    for row in range(80):
        weights = np.ones(80)
        weights[row] += 1e-6
        pulls.append((auprc(reference, score, weights=weights) - value) / 1e-6)
    by_group = np.bincount(groups, weights=pulls)
    for keys, moved in ((None, np.array(pulls)), (groups, by_group)):
        error = np.sqrt(moved.size / (moved.size - 1) * (moved**2).sum())
        row = auprc_interval(reference, score, groups=keys)
        width = np.log(row.high / (1 - row.high)) - np.log(row.low / (1 - row.low))
        members = np.arange(80) if keys is None else keys
        reach = student.ppf(0.975, np.unique(members[reference == 1]).size - 1)
        assert width == pytest.approx(2 * reach * error / (value * (1 - value)), rel=1e-4)


def test_perfect_separation_has_no_interval():
    row = auprc_interval([0, 0, 1, 1], [1, 2, 3, 4])
    assert (row.value, row.low) == (1.0, None)


@given(rows, st.floats(0.05, 0.95))
@settings(max_examples=60, deadline=None)
def test_the_partial_area_is_that_of_sklearn(drawn, false):
    reference, score = np.array(drawn).T
    expected = metrics.roc_auc_score(reference, score, max_fpr=false)
    assert partial_auc(reference, score, low=1 - false) == pytest.approx(expected, abs=1e-9)


@given(rows)
@settings(max_examples=40, deadline=None)
def test_parts_make_the_whole_on_both_axes(drawn):
    reference, score = np.array(drawn).T
    whole = auroc(reference, score)
    for over in ("specificity", "sensitivity"):
        parts = [
            partial_auc(reference, score, low=low, high=high, over=over, corrected=False)
            for low, high in ((0, 0.3), (0.3, 0.8), (0.8, 1))
        ]
        assert sum(parts) == pytest.approx(whole)
        assert partial_auc(reference, score, low=0, over=over) == pytest.approx(whole)


def test_its_interval_lies_around_it_and_narrows_with_cases():
    widths = []
    for n in (100, 400):
        generator = np.random.default_rng(0)
        reference = np.tile([0, 1], n // 2)
        score = reference + generator.normal(size=n)
        row = partial_auc_interval(reference, score, generator=generator, low=0.8, resamples=200)
        assert row.low < row.value < row.high
        widths.append(row.high - row.low)
    assert widths[1] < 0.7 * widths[0]
    assert "stratified" in row.method


@pytest.mark.parametrize("options", [{"low": 0.9, "high": 0.8}, {"low": -0.1}, {"low": 1.0}])
def test_impossible_ranges_are_refused(options):
    with pytest.raises(DataError, match="range"):
        partial_auc([0, 1], [0.1, 0.2], **options)
