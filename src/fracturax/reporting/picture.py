"""The report as a picture: the films side by side, marked, under a banner with the answer."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from fracturax.core.errors import UnknownNameError
from fracturax.core.finding import Finding
from fracturax.core.image import Image
from fracturax.core.prediction import ImagePrediction, Status
from fracturax.core.report import RESEARCH_USE_NOTICE, Report
from fracturax.reporting.film import answered_images, display_pixels, shrink
from fracturax.reporting.wording import BOX_COLOR, WORDING, percent, sentence

_INK, _SOFT_INK, _PAPER, _BLACK = "#f3f4f6", "#aab2bd", "#16191d", "#000000"
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


def draw_picture(report: Report, *, image: str | None = None, longest_px: int = 1600) -> Picture:
    """Draw one film of a report, or all of them, with boxes and the answer above.

    Solid boxes are certain, dashed ones in doubt. A frame runs around the outside of its box, so
    that it hides nothing of what it marks; all other pixels of the film are as they were. The
    original is never written to.

    Args:
        report: What to draw.
        image: Name of the film to draw; without it all films, in a grid.
        longest_px: Longest side of a film in the picture; a larger film is drawn smaller. In a
            grid two films wide it is three quarters of that, in a wider one half.

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
    films = [_draw_film(film, answer, longest_px=share) for film, answer in shown]
    cell_width = max((drawn.width for drawn, _ in films), default=0)
    width = max(cell_width * across + _GAP * (across + 1), _SMALLEST_WIDTH)
    banner, footer = _draw_banner(report, width), _draw_footer(report, width)
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
    return draw_picture(report).png()


def _draw_film(
    film: Image, answer: ImagePrediction, *, longest_px: int
) -> tuple[PillowImage.Image, Placement]:
    """Draw one film under a line with its name and answer."""
    grey = shrink(display_pixels(film), longest_px=longest_px)
    rows, columns = grey.shape
    scale = max(grey.shape) / max(film.pixels.shape[-2:])
    font = _font(16)
    head = 26
    canvas = PillowImage.new("RGB", (max(columns, 240), rows + head), _BLACK)
    draw = ImageDraw.Draw(canvas)
    tail = "" if answer.probability is None else f"  {percent(answer.probability)}"
    room = canvas.width - 20 - draw.textlength(f"{tail}   ", font) - 8
    _draw_sign(draw, answer.status, center=(11, 13), size=14, fill=_INK)
    draw.text((20, 3), f"{tail}   ", font=font, fill=_INK)
    name = _fitting(draw, film.name, font, room)
    draw.text((canvas.width - 2, 3), name, font=font, fill=_SOFT_INK, anchor="ra")
    # Drawn on a layer of the film's own size: no frame or label reaches over its edge.
    layer = PillowImage.fromarray(grey).convert("RGB")
    for finding in sorted(answer.findings, key=lambda one: one.probability):
        _draw_box(layer, finding, scale)
    canvas.paste(layer, (0, head))
    return canvas, Placement(film.name, head, 0, rows, columns, scale)


def _draw_box(layer: PillowImage.Image, finding: Finding, scale: float) -> None:
    draw = ImageDraw.Draw(layer)
    width = max(2, round(max(layer.size) / 450))
    color = BOX_COLOR[finding.certainty]
    row_min, column_min, row_max, column_max = (side * scale for side in finding.box.as_tuple())
    # The frame lies outside the box; at the border of the film it moves in so as to be seen.
    left, top = max(math.floor(column_min) - width, 0), max(math.floor(row_min) - width, 0)
    right = min(math.ceil(column_max) + width, layer.width)
    bottom = min(math.ceil(row_max) + width, layer.height)
    dash, space = (7 * width, 4 * width) if finding.certainty == "doubt" else (10**6, 0)
    for start in range(left, right, dash + space):
        end = min(start + dash, right) - 1
        draw.rectangle((start, top, end, top + width - 1), fill=color)
        draw.rectangle((start, bottom - width, end, bottom - 1), fill=color)
    for start in range(top, bottom, dash + space):
        end = min(start + dash, bottom) - 1
        draw.rectangle((left, start, left + width - 1, end), fill=color)
        draw.rectangle((right - width, start, right - 1, end), fill=color)
    font = _font(max(13, round(max(layer.size) / 55)))
    label = percent(finding.probability) + ("" if finding.certainty == "certain" else " ?")
    length, line = draw.textlength(label, font) + 10, sum(font.getmetrics()) + 4
    label_top = top - line if top >= line else min(bottom, layer.height - line)
    label_left = max(0, min(left, layer.width - length))
    draw.rectangle((label_left, label_top, label_left + length, label_top + line - 1), fill=_BLACK)
    draw.text((label_left + 5, label_top + 2), label, font=font, fill=color)


