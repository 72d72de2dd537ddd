"""How well boxes find fractures: matching, average precision (COCO) and FROC.

Boxes are matched once, image by image, into `Matches`; every curve is then a few cumulative sums
over detections sorted once, so that a bootstrap only changes how often each image counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.core.geometry import Box

FloatArray = npt.NDArray[np.float64]
Criterion = Literal["iou", "center"]

COCO_THRESHOLDS: tuple[float, ...] = tuple(np.linspace(0.5, 0.95, 10).tolist())
"""Overlaps of mAP50-95: 0.50, 0.55, ..., 0.95, as COCOeval makes them."""

_RECALL_POINTS = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True, eq=False)
class ImageDetections:
    """The boxes a model saw in one image, and those that are there.

    Args:
        case: Name of the case, as in the table of predictions.
        image: Name of the image within the case.
        predicted: Boxes `(row_min, column_min, row_max, column_max)` in pixels of the original
            image, shape `(n, 4)`.
        scores: Score of each predicted box, shape `(n,)`; ranks them, in any range.
        reference: Boxes that are there, shape `(m, 4)`, `m = 0` for a healthy image; None where
            nobody marked them.

    Raises:
        DataError: If a shape is wrong, a number is not finite or a box is empty.

    Example:
        >>> image = ImageDetections("a", "1", boxes_as_array([Box(0, 0, 9, 9)]), np.array([0.8]),
        ...                         boxes_as_array([]))
        >>> image.predicted.shape, image.reference.shape
        ((1, 4), (0, 4))
    """

    case: str
    image: str
    predicted: FloatArray
    scores: FloatArray
    reference: FloatArray | None

    def __post_init__(self) -> None:
        _check_boxes("predicted", self.predicted)
        if self.reference is not None:
            _check_boxes("reference", self.reference)
        shape = (self.predicted.shape[0],)
        if self.scores.shape != shape or not np.isfinite(self.scores).all():
            raise DataError(
                "every predicted box needs one finite score",
                got=f"scores of shape {self.scores.shape} for {shape[0]} boxes",
            )


@dataclass(frozen=True, eq=False)
class Matches:
    """All detections of a set of images, best first, with whether each hits a fracture.

    Args:
        thresholds: Overlaps at which boxes were matched.
        scores: Score of each detection, descending, shape `(d,)`.
        image: Index of the image of each detection, shape `(d,)`.
        hits: Whether a detection found a fracture not found by a better one, shape
            `(thresholds, d)`.
        references: How many reference boxes each image has, shape `(images,)`.
    """

    thresholds: tuple[float, ...]
    scores: FloatArray
    image: npt.NDArray[np.intp]
    hits: npt.NDArray[np.bool_]
    references: npt.NDArray[np.int64]

    def at(self, threshold: float) -> Matches:
        """Return the matches at one of the thresholds.

        Raises:
            DataError: If boxes were not matched at that threshold.
        """
        row = _position(self.thresholds, threshold)
        return replace(self, thresholds=(threshold,), hits=self.hits[row : row + 1])


@dataclass(frozen=True)
class AveragePrecision:
    """Average precision at each overlap.

    Args:
        thresholds: Overlaps.
        values: Average precision at each of them.
    """

    thresholds: tuple[float, ...]
    values: tuple[float, ...]

    def at(self, threshold: float) -> float:
        """Return the average precision at one overlap (mAP50 at 0.5)."""
        return self.values[_position(self.thresholds, threshold)]

    @property
    def mean(self) -> float:
        """Mean over the overlaps (mAP50-95 over `COCO_THRESHOLDS`)."""
        return math.fsum(self.values) / len(self.values)


@dataclass(frozen=True, eq=False)
class FrocCurve:
    """Free-response curve: one point for each distinct score, strictest first.

    Args:
        thresholds: A box is shown from this score on, shape `(points,)`.
        false_positives: Mean number of false boxes an image, over all images, shape `(points,)`.
        sensitivity: Share of reference boxes found, shape `(points,)`.
    """

    thresholds: FloatArray
    false_positives: FloatArray
    sensitivity: FloatArray


def boxes_as_array(boxes: Sequence[Box]) -> FloatArray:
    """Return boxes as an array of shape `(n, 4)`, also for none of them.

    Example:
        >>> boxes_as_array([Box(0, 1, 2, 3)])
        array([[0., 1., 2., 3.]])
    """
    return np.array([box.as_tuple() for box in boxes], dtype=np.float64).reshape(-1, 4)


def match(
    predicted: FloatArray,
    scores: FloatArray,
    reference: FloatArray,
    *,
    iou: float = 0.5,
    criterion: Criterion = "iou",
) -> npt.NDArray[np.intp]:
    """Assign predicted boxes to reference boxes of one image, best score first (COCO's rule).

    Each prediction takes the free reference box it overlaps most; what is left over is a false
    positive, also a second box on a fracture already found.

    Args:
        predicted: Boxes, shape `(n, 4)`.
        scores: Their scores, shape `(n,)`.
        reference: Boxes that are there, shape `(m, 4)`.
        iou: Least intersection over union of a match; not used by the criterion `center`.
        criterion: `iou`, or `center`: the center of the prediction lies in the reference box.

    Returns:
        Index of the reference box of each prediction, -1 if it has none, shape `(n,)`.

    Raises:
        DataError: If boxes, scores or the overlap are not valid.

    References:
        Lin et al., Microsoft COCO, ECCV 2014, and `COCOeval.evaluateImg` of pycocotools.

    Example:
        >>> predicted = np.array([[0.0, 0, 10, 10], [0, 0, 10, 9], [50, 50, 60, 60]])
        >>> match(predicted, np.array([0.4, 0.9, 0.5]), np.array([[0.0, 0, 10, 10]]))
        array([-1,  0, -1])
    """
    image = ImageDetections("", "", predicted, scores, reference)
    _check_thresholds((iou,))
    order = np.argsort(-image.scores, kind="stable")
    closeness = _closeness(predicted[order], reference, criterion)
    assigned = np.full(scores.size, -1, dtype=np.intp)
    assigned[order] = _assign(closeness, _least(iou, criterion))
    return assigned


def match_images(
    images: Sequence[ImageDetections],
    *,
    thresholds: Sequence[float] = COCO_THRESHOLDS,
    criterion: Criterion = "iou",
) -> Matches:
    """Match the boxes of all images once, at each overlap.

    Args:
        images: Images in any order, all marked. Ties between scores keep this order, as COCO's do.
        thresholds: Overlaps; with the criterion `center` they only name the result.
        criterion: As in `match`.

    Raises:
        DataError: If there is no image, an overlap is not in (0, 1], or nobody marked an image.

    Example:
        >>> box = np.array([[0.0, 0, 10, 10]])
        >>> found = ImageDetections("a", "1", box, np.array([0.9]), box)
        >>> match_images([found], thresholds=[0.5]).hits
        array([[ True]])
    """
    _check_thresholds(thresholds)
    if not images:
        raise DataError("there is no image to match boxes in", got="none")
    counts, scores, hits = [], [], []
    for image in images:
        if image.reference is None:
            raise DataError(
                "nobody marked the fractures of an image",
                got="an image with unknown boxes",
                cure="leave such images out of the localization",
            )
        order = np.argsort(-image.scores, kind="stable")
        scores.append(image.scores[order])
        counts.append(image.reference.shape[0])
        hit = np.zeros((len(thresholds), order.size), dtype=np.bool_)
        if order.size and image.reference.size:
            closeness = _closeness(image.predicted[order], image.reference, criterion)
            for row, threshold in enumerate(thresholds):
                hit[row] = _assign(closeness, _least(threshold, criterion)) >= 0
        hits.append(hit)
    merged = np.concatenate(scores)
    best_first = np.argsort(-merged, kind="stable")
    index = np.repeat(np.arange(len(images)), [score.size for score in scores])
    return Matches(
        thresholds=tuple(thresholds),
        scores=merged[best_first],
        image=index[best_first],
        hits=np.concatenate(hits, axis=1)[:, best_first],
        references=np.array(counts, dtype=np.int64),
    )


def average_precision(matches: Matches, *, weights: npt.ArrayLike | None = None) -> FloatArray:
    """Return the average precision at each overlap, interpolated at COCO's 101 recalls.

    Equal to COCOeval for one category, no crowd, all areas and no limit of detections: a box in
    an image without reference is a false positive.

    Args:
        matches: From `match_images`.
        weights: How often each image counts, shape `(images,)`; what a bootstrap draws.

    Returns:
        Average precision, shape `(thresholds,)`; NaN if the weights leave no reference box.

    Raises:
        DataError: If no image has a reference box or the weights are not valid.

    References:
        Lin et al., Microsoft COCO, ECCV 2014; `COCOeval.accumulate` of pycocotools.

    Example:
        >>> box = np.array([[0.0, 0, 10, 10]])
        >>> found = ImageDetections("a", "1", box, np.array([0.8]), box)
        >>> healthy = ImageDetections("b", "1", box, np.array([0.9]), np.empty((0, 4)))
        >>> average_precision(match_images([found, healthy], thresholds=[0.5])).round(3)
        array([0.5])
    """
    counts, total = _image_weights(matches, weights)
    if total == 0:
        return np.full(len(matches.thresholds), np.nan)
    weight = counts[matches.image]
    shown = np.cumsum(weight)
    values = np.zeros(len(matches.thresholds))
    for row, hit in enumerate(matches.hits):
        # Between two hits precision only falls, so the hits alone make the envelope.
        at = np.flatnonzero(hit)
        if at.size == 0:
            continue
        found = np.cumsum(weight[at])
        precision = found / np.maximum(shown[at], np.spacing(1))
        envelope = np.maximum.accumulate(precision[::-1])[::-1]
        reached = np.searchsorted(found / total, _RECALL_POINTS, side="left")
        values[row] = np.append(envelope, 0.0)[reached].mean()
    return values


def mean_average_precision(
    images: Sequence[ImageDetections], *, thresholds: Sequence[float] = COCO_THRESHOLDS
) -> AveragePrecision:
    """Return average precision at each overlap: `.at(0.5)` is mAP50, `.mean` mAP50-95.

    Args:
        images: All images to be judged, healthy ones included if their false boxes shall count.
        thresholds: Overlaps.

    Raises:
        DataError: If no image has a reference box.

    Example:
        >>> box = np.array([[0.0, 0, 10, 10]])
        >>> shifted = ImageDetections("a", "1", box + [0, 2, 0, 2], np.array([0.8]), box)
        >>> result = mean_average_precision([shifted])
        >>> result.at(0.5), round(result.mean, 3)
        (1.0, 0.4)
    """
    values = average_precision(match_images(images, thresholds=thresholds))
    return AveragePrecision(tuple(thresholds), tuple(values.tolist()))


def froc(
    images: Sequence[ImageDetections], *, iou: float = 0.5, criterion: Criterion = "iou"
) -> FrocCurve:
    """Return sensitivity for fractures against false positives an image, over all images.

    Args:
        images: All images, healthy ones too.
        iou: Least overlap of a match.
        criterion: `iou`, or `center`: the center of the prediction lies in the reference box.

    Raises:
        DataError: If no image has a reference box.

    References:
        Bunch et al., Proc. SPIE 127:124-135, 1977; Chakraborty, Medical Physics 16:561-568, 1989.

    Example:
        >>> box = np.array([[0.0, 0, 10, 10]])
        >>> found = ImageDetections("a", "1", box, np.array([0.8]), box)
        >>> healthy = ImageDetections("b", "1", box, np.array([0.9]), np.empty((0, 4)))
        >>> curve = froc([found, healthy])
        >>> curve.false_positives, curve.sensitivity
        (array([0.5, 0.5]), array([0., 1.]))
    """
    return froc_of_matches(match_images(images, thresholds=(iou,), criterion=criterion))


def froc_of_matches(matches: Matches, *, weights: npt.ArrayLike | None = None) -> FrocCurve:
    """Return the FROC curve of boxes matched at one overlap.

    Args:
        matches: From `match_images`, with one threshold.
        weights: How often each image counts, shape `(images,)`.

    Returns:
        The curve; its sensitivity is NaN if the weights leave no reference box.

    Raises:
        DataError: If there is more than one threshold, no image has a reference box, or the
            weights are not valid.
    """
    if len(matches.thresholds) != 1:
        raise DataError(
            "a FROC curve belongs to one overlap",
            got=f"{len(matches.thresholds)}",
            cure="take matches.at(0.5)",
        )
    counts, total = _image_weights(matches, weights)
    weight = counts[matches.image]
    scores = matches.scores
    # Boxes of one score are shown together or not at all.
    ends = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)[: scores.size])
    found = np.cumsum(weight * matches.hits[0])[ends]
    false = np.cumsum(weight)[ends] - found
    sensitivity = found / total if total else np.full(ends.size, np.nan)
    return FrocCurve(scores[ends], false / max(counts.sum(), np.spacing(1)), sensitivity)


def sensitivity_at_false_positives(
    curve: FrocCurve, levels: Sequence[float] = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
) -> FloatArray:
    """Return the best sensitivity that keeps false positives an image at or below each level.

    No interpolation: every value belongs to a threshold one can set.

    Args:
        curve: From `froc`.
        levels: False positives an image; the default is that of LUNA16.

    Returns:
        Sensitivities, shape `(levels,)`; 0 where no threshold keeps the level, NaN where the
        curve is not defined.

    References:
        Setio et al., Medical Image Analysis 42:1-13, 2017 (the levels).

    Example:
        >>> curve = FrocCurve(np.array([0.9, 0.5, 0.1]), np.array([0.0, 0.5, 3.0]),
        ...                   np.array([0.4, 0.7, 0.9]))
        >>> sensitivity_at_false_positives(curve, [0.125, 1.0, 4.0])
        array([0.4, 0.7, 0.9])
    """
    reached = np.searchsorted(curve.false_positives, np.asarray(levels), side="right")
    if np.isnan(curve.sensitivity).any():
        return np.full(len(levels), np.nan)
    return np.asarray(np.append(0.0, curve.sensitivity)[reached])


def froc_area(curve: FrocCurve, *, up_to: float = 1.0) -> float:
    """Return the mean sensitivity between 0 and a number of false positives an image.

    The area below the curve, as a staircase, divided by its width; in [0, 1].

    Raises:
        DataError: If `up_to` is not positive.

    Example:
        >>> curve = FrocCurve(np.array([0.9, 0.5]), np.array([0.0, 0.5]), np.array([0.4, 0.8]))
        >>> round(froc_area(curve, up_to=1.0), 3)
        0.6
    """
    if not up_to > 0:
        raise DataError("the area of a FROC curve needs a positive width", got=str(up_to))
    edges = np.concatenate([[0.0], np.minimum(curve.false_positives, up_to), [up_to]])
    return float((np.diff(edges) * np.append(0.0, curve.sensitivity)).sum() / up_to)


def _closeness(predicted: FloatArray, reference: FloatArray, criterion: Criterion) -> FloatArray:
    """Return how well each prediction fits each reference, shape `(n, m)`; higher is better."""
    if criterion == "center":
        center = (predicted[:, None, :2] + predicted[:, None, 2:]) / 2  # (n, 1, 2)
        low, high = reference[None, :, :2], reference[None, :, 2:]  # (1, m, 2)
        inside = ((center >= low) & (center < high)).all(axis=2)
        distance = np.linalg.norm(center - (low + high) / 2, axis=2)
        # Above 0 inside only, and the nearer the center the higher.
        return np.where(inside, 1 / (1 + distance), 0.0)
    if criterion != "iou":
        raise DataError("a match is by 'iou' or 'center'", got=repr(criterion))
    top_left = np.maximum(predicted[:, None, :2], reference[None, :, :2])
    bottom_right = np.minimum(predicted[:, None, 2:], reference[None, :, 2:])
    shared = np.clip(bottom_right - top_left, 0, None).prod(axis=2)
    area = (predicted[:, 2:] - predicted[:, :2]).prod(axis=1)[:, None]
    other = (reference[:, 2:] - reference[:, :2]).prod(axis=1)[None, :]
    return np.asarray(shared / (area + other - shared))


def _least(threshold: float, criterion: Criterion) -> float:
    # COCO asks for a hair less than 1, so that rounding does not undo a perfect overlap.
    return min(threshold, 1 - 1e-10) if criterion == "iou" else float(np.finfo(np.float64).tiny)


def _assign(closeness: FloatArray, least: float) -> npt.NDArray[np.intp]:
    """Return the reference of each prediction, in the order given; -1 if it has none."""
    assigned = np.full(closeness.shape[0], -1, dtype=np.intp)
    if closeness.shape[1] == 0:
        return assigned
    is_free = np.ones(closeness.shape[1], dtype=np.bool_)
    for row in np.flatnonzero(closeness.max(axis=1) >= least):
        fit = np.where(is_free, closeness[row], -1.0)
        best = fit.size - 1 - int(fit[::-1].argmax())  # of equal overlaps COCO takes the last
        if fit[best] >= least:
            assigned[row] = best
            is_free[best] = False
    return assigned


def _image_weights(matches: Matches, weights: npt.ArrayLike | None) -> tuple[FloatArray, float]:
    """Return how often each image counts, and how many reference boxes that makes."""
    if not matches.references.any():
        raise DataError(
            "no image has a reference box",
            got=f"{matches.references.size} images without",
            cure="give images whose fractures are marked",
        )
    if weights is None:
        counts = np.ones(matches.references.size)
    else:
        counts = np.asarray(weights, dtype=np.float64)
    if counts.shape != matches.references.shape or not (counts >= 0).all():
        raise DataError(
            "weights need one number of at least 0 an image",
            got=f"shape {counts.shape} for {matches.references.size} images",
        )
    return counts, float(counts @ matches.references)


def _check_boxes(kind: str, boxes: FloatArray) -> None:
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise DataError(f"{kind} boxes need shape (n, 4)", got=f"{boxes.shape}")
    wrong = ~(np.isfinite(boxes).all(axis=1) & (boxes[:, :2] < boxes[:, 2:]).all(axis=1))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"a {kind} box is empty or no number",
            got=f"{boxes[row].tolist()} at position {row + 1}",
            cure="give (row_min, column_min, row_max, column_max), minimum below maximum",
        )


def _check_thresholds(thresholds: Sequence[float]) -> None:
    if not thresholds or not all(0 < threshold <= 1 for threshold in thresholds):
        raise DataError("an overlap must lie in (0, 1]", got=str(tuple(thresholds)))


def _position(thresholds: Sequence[float], wanted: float) -> int:
    for row, threshold in enumerate(thresholds):
        if math.isclose(threshold, wanted):
            return row
    raise DataError(
        "boxes were not matched at this overlap",
        got=str(wanted),
        cure=f"matched at {', '.join(f'{threshold:g}' for threshold in thresholds)}",
    )
