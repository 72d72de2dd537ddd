"""Masks against plain loops and pycocotools, RibFrac's rule against the challenge's, and marks."""

from __future__ import annotations

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from fracturax.core.errors import DataError
from fracturax.evaluation import (
    ImageDetections,
    MaskDetections,
    froc_of_matches,
    marks_at,
    match_images,
    ribfrac_matches,
    ribfrac_rows,
    ribfrac_score,
)


def random_labels(generator, shape, count):
    labels = np.zeros(shape, dtype=np.int32)
    for label in range(1, count + 1):
        corner = [int(generator.integers(0, side - 3)) for side in shape]
        labels[tuple(slice(at, at + int(generator.integers(2, 7))) for at in corner)] = label
    # What was covered whole has no number left.
    return np.searchsorted(np.unique(np.append(labels, 0)), labels).astype(np.int32)


@pytest.mark.parametrize("shape", [(24, 30), (10, 14, 12)])
def test_overlaps_of_masks_are_those_of_plain_loops_and_of_pycocotools(shape):
    generator = np.random.default_rng(0)
    for _ in range(20):
        seen = random_labels(generator, shape, int(generator.integers(0, 5)))
        there = random_labels(generator, shape, int(generator.integers(0, 5)))
        n, m = int(seen.max()), int(there.max())
        scores = generator.random(n)
        got = MaskDetections.from_labels("a", "1", seen, scores, there)
        one = seen == np.arange(1, n + 1).reshape(n, *[1] * len(shape))
        other = there == np.arange(1, m + 1).reshape(m, *[1] * len(shape))
        stacked = MaskDetections.from_stacks("a", "1", one, scores, other)
        assert got.iou.shape == stacked.iou.shape == (n, m)
        assert np.allclose(got.iou, stacked.iou)
        assert np.allclose(got.center, stacked.center)
        for i in range(n):
            center = np.argwhere(one[i]).mean(axis=0)
            for j in range(m):
                assert got.iou[i, j] == pytest.approx(
                    (one[i] & other[j]).sum() / (one[i] | other[j]).sum()
                )
                is_in = other[j][tuple(np.rint(center).astype(int))]
                distance = np.linalg.norm(center - np.argwhere(other[j]).mean(axis=0))
                assert got.center[i, j] == pytest.approx(is_in / (1 + distance))
        if n and m:

            def encoded(stack):
                flat = stack.reshape(len(stack), shape[0], -1)
                return [coco_mask.encode(np.asfortranarray(mask.astype(np.uint8))) for mask in flat]

            assert np.allclose(got.iou, coco_mask.iou(encoded(one), encoded(other), [0] * m))


def test_boxes_drawn_as_masks_are_matched_like_boxes():
    generator = np.random.default_rng(4)
    boxed, drawn = [], []
    for case in range(40):
        corners = generator.integers(0, 20, (int(generator.integers(0, 4)), 2))
        there = np.hstack([corners, corners + generator.integers(3, 9, corners.shape)])
        seen = there[generator.random(len(there)) < 0.7]
        seen = np.vstack([seen, seen + np.array([1, 0, 2, 1]), [[20, 20, 26, 27]]])
        scores = generator.random(len(seen))
        boxed.append(ImageDetections(f"{case}", "1", seen * 1.0, scores, there * 1.0))

        def stack(boxes):
            masks = np.zeros((len(boxes), 40, 40), dtype=bool)
            for mask, (top, left, bottom, right) in zip(masks, boxes, strict=True):
                mask[top:bottom, left:right] = True
            return masks

        drawn.append(MaskDetections.from_stacks(f"{case}", "1", stack(seen), scores, stack(there)))
    for repeats in ("false", "ignored"):
        one = match_images(boxed, repeats=repeats)
        other = match_images(drawn, repeats=repeats)
        assert np.array_equal(one.found, other.found)


def challenge_sensitivity(scans, levels):
    """RibFrac's rule as its script has it, on the IoU of whole masks, at 100 thresholds."""
    rates, recalls = [], []
    total = sum(iou.shape[1] for _, iou in scans)
    for threshold in np.arange(100) / 100:
        found = false = 0
        for scores, iou in scans:
            shown = iou[scores >= threshold]
            hit = shown.max(axis=1, initial=0.0) > 0.2
            false += len(shown) - hit.sum()
            found += len(set(shown[hit].argmax(axis=1).tolist())) if iou.shape[1] else 0
        rates.append(false / len(scans))
        recalls.append(found / total)
    rates, recalls = np.array(rates)[::-1], np.array(recalls)[::-1]
    answers = []
    for level in levels:
        less, more = np.flatnonzero(rates <= level), np.flatnonzero(rates >= level)
        if not less.size:
            answers.append(0.0)
        elif not more.size:
            answers.append(recalls.max())
        else:
            a, b = less[-1], more[0]
            share = (level - rates[a]) / (rates[b] - rates[a]) if rates[b] != rates[a] else 0.0
            answers.append(recalls[a] + (recalls[b] - recalls[a]) * share)
    return answers


@pytest.mark.parametrize("seed", range(12))
def test_the_rule_of_ribfrac_is_that_of_the_challenge(seed):
    generator = np.random.default_rng(seed)
    scans = []
    for _ in range(15):
        n, m = int(generator.integers(0, 16)), int(generator.integers(0, 5))
        iou = np.round(generator.random((n, m)) ** 3, 1)  # often 0.2 itself
        scans.append((generator.integers(0, 100, n) / 100, iou))
    images = [
        MaskDetections(f"{case}", "1", scores, iou, iou * 0)
        for case, (scores, iou) in enumerate(scans)
    ]
    score = ribfrac_score(ribfrac_matches(images))
    assert score.levels == (0.5, 1, 2, 4, 8)
    expected = challenge_sensitivity(scans, score.levels)
    assert score.sensitivity == pytest.approx(expected, abs=1e-12)
    assert score.mean == pytest.approx(np.mean(expected))


