"""The answers about a study as one drawn page: image by image, finding by finding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from PIL import ImageDraw

from fracturax.core.finding import Finding
from fracturax.core.image import Image
from fracturax.core.prediction import ImagePrediction
from fracturax.core.report import Report
from fracturax.reporting.banner import (
    INK,
    PAPER,
    SOFT_INK,
    draw_banner,
    draw_footer,
    draw_sign,
    fitting,
    font,
)
from fracturax.reporting.film import answered_images
from fracturax.reporting.wording import BOX_COLOR, WORDING, percent

_WIDTH, _EDGE, _LINE = 1240, 24, 34
_RULE, _BLACK = "#333a44", "#000000"
_MOST_ROWS = 40
_COLUMNS = (("Image", 44, 380), ("View, side", 440, 150), ("Answer", 606, 340),
            ("Probability", 960, 110), ("Marked", 1090, 126))  # fmt: skip
_FINDING_COLUMNS = (("Finding", 44, 380), ("Region", 440, 150), ("Certainty", 606, 160),
                    ("Box, px: rows, columns", 776, 174), ("Probability", 960, 110))  # fmt: skip


def draw_sheet(report: Report, *, marks: Sequence[str] = ()) -> npt.NDArray[np.uint8]:
    """Draw the answers about a study as a table, under the banner and above the notice.

    At most 40 images and 40 findings are listed, and it is said how many more there are.

    Args:
        report: What to show.
        marks: What the banner says in a frame of its own.

    Returns:
        RGB, shape `(rows, 1240, 3)`.

    Example:
        >>> from fracturax.core.prediction import ModelIdentity, OperatingPoints, Prediction
        >>> from fracturax.core.study import Study, UnreadableFile
        >>> report = Report(
        ...     study=Study("4f1a", (), (UnreadableFile("a.dcm", "the file is cut short"),)),
        ...     prediction=Prediction("4f1a", "not_assessed", ModelIdentity("xray", "1", "", ""),
        ...                           OperatingPoints(0.1, 0.5), reason="no image to read"),
        ...     created_at="2026-01-01T00:00:00+00:00", software="fracturax 0.1")
        >>> draw_sheet(report).shape[1:]
        (1240, 3)
    """
    films = list(answered_images(report))
    found = [(image, finding) for image, answer in films for finding in answer.findings]
    found.sort(key=lambda pair: -pair[1].probability)
    banner, footer = draw_banner(report, _WIDTH, marks=marks), draw_footer(report, _WIDTH)
    tables = [_image_table(films)] + ([_finding_table(found)] if found else [])
    strips = [banner, *tables, _said_at(report), footer]
    canvas = PillowImage.new("RGB", (_WIDTH, sum(strip.height for strip in strips)), _BLACK)
    top = 0
    for strip in strips:
        canvas.paste(strip, (0, top))
        top += strip.height
    return np.asarray(canvas)


def _image_table(films: list[tuple[Image, ImagePrediction]]) -> PillowImage.Image:
    canvas, draw = _table(_COLUMNS, rows=len(films))
    for number, (image, answer) in enumerate(films[:_MOST_ROWS], start=1):
        middle = _middle(number)
        draw_sign(draw, answer.status, center=(_EDGE + 6, middle), size=16, fill=INK)
        acquisition = image.acquisition
        view = ", ".join(
            word for word in (acquisition.view_position, acquisition.laterality) if word
        )
        said = WORDING[answer.status].headline
        cells = (
            image.name,
            view or "not stated",
            said if answer.reason is None else answer.reason,
            "" if answer.probability is None else percent(answer.probability),
            str(len(answer.findings)),
        )
        for (_, left, room), cell in zip(_COLUMNS, cells, strict=True):
            text = fitting(draw, cell, font(16), room)
            draw.text((left, middle), text, font=font(16), fill=INK, anchor="lm")
    return canvas


def _finding_table(found: list[tuple[Image, Finding]]) -> PillowImage.Image:
    canvas, draw = _table(_FINDING_COLUMNS, rows=len(found))
    for number, (image, finding) in enumerate(found[:_MOST_ROWS], start=1):
        middle = _middle(number)
        color = BOX_COLOR[finding.certainty]
        for start in (0, 8) if finding.certainty == "doubt" else (0, 4, 8):
            draw.line((_EDGE - 2 + start, middle, _EDGE + 2 + start, middle), color, 3)
        box = finding.box
        cells = (
            image.name,
            finding.region or "not known",
            finding.certainty + (" ?" if finding.certainty == "doubt" else ""),
            f"{box.row_min:.0f}-{box.row_max:.0f}, {box.column_min:.0f}-{box.column_max:.0f}",
            percent(finding.probability),
        )
        for (_, left, room), cell in zip(_FINDING_COLUMNS, cells, strict=True):
            text = fitting(draw, cell, font(16), room)
            draw.text((left, middle), text, font=font(16), fill=color, anchor="lm")
    return canvas


def _table(
    columns: Sequence[tuple[str, int, int]], *, rows: int
) -> tuple[PillowImage.Image, ImageDraw.ImageDraw]:
    """Return an empty table with its head, and with a last line on what it leaves out."""
    more = rows - _MOST_ROWS
    lines = min(rows, _MOST_ROWS) + (more > 0)
    canvas = PillowImage.new("RGB", (_WIDTH, 52 + _LINE * lines), _BLACK)
    draw = ImageDraw.Draw(canvas)
    for word, left, _ in columns:
        draw.text((left, 28), word, font=font(13), fill=SOFT_INK, anchor="lm")
    for number in range(lines + 1):
        height = 42 + _LINE * number
        draw.line((_EDGE, height, _WIDTH - _EDGE, height), _RULE)
    if more > 0:
        text = f"and {more} more; see the report"
        draw.text((44, _middle(lines)), text, font=font(16), fill=SOFT_INK, anchor="lm")
    return canvas, draw


def _middle(number: int) -> int:
    return 42 + _LINE * number - _LINE // 2


def _said_at(report: Report) -> PillowImage.Image:
    canvas = PillowImage.new("RGB", (_WIDTH, 48), PAPER)
    canvas.paste(_BLACK, (0, 0, _WIDTH, 8))
    draw = ImageDraw.Draw(canvas)
    model = report.prediction.model
    line = (
        f"Read at {report.created_at} by {report.software}, model {model.name} {model.version} "
        f"({model.precision}), SHA-256 {model.bundle_sha256[:16] or 'none'}"
    )
    text = fitting(draw, line, font(13), _WIDTH - 32)
    draw.text((16, 30), text, font=font(13), fill=SOFT_INK, anchor="lm")
    return canvas
