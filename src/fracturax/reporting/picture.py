"""The report as a picture: the films side by side, marked, under a banner with the answer."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from fracturax.core.errors import UnknownNameError
from fracturax.core.geometry import Box
from fracturax.core.image import Image
from fracturax.core.prediction import ImagePrediction
from fracturax.core.report import RESEARCH_USE_NOTICE, Report
from fracturax.reporting.banner import (
    INK,
    SOFT_INK,
    draw_banner,
    draw_footer,
    draw_sign,
    fitting,
    font,
)
from fracturax.reporting.film import View, answered_images, display_pixels, shrink, views_of
from fracturax.reporting.labels import readable
from fracturax.reporting.upright import upright
from fracturax.reporting.wording import BOX_COLOR, PROJECTED_COLOR, percent, sentence

_BLACK = "#000000"
_GAP = 12
_SMALLEST_WIDTH = 640


@dataclass(frozen=True)
class Placement:
    """Where a film lies in a picture: its top left corner, and its size against the original."""

    image: str
    row: int
    column: int
    rows: int
    columns: int
    scale: float


@dataclass(frozen=True, eq=False)
class Picture:
    """A drawn picture.

    Args:
        pixels: RGB, shape `(rows, columns, 3)`.
        placements: Where each film lies in it.
        text: What the PNG says about itself, as key and value.
    """

    pixels: npt.NDArray[np.uint8]
    placements: tuple[Placement, ...]
    text: tuple[tuple[str, str], ...] = ()

    def png(self) -> bytes:
        """Return the picture as the bytes of a PNG file."""
        info = PngInfo()
        for key, value in self.text:
            info.add_itxt(key, value)
        buffer = io.BytesIO()
        PillowImage.fromarray(self.pixels).save(buffer, "PNG", pnginfo=info, optimize=False)
        return buffer.getvalue()


def draw_picture(
    report: Report,
    *,
    image: str | None = None,
    view: View | None = None,
    longest_px: int = 1600,
    text_scale: float = 1.0,
    marks: Sequence[str] = (),
) -> Picture:
    """Draw one film of a report, or all of them, with boxes and the answer above.

    Solid boxes are certain, dashed ones in doubt. A frame runs around the outside of its box, so
    that it hides nothing of what it marks; all other pixels of the film are as they were. The
    original is never written to.

    Args:
        report: What to draw.
        image: Name of the film to draw; without it all films, in a grid.
        view: What to show of that image; its first view by default.
        longest_px: Longest side of a film in the picture; a larger film is drawn smaller. In a
            grid two films wide it is three quarters of that, in a wider one half.
        text_scale: Size of the words around the films, for pictures that will be seen smaller.
        marks: What else the banner says in a frame of its own.

    Returns:
        The picture, at least 640 px wide.

    Raises:
        UnknownNameError: If the study has no image of that name.

    Example:
        >>> from fracturax.core.image import Radiograph
        >>> from fracturax.core.prediction import ModelIdentity, OperatingPoints, Prediction
        >>> from fracturax.core.study import Study
        >>> film = Radiograph(np.zeros((900, 700), np.float32), name="wrist.dcm")
        >>> prediction = Prediction("4f1a", "doubt", ModelIdentity("xray", "1", "", ""),
        ...                         OperatingPoints(0.1, 0.5), probability=0.2)
        >>> picture = draw_picture(Report(Study("4f1a", (film,)), prediction,
        ...                               "2026-01-01T00:00:00+00:00", "fracturax 0.1"))
        >>> picture.placements[0].scale
        1.0
    """
    shown = [pair for pair in answered_images(report) if image in (None, pair[0].name)]
    if image is not None and not shown:
        raise UnknownNameError("image", image, [one.name for one in report.study.images])
    across = math.ceil(math.sqrt(len(shown))) if shown else 1
    share = {1: longest_px, 2: longest_px * 3 // 4}.get(across, longest_px // 2)
    films = [
        _draw_film(
            film,
            answer,
            view or views_of(film, answer)[0],
            longest_px=share,
            unit=text_scale,
        )
        for film, answer in shown
    ]
    cell_width = max((drawn.width for drawn, _ in films), default=0)
    least = (_SMALLEST_WIDTH + 180 * len(marks)) * text_scale  # the answer is not cut short
    width = max(cell_width * across + _GAP * (across + 1), round(least))
    banner = draw_banner(report, width, unit=text_scale, marks=marks)
    footer = draw_footer(report, width, unit=text_scale)
    lines = [films[start : start + across] for start in range(0, len(films), across)]
    heights = [max(drawn.height for drawn, _ in line) for line in lines]
    height = banner.height + sum(heights) + _GAP * (len(lines) + 1) + footer.height
    canvas = PillowImage.new("RGB", (width, height), _BLACK)
    canvas.paste(banner, (0, 0))
    canvas.paste(footer, (0, height - footer.height))
    placements = []
    top = banner.height + _GAP
    for line, line_height in zip(lines, heights, strict=True):
        left = (width - cell_width * len(line) - _GAP * (len(line) - 1)) // 2
        for drawn, place in line:
            column = left + (cell_width - drawn.width) // 2
            canvas.paste(drawn, (column, top))
            placements.append(
                Placement(
                    place.image, top + place.row, column, place.rows, place.columns, place.scale
                )
            )
            left += cell_width + _GAP
        top += line_height + _GAP
    text = (
        ("Software", report.software),
        ("Disclaimer", RESEARCH_USE_NOTICE),
        ("Comment", sentence(report.prediction)),
        *((("Warning", "SYNTHETIC: generated images, no patient"),) if report.is_synthetic else ()),
    )
    return Picture(np.asarray(canvas), tuple(placements), text)


def picture_bytes(report: Report) -> bytes:
    """Return the picture of all films as the bytes of a PNG file."""
    return draw_picture(upright(report)).png()


def _draw_film(
    film: Image, answer: ImagePrediction, view: View, *, longest_px: int, unit: float
) -> tuple[PillowImage.Image, Placement]:
    """Draw one film under a line with its name and answer."""
    grey = shrink(display_pixels(film, slice_index=view.slice), longest_px=longest_px)
    rows, columns = grey.shape
    scale = max(grey.shape) / max(film.pixels.shape[-2:])

    def px(length: float) -> int:
        return round(length * unit)

    face = font(px(16))
    head = px(26)
    canvas = PillowImage.new("RGB", (max(columns, px(240)), rows + head), _BLACK)
    draw = ImageDraw.Draw(canvas)
    tail = "" if answer.probability is None else f"  {percent(answer.probability)}"
    room = canvas.width - px(20) - draw.textlength(f"{tail}   ", face) - px(8)
    draw_sign(draw, answer.status, center=(px(11), px(13)), size=px(14), fill=INK)
    draw.text((px(20), px(3)), f"{tail}   ", font=face, fill=INK)
    name = film.name
    if view.slice is not None:
        name += f" · slice {view.slice + 1} of {film.pixels.shape[0]}"
    name = fitting(draw, name, face, room)
    draw.text((canvas.width - px(2), px(3)), name, font=face, fill=SOFT_INK, anchor="ra")
    # Drawn on a layer of the film's own size: no frame or label reaches over its edge.
    layer = PillowImage.fromarray(grey).convert("RGB")
    projected = [
        _Mark(one.box, f"CT {percent(one.probability)}", PROJECTED_COLOR, is_dashed=True)
        for one in sorted(answer.projections, key=lambda one: one.probability)
    ]
    found = [
        _Mark(
            one.box,
            percent(one.probability) + (" ?" if one.certainty == "doubt" else ""),
            BOX_COLOR[one.certainty],
            is_dashed=one.certainty == "doubt",
        )
        for one in sorted(view.findings, key=lambda one: one.probability)
    ]
    _draw_marks(layer, [*projected, *found], scale)
    canvas.paste(layer, (0, head))
    return canvas, Placement(film.name, head, 0, rows, columns, scale)


@dataclass(frozen=True)
class _Mark:
    """A box on a film and what is written beside it."""

    box: Box
    label: str
    color: str
    is_dashed: bool


def _draw_marks(layer: PillowImage.Image, marks: Sequence[_Mark], scale: float) -> None:
    """Draw boxes, later ones over earlier ones, and their labels where there is room.

    A label that would lie over that of a later box is left out: two on one spot cannot be read.
    """
    draw = ImageDraw.Draw(layer)
    face = font(max(13, round(max(layer.size) / 55)))
    frames = [_draw_frame(draw, layer.size, mark, scale) for mark in marks]
    spots = [
        _label_spot(draw, layer.size, mark.label, frame, face)
        for mark, frame in zip(marks, frames, strict=True)
    ]
    latest_first = list(zip(reversed(marks), reversed(spots), strict=True))
    is_shown = readable(spot for _, spot in latest_first)
    for mark, spot in compress(latest_first, is_shown):
        left, top, right, bottom = spot
        draw.rectangle((left, top, right, bottom - 1), fill=_BLACK)
        draw.text((left + 5, top + 2), mark.label, font=face, fill=mark.color)


def _draw_frame(
    draw: ImageDraw.ImageDraw, size: tuple[int, int], mark: _Mark, scale: float
) -> tuple[int, int, int, int]:
    """Draw a box's frame; return its left, top, right and bottom."""
    width = max(2, round(max(size) / 450))
    row_min, column_min, row_max, column_max = (side * scale for side in mark.box.as_tuple())
    # The frame lies outside the box; at the border of the film it moves in so as to be seen.
    left, top = max(math.floor(column_min) - width, 0), max(math.floor(row_min) - width, 0)
    right = min(math.ceil(column_max) + width, size[0])
    bottom = min(math.ceil(row_max) + width, size[1])
    dash, space = (7 * width, 4 * width) if mark.is_dashed else (10**6, 0)
    for start in range(left, right, dash + space):
        end = min(start + dash, right) - 1
        draw.rectangle((start, top, end, top + width - 1), fill=mark.color)
        draw.rectangle((start, bottom - width, end, bottom - 1), fill=mark.color)
    for start in range(top, bottom, dash + space):
        end = min(start + dash, bottom) - 1
        draw.rectangle((left, start, left + width - 1, end), fill=mark.color)
        draw.rectangle((right - width, start, right - 1, end), fill=mark.color)
    return left, top, right, bottom


def _label_spot(
    draw: ImageDraw.ImageDraw,
    size: tuple[int, int],
    label: str,
    frame: tuple[int, int, int, int],
    face: ImageFont.FreeTypeFont,
) -> tuple[int, int, int, int]:
    """Return where a label goes, as left, top, right and bottom: over its frame, or under it."""
    left, top, _, bottom = frame
    length, line = round(draw.textlength(label, face)) + 10, sum(face.getmetrics()) + 4
    above = top - line if top >= line else min(bottom, size[1] - line)
    start = max(0, min(left, size[0] - length))
    return start, above, start + length, above + line
