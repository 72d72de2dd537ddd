"""Films with masks: what fits is read as it is, what does not is a sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from fracturax.core.errors import DataError
from fracturax.datasets.masks import open_masked_films
from masked_films import SALT, draw_masked, write_masked_films


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_masked_films(tmp_path / "data", patients=2, films=2)
    return tmp_path / "data"


def test_a_film_comes_with_its_mask_and_its_patient(root: Path) -> None:
    films = open_masked_films(root, salt=SALT)
    assert [film.name for film in films] == [f"images/p{p}-{n}.png" for p in "01" for n in "01"]
    keys = [film.patient_key for film in films]
    assert keys[0] == keys[1] != keys[2] == keys[3]
    assert not any("patient" in key for key in keys)
    grey, drawn = draw_masked(np.random.default_rng(0))
    film, mask = films[0].read()
    assert np.array_equal(mask, drawn)
    assert np.allclose(film.pixels, grey / 255, atol=1 / 255)


def test_without_a_table_each_film_is_a_patient(root: Path) -> None:
    (root / "cases.csv").unlink()
    assert len({film.patient_key for film in open_masked_films(root)}) == 4


def test_a_mask_saved_in_colour_is_the_same_mask(root: Path) -> None:
    path = root / "masks" / "p0-0.png"
    before = open_masked_films(root, salt=SALT)[0].read()[1]
    grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(path), cv2.cvtColor(grey, cv2.COLOR_GRAY2BGRA))
    assert np.array_equal(open_masked_films(root, salt=SALT)[0].read()[1], before)


def _write(values: Callable[[tuple[int, int]], np.ndarray]) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        cv2.imwrite(str(root / "masks" / "p0-0.png"), values((72, 60)).astype(np.uint8))

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_write(lambda shape: np.full((9, 9), 255)), "does not fit"),
        (_write(np.zeros), "is empty"),
        (_write(lambda shape: np.arange(shape[0] * shape[1]).reshape(shape) % 3), "more than one"),
        (_write(lambda shape: np.full(shape, 255) - np.eye(*shape)), "more than one"),
        (lambda root: (root / "masks" / "p0-0.png").write_bytes(b"no image"), "cannot be read"),
        (lambda root: (root / "masks" / "p0-0.png").unlink(), "film has no mask"),
        (lambda root: (root / "images" / "p0-0.png").unlink(), "mask has no film"),
        (lambda root: (root / "cases.csv").write_text("image,patient\np0-0.png,a\n"), "every film"),
        (lambda root: (root / "cases.csv").write_text("image,patient\nx.png,a\n"), "names no film"),
        (
            lambda root: (root / "images" / "p0-0.jpg").write_bytes(
                (root / "images" / "p0-0.png").read_bytes()
            ),
            "one stem",
        ),
    ],
)
def test_what_does_not_fit_is_a_sentence(
    root: Path, change: Callable[[Path], object], words: str
) -> None:
    change(root)
    with pytest.raises(DataError, match=words):
        for film in open_masked_films(root, salt=SALT):
            film.read()


def test_an_empty_folder_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no image in images/"):
        open_masked_films(tmp_path)
