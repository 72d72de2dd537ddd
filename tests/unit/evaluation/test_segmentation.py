"""Masks against MONAI, all pairs of surface pixels, and closed forms."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics import f1_score, jaccard_score, precision_score, recall_score

from fracturax.core.errors import DataError
from fracturax.evaluation import evaluate_masks, measure_masks, surface_distances


def blobs(seed, shape):
    """Two random masks that resemble each other, away from the border."""
    generator = np.random.default_rng(seed)
    base = ndimage.gaussian_filter(generator.normal(size=shape), 2)
    other = base + 0.5 * ndimage.gaussian_filter(generator.normal(size=shape), 2)
    inner = np.zeros(shape, dtype=bool)
    inner[tuple(slice(2, -2) for _ in shape)] = True
    return (base > 0.03) & inner, (other > 0.03) & inner


SHAPES = [((30, 24), (0.5, 0.5)), ((26, 30), (0.4, 1.3)), ((10, 16, 14), (3.0, 0.5, 0.7))]


def surface_in_words(mask):
    """Centers of the pixels with a neighbour outside, by walking over all."""
    found = []
    for spot in np.argwhere(mask):
        for axis, step in itertools.product(range(mask.ndim), (-1, 1)):
            beside = spot.copy()
            beside[axis] += step
            is_off = not 0 <= beside[axis] < mask.shape[axis]
            if is_off or not mask[tuple(beside)]:
                found.append(spot)
                break
    return np.array(found, dtype=float)


@pytest.mark.parametrize(("shape", "spacing"), SHAPES)
def test_distances_are_those_of_all_pairs(shape, spacing):
    for seed in range(4):
        seen, there = blobs(seed, shape)
        if seed == 3:
            seen, there = seen.copy(), there.copy()
            seen[0], there[..., -1] = True, True  # masks that reach the border
        one, other = (surface_in_words(mask) * np.array(spacing) for mask in (seen, there))
        pairs = np.linalg.norm(one[:, None] - other[None], axis=2)
        got = surface_distances(seen, there, spacing_mm=spacing)
        assert np.allclose(np.sort(got.predicted), np.sort(pairs.min(axis=1)))
        assert np.allclose(np.sort(got.reference), np.sort(pairs.min(axis=0)))
        assert got.hausdorff_mm(1.0) == pytest.approx(
            max(pairs.min(axis=1).max(), pairs.min(axis=0).max())
        )
        scores = measure_masks(seen, there, spacing_mm=spacing, tolerance_mm=0.85)
        near = (pairs.min(axis=1) <= 0.85).sum() + (pairs.min(axis=0) <= 0.85).sum()
        assert scores.surface_dice == pytest.approx(near / sum(pairs.shape))
        assert scores.assd_mm == pytest.approx(
            (pairs.min(axis=1).sum() + pairs.min(axis=0).sum()) / sum(pairs.shape)
        )


@pytest.mark.parametrize(("shape", "spacing"), SHAPES)
def test_numbers_are_those_of_monai(shape, spacing):
    metrics = pytest.importorskip("monai.metrics")
    torch = pytest.importorskip("torch")
    seen, there = blobs(9, shape)
    one, other = (torch.tensor(mask[None, None].astype(np.float32)) for mask in (seen, there))
    scores = measure_masks(seen, there, spacing_mm=spacing, tolerance_mm=1.0)
    expected = {
        "dice": metrics.compute_dice(one, other),
        "iou": metrics.compute_iou(one, other),
        "hd95_mm": metrics.compute_hausdorff_distance(
            one, other, include_background=True, percentile=95, spacing=list(spacing)
        ),
        "assd_mm": metrics.compute_average_surface_distance(
            one, other, include_background=True, symmetric=True, spacing=list(spacing)
        ),
        "surface_dice": metrics.compute_surface_dice(
            one, other, class_thresholds=[1.0], include_background=True, spacing=list(spacing)
        ),
    }
    for name, value in expected.items():
        assert getattr(scores, name) == pytest.approx(float(value), rel=1e-5), name


def test_overlaps_are_those_of_scikit_learn():
    for seed in range(5):
        seen, there = blobs(seed, (30, 24))
        scores = measure_masks(seen, there, spacing_mm=(1, 1), tolerance_mm=1)
        flat = there.ravel(), seen.ravel()
        assert scores.dice == pytest.approx(f1_score(*flat))
        assert scores.iou == pytest.approx(jaccard_score(*flat))
        assert scores.precision == pytest.approx(precision_score(*flat))
        assert scores.recall == pytest.approx(recall_score(*flat))
        assert scores.dice == pytest.approx(2 * scores.iou / (1 + scores.iou))


@pytest.mark.parametrize(("axis", "spacing"), [(0, (2.0, 0.5, 0.5)), (2, (2.0, 0.5, 0.25))])
def test_a_moved_box_has_the_numbers_of_geometry(axis, spacing):
    box = np.zeros((20, 20, 20), dtype=bool)
    box[3:11, 3:11, 3:11] = True
    moved = np.roll(box, 3, axis=axis)
    scores = measure_masks(moved, box, spacing_mm=spacing, tolerance_mm=3 * spacing[axis])
    assert scores.dice == pytest.approx(5 / 8)
    assert scores.iou == pytest.approx(5 / 11)
    # An end of 64 pixels lies 3 steps away; it is more than 5 % of the 296 of the surface.
    assert scores.hd95_mm == pytest.approx(3 * spacing[axis])
    assert scores.surface_dice == 1
    assert scores.reference_mm == pytest.approx(512 * math.prod(spacing))
    less = measure_masks(moved, box, spacing_mm=spacing, tolerance_mm=2.99 * spacing[axis])
    assert 0.7 < less.surface_dice < 1


def test_a_distance_of_the_tolerance_itself_is_within():
    line = np.zeros((1, 9), dtype=bool)
    line[0, 2] = True
    moved = np.roll(line, 3, axis=1)
    scores = measure_masks(moved, line, spacing_mm=(1, 0.1), tolerance_mm=0.3)
    assert scores.surface_dice == 1


def test_concentric_spheres_lie_as_far_apart_as_their_radii():
    spacing = np.array([1.0, 0.5, 0.8])
    shape = (50, 96, 62)
    away = np.linalg.norm(
        (np.stack(np.indices(shape), axis=-1) - np.array(shape) / 2) * spacing, axis=-1
    )
    scores = measure_masks(away < 20, away < 14, spacing_mm=spacing, tolerance_mm=4)
    # A surface is known to within a pixel.
    assert scores.assd_mm == pytest.approx(6, abs=0.5)
    assert scores.hd95_mm == pytest.approx(6, abs=1.0)
    assert scores.surface_dice == 0
    assert scores.dice == pytest.approx(2 * 14**3 / (20**3 + 14**3), abs=0.01)
    assert scores.recall == 1
    assert scores.predicted_mm == pytest.approx(4 / 3 * math.pi * 20**3, rel=0.01)


def test_laws_of_masks():
    seen, there = blobs(2, (30, 24))
    spacing = (0.4, 1.1)
    one = measure_masks(seen, there, spacing_mm=spacing, tolerance_mm=1)
    other = measure_masks(there, seen, spacing_mm=spacing, tolerance_mm=1)
    for name in ("dice", "iou", "surface_dice", "hd95_mm", "assd_mm"):
        assert getattr(one, name) == pytest.approx(getattr(other, name))
    assert one.precision == other.recall
    assert one.assd_mm <= surface_distances(seen, there, spacing_mm=spacing).hausdorff_mm(1.0)
    turned = measure_masks(seen.T, there.T, spacing_mm=spacing[::-1], tolerance_mm=1)
    assert turned == one
    doubled = measure_masks(seen, there, spacing_mm=(0.8, 2.2), tolerance_mm=2)
    assert doubled.hd95_mm == pytest.approx(2 * one.hd95_mm)
    assert doubled.surface_dice == one.surface_dice
    same = measure_masks(seen, seen, spacing_mm=spacing, tolerance_mm=0)
    assert (same.dice, same.iou, same.surface_dice, same.hd95_mm, same.assd_mm) == (1, 1, 1, 0, 0)


def test_empty_masks_are_worth_what_their_word_says():
    nothing, something = np.zeros((4, 5), dtype=bool), np.zeros((4, 5), dtype=bool)
    something[1:3, 1:3] = True

    def numbers(seen, there, empty):
        scores = measure_masks(seen, there, spacing_mm=(1, 3), tolerance_mm=1, empty=empty)
        return [
            scores.dice,
            scores.iou,
            scores.precision,
            scores.recall,
            scores.surface_dice,
            scores.hd95_mm,
            scores.assd_mm,
        ]

    nan = math.nan
    cases = {
        ("left_out", "both"): [nan] * 7,
        ("left_out", "prediction"): [0, 0, nan, 0, 0, nan, nan],
        ("left_out", "reference"): [0, 0, 0, nan, 0, nan, nan],
        ("best_or_worst", "both"): [1, 1, 1, 1, 1, 0, 0],
        ("best_or_worst", "prediction"): [0, 0, 0, 0, 0, *[math.hypot(3, 12)] * 2],
        ("best_or_worst", "reference"): [0, 0, 0, 0, 0, *[math.hypot(3, 12)] * 2],
    }
    for (empty, which), expected in cases.items():
        seen = nothing if which in ("both", "prediction") else something
        there = nothing if which in ("both", "reference") else something
        assert numbers(seen, there, empty) == pytest.approx(expected, nan_ok=True)


def test_cases_are_put_together_as_means_and_pooled():
    measured, masks = [], []
    for seed in range(20):
        seen, there = blobs(seed, (30, 24))
        if seed == 0:
            seen = np.zeros_like(seen)
        masks.append((seen, there))
        measured.append(measure_masks(seen, there, spacing_mm=(0.5, 0.5), tolerance_mm=1))
    generator = np.random.default_rng(0)
    result = evaluate_masks(measured, np.arange(20) // 2, generator=generator, resamples=300)
    assert result["dice"].value == pytest.approx(np.mean([one.dice for one in measured]))
    assert result["hd95_mm"].value == pytest.approx(np.mean([one.hd95_mm for one in measured[1:]]))
    assert (result["dice"].n, result["hd95_mm"].n, result["precision"].n) == (20, 19, 19)
    seen, there = (np.concatenate([pair[side].ravel() for pair in masks]) for side in (0, 1))
    assert result["dice_pooled"].value == pytest.approx(f1_score(there, seen))
    assert result["iou_pooled"].value == pytest.approx(jaccard_score(there, seen))
    assert result["precision_pooled"].value == pytest.approx(precision_score(there, seen))
    assert result["recall_pooled"].value == pytest.approx(recall_score(there, seen))
    within = sum(one.surface_within for one in measured)
    size = sum(len(surface_in_words(mask)) for pair in masks for mask in pair)
    assert result["surface_dice_pooled"].value == pytest.approx(within / size)
    assert all(row.low <= row.value <= row.high for row in result.rows)
    assert "tolerance 1 mm" in result["surface_dice"].method
    assert "1 of 20 cases" in result.notes[1]


def test_wrong_masks_are_refused():
    mask = np.ones((4, 4), dtype=bool)
    refused = [
        ({"predicted": mask * 1.0}, "of bool; got float64"),
        ({"predicted": mask[:2]}, "one shape"),
        ({"spacing_mm": (1, 1, 1)}, "one positive number of mm an axis"),
        ({"spacing_mm": (1, 0)}, "one positive number of mm an axis"),
        ({"tolerance_mm": -1}, "at least 0; got -1"),
        ({"empty": "zero"}, "'left_out' or 'best_or_worst'"),
    ]
    right = {"predicted": mask, "reference": mask, "spacing_mm": (1, 1), "tolerance_mm": 1}
    for wrong, words in refused:
        with pytest.raises(DataError, match=words):
            measure_masks(**{**right, **wrong})
    with pytest.raises(DataError, match="no surface"):
        surface_distances(mask, ~mask, spacing_mm=(1, 1))
    one, other = measure_masks(**right), measure_masks(**{**right, "tolerance_mm": 2})
    generator = np.random.default_rng(0)
    for scores, groups, words in (
        ([], [], "no mask"),
        ([one, other], [1, 2], "different ways"),
        ([one], [1, 2], "one value a case"),
        ([measure_masks(**{**right, "predicted": ~mask, "reference": ~mask})], [1], "all masks"),
    ):
        with pytest.raises(DataError, match=words):
            evaluate_masks(scores, groups, generator=generator)
