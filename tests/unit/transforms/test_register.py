"""Known warps of drawn films are found; what cannot be registered is said and not hidden."""

import sys

import cv2
import numpy as np
import pytest

from drawn_anatomy import draw_limb
from fracturax.core.errors import ImageError, MissingExtraError
from fracturax.core.geometry import Geometry
from fracturax.core.image import Radiograph, Volume
from fracturax.transforms.register import register
from fracturax.transforms.register_features import fit_rigid
from fracturax.transforms.registration import (
    Registration,
    from_opencv,
    map_points,
    resample,
    to_opencv,
)

# Half as large as drawn: a registration in a second.
LIMB = np.asarray(
    cv2.resize(draw_limb(3), (120, 150), interpolation=cv2.INTER_AREA) / 255, np.float32
)
GRID = np.stack(np.meshgrid(np.linspace(30, 120, 6), np.linspace(30, 90, 5)), -1).reshape(-1, 2)


def _warp(degrees: float, *, stretch: tuple[float, float] = (1, 1), shift: tuple[float, float]):
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix, middle = np.eye(3), np.divide(LIMB.shape, 2)
    matrix[:2, :2] = turn @ np.diag(stretch)
    matrix[:2, 2] = middle + shift - matrix[:2, :2] @ middle
    return matrix


def _moved(matrix: np.ndarray, *, seed: int = 0) -> Radiograph:
    noise = np.random.default_rng(seed).normal(0, 0.01, LIMB.shape)
    moved = 0.9 * resample(LIMB, matrix, LIMB.shape) ** 1.2 + noise
    return Radiograph(np.clip(moved, 0, 1).astype(np.float32))


def _error(found: Registration, matrix: np.ndarray) -> float:
    apart = found.points_to_fixed(GRID) - map_points(matrix, GRID)
    return float(np.linalg.norm(apart, axis=1).mean())


@pytest.mark.parametrize("degrees", [-14, 100])
def test_a_turn_and_shift_are_found_within_a_pixel(degrees: float) -> None:
    matrix = _warp(degrees, shift=(5, -3))
    found = register(Radiograph(LIMB), _moved(matrix), freedom="rigid")
    assert found.is_usable, found.reason
    assert _error(found, matrix) < 1
    assert np.allclose(np.linalg.det(np.array(found.matrix)[:2, :2]), 1)


def test_an_affine_warp_is_found_within_a_pixel_and_the_same_again() -> None:
    matrix = _warp(8, stretch=(1.08, 0.94), shift=(-6, 4))
    found, again = (register(Radiograph(LIMB), _moved(matrix), seed=4) for _ in range(2))
    assert found == again
    assert found.is_usable
    assert _error(found, matrix) < 1
    there = found.points_to_fixed(GRID)
    assert np.allclose(found.points_to_moving(there), GRID)


def test_a_rigid_movement_keeps_millimetres_where_pixels_differ() -> None:
    matrix = _warp(10, shift=(6, 4))
    fixed = cv2.resize(_moved(matrix).pixels, (240, 225), interpolation=cv2.INTER_LINEAR)
    found = register(
        Radiograph(LIMB, geometry=Geometry((0.3, 0.4))),
        # Its pixels are 1.5 and 2 times as many over the same film.
        Radiograph(fixed, geometry=Geometry((0.2, 0.2))),
        freedom="rigid",
    )
    turned = np.diag([0.2, 0.2, 1]) @ np.array(found.matrix) @ np.diag([1 / 0.3, 1 / 0.4, 1])
    assert np.allclose(turned[:2, :2] @ turned[:2, :2].T, np.eye(2), atol=1e-6)


def test_slices_are_registered_and_their_labels_follow() -> None:
    matrix = _warp(6, shift=(3, -4))
    hu = (LIMB * 1500 - 200).astype(np.float32)
    there = np.stack([np.zeros_like(hu), hu, np.zeros_like(hu)])
    here = np.stack([resample(hu, matrix, hu.shape, outside=-200)] * 2)
    found = register(Volume(there), Volume(here), fixed_slice=1, freedom="rigid")
    assert found.is_usable, found.reason
    assert _error(found, matrix) < 1
    labels = np.zeros(LIMB.shape, np.int16)
    labels[50:70, 45:75] = 7
    moved = found.move_mask(labels)
    assert set(np.unique(moved).tolist()) == {0, 7}
    middle = np.argwhere(moved == 7).mean(axis=0) + 0.5
    assert np.allclose(middle, map_points(matrix, [[60.0, 60.0]])[0], atol=1)


