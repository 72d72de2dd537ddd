"""Boxes against pycocotools and naive loops, and by their laws."""

from __future__ import annotations

import contextlib
import io
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from fracturax.core.errors import DataError
from fracturax.core.geometry import Box
from fracturax.evaluation import (
    COCO_THRESHOLDS,
    ImageDetections,
    average_precision,
    froc,
    froc_area,
    froc_of_matches,
    group_bootstrap_weighted,
    match,
    match_images,
    mean_average_precision,
    sensitivity_at_false_positives,
)


def random_images(seed, *, count=25, most=6, distinct_scores=True, grid=24):
    """Images with jittered true boxes, false boxes, repeats, and healthy images among them."""
    generator = np.random.default_rng(seed)
    images = []
    for number in range(count):
        corners = generator.integers(0, grid, (generator.integers(0, 4), 2))
        reference = np.hstack([corners, corners + generator.integers(4, 14, corners.shape)])
        near = np.repeat(reference, generator.integers(0, 3, len(reference)), axis=0)
        near = near + generator.integers(-2, 3, near.shape)
        corners = generator.integers(0, grid, (generator.integers(0, most), 2))
        false = np.hstack([corners, corners + generator.integers(4, 14, corners.shape)])
        predicted = np.vstack([near, false]).astype(float)
        predicted = predicted[(predicted[:, :2] < predicted[:, 2:]).all(axis=1)]
        scores = generator.random(len(predicted))
        if not distinct_scores:
            scores = np.round(scores, 1)
        images.append(
            ImageDetections(f"c{number}", "1", predicted, scores, reference.astype(float))
        )
    return images


def coco_average_precision(images):
    """AP at each overlap by COCOeval: one category, no crowd, all areas, no limit of boxes."""

    def xywh(box):
        return [box[1], box[0], box[3] - box[1], box[2] - box[0]]

    annotations, results = [], []
    for number, image in enumerate(images, 1):
        for box in image.reference.tolist():
            side = xywh(box)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": 1,
                    "bbox": side,
                    "area": side[2] * side[3],
                    "iscrowd": 0,
                }
            )
        results += [
            {"image_id": number, "category_id": 1, "bbox": xywh(box), "score": score}
            for box, score in zip(image.predicted.tolist(), image.scores.tolist(), strict=True)
        ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "images": [{"id": number} for number in range(1, len(images) + 1)],
            "categories": [{"id": 1}],
            "annotations": annotations,
        }
        truth.createIndex()
        judge = COCOeval(truth, truth.loadRes(results), "bbox")
        judge.params.maxDets = [100_000]
        judge.params.areaRng, judge.params.areaRngLbl = [[0, 1e10]], ["all"]
        judge.evaluate()
        judge.accumulate()
    return judge.eval["precision"][:, :, 0, 0, 0].mean(axis=1)


@given(st.integers(0, 2**31), st.booleans())
@settings(max_examples=60, deadline=None)
def test_average_precision_is_that_of_coco(seed, distinct_scores):
    images = random_images(seed, distinct_scores=distinct_scores)
    result = mean_average_precision(images)
    expected = coco_average_precision(images)
    assert np.allclose(result.values, expected, atol=1e-12)
    assert result.at(0.5) == pytest.approx(expected[0])
    assert result.mean == pytest.approx(expected.mean())


def test_false_boxes_in_healthy_images_lower_the_precision():
    images = random_images(1)
    fractured = [image for image in images if image.reference.size]
    assert len(fractured) < len(images)
    assert np.allclose(mean_average_precision(fractured).values, coco_average_precision(fractured))
    assert mean_average_precision(fractured).at(0.5) > mean_average_precision(images).at(0.5)


def test_perfect_and_empty_answers():
    box = np.array([[2.0, 3.0, 20.0, 30.0]])
    perfect = [ImageDetections("a", "1", box, np.array([0.2]), box)]
    assert mean_average_precision(perfect).mean == 1
    assert mean_average_precision(perfect, thresholds=[1.0]).at(1.0) == 1
    nothing = [ImageDetections("a", "1", np.empty((0, 4)), np.empty(0), box)]
    assert mean_average_precision(nothing).mean == 0
    assert sensitivity_at_false_positives(froc(nothing), [1.0]).tolist() == [0]
    with pytest.raises(DataError, match="no image has a reference box"):
        froc([ImageDetections("a", "1", box, np.array([0.2]), np.empty((0, 4)))])


def naive_matches(image, iou, criterion):
    """For each prediction, best first: does it take a reference box? In words, not arrays."""
    boxes = [Box(*side) for side in image.reference.tolist()]
    free = list(range(len(boxes)))
    taken = {}
    for index in sorted(range(len(image.scores)), key=lambda i: -image.scores[i]):
        box = Box(*image.predicted[index].tolist())
        row, column = (box.row_min + box.row_max) / 2, (box.column_min + box.column_max) / 2
        best, fit = None, None
        for number in free:
            other = boxes[number]
            if criterion == "iou":
                value, fits = box.iou(other), box.iou(other) >= iou
            else:
                middle = (
                    (other.row_min + other.row_max) / 2,
                    (other.column_min + other.column_max) / 2,
                )
                value = -np.hypot(row - middle[0], column - middle[1])
                fits = (
                    other.row_min <= row < other.row_max
                    and other.column_min <= column < other.column_max
                )
            if fits and (fit is None or value >= fit):
                best, fit = number, value
        if best is not None:
            taken[index] = best
            free.remove(best)
    return taken


