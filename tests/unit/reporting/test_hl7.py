"""The HL7 message, parsed by hl7apy and by hand; no value of a file can begin a field."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import dcmread

from form_sources import block, radiograph, report_on
from fracturax.core.finding import Finding
from fracturax.core.geometry import Box
from fracturax.core.image import Origin
from fracturax.core.report import Report
from fracturax.core.study import Study
from fracturax.imaging import open_study
from fracturax.reporting.dicom.source import sources_of
from fracturax.reporting.hl7 import make_hl7

BOX = Box(4.5, 6.0, 20.25, 30.0)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Report:
    path = tmp_path_factory.mktemp("film") / "film.dcm"
    film = radiograph(block((48, 64), (slice(5, 20), slice(6, 30))), IssuerOfPatientID="CLINIC")
    film.save_as(path, enforce_file_format=True)
    study = open_study(path)
    finding = Finding(study.images[0].name, BOX, 0.9, 0.83, "certain", "hand")
    return report_on(study, {finding.image: (finding,)})


def _with(report: Report, **attributes: str) -> Report:
    """Return the report of a film with other attributes."""
    image = report.study.images[0]
    assert image.origin is not None
    header = dcmread(io.BytesIO(image.origin.headers[0]))
    header.SpecificCharacterSet = "ISO_IR 192"
    for keyword, value in attributes.items():
        setattr(header, keyword, value)
    buffer = io.BytesIO()
    header.save_as(buffer, enforce_file_format=True)
    changed = replace(image, origin=Origin((buffer.getvalue(),), image.origin.frames))
    return replace(report, study=Study(report.study.key, (changed,)))


def _segments(report: Report, *, is_stored: bool = True) -> list[list[str]]:
    message = make_hl7(report, sources_of(report) if is_stored else ())
    parsed = parse_message(message.decode(), validation_level=VALIDATION_LEVEL.STRICT)
    assert parsed.validate()
    text = message.decode("utf-8")
    assert text.endswith("\r")
    assert "\n" not in text
    return [segment.split("|") for segment in text.split("\r")[:-1]]


def _values(segments: list[list[str]], code: str) -> list[str]:
    return [one[5] for one in segments if one[0] == "OBX" and one[3].split("^")[0] == code]


def test_the_message_names_patient_order_study_and_answer(stored: Report) -> None:
    segments = _segments(stored)
    header, patient, order = segments[:3]
    assert header[8] == "ORU^R01^ORU_R01"
    assert header[11] == "2.5.1"
    assert header[17] == "UNICODE UTF-8"
    assert patient[3] == "T-1^^^CLINIC^MR"
    assert patient[5].startswith("Test^Patient^")
    assert len(patient) == 6  # neither birth date nor sex
    assert order[18] == "A-17"
    assert order[25] == "R"
    assert _values(segments, "113014") == ["1.2.826.0.1.3680043.8.498.77.1"]
    assert _values(segments, "125605004")[0].startswith("52101004^Present^SCT^fracture^")
    assert _values(segments, "122157") == ["0.83", "0.83"]
    assert _values(segments, "box") == ["xywh=6,4.5,24,15.75"]
    assert [one[1] for one in segments[3:]] == [str(n) for n in range(1, len(segments) - 2)]


def test_what_was_not_assessed_cannot_be_obtained(unassessed_of: Callable[..., Report]) -> None:
    segments = _segments(unassessed_of(), is_stored=False)
    (answer,) = [one for one in segments if one[3].startswith("125605004")]
    assert answer[11] == "X"
    assert "chest" in answer[5]
    assert segments[1][3] == '""'


def test_a_synthetic_study_is_sent_for_training(report_of: Callable[..., Report]) -> None:
    segments = _segments(report_of(synthetic=True), is_stored=False)
    assert segments[0][10] == "T"
    assert "SYNTHETIC" in _values(segments, "19005-8")[0]


def test_a_name_keeps_its_writings_and_puts_its_suffix_first(stored: Report) -> None:
    name = "Yamada^Tarou^^Dr.^Jr.=山田^太郎=やまだ^たろう"
    (patient,) = [one for one in _segments(_with(stored, PatientName=name)) if one[0] == "PID"]
    assert patient[5].split("~") == [
        "Yamada^Tarou^^Jr.^Dr.^^L^A",
        "山田^太郎^^^^^L^I",
        "やまだ^たろう^^^^^L^P",
    ]


def test_a_delimiter_in_a_value_is_text(stored: Report) -> None:
    segments = _segments(_with(stored, PatientID="A|B^C&D~E", AccessionNumber="1^2"))
    assert segments[1][3].split("^")[0] == r"A\F\B\S\C\T\D\R\E"
    assert segments[2][18] == r"1\S\2"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(patient=st.text(max_size=40), order=st.text(max_size=16), reason=st.text(min_size=1))
def test_no_text_of_a_file_adds_a_segment(
    stored: Report, patient: str, order: str, reason: str
) -> None:
    prediction = replace(
        stored.prediction, status="not_assessed", probability=None, reason=reason, images=()
    )
    report = replace(stored, prediction=prediction)
    sources = sources_of(report)
    sources[0].headers[0].PatientID = patient.replace("\\", "/")
    sources[0].headers[0].AccessionNumber = order.replace("\\", "/")
    text = make_hl7(report, sources).decode()
    assert [one[:3] for one in text.split("\r")[:-1]] == ["MSH", "PID", "OBR", "OBX", "OBX", "OBX"]
    assert parse_message(text, validation_level=VALIDATION_LEVEL.STRICT).validate()
