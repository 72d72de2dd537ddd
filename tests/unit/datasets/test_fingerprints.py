import cv2
import numpy as np
import numpy.typing as npt
import pytest

from fracturax.core.image import Radiograph
from fracturax.datasets.fingerprints import copy_pairs, fingerprint
from fracturax.example import example_study_folder
from fracturax.imaging import open_study
from tiny_release import draw_film


def _film(pixels: npt.NDArray[np.uint8]) -> Radiograph:
    return Radiograph(pixels.astype(np.float32) / np.float32(255))


@pytest.fixture(scope="module")
def forearm() -> npt.NDArray[np.uint8]:
    film = open_study(example_study_folder() / "forearm" / "forearm_ap.dcm").radiographs[0]
    return np.round(film.pixels * 255).astype(np.uint8)


def _reencoded(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    _, coded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 50])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.uint8)


def _smaller(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return np.asarray(cv2.resize(pixels, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA))


def test_a_copy_is_found_in_another_quality_size_and_brightness(
    forearm: npt.NDArray[np.uint8],
) -> None:
    darker = (forearm * 0.8).astype(np.uint8)
    films = [forearm, _reencoded(forearm), _smaller(forearm), darker]
    pairs = copy_pairs([fingerprint(_film(pixels)) for pixels in films])
    assert {(0, 1), (0, 2), (0, 3)} <= set(pairs)


def test_an_exact_copy_has_the_same_hash(forearm: npt.NDArray[np.uint8]) -> None:
    one, other = fingerprint(_film(forearm)), fingerprint(_film(forearm.copy()))
    assert one.pixel_sha256 == other.pixel_sha256
    changed = forearm.copy()
    changed[0, 0] ^= 1
    assert fingerprint(_film(changed)).pixel_sha256 != one.pixel_sha256


def test_different_films_alike_in_layout_are_no_copies(forearm: npt.NDArray[np.uint8]) -> None:
    generator = np.random.default_rng(0)
    drawn = [draw_film(generator, fractured=bool(number % 2)).pixels for number in range(12)]
    prints = [fingerprint(_film(pixels)) for pixels in [forearm, forearm[:, ::-1], *drawn]]
    assert copy_pairs(prints) == []


def test_exact_copies_of_a_blank_film_are_found_though_it_has_no_detail() -> None:
    blank = fingerprint(_film(np.full((100, 80), 7, np.uint8)))
    assert np.linalg.norm(blank.detail) < 1e-3
    assert copy_pairs([blank, blank]) == [(0, 1)]


def test_pairs_are_those_of_the_full_comparison() -> None:
    # More than one block of 1024, with copies within and across blocks.
    generator = np.random.default_rng(1)
    films = [_film(generator.integers(0, 255, (64, 64), np.uint8)) for _ in range(20)]
    originals = [fingerprint(film) for film in films]
    prints = [originals[number % 20] if number in (5, 1030, 2100) else originals[number % 3]
              for number in range(2101)]  # fmt: skip
    details = np.stack([one.detail for one in prints])
    rows, columns = np.nonzero(np.triu(details @ details.T >= 0.96, k=1))
    assert copy_pairs(prints) == sorted(zip(rows.tolist(), columns.tolist(), strict=True))
