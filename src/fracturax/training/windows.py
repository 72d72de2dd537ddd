"""Windows for the closer look: about fractures, about what was mistaken for one, and anywhere."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from torch.utils.data import Dataset

from fracturax.models.boxes import Boxes
from fracturax.training.batches import Sample, StoredFilm, finest_stride, make_sample, outlines_of
from fracturax.training.recipe import Recipe
from fracturax.transforms.window import cut_window, to_window

_NARROWEST_PX = 8.0
"""Boxes thinner than this, in pixels of the first look's input, are shifted as if this wide."""
_ANYWHERE_PX = (48.0, 120.0)
"""Sides of the windows that lie anywhere, in pixels of the first look's input."""


class AugmentedWindows(Dataset[Sample]):
    """Windows of films: `(epoch, draw, film)` decides every chance.

    Args:
        films: Films whose fractures are marked, or that have none.
        candidates: For each film what the first network suspects, in pixels of the original.
        recipe: With its table `[closer]`.
    """

    def __init__(
        self, films: Sequence[StoredFilm], candidates: Sequence[Boxes], recipe: Recipe
    ) -> None:
        assert recipe.closer is not None, "windows need a recipe with a closer look"
        assert len(films) == len(candidates), "one set of candidates a film"
        self.films, self.recipe, self.closer = films, recipe, recipe.closer
        self._candidates = [
            boxes * film.detail.zoom for film, boxes in zip(films, candidates, strict=True)
        ]

    def __len__(self) -> int:
        return len(self.films)

    def __getitem__(self, draw: tuple[int, int, int]) -> Sample:
        """Return an augmented window of the film for `(epoch, draw, film)`."""
        epoch, number, index = draw
        film, window = self.films[index], self.closer.window
        generator = np.random.default_rng([self.recipe.seed, epoch, number])
        center, side = self._square(index, generator)
        augmentation = self.recipe.augmentation
        pixels, matrix = cut_window(
            film.detail.pixels,
            center,
            side=side,
            size=window.size,
            degrees=augmentation.random_degrees(generator),
            is_mirrored=generator.random() < augmentation.mirror,
        )
        zoom = np.float32(film.detail.zoom)
        outlines = [to_window(one * zoom, matrix) for one in outlines_of(film.reference)]
        image = augmentation.expose(pixels.astype(np.float32) / np.float32(255), generator)
        return make_sample(image[None], outlines, film.reference, stride=finest_stride(self.recipe))

    def _square(
        self, index: int, generator: np.random.Generator
    ) -> tuple[tuple[float, float], float]:
        """Choose the centre and the side of a window, in pixels of the film's detail."""
        film, closer = self.films[index], self.closer
        scale = film.detail.scale
        marked = film.reference.boxes or ()
        if marked and generator.random() < closer.hit_share:
            box = np.array(marked[generator.integers(len(marked))].as_tuple()) * film.detail.zoom
            width = float(np.sqrt((box[2:] - box[:2]).prod()))
            shift = generator.uniform(-closer.shift, closer.shift, 2)
            center = (box[:2] + box[2:]) / 2 + shift * max(width, _NARROWEST_PX * scale)
            resize = math.exp(generator.uniform(-closer.resize, closer.resize))
            side = max(closer.window.context * width * resize, closer.window.least_input_px * scale)
            return (float(center[0]), float(center[1])), side
        candidates = self._candidates[index]
        if len(candidates) and generator.random() < closer.candidate_share:
            box = candidates[generator.integers(len(candidates))]
            center = (box[:2] + box[2:]) / 2
            side = closer.window.side(box, scale=scale) * math.exp(generator.uniform(-0.2, 0.2))
            return (float(center[0]), float(center[1])), side
        shape: npt.NDArray[np.float64] = np.array(film.detail.pixels.shape, np.float64)
        center = generator.uniform(0.1, 0.9, 2) * shape
        return (float(center[0]), float(center[1])), generator.uniform(*_ANYWHERE_PX) * scale
