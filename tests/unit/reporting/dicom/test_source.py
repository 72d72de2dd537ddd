"""What a report can be filed with, and what is refused with a way out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fracturax.core.errors import DataError
from fracturax.core.report import Report
from fracturax.core.study import Study, UnreadableFile
from fracturax.reporting.dicom.source import require, sources_of


def test_each_image_has_its_own_object_and_answer(film_report: Any) -> None:
    report = film_report({}, {})
    first, second = sources_of(report)
    assert first.header.SOPInstanceUID != second.header.SOPInstanceUID
    assert [len(source.answer.findings) for source in (first, second)] == [1, 0]
    assert first.frame_of(0) is None and not first.is_volume


def test_a_picture_is_refused_and_the_forms_that_work_are_named(report: Report) -> None:
    with pytest.raises(DataError, match=r"not read from DICOM.*html, json, png, csv.*fhir, hl7"):
        sources_of(report)


def test_a_study_without_an_image_is_refused(report: Report) -> None:
    empty = replace(report, study=Study("4f1a", (), (UnreadableFile("a.dcm", "cut short"),)))
    with pytest.raises(DataError, match="no image"):
        sources_of(empty)


@pytest.mark.parametrize("keyword", ["SeriesInstanceUID", "StudyInstanceUID"])
def test_a_missing_attribute_is_named(film_report: Any, keyword: str) -> None:
    report = film_report({keyword: None})
    with pytest.raises(DataError, match=rf"no {keyword}.*use html"):
        sources_of(report)


def test_what_one_form_needs_is_named_with_the_report_that_works_without(scan_report: Any) -> None:
    sources = sources_of(scan_report(FrameOfReferenceUID=None))
    with pytest.raises(DataError, match=r"SEG needs.*no FrameOfReferenceUID.*use .*sr"):
        require(sources, ("FrameOfReferenceUID", "Rows"), form="seg")


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"SeriesInstanceUID": "1.02.3"}, "no UID"),
        ({"SeriesInstanceUID": "1." * 40 + "1"}, "no UID"),
        ({"PatientID": "a\\b"}, "no single value"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.104.1"}, "of no kind"),
        ({"SOPClassUID": "1.2.3.4"}, "of no kind"),
    ],
)
def test_identities_that_cannot_be_written_are_refused(
    film_report: Any, attributes: dict[str, str], words: str
) -> None:
    with pytest.raises(DataError, match=words) as caught:
        sources_of(film_report(attributes))
    assert not any(value in str(caught.value) for value in attributes.values())


@pytest.mark.parametrize(
    "other",
    [
        {"PatientID": "T-2"},
        {"IssuerOfPatientID": "ELSEWHERE"},
        {"PatientName": "Another^Person"},
        {"PatientBirthDate": "19700101"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_mixed_patients_are_refused_and_not_named(film_report: Any, other: dict[str, str]) -> None:
    first = {"IssuerOfPatientID": "HERE"}
    with pytest.raises(DataError, match="several patients") as caught:
        sources_of(film_report(first, {**first, **other}))
    assert next(iter(other.values())) not in str(caught.value)


def test_one_patient_spelled_in_two_ways_is_one(film_report: Any) -> None:
    spelled = (
        {"PatientName": "TEST^PATIENT^^"},
        {"PatientName": "Test^Patient"},
        {"PatientName": ""},
    )
    assert len(sources_of(film_report(*spelled))) == 3


def test_mixed_studies_are_refused(film_report: Any, scan_report: Any) -> None:
    films, scan = film_report(), scan_report(StudyInstanceUID="1.2.3.4")
    report = replace(films, study=Study("4f1a", (*films.study.images, *scan.study.images)))
    with pytest.raises(DataError, match="several studies"):
        sources_of(report)
