"""Another grid: averages of areas, ramps that stay ramps, axes that run where they are told."""

import nibabel
import numpy as np
import pytest

from fracturax.core.errors import ConfigError, GeometryError, ImageError
from fracturax.core.geometry import Box, Geometry
from fracturax.core.image import Radiograph, Volume
from fracturax.transforms.orientation import ToOrientation
from fracturax.transforms.resample import ToSize, ToSpacing


def _scan(affine: np.ndarray) -> Volume:
    pixels = np.random.default_rng(0).random((6, 20, 16), np.float32) * 1000
    return Volume(pixels, geometry=Geometry.from_affine(affine))


def test_shrinking_averages_areas() -> None:
    pixels = np.random.default_rng(0).random((60, 80), np.float32)
    done = ToSize(15, 20).apply(Radiograph(pixels)).image.pixels
    assert np.allclose(done, pixels.reshape(15, 4, 20, 4).mean(axis=(1, 3)), atol=1e-6)


def test_slices_are_averaged_too() -> None:
    pixels = np.random.default_rng(0).random((8, 12, 16), np.float32)
    done = ToSize(6, 8, slices=4).apply(Volume(pixels)).image.pixels
    assert np.allclose(done, pixels.reshape(4, 2, 6, 2, 8, 2).mean(axis=(1, 3, 5)), atol=1e-6)


def test_enlarging_keeps_a_ramp_a_ramp() -> None:
    ramp = np.broadcast_to((np.arange(20) + 0.5) / 20, (10, 20)).astype(np.float32)
    done = ToSize(40, 80).apply(Radiograph(np.ascontiguousarray(ramp))).image.pixels
    expected = (np.arange(80) + 0.5) / 80
    assert np.abs(done[20, 4:-4] - expected[4:-4]).max() < 1e-5


def test_a_spacing_is_reached_as_nearly_as_whole_pixels_allow() -> None:
    film = Radiograph(np.zeros((101, 50), np.float32), geometry=Geometry((0.2, 0.1)))
    done = ToSpacing(0.5).apply(film).image
    assert done.pixels.shape == (40, 10)
    assert done.geometry.spacing_mm == pytest.approx((20.2 / 40, 0.5))


def test_slices_keep_their_distance_unless_one_is_given() -> None:
    scan = _scan(np.diag([3.0, 0.5, 0.5, 1.0]))
    assert ToSpacing(1.0).apply(scan).image.geometry.spacing_mm == pytest.approx((3, 1, 1))
    done = ToSpacing(1.0, slice_spacing_mm=1.0).apply(scan).image
    assert done.pixels.shape == (18, 10, 8)
    assert done.geometry.spacing_mm == pytest.approx((1, 1, 1))


def test_a_film_without_spacing_cannot_be_brought_to_one() -> None:
    with pytest.raises(GeometryError, match="to_size"):
        ToSpacing().apply(Radiograph(np.zeros((9, 9), np.float32)))


def test_padding_is_black_on_both_sides_and_air_in_hounsfield_units() -> None:
    done = ToSize(40, 40).apply(Radiograph(np.ones((20, 10), np.float32)))
    assert (done.image.pixels[:, :10] == 0).all()
    assert (done.image.pixels[:, 10:30] == 1).all()
    assert (done.image.pixels[:, 30:] == 0).all()
    assert done.axis_map.to_new(Box(0, 0, 20, 10)).as_tuple() == (0, 10, 40, 30)
    scan = ToSize(20, 30).apply(Volume(np.full((2, 10, 10), 40, np.int16))).image
    assert (scan.pixels[:, :, :5] == -1000).all()
    assert (scan.pixels[:, :, 5:25] == 40).all()


def test_what_would_be_larger_than_memory_is_refused() -> None:
    film = Radiograph(np.zeros((900, 900), np.float32), geometry=Geometry((1.0, 1.0)))
    with pytest.raises(ImageError, match="too large"):
        ToSpacing(0.001).apply(film)


@pytest.mark.parametrize("wanted", ["SPL", "IAR", "LPS", "RSA"])
def test_axes_run_where_they_are_told(wanted: str) -> None:
    # Sagittal slices from right to left, rows downwards, columns to the back; a little oblique.
    affine = np.array([[3.0, 0, 0.05, -50], [0.1, 0.02, 0.7, 10], [0, -0.6, 0, 90], [0, 0, 0, 1]])
    scan = _scan(affine)
    done = ToOrientation(wanted).apply(scan)
    labels = (("R", "L"), ("A", "P"), ("I", "S"))
    codes = nibabel.aff2axcodes(np.asarray(done.image.geometry.affine), labels)
    assert "".join(codes) == wanted
    assert sorted(done.image.pixels.ravel()) == sorted(scan.pixels.ravel())
    # A voxel keeps its value at its place of the patient.
    there = np.linalg.inv(np.asarray(done.image.geometry.affine)) @ affine
    for index in [(0, 0, 0), (5, 19, 15), (2, 7, 11)]:
        new = tuple(np.rint(there @ [*index, 1])[:3].astype(int))
        assert done.image.pixels[new] == scan.pixels[index]


def test_a_volume_that_does_not_say_how_it_lies_is_refused() -> None:
    with pytest.raises(GeometryError, match="leave it out"):
        ToOrientation().apply(Volume(np.zeros((2, 3, 4), np.float32)))
    for wrong in ("SP", "SPA", "XYZ", "SSL"):
        with pytest.raises(ConfigError, match="one each"):
            ToOrientation(wrong)
