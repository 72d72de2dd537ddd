"""Several classes against scikit-learn, pair counts and numerical derivatives."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from sklearn import metrics

from fracturax.core.errors import DataError
from fracturax.evaluation.classification import auroc_interval
from fracturax.evaluation.multiclass import ConfusionMatrix, multiclass_evaluation
from fracturax.evaluation.multiclass_auroc import multiclass_auroc

LABELS = ("a", "b", "c")


@pytest.fixture(scope="module")
def rows():
    generator = np.random.default_rng(3)
    truth = generator.choice(3, size=120, p=(0.5, 0.3, 0.2))
    weight = np.exp(1.2 * np.eye(3)[truth] + generator.normal(size=(120, 3)))
    return np.array(LABELS)[truth], np.round(weight / weight.sum(axis=1, keepdims=True), 6)


def answers(probability):
    return np.array(LABELS)[probability.argmax(axis=1)]


def test_counts_and_means_are_those_of_sklearn(rows):
    truth, probability = rows
    called = answers(probability)
    matrix = ConfusionMatrix.of(truth, called, labels=LABELS)
    assert (matrix.counts == metrics.confusion_matrix(truth, called, labels=LABELS)).all()
    evaluation = multiclass_evaluation(matrix, kappa_weights="linear")
    recall = metrics.recall_score(truth, called, average=None, labels=LABELS)
    expected = {
        "accuracy": metrics.accuracy_score(truth, called),
        "kappa": metrics.cohen_kappa_score(truth, called),
        "kappa_linear": metrics.cohen_kappa_score(truth, called, weights="linear"),
        "macro_sensitivity": recall.mean(),
        "macro_ppv": metrics.precision_score(truth, called, average="macro"),
        "macro_f1": metrics.f1_score(truth, called, average="macro"),
        "sensitivity:b": recall[1],
        "f1:c": metrics.f1_score(truth, called, average=None, labels=LABELS)[2],
    }
    found = {name: evaluation[name].value for name in expected}
    assert found == pytest.approx(expected)
    micro = metrics.f1_score(truth, called, average="micro")
    assert evaluation["accuracy"].value == pytest.approx(micro)
    assert all(row.low <= row.value <= row.high for row in evaluation.rows)


def test_the_variance_of_macro_f1_is_that_of_the_delta_method(rows):
    truth, probability = rows
    matrix = ConfusionMatrix.of(truth, answers(probability), labels=LABELS)
    share = matrix.counts / matrix.counts.sum()

    def macro(p):
        return (2 * np.diag(p) / (p.sum(axis=0) + p.sum(axis=1))).mean()

    step, slope = 1e-6, np.empty((3, 3))
    for cell in np.ndindex(3, 3):
        moved = np.zeros((3, 3))
        moved[cell] = step
        slope[cell] = (macro(share + moved) - macro(share - moved)) / (2 * step)
    variance = ((slope**2 * share).sum() - (slope * share).sum() ** 2) / matrix.counts.sum()
    row = multiclass_evaluation(matrix)["macro_f1"]
    scale = row.value * (1 - row.value)
    width = np.log(row.high / (1 - row.high)) - np.log(row.low / (1 - row.low))
    assert width == pytest.approx(2 * 1.959964 * variance**0.5 / scale, rel=1e-5)


def test_areas_are_those_of_sklearn(rows):
    truth, probability = rows
    evaluation = multiclass_auroc(truth, probability, labels=LABELS)
    for name, way in (("auroc_hand_till", "ovo"), ("auroc_macro", "ovr")):
        expected = metrics.roc_auc_score(
            truth,
            probability / probability.sum(axis=1, keepdims=True),
            multi_class=way,
            average="macro",
            labels=LABELS,
        )
        assert evaluation[name].value == pytest.approx(expected, abs=1e-6)


def test_one_against_the_rest_has_delongs_interval_by_groups(rows):
    truth, probability = rows
    groups = np.arange(120) // 3
    row = multiclass_auroc(truth, probability, labels=LABELS, groups=groups)["auroc:b"]
    other = auroc_interval((truth == "b").astype(int), probability[:, 1], groups=groups)
    # Obuchowski counts the groups with each class; the jackknife counts all of them.
    assert (row.low, row.high) == pytest.approx((other.low, other.high), abs=0.01)


def test_the_spread_of_hand_and_till_is_that_of_a_bootstrap(rows):
    truth, probability = rows
    row = multiclass_auroc(truth, probability, labels=LABELS)["auroc_hand_till"]
    generator = np.random.default_rng(0)

    def area(inside):
        found = []
        for one, two in combinations(range(3), 2):
            for here, there in ((one, two), (two, one)):
                yes = probability[inside][truth[inside] == LABELS[here], here]
                no = probability[inside][truth[inside] == LABELS[there], here]
                found.append((yes[:, None] > no).mean())
        return np.mean(found)

    drawn = [area(generator.integers(0, 120, 120)) for _ in range(300)]
    error = (np.log(row.high / (1 - row.high)) - np.log(row.value / (1 - row.value))) / 1.96
    assert np.std(drawn) == pytest.approx(error * row.value * (1 - row.value), rel=0.15)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ConfusionMatrix.of(["a"], ["b"], labels=["a", "c"]), "'b' in row 1"),
        (lambda: ConfusionMatrix.of(["a"], ["b", "a"]), "1 and 2 rows"),
        (lambda: multiclass_auroc(["a"], [[0.5, 0.6]], labels=["a", "b"]), "row 1"),
        (lambda: multiclass_auroc(["a"], [[1.5, -0.5]], labels=["a", "b"]), "column 'a'"),
        (lambda: multiclass_auroc(["z"], [[0.5, 0.5]], labels=["a", "b"]), "'z' in row 1"),
        (lambda: multiclass_auroc(["a", "b"], [[0.5, 0.5]] * 2, labels=["a", "b"]), "two of"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(DataError, match=words):
        call()


def test_a_class_that_never_occurs_is_named():
    matrix = ConfusionMatrix(("a", "b", "c"), np.array([[3, 1, 0], [1, 3, 0], [0, 0, 0]]))
    evaluation = multiclass_evaluation(matrix)
    assert "macro_f1" not in evaluation
    assert "macro_f1" in evaluation.notes[0]
    assert "sensitivity:c" in evaluation.notes[0]
