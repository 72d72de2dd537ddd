"""Boxes and DICOM's coordinates."""

import numpy as np
import pytest

from fracturax.core.errors import GeometryError
from fracturax.core.geometry import Box, Geometry
from fracturax.reporting.dicom.geometry import corners, patient_points, pixel_range


def test_a_box_over_the_border_is_cut_and_one_outside_refused() -> None:
    points = corners(Box(-5, 280.5, 50, 320), rows=400, columns=300)
    assert points.min(axis=0).tolist() == [280.5, 0.0]
    assert points.max(axis=0).tolist() == [300.0, 50.0]
    with pytest.raises(GeometryError, match="outside its image"):
        corners(Box(400, 0, 410, 10), rows=400, columns=300)


@pytest.mark.parametrize("low", [0.0, 0.3, 0.5, 0.7, 3.49])
@pytest.mark.parametrize("size", [0.1, 0.5, 1.0, 1.5, 7.2])
def test_whole_pixels_stay_within_half_a_pixel_of_their_box(low: float, size: float) -> None:
    rows, columns = pixel_range(Box(low, low, low + size, low + size), rows=20, columns=20)
    assert rows == columns and rows.stop > rows.start
    if size >= 1:
        assert abs(rows.start - low) <= 0.5 and abs(rows.stop - low - size) <= 0.5
    else:  # a box below a pixel is one pixel that it touches
        assert rows.start < low + size and low < rows.stop


def test_the_corner_of_a_pixel_lies_half_a_pixel_before_its_centre() -> None:
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0, 0, 0.8], [0, 0.5, 0], [-3.0, 0, 0]])
    affine[:3, 3] = (10, 20, 30)
    points = patient_points(
        Geometry.from_affine(affine), np.array([[0.0, 0.0], [0.5, 0.5], [2.5, 1.5]]), plane=2
    )
    expected = [[9.6, 19.75, 24.0], [10.0, 20.0, 24.0], [11.6, 20.5, 24.0]]
    assert points == pytest.approx(np.array(expected))


def test_a_volume_without_a_place_has_no_points_in_the_patient() -> None:
    with pytest.raises(GeometryError, match="not known"):
        patient_points(Geometry((3.0, 0.5, 0.5), "patient"), np.zeros((1, 2)), plane=0)
