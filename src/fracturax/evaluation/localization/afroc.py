"""Alternative free-response curves (AFROC), weighted or not: fractures found against images wrong.

Where FROC counts every false positive, AFROC counts an image once, by its worst one; the weighted
curve lets each abnormal image count once too, however many fractures it has.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.evaluation.bootstrap import group_bootstrap_weighted
from fracturax.evaluation.jackknife import group_jackknife_weighted
from fracturax.evaluation.localization.detections import FloatArray
from fracturax.evaluation.localization.matching import Matches
from fracturax.evaluation.result import Row

FalseOver = Literal["normal", "all"]


@dataclass(frozen=True, eq=False)
class FreeResponse:
    """Ratings of marks, as a free-response study has them: of a model or of a reader.

    Args:
        false_rating: Highest rating of a false mark in each image, `-inf` where there is none;
            shape `(images,)`.
        lesion_image: Index of the image of each fracture, shape `(fractures,)`.
        lesion_rating: Highest rating of a mark on each fracture, `-inf` where it was missed;
            shape `(fractures,)`.
        lesion_weight: Importance of each fracture, shape `(fractures,)`, positive, summing to 1
            in each abnormal image; None gives all fractures of an image the same.

    Raises:
        DataError: If shapes differ, a rating is `nan` or `inf`, an index is no image, there is
            no fracture or no normal image, or weights do not sum to 1.

    References:
        Chakraborty & Berbaum, Medical Physics 31:2313-2330, 2004.

    Example:
        Two normal images, one with a false mark, and an abnormal one with two fractures:

        >>> response = FreeResponse(np.array([0.3, -np.inf, 0.9]), np.array([2, 2]),
        ...                         np.array([0.8, -np.inf]))
        >>> response.lesion_weight
        array([0.5, 0.5])
    """

    false_rating: FloatArray
    lesion_image: npt.NDArray[np.intp]
    lesion_rating: FloatArray
    lesion_weight: FloatArray | None = None

    def __post_init__(self) -> None:
        images, count = self.false_rating.size, self.lesion_rating.size
        if self.false_rating.ndim != 1 or self.lesion_image.shape != (count,):
            raise DataError(
                "ratings need one image a fracture",
                got=f"shapes {self.false_rating.shape}, {self.lesion_image.shape} and "
                f"{self.lesion_rating.shape}",
            )
        for name, ratings in (("false", self.false_rating), ("lesion", self.lesion_rating)):
            wrong = np.isnan(ratings) | (ratings == np.inf)
            if wrong.any():
                row = int(np.argmax(wrong))
                raise DataError(
                    f"a {name} rating is no number", got=f"{ratings[row]} in row {row + 1}"
                )
        if count == 0 or self.lesion_image.min() < 0 or self.lesion_image.max() >= images:
            raise DataError(
                "there must be fractures, each in one of the images",
                got=f"{count} fractures and {images} images",
            )
        per_image = np.bincount(self.lesion_image, minlength=images)
        if self.lesion_weight is None:
            object.__setattr__(self, "lesion_weight", 1 / per_image[self.lesion_image])
            return
        sums = np.bincount(self.lesion_image, weights=self.lesion_weight, minlength=images)
        if (self.lesion_weight <= 0).any() or not np.allclose(sums[per_image > 0], 1):
            raise DataError(
                "weights of fractures must be positive and sum to 1 in each abnormal image",
                got=f"sums from {sums[per_image > 0].min():g} to {sums.max():g}",
            )

    @cached_property
    def is_abnormal(self) -> npt.NDArray[np.bool_]:
        """Whether an image has a fracture, shape `(images,)`."""
        return np.bincount(self.lesion_image, minlength=self.false_rating.size) > 0

    @cached_property
    def _ranks(self) -> tuple[FloatArray, npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Distinct ratings, strictest first, and where those of images and fractures stand."""
        both = np.concatenate([self.false_rating, self.lesion_rating])
        levels, index = np.unique(-both, return_inverse=True)
        return -levels, index[: self.false_rating.size], index[self.false_rating.size :]


