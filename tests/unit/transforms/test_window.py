"""Windows keep what they show where it was, whatever they are turned and mirrored."""

import cv2
import numpy as np
import pytest

from fracturax.transforms.plan import PreprocessingPlan
from fracturax.transforms.window import (
    WindowPlan,
    boxes_from_window,
    cut_window,
    take_detail,
    to_window,
)


def _film_with_dot(row: int, column: int) -> np.ndarray:
    film = np.zeros((200, 160), np.uint8)
    cv2.circle(film, (column, row), 3, 255, -1)
    return film


@pytest.mark.parametrize("degrees", [0.0, 17.0, -90.0])
@pytest.mark.parametrize("is_mirrored", [False, True])
@pytest.mark.parametrize("side", [40.0, 130.0])
def test_points_go_where_the_pixels_go(degrees: float, is_mirrored: bool, side: float) -> None:
    film = _film_with_dot(83, 61)
    window, matrix = cut_window(
        film, (80, 65), side=side, size=96, degrees=degrees, is_mirrored=is_mirrored
    )
    rows, columns = np.nonzero(window > 0.5 * window.max())
    seen = np.array([rows.mean() + 0.5, columns.mean() + 0.5])
    expected = to_window(np.array([[83.5, 61.5]]), matrix)[0]
    assert np.abs(seen - expected).max() < 0.7


def test_boxes_come_back_from_a_window() -> None:
    box = np.array([[70.0, 50.0, 95.0, 66.0]])
    _, matrix = cut_window(_film_with_dot(80, 60), (81, 59), side=57.0, size=96)
    corners = to_window(box.reshape(2, 2), matrix)
    back = boxes_from_window(corners.reshape(1, 4).astype(np.float64), matrix)
    assert np.allclose(back, box, atol=1e-4)


def test_a_square_over_the_edge_is_black_outside() -> None:
    film = np.full((100, 100), 200, np.uint8)
    window, _ = cut_window(film, (0, 50), side=40, size=40)
    assert window[:18].max() == 0
    assert window[22:].min() == 200


def test_a_square_beyond_the_film_is_black() -> None:
    window, _ = cut_window(np.full((50, 50), 200, np.uint8), (500, 500), side=20, size=16)
    assert window.max() == 0


def test_a_shrunk_window_does_not_step_over_thin_lines() -> None:
    film = np.zeros((400, 400), np.uint8)
    film[:, ::4] = 255
    window, _ = cut_window(film, (200, 200), side=384, size=48)
    inner = window[8:-8, 8:-8].astype(float)
    assert abs(inner.mean() - 255 / 4) < 8
    assert inner.std() < 25


def test_detail_is_the_original_where_that_is_not_finer() -> None:
    plan = PreprocessingPlan(64, 64)
    pixels = np.random.default_rng(0).random((70, 50), np.float32)
    _, placement = plan.apply(pixels)
    detail = take_detail(pixels, placement, plan, 2.0)
    assert detail.pixels.shape == (70, 50)
    assert detail.zoom == 1.0
    assert detail.scale == pytest.approx(70 / 64)


def test_detail_of_a_large_film_is_bounded_and_in_the_grey_range_of_the_input() -> None:
    plan = PreprocessingPlan(64, 64)
    pixels = np.tile(np.linspace(0.2, 0.6, 600, dtype=np.float32), (900, 1))
    values, placement = plan.apply(pixels)
    detail = take_detail(pixels, placement, plan, 2.0)
    assert detail.pixels.shape == (128, 85)
    assert detail.scale == pytest.approx(2.0)
    shown = values[:, int(placement.column_offset) : int(placement.column_offset) + 43]
    reduced = cv2.resize(detail.pixels, shown.shape[::-1], interpolation=cv2.INTER_AREA) / 255
    assert np.abs(reduced - shown).max() < 0.03


def test_a_blank_film_has_black_detail() -> None:
    plan = PreprocessingPlan(64, 64)
    pixels = np.full((80, 80), 0.5, np.float32)
    _, placement = plan.apply(pixels)
    assert take_detail(pixels, placement, plan, 2.0).pixels.max() == 0


def test_small_candidates_get_the_least_side() -> None:
    plan = WindowPlan(context=3.0, least_input_px=48.0)
    assert plan.side(np.array([0.0, 0.0, 4.0, 4.0]), scale=2.0) == 96.0
    assert plan.side(np.array([0.0, 0.0, 90.0, 40.0]), scale=2.0) == pytest.approx(180.0)
