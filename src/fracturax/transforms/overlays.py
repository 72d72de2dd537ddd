"""Things that lie on a film and are no fracture: a plaster cast, a side marker."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Film = npt.NDArray[np.float32]
_MARKS = ("L", "R", "AP", "LAT", "PA", "X1")


def lay_cast(film: Film, generator: np.random.Generator) -> Film:
    """Return a film, display values in [0, 1], with a plaster cast over a part of it.

    A broad band of fibrous, slightly see-through white, brighter along its sides, as a tube is.
    Only what is not air is under it.
    """
    rows, columns = film.shape
    angle = generator.uniform(-0.35, 0.35) + (np.pi / 2 if columns > rows else 0.0)
    across = np.array([np.cos(angle), -np.sin(angle)])
    grid = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).astype(np.float32)
    middle = generator.uniform(0.35, 0.65, 2) * (columns, rows)
    offset = (grid - middle) @ across
    half = generator.uniform(0.2, 0.4) * min(rows, columns)
    inside = np.clip((half - np.abs(offset)) / 3 + 0.5, 0, 1)
    # A tube is thickest, seen from the side, at its rims.
    depth = 1 / np.sqrt(np.clip(1.02 - (offset / half) ** 2, 0.1, None))
    fibres = generator.standard_normal((rows, columns), dtype=np.float32)
    fibres = np.asarray(cv2.GaussianBlur(fibres, (0, 0), 1.2), np.float32)
    fibres /= max(float(fibres.std()), 1e-6)
    body = np.clip(film / np.float32(0.15), 0, 1)
    weight = inside * body * (0.6 + 0.4 * depth / 3) * (1 + 0.12 * fibres)
    cover = np.clip(generator.uniform(0.1, 0.3) * weight, 0, 0.6)
    covered: Film = (film + (1 - film) * cover).astype(np.float32)
    return covered


def lay_marker(
    film: Film, generator: np.random.Generator, *, free_of: list[npt.NDArray[np.float32]]
) -> Film:
    """Return a film, display values in [0, 1], with a side marker near one of its corners.

    Args:
        film: Shape `(rows, columns)`.
        generator: Source of all chance.
        free_of: Outlines `(row, column)` that the marker must not cover.
    """
    rows, columns = film.shape
    text = _MARKS[int(generator.integers(len(_MARKS)))]
    height = generator.uniform(0.03, 0.07) * max(rows, columns)
    scale = height / 22  # the font's capitals are 22 px high at scale 1
    weight = max(1, round(scale * 3))
    (wide, high), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, weight)
    share = generator.uniform(0.02, 0.12, 2)
    corner = generator.random(2) < 0.5
    top = share[0] * rows if corner[0] else rows - share[0] * rows - high
    left = share[1] * columns if corner[1] else columns - share[1] * columns - wide
    value = generator.uniform(0.75, 1.0)
    margin = weight + 2
    for outline in free_of:
        low, high_end = outline.min(axis=0), outline.max(axis=0)
        apart = (
            low[0] > top + high + margin
            or high_end[0] < top - margin
            or low[1] > left + wide + margin
            or high_end[1] < left - margin
        )
        if not apart:
            return film
    drawn = np.zeros((rows, columns), np.uint8)
    place = (round(left), round(top) + high)
    cv2.putText(drawn, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, weight, cv2.LINE_AA)
    cover = drawn.astype(np.float32) / np.float32(255)
    marked: Film = (film + (np.float32(value) - film) * cover).astype(np.float32)
    return np.maximum(marked, film)
