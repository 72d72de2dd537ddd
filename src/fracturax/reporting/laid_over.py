"""Pictures of one image laid over another, and of masks over the image they were made from."""

from __future__ import annotations

import io

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from fracturax.core.errors import ImageError
from fracturax.core.report import RESEARCH_USE_NOTICE
from fracturax.reporting.film import shrink

Grey = npt.NDArray[np.uint8]
Colored = npt.NDArray[np.uint8]

_LONGEST_PX, _SHORTEST_PX, _GAP, _LINE = 640, 256, 10, 22
_LEAST_WIDTH = 860
_INK, _SOFT, _PAPER = "#f3f4f6", "#aab2bd", "#16191d"
_TILES = 8
_COLORS = (
    *((255, 196, 0), (64, 196, 255), (255, 112, 160), (120, 224, 120), (200, 150, 255)),
    *((255, 144, 64), (96, 232, 208), (232, 232, 96), (160, 176, 255), (240, 128, 240)),
)


def checkerboard(fixed: Grey, moved: Grey) -> Colored:
    """Return tiles of one image and the other by turns: edges go on where they are registered.

    Args:
        fixed: Shape `(rows, columns)`, 0 black, 255 white.
        moved: The other image on the same grid.

    Returns:
        RGB, shape `(rows, columns, 3)`.

    Raises:
        ImageError: If the shapes differ.

    Example:
        >>> board = checkerboard(np.zeros((16, 16), np.uint8), np.full((16, 16), 255, np.uint8))
        >>> board[:, :, 0].mean()
        np.float64(127.5)
    """
    _require_alike(fixed, moved)
    side = max(1, max(fixed.shape) // _TILES)
    rows, columns = np.indices(fixed.shape) // side
    mixed = np.where((rows + columns) % 2 == 0, fixed, moved)
    return np.repeat(mixed[..., None], 3, axis=2)


def colors_laid(fixed: Grey, moved: Grey) -> Colored:
    """Return one image in magenta and the other in green: where they agree it is grey.

    Raises:
        ImageError: If the shapes differ.
    """
    _require_alike(fixed, moved)
    return np.stack([fixed, moved, fixed], axis=2)


def outlined(shown: Grey, labels: npt.NDArray[np.integer | np.bool_]) -> Colored:
    """Return an image with each label lightly coloured and its outline drawn.

    Args:
        shown: Shape `(rows, columns)`, 0 black, 255 white.
        labels: Of the same shape, 0 outside; colours come round after ten.

    Returns:
        RGB, shape `(rows, columns, 3)`.

    Raises:
        ImageError: If the shapes differ.
    """
    _require_alike(shown, labels)
    colored = np.repeat(shown[..., None], 3, axis=2)
    for label in np.unique(labels[labels > 0]).tolist():
        inside = (labels == label).astype(np.uint8)
        color = np.array(_COLORS[(int(label) - 1) % len(_COLORS)])
        tinted = 0.8 * colored + 0.2 * color
        colored = np.where(inside[..., None] > 0, np.rint(tinted), colored).astype(np.uint8)
        edges, _ = cv2.findContours(inside, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        colored = np.ascontiguousarray(colored)
        cv2.drawContours(colored, edges, -1, color.tolist(), max(1, max(shown.shape) // 700))
    return colored


def side_by_side(
    pictures: list[tuple[str, Colored]], *, title: str, remark: str = "", is_warning: bool = False
) -> bytes:
    """Draw pictures beside each other under a title, as the bytes of a PNG.

    Args:
        pictures: What each is, and its pixels: RGB, shape `(rows, columns, 3)`.
        title: In one line.
        remark: A second line; else empty.
        is_warning: Whether the remark says that the result must not be used.
    """
    shown = [(said, shrink(_enlarged(pixels), longest_px=_LONGEST_PX)) for said, pixels in pictures]
    width = max(sum(one.shape[1] + _GAP for _, one in shown) + _GAP, _LEAST_WIDTH)
    height = 4 * _LINE + max(one.shape[0] for _, one in shown) + _GAP
    canvas = PillowImage.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(canvas)
    large, plain = ImageFont.load_default(16), ImageFont.load_default(13)
    draw.text((_GAP, 4), title, fill=_INK, font=large)
    draw.text((_GAP, _LINE + 4), remark, fill="#ff8c66" if is_warning else _SOFT, font=plain)
    left = _GAP
    for said, pixels in shown:
        draw.text((left, 2 * _LINE + 4), said, fill=_INK, font=plain)
        canvas.paste(PillowImage.fromarray(pixels), (left, 3 * _LINE))
        left += pixels.shape[1] + _GAP
    draw.text((_GAP, height - _LINE + 2), RESEARCH_USE_NOTICE, fill=_SOFT, font=plain)
    buffer = io.BytesIO()
    canvas.save(buffer, "PNG")
    return buffer.getvalue()


def _enlarged(pixels: Colored) -> Colored:
    """Return a small picture with each of its pixels several times as large."""
    times = -(-_SHORTEST_PX // max(pixels.shape[:2]))
    return pixels.repeat(times, axis=0).repeat(times, axis=1)


def _require_alike(shown: npt.NDArray[np.uint8], other: npt.NDArray[np.integer | np.bool_]) -> None:
    if shown.shape != other.shape:
        raise ImageError(
            "what is laid over an image does not fit it",
            got=f"shape {other.shape} over shape {shown.shape}",
        )