def _draw_banner(report: Report, width: int) -> PillowImage.Image:
    """Draw the answer, the model and, where it applies, that the films are synthetic."""
    prediction = report.prediction
    wording = WORDING[prediction.status]
    canvas = PillowImage.new("RGB", (width, 96), _PAPER)
    draw = ImageDraw.Draw(canvas)
    draw.rectangle((0, 0, 7, 95), fill=wording.color)
    draw.rounded_rectangle((24, 20, 72, 68), 10, fill=wording.color)
    _draw_sign(draw, prediction.status, center=(48, 44), size=26, fill=wording.ink)
    room = float(width - 88 - 24)
    if report.is_synthetic:
        length = draw.textlength("SYNTHETIC", _font(18)) + 24
        draw.rounded_rectangle((width - 20 - length, 18, width - 20, 46), 6, outline="#7dd3fc")
        draw.text(
            (width - 20 - length / 2, 32),
            "SYNTHETIC",
            font=_font(18),
            fill="#7dd3fc",
            anchor="mm",
        )
        room -= length + 16
    headline = _fitting(draw, wording.headline, _font(28), room)
    draw.text((88, 12), headline, font=_font(28), fill=_INK)
    points = prediction.operating_points
    second = (
        prediction.reason or ""
        if prediction.probability is None
        else f"Probability {percent(prediction.probability)} · doubt from "
        f"{percent(points.high_sensitivity)}, fracture from {percent(points.high_specificity)}"
    )
    draw.text((88, 50), _fitting(draw, second, _font(16), width - 112), font=_font(16), fill=_INK)
    third = f"Model {prediction.model.name} {prediction.model.version} · study {report.study.key}"
    third = _fitting(draw, third, _font(13), width - 112)
    draw.text((88, 74), third, font=_font(13), fill=_SOFT_INK)
    return canvas


# Corners of each answer's sign in a square of side 1 around (0, 0); lines, not letters: the font
# that every Pillow has lacks them.
_SIGNS: dict[Status, tuple[tuple[float, float], ...]] = {
    "fracture": ((0.0, -0.45), (0.5, 0.42), (-0.5, 0.42), (0.0, -0.45)),
    "no_fracture": ((-0.45, 0.05), (-0.12, 0.38), (0.48, -0.38)),
    "not_assessed": ((-0.4, 0.0), (0.4, 0.0)),
}


def _draw_sign(
    draw: ImageDraw.ImageDraw,
    status: Status,
    *,
    center: tuple[int, int],
    size: int,
    fill: str,
) -> None:
    """Draw the sign that tells an answer without colour: triangle, question mark, tick, dash."""
    if status == "doubt":
        draw.text(center, "?", font=_font(size), fill=fill, anchor="mm")
        return
    corners = [(center[0] + size * x, center[1] + size * y) for x, y in _SIGNS[status]]
    if status == "fracture":
        draw.polygon(corners, fill=fill)
    else:
        draw.line(corners, fill=fill, width=max(2, size // 6), joint="curve")


def _draw_footer(report: Report, width: int) -> PillowImage.Image:
    """Draw the notice, the meaning of the lines, and what could not be read."""
    lines = [RESEARCH_USE_NOTICE]
    lines.append("Solid box: certain.  Dashed box with ?: doubt.  The originals are unchanged.")
    lines += [f"Not read: {file.name} ({file.reason})" for file in report.study.unreadable[:8]]
    if len(report.study.unreadable) > 8:
        lines.append(f"Not read: {len(report.study.unreadable) - 8} files more")
    measure = ImageDraw.Draw(PillowImage.new("RGB", (1, 1)))
    # The notice is never cut off: where the picture is narrow it takes more lines.
    notice = _wrapped(measure, lines[0], _font(13), width - 32)
    rows = [(line, _INK) for line in notice] + [(line, _SOFT_INK) for line in lines[1:]]
    canvas = PillowImage.new("RGB", (width, 20 + 20 * len(rows)), _PAPER)
    draw = ImageDraw.Draw(canvas)
    for number, (line, fill) in enumerate(rows):
        text = _fitting(draw, line, _font(13), width - 32)
        draw.text((16, 10 + 20 * number), text, font=_font(13), fill=fill)
    return canvas


def _wrapped(
    draw: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont, room: float
) -> list[str]:
    """Break a text between words into lines that fit."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and draw.textlength(longer, font) > room:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _fitting(
    draw: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont, room: float
) -> str:
    """Return the text on one line, with an ellipsis where it is longer than the room."""
    text = "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text
    )
    if draw.textlength(text, font) <= room:
        return text
    while text and draw.textlength(text + "…", font) > room:
        text = text[:-1]
    return text + "…"


@lru_cache(maxsize=32)
def _font(size: int) -> ImageFont.FreeTypeFont:
    """Return Pillow's own font: the same on every machine."""
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont), "Pillow was built without FreeType"
    return font
