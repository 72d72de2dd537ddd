"""One predicted mask beside the mask that is there: overlap and distances."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fracturax.core.errors import DataError
from fracturax.evaluation.segmentation.surface import BoolArray, check_masks, surface_distances

EmptyMasks = Literal["left_out", "best_or_worst"]


@dataclass(frozen=True)
class MaskScores:
    """What one predicted mask is worth; NaN where it is not defined.

    Args:
        dice: Twice the common area over the sum of both.
        iou: Common area over the joint one (Jaccard).
        precision: Share of the prediction that is right.
        recall: Share of the reference that was found.
        surface_dice: Share of both surfaces that lies within the tolerance of the other.
        hd95_mm: 95 % Hausdorff distance, the larger of both ways.
        assd_mm: Average symmetric surface distance.
        common_mm: Area (mm²) or volume (mm³) of what both have.
        predicted_mm: Area or volume of the prediction.
        reference_mm: Area or volume of the reference.
        surface_within: Surface pixels of both within the tolerance.
        surface_size: Surface pixels of both.
        tolerance_mm: Tolerance of the surface Dice.
        empty: What an empty mask is worth, as in `measure_masks`.
    """

    dice: float
    iou: float
    precision: float
    recall: float
    surface_dice: float
    hd95_mm: float
    assd_mm: float
    common_mm: float
    predicted_mm: float
    reference_mm: float
    surface_within: int
    surface_size: int
    tolerance_mm: float
    empty: EmptyMasks


def measure_masks(
    predicted: BoolArray,
    reference: BoolArray,
    *,
    spacing_mm: Sequence[float],
    tolerance_mm: float,
    empty: EmptyMasks = "left_out",
) -> MaskScores:
    """Compare a predicted mask with the one that is there.

    Args:
        predicted: Mask, shape `(rows, columns)` or `(slices, rows, columns)`.
        reference: Mask of the same shape.
        spacing_mm: Distance between pixel centers along each axis.
        tolerance_mm: How far surfaces may lie apart in the surface Dice, such as what two readers
            differ by; in mm.
        empty: What is said where a mask is empty. `left_out`: what has no definition is NaN, and
            is left out of means: everything if both are empty; the distances, and precision (no
            prediction) or recall (no reference), if one is; the overlaps then are 0.
            `best_or_worst`: nothing found where nothing is scores 1 and 0 mm; if only one is
            empty, everything scores 0, and the distances are the diagonal of the image.

    Raises:
        DataError: If masks, spacing, tolerance or the word for empty masks are not valid.

    References:
        Dice, Ecology 26:297-302, 1945; Nikolov et al., J Med Internet Res 23:e26151, 2021
        (surface Dice, here counted in surface pixels); Maier-Hein et al., Nature Methods
        21:195-212, 2024 (which to choose, and empty masks).

    Example:
        A square of 4 x 4 pixels, moved by one pixel of 0.5 mm:

        >>> there = np.zeros((10, 10), dtype=bool)
        >>> there[2:6, 2:6] = True
        >>> scores = measure_masks(np.roll(there, 1, axis=1), there, spacing_mm=(0.5, 0.5),
        ...                        tolerance_mm=0.4)
        >>> scores.dice, scores.iou, scores.hd95_mm, scores.reference_mm
        (0.75, 0.6, 0.5, 4.0)
    """
    check_masks(predicted, reference, spacing_mm)
    if not (math.isfinite(tolerance_mm) and tolerance_mm >= 0):
        raise DataError("a tolerance is a number of mm of at least 0", got=str(tolerance_mm))
    if empty not in ("left_out", "best_or_worst"):
        raise DataError("empty masks are 'left_out' or 'best_or_worst'", got=repr(empty))
    common = int((predicted & reference).sum())
    ours, theirs = int(predicted.sum()), int(reference.sum())
    within = size = 0
    surface = hd95 = assd = math.nan
    if ours and theirs:
        distances = surface_distances(predicted, reference, spacing_mm=spacing_mm)
        within, size = distances.within(tolerance_mm), distances.size
        surface = within / size
        hd95, assd = distances.hausdorff_mm(), distances.average_mm
    elif ours or theirs:
        surface = 0.0
        size = _surface_size(predicted if ours else reference)
    scores = {
        "dice": _share(2 * common, ours + theirs),
        "iou": _share(common, ours + theirs - common),
        "precision": _share(common, ours),
        "recall": _share(common, theirs),
        "surface_dice": surface,
        "hd95_mm": hd95,
        "assd_mm": assd,
    }
    if empty == "best_or_worst" and not (ours and theirs):
        is_right = ours == theirs
        side = np.array(predicted.shape) - 1
        far = 0.0 if is_right else float(np.linalg.norm(side * np.asarray(spacing_mm)))
        scores = {name: far if name.endswith("_mm") else float(is_right) for name in scores}
    pixel = math.prod(float(step) for step in spacing_mm)
    return MaskScores(
        **scores,
        common_mm=common * pixel,
        predicted_mm=ours * pixel,
        reference_mm=theirs * pixel,
        surface_within=within,
        surface_size=size,
        tolerance_mm=float(tolerance_mm),
        empty=empty,
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def _surface_size(mask: BoolArray) -> int:
    return surface_distances(mask, mask, spacing_mm=[1.0] * mask.ndim).predicted.size
