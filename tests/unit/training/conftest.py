from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tiny_release import draw_film

if TYPE_CHECKING:
    from fracturax.training.batches import StoredFilm
    from fracturax.training.recipe import Recipe


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Tiny networks gain nothing from threads, and lose much where cores are busy."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def stored_films() -> list[StoredFilm]:
    """Sixteen drawn films at training size, half of them fractured."""
    from fracturax.core.case import Polygon, Reference
    from fracturax.core.geometry import Box
    from fracturax.core.image import Radiograph
    from fracturax.training.batches import store_film
    from fracturax.transforms.plan import PreprocessingPlan

    generator = np.random.default_rng(0)
    films = []
    for number in range(16):
        drawn = draw_film(generator, fractured=number % 2 == 0)
        boxes: tuple[Box, ...] = ()
        polygons: tuple[Polygon, ...] = ()
        if drawn.gap is not None:
            top, left, bottom, right = (float(side) for side in drawn.gap)
            boxes = (Box(top, left, bottom, right),)
            corners = ((top, left), (top, right), (bottom, right), (bottom, left))
            polygons = (Polygon(corners),)
        reference = Reference(drawn.gap is not None, boxes, polygons, ("hand",), False)
        film = Radiograph(drawn.pixels.astype(np.float32) / np.float32(255))
        films.append(store_film(f"f{number}", film, reference, PreprocessingPlan(64, 64)))
    return films


@pytest.fixture(scope="session")
def recipe_of() -> Callable[..., Recipe]:
    """Make a tiny recipe; arguments change its optimizer."""
    from fracturax.training.recipe import (
        DataRecipe,
        NetworkRecipe,
        OptimizerRecipe,
        Recipe,
    )
    from fracturax.transforms.plan import PreprocessingPlan

    def make(*, seed: int = 0, frozen_blocks: int = 0, **optimizer: Any) -> Recipe:
        options = {"batch_size": 4, "epochs": 2, "epoch_films": 16, "precision": "32-true"}
        return Recipe(
            name="tiny",
            data=DataRecipe("fracatlas", folds=2),
            network=NetworkRecipe("xray", weights="random", width=8, frozen_blocks=frozen_blocks),
            seed=seed,
            plan=PreprocessingPlan(64, 64),
            optimizer=OptimizerRecipe(**{**options, **optimizer}),  # type: ignore[arg-type]
        )

    return make
