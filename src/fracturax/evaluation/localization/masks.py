"""Masks that a model saw in an image or a scan beside those that are there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.evaluation.localization.detections import (
    Criterion,
    FloatArray,
    check_criterion,
    nearness,
)


@dataclass(frozen=True, eq=False)
class MaskDetections:
    """How well the masks a model saw in one image fit those that are there.

    The masks themselves are not kept, so that a thousand scans need no memory. Made by
    `from_labels` where masks exclude each other, by `from_stacks` where they may overlap.

    Args:
        case: Name of the case.
        image: Name of the image or scan within the case.
        scores: Score of each predicted mask, shape `(n,)`; ranks them, in any range.
        iou: Intersection over union of each predicted with each reference mask, shape `(n, m)`.
        center: Above 0 where the center of mass of the prediction, rounded to a pixel, lies in
            the reference mask, and the higher the nearer their centers; shape `(n, m)`.

    Raises:
        DataError: If the shapes do not agree or a number is not finite.
    """

    case: str
    image: str
    scores: FloatArray
    iou: FloatArray
    center: FloatArray

    def __post_init__(self) -> None:
        shapes_fit = self.scores.ndim == 1 and self.iou.ndim == 2
        if not shapes_fit or not self.scores.size == self.iou.shape[0] == self.center.shape[0]:
            raise DataError(
                "every predicted mask needs one score",
                got=f"scores of shape {self.scores.shape} for masks of shape {self.iou.shape}",
            )
        if self.center.shape != self.iou.shape:
            raise DataError("overlaps and centers need one shape", got=f"{self.center.shape}")
        for values in (self.scores, self.iou, self.center):
            if not np.isfinite(values).all():
                raise DataError("a score or overlap of a mask is no finite number")

    @property
    def reference_count(self) -> int:
        """How many masks are there."""
        return int(self.iou.shape[1])

    def closeness(self, criterion: Criterion) -> FloatArray:
        """Return how well each mask fits each reference mask, as `Detections` says.

        Raises:
            DataError: If there is no such criterion.
        """
        check_criterion(criterion)
        return self.iou if criterion == "iou" else self.center

    @classmethod
    def from_labels(
        cls,
        case: str,
        image: str,
        predicted: npt.NDArray[np.integer],
        scores: npt.ArrayLike,
        reference: npt.NDArray[np.integer],
    ) -> MaskDetections:
        """Compare two label maps, in which 0 is background and each other value one mask.

        Args:
            case: Name of the case.
            image: Name of the image or scan.
            predicted: Labels 1 to n, shape `(rows, columns)` or `(slices, rows, columns)`.
            scores: Score of label 1, 2, ..., n, shape `(n,)`.
            reference: Labels of what is there, positive in any numbering, of the same shape.

        Raises:
            DataError: If shapes differ, a label is negative or no integer, or the predicted
                labels are not 1 to n.

        Example:
            >>> there = np.array([[1, 1, 0, 0, 2, 2]])
            >>> seen = np.array([[1, 1, 1, 0, 0, 0]])
            >>> MaskDetections.from_labels("a", "1", seen, [0.9], there).iou.round(3)
            array([[0.667, 0.   ]])
        """
        for name, labels in (("predicted", predicted), ("reference", reference)):
            if not np.issubdtype(labels.dtype, np.integer) or (labels < 0).any():
                raise DataError(
                    f"{name} labels must be integers of at least 0", got=f"{labels.dtype}"
                )
        _check_shapes(predicted.shape, reference.shape)
        ranks = np.asarray(scores, dtype=np.float64)
        present = np.unique(predicted[predicted > 0])
        if not np.array_equal(present, np.arange(1, ranks.size + 1)):
            raise DataError(
                "predicted labels must be 1 to n, one a score",
                got=f"{present.size} labels for {ranks.size} scores",
                cure="number the masks without gaps, and leave out the score of an empty one",
            )
        places = np.flatnonzero((predicted > 0) | (reference > 0))
        seen = predicted.ravel()[places].astype(np.intp)
        there_values, there = np.unique(reference.ravel()[places], return_inverse=True)
        if there_values.size == 0 or there_values[0] != 0:
            there, there_values = there + 1, np.append(0, there_values)
        n, m = ranks.size, there_values.size - 1
        table = np.bincount(seen * (m + 1) + there, minlength=(n + 1) * (m + 1))
        shared = table.reshape(n + 1, m + 1)
        spots = np.stack(np.unravel_index(places, predicted.shape), axis=1).astype(np.float64)
        center_seen = _centers(spots, seen, n)
        # The label that is there at the rounded center of each prediction; a center may lie where
        # neither map has a label.
        at = reference[tuple(np.rint(center_seen).astype(np.intp).T)]
        return cls(
            case,
            image,
            ranks,
            _iou(
                shared[1:, 1:],
                np.asarray(shared[1:].sum(axis=1)),
                np.asarray(shared[:, 1:].sum(axis=0)),
            ),
            _center_closeness(
                center_seen, _centers(spots, there, m), at[:, None] == there_values[None, 1:]
            ),
        )

    @classmethod
    def from_stacks(
        cls,
        case: str,
        image: str,
        predicted: npt.NDArray[np.bool_],
        scores: npt.ArrayLike,
        reference: npt.NDArray[np.bool_],
    ) -> MaskDetections:
        """Compare two stacks of masks, which may overlap within a stack.

        Args:
            case: Name of the case.
            image: Name of the image or scan.
            predicted: One mask a layer, shape `(n, rows, columns)` or
                `(n, slices, rows, columns)`.
            scores: Their scores, shape `(n,)`.
            reference: Masks that are there, shape `(m, ...)`.

        Raises:
            DataError: If shapes differ, a stack is not of bool, or a mask is empty.

        Example:
            >>> seen = np.array([[[True, True, False]], [[True, False, False]]])
            >>> MaskDetections.from_stacks("a", "1", seen, [0.9, 0.2], seen[:1]).iou
            array([[1. ],
                   [0.5]])
        """
        for name, stack in (("predicted", predicted), ("reference", reference)):
            if stack.dtype != np.bool_ or stack.ndim < 2:
                raise DataError(f"{name} masks must be a stack of bool", got=f"{stack.dtype}")
            empty = ~stack.reshape(stack.shape[0], -1).any(axis=1) if stack.size else np.array([])
            if empty.any():
                raise DataError(
                    f"a {name} mask is empty",
                    got=f"at position {int(np.argmax(empty)) + 1}",
                    cure="leave it out",
                )
        _check_shapes(predicted.shape[1:], reference.shape[1:])
        flat = predicted.reshape(predicted.shape[0], int(np.prod(predicted.shape[1:])))
        other = reference.reshape(reference.shape[0], flat.shape[1])
        shared = np.array([[(one & two).sum() for two in other] for one in flat])
        centers = [_stack_centers(stack) for stack in (predicted, reference)]
        spots = np.rint(centers[0]).astype(np.intp)
        inside = np.array(
            [[bool(mask[tuple(spot)]) for mask in reference] for spot in spots], dtype=np.bool_
        ).reshape(flat.shape[0], other.shape[0])
        return cls(
            case,
            image,
            np.asarray(scores, dtype=np.float64),
            _iou(
                shared.reshape(flat.shape[0], other.shape[0]), flat.sum(axis=1), other.sum(axis=1)
            ),
            _center_closeness(centers[0], centers[1], inside),
        )


def _check_shapes(predicted: tuple[int, ...], reference: tuple[int, ...]) -> None:
    if predicted != reference or len(predicted) not in (2, 3):
        raise DataError(
            "predicted and reference masks need one shape, of two or three axes",
            got=f"{predicted} and {reference}",
        )


def _iou(
    shared: npt.NDArray[np.integer], area: npt.NDArray[np.integer], other: npt.NDArray[np.integer]
) -> FloatArray:
    union = area[:, None] + other[None, :] - shared
    return np.asarray(shared / np.maximum(union, 1), dtype=np.float64)


def _centers(spots: FloatArray, label: npt.NDArray[np.intp], count: int) -> FloatArray:
    """Return the center of mass of labels 1 to `count`, shape `(count, axes)`."""
    sizes = np.bincount(label, minlength=count + 1)
    sums = [np.bincount(label, weights=axis, minlength=count + 1) for axis in spots.T]
    return np.asarray((np.stack(sums, axis=1) / np.maximum(sizes, 1)[:, None])[1:])


def _stack_centers(stack: npt.NDArray[np.bool_]) -> FloatArray:
    centers = [np.argwhere(mask).mean(axis=0) for mask in stack]
    return np.array(centers).reshape(stack.shape[0], stack.ndim - 1)


def _center_closeness(
    predicted: FloatArray, reference: FloatArray, inside: npt.NDArray[np.bool_]
) -> FloatArray:
    distance = np.linalg.norm(predicted[:, None, :] - reference[None, :, :], axis=2)
    return nearness(distance, inside)
