"""The strips above and below a picture: the answer, the model, the notice; and how text is set."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from fracturax.core.prediction import Status
from fracturax.core.report import RESEARCH_USE_NOTICE, Report
from fracturax.reporting.wording import WORDING, percent

INK, SOFT_INK, PAPER = "#f3f4f6", "#aab2bd", "#16191d"
_BADGE = "#7dd3fc"


def draw_banner(
    report: Report, width: int, *, unit: float = 1.0, marks: Sequence[str] = ()
) -> PillowImage.Image:
    """Draw the answer, the model and, where it applies, that the films are synthetic.

    Args:
        report: What was answered.
        width: Width in pixels.
        unit: Size of everything in it against that for a picture seen pixel by pixel.
        marks: What else is said in a frame of its own, such as `ANNOTATED COPY`.

    Returns:
        A strip `96 * unit` pixels high.
    """
    prediction = report.prediction
    wording = WORDING[prediction.status]

    def px(length: float) -> int:
        return round(length * unit)

    canvas = PillowImage.new("RGB", (width, px(96)), PAPER)
    draw = ImageDraw.Draw(canvas)
    draw.rectangle((0, 0, px(8) - 1, px(96) - 1), fill=wording.color)
    draw.rounded_rectangle((px(24), px(20), px(72), px(68)), px(10), fill=wording.color)
    draw_sign(draw, prediction.status, center=(px(48), px(44)), size=px(26), fill=wording.ink)
    right = float(width - px(20))
    badge = font(px(18))
    for mark in (*(("SYNTHETIC",) if report.is_synthetic else ()), *marks):
        length = draw.textlength(mark, badge) + px(24)
        frame = (right - length, px(18), right, px(46))
        draw.rounded_rectangle(frame, px(6), outline=_BADGE, width=max(1, px(1)))
        draw.text((right - length / 2, px(32)), mark, font=badge, fill=_BADGE, anchor="mm")
        right -= length + px(12)
    headline = fitting(draw, wording.headline, font(px(28)), right - px(88) - px(4))
    draw.text((px(88), px(12)), headline, font=font(px(28)), fill=INK)
    points = prediction.operating_points
    second = (
        prediction.reason or ""
        if prediction.probability is None
        else f"Probability {percent(prediction.probability)} · doubt from "
        f"{percent(points.high_sensitivity)}, fracture from {percent(points.high_specificity)}"
    )
    room = width - px(112)
    second = fitting(draw, second, font(px(16)), room)
    draw.text((px(88), px(50)), second, font=font(px(16)), fill=INK)
    third = f"Model {prediction.model.name} {prediction.model.version} · study {report.study.key}"
    third = fitting(draw, third, font(px(13)), room)
    draw.text((px(88), px(74)), third, font=font(px(13)), fill=SOFT_INK)
    return canvas


def draw_footer(report: Report, width: int, *, unit: float = 1.0) -> PillowImage.Image:
    """Draw the notice, the meaning of the lines, and what could not be read.

    Args:
        report: What was answered.
        width: Width in pixels.
        unit: As in `draw_banner`.
    """

    def px(length: float) -> int:
        return round(length * unit)

    lines = [RESEARCH_USE_NOTICE]
    lines.append("Solid box: certain.  Dashed box with ?: doubt.  The originals are unchanged.")
    lines += [f"Not read: {file.name} ({file.reason})" for file in report.study.unreadable[:8]]
    if len(report.study.unreadable) > 8:
        lines.append(f"Not read: {len(report.study.unreadable) - 8} files more")
    measure = ImageDraw.Draw(PillowImage.new("RGB", (1, 1)))
    # The notice is never cut off: where the picture is narrow it takes more lines.
    notice = wrapped(measure, lines[0], font(px(13)), width - px(32))
    rows = [(line, INK) for line in notice] + [(line, SOFT_INK) for line in lines[1:]]
    canvas = PillowImage.new("RGB", (width, px(20 + 20 * len(rows))), PAPER)
    draw = ImageDraw.Draw(canvas)
    for number, (line, fill) in enumerate(rows):
        text = fitting(draw, line, font(px(13)), width - px(32))
        draw.text((px(16), px(10 + 20 * number)), text, font=font(px(13)), fill=fill)
    return canvas


# Corners of each answer's sign in a square of side 1 around (0, 0); lines, not letters: the font
# that every Pillow has lacks them.
_SIGNS: dict[Status, tuple[tuple[float, float], ...]] = {
    "fracture": ((0.0, -0.45), (0.5, 0.42), (-0.5, 0.42), (0.0, -0.45)),
    "no_fracture": ((-0.45, 0.05), (-0.12, 0.38), (0.48, -0.38)),
    "not_assessed": ((-0.4, 0.0), (0.4, 0.0)),
}


def draw_sign(
    draw: ImageDraw.ImageDraw,
    status: Status,
    *,
    center: tuple[int, int],
    size: int,
    fill: str,
) -> None:
    """Draw the sign that tells an answer without colour: triangle, question mark, tick, dash."""
    if status == "doubt":
        draw.text(center, "?", font=font(size), fill=fill, anchor="mm")
        return
    corners = [(center[0] + size * x, center[1] + size * y) for x, y in _SIGNS[status]]
    if status == "fracture":
        draw.polygon(corners, fill=fill)
    else:
        draw.line(corners, fill=fill, width=max(2, size // 6), joint="curve")


def wrapped(
    draw: ImageDraw.ImageDraw, text: str, face: ImageFont.FreeTypeFont, room: float
) -> list[str]:
    """Break a text between words into lines that fit."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and draw.textlength(longer, face) > room:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def fitting(draw: ImageDraw.ImageDraw, text: str, face: ImageFont.FreeTypeFont, room: float) -> str:
    """Return the text on one line, with an ellipsis where it is longer than the room."""
    text = "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text
    )
    if draw.textlength(text, face) <= room:
        return text
    while text and draw.textlength(text + "…", face) > room:
        text = text[:-1]
    return text + "…"


@lru_cache(maxsize=64)
def font(size: int) -> ImageFont.FreeTypeFont:
    """Return Pillow's own font: the same on every machine."""
    face = ImageFont.load_default(size)
    assert isinstance(face, ImageFont.FreeTypeFont), "Pillow was built without FreeType"
    return face
