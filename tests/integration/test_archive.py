"""What real peers do with the example study's results: Orthanc, DCMTK and dicom3tools."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom import AE

from form_sources import debian, form_bytes, report_on
from fracturax.core.finding import Finding
from fracturax.core.geometry import Box
from fracturax.core.report import Report
from fracturax.example import example_study_folder
from fracturax.imaging import open_study
from fracturax.reporting.forms import FORMS
from orthanc_server import CALLED_TITLE, CALLING_TITLE, Orthanc, orthanc

OBJECTS = [name for name, form in FORMS.items() if form.source == "needed"]
EXAMPLE = example_study_folder() / "forearm"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with orthanc(tmp_path_factory.mktemp("orthanc")) as server:
        yield server


@pytest.fixture(scope="module")
def report() -> Report:
    """The example study with what is broken in it, by the program that drew it."""
    truth = json.loads((EXAMPLE.parent / "truth.json").read_text(encoding="utf-8"))["images"]
    study = open_study(EXAMPLE)
    found = {}
    for image in study.images:
        boxes = truth[f"forearm/{Path(image.name).name}"]["boxes"]
        certain = [Finding(image.name, Box(*box), 0.9, 0.8, "certain", "hand") for box in boxes]
        doubt = Finding(image.name, Box(20.5, 30.25, 90, 80), 0.2, 0.15, "doubt")
        found[image.name] = (*certain, doubt)
    return replace(report_on(study, found), is_synthetic=True)


@pytest.fixture(scope="module", params=OBJECTS)
def files(request: pytest.FixtureRequest, report: Report) -> list[bytes]:
    """The objects of one form."""
    return form_bytes(report, request.param)


def _objects(files: list[bytes]) -> list[Dataset]:
    return [dcmread(io.BytesIO(data)) for data in files]


def test_orthanc_stores_by_c_store_and_returns_the_same_object(
    archive: Orthanc, files: list[bytes]
) -> None:
    for made in _objects(files):
        entity = AE(ae_title=CALLING_TITLE)
        entity.add_requested_context(made.SOPClassUID, made.file_meta.TransferSyntaxUID)
        association = entity.associate("127.0.0.1", archive.dicom_port, ae_title=CALLED_TITLE)
        assert association.is_established
        try:
            assert association.send_c_store(made).Status == 0x0000
        finally:
            association.release()
        back = dcmread(io.BytesIO(archive.file_of(made.SOPInstanceUID)))
        assert back == made
        assert back.file_meta.TransferSyntaxUID == made.file_meta.TransferSyntaxUID


def test_orthanc_stores_by_stow_rs_and_returns_the_same_object_by_wado_rs(
    archive: Orthanc, files: list[bytes]
) -> None:
    client = DICOMwebClient(archive.dicomweb)
    for made in _objects(files):
        answer = client.store_instances([made])
        assert len(answer.ReferencedSOPSequence) == 1
        assert not answer.get("FailedSOPSequence")
        uids = (made.StudyInstanceUID, made.SeriesInstanceUID, made.SOPInstanceUID)
        assert client.retrieve_instance(*uids) == made


def test_the_objects_lie_in_the_study_of_their_images(archive: Orthanc, report: Report) -> None:
    client = DICOMwebClient(archive.dicomweb)
    sources = [dcmread(path) for path in sorted(EXAMPLE.glob("*.dcm"))]
    made = [one for form in OBJECTS for one in _objects(form_bytes(report, form))]
    client.store_instances([*sources, *made])
    (study,) = client.search_for_studies(fields=["NumberOfStudyRelatedSeries"])
    assert study["0020000D"]["Value"] == [sources[0].StudyInstanceUID]
    series = {one.SeriesInstanceUID for one in (*sources, *made)}
    assert study["00201206"]["Value"] == [len(series)]
    patients = json.loads(archive.get("/patients"))
    assert len(patients) == 1


def test_a_second_writing_makes_no_double(archive: Orthanc, report: Report) -> None:
    client = DICOMwebClient(archive.dicomweb)
    first = [one for form in OBJECTS for one in _objects(form_bytes(report, form))]
    client.store_instances(first)
    before = json.loads(archive.get("/statistics"))["CountInstances"]
    later = replace(report, created_at="2026-03-01T08:00:00+00:00")
    client.store_instances([o for form in OBJECTS for o in _objects(form_bytes(later, form))])
    assert json.loads(archive.get("/statistics"))["CountInstances"] == before


def test_dciodvfy_finds_no_error(files: list[bytes], tmp_path: Path) -> None:
    for number, data in enumerate(files):
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(data)
        said = subprocess.run(
            [debian("dciodvfy"), path], check=False, capture_output=True, text=True
        ).stderr
        assert [line for line in said.splitlines() if line.startswith("Error")] == []


def test_dsrdump_reads_the_structured_report(report: Report, tmp_path: Path) -> None:
    (data,) = form_bytes(report, "sr")
    path = tmp_path / "sr.dcm"
    path.write_bytes(data)
    said = subprocess.run(
        [debian("dsrdump"), "+Pc", path], check=False, capture_output=True, text=True
    )
    assert said.returncode == 0, said.stderr
    assert "Imaging Measurement Report" in said.stdout
    assert said.stdout.count('"Measurement Group"') == 4
    assert said.stdout.count('"Presence"') == 1 + 2  # the study, its images
    assert "Fracture of bone" in said.stdout


def test_orthanc_renders_a_copy_as_it_was_drawn(archive: Orthanc, report: Report) -> None:
    import numpy as np
    from PIL import Image as PillowImage

    copy = _objects(form_bytes(report, "sc"))[0]
    DICOMwebClient(archive.dicomweb).store_instances([copy])
    (found,) = json.loads(archive.post("/tools/lookup", copy.SOPInstanceUID.encode()))
    preview = archive.get(f"{found['Path']}/preview")
    shown = np.asarray(PillowImage.open(io.BytesIO(preview)).convert("RGB"))
    assert (shown == copy.pixel_array).all()
