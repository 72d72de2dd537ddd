"""What every augmentation obeys: outlines, boxes, masks and points go where the pixels go."""

from dataclasses import fields

import cv2
import numpy as np
import pytest

from fracturax.core.errors import ConfigError
from fracturax.core.provenance import sha256_of_document
from fracturax.transforms.augment import Augmentation
from fracturax.transforms.film_warp import FilmWarp

NOTHING = {field.name: 0.0 for field in fields(Augmentation)}
PLACES = {
    "rotation_degrees": 15.0, "scale": 0.2, "shift": 0.08, "mirror": 1.0, "half_turn": 1.0,
    "quarter_turn": 1.0, "flip": 1.0, "shear_degrees": 12.0, "elastic": 0.03,
}  # fmt: skip
GREYS = {
    "gamma": 0.4, "contrast": 0.3, "brightness": 0.1, "noise": 0.05, "blur": 1.0,
    "recompression": 1.0, "exposure": 0.3, "photon_noise": 0.1, "cast": 1.0, "marker": 1.0,
}  # fmt: skip
HOW_MUCH = {"wider_blur": (1.3, "blur"), "harder_compression": (22, "recompression")}
"""Of a change that is on, how much further it may go."""
ROWS, COLUMNS = 160, 128


def only(name: str, value: float) -> Augmentation:
    return Augmentation(**{**NOTHING, name: value})


def film_with_discs() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A film with five discs, its labels, and the discs' middles."""
    film, labels = np.zeros((200, 160), np.uint8), np.zeros((200, 160), np.int32)
    middles = np.array([[100, 80], [60, 50], [60, 110], [140, 50], [140, 105]], np.float32)
    row, column = np.indices(film.shape) + 0.5
    for number, middle in enumerate(middles, start=1):
        away = np.hypot(row - middle[0], column - middle[1])
        film = np.maximum(film, np.rint(255 * np.clip(9.5 - away, 0, 1)).astype(np.uint8))
        labels[away < 9] = 10 * number
    return film, labels, middles


def _middle_of_moved(warp: FilmWarp, middle: np.ndarray) -> np.ndarray:
    """The centroid of a disc's moved outline: a bent disc's is not where its middle went."""
    angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    outline = middle + 9 * np.stack([np.sin(angle), np.cos(angle)], axis=1)
    facts = cv2.moments(warp.points(outline.astype(np.float32)))
    return np.array([facts["m10"], facts["m01"]]) / facts["m00"]


def film() -> np.ndarray:
    row, column = np.indices((200, 160))
    grey = 120 + 60 * np.sin(row / 15) + 50 * np.cos(column / 11)
    return np.clip(grey, 0, 255).astype(np.uint8)


def test_every_change_is_either_of_place_or_of_grey() -> None:
    assert PLACES.keys() | GREYS.keys() | HOW_MUCH.keys() == NOTHING.keys()


@pytest.mark.parametrize("name", [*PLACES, "all"])
@pytest.mark.parametrize("seed", range(4))
def test_all_that_is_known_of_a_film_goes_with_its_pixels(name: str, seed: int) -> None:
    chosen = only(name, PLACES[name]) if name != "all" else Augmentation(
        **{**NOTHING, **PLACES, "mirror": 0.5, "half_turn": 0.25, "quarter_turn": 0.25, "flip": 0.5}
    )  # fmt: skip
    pixels, labels, middles = film_with_discs()
    generator = np.random.default_rng(seed)
    warp = chosen.draw(pixels.shape, rows=ROWS, columns=COLUMNS, generator=generator)
    warped, moved = warp.film(pixels), [_middle_of_moved(warp, middle) for middle in middles]
    mask = warp.mask(labels)
    assert set(np.unique(mask)) <= set(np.unique(labels))
    around = np.hstack([middles - 9, middles + 9]).astype(np.float64)
    boxes = warp.boxes(around)
    for number, (point, box) in enumerate(zip(moved, boxes, strict=True), start=1):
        inside = mask == 10 * number
        if (point < 14).any() or (point > np.array([ROWS, COLUMNS]) - 14).any():
            continue  # cut by the edge of the film
        places = np.argwhere(inside) + 0.5
        assert np.abs(places.mean(axis=0) - point).max() < 0.5
        near = np.zeros_like(warped, float)
        near[inside] = warped[inside]
        weighted = (np.indices(warped.shape) + 0.5).reshape(2, -1) @ near.ravel() / near.sum()
        assert np.abs(weighted - point).max() < 0.5
        assert (places.min(axis=0) >= box[:2] - 0.5).all()
        assert (places.max(axis=0) <= box[2:] + 0.5).all()


