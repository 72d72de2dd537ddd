"""Many reports as one table: a CSV row an image, written as the studies come."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from typing import TextIO

from fracturax.core.finding import Finding
from fracturax.core.image import Image
from fracturax.core.prediction import ImagePrediction
from fracturax.core.report import Report
from fracturax.reporting.film import answered_images

# What a spreadsheet takes for the start of a formula, their full-width forms included.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "|", "%")


@dataclass(frozen=True)
class TableRow:
    """One image of one study. `best_box` is `[row_min, column_min, row_max, column_max]`."""

    study: str
    image: str
    status: str
    probability: float | None
    reason: str | None
    region: str | None
    hardware_probability: float | None
    findings: int
    best_box: str | None
    model: str
    version: str
    bundle_sha256: str
    seconds: float


COLUMNS: tuple[str, ...] = tuple(field.name for field in fields(TableRow))
"""Header of the table."""


def table_rows(report: Report) -> Iterator[TableRow]:
    """Yield a row for every image of the study, and for every file that could not be read.

    `seconds` is the time of the whole study, the same in each of its rows.
    """
    for image, answer in answered_images(report):
        yield _row(report, image, answer)
    for file in report.study.unreadable:
        answer = ImagePrediction(file.name, "not_assessed", reason=file.reason or "unreadable")
        yield _row(report, None, answer)


def _row(report: Report, image: Image | None, answer: ImagePrediction) -> TableRow:
    best: Finding | None = max(answer.findings, key=lambda one: one.probability, default=None)
    model = report.prediction.model
    return TableRow(
        study=report.study.key,
        image=answer.image if image is None else image.name,
        status=answer.status,
        probability=answer.probability,
        reason=answer.reason,
        region=answer.region,
        hardware_probability=answer.hardware_probability,
        findings=len(answer.findings),
        best_box=None if best is None else str([float(side) for side in best.box.as_tuple()]),
        model=model.name,
        version=model.version,
        bundle_sha256=model.bundle_sha256,
        seconds=report.prediction.duration_s,
    )


class ReportTable:
    """Writes reports as CSV (RFC 4180) row by row; keeps none of them.

    A text that a spreadsheet would run as a formula gets an apostrophe in front, which shows the
    spreadsheet that it is text; numbers are written in full precision.

    Args:
        stream: Where to; open it with `newline=""`. The header is written at once.

    References:
        OWASP, "CSV Injection".

    Example:
        >>> stream = io.StringIO()
        >>> table = ReportTable(stream)
        >>> stream.getvalue().split(",")[:3]
        ['study', 'image', 'status']
    """

    def __init__(self, stream: TextIO) -> None:
        self._writer = csv.writer(stream)
        self._writer.writerow(COLUMNS)

    def add(self, report: Report) -> None:
        """Write the rows of one study."""
        for row in table_rows(report):
            self._writer.writerow(_cell(value) for value in astuple(row))


def table_text(report: Report) -> str:
    """Return the table of one study."""
    stream = io.StringIO(newline="")
    ReportTable(stream).add(report)
    return stream.getvalue()


def table_bytes(report: Report) -> bytes:
    """Return the table of one study as the bytes of a file."""
    # The byte order mark tells Excel that it is UTF-8.
    return table_text(report).encode("utf-8-sig", "replace")


def _cell(value: str | float | int | None) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        # A null byte ends the file for some readers.
        text = value.replace("\0", "\N{REPLACEMENT CHARACTER}")
        return "'" + text if text.lstrip(" ").startswith(_FORMULA_STARTS) else text
    return repr(value) if isinstance(value, int) else repr(float(value))
