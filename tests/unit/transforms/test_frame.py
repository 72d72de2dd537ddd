import numpy as np
import pytest

from fracturax.core.case import Polygon, Reference
from fracturax.core.geometry import Box
from fracturax.transforms.frame import Frame
from fracturax.transforms.plan import PreprocessingPlan

LYING = np.random.default_rng(0).random((40, 60)).astype(np.float32)
PORTRAIT = PreprocessingPlan(64, 64, frame="portrait")


@pytest.mark.parametrize(
    ("shape", "is_turned"), [((40, 60), True), ((60, 40), False), ((5, 5), False)]
)
def test_only_a_film_that_is_wider_than_high_is_turned(
    shape: tuple[int, int], is_turned: bool
) -> None:
    assert PORTRAIT.frame_of(np.zeros(shape, np.float32)).is_turned is is_turned
    assert not PreprocessingPlan(64, 64).frame_of(np.zeros(shape, np.float32)).is_turned


@pytest.mark.parametrize("is_turned", [True, False])
def test_a_reference_goes_where_the_pixels_go_and_boxes_come_back(is_turned: bool) -> None:
    frame = Frame(60, is_turned=is_turned)
    box = Box(5, 10, 12, 30)
    marked = np.zeros_like(LYING)
    marked[5:12, 10:30] = 1
    polygon = Polygon(((5.0, 10.0), (5.0, 30.0), (12.0, 30.0), (12.0, 10.0)))
    turned = frame.turn_reference(Reference(True, (box,), (polygon,)))
    assert turned.boxes is not None
    rows, columns = np.nonzero(frame.turn(marked))
    seen = (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
    assert turned.boxes[0].as_tuple() == seen
    points = np.array(turned.polygons[0].points)
    assert (*points.min(axis=0), *points.max(axis=0)) == seen
    back = frame.turn_boxes_back(np.array([seen], np.float64))
    assert tuple(back[0]) == box.as_tuple()


def test_a_map_comes_back_as_it_was() -> None:
    frame = Frame(60, is_turned=True)
    assert frame.turn(LYING).shape == (60, 40)
    assert np.array_equal(frame.turn_back(frame.turn(LYING)), LYING)


def test_what_nobody_marked_stays_unmarked() -> None:
    assert Frame(60, is_turned=True).turn_reference(Reference(True)).boxes is None
