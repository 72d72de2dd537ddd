"""What objects take over, what they leave, and in which letters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from form_sources import made
from fracturax.reporting.dicom.attributes import patient_and_study
from fracturax.reporting.dicom.source import sources_of

NAMES = {
    "japanese": (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    "greek": ("ISO_IR 126", "Διονυσιος^Παππας"),
    "latin": ("ISO_IR 100", "Müller^Jürgen"),
    "utf-8": ("ISO_IR 192", "Wang^XiaoDong=王^小东"),
    "chinese": ("GB18030", "Wang^XiaoDong=王^小东"),
}


@pytest.mark.parametrize("form", ["sr", "seg", "ko"])
@pytest.mark.parametrize(("terms", "name"), NAMES.values(), ids=NAMES)
def test_a_synthetic_name_survives_in_its_character_set(
    film_report: Any, terms: str | list[str], name: str, form: str
) -> None:
    (dataset,) = made(film_report({"SpecificCharacterSet": terms, "PatientName": name}), form)
    assert str(dataset.PatientName) == name
    assert dataset.SpecificCharacterSet == terms


def test_a_character_set_that_cannot_say_all_gives_way_to_utf_8(film_report: Any) -> None:
    report = film_report({"SpecificCharacterSet": "ISO_IR 100", "PatientName": "Müller"})
    prediction = replace(report.prediction, status="not_assessed", probability=None, reason="2 × Ω")
    (dataset,) = made(replace(report, prediction=prediction), "sr")
    assert dataset.SpecificCharacterSet == "ISO_IR 192"
    assert str(dataset.PatientName) == "Müller"


def test_letters_of_ascii_need_no_character_set(film_report: Any) -> None:
    (dataset,) = made(film_report(), "sr")
    assert "SpecificCharacterSet" not in dataset


@pytest.mark.parametrize(
    ("keyword", "value", "taken"),
    [
        ("PatientSex", "F", "F"),
        ("PatientSex", "female", ""),
        ("PatientBirthDate", "19800102", "19800102"),
        ("PatientBirthDate", "2 January", ""),
        ("StudyTime", "101500.25", "101500.25"),
        ("StudyTime", "99", ""),
        ("AccessionNumber", "A" * 17, ""),
        ("ReferringPhysicianName", "", ""),
    ],
)
def test_a_value_is_taken_over_if_it_is_valid_and_else_left_empty(
    film_report: Any, keyword: str, value: str, taken: str
) -> None:
    found = patient_and_study(sources_of(film_report({keyword: value})))
    assert str(found[keyword].value or "") == taken


def test_what_the_first_image_lacks_is_taken_from_the_next(film_report: Any) -> None:
    report = film_report({"PatientID": "", "PatientAge": None}, {"PatientAge": "040Y"})
    found = patient_and_study(sources_of(report))
    assert (found.PatientID, found.PatientAge) == ("T-1", "040Y")
    assert "PatientWeight" not in found


def test_an_object_says_the_time_of_reading_in_the_zone_of_its_study(film_report: Any) -> None:
    report = film_report({"TimezoneOffsetFromUTC": "+0930"})
    late = replace(report, created_at="2026-01-01T20:00:00+00:00")
    (dataset,) = made(late, "sr")
    assert (dataset.ContentDate, dataset.ContentTime) == ("20260102", "053000")
