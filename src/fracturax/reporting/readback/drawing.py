"""Marks drawn over the image they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from fracturax.reporting.readback.marks import Mark

Pixels = npt.NDArray[np.uint8]

_SOLID, _BROKEN, _MASK = (255, 127, 42), (255, 216, 77), (0, 190, 255)
_SMALLEST_PX, _LARGEST_PX = 500, 2400
_LONGEST_LABEL, _MOST_LABELS = 90, 40


def draw_marks(pixels: Pixels, marks: Sequence[Mark], *, title: str = "") -> Pixels:
    """Draw lines and masks over an image, each where its coordinates say.

    A line runs along the very edge it names, half a pixel to each side of it; a small image is
    enlarged so that this can be seen.

    Args:
        pixels: What the image looks like, 0 to 255, shape `(rows, columns)`.
        marks: With points or a mask in the pixels of that image.
        title: A line above the image.

    Returns:
        RGB, shape `(rows, columns, 3)`.

    Example:
        >>> square = Mark(None, points=np.array([[2.0, 2], [6, 2], [6, 6], [2, 6], [2, 2]]))
        >>> draw_marks(np.zeros((8, 8), np.uint8), [square]).shape
        (528, 504, 3)
    """
    rows, columns = pixels.shape
    longest = max(rows, columns)
    scale = 1.0
    if longest < _SMALLEST_PX:
        scale = float(-(-_SMALLEST_PX // longest))
    elif longest > _LARGEST_PX:
        scale = _LARGEST_PX / longest
    size = max(1, round(columns * scale)), max(1, round(rows * scale))
    way = cv2.INTER_NEAREST if scale >= 1 else cv2.INTER_AREA
    grey = np.asarray(cv2.resize(pixels, size, interpolation=way), np.uint8)
    color = np.repeat(grey[..., None], 3, axis=2)
    for mark in marks:
        if mark.mask is not None and mark.mask.shape == pixels.shape:
            _tint(color, mark.mask, size)
    head = 24
    canvas = PillowImage.new("RGB", (size[0], size[1] + head))
    canvas.paste(PillowImage.fromarray(color), (0, head))
    draw = ImageDraw.Draw(canvas)
    draw.text(
        (4, 4), _printable(title)[:200], font=ImageFont.load_default(14), fill=(230, 230, 230)
    )
    width = max(1, round(longest * scale / 500))
    for number, mark in enumerate(marks):
        ink = _BROKEN if mark.is_dashed else _SOLID
        if mark.points is not None:
            ends = mark.points * scale + (0, head)
            _draw_line(draw, ends, ink, width, is_dashed=mark.is_dashed)
        box = mark.box
        if box is not None and mark.label and number < _MOST_LABELS:
            text = _printable(mark.label)[:_LONGEST_LABEL]
            below = box.row_max * scale + head + 3
            draw.text(
                (box.column_min * scale, below), text, font=ImageFont.load_default(13), fill=ink
            )
    return np.asarray(canvas)


def _tint(color: Pixels, mask: npt.NDArray[np.bool_], size: tuple[int, int]) -> None:
    """Tint what a mask marks, and draw its rim."""
    shown = np.asarray(
        cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST), np.uint8
    )
    inside = shown > 0
    color[inside] = (0.7 * color[inside] + 0.3 * np.array(_MASK)).astype(np.uint8)
    rim = inside & ~(cv2.erode(shown, np.ones((3, 3), np.uint8), borderValue=0) > 0)
    color[rim] = _MASK


def _draw_line(
    draw: ImageDraw.ImageDraw,
    ends: npt.NDArray[np.float64],
    ink: tuple[int, int, int],
    width: int,
    *,
    is_dashed: bool,
) -> None:
    if len(ends) == 1:
        column, row = ends[0]
        draw.ellipse((column - 4, row - 4, column + 4, row + 4), outline=ink, width=width)
        return
    for start, end in pairwise(ends):
        length = float(np.linalg.norm(end - start))
        step = 10.0 * width if is_dashed else max(length, 1.0)
        # Far more dashes than a picture has pixels can only come from outside it.
        for at in np.arange(0.0, length, step)[:5000]:
            to = min(at + (0.6 * step if is_dashed else length), length)
            pieces = start + (end - start) * (np.array([[at], [to]]) / max(length, 1e-9))
            draw.line([tuple(point) for point in pieces.tolist()], fill=ink, width=width)


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)