def test_an_overlap_of_exactly_a_fifth_does_not_find_a_rib():
    def scan(iou):
        return MaskDetections("a", "1", np.array([0.5]), np.array([[iou]]), np.zeros((1, 1)))

    assert ribfrac_score(ribfrac_matches([scan(0.2)])).mean == 0
    assert ribfrac_score(ribfrac_matches([scan(0.2001)])).mean == 1


def test_a_fracture_hit_twice_is_found_once_and_no_false_positive():
    iou = np.array([[0.5], [0.9], [0.0]])
    scan = MaskDetections("a", "1", np.array([0.9, 0.5, 0.1]), iou, iou * 0)
    curve = froc_of_matches(ribfrac_matches([scan]))
    assert curve.sensitivity.tolist() == [1, 1, 1]
    assert curve.false_positives.tolist() == [0, 0, 1]


def test_intervals_of_ribfrac_hold_the_value():
    generator = np.random.default_rng(0)
    images = [
        MaskDetections(
            f"{case}", "1", generator.random(6), generator.random((6, 2)) ** 2, np.zeros((6, 2))
        )
        for case in range(40)
    ]
    rows = ribfrac_rows(
        ribfrac_matches(images), np.arange(40) // 2, generator=generator, resamples=200
    )
    assert [row.metric for row in rows][::5] == ["ribfrac_sensitivity", "ribfrac_sensitivity@8"]
    assert all(row.low <= row.value <= row.high for row in rows)
    assert "IoU > 0.2, 80 fractures" in rows[0].method


def test_marks_are_counted_by_kind_of_image():
    generator = np.random.default_rng(2)
    box = np.array([[0.0, 0, 10, 10]])
    images = []
    for case in range(60):
        there = box if case % 3 else np.empty((0, 4))
        seen = np.vstack([box, box + 50, box + 90])[generator.random(3) < 0.6]
        images.append(ImageDetections(f"{case}", "1", seen, generator.random(len(seen)), there))
    matches = match_images(images, thresholds=[0.5])
    rows = {
        row.metric: row
        for row in marks_at(matches, 0.4, range(60), generator=generator, resamples=100)
    }
    found, false, quiet, hit = [], [], [], []
    for image in images:
        shown = image.predicted[image.scores >= 0.4]
        is_hit = (shown == box).all(axis=1) & bool(len(image.reference))
        false.append(int((~is_hit).sum()))
        if len(image.reference):
            found.append(is_hit.sum())
            hit.append(is_hit.any())
        else:
            quiet.append(not len(shown))
    normal = np.arange(60) % 3 == 0
    false = np.array(false)
    expected = {
        "lesion_sensitivity": np.mean(found),
        "false_positives_per_image": false.mean(),
        "false_positives_per_normal_image": false[normal].mean(),
        "false_positives_per_abnormal_image": false[~normal].mean(),
        "normal_images_without_mark": np.mean(quiet),
        "abnormal_images_with_hit": np.mean(hit),
    }
    assert {name: row.value for name, row in rows.items()} == pytest.approx(expected)
    assert rows["false_positives_per_normal_image"].n == 20
    assert all(row.low <= row.value <= row.high for row in rows.values())
    for kind, chosen in (("all", normal | True), ("normal", normal), ("abnormal", ~normal)):
        curve = froc_of_matches(matches, over=kind)
        point = np.flatnonzero(curve.thresholds >= 0.4)[-1]
        assert curve.false_positives[point] == pytest.approx(false[chosen].mean())


def test_wrong_masks_are_refused():
    label = np.array([[1, 1, 0]])
    refused = [
        (lambda: MaskDetections.from_labels("a", "1", label * 1.0, [0.5], label), "integers"),
        (lambda: MaskDetections.from_labels("a", "1", -label, [0.5], label), "at least 0"),
        (lambda: MaskDetections.from_labels("a", "1", label * 2, [0.5], label), "1 to n"),
        (lambda: MaskDetections.from_labels("a", "1", label, [0.5, 0.4], label), "1 to n"),
        (lambda: MaskDetections.from_labels("a", "1", label, [0.5], label.T), "one shape"),
        (lambda: MaskDetections.from_labels("a", "1", label, [np.nan], label), "finite"),
        (lambda: MaskDetections.from_stacks("a", "1", label > 0, [0.5], label > 0), "two or three"),
        (
            lambda: MaskDetections.from_stacks(
                "a", "1", np.zeros((1, 2, 2), bool), [0.5], np.ones((1, 2, 2), bool)
            ),
            "a predicted mask is empty; got at position 1",
        ),
        (
            lambda: MaskDetections.from_stacks(
                "a", "1", np.ones((1, 2, 2), bool), [0.5, 0.1], np.ones((1, 2, 2), bool)
            ),
            "one score",
        ),
    ]
    for refuse, words in refused:
        with pytest.raises(DataError, match=words):
            refuse()
    scan = MaskDetections.from_labels("a", "1", label, [0.5], label)
    with pytest.raises(DataError, match="'iou' or 'center'"):
        match_images([scan], criterion="corner")
    with pytest.raises(DataError, match="'false' or 'ignored'"):
        match_images([scan], repeats="twice")
    with pytest.raises(DataError, match="normal and abnormal"):
        marks_at(
            match_images([scan], thresholds=[0.5]), 0.5, [0], generator=np.random.default_rng()
        )
    with pytest.raises(DataError, match="'all', 'normal' or 'abnormal'"):
        froc_of_matches(match_images([scan], thresholds=[0.5]), over="sick")
