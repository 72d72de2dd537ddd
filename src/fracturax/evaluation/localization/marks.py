"""What one threshold means to a reader: fractures found, false marks on either kind of image."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.evaluation.bootstrap import group_bootstrap_weighted
from fracturax.evaluation.localization.detections import FloatArray
from fracturax.evaluation.localization.matching import Matches, image_counts
from fracturax.evaluation.result import Row

_NAMES = (
    "lesion_sensitivity",
    "false_positives_per_image",
    "false_positives_per_normal_image",
    "false_positives_per_abnormal_image",
    "normal_images_without_mark",
    "abnormal_images_with_hit",
)


def marks_at(
    matches: Matches,
    threshold: float,
    groups: npt.ArrayLike,
    *,
    generator: np.random.Generator,
    resamples: int = 1000,
    level: float = 0.95,
) -> tuple[Row, ...]:
    """Return what the marks of at least one score are worth, with intervals over patients.

    Args:
        matches: From `match_images`, at one overlap, with normal and abnormal images.
        threshold: A mark is shown from this score on; chosen on other images than these.
        groups: Whose image each is (`patient_key`), shape `(images,)`.
        generator: Source of randomness.
        resamples: Bootstrap resamples.
        level: Coverage of the intervals.

    Returns:
        Six rows: share of fractures found; false positives an image, a normal image, an abnormal
        image; share of normal images without any mark; share of abnormal images with a hit.

    Raises:
        DataError: If there is more than one overlap, no normal or no abnormal image.

    Example:
        >>> from fracturax.evaluation.localization import ImageDetections, match_images
        >>> box, none = np.array([[0.0, 0, 10, 10]]), np.empty((0, 4))
        >>> images = [ImageDetections(f"c{i}", "1", box, np.array([i / 10]), box if i % 2 else none)
        ...           for i in range(10)]
        >>> rows = marks_at(match_images(images, thresholds=[0.5]), 0.4, range(10),
        ...                 generator=np.random.default_rng(0), resamples=100)
        >>> {row.metric: row.value for row in rows[:3]}
        {'lesion_sensitivity': 0.6, 'false_positives_per_image': 0.3,
         'false_positives_per_normal_image': 0.6}
    """
    matches = matches.only
    abnormal = matches.is_abnormal
    if abnormal.all() or not abnormal.any():
        raise DataError(
            "normal and abnormal images are needed",
            got=f"{int(abnormal.sum())} abnormal of {abnormal.size}",
        )
    shown = matches.scores >= threshold
    size = abnormal.size
    hits = np.bincount(matches.image[shown & matches.hits[0]], minlength=size)
    is_false = shown & matches.counted[0] & ~matches.hits[0]
    false = np.bincount(matches.image[is_false], minlength=size)
    quiet = (false == 0).astype(np.float64)

    def measure(weights: npt.ArrayLike | None) -> FloatArray:
        counts, lesions = image_counts(matches, weights)
        normal, sick = counts * ~abnormal, counts * abnormal
        totals = (lesions, counts.sum(), normal.sum(), sick.sum(), normal.sum(), sick.sum())
        if min(totals) == 0:
            return np.full(len(_NAMES), np.nan)
        sums = (counts @ hits, counts @ false, normal @ false, sick @ false, normal @ quiet)
        return np.asarray(np.array([*sums, sick @ (hits > 0)]) / np.array(totals))

    drawn = group_bootstrap_weighted(
        groups, measure, generator=generator, resamples=resamples, level=level
    )
    method = (
        f"marks from {threshold:g} on, percentile bootstrap, {resamples} resamples of "
        f"{drawn.groups} groups"
    )
    sick = int(abnormal.sum())
    units = (int(matches.references.sum()), size, size - sick, sick, size - sick, sick)
    return tuple(
        Row(name, float(value), *drawn.interval(position), n, method)
        for position, (name, value, n) in enumerate(zip(_NAMES, measure(None), units, strict=True))
    )
