"""The same reading has the same names, anything else others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fracturax.core.report import Report
from fracturax.reporting.dicom.source import sources_of
from fracturax.reporting.dicom.uids import derived_uid, object_uid, series_uid


def _names(report: Report) -> tuple[str, str]:
    sources = sources_of(report)
    return series_uid(report, sources, "sr"), object_uid(report, sources, "sr")


def test_a_second_run_gives_the_same_names(film_report: Any) -> None:
    report = film_report()
    later = replace(report, created_at="2027-01-01T00:00:00+00:00")
    later = replace(later, prediction=replace(later.prediction, duration_s=9.0))
    assert _names(report) == _names(later)


def _model(report: Report, **changes: str) -> Report:
    model = replace(report.prediction.model, **changes)
    return replace(report, prediction=replace(report.prediction, model=model))


OTHERS: dict[str, Callable[[Report], Report]] = {
    "bundle": lambda report: _model(report, bundle_sha256="77" * 32),
    "precision": lambda report: _model(report, precision="fp32"),
    "software": lambda report: replace(report, software="fracturax 9"),
    "failed": lambda report: replace(
        report,
        prediction=replace(
            report.prediction, status="not_assessed", probability=None, reason="failed"
        ),
    ),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_another_reading_gives_other_names(
    film_report: Any, other: Callable[[Report], Report]
) -> None:
    report = film_report()
    assert not set(_names(report)) & set(_names(other(report)))


def test_other_images_give_other_names(film_report: Any, scan_report: Any) -> None:
    assert not set(_names(film_report())) & set(_names(scan_report()))


def test_parts_of_a_name_are_kept_apart() -> None:
    assert derived_uid("ab", "c") != derived_uid("a", "bc")
    number = int(derived_uid("a").removeprefix("2.25."))
    assert number >> 76 & 0xF == 8 and number >> 62 & 0x3 == 2  # a UUID of version 8