@dataclass(frozen=True, eq=False)
class AfrocCurve:
    """AFROC curve from (0, 0) to (1, 1), one point for each distinct rating.

    The last stretch, from the loosest rating to (1, 1), is a straight line: what bears no mark is
    not ranked.

    Args:
        thresholds: A mark is shown from this rating on, descending from `inf` to `-inf`, shape
            `(points,)`.
        false_positive_fraction: Share of images with at least one false mark, shape `(points,)`.
        sensitivity: Share of fractures found, or its mean over abnormal images where the curve is
            weighted, shape `(points,)`.
    """

    thresholds: FloatArray
    false_positive_fraction: FloatArray
    sensitivity: FloatArray

    @property
    def area(self) -> float:
        """Area below the curve, in [0, 1]; NaN where it is not defined."""
        return float(np.trapezoid(self.sensitivity, self.false_positive_fraction))


def free_response(matches: Matches) -> FreeResponse:
    """Return the ratings that AFROC needs, from detections matched at one overlap.

    Raises:
        DataError: If there is more than one overlap, or no image has a fracture.

    Example:
        >>> from fracturax.evaluation.localization import ImageDetections, match_images
        >>> box = np.array([[0.0, 0, 10, 10]])
        >>> found = ImageDetections("a", "1", box, np.array([0.8]), box)
        >>> healthy = ImageDetections("b", "1", box, np.array([0.9]), np.empty((0, 4)))
        >>> response = free_response(match_images([found, healthy], thresholds=[0.5]))
        >>> response.false_rating, response.lesion_rating
        (array([-inf,  0.9]), array([0.8]))
    """
    matches = matches.only
    false_rating = np.full(matches.references.size, -np.inf)
    is_false = matches.counted[0] & ~matches.hits[0]
    np.maximum.at(false_rating, matches.image[is_false], matches.scores[is_false])
    first = np.cumsum(matches.references) - matches.references
    rating = np.full(int(matches.references.sum()), -np.inf)
    hit = matches.hits[0]
    rating[first[matches.image[hit]] + matches.found[0][hit]] = matches.scores[hit]
    image = np.repeat(np.arange(matches.references.size), matches.references)
    return FreeResponse(false_rating, image, rating)


def afroc(
    response: FreeResponse,
    *,
    weighted: bool = True,
    over: FalseOver = "normal",
    weights: npt.ArrayLike | None = None,
) -> AfrocCurve:
    """Return the (weighted) AFROC curve.

    Args:
        response: Ratings, from `free_response` or from readers.
        weighted: Whether every abnormal image counts the same (wAFROC), or every fracture.
        over: Which images can be wrong: the `normal` ones, or `all` (AFROC1 and wAFROC1, for data
            without normal images).
        weights: How often each image counts, shape `(images,)`.

    Returns:
        The curve; NaN if the weights leave no fracture or no image that can be wrong.

    Raises:
        DataError: If no image can be wrong, or the weights are not valid.

    References:
        Chakraborty & Zhai, Medical Physics 43:2548-2557, 2016 (wAFROC); Chakraborty, Observer
        Performance Methods for Diagnostic Imaging, 2017, chapters 13 and 14.

    Example:
        >>> response = FreeResponse(np.array([0.3, -np.inf, 0.9]), np.array([2, 2]),
        ...                         np.array([0.8, -np.inf]))
        >>> curve = afroc(response)
        >>> curve.false_positive_fraction, curve.sensitivity
        (array([0. , 0. , 0. , 0.5, 1. ]), array([0. , 0. , 0.5, 0.5, 1. ]))
        >>> curve.area
        0.625
    """
    counts = _counts(response, weights)
    if over not in ("normal", "all"):
        raise DataError("false marks are over 'normal' or 'all' images", got=repr(over))
    can_be_wrong = ~response.is_abnormal if over == "normal" else np.ones(counts.size, np.bool_)
    if not can_be_wrong.any():
        raise DataError(
            "there is no normal image", got=f"{counts.size} abnormal ones", cure="take over='all'"
        )
    levels, image_rank, lesion_rank = response._ranks
    images = counts * can_be_wrong
    lesions = counts[response.lesion_image]
    if weighted:
        lesions = lesions * np.asarray(response.lesion_weight)
    points = levels.size + (1 if np.isfinite(levels[-1]) else 0)
    wrong = np.cumsum(np.bincount(image_rank, weights=images, minlength=points))
    found = np.cumsum(np.bincount(lesion_rank, weights=lesions, minlength=points))
    thresholds = np.concatenate([[np.inf], levels[np.isfinite(levels)], [-np.inf]])
    if wrong[-1] == 0 or found[-1] == 0:
        nothing = np.full(thresholds.size, np.nan)
        return AfrocCurve(thresholds, nothing, nothing)
    return AfrocCurve(
        thresholds,
        np.concatenate([[0.0], wrong[:-1] / wrong[-1], [1.0]]),
        np.concatenate([[0.0], found[:-1] / found[-1], [1.0]]),
    )


