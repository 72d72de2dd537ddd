from itertools import product

import numpy as np
import pytest

from fracturax.core.errors import ConfigError
from fracturax.core.geometry import Box
from fracturax.transforms.blanking import (
    NAVIER_STOKES,
    TELEA,
    Blanking,
    fill_in,
    only_windows,
    place_elsewhere,
    window_about,
)

FRACTURE = Box(20, 30, 30, 45)
OTHER = Box(0, 0, 12, 8)


@pytest.fixture
def film() -> np.ndarray:
    grey = np.full((80, 100), 100, np.uint8)
    grey[20:30, 30:45] = 255
    return grey


@pytest.mark.parametrize("method", [TELEA, NAVIER_STOKES])
def test_what_is_filled_in_is_told_by_its_rim_and_nothing_else_changes(
    film: np.ndarray, method: int
) -> None:
    filled = fill_in(film, [FRACTURE], method=method)
    assert np.abs(filled.astype(int) - 100).max() <= 5
    outside = np.ones(film.shape, bool)
    outside[20:30, 30:45] = False
    assert (filled == film)[outside].all()
    assert film.max() == 255


def test_a_box_over_the_border_is_filled_in_as_far_as_there_is_film(film: np.ndarray) -> None:
    film[:5, :5] = film[75:, 90:] = 7
    filled = fill_in(film, [Box(-10, -10, 5, 5), Box(75, 90, 200, 200)])
    assert np.abs(filled[:5, :5].astype(int) - 100).max() <= 5
    assert np.abs(filled[75:, 90:].astype(int) - 100).max() <= 5
    assert (filled[20:30, 30:45] == 255).all()
    assert fill_in(film, []) is film


def test_only_windows_are_left(film: np.ndarray) -> None:
    window = window_about(FRACTURE, sides=2)
    assert window.as_tuple() == (10, 22.5, 40, 52.5)
    kept = only_windows(film, [window, Box(70, 90, 300, 300)])
    inside = np.zeros(film.shape, bool)
    inside[10:40, 22:52] = inside[70:, 90:] = True
    assert (kept[inside] == film[inside]).all()
    assert not kept[~inside].any()


def test_a_place_elsewhere_has_the_size_lies_on_the_patient_and_is_free() -> None:
    film = np.zeros((60, 60), np.uint8)
    film[:, 30:] = 200
    taken = Box(0, 30, 30, 60)
    generator = np.random.default_rng(0)
    for _ in range(50):
        place = place_elsewhere(OTHER, film, free_of=[taken], generator=generator)
        assert place is not None
        assert place.iou(taken) == 0
        size = (place.row_max - place.row_min, place.column_max - place.column_min)
        assert size == pytest.approx((12, 8))
        assert place.column_max > 30
    assert place_elsewhere(Box(0, 0, 60, 10), film, free_of=(), generator=generator) is None
    assert place_elsewhere(OTHER, film * 0, free_of=(), generator=generator) is None
    assert place_elsewhere(OTHER, film, free_of=[Box(0, 0, 60, 60)], generator=generator) is None


def test_filled_in_fractures_are_gone_and_all_other_changes_leave_them(film: np.ndarray) -> None:
    def blanked(blanking: Blanking, fractures: list[Box]) -> tuple[np.ndarray, bool]:
        generator = np.random.default_rng(1)
        return blanking.apply(film, fractures, other=[OTHER], generator=generator)

    gone, is_whole = blanked(Blanking(fractures=1), [FRACTURE])
    assert not is_whole
    assert gone.max() <= 101
    for blanking, fractures in product(
        (Blanking(), Blanking(elsewhere=1), Blanking(windows=1)), ([], [FRACTURE])
    ):
        shown, is_whole = blanked(blanking, fractures)
        assert is_whole
        if fractures:
            assert (shown[20:30, 30:45] == 255).all()
    windows, _ = blanked(Blanking(windows=1), [])
    assert 0 < (windows > 0).mean() < 0.5
    assert blanked(Blanking(fractures=1), [])[1]


@pytest.mark.parametrize("name", ["fractures", "elsewhere", "windows"])
def test_what_is_no_probability_is_refused(name: str) -> None:
    assert Blanking(**{name: 0.5}).is_on
    with pytest.raises(ConfigError, match=name):
        Blanking(**{name: 1.5})
