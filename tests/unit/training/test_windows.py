"""Windows for the closer look show what they are said to show."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from fracturax.training.batches import StoredFilm
from fracturax.training.recipe import CloserRecipe, NetworkRecipe, OptimizerRecipe, Recipe
from fracturax.training.windows import AugmentedWindows
from fracturax.transforms.augment import Augmentation
from fracturax.transforms.window import WindowPlan


@pytest.fixture
def windows_of(
    stored_films: list[StoredFilm], recipe_of: Callable[..., Recipe]
) -> Callable[..., AugmentedWindows]:
    def make(*, candidate: tuple[float, ...] = (), **shares: float) -> AugmentedWindows:
        closer = CloserRecipe(
            NetworkRecipe("xray", "mobilenet_v2_fine", "random", width=8),
            OptimizerRecipe(),
            WindowPlan(size=48, least_input_px=16),
            **shares,
        )
        recipe = replace(recipe_of(), closer=closer, augmentation=Augmentation(noise=0.0))
        stage = recipe.closer_stage()
        assert stage is not None
        boxes = np.array([candidate]).reshape(-1, 4)
        return AugmentedWindows(stored_films, [boxes] * len(stored_films), stage)

    return make


def test_a_hit_shows_its_fracture_where_the_box_says(
    windows_of: Callable[..., AugmentedWindows],
) -> None:
    windows = windows_of(hit_share=1.0, shift=0.2, resize=0.1)
    for number in range(20):
        sample = windows[(0, number, 0)]  # film 0 is fractured
        assert sample.fracture == 1.0
        assert sample.image.shape == (1, 48, 48)
        assert sample.heat.shape == (12, 12)
        row, column = (sample.boxes[0, :2] + sample.boxes[0, 2:]) / 2
        peak = np.unravel_index(sample.heat.argmax(), sample.heat.shape)
        assert np.abs(np.array(peak) * 4 + 2 - (row, column)).max() < 10


def test_windows_of_a_normal_film_are_negative(
    windows_of: Callable[..., AugmentedWindows],
) -> None:
    windows = windows_of(hit_share=1.0)
    samples = [windows[(0, number, 1)] for number in range(10)]
    assert all(sample.fracture == 0.0 and len(sample.boxes) == 0 for sample in samples)


def test_misses_are_about_candidates(
    windows_of: Callable[..., AugmentedWindows], stored_films: list[StoredFilm]
) -> None:
    # A candidate on the fracture itself shows that it is the candidate that is cut.
    box = stored_films[0].reference.boxes[0]  # type: ignore[index]
    windows = windows_of(candidate=box.as_tuple(), hit_share=0.0, candidate_share=1.0)
    assert all(windows[(0, number, 0)].fracture == 1.0 for number in range(10))


def test_the_same_draw_is_the_same_window(windows_of: Callable[..., AugmentedWindows]) -> None:
    windows = windows_of()
    one, same, other = windows[(1, 2, 0)], windows[(1, 2, 0)], windows[(1, 3, 0)]
    assert np.array_equal(one.image, same.image)
    assert not np.array_equal(one.image, other.image)