def afroc_area(
    response: FreeResponse,
    groups: npt.ArrayLike,
    *,
    generator: np.random.Generator | None = None,
    weighted: bool = True,
    over: FalseOver = "normal",
    resamples: int = 1000,
    level: float = 0.95,
) -> Row:
    """Return the area below the (weighted) AFROC curve with its interval.

    The area is the chance that a fracture is rated higher than the worst false mark of an image
    that can be wrong; a tie, also between no mark and no mark, counts half.

    Args:
        response: Ratings, from `free_response` or from readers.
        groups: Whose image each is (`patient_key`), shape `(images,)`.
        generator: Source of randomness of the bootstrap; None takes the jackknife, which has
            none.
        weighted: As in `afroc`.
        over: As in `afroc`.
        resamples: Bootstrap resamples.
        level: Coverage of the interval.

    Returns:
        The row `wafroc_area` or `afroc_area` (with a `1` before `_area` over all images).

    Raises:
        DataError: As `afroc`, or if there are too few patients.

    References:
        Chakraborty & Zhai, Medical Physics 43:2548-2557, 2016.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> response = FreeResponse(rng.normal(size=80), np.arange(40), rng.normal(1.5, size=40))
        >>> row = afroc_area(response, np.arange(80))
        >>> row.metric, bool(row.low < row.value < row.high), row.method
        ('wafroc_area', True, 'group jackknife of 80 groups, t with 79 degrees of freedom')
    """

    def area(weights: npt.NDArray[np.int64]) -> float:
        return afroc(response, weighted=weighted, over=over, weights=weights).area

    name = f"{'w' if weighted else ''}afroc{'' if over == 'normal' else '1'}_area"
    count = response.false_rating.size
    if np.shape(groups) != (count,):
        raise DataError("groups need one value an image", got=f"shape {np.shape(groups)}")
    if generator is None:
        left_out = group_jackknife_weighted(groups, area, level=level)
        low, high = left_out.interval()
        return Row(
            name, float(left_out.estimate[0]), max(low, 0.0), min(high, 1.0), count, left_out.method
        )
    drawn = group_bootstrap_weighted(
        groups, area, generator=generator, resamples=resamples, level=level
    )
    low, high = drawn.interval()
    value = afroc(response, weighted=weighted, over=over).area
    method = f"percentile bootstrap, {resamples} resamples of {drawn.groups} groups"
    return Row(name, value, low, high, count, method)


def _counts(response: FreeResponse, weights: npt.ArrayLike | None) -> FloatArray:
    shape = response.false_rating.shape
    counts = np.ones(shape) if weights is None else np.asarray(weights, dtype=np.float64)
    if counts.shape != shape or not (counts >= 0).all():
        raise DataError(
            "weights need one number of at least 0 an image",
            got=f"shape {counts.shape} for {shape[0]} images",
        )
    return counts
