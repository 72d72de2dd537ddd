"""Numbers of a 2 x 2 table against scikit-learn, statsmodels, numerical derivatives, examples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from fracturax.core.errors import DataError
from fracturax.evaluation.binary import binary_evaluation, clustered_binary_evaluation
from fracturax.evaluation.binary_intervals import (
    balanced_accuracy_interval,
    mcc_variance,
    predictive_intervals,
    ratio_interval,
)
from fracturax.evaluation.confusion import (
    BINARY_METRICS,
    ConfusionTable,
    binary_values,
    confusion_rows,
    predictive_values,
)
from fracturax.evaluation.intervals import wilson_interval

tables = st.tuples(*[st.integers(1, 40)] * 4)


def rows_of(table):
    tp, fp, fn, tn = table
    reference = np.repeat([1, 0, 1, 0], [tp, fp, fn, tn])
    return reference, np.repeat([1, 1, 0, 0], [tp, fp, fn, tn])


@given(tables)
@settings(max_examples=40, deadline=None)
def test_values_are_those_of_sklearn(table):
    reference, called = rows_of(table)
    assert ConfusionTable.of(reference, called) == ConfusionTable(*table)
    values = dict(zip(BINARY_METRICS, binary_values([table])[0], strict=True))
    positive, negative = metrics.class_likelihood_ratios(reference, called)
    expected = {
        "accuracy": metrics.accuracy_score(reference, called),
        "sensitivity": metrics.recall_score(reference, called),
        "specificity": metrics.recall_score(reference, called, pos_label=0),
        "ppv": metrics.precision_score(reference, called),
        "npv": metrics.precision_score(reference, called, pos_label=0),
        "f1": metrics.f1_score(reference, called),
        "balanced_accuracy": metrics.balanced_accuracy_score(reference, called),
        "mcc": metrics.matthews_corrcoef(reference, called),
        "kappa": metrics.cohen_kappa_score(reference, called),
        "lr_positive": positive,
        "lr_negative": negative,
    }
    assert values == pytest.approx(expected, abs=1e-12)
    evaluation = binary_evaluation(ConfusionTable(*table))
    for row in evaluation.rows:
        assert row.value == pytest.approx(expected[row.metric], abs=1e-12)
        if row.low is not None:
            assert row.low <= row.value <= row.high


def delta_variance(table, function):
    """Variance of a function of multinomial shares, by numerical derivatives."""
    share = np.array(table) / sum(table)
    step = 1e-6
    slope = []
    for cell in range(4):
        up, down = share.copy(), share.copy()
        up[cell] += step
        down[cell] -= step
        slope.append((function(up) - function(down)) / (2 * step))
    slope = np.array(slope)
    return ((slope**2 * share).sum() - (slope * share).sum() ** 2) / sum(table)


@pytest.mark.parametrize("table", [(90, 20, 10, 180), (5, 1, 4, 30), (10, 12, 8, 9)])
def test_the_variance_of_mcc_is_that_of_the_delta_method(table):
    place = BINARY_METRICS.index("mcc")
    expected = delta_variance(table, lambda share: binary_values(share[None])[0, place])
    assert mcc_variance(ConfusionTable(*table)) == pytest.approx(expected, rel=1e-5)


def test_f1_is_a_transformed_proportion():
    row = binary_evaluation(ConfusionTable(90, 20, 10, 180))["f1"]
    low, high = wilson_interval(90, 120)
    assert (row.low, row.high, row.n) == pytest.approx(
        (2 * low / (1 + low), 2 * high / (1 + high), 120)
    )


def test_balanced_accuracy_is_newcombes_difference_in_disguise():
    # Newcombe 1998, method 10, example (a): 56/70 - 48/80 is 0.0524 to 0.3339. The mean of
    # 56/70 and 1 - 48/80 lies half of that above 1/2.
    low, high = balanced_accuracy_interval(ConfusionTable(56, 48, 14, 32))
    assert (2 * low - 1, 2 * high - 1) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_likelihood_ratios_are_those_of_the_log_method():
    # Written out: ln LR +- 1.96 sqrt(1/tp - 1/(tp+fn) + 1/fp - 1/(fp+tn)).
    error = np.sqrt(1 / 90 - 1 / 100 + 1 / 20 - 1 / 200)
    expected = np.exp(np.log(9) + np.array([-1, 1]) * 1.959964 * error)
    row = binary_evaluation(ConfusionTable(90, 20, 10, 180))["lr_positive"]
    assert (row.low, row.high) == pytest.approx(tuple(expected), rel=1e-6)


def test_predictive_values_follow_bayes_and_the_delta_method():
    table = ConfusionTable(90, 20, 10, 180)
    at_own = predictive_values(0.9, 0.9, 100 / 300)
    assert (float(at_own[0]), float(at_own[1])) == pytest.approx((90 / 110, 180 / 190))
    # Mercaldo: var of logit PPV = (1 - Se) / (Se n1) + Sp / ((1 - Sp) n0).
    error = np.sqrt(0.1 / (0.9 * 100) + 0.9 / (0.1 * 200))
    logit_ppv = np.log(0.9 * 0.1 / (0.1 * 0.9))
    expected = 1 / (1 + np.exp(-(logit_ppv + np.array([-1, 1]) * 1.959964 * error)))
    of_ppv, _ = predictive_intervals(table, 0.1)
    assert of_ppv == pytest.approx(tuple(expected), abs=1e-6)


@pytest.mark.parametrize("table", [(10, 0, 0, 10), (0, 5, 5, 0), (0, 0, 4, 6), (3, 0, 0, 0)])
def test_tables_with_empty_cells_say_what_is_not_defined(table):
    evaluation = binary_evaluation(ConfusionTable(*table), prevalence=0.2)
    values = dict(zip(BINARY_METRICS, binary_values([table])[0], strict=True))
    for metric in BINARY_METRICS:
        is_defined = np.isfinite(values[metric])
        assert (metric in evaluation) == is_defined
        assert is_defined or metric in evaluation.notes[0]


def test_a_perfect_ratio_keeps_its_end():
    low, high = ratio_interval(10, 10, 0, 20)
    assert np.isinf(high)
    assert low > 1
    assert ratio_interval(0, 10, 5, 20)[0] == 0.0


def test_groups_of_one_agree_with_independent_cases():
    generator = np.random.default_rng(1)
    reference = (generator.uniform(size=400) < 0.4).astype(int)
    called = np.where(generator.uniform(size=400) < 0.8, reference, 1 - reference)
    plain = binary_evaluation(ConfusionTable.of(reference, called), prevalence=0.2)
    grouped = clustered_binary_evaluation(
        reference, called, np.arange(400), generator=generator, prevalence=0.2
    )
    for row in plain.rows:
        other = grouped[row.metric]
        assert other.value == pytest.approx(row.value)
        width = row.high - row.low
        assert (other.low, other.high) == pytest.approx((row.low, row.high), abs=0.12 * width)


def test_images_given_four_times_do_not_narrow_an_interval():
    generator = np.random.default_rng(2)
    reference = (generator.uniform(size=150) < 0.4).astype(int)
    called = np.where(generator.uniform(size=150) < 0.8, reference, 1 - reference)
    once = clustered_binary_evaluation(
        reference, called, np.arange(150), generator=np.random.default_rng(0)
    )
    four = clustered_binary_evaluation(
        np.tile(reference, 4),
        np.tile(called, 4),
        np.tile(np.arange(150), 4),
        generator=np.random.default_rng(0),
    )
    for row in once.rows:
        assert (four[row.metric].low, four[row.metric].high) == pytest.approx(
            (row.low, row.high), rel=0.02
        )


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ConfusionTable(0, 0, 0, 0), "all 0"),
        (lambda: ConfusionTable(1, -1, 0, 0), "-1"),
        (lambda: confusion_rows([0, 1], [0, 2]), "2 in row 2"),
        (lambda: confusion_rows([0, 3], [0, 1]), "3 in row 2"),
        (lambda: predictive_values(0.9, 0.9, 1.0), "prevalence"),
        (lambda: binary_evaluation(ConfusionTable(1, 1, 1, 1), prevalence=0), "prevalence"),
        (
            lambda: clustered_binary_evaluation(
                [0, 1], [0, 1], [0], generator=np.random.default_rng(0)
            ),
            "groups",
        ),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(DataError, match=words):
        call()
