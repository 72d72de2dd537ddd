import math

import numpy as np
import pytest

from fracturax.core.errors import GeometryError
from fracturax.core.geometry import Box, Geometry


def test_half_overlapping_squares_share_a_third() -> None:
    assert Box(0, 0, 10, 10).iou(Box(0, 5, 10, 15)) == pytest.approx(1 / 3)


def test_boxes_that_touch_share_nothing() -> None:
    assert Box(0, 0, 10, 10).iou(Box(10, 0, 20, 10)) == 0.0


def test_boxes_apart_in_both_directions_share_nothing() -> None:
    # The product of two negative sides would be positive.
    assert Box(0, 0, 10, 10).iou(Box(20, 20, 30, 30)) == 0.0


@pytest.mark.parametrize(
    "sides",
    [(0, 0, 0, 5), (0, 0, 5, 0), (5, 0, 4, 5), (0, 0, math.nan, 5), (0, -math.inf, 5, 5)],
)
def test_a_box_without_an_area_does_not_exist(sides: tuple[float, ...]) -> None:
    with pytest.raises(GeometryError):
        Box(*sides)


def test_clipping_keeps_what_lies_inside_the_image() -> None:
    assert Box(-5, 90, 20, 130).clipped(rows=50, columns=100) == Box(0, 90, 20, 100)
    assert Box(-5, 0, 0, 10).clipped(rows=50, columns=100) is None
    assert Box(0, 100, 10, 110).clipped(rows=50, columns=100) is None


@pytest.mark.parametrize("spacing", [(0.1, 0.0), (-0.1, 0.1), (math.nan, 0.1), (0.1, math.inf)])
def test_a_spacing_is_a_positive_number(spacing: tuple[float, float]) -> None:
    with pytest.raises(GeometryError, match="positive millimetres"):
        Geometry(spacing)


@pytest.mark.parametrize(
    "affine", [np.diag([1.0, 1.0, 0.0, 1.0]), np.eye(3), np.full((4, 4), math.nan)]
)
def test_an_affine_that_flattens_space_is_refused(affine: np.ndarray) -> None:
    with pytest.raises(GeometryError, match="impossible"):
        Geometry(affine=tuple(tuple(row) for row in affine.tolist()))


def test_a_rotated_volume_keeps_its_spacing() -> None:
    angle = math.radians(30)
    turn = np.array(
        [
            [1, 0, 0],
            [0, math.cos(angle), -math.sin(angle)],
            [0, math.sin(angle), math.cos(angle)],
        ]
    )
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([3.0, 0.5, 0.8])
    affine[:3, 3] = (-100.0, 20.0, 7.0)
    geometry = Geometry.from_affine(affine)
    assert geometry.spacing_mm == pytest.approx((3.0, 0.5, 0.8))
    assert geometry.spacing_meaning == "patient"
    assert np.allclose(geometry.affine, affine)
