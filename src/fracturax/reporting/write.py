"""Write a report to a file; the suffix says in which form."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fracturax.core.errors import ConfigError
from fracturax.core.provenance import sha256_of_file
from fracturax.core.report import Report
from fracturax.reporting.forms import FORMS, make_forms
from fracturax.reporting.replacement import replacing

# A bare .dcm is the structured report: the one DICOM form that every reading has.
_FORM_OF_SUFFIX = {form.suffix: name for name, form in FORMS.items()} | {".dcm": "sr"}

WRITABLE_SUFFIXES: tuple[str, ...] = tuple(_FORM_OF_SUFFIX)
"""Suffixes that `write_report` knows; the longest that fits decides."""


def write_report(report: Report, path: Path | str) -> Path:
    """Write a report whole or not at all, and never over an image it was made from.

    Args:
        report: What to write.
        path: Where to. `.json` gives the document, `.html` the page, `.png` the marked films,
            `.csv` the table, `.dcm` the DICOM structured report, `.seg.dcm` and the like the
            other forms. A former report of that name is replaced.

    Returns:
        The path; of a form with several objects the first, the others are numbered beside it
        (`wrist.sc.dcm`, `wrist.sc-2.dcm`).

    Raises:
        ConfigError: If the suffix is unknown, the folder cannot be written to, or `path` is a
            file of the study.
        DataError: If a number of the report is not finite (JSON only), or the study lacks what
            a DICOM form needs.
        MissingExtraError: If the form needs an optional part that is not installed.

    Example:
        >>> from fracturax.core.prediction import ModelIdentity, OperatingPoints, Prediction
        >>> from fracturax.core.study import Study, UnreadableFile
        >>> report = Report(
        ...     study=Study("4f1a", (), (UnreadableFile("a.dcm", "the file is cut short"),)),
        ...     prediction=Prediction("4f1a", "not_assessed", ModelIdentity("xray", "1", "", ""),
        ...                           OperatingPoints(0.1, 0.5), reason="no image to read"),
        ...     created_at="2026-01-01T00:00:00+00:00", software="fracturax 0.1")
        >>> write_report(report, "wrist.doc")
        Traceback (most recent call last):
        ...
        fracturax.core.errors.ConfigError: reports have no such form; got '.doc'; \
use .html, .json, .png, .csv, .sr.dcm, .seg.dcm, .gsps.dcm, .sc.dcm, .ko.dcm, .pdf.dcm, \
.fhir.json, .hl7, .dcm
    """
    path = Path(path)
    suffix = _suffix_of(path.name)
    if suffix is None:
        raise ConfigError(
            "reports have no such form",
            got=repr(path.suffix) if path.suffix else "no suffix",
            cure=f"use {', '.join(WRITABLE_SUFFIXES)}",
        )
    made = next(iter(make_forms(report, [_FORM_OF_SUFFIX[suffix]])))
    if made.error is not None:
        raise made.error
    return write_files(report, made.files, path.with_name(path.name[: -len(suffix)]), suffix)[0]


def write_files(
    report: Report, contents: Sequence[bytes], stem: Path, suffix: str
) -> tuple[Path, ...]:
    """Write the files of one form, each whole or not at all.

    Args:
        report: What they were made of.
        contents: Their bytes.
        stem: Folder and name without the suffix.
        suffix: Of the form; from the second file on it is numbered, `.sc.dcm`, `.sc-2.dcm`.

    Returns:
        Their paths.

    Raises:
        ConfigError: If the folder cannot be written to, or a path is a file of the study.
    """
    first, _, rest = suffix[1:].partition(".")
    paths = []
    for number in range(1, len(contents) + 1):
        counted = f".{first}-{number}" + (f".{rest}" if rest else "")
        path = stem.with_name(stem.name + (suffix if number == 1 else counted))
        if _is_input(report, path):
            raise ConfigError(
                "the report would overwrite an image of its own study",
                got=path.name,
                cure="write it to another name or folder",
            )
        paths.append(path)
    for path, content in zip(paths, contents, strict=True):
        with replacing(path) as stream:
            stream.write(content)
    return tuple(paths)


def _suffix_of(name: str) -> str | None:
    fitting = [suffix for suffix in WRITABLE_SUFFIXES if name.lower().endswith(suffix)]
    return max(fitting, key=len, default=None)


def _is_input(report: Report, path: Path) -> bool:
    """Whether a file of the study lies at `path`: the same name, or the same bytes."""
    if not path.is_file():
        return False
    study = report.study
    names = {image.name for image in study.images} | {file.name for file in study.unreadable}
    hashes = {image.file_sha256 for image in study.images}
    return path.name in names or sha256_of_file(path) in hashes
