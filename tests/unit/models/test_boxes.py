import numpy as np
import numpy.typing as npt
import pytest

from fracturax.core.geometry import Box
from fracturax.models.boxes import distinct_boxes, join_boxes, overlap

Array = npt.NDArray[np.float64]


def _random_boxes(count: int, seed: int) -> tuple[Array, Array]:
    generator = np.random.default_rng(seed)
    low = generator.uniform(0, 60, (count, 2))
    return np.hstack([low, low + generator.uniform(5, 40, (count, 2))]), generator.random(count)


def _naive_join(boxes: Array, scores: Array, iou: float, at_least: float) -> list[Array]:
    """Join one by one, with the IoU of `core`."""
    rest = [index for index in np.argsort(-scores) if scores[index] >= at_least]
    joined = []
    while rest:
        best = Box(*boxes[rest[0]])
        alike = [index for index in rest if Box(*boxes[index]).iou(best) >= iou]
        weights = scores[alike]
        mean = np.sum([w * boxes[i] for w, i in zip(weights, alike, strict=True)], axis=0)
        joined.append(np.append(mean / weights.sum(), scores[rest[0]]))
        rest = [index for index in rest if index not in alike]
    return joined


@pytest.mark.parametrize("seed", range(5))
def test_joining_is_what_the_definition_says(seed: int) -> None:
    boxes, scores = _random_boxes(120, seed)
    joined, best = join_boxes(boxes, scores, iou=0.4, at_least=0.2, at_most=1000)
    expected = np.array(_naive_join(boxes, scores, 0.4, 0.2))
    assert np.allclose(np.column_stack([joined, best]), expected)


def test_the_best_come_first_and_no_more_than_asked_for() -> None:
    boxes, scores = _random_boxes(200, 7)
    joined, best = join_boxes(boxes, scores, at_most=6)
    assert len(joined) == 6
    assert best.tolist() == sorted(best.tolist(), reverse=True)
    assert best[0] == scores.max()


def test_of_no_candidates_and_of_weak_ones_nothing_is_left() -> None:
    for boxes, scores in ((np.empty((0, 4)), np.empty(0)), _random_boxes(5, 0)):
        joined, best = join_boxes(boxes, scores * 0.001)
        assert (joined.shape, best.shape) == ((0, 4), (0,))


def test_overlap_is_the_iou_of_core() -> None:
    boxes, _ = _random_boxes(60, 3)
    expected = [Box(*boxes[0]).iou(Box(*other)) for other in boxes]
    assert np.allclose(overlap(boxes[0], boxes), expected)


def test_a_box_without_an_area_overlaps_nothing() -> None:
    flat = np.array([[5.0, 5.0, 5.0, 9.0]])
    assert overlap(flat[0], flat).tolist() == [0.0]


def test_no_box_shown_lies_mostly_in_a_better_one() -> None:
    boxes, _ = _random_boxes(60, 4)
    chosen = distinct_boxes(boxes)
    assert chosen[0] == 0

    def nested(one: int, other: int) -> bool:
        first, second = Box(*boxes[one]), Box(*boxes[other])
        shared = first.iou(second) / (1 + first.iou(second)) * (first.area + second.area)
        return shared > 0.5 * min(first.area, second.area)

    for index in range(60):
        better = [other for other in chosen if other < index]
        assert (index in chosen) == (not any(nested(index, other) for other in better))
