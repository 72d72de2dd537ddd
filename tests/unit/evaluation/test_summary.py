"""The summary says what its parts say, and refuses boxes that do not fit the table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from fracturax.core.errors import DataError
from fracturax.core.prediction import OperatingPoints
from fracturax.evaluation import (
    ImageDetections,
    PredictionTable,
    evaluate_table,
    froc,
    mean_average_precision,
    sensitivity_at_false_positives,
)

POINTS = OperatingPoints(high_sensitivity=0.3, high_specificity=0.6)


def example(n=200, seed=0):
    generator = np.random.default_rng(seed)
    reference = (generator.random(n) < 0.4).astype(int)
    probability = np.clip(0.3 + 0.35 * reference + 0.2 * generator.normal(size=n), 0, 1)
    records, detections = [], []
    for row in range(n):
        is_assessed = row % 50 != 7
        records.append(
            {
                "case": f"c{row}",
                "image": "1",
                "patient_key": f"p{row // 2}",
                "reference": reference[row],
                "probability": probability[row] if is_assessed else None,
                "status": POINTS.status(probability[row]) if is_assessed else "not_assessed",
                "fold": "test",
                "model": "xray",
            }
        )
        corners = generator.uniform(0, 60, (reference[row] * generator.integers(1, 3), 2))
        truth = np.hstack([corners, corners + 20])
        found = truth[generator.random(len(truth)) < 0.7] + generator.uniform(-2, 2)
        corners = generator.uniform(0, 60, (generator.integers(0, 3), 2))
        predicted = np.vstack([found, np.hstack([corners, corners + 15])])
        scores = np.append(
            generator.uniform(0.3, 1, len(found)), generator.random(len(corners)) ** 2
        )
        detections.append(ImageDetections(f"c{row}", "1", predicted, scores, truth))
    return PredictionTable.from_records(records), detections


def test_every_number_is_that_of_its_own_function():
    table, detections = example()
    shuffled = [detections[row] for row in np.random.default_rng(1).permutation(len(detections))]
    evaluation = evaluate_table(table, shuffled, resamples=200)
    seen = table.take(table.is_assessed)
    images = [image for image, kept in zip(detections, table.is_assessed, strict=True) if kept]
    reference, probability = seen.reference, seen.probability
    fractured = [image for image in images if image.reference.size]
    expected = {
        "auroc": roc_auc_score(reference, probability),
        "sensitivity@high_sensitivity": np.mean(probability[reference == 1] >= 0.3),
        "specificity@high_sensitivity": np.mean(probability[reference == 0] < 0.3),
        "sensitivity@high_specificity": np.mean(probability[reference == 1] >= 0.6),
        "specificity@high_specificity": np.mean(probability[reference == 0] < 0.6),
        "brier_score": brier_score_loss(reference, probability),
        "map50_fractured": mean_average_precision(fractured).at(0.5),
        "map50_95_fractured": mean_average_precision(fractured).mean,
        "map50_all": mean_average_precision(images).at(0.5),
        "images": 200,
        "groups": 100,
        "not_assessed": 4,
        "not_marked": 0,
    }
    for level, value in zip(
        ("0.5", "1", "2"), sensitivity_at_false_positives(froc(images), [0.5, 1, 2]), strict=True
    ):
        expected[f"froc_sensitivity@{level}"] = value
    assert set(evaluation.metrics) == {*expected, "expected_calibration_error"}
    for name, value in expected.items():
        assert evaluation[name].value == pytest.approx(value), name
    for row in evaluation.rows:
        if row.method == "count":
            assert row.low is None
        else:
            assert row.low <= row.high
            assert row.low - 0.05 <= row.value <= row.high + 0.05
    assert evaluation["sensitivity@high_sensitivity"].n == reference.sum()
    assert "100 patient groups" in evaluation.notes[0]
    assert "seed 0" in evaluation.notes[0]


def test_the_seed_makes_the_interval():
    table, detections = example()
    one = evaluate_table(table, detections, resamples=50, seed=3)
    assert one == evaluate_table(table, detections, resamples=50, seed=3)
    assert one != evaluate_table(table, detections, resamples=50, seed=4)


def test_all_right_is_no_certainty():
    table, _ = example()
    every = replace(table, status=np.where(table.is_assessed, "doubt", "not_assessed"))
    row = evaluate_table(every, None, resamples=50)["sensitivity@high_sensitivity"]
    assert row.value == row.high == 1 and row.low < 1
    assert row.method.startswith("Wilson score")


def test_unmarked_fractures_are_counted_and_left_out_of_the_boxes_only():
    table, detections = example()
    chosen = int(np.flatnonzero((table.reference == 1) & table.is_assessed)[0])
    partly = [*detections]
    partly[chosen] = replace(detections[chosen], reference=None)
    full = evaluate_table(table, detections, resamples=20)
    part = evaluate_table(table, partly, resamples=20)
    assert part["not_marked"].value == 1
    assert part["map50_all"].n == full["map50_all"].n - 1
    assert part["auroc"].n == full["auroc"].n
    # In a healthy image there is nothing to mark.
    healthy = [replace(d, reference=d.reference if d.reference.size else None) for d in detections]
    same = evaluate_table(table, healthy, resamples=20)
    assert same == full


def test_boxes_must_fit_the_table():
    table, detections = example()
    with pytest.raises(DataError, match="lack an entry of detections; got 1, the first in row 1"):
        evaluate_table(table, detections[1:])
    with pytest.raises(DataError, match="two entries"):
        evaluate_table(table, [*detections, detections[0]])
    stranger = replace(detections[0], case="elsewhere")
    with pytest.raises(DataError, match="does not have; got 1 of 201"):
        evaluate_table(table, [*detections, stranger])
    chosen = int(np.flatnonzero(table.reference == 1)[0])
    wrong = [*detections]
    wrong[chosen] = replace(detections[chosen], reference=np.empty((0, 4)))
    with pytest.raises(DataError, match="contradict the reference"):
        evaluate_table(table, wrong)
