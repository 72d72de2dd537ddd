"""Frames, shutters, markers and air that were planted, so that it is known where they end."""

import cv2
import numpy as np
import pytest

from fracturax.core.geometry import Box
from fracturax.core.image import Radiograph
from fracturax.transforms.crop import CropBorder, CropCollimator, CropToBone
from fracturax.transforms.mask import MaskMarkers, RemoveBackground


def _limb(rows: int = 400, columns: int = 300, *, air: float = 0.04) -> np.ndarray:
    """Soft tissue with a bone, standing in air."""
    column = np.mgrid[:rows, :columns][1]
    film = np.full((rows, columns), air)
    film[np.abs(column - columns / 2) < 0.26 * columns] = 0.35
    film[np.abs(column - columns / 2) < 0.08 * columns] = 0.75
    film += np.random.default_rng(0).normal(0, 0.012, film.shape)
    return np.clip(cv2.GaussianBlur(film, (0, 0), 1), 0, 1).astype(np.float32)


def _marked(film: np.ndarray, text: str = "L", corner: tuple[int, int] = (40, 12)) -> np.ndarray:
    drawn = np.zeros(film.shape, np.uint8)
    cv2.putText(drawn, text, corner[::-1], cv2.FONT_HERSHEY_SIMPLEX, 0.9, 255, 3)
    return np.where(drawn > 0, np.float32(0.97), film)


@pytest.mark.parametrize("frame", [0.0, 1.0, 0.5])
def test_a_uniform_frame_is_cut_off_exactly(frame: float) -> None:
    film = np.full((400, 300), frame, np.float32)
    inside = np.random.default_rng(0).random((370, 250), np.float32)
    film[20:390, 30:280] = inside
    done = CropBorder().apply(Radiograph(film))
    assert np.array_equal(done.image.pixels, inside)
    assert done.axis_map.to_original(Box(0, 0, 370, 250)) == Box(20, 30, 390, 280)


@pytest.mark.parametrize("shutter", [0.0, 0.93])
def test_the_exposed_field_is_found(shutter: float) -> None:
    film = np.full((800, 600), shutter, np.float32)
    film[120:700, 90:520] = _limb(580, 430, air=0.25)
    done = CropCollimator(margin=0.0).apply(Radiograph(film))
    found = done.axis_map.to_original(Box(0, 0, *map(float, done.image.pixels.shape)))
    assert found.iou(Box(120, 90, 700, 520)) > 0.97
    # Never less than the field: what is cut off is gone.
    assert found.row_min <= 120
    assert found.column_min <= 90
    assert found.row_max >= 700
    assert found.column_max >= 520


def test_a_film_without_a_shutter_stays_and_the_remark_says_so() -> None:
    film = Radiograph(np.random.default_rng(0).random((200, 150), np.float32))
    done = CropCollimator().apply(film)
    assert done.axis_map.is_identity
    assert "no shutter" in done.remark


def test_a_marker_in_the_air_is_painted_and_nothing_else_is() -> None:
    clean = _limb()
    marked = _marked(_marked(clean), "2B", (380, 10))
    done = MaskMarkers().apply(Radiograph(marked))
    changed = marked != clean
    left = np.abs(done.image.pixels - clean)
    assert left[changed].max() < 0.08
    # Beyond the marks and the little they are grown by, every pixel is as it was.
    far = cv2.dilate(changed.astype(np.uint8), np.ones((15, 15))) == 0
    assert np.array_equal(done.image.pixels[far], marked[far])
    assert "painted" in done.remark


def test_what_lies_over_the_body_stays() -> None:
    pinned = _limb()
    pinned[100:300, 148:153] = 1.0  # a nail
    pinned[200:206, 90:96] = 1.0  # a screw's head, in soft tissue
    done = MaskMarkers().apply(Radiograph(pinned))
    assert np.array_equal(done.image.pixels, pinned)


def test_the_air_becomes_black_and_the_body_stays() -> None:
    film = _limb(air=0.1)
    done = RemoveBackground().apply(Radiograph(film)).image.pixels
    column = np.mgrid[:400, :300][1]
    body = np.abs(column - 150) < 0.26 * 300
    air = np.abs(column - 150) > 0.26 * 300 + 20
    assert np.array_equal(done[body], film[body])
    assert (done[air] == 0).all()


def test_a_film_full_of_body_keeps_its_background() -> None:
    film = Radiograph(np.clip(_limb(air=0.3) + 0.2, 0, 1))
    done = RemoveBackground().apply(film)
    assert np.array_equal(done.image.pixels, film.pixels)
    assert "nothing was done" in done.remark


def test_a_crop_to_the_bone_holds_all_of_it() -> None:
    film = np.zeros((500, 400), np.float32) + np.float32(0.03)
    film[60:440, 110:290] = 0.35
    film[120:400, 170:220] = 0.8
    film = cv2.GaussianBlur(film, (0, 0), 2)
    done = CropToBone(margin=0.0).apply(Radiograph(film))
    found = done.axis_map.to_original(Box(0, 0, *map(float, done.image.pixels.shape)))
    assert found.row_min <= 122
    assert found.column_min <= 172
    assert found.row_max >= 398
    assert found.column_max >= 218
    assert found.area < 0.35 * film.size


def test_a_film_whose_bones_are_not_clear_is_not_cut() -> None:
    even = Radiograph(np.random.default_rng(0).random((300, 200), np.float32))
    done = CropToBone().apply(even)
    assert done.axis_map.is_identity
    assert "not cut" in done.remark