@pytest.mark.parametrize("name", [*PLACES, *GREYS])
def test_each_change_changes_something_and_the_same_seed_changes_it_alike(name: str) -> None:
    value = {**PLACES, **GREYS}[name]
    still, _ = Augmentation(**NOTHING).apply(
        film(), [], rows=ROWS, columns=COLUMNS, generator=np.random.default_rng(3)
    )
    made = [
        only(name, value).apply(
            film(), [], rows=ROWS, columns=COLUMNS, generator=np.random.default_rng(seed)
        )[0]
        for seed in (3, 3, 4)
    ]
    assert made[0].tobytes() == made[1].tobytes()
    assert made[0].dtype == np.float32
    assert made[0].shape == (ROWS, COLUMNS)
    assert not np.array_equal(made[0], still)
    if name not in ("mirror", "half_turn", "flip", "recompression"):
        assert made[0].tobytes() != made[2].tobytes()


@pytest.mark.parametrize("name", HOW_MUCH)
def test_how_far_a_change_may_go_matters_where_it_is_on(name: str) -> None:
    much, change = HOW_MUCH[name]

    def made(**more: float) -> list[bytes]:
        augmentation = Augmentation(**{**NOTHING, **more})
        drawn = [np.random.default_rng(seed) for seed in range(8)]
        return [
            augmentation.apply(film(), [], rows=ROWS, columns=COLUMNS, generator=one)[0].tobytes()
            for one in drawn
        ]

    assert made(**{name: much}) == made()
    assert made(**{name: much, change: 1.0}) != made(**{change: 1.0})


@pytest.mark.parametrize("name", GREYS)
@pytest.mark.parametrize("value", [0, 128, 255])
def test_no_change_of_grey_leaves_the_range_or_makes_what_is_no_number(
    name: str, value: int
) -> None:
    for shape in ((40, 30), (1, 1), (3, 50)):
        blank = np.full(shape, value, np.uint8)
        for seed in range(3):
            made, _ = only(name, GREYS[name]).apply(
                blank, [], rows=32, columns=32, generator=np.random.default_rng(seed)
            )
            assert np.isfinite(made).all()
            assert 0 <= made.min() <= made.max() <= 1


def test_photons_are_counted() -> None:
    # Where a mean of n photons is counted, the variance is n: relative to white, value * noise².
    even = np.full((300, 300), 0.5, np.float32)
    drawn = np.random.default_rng(0)
    # Its draws before the noise: blur, gamma, contrast and brightness, all without effect.
    made = only("photon_noise", 0.1).expose(even, np.random.default_rng(0))
    for _ in range(1):
        drawn.random()
    for high in (0.0, 0.0, 0.0):
        drawn.uniform(-high, high)
    level = drawn.uniform(0, 0.1)
    assert made.mean() == pytest.approx(0.5, abs=0.002)
    assert made.std() == pytest.approx(level * np.sqrt(0.5), rel=0.03)


def test_a_marker_never_covers_an_outline() -> None:
    angle = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    corner = np.stack([20 + 12 * np.sin(angle), 20 + 12 * np.cos(angle)], axis=1)
    blank, laid = np.full((200, 160), 90, np.uint8), 0
    for seed in range(60):
        made, outlines = only("marker", 1.0).apply(
            blank, [corner.astype(np.float32)], rows=200, columns=160,
            generator=np.random.default_rng(seed),
        )  # fmt: skip
        laid += bool((made > 0.5).any())
        area = np.zeros((200, 160), np.uint8)
        cv2.fillPoly(area, [np.rint(outlines[0][:, ::-1]).astype(np.int32)], 1)
        assert not (made[area > 0] > 0.5).any()
    assert laid > 20


def test_a_cast_lies_over_the_limb_and_not_over_the_air() -> None:
    limb = np.zeros((200, 160), np.uint8)
    limb[:, 50:110] = 120
    for seed in range(10):
        made, _ = only("cast", 1.0).apply(
            limb, [], rows=200, columns=160, generator=np.random.default_rng(seed)
        )
        assert made[:, :45].max() == 0
        assert made[:, 55:105].mean() > 120 / 255 + 0.02


def test_a_range_that_would_fold_the_film_is_refused() -> None:
    for wrong in ({"elastic": 0.2}, {"flip": 1.5}, {"cast": -0.1}, {"shear_degrees": 90.0}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            Augmentation(**wrong)


def test_changes_that_came_later_draw_nothing_where_they_are_switched_off() -> None:
    # What the generator gives next after one film, as it was before there were these changes.
    for seed, follows in ((1, 0.5080541627904619), (2, 0.7733161944165404)):
        generator = np.random.default_rng(seed)
        Augmentation().apply(film(), [], rows=96, columns=64, generator=generator)
        assert generator.random() == follows


def test_changes_that_came_later_are_in_no_hash_where_they_are_switched_off() -> None:
    before = {
        "rotation_degrees": 20.0, "scale": 0.2, "shift": 0.08, "mirror": 0.5, "half_turn": 0.0,
        "quarter_turn": 0.0, "gamma": 0.4, "contrast": 0.25, "brightness": 0.1, "noise": 0.03,
        "blur": 0.3, "recompression": 0.0,
    }  # fmt: skip
    assert sha256_of_document(Augmentation().as_document()) == sha256_of_document(before)
    assert Augmentation(cast=0.2).as_document() == {**before, "cast": 0.2}
