"""Blanked films: a part filled in from its rim, or nothing left but windows.

What a network says of them shows where it looks; shown in training, they teach it to look there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from fracturax.core.errors import ConfigError
from fracturax.core.geometry import Box

Grey = npt.NDArray[np.uint8]
"""A film's grey values, shape `(rows, columns)`."""

TELEA = cv2.INPAINT_TELEA
NAVIER_STOKES = cv2.INPAINT_NS
_RIM_PX = 3
_TRIES = 200
_BLACK = 26
"""Grey value below which a place shows no patient."""
_WINDOW_SIDES = (2.0, 5.0)
"""A window's side, in longer sides of what it is about."""


@dataclass(frozen=True)
class Blanking:
    """How often a film of a training is blanked; zero switches a change off.

    Args:
        fractures: Probability that all fractures of a film are filled in: it shows none then.
        elsewhere: Probability that any other film is filled in where there is no fracture, so
            that a filled place does not tell a film without one.
        windows: Probability that nothing is left but windows, about the fractures or anywhere.

    Raises:
        ConfigError: If one is no probability.

    Example:
        >>> Blanking().is_on, Blanking(windows=0.1).is_on
        (False, True)
    """

    fractures: float = 0.0
    elsewhere: float = 0.0
    windows: float = 0.0

    def __post_init__(self) -> None:
        for name in ("fractures", "elsewhere", "windows"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} is a probability", got=str(getattr(self, name)))

    @property
    def is_on(self) -> bool:
        """Whether anything is ever blanked."""
        return max(self.fractures, self.elsewhere, self.windows) > 0

    def apply(
        self,
        film: Grey,
        fractures: Sequence[Box],
        *,
        other: Sequence[Box],
        generator: np.random.Generator,
    ) -> tuple[Grey, bool]:
        """Return a film that may be blanked, and whether its fractures can still be seen.

        Args:
            film: Stays as it is.
            fractures: Boxes about its fractures, in its pixels.
            other: Fractures of another film, for sizes of what is blanked where there are none.
            generator: Source of all chance.
        """
        if fractures and generator.random() < self.fractures:
            grown = [window_about(box, sides=generator.uniform(1, 1.5)) for box in fractures]
            return fill_in(film, grown, method=NAVIER_STOKES), False
        if generator.random() < self.elsewhere:
            places = _places(fractures or other, film, free_of=fractures, generator=generator)
            return fill_in(film, places, method=NAVIER_STOKES), True
        if generator.random() < self.windows:
            shown = fractures or _places(other, film, free_of=(), generator=generator)
            if shown:
                sides = generator.uniform(*_WINDOW_SIDES)
                return only_windows(film, [window_about(one, sides=sides) for one in shown]), True
        return film, True


def fill_in(film: Grey, boxes: Sequence[Box], *, method: int = TELEA) -> Grey:
    """Return a film with boxes filled in from what lies about them.

    Args:
        film: Stays as it is.
        boxes: In its pixels; what lies beyond the border is left out.
        method: `TELEA` or `NAVIER_STOKES`.

    References:
        Telea, "An image inpainting technique based on the fast marching method", Journal of
        Graphics Tools 2004; Bertalmio et al., "Navier-Stokes, fluid dynamics, and image and video
        inpainting", CVPR 2001.

    Example:
        >>> film = np.full((16, 16), 90, np.uint8)
        >>> film[7, 7] = 255
        >>> int(fill_in(film, [Box(5, 5, 10, 10)])[7, 7])
        90
    """
    if not boxes:
        return film
    mask = np.zeros(film.shape, np.uint8)
    for box in boxes:
        mask[_slices(film.shape, box)] = 1
    return np.asarray(cv2.inpaint(film, mask, _RIM_PX, method), np.uint8)


def only_windows(film: Grey, windows: Sequence[Box]) -> Grey:
    """Return a film that is black but for some windows."""
    kept = np.zeros_like(film)
    for window in windows:
        inside = _slices(film.shape, window)
        kept[inside] = film[inside]
    return kept


def window_about(box: Box, *, sides: float) -> Box:
    """Return the square about a box whose side is so many times the box's longer one."""
    row, column = (box.row_min + box.row_max) / 2, (box.column_min + box.column_max) / 2
    half = sides * max(_size(box)) / 2
    return Box(row - half, column - half, row + half, column + half)


def place_elsewhere(
    box: Box, film: Grey, *, free_of: Sequence[Box], generator: np.random.Generator
) -> Box | None:
    """Draw a place of a box's size on a film, not black, that touches none of some others.

    Returns:
        The place; None if the film has no room for the box, or none was found.
    """
    high, wide = _size(box)
    rows, columns = film.shape
    if high >= rows or wide >= columns:
        return None
    for _ in range(_TRIES):
        row, column = generator.uniform(0, rows - high), generator.uniform(0, columns - wide)
        place = Box(row, column, row + high, column + wide)
        is_free = all(place.iou(one) == 0 for one in free_of)
        if is_free and film[_slices(film.shape, place)].mean() > _BLACK:
            return place
    return None


def _places(
    sizes: Sequence[Box], film: Grey, *, free_of: Sequence[Box], generator: np.random.Generator
) -> list[Box]:
    drawn = [place_elsewhere(one, film, free_of=free_of, generator=generator) for one in sizes]
    return [place for place in drawn if place is not None]


def _size(box: Box) -> tuple[float, float]:
    return box.row_max - box.row_min, box.column_max - box.column_min


def _slices(shape: tuple[int, ...], box: Box) -> tuple[slice, slice]:
    rows, columns = shape
    return (
        slice(max(0, round(box.row_min)), min(rows, round(box.row_max))),
        slice(max(0, round(box.column_min)), min(columns, round(box.column_max))),
    )
