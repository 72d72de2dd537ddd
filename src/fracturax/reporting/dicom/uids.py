"""UIDs that follow from what an object says: read again, the same object has the same name."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence

from fracturax.core.report import Report
from fracturax.reporting.dicom.source import SourceImage


def derived_uid(*parts: str) -> str:
    """Return a UID that depends on nothing but its parts.

    References:
        DICOM PS3.5, B.2 "UUID Derived UID"; RFC 9562, 5.8 "UUID Version 8".

    Example:
        >>> derived_uid("a", "b") == derived_uid("a", "b") != derived_uid("ab")
        True
        >>> len(derived_uid("a")) <= 64
        True
    """
    # Lengths keep ("ab", "c") and ("a", "bc") apart.
    text = "".join(f"{len(part)}:{part}" for part in parts)
    data = bytearray(hashlib.sha256(text.encode("utf-8", "backslashreplace")).digest()[:16])
    data[6] = data[6] & 0x0F | 0x80
    data[8] = data[8] & 0x3F | 0x80
    return f"2.25.{uuid.UUID(bytes=bytes(data)).int}"


def series_uid(report: Report, sources: Sequence[SourceImage], form: str) -> str:
    """Return the series UID of a form: the same for the same images, model and software.

    Args:
        report: What is told; its status and reason count, so that a reading which failed does not
            take the name of the next one that succeeds.
        sources: The images it is about.
        form: Name of the form.
    """
    model = report.prediction.model
    points = report.prediction.operating_points
    return derived_uid(
        "fracturax",
        form,
        report.software,
        *(model.name, model.version, model.bundle_sha256, model.plan_sha256, model.precision),
        *(repr(float(points.high_sensitivity)), repr(float(points.high_specificity))),
        *(report.prediction.status, report.prediction.reason or ""),
        *(part for source in sources for part in _identity(source)),
    )


def object_uid(
    report: Report, sources: Sequence[SourceImage], form: str, *, number: int = 1
) -> str:
    """Return the instance UID of one object of a form; `number` counts them from 1."""
    return derived_uid(series_uid(report, sources, form), str(number))


def finding_uid(series: str, number: int) -> str:
    """Return the tracking UID of a finding: the same in every form, of the report's series."""
    return derived_uid(series, "finding", str(number))


def _identity(source: SourceImage) -> tuple[str, ...]:
    uids = (str(header.get("SOPInstanceUID", "")) for header in source.headers)
    return (source.image.file_sha256, repr(source.frames), *uids)
