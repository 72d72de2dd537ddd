"""Boxes that a model saw in an image beside those that are there, and how well they fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.core.geometry import Box

FloatArray = npt.NDArray[np.float64]
Criterion = Literal["iou", "center"]


class Detections(Protocol):
    """What was seen in one image beside what is there: boxes, or masks."""

    @property
    def scores(self) -> FloatArray:
        """Score of each detection, shape `(n,)`."""

    @property
    def reference_count(self) -> int | None:
        """How many fractures are there; None where nobody marked them."""

    def closeness(self, criterion: Criterion) -> FloatArray:
        """Return how well each detection fits each reference, shape `(n, m)`.

        By `iou` their intersection over union; by `center` above 0 where the center of the
        detection lies in the reference, and the higher the nearer their centers.
        """


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

    @property
    def reference_count(self) -> int | None:
        """How many boxes are there; None where nobody marked them."""
        return None if self.reference is None else self.reference.shape[0]

    def closeness(self, criterion: Criterion) -> FloatArray:
        """Return how well each box fits each reference box, as `Detections` says.

        Raises:
            DataError: If nobody marked the image, or there is no such criterion.
        """
        if self.reference is None:
            raise DataError("nobody marked the fractures of an image", got="unknown boxes")
        return _closeness(self.predicted, self.reference, criterion)


def boxes_as_array(boxes: Sequence[Box]) -> FloatArray:
    """Return boxes as an array of shape `(n, 4)`, also for none of them.

    Example:
        >>> boxes_as_array([Box(0, 1, 2, 3)])
        array([[0., 1., 2., 3.]])
    """
    return np.array([box.as_tuple() for box in boxes], dtype=np.float64).reshape(-1, 4)


def _closeness(predicted: FloatArray, reference: FloatArray, criterion: Criterion) -> FloatArray:
    if criterion == "center":
        center = (predicted[:, None, :2] + predicted[:, None, 2:]) / 2  # (n, 1, 2)
        low, high = reference[None, :, :2], reference[None, :, 2:]  # (1, m, 2)
        inside = np.asarray(((center >= low) & (center < high)).all(axis=2))
        return nearness(np.linalg.norm(center - (low + high) / 2, axis=2), inside)
    check_criterion(criterion)
    top_left = np.maximum(predicted[:, None, :2], reference[None, :, :2])
    bottom_right = np.minimum(predicted[:, None, 2:], reference[None, :, 2:])
    shared = np.clip(bottom_right - top_left, 0, None).prod(axis=2)
    area = (predicted[:, 2:] - predicted[:, :2]).prod(axis=1)[:, None]
    other = (reference[:, 2:] - reference[:, :2]).prod(axis=1)[None, :]
    return np.asarray(shared / (area + other - shared))


def nearness(distance: FloatArray, inside: npt.NDArray[np.bool_]) -> FloatArray:
    """Return above 0 inside only, and the nearer the centers the higher."""
    return np.where(inside, 1 / (1 + distance), 0.0)


def check_criterion(criterion: Criterion) -> None:
    """Raise DataError if there is no such criterion of a match."""
    if criterion not in ("iou", "center"):
        raise DataError("a match is by 'iou' or 'center'", got=repr(criterion))


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
