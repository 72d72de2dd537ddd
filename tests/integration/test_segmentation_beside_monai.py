"""Distances and overlaps of masks are those of MONAI."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from fracturax.evaluation import measure_masks


def blobs(seed, shape):
    """Two random masks that resemble each other, away from the border."""
    generator = np.random.default_rng(seed)
    base = ndimage.gaussian_filter(generator.normal(size=shape), 2)
    other = base + 0.5 * ndimage.gaussian_filter(generator.normal(size=shape), 2)
    inner = np.zeros(shape, dtype=bool)
    inner[tuple(slice(2, -2) for _ in shape)] = True
    return (base > 0.03) & inner, (other > 0.03) & inner


SHAPES = [((30, 24), (0.5, 0.5)), ((26, 30), (0.4, 1.3)), ((10, 16, 14), (3.0, 0.5, 0.7))]


# MONAI imports all of itself, which takes minutes from a cold disk.
@pytest.mark.timeout(900)
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
