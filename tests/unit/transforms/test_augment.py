from dataclasses import fields, replace

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from fracturax.transforms.augment import Augmentation, Outline

NOTHING = Augmentation(**{field.name: 0.0 for field in fields(Augmentation)})
GEOMETRY = {
    "rotation_degrees": 25.0, "scale": 0.2, "shift": 0.05, "mirror": 0.5, "half_turn": 0.25,
    "quarter_turn": 0.25,
}  # fmt: skip


def _disc(row: float, column: float, radius: float) -> npt.NDArray[np.uint8]:
    """Draw a disc; `row` and `column` count from the corner of the first pixel."""
    rows, columns = np.indices((200, 160)) + 0.5
    inside = np.clip(radius - np.hypot(rows - row, columns - column) + 0.5, 0, 1)
    return np.round(inside * 255).astype(np.uint8)


def _circle(row: float, column: float, radius: float) -> Outline:
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    points = np.stack([row + radius * np.sin(angle), column + radius * np.cos(angle)], axis=1)
    return points.astype(np.float32)


def _centroid(film: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    grid = np.indices(film.shape) + 0.5
    return (grid * film).sum(axis=(1, 2)) / film.sum()


@pytest.mark.parametrize("seed", range(25))
def test_outlines_go_where_the_pixels_go(seed: int) -> None:
    augmentation = Augmentation(**GEOMETRY, gamma=0, contrast=0, brightness=0, noise=0, blur=0)
    film, moved = augmentation.apply(
        _disc(90.0, 100.0, 20.0),
        [_circle(90.0, 100.0, 20.0)],
        rows=160,
        columns=128,
        generator=np.random.default_rng(seed),
    )
    assert np.abs(_centroid(film) - moved[0].mean(axis=0)).max() < 0.3
    # The area too: mirrored, turned and scaled alike.
    area = cv2.contourArea(np.ascontiguousarray(moved[0]))
    assert film.sum() == pytest.approx(area, rel=0.05)


def test_both_hands_of_a_mirrored_film_are_seen() -> None:
    augmentation = Augmentation(
        mirror=1.0, rotation_degrees=0, scale=0, shift=0, gamma=0, contrast=0, brightness=0,
        noise=0, blur=0,
    )  # fmt: skip
    film = np.arange(64 * 32, dtype=np.uint32).reshape(64, 32).astype(np.uint8)
    mirrored, moved = augmentation.apply(
        film,
        [np.array([[0.0, 0.0], [10.0, 4.0]], np.float32)],
        rows=64,
        columns=32,
        generator=np.random.default_rng(0),
    )
    assert np.array_equal(np.round(mirrored * 255).astype(np.uint8), film[:, ::-1])
    assert np.allclose(moved[0], [[0, 32], [10, 28]], atol=1e-4)


def test_the_same_generator_gives_the_same_film_and_another_another() -> None:
    disc, outline = _disc(90, 100, 20), _circle(90, 100, 20)
    films = [
        Augmentation().apply(
            disc, [outline], rows=96, columns=64, generator=np.random.default_rng(seed)
        )
        for seed in (1, 1, 2)
    ]
    assert films[0][0].tobytes() == films[1][0].tobytes()
    assert films[0][1][0].tobytes() == films[1][1][0].tobytes()
    assert films[0][0].tobytes() != films[2][0].tobytes()


def test_zero_of_everything_is_the_film_itself() -> None:
    film = np.random.default_rng(0).integers(0, 255, (64, 48), np.uint8)
    outline = _circle(20, 20, 5)
    same, moved = NOTHING.apply(
        film, [outline], rows=64, columns=48, generator=np.random.default_rng(0)
    )
    assert np.array_equal(np.round(same * 255).astype(np.uint8), film)
    assert np.allclose(moved[0], outline, atol=1e-4)


def test_zero_of_everything_fits_a_larger_film_into_the_input() -> None:
    _, moved = NOTHING.apply(
        np.zeros((128, 64), np.uint8),
        [np.array([[0, 0], [128, 64]], np.float32)],
        rows=64,
        columns=64,
        generator=np.random.default_rng(0),
    )
    assert np.allclose(moved[0], [[0, 16], [64, 48]], atol=1e-4)


def test_values_stay_display_values() -> None:
    film = np.random.default_rng(0).integers(0, 255, (64, 48), np.uint8)
    for seed in range(20):
        values, _ = Augmentation(brightness=0.5, contrast=0.9, noise=0.5).apply(
            film, [], rows=64, columns=48, generator=np.random.default_rng(seed)
        )
        assert (values.dtype, values.shape) == (np.float32, (64, 48))
        assert 0 <= values.min() <= values.max() <= 1


def test_mean_brightness_is_not_biased_by_the_augmentation() -> None:
    # A bias would teach the network a brightness that no film has at reading time.
    film = np.full((32, 32), 128, np.uint8)
    exposure = Augmentation(rotation_degrees=0, scale=0, shift=0, mirror=0, blur=0)
    means = [
        exposure.apply(film, [], rows=32, columns=32, generator=np.random.default_rng(seed))[
            0
        ].mean()
        for seed in range(300)
    ]
    assert np.mean(means) == pytest.approx(0.5, abs=0.02)


def test_turns_come_as_often_as_they_were_asked_for() -> None:
    augmentation = Augmentation(rotation_degrees=5, half_turn=0.3, quarter_turn=0.2)
    generator = np.random.default_rng(0)
    degrees = np.array([augmentation.random_degrees(generator) for _ in range(2000)])
    turns, counts = np.unique(np.rint(degrees / 90).astype(int) % 4, return_counts=True)
    assert turns.tolist() == [0, 1, 2, 3]
    assert np.abs(counts / 2000 - [0.5, 0.1, 0.3, 0.1]).max() < 0.03
    assert np.abs(degrees - 90 * np.rint(degrees / 90)).max() <= 5


def test_a_recompressed_film_has_a_codecs_errors_and_no_others() -> None:
    film = np.random.default_rng(0).random((64, 48)).astype(np.float32)
    film = np.asarray(cv2.GaussianBlur(film, (0, 0), 2), np.float32)
    augmentation = replace(NOTHING, recompression=1.0)
    worse = augmentation.expose(film, np.random.default_rng(0))
    assert 0 < np.abs(worse - film).max() < 0.1
    assert np.array_equal(NOTHING.expose(film, np.random.default_rng(0)), film)