@pytest.mark.parametrize("criterion", ["iou", "center"])
@pytest.mark.parametrize("distinct_scores", [True, False])
def test_matches_and_froc_are_those_of_naive_loops(criterion, distinct_scores):
    for seed in range(15):
        images = random_images(seed, distinct_scores=distinct_scores)
        curve = froc(images, iou=0.4, criterion=criterion)
        taken = [naive_matches(image, 0.4, criterion) for image in images]
        for image, expected in zip(images, taken, strict=True):
            got = match(
                image.predicted, image.scores, image.reference, iou=0.4, criterion=criterion
            )
            assert got.tolist() == [expected.get(i, -1) for i in range(len(got))]
        total = sum(len(image.reference) for image in images)
        thresholds = sorted({score for image in images for score in image.scores}, reverse=True)
        assert curve.thresholds.tolist() == thresholds
        for point, threshold in enumerate(thresholds):
            found = shown = 0
            for image, hits in zip(images, taken, strict=True):
                shown += sum(image.scores >= threshold)
                found += sum(image.scores[i] >= threshold for i in hits)
            assert curve.sensitivity[point] == pytest.approx(found / total)
            assert curve.false_positives[point] == pytest.approx((shown - found) / len(images))
        for level in (0.1, 0.5, 1.0, 9.0):
            allowed = curve.sensitivity[curve.false_positives <= level]
            best = allowed.max() if allowed.size else 0.0
            assert sensitivity_at_false_positives(curve, [level])[0] == best
        fine = np.linspace(0, 2, 20_001)
        riemann = sensitivity_at_false_positives(curve, fine).mean()
        assert froc_area(curve, up_to=2.0) == pytest.approx(riemann, abs=1e-3)


@pytest.mark.parametrize("distinct_scores", [True, False])
def test_monotone_transforms_of_the_score_change_nothing(distinct_scores):
    images = random_images(3, distinct_scores=distinct_scores)
    moved = [replace(image, scores=np.exp(3 * image.scores) - 9) for image in images]
    assert mean_average_precision(images) == mean_average_precision(moved)
    one, other = froc(images), froc(moved)
    assert np.array_equal(one.sensitivity, other.sensitivity)
    assert np.array_equal(one.false_positives, other.false_positives)


def test_rows_and_columns_may_be_swapped():
    images = random_images(4)
    turned = [
        replace(
            image,
            predicted=image.predicted[:, [1, 0, 3, 2]],
            reference=image.reference[:, [1, 0, 3, 2]],
        )
        for image in images
    ]
    assert mean_average_precision(images) == mean_average_precision(turned)


def test_weights_are_repeated_images():
    for seed in range(10):
        images = random_images(seed)
        weights = np.random.default_rng(seed).integers(0, 4, len(images))
        repeated = [
            image for image, times in zip(images, weights, strict=True) for _ in range(times)
        ]
        matches = match_images(images)
        expected = coco_average_precision(repeated)
        assert np.allclose(average_precision(matches, weights=weights), expected, atol=1e-12)
        levels = [0.125, 0.5, 1.0, 2.0]
        weighted = froc_of_matches(matches.at(0.5), weights=weights)
        assert sensitivity_at_false_positives(weighted, levels) == pytest.approx(
            sensitivity_at_false_positives(froc(repeated), levels)
        )


def test_weights_without_a_reference_box_have_no_answer():
    images = random_images(5)
    matches = match_images(images)
    healthy = np.array([not image.reference.size for image in images])
    assert np.isnan(average_precision(matches, weights=healthy)).all()
    curve = froc_of_matches(matches.at(0.5), weights=healthy)
    assert np.isnan(sensitivity_at_false_positives(curve)).all()


def test_a_thousand_resamples_of_3600_images_take_seconds():
    images = random_images(0, count=3600, most=15)
    start = time.process_time()
    matches = match_images(images)
    at_half = matches.at(0.5)

    def statistic(weights):
        curve = froc_of_matches(at_half, weights=weights)
        values = average_precision(matches, weights=weights)
        return np.append(values.mean(), sensitivity_at_false_positives(curve))

    drawn = group_bootstrap_weighted(
        np.arange(3600) // 2, statistic, generator=np.random.default_rng(0), resamples=200
    )
    # A fifth of the resamples in a fifth of the 20 s that a thousand may take.
    assert time.process_time() - start < 4
    low, high = drawn.interval()
    assert low < average_precision(matches).mean() < high


@pytest.mark.parametrize(
    ("predicted", "scores", "words"),
    [
        ([[0.0, 0, 5, 0]], [0.5], "predicted box is empty"),
        ([[0.0, 0, 5, np.inf]], [0.5], "predicted box is empty or no number"),
        ([[0.0, 0, 5]], [0.5], r"shape \(n, 4\)"),
        ([[0.0, 0, 5, 5]], [0.5, 0.1], "one finite score"),
        ([[0.0, 0, 5, 5]], [np.nan], "one finite score"),
    ],
)
def test_wrong_boxes_are_refused(predicted, scores, words):
    with pytest.raises(DataError, match=words):
        ImageDetections("a", "1", np.array(predicted), np.array(scores), None)


def test_wrong_questions_are_refused():
    box = np.array([[0.0, 0, 5, 5]])
    unmarked = ImageDetections("a", "1", box, np.array([0.5]), None)
    with pytest.raises(DataError, match="nobody marked"):
        match_images([unmarked])
    marked = replace(unmarked, reference=box)
    with pytest.raises(DataError, match="must lie in"):
        match_images([marked], thresholds=[0.0])
    with pytest.raises(DataError, match=r"not matched at this overlap; got 0\.3"):
        match_images([marked]).at(0.3)
    with pytest.raises(DataError, match="one overlap"):
        froc_of_matches(match_images([marked]))
    assert len(COCO_THRESHOLDS) == 10
