import re
import zlib
from base64 import a85decode
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from fracturax.core.image import Radiograph
from fracturax.core.prediction import ImagePrediction
from fracturax.core.report import Report
from fracturax.core.study import Study, UnreadableFile

pytest.importorskip("reportlab")

from fracturax.reporting.pdf_page import report_pdf


def _streams(pdf: bytes) -> list[bytes]:
    """Return the page contents, unpacked by hand: no PDF program of ReportLab's own."""
    packed = re.findall(rb"ASCII85Decode /FlateDecode.*?stream\r?\n(.*?)endstream", pdf, re.DOTALL)
    return [zlib.decompress(a85decode(b"<~" + one.strip(), adobe=True)) for one in packed]


def _rectangles(pdf: bytes) -> list[tuple[float, ...]]:
    numbers = rb"(-?[\d.]+) (-?[\d.]+) (-?[\d.]+) (-?[\d.]+) re"
    return [
        tuple(float(number) for number in match)
        for stream in _streams(pdf)
        for match in re.findall(numbers, stream)
    ]


def test_the_same_report_gives_the_same_bytes_and_no_other_date(report: Report) -> None:
    pdf = report_pdf(report)
    assert pdf == report_pdf(report)
    assert re.findall(rb"Date \((.*?)\)", pdf) == [rb"D:20260101100000+00'00'"] * 2


def test_boxes_lie_on_the_film_where_they_were_found(report: Report) -> None:
    # A lone film 400 wide and 500 high is drawn 288 x 360 pt: 0.72 pt a pixel, rows from the top.
    finding = report.prediction.findings[0]
    scale, thick = 0.72, 1.4
    expected = (
        finding.box.column_min * scale - thick / 2,
        (500 - finding.box.row_max) * scale - thick / 2,
        (finding.box.column_max - finding.box.column_min) * scale + thick,
        (finding.box.row_max - finding.box.row_min) * scale + thick,
    )
    distances = [
        max(abs(side - wanted) for side, wanted in zip(found, expected, strict=True))
        for found in _rectangles(report_pdf(report))
    ]
    assert min(distances) < 0.5 * scale


def test_doubt_is_dashed_and_says_so(report: Report) -> None:
    contents = b"".join(_streams(report_pdf(report)))
    assert b"[5 3] 0 d" in contents


@pytest.mark.parametrize(
    "name",
    [
        "<b>&amp;</b>.dcm",
        "骨折.dcm",
        "a" * 300,
        "broken\udcff.dcm",
        "line\nbreak",
        "👍🏽 \u202e rtl.dcm",
    ],
)
def test_any_name_of_a_film_makes_a_page(report_of: Callable[..., Report], name: str) -> None:
    assert report_pdf(report_of(name)).startswith(b"%PDF")


def test_what_was_not_assessed_is_listed_with_its_reason(
    unassessed_of: Callable[..., Report], film: Callable[..., Radiograph]
) -> None:
    few = report_pdf(unassessed_of())
    many = unassessed_of(films=(film(),))
    study = replace(
        many.study,
        unreadable=tuple(UnreadableFile(f"{n}.dcm", "cut short" * 80) for n in range(60)),
    )
    long = report_pdf(replace(many, study=study))
    pages = [len(re.findall(rb"/Type /Page\b", pdf)) for pdf in (few, long)]
    assert pages[0] == 1
    assert pages[1] > 1


def test_many_films_and_findings_flow_over_pages(report: Report) -> None:
    films, answers = [], []
    for number in range(9):
        name = f"film{number}.dcm"
        pixels = np.full((600 if number % 2 else 200, 300), 0.5, np.float32)
        films.append(Radiograph(pixels, name=name))
        findings = tuple(
            replace(one, image=name) for one in report.prediction.findings * (5 + number)
        )
        answers.append(ImagePrediction(name, "fracture", 0.9, None, findings, region="hand"))
    prediction = replace(report.prediction, images=tuple(answers))
    long = replace(report, study=Study("4f1a", tuple(films)), prediction=prediction)
    assert len(re.findall(rb"/Type /Page\b", report_pdf(long))) > 3
