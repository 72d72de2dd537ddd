from collections.abc import Callable

import cv2
import numpy as np
import pytest

from drawn_anatomy import Film, draw_limb
from fracturax.datasets.copies import CopyPair, find_copies
from fracturax.datasets.fingerprints import Fingerprint, fingerprint
from fracturax.datasets.splits import join_groups
from fracturax.example import example_study_folder
from fracturax.imaging import open_study
from tiny_release import draw_film


def _reencoded(film: Film, quality: int) -> Film:
    _, coded = cv2.imencode(".jpg", film, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.uint8)


def _rescaled(film: Film, scale: float) -> Film:
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(film, None, fx=scale, fy=scale, interpolation=how))


def _tilted(film: Film, degrees: float) -> Film:
    rows, columns = film.shape
    # OpenCV counts counter-clockwise.
    turn = cv2.getRotationMatrix2D((columns / 2, rows / 2), -degrees, 1)
    return np.asarray(cv2.warpAffine(film, turn, (columns, rows)))


def _cut_off(film: Film, grey: int) -> Film:
    cut = film.copy()
    cut[200:] = grey
    return cut


def _exposed(film: Film) -> Film:
    return np.clip(255 * (film / 255) ** 0.7 * 0.85, 0, 255).astype(np.uint8)


def _marked(film: Film) -> Film:
    framed = cv2.copyMakeBorder(film, 20, 12, 16, 24, cv2.BORDER_CONSTANT, value=255)
    return np.asarray(cv2.putText(framed, "ERECT 12:30", (40, 200), 0, 0.8, 255, 2))


def _stretched(film: Film) -> Film:
    return np.asarray(cv2.resize(film, (240, 310), interpolation=cv2.INTER_LINEAR))


def _much_changed(film: Film) -> Film:
    return _reencoded(_rescaled(255 - _tilted(film, 6)[::-1][30:280, 20:220], 0.7), 60)


CHANGES: dict[str, tuple[Callable[[Film], Film], str]] = {
    "mirrored left-right": (lambda film: film[:, ::-1], "mirrored left-right"),
    "mirrored up-down": (lambda film: film[::-1], "mirrored up-down"),
    "quarter turn": (lambda film: np.rot90(film, -1), "rotated by 90°"),
    "half turn": (lambda film: np.rot90(film, 2), "rotated by 180°"),
    "three quarters": (lambda film: np.rot90(film, 1), "rotated by 270°"),
    "tilted": (lambda film: _tilted(film, 9), "rotated by 9°"),
    "tilted back": (lambda film: _tilted(film, -14), "rotated by -14°"),
    "re-encoded": (lambda film: _reencoded(film, 30), "re-encoded"),
    "smaller": (lambda film: _rescaled(film, 0.4), "rescaled to 40 %"),
    "larger": (lambda film: _rescaled(film, 2), "rescaled to 200 %"),
    "cropped": (lambda film: film[30:270, 20:200], "cropped to"),
    "cut off, black": (lambda film: _cut_off(film, 0), "% blank"),
    "cut off, grey": (lambda film: _cut_off(film, 128), "% blank"),
    "exposed": (_exposed, "brightness changed"),
    "inverted": (lambda film: 255 - film, "inverted"),
    "border and text": (_marked, "with a border"),
    "stretched": (_stretched, "stretched"),
    "many at once": (_much_changed, "mirrored up-down"),
}


@pytest.fixture(scope="module")
def limbs() -> list[Fingerprint]:
    return [fingerprint(draw_limb(seed)) for seed in range(8)]


@pytest.fixture(scope="module")
def forearm() -> Film:
    film = open_study(example_study_folder() / "forearm" / "forearm_ap.dcm").radiographs[0]
    return np.round(film.pixels * 255).astype(np.uint8)


@pytest.fixture(scope="module")
def found() -> list[CopyPair]:
    """Return the pairs among one film for each change, and their changed copies in that order."""
    films = [draw_limb(100 + number) for number in range(len(CHANGES))]
    copies = [change(film) for film, (change, _) in zip(films, CHANGES.values(), strict=True)]
    return find_copies([fingerprint(np.ascontiguousarray(film)) for film in [*films, *copies]])


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_copy_is_found_among_films_alike_in_layout(
    name: str, found: list[CopyPair]
) -> None:
    number = list(CHANGES).index(name)
    [pair] = [pair for pair in found if pair.one == number]
    assert (pair.other, pair.kind) == (len(CHANGES) + number, "near")
    assert CHANGES[name][1] in pair.change
    assert 0.9 <= pair.similarity <= 1


