"""A register knows its films by their pixels, and nobody else's."""

import cv2
import numpy as np
import pytest

from fracturax.core.errors import DataError
from fracturax.datasets.register import FilmRegister, trace
from tiny_release import draw_film


def _film(seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    drawn = draw_film(generator, fractured=bool(seed % 2)).pixels.astype(np.float32) / 255
    texture = cv2.resize(generator.random((20, 16), np.float32), drawn.shape[::-1])
    return np.asarray(0.5 * drawn + 0.5 * texture, np.float32)


@pytest.fixture(scope="module")
def register() -> FilmRegister:
    return FilmRegister.of([trace(_film(seed)) for seed in range(20)])


def _encoded(film: np.ndarray, quality: int) -> np.ndarray:
    _, data = cv2.imencode(".jpg", np.round(film * 255), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE).astype(np.float32) / 255


def test_a_film_is_known(register: FilmRegister) -> None:
    assert all(register.holds(trace(_film(seed))) == "itself" for seed in range(20))


def test_other_films_are_not(register: FilmRegister) -> None:
    assert all(register.holds(trace(_film(seed))) is None for seed in range(20, 60))


@pytest.mark.parametrize(
    "change",
    [
        lambda film: _encoded(film, 40),
        lambda film: cv2.resize(film, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
        lambda film: cv2.resize(film, None, fx=1.7, fy=1.7),
        lambda film: film[:, ::-1],
        lambda film: film[::-1],
        np.rot90,
        lambda film: np.rot90(film[:, ::-1], 3),
        lambda film: film * 0.7 + 0.1,
    ],
    ids=["jpeg", "halved", "enlarged", "mirrored", "upside down", "turned", "both", "paler"],
)
def test_a_copy_is_known(register: FilmRegister, change: object) -> None:
    copies = [np.ascontiguousarray(change(_film(seed))) for seed in range(20)]  # type: ignore[operator]
    assert [register.holds(trace(copy)) for copy in copies] == ["a copy of it"] * 20


def test_blank_films_are_no_copies_of_others(register: FilmRegister) -> None:
    assert register.holds(trace(np.zeros((50, 40), np.float32))) is None
    blank = FilmRegister.of([trace(np.zeros((50, 40), np.float32))])
    assert blank.holds(trace(_film(0))) is None
    assert blank.holds(trace(np.zeros((50, 40), np.float32))) == "itself"


def test_an_empty_register_holds_nothing() -> None:
    assert FilmRegister.of(()).holds(trace(_film(0))) is None


def test_a_register_travels(register: FilmRegister) -> None:
    again = FilmRegister.from_arrays(register.as_arrays())
    assert again.holds(trace(_film(3))) == "itself"
    with pytest.raises(DataError, match="32 bytes"):
        FilmRegister(np.zeros((1, 3), np.uint8), np.zeros((1, 576), np.int8))
