"""The FHIR transaction: what refers to what, what is named, and what a second reading does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from form_sources import PERSON, block, radiograph, report_on, save_all
from fracturax.core.finding import Finding
from fracturax.core.geometry import Box
from fracturax.core.report import Report
from fracturax.imaging import open_study
from fracturax.reporting.dicom.source import sources_of
from fracturax.reporting.fhir import fhir_bundle, make_fhir

BOX = Box(4.5, 6.0, 20.25, 30.0)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Report:
    pixels = block((48, 64), (slice(5, 20), slice(6, 30)))
    films = [radiograph(pixels, number=one, TimezoneOffsetFromUTC="+0100") for one in (1, 2)]
    study = open_study(save_all(films, tmp_path_factory.mktemp("films")))
    name = study.images[0].name
    findings = (
        Finding(name, BOX, 0.9, 0.83, "certain", "hand"),
        Finding(name, Box(30, 40, 40, 50), 0.2, 0.2, "doubt"),
    )
    return report_on(study, {name: findings})


def _resources(bundle: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    every = [entry["resource"] for entry in bundle["entry"]]
    return [one for one in every if one["resourceType"] == kind]


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if "reference" in value:
            yield str(value["reference"])
        for part in value.values():
            yield from _references(part)
    elif isinstance(value, list):
        for part in value:
            yield from _references(part)


def _components(observation: dict[str, Any]) -> dict[str, Any]:
    return {
        one["code"]["coding"][0]["code"]: next(v for k, v in one.items() if k != "code")
        for one in observation["component"]
    }


def test_every_reference_leads_to_an_entry_of_the_bundle(stored: Report) -> None:
    bundle = fhir_bundle(stored, sources_of(stored))
    names = [entry["fullUrl"] for entry in bundle["entry"]]
    assert len(set(names)) == len(names)
    assert set(_references(bundle)) <= set(names)
    kinds = [entry["resource"]["resourceType"] for entry in bundle["entry"]]
    assert sorted(set(kinds)) == [
        *("AuditEvent", "Device", "DiagnosticReport", "ImagingStudy", "Observation")
    ]
    (report,) = _resources(bundle, "DiagnosticReport")
    assert len(report["result"]) == 3
    assert report["status"] == "preliminary"


def test_a_finding_says_where_how_sure_and_in_which_object(stored: Report) -> None:
    bundle = fhir_bundle(stored, sources_of(stored))
    _, first, second = _resources(bundle, "Observation")
    said = _components(first)
    assert said["122157"]["value"] == 0.83
    assert said["111012"]["coding"][0]["code"] == "17162000"
    assert said["box"] == "xywh=6,4.5,24,15.75"
    assert said["image"].endswith(".1.1")
    assert first["bodySite"]["coding"][0]["code"] == "74670003"
    assert said["272741003"]["coding"][0]["code"] == "7771000"
    assert _components(second)["111012"]["coding"][0]["code"] == "64957009"


def test_patient_and_order_are_named_by_number_only(stored: Report) -> None:
    text = make_fhir(stored, sources_of(stored)).decode()
    bundle = json.loads(text)
    (report,) = _resources(bundle, "DiagnosticReport")
    assert report["subject"]["identifier"]["value"] == PERSON["PatientID"]
    assert report["basedOn"][0]["identifier"]["value"] == PERSON["AccessionNumber"]
    assert report["effectiveDateTime"] == "2026-01-01T10:15:00+01:00"
    (study,) = _resources(bundle, "ImagingStudy")
    assert study["identifier"][0]["value"] == f"urn:oid:{PERSON['StudyInstanceUID']}"
    assert [len(one["instance"]) for one in study["series"]] == [2]
    for private in ("Test", "19800102", "1980-01-02", "Doe"):
        assert private not in text


def test_a_second_reading_updates_and_another_model_adds(stored: Report) -> None:
    def requests(report: Report) -> list[str]:
        bundle = fhir_bundle(report, sources_of(report))
        return [
            entry["request"].get("ifNoneExist", entry["request"]["url"])
            for entry in bundle["entry"]
            if entry["resource"]["resourceType"] != "AuditEvent"
        ]

    again = replace(stored, created_at="2026-02-02T11:00:00+00:00")
    assert requests(again) == requests(stored)
    model = replace(stored.prediction.model, bundle_sha256="4e" * 32)
    other = replace(stored, prediction=replace(stored.prediction, model=model))
    shared = set(requests(other)) & set(requests(stored))
    # The study is the same whoever reads it; nothing else is.
    assert [one for one in shared if "dicom" not in one] == []
    assert len(shared) == 1


def test_what_was_not_assessed_has_a_reason_and_no_value(
    unassessed_of: Callable[..., Report],
) -> None:
    bundle = fhir_bundle(unassessed_of(), ())
    (answer,) = _resources(bundle, "Observation")
    assert "valueCodeableConcept" not in answer
    assert "chest" in answer["dataAbsentReason"]["text"]
    (report,) = _resources(bundle, "DiagnosticReport")
    assert "&lt;b&gt;" in report["text"]["div"]


def test_other_files_than_dicom_name_neither_patient_nor_study(report: Report) -> None:
    bundle = fhir_bundle(report, ())
    assert not _resources(bundle, "ImagingStudy")
    _, first, _ = _resources(bundle, "Observation")
    assert "subject" not in first
    assert _components(first)["image"] == f"sha256:{'0c' * 32}"
    assert "wrist.dcm" not in json.dumps(bundle)


def test_a_synthetic_study_is_labelled_as_test_data(report_of: Callable[..., Report]) -> None:
    bundle = fhir_bundle(report_of(synthetic=True), ())
    for entry in bundle["entry"]:
        codes = {label["code"] for label in entry["resource"]["meta"]["security"]}
        assert codes == {"AIAST", "HTEST"}


def test_numbers_keep_what_they_say(report: Report) -> None:
    bundle = json.loads(make_fhir(report, ()))
    answer = _resources(bundle, "Observation")[0]
    assert _components(answer)["122157"]["value"] == report.prediction.probability