def test_no_copy_is_found_where_none_was_made(found: list[CopyPair]) -> None:
    made = {(number, len(CHANGES) + number) for number in range(len(CHANGES))}
    assert {(pair.one, pair.other) for pair in found} == made


def test_a_copy_of_a_copy_of_a_real_layout_is_found(forearm: Film) -> None:
    darker = (forearm * 0.8).astype(np.uint8)
    films = [forearm, _reencoded(forearm, 50), _rescaled(forearm, 0.4), darker]
    found = {(pair.one, pair.other) for pair in find_copies([fingerprint(film) for film in films])}
    assert len(set(join_groups(range(4), found))) == 1


def test_films_alike_in_layout_and_frame_are_no_copies(limbs: list[Fingerprint]) -> None:
    assert find_copies(limbs) == []


def test_two_exposures_of_one_patient_in_one_pose_are_no_copies() -> None:
    films = [draw_limb(seed, exposure=number) for seed in range(3) for number in range(3)]
    assert find_copies([fingerprint(film) for film in films]) == []


def test_drawn_films_of_the_tiny_release_are_no_copies() -> None:
    generator = np.random.default_rng(0)
    films = [draw_film(generator, fractured=bool(number % 2)).pixels for number in range(20)]
    assert find_copies([fingerprint(film) for film in films]) == []


def test_exact_copies_are_paired_with_the_first_of_them(limbs: list[Fingerprint]) -> None:
    again = fingerprint(draw_limb(1))
    pairs = find_copies([limbs[0], limbs[1], again, limbs[2], again])
    assert pairs == [
        CopyPair(1, 2, "exact", "same pixels", 1.0),
        CopyPair(1, 4, "exact", "same pixels", 1.0),
    ]


def test_the_order_of_the_images_changes_no_pair(limbs: list[Fingerprint]) -> None:
    mirrored = fingerprint(np.ascontiguousarray(draw_limb(5)[:, ::-1]))
    smaller = fingerprint(_rescaled(draw_limb(7), 0.5))
    prints = [*limbs, mirrored, smaller, limbs[2]]
    order = np.random.default_rng(7).permutation(len(prints)).tolist()
    straight = {frozenset((pair.one, pair.other)) for pair in find_copies(prints)}
    shuffled = find_copies([prints[index] for index in order])
    assert {frozenset((order[pair.one], order[pair.other])) for pair in shuffled} == straight
    assert straight == {frozenset((5, 8)), frozenset((7, 9)), frozenset((2, 10))}


def test_the_pairs_are_ordered_and_one_comes_first(limbs: list[Fingerprint]) -> None:
    copies = [fingerprint(255 - draw_limb(seed)) for seed in (6, 4, 5)]
    pairs = find_copies([*copies, *limbs])
    assert [(pair.one, pair.other) for pair in pairs] == [(0, 9), (1, 7), (2, 8)]


def test_a_copy_is_found_among_many_copies_of_another_film(limbs: list[Fingerprint]) -> None:
    # Thirty near copies of one film are neighbours of each other in every list of the index.
    many = [fingerprint(_reencoded(draw_limb(0), quality)) for quality in range(50, 80)]
    pairs = find_copies([*many, limbs[1], fingerprint(255 - draw_limb(1))])
    groups = join_groups(range(32), [(pair.one, pair.other) for pair in pairs])
    assert set(groups[:30]) == {0}
    assert groups[30] == groups[31] != 0


def test_no_image_and_one_image_have_no_copies(limbs: list[Fingerprint]) -> None:
    assert find_copies([]) == []
    assert find_copies(limbs[:1]) == []


def test_blank_and_tiny_images_are_paired_only_when_they_are_the_same() -> None:
    shapes = [(300, 200), (300, 201), (1, 1), (2, 400), (400, 2), (17, 17)]
    blank = [np.full(shape, grey, np.uint8) for shape in shapes for grey in (0, 7, 255)]
    step = np.zeros((200, 200), np.uint8)
    step[100:] = 200
    prints = [fingerprint(pixels) for pixels in [*blank, step, np.rot90(step), blank[4]]]
    assert find_copies(prints) == [CopyPair(4, 20, "exact", "same pixels", 1.0)]


def test_progress_is_told(limbs: list[Fingerprint]) -> None:
    told = []

    def progress(items, words):  # type: ignore[no-untyped-def]
        told.append((len(items), words))
        return items

    find_copies([*limbs[:3], fingerprint(255 - draw_limb(0))], progress=progress)
    assert len(told) == 1
    assert told[0][0] >= 1