def test_another_film_is_not_usable_and_says_why() -> None:
    noise = np.random.default_rng(0).random(LIMB.shape, np.float32)
    blobs = cv2.GaussianBlur(noise, (0, 0), 12)
    blobs = (blobs - blobs.min()) / np.ptp(blobs)
    found = register(Radiograph(LIMB), Radiograph(blobs.astype(np.float32)))
    assert not found.is_usable
    assert found.reason
    assert 0 <= found.quality < 0.7
    assert found.as_document()["is_usable"] is False


@pytest.mark.parametrize("shape", [(1, 1), (200, 3), (64, 64)])
def test_blank_and_tiny_images_are_answered_and_never_nan(shape: tuple[int, int]) -> None:
    blank = Radiograph(np.full(shape, 0.5, np.float32))
    for moving, fixed in ((blank, Radiograph(LIMB)), (Radiograph(LIMB), blank)):
        found = register(moving, fixed)
        assert not found.is_usable
        assert "blank" in found.reason or "too small" in found.reason
        assert found.method == "none"
        assert np.isfinite(found.matrix).all()


def test_pixels_that_are_no_numbers_and_slices_that_are_not_there_are_refused() -> None:
    broken = LIMB.copy()
    broken[3, 3] = np.nan
    with pytest.raises(ImageError, match="no numbers"):
        register(Radiograph(broken), Radiograph(LIMB))
    with pytest.raises(ImageError, match="slice 5 of 2"):
        register(Volume(np.zeros((2, 30, 30), np.int16)), Radiograph(LIMB), moving_slice=5)
    with pytest.raises(ImageError, match="no slices"):
        register(Radiograph(LIMB), Radiograph(LIMB), fixed_slice=0)


def test_what_does_not_fit_a_registration_is_refused() -> None:
    still = Registration(((1, 0, 0), (0, 1, 0), (0, 0, 1)), (4, 5), (6, 7))
    with pytest.raises(ImageError, match="does not fit"):
        still.move_mask(np.zeros((5, 4), np.uint8))
    with pytest.raises(ImageError, match="does not fit"):
        still.move(np.zeros((5, 4), np.float32))
    for matrix in (((1, 0, 0), (0, 0, 0), (0, 0, 1)), ((np.nan, 0, 0), (0, 1, 0), (0, 0, 1))):
        with pytest.raises(ImageError):
            Registration(matrix, (4, 5), (6, 7))


def test_a_whole_shift_moves_pixels_and_masks_alike_without_interpolation() -> None:
    pixels = np.random.default_rng(0).random((8, 9), np.float32)
    shifted = Registration(((1, 0, 2), (0, 1, -3), (0, 0, 1)), (8, 9), (8, 9))
    moved = shifted.move(pixels)
    assert np.array_equal(moved[2:, :-3], pixels[:-2, 3:])
    assert not moved[:2].any()
    assert np.array_equal(shifted.move_mask(pixels), moved)


def test_matrices_go_to_opencv_and_back() -> None:
    matrix = _warp(20, stretch=(1.1, 0.9), shift=(3, 4))
    assert np.allclose(from_opencv(to_opencv(matrix)), matrix)


def test_points_are_fitted_by_a_turn_that_never_mirrors() -> None:
    points = np.random.default_rng(0).random((9, 2))
    matrix = _warp(33, shift=(1, 2))
    assert np.allclose(fit_rigid(points, map_points(matrix, points)), matrix)
    assert np.linalg.det(fit_rigid(points, points * (1, -1))[:2, :2]) == pytest.approx(1)


def test_without_simpleitk_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    with pytest.raises(MissingExtraError, match=r"fracturax\[imaging\]"):
        register(Radiograph(LIMB), Radiograph(LIMB))
