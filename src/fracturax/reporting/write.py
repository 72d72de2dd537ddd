"""Write a report to a file; the suffix says in which form."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fracturax.core.errors import ConfigError
from fracturax.core.provenance import sha256_of_file
from fracturax.core.report import Report
from fracturax.reporting.document import document_text
from fracturax.reporting.page import report_page
from fracturax.reporting.picture import draw_picture
from fracturax.reporting.replacement import replacing
from fracturax.reporting.table import table_text

_FORMS: dict[str, Callable[[Report], bytes]] = {
    ".json": lambda report: document_text(report).encode("utf-8"),
    ".html": lambda report: report_page(report).encode("utf-8"),
    ".png": lambda report: draw_picture(report).png(),
    # The byte order mark tells Excel that it is UTF-8.
    ".csv": lambda report: table_text(report).encode("utf-8-sig", "replace"),
}

WRITABLE_SUFFIXES: tuple[str, ...] = tuple(_FORMS)
"""Suffixes that `write_report` knows."""


def write_report(report: Report, path: Path | str) -> Path:
    """Write a report whole or not at all, and never over an image it was made from.

    Args:
        report: What to write.
        path: Where to. `.json` gives the document, `.html` the page, `.png` the marked films,
            `.csv` the table. A former report of that name is replaced.

    Returns:
        The path.

    Raises:
        ConfigError: If the suffix is unknown, the folder cannot be written to, or `path` is a
            file of the study.
        DataError: If a number of the report is not finite (JSON only).

    Example:
        >>> from fracturax.core.prediction import ModelIdentity, OperatingPoints, Prediction
        >>> from fracturax.core.study import Study, UnreadableFile
        >>> report = Report(
        ...     study=Study("4f1a", (), (UnreadableFile("a.dcm", "the file is cut short"),)),
        ...     prediction=Prediction("4f1a", "not_assessed", ModelIdentity("xray", "1", "", ""),
        ...                           OperatingPoints(0.1, 0.5), reason="no image to read"),
        ...     created_at="2026-01-01T00:00:00+00:00", software="fracturax 0.1")
        >>> write_report(report, "wrist.pdf")
        Traceback (most recent call last):
        ...
        fracturax.core.errors.ConfigError: reports have no such form; got '.pdf'; \
use .json, .html, .png, .csv
    """
    path = Path(path)
    form = _FORMS.get(path.suffix.lower())
    if form is None:
        raise ConfigError(
            "reports have no such form",
            got=repr(path.suffix) if path.suffix else "no suffix",
            cure=f"use {', '.join(WRITABLE_SUFFIXES)}",
        )
    if _is_input(report, path):
        raise ConfigError(
            "the report would overwrite an image of its own study",
            got=path.name,
            cure="write it to another name or folder",
        )
    content = form(report)
    with replacing(path) as stream:
        stream.write(content)
    return path


def _is_input(report: Report, path: Path) -> bool:
    """Whether a file of the study lies at `path`: the same name, or the same bytes."""
    if not path.is_file():
        return False
    study = report.study
    names = {image.name for image in study.images} | {file.name for file in study.unreadable}
    hashes = {image.file_sha256 for image in study.images}
    return path.name in names or sha256_of_file(path) in hashes
