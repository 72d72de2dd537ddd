"""Candidate boxes of the detection head, joined into a few; NumPy only."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.float64]
"""`(row_min, column_min, row_max, column_max)`, shape `(n, 4)`."""

_MOST_CANDIDATES = 400
_SHORTEST_SIDE = 0.5


def join_boxes(
    boxes: Boxes,
    scores: npt.NDArray[np.float64],
    *,
    iou: float = 0.4,
    at_least: float = 0.01,
    at_most: int = 20,
) -> tuple[Boxes, npt.NDArray[np.float64]]:
    """Join overlapping candidates, best first; a joined box is the score-weighted mean.

    Averaging the overlapping candidates places a box better than keeping one of them
    (Solovyev et al., "Weighted boxes fusion", 2021).

    Args:
        boxes: Candidates, shape `(n, 4)`.
        scores: Their scores in [0, 1], shape `(n,)`.
        iou: Candidates that overlap the best one by this much join it.
        at_least: Candidates below this score are left out.
        at_most: How many boxes to return.

    Returns:
        Joined boxes, best first, and the score of the best candidate of each.

    Example:
        >>> candidates = np.array([[0, 0, 10, 10], [0, 0, 10, 12], [50, 50, 60, 60.0]])
        >>> joined, scores = join_boxes(candidates, np.array([0.6, 0.2, 0.5]))
        >>> joined.round(2).tolist(), scores.tolist()
        ([[0.0, 0.0, 10.0, 10.5], [50.0, 50.0, 60.0, 60.0]], [0.6, 0.5])
    """
    order = np.argsort(-scores, kind="stable")[:_MOST_CANDIDATES]
    # A side near zero is what an untrained cell says; it is no box.
    is_box = (boxes[order, 2:] - boxes[order, :2]).min(axis=1) > _SHORTEST_SIDE
    order = order[is_box & (scores[order] >= at_least)]
    boxes, scores = boxes[order], scores[order]
    is_free = np.ones(len(boxes), bool)
    joined, best = [], []
    for index in range(len(boxes)):
        if not is_free[index]:
            continue
        alike = is_free & (overlap(boxes[index], boxes) >= iou)
        alike[index] = True
        weights = scores[alike]
        joined.append((boxes[alike] * weights[:, None]).sum(axis=0) / weights.sum())
        best.append(scores[index])
        is_free &= ~alike
        if len(joined) == at_most:
            break
    return np.array(joined, np.float64).reshape(-1, 4), np.array(best, np.float64)


def distinct_boxes(boxes: Boxes, *, at_most: float = 0.5) -> list[int]:
    """Choose the boxes a reader should see: none that mostly covers, or lies in, a better one.

    Args:
        boxes: Best first, shape `(n, 4)`.
        at_most: Largest shared area, as a share of the smaller of two boxes.

    Returns:
        Indices of the boxes chosen, best first.

    Example:
        >>> distinct_boxes(np.array([[0, 0, 10, 10], [2, 2, 8, 8], [0, 8, 10, 20.0]]))
        [0, 2]
    """
    chosen: list[int] = []
    for index in range(len(boxes)):
        kept = boxes[chosen]
        shared = _shared(boxes[index], kept)
        smaller = np.minimum(_areas(boxes[index : index + 1]), _areas(kept))
        if not (shared > at_most * smaller).any():
            chosen.append(index)
    return chosen


def overlap(one: npt.NDArray[np.float64], others: Boxes) -> npt.NDArray[np.float64]:
    """Return the intersection over union of one box with each of others, shape `(n,)`."""
    shared = _shared(one, others)
    union = _areas(one[None]) + _areas(others) - shared
    ratio: npt.NDArray[np.float64] = shared / np.maximum(union, 1e-12)
    return ratio


def _shared(one: npt.NDArray[np.float64], others: Boxes) -> npt.NDArray[np.float64]:
    low = np.maximum(one[:2], others[:, :2])
    high = np.minimum(one[2:], others[:, 2:])
    area: npt.NDArray[np.float64] = np.clip(high - low, 0, None).prod(axis=1)
    return area


def _areas(boxes: Boxes) -> npt.NDArray[np.float64]:
    areas: npt.NDArray[np.float64] = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    return areas
