"""The report as a PDF: films with their boxes as vectors, the answer, how it came to be."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from PIL import Image as PillowImage
from reportlab.lib.colors import Color, HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase.pdfmetrics import getRegisteredFontNames, registerFont, stringWidth
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    CondPageBreak,
    Flowable,
    Frame,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
)

from fracturax.core.finding import Finding
from fracturax.core.geometry import Geometry
from fracturax.core.image import Image
from fracturax.core.prediction import ImagePrediction, OperatingPoints, Prediction
from fracturax.core.report import RESEARCH_USE_NOTICE, Report
from fracturax.reporting.film import (
    View,
    answered_images,
    display_pixels,
    film_facts,
    shrink,
    views_of,
)
from fracturax.reporting.wording import BOX_COLOR, WORDING, first_upper, meaning, percent

_WIDTH, _HEIGHT = A4
_MARGIN, _HEAD, _FOOT = 42, 58, 52
_ROOM = _WIDTH - 2 * _MARGIN
_PLAIN, _BOLD = "FracturaX-Sans", "FracturaX-Sans-Bold"
_INK, _SOFT, _LINE = HexColor("#1b1f24"), HexColor("#5b6470"), HexColor("#d5dae1")
_SYNTHETIC = HexColor("#0369a1")
_MOST_LINES = 40


def report_pdf(report: Report, *, longest_px: int = 1200) -> bytes:
    """Return the report as a PDF (A4); the same report gives the same bytes.

    It shows the answer, the films with their boxes, each finding, and how the answer came to be.
    Boxes are vectors in the pixels of the original film. The only date in it is the report's own,
    and like every form it names the study by its key, never the patient.

    Args:
        report: What to show.
        longest_px: Longest side of an embedded film; a larger film is embedded smaller.

    Returns:
        The bytes of a PDF file.

    References:
        ISO 32000-1, PDF 1.4 as written by ReportLab; fonts are embedded.

    Example:
        >>> import numpy as np
        >>> from fracturax.core.image import Radiograph
        >>> from fracturax.core.prediction import ModelIdentity
        >>> from fracturax.core.study import Study
        >>> film = Radiograph(np.zeros((90, 70), np.float32), name="wrist.dcm")
        >>> prediction = Prediction("4f1a", "doubt", ModelIdentity("xray", "1", "", ""),
        ...                         OperatingPoints(0.1, 0.5), probability=0.2)
        >>> report = Report(Study("4f1a", (film,)), prediction,
        ...                 "2026-01-01T00:00:00+00:00", "fracturax 0.1")
        >>> report_pdf(report)[:8], report_pdf(report) == report_pdf(report)
        (b'%PDF-1.4', True)
    """
    _register_fonts()
    buffer = io.BytesIO()
    headline = WORDING[report.prediction.status].headline
    document = BaseDocTemplate(
        buffer,
        pagesize=A4,
        title=f"{headline}, study {_plain(report.study.key)}",
        author="FracturaX",
        subject=RESEARCH_USE_NOTICE,
        creator=_plain(report.software),
        keywords="SYNTHETIC: generated images, no patient" if report.is_synthetic else "",
        lang="en",
        invariant=1,
    )
    frame = Frame(_MARGIN, _FOOT, _ROOM, _HEIGHT - _HEAD - _FOOT, 0, 0, 0, 0)
    document.addPageTemplates(PageTemplate(frames=[frame]))

    def canvas(*arguments: Any, **options: Any) -> Canvas:
        return _Pages(report, *arguments, **options)

    document.build(list(_story(report, longest_px=longest_px)), canvasmaker=canvas)
    return buffer.getvalue()


class _Pages(Canvas):  # type: ignore[misc]  # ReportLab is untyped
    """A canvas that draws head and foot last, when the number of pages is known."""

    def __init__(self, report: Report, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._report = report
        self._pages: list[dict[str, Any]] = []
        self.setDateFormatter(lambda *_: _pdf_date(report.created_at))

    def showPage(self) -> None:  # noqa: N802 - ReportLab's name
        self._pages.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        for number, page in enumerate(self._pages, start=1):
            self.__dict__.update(page)
            _draw_frame(self, self._report, f"Page {number} of {len(self._pages)}")
            Canvas.showPage(self)
        Canvas.save(self)


def _pdf_date(created_at: str) -> str:
    """Return an ISO 8601 time as a PDF date (ISO 32000-1, 7.9.4)."""
    at = datetime.fromisoformat(created_at)
    offset = at.strftime("%z")
    return at.strftime("D:%Y%m%d%H%M%S") + (f"{offset[:3]}'{offset[3:5]}'" if offset else "")


@lru_cache(maxsize=1)
def _register_fonts() -> None:
    """Register DejaVu Sans: the one font with Greek, Cyrillic and our signs that is always here."""
    spec = find_spec("matplotlib")  # carries the font; importing it would take longer than the PDF
    assert spec is not None and spec.submodule_search_locations, "a dependency of FracturaX"
    fonts = Path(next(iter(spec.submodule_search_locations))) / "mpl-data" / "fonts" / "ttf"
    for name, file in ((_PLAIN, "DejaVuSans.ttf"), (_BOLD, "DejaVuSans-Bold.ttf")):
        if name not in getRegisteredFontNames():
            registerFont(TTFont(name, str(fonts / file)))


def _draw_frame(canvas: Canvas, report: Report, page: str) -> None:
    top = _HEIGHT - 36
    canvas.setFillColor(_INK)
    canvas.setFont(_BOLD, 11)
    canvas.drawString(_MARGIN, top, "FracturaX")
    canvas.setFillColor(_SOFT)
    canvas.setFont(_PLAIN, 8.5)
    when = report.created_at[:16].replace("T", " ")
    canvas.drawString(_MARGIN + 68, top, f"study {_short(report.study.key, 60)} · {when}")
    if report.is_synthetic:
        length = stringWidth("SYNTHETIC", _BOLD, 8.5) + 14
        canvas.setStrokeColor(_SYNTHETIC)
        canvas.roundRect(_WIDTH - _MARGIN - length, top - 5, length, 16, 3)
        canvas.setFillColor(_SYNTHETIC)
        canvas.setFont(_BOLD, 8.5)
        canvas.drawCentredString(_WIDTH - _MARGIN - length / 2, top, "SYNTHETIC")
    canvas.setStrokeColor(_LINE)
    canvas.setLineWidth(0.6)
    canvas.line(_MARGIN, top - 10, _WIDTH - _MARGIN, top - 10)
    canvas.line(_MARGIN, 40, _WIDTH - _MARGIN, 40)
    canvas.setFillColor(_INK)
    canvas.setFont(_PLAIN, 7)
    canvas.drawString(_MARGIN, 29, RESEARCH_USE_NOTICE)
    canvas.setFillColor(_SOFT)
    canvas.drawString(_MARGIN, 18, _short(report.software, 60))
    canvas.drawRightString(_WIDTH - _MARGIN, 18, page)


def _story(report: Report, *, longest_px: int) -> Iterator[Flowable]:
    yield _answer(report)
    films = list(answered_images(report))
    if films:
        yield Spacer(0, 12)
        yield _films(films, longest_px=longest_px)
        yield Spacer(0, 4)
        yield _text(
            "Solid box: certain. Dashed box with “?”: doubt. The number at a box is the "
            "probability of a fracture in it. The originals are unchanged.",
            size=7.5,
            color=_SOFT,
        )
    yield from _findings(films)
    left_out = [
        (image.name, answer.reason or "") for image, answer in films if answer.probability is None
    ] + [(file.name, file.reason) for file in report.study.unreadable]
    yield from _not_assessed(left_out)
    yield from _how(report)


def _answer(report: Report) -> Flowable:
    prediction = report.prediction
    wording = WORDING[prediction.status]
    words = [_text(wording.headline, size=17, bold=True)]
    if prediction.reason is not None:
        words.append(_text(first_upper(prediction.reason), size=9.5, limit=600))
    elif prediction.decisive_image is not None:
        count = len(report.study.images)
        words.append(
            _text(
                f"{count} image{'' if count == 1 else 's'} read; decided by "
                f"{_short(prediction.decisive_image, 60)}",
                color=_SOFT,
            )
        )
    if prediction.status == "no_fracture":
        words.append(_text("This does not rule a fracture out.", color=_SOFT))
    if report.is_synthetic:
        words.append(_text("The images are synthetic and show no patient.", color=_SYNTHETIC))
    sign = _Sign(wording.icon, fill=HexColor(wording.color), ink=HexColor(wording.ink))
    right: list[Flowable] = []
    if prediction.probability is not None:
        right = [
            _text(f"{percent(prediction.probability)}", size=20, bold=True),
            _text(
                meaning(prediction.probability, report.decisive_image),
                size=8,
                color=_SOFT,
            ),
            _Scale(prediction.probability, prediction.operating_points),
        ]
    widths = (60, 250, _ROOM - 310) if right else (60, _ROOM - 60, 0)
    return Table(
        [[sign, words, right]],
        colWidths=widths,
        style=[
            ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
            ("LINEBEFORE", (0, 0), (0, -1), 5, HexColor(wording.color), 0),
            ("BACKGROUND", (0, 0), (-1, -1), HexColor("#f5f7fa")),
            ("TOPPADDING", (0, 0), (-1, -1), 9),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 9),
            ("LEFTPADDING", (0, 0), (0, -1), 14),
        ],
    )


class _Sign(Flowable):  # type: ignore[misc]
    """The sign of an answer on its colour."""

    def __init__(self, icon: str, *, fill: Color, ink: Color, side: float = 36) -> None:
        super().__init__()
        self.width = self.height = side
        self._icon, self._fill, self._ink = icon, fill, ink

    def draw(self) -> None:
        side = self.width
        self.canv.setFillColor(self._fill)
        self.canv.roundRect(0, 0, side, side, side / 5, stroke=0, fill=1)
        self.canv.setFillColor(self._ink)
        self.canv.setFont(_BOLD, 0.6 * side)
        self.canv.drawCentredString(side / 2, 0.28 * side, self._icon)


class _Scale(Flowable):  # type: ignore[misc]
    """The probability on a bar of the three answers."""

    def __init__(self, probability: float, points: OperatingPoints) -> None:
        super().__init__()
        self._probability, self._points = probability, points
        self.width, self.height = 0.0, 34.0

    def wrap(self, width: float, _: float) -> tuple[float, float]:
        self.width = width
        return width, self.height

    def draw(self) -> None:
        canvas, width = self.canv, self.width
        low, high = self._points.high_sensitivity, self._points.high_specificity
        zones = (("no_fracture", 0.0, low), ("doubt", low, high), ("fracture", high, 1.0))
        for status, start, end in zones:
            canvas.setFillColor(HexColor(WORDING[status].color))  # type: ignore[index]
            canvas.rect(start * width, 16, (end - start) * width, 7, stroke=0, fill=1)
        at = min(max(self._probability * width, 1.5), width - 1.5)
        canvas.setFillColor(HexColor("#ffffff"))
        canvas.rect(at - 2.5, 12, 5, 15, stroke=0, fill=1)
        canvas.setFillColor(_INK)
        canvas.rect(at - 1.2, 12, 2.4, 15, stroke=0, fill=1)
        canvas.setFillColor(_SOFT)
        canvas.setFont(_PLAIN, 7)
        canvas.drawString(0, 2, f"doubt from {percent(low)}, fracture from {percent(high)}")


def _films(films: list[tuple[Image, ImagePrediction]], *, longest_px: int) -> Flowable:
    """Lay films out: a lone one beside what is known about it, more of them in two columns."""
    if len(films) == 1:
        image, answer = films[0]
        film = _Film(image, answer, width=300, height=360, longest_px=longest_px)
        beside = _ROOM - film.width - 16
        return Table(
            [[film, _about(image, answer, width=beside)]],
            colWidths=(film.width + 16, beside),
            style=_CELLS,
        )
    half = (_ROOM - 16) / 2
    cells: list[list[Flowable]] = []
    for image, answer in films:
        film = _Film(image, answer, width=half, height=300, longest_px=longest_px)
        cells.append([film, Spacer(0, 6), *_about(image, answer, width=half), Spacer(0, 10)])
    rows = [[*cells[start : start + 2]] for start in range(0, len(cells), 2)]
    if len(cells) % 2:
        rows[-1].append([])
    table = [[left, [], right] for left, right in rows]
    return Table(table, colWidths=(half, 16, half), style=_CELLS)


_CELLS = [
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
    *((f"{side}PADDING", (0, 0), (-1, -1), 0) for side in ("LEFT", "RIGHT", "TOP", "BOTTOM")),
]


class _Film(Flowable):  # type: ignore[misc]
    """A film with its boxes; the frames run around the outside of what they mark."""

    def __init__(
        self, image: Image, answer: ImagePrediction, *, width: float, height: float, longest_px: int
    ) -> None:
        super().__init__()
        self._view: View = views_of(image, answer)[0]
        grey = shrink(display_pixels(image, slice_index=self._view.slice), longest_px=longest_px)
        buffer = io.BytesIO()
        PillowImage.fromarray(grey).save(buffer, "JPEG", quality=90)
        buffer.seek(0)
        self._picture = ImageReader(buffer)
        rows, columns = image.pixels.shape[-2:]
        self._shape = rows, columns
        scale = min(width / columns, height / rows)
        self.width, self.height = columns * scale, rows * scale
        self._scale = scale

    def draw(self) -> None:
        canvas = self.canv
        canvas.drawImage(self._picture, 0, 0, self.width, self.height)
        canvas.saveState()
        outline = canvas.beginPath()
        outline.rect(0, 0, self.width, self.height)
        canvas.clipPath(outline, stroke=0, fill=0)  # no frame or label reaches over the film
        for finding in sorted(self._view.findings, key=lambda one: one.probability):
            self._draw_box(finding)
        canvas.restoreState()

    def _draw_box(self, finding: Finding) -> None:
        canvas, thick = self.canv, 1.4
        color = HexColor(BOX_COLOR[finding.certainty])
        left, right = (
            side * self._scale for side in (finding.box.column_min, finding.box.column_max)
        )
        top, bottom = (
            self.height - side * self._scale for side in (finding.box.row_min, finding.box.row_max)
        )
        # The middle of the line lies half its width outside, and at the border of the film inside.
        half = thick / 2
        left, bottom = max(left - half, half), max(bottom - half, half)
        right, top = min(right + half, self.width - half), min(top + half, self.height - half)
        for width, stroke, dash in (
            (thick + 1.6, HexColor("#000000"), ()),
            (thick, color, (5, 3) if finding.certainty == "doubt" else ()),
        ):
            canvas.setLineWidth(width)
            canvas.setStrokeColor(stroke)
            canvas.setDash(*([list(dash)] if dash else []))
            canvas.rect(left, bottom, right - left, top - bottom)
        canvas.setDash()
        label = percent(finding.probability) + ("" if finding.certainty == "certain" else " ?")
        length = stringWidth(label, _BOLD, 8) + 6
        base = top + 2 if top + 13 <= self.height else max(bottom - 13, 0)
        start = max(0.0, min(left - half, self.width - length))
        canvas.setFillColor(HexColor("#000000"))
        canvas.rect(start, base, length, 11, stroke=0, fill=1)
        canvas.setFillColor(color)
        canvas.setFont(_BOLD, 8)
        canvas.drawString(start + 3, base + 2.6, label)


def _about(image: Image, answer: ImagePrediction, *, width: float) -> list[Flowable]:
    wording = WORDING[answer.status]
    said = wording.headline
    if answer.probability is not None:
        said += f" · {percent(answer.probability)}"
    lines = [_text(_short(image.name, 80), size=8, color=_SOFT), _text(said, size=10, bold=True)]
    if answer.reason is not None:
        lines.append(_text(answer.reason, size=8, limit=300))
    facts = film_facts(image, answer)
    table = Table(
        [
            [_text(term, size=7.5, color=_SOFT), _text(fact, size=7.5, limit=120)]
            for term, fact in facts
        ],
        colWidths=(88, width - 88),
        style=[*_CELLS, ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5)],
        hAlign="LEFT",
    )
    return [*lines, Spacer(0, 4), table]


def _findings(films: list[tuple[Image, ImagePrediction]]) -> Iterator[Flowable]:
    rows = [(image, finding) for image, answer in films for finding in answer.findings]
    if not rows:
        return
    rows.sort(key=lambda pair: -pair[1].probability)
    head = ("", "Probability", "Certainty", "Region", "Image", "Box, px (rows × columns)", "Size")
    table = [[_text(word, size=7.5, bold=True, color=_SOFT) for word in head]]
    for number, (image, finding) in enumerate(rows[:_MOST_LINES], start=1):
        box = finding.box
        place = f"{box.row_min:.0f}–{box.row_max:.0f} × {box.column_min:.0f}–{box.column_max:.0f}"
        cells = (
            str(number),
            percent(finding.probability),
            finding.certainty,
            finding.region or "not known",
            _short(image.name, 60),
            place,
            _size(finding, image.geometry),
        )
        table.append([_text(cell, size=8) for cell in cells])
    yield from _heading("Findings")
    yield Table(
        table,
        colWidths=(18, 62, 52, 56, 112, 110, _ROOM - 410),
        style=_RULED,
        repeatRows=1,
    )
    if len(rows) > _MOST_LINES:
        yield _text(f"and {len(rows) - _MOST_LINES} more, weaker ones", color=_SOFT)


def _size(finding: Finding, geometry: Geometry) -> str:
    """Say a box's height and width in mm, as far as its film tells what a pixel measures."""
    if geometry.spacing_mm is None:
        return "unknown"
    down, across = geometry.spacing_mm[-2:]
    box = finding.box
    height, width = (box.row_max - box.row_min) * down, (box.column_max - box.column_min) * across
    plane = " at the detector" if geometry.spacing_meaning == "imager_plane" else ""
    return f"{height:.0f} × {width:.0f} mm{plane}"


