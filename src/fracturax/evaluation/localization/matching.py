"""Which detection found which fracture: matched once, counted as often as a bootstrap asks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.evaluation.localization.detections import (
    Criterion,
    Detections,
    FloatArray,
    ImageDetections,
)

COCO_THRESHOLDS: tuple[float, ...] = tuple(np.linspace(0.5, 0.95, 10).tolist())
"""Overlaps of mAP50-95: 0.50, 0.55, ..., 0.95, as COCOeval makes them."""


Repeats = Literal["false", "ignored"]

_NONE, _REPEAT = -1, -2


@dataclass(frozen=True, eq=False)
class Matches:
    """All detections of a set of images, best first, with the fracture that each found.

    Args:
        thresholds: Overlaps at which detections were matched.
        scores: Score of each detection, descending, shape `(d,)`.
        image: Index of the image of each detection, shape `(d,)`.
        found: Index of the fracture in its image that a detection found and no better one did;
            -1 for a false positive, -2 for what counts neither way; shape `(thresholds, d)`.
        references: How many fractures each image has, shape `(images,)`.
    """

    thresholds: tuple[float, ...]
    scores: FloatArray
    image: npt.NDArray[np.intp]
    found: npt.NDArray[np.int32]
    references: npt.NDArray[np.int64]

    @cached_property
    def hits(self) -> npt.NDArray[np.bool_]:
        """Whether a detection found a fracture not found by a better one."""
        return np.asarray(self.found >= 0)

    @cached_property
    def counted(self) -> npt.NDArray[np.bool_]:
        """Whether a detection counts, as a hit or as a false positive."""
        return np.asarray(self.found != _REPEAT)

    @property
    def is_abnormal(self) -> npt.NDArray[np.bool_]:
        """Whether an image has a fracture, shape `(images,)`."""
        return self.references > 0

    def at(self, threshold: float) -> Matches:
        """Return the matches at one of the thresholds.

        Raises:
            DataError: If boxes were not matched at that threshold.
        """
        row = threshold_position(self.thresholds, threshold)
        return replace(self, thresholds=(threshold,), found=self.found[row : row + 1])

    @property
    def only(self) -> Matches:
        """These matches, which are at one overlap.

        Raises:
            DataError: If they are at several.
        """
        if len(self.thresholds) != 1:
            raise DataError(
                "a free-response curve belongs to one overlap",
                got=f"{len(self.thresholds)}",
                cure="take matches.at(0.5)",
            )
        return self


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
    closeness = image.closeness(criterion)[order]
    assigned = np.full(scores.size, -1, dtype=np.intp)
    assigned[order] = _assign(closeness, _least(iou, criterion))
    return assigned


def match_images(
    images: Sequence[Detections],
    *,
    thresholds: Sequence[float] = COCO_THRESHOLDS,
    criterion: Criterion = "iou",
    repeats: Repeats = "false",
) -> Matches:
    """Match the detections of all images once, at each overlap.

    Args:
        images: Boxes or masks of images in any order, all marked. Ties between scores keep this
            order, as COCO's do.
        thresholds: Overlaps; with the criterion `center` they only name the result.
        criterion: As in `match`.
        repeats: What becomes of a second detection of one fracture. `false` is COCO's rule: it
            takes the next best free fracture, or else is a false positive. `ignored` is the rule
            of free-response studies and of RibFrac: each detection belongs to the fracture it
            fits best, and only the best scored one of a fracture counts.

    Raises:
        DataError: If there is no image, an overlap is not in (0, 1], or nobody marked an image.

    References:
        Lin et al., Microsoft COCO, ECCV 2014; Chakraborty, Observer Performance Methods for
        Diagnostic Imaging, 2017, section 12.4.

    Example:
        >>> box = np.array([[0.0, 0, 10, 10]])
        >>> twice = ImageDetections("a", "1", np.vstack([box, box]), np.array([0.9, 0.8]), box)
        >>> match_images([twice], thresholds=[0.5]).found
        array([[ 0, -1]], dtype=int32)
        >>> match_images([twice], thresholds=[0.5], repeats="ignored").found
        array([[ 0, -2]], dtype=int32)
    """
    _check_thresholds(thresholds)
    if not images:
        raise DataError("there is no image to match boxes in", got="none")
    if repeats not in ("false", "ignored"):
        raise DataError("repeats are 'false' or 'ignored'", got=repr(repeats))
    assign = _assign if repeats == "false" else _assign_best
    counts, scores, found = [], [], []
    for image in images:
        count = image.reference_count
        if count is None:
            raise DataError(
                "nobody marked the fractures of an image",
                got="an image with unknown boxes",
                cure="leave such images out of the localization",
            )
        order = np.argsort(-image.scores, kind="stable")
        scores.append(image.scores[order])
        counts.append(count)
        one = np.full((len(thresholds), order.size), _NONE, dtype=np.int32)
        if order.size and count:
            closeness = image.closeness(criterion)[order]
            for row, threshold in enumerate(thresholds):
                one[row] = assign(closeness, _least(threshold, criterion))
        found.append(one)
    merged = np.concatenate(scores)
    best_first = np.argsort(-merged, kind="stable")
    index = np.repeat(np.arange(len(images)), [score.size for score in scores])
    return Matches(
        thresholds=tuple(thresholds),
        scores=merged[best_first],
        image=index[best_first],
        found=np.concatenate(found, axis=1)[:, best_first],
        references=np.array(counts, dtype=np.int64),
    )


def image_counts(matches: Matches, weights: npt.ArrayLike | None) -> tuple[FloatArray, float]:
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


def _assign_best(closeness: FloatArray, least: float) -> npt.NDArray[np.intp]:
    """Return the reference that each prediction fits best, of each the first; -2 for repeats."""
    best = closeness.argmax(axis=1)
    best[closeness.max(axis=1) < least] = _NONE
    hits = np.flatnonzero(best >= 0)
    first = hits[np.unique(best[hits], return_index=True)[1]]
    assigned = np.full(best.size, _NONE, dtype=np.intp)
    assigned[hits] = _REPEAT
    assigned[first] = best[first]
    return assigned


def _check_thresholds(thresholds: Sequence[float]) -> None:
    if not thresholds or not all(0 < threshold <= 1 for threshold in thresholds):
        raise DataError("an overlap must lie in (0, 1]", got=str(tuple(thresholds)))


def threshold_position(thresholds: Sequence[float], wanted: float) -> int:
    """Return where an overlap stands among those matched at, or raise DataError."""
    for row, threshold in enumerate(thresholds):
        if math.isclose(threshold, wanted):
            return row
    raise DataError(
        "boxes were not matched at this overlap",
        got=str(wanted),
        cure=f"matched at {', '.join(f'{threshold:g}' for threshold in thresholds)}",
    )
