"""All masks of a set of cases together: means over cases and pooled, with intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.evaluation.bootstrap import group_bootstrap_weighted
from fracturax.evaluation.result import Evaluation, Row
from fracturax.evaluation.segmentation.measure import MaskScores

FloatArray = npt.NDArray[np.float64]

_PER_CASE = ("dice", "iou", "precision", "recall", "surface_dice", "hd95_mm", "assd_mm")
_POOLED = ("dice_pooled", "iou_pooled", "precision_pooled", "recall_pooled", "surface_dice_pooled")


def evaluate_masks(
    scores: Sequence[MaskScores],
    groups: npt.ArrayLike,
    *,
    generator: np.random.Generator,
    resamples: int = 1000,
    level: float = 0.95,
) -> Evaluation:
    """Return means over cases and pooled numbers, with intervals from resampled patients.

    A mean lets every case count the same; pooled, every mm² or mm³ does (every surface pixel, in
    the surface Dice), so that large bones weigh more.

    Args:
        scores: From `measure_masks`, one a case, all with one tolerance and one word for empty
            masks.
        groups: Whose case each is (`patient_key`), shape `(cases,)`.
        generator: Source of randomness.
        resamples: Bootstrap resamples.
        level: Coverage of the intervals.

    Returns:
        A row for each number that is defined for some case, `n` being the cases it is defined
        for.

    Raises:
        DataError: If there is no case, the cases were measured in different ways, or most
            resamples leave a number undefined.

    Example:
        >>> from fracturax.evaluation.segmentation import measure_masks
        >>> there = np.zeros((10, 10), dtype=bool)
        >>> there[2:6, 2:6] = True
        >>> scores = [measure_masks(np.roll(there, i % 3, axis=1), there, spacing_mm=(1, 1),
        ...                         tolerance_mm=1) for i in range(12)]
        >>> result = evaluate_masks(scores, range(12), generator=np.random.default_rng(0))
        >>> round(result["dice"].value, 3), result["hd95_mm"].value, result["dice"].n
        (0.75, 1.0, 12)
    """
    if not scores:
        raise DataError("there is no mask to evaluate", got="none")
    ways = {(one.tolerance_mm, one.empty) for one in scores}
    if len(ways) > 1:
        raise DataError(
            "masks were measured in different ways",
            got=f"tolerances and empty masks {sorted(ways)}",
            cure="measure all of them with one tolerance and one word for empty masks",
        )
    if np.shape(groups) != (len(scores),):
        raise DataError("groups need one value a case", got=f"shape {np.shape(groups)}")
    values = np.array([[getattr(one, name) for name in _PER_CASE] for one in scores])
    known = ~np.isnan(values)
    tallies = np.array(
        [
            (
                one.common_mm,
                one.predicted_mm,
                one.reference_mm,
                one.surface_within,
                one.surface_size,
            )
            for one in scores
        ],
        dtype=np.float64,
    )

    def measure(weights: npt.ArrayLike) -> FloatArray:
        counts = np.asarray(weights, dtype=np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            means = (counts @ np.where(known, values, 0.0)) / (counts @ known)
            common, ours, theirs, within, size = counts @ tallies
            pooled = np.array(
                [
                    2 * common / (ours + theirs),
                    common / (ours + theirs - common),
                    common / ours,
                    common / theirs,
                    within / size,
                ]
            )
        return np.concatenate([means, pooled])

    everything = measure(np.ones(len(scores)))
    is_defined = ~np.isnan(everything)
    if not is_defined.any():
        raise DataError("all masks are empty", cure="take empty='best_or_worst'")
    drawn = group_bootstrap_weighted(
        groups,
        lambda weights: measure(weights)[is_defined],
        generator=generator,
        resamples=resamples,
        level=level,
    )
    names = np.array(_PER_CASE + _POOLED)
    units = np.append(known.sum(axis=0), [len(scores)] * len(_POOLED))
    rows = []
    for position, at in enumerate(np.flatnonzero(is_defined)):
        name = str(names[at])
        method = "pooled" if name in _POOLED else "mean of cases"
        if name.startswith("surface_dice"):
            method += f", tolerance {scores[0].tolerance_mm:g} mm"
        low, high = drawn.interval(position)
        rows.append(
            Row(
                name, float(everything[at]), low, high, int(units[at]), f"{method}, group bootstrap"
            )
        )
    tail = "left out" if scores[0].empty == "left_out" else "best or worst"
    notes = [
        f"Percentile bootstrap: {resamples} resamples of {drawn.groups} groups.",
        f"Empty masks: {tail} ({int((~known.all(axis=1)).sum())} of {len(scores)} cases lack a "
        "number).",
    ]
    return Evaluation(tuple(rows), tuple(notes))