def _not_assessed(left_out: list[tuple[str, str]]) -> Iterator[Flowable]:
    if not left_out:
        return
    yield from _heading("Not assessed")
    rows = [
        [_text(_short(name, 90), size=8), _text(reason, size=8, limit=300)]
        for name, reason in left_out[:_MOST_LINES]
    ]
    yield Table(rows, colWidths=(170, _ROOM - 170), style=_RULED)
    if len(left_out) > _MOST_LINES:
        yield _text(f"and {len(left_out) - _MOST_LINES} more", color=_SOFT)


def _how(report: Report) -> Iterator[Flowable]:
    prediction: Prediction = report.prediction
    model = prediction.model
    rows = [
        ("Model", f"{model.name} {model.version}, {model.precision}"),
        ("Model file, SHA-256", model.bundle_sha256 or "none"),
        ("Preprocessing, SHA-256", model.plan_sha256 or "none"),
        ("Read at", report.created_at),
        ("Software", report.software),
        ("Study key", report.study.key),
    ]
    yield from _heading("How this came to be")
    yield Table(
        [
            [_text(term, size=7.5, color=_SOFT), _text(fact, size=7.5, limit=200)]
            for term, fact in rows
        ],
        colWidths=(130, _ROOM - 130),
        style=[*_CELLS, ("BOTTOMPADDING", (0, 0), (-1, -1), 2)],
    )


def _heading(words: str) -> Iterator[Flowable]:
    yield CondPageBreak(90)
    yield Spacer(0, 12)
    yield _text(words, size=11, bold=True)
    yield Spacer(0, 3)


_RULED = [
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ("LINEBELOW", (0, 0), (-1, -1), 0.5, _LINE),
    ("LEFTPADDING", (0, 0), (-1, -1), 0),
    ("RIGHTPADDING", (0, 0), (-1, -1), 6),
    ("TOPPADDING", (0, 0), (-1, -1), 3),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
]


def _text(
    words: str, *, size: float = 9, bold: bool = False, color: Color = _INK, limit: int = 400
) -> Paragraph:
    """Return words as a paragraph; markup in them stays words."""
    style = ParagraphStyle(
        "text",
        fontName=_BOLD if bold else _PLAIN,
        fontSize=size,
        leading=1.3 * size,
        textColor=color,
        splitLongWords=True,
    )
    return Paragraph(escape(_short(words, limit)), style)


def _short(words: str, limit: int) -> str:
    """Return words on one line of bounded length: a page can hold what it has to."""
    words = _plain(words)
    return words if len(words) <= limit else words[: limit - 1] + "…"


def _plain(words: str) -> str:
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in words
    )
