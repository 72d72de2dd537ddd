"""What holds for every DICOM form of the registry, for films, frames and a CT alike."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from dicom_builders import save
from form_sources import (
    PERSON,
    block,
    ct_series,
    debian,
    form_bytes,
    frames,
    made,
    radiograph,
    report_on,
    save_all,
)
from fracturax.core.errors import FracturaXError
from fracturax.core.finding import Finding
from fracturax.core.geometry import Box
from fracturax.core.report import Report
from fracturax.imaging import open_study
from fracturax.reporting.forms import FORMS

DICOM = [name for name, form in FORMS.items() if form.source == "needed"]
PLACE = (slice(120, 200), slice(90, 210))
BOX = Box(120, 90, 200, 210)


def _private(dataset: Dataset) -> Dataset:
    block = dataset.private_block(0x0011, "SOMEBODY", create=True)
    block.add_new(1, "LO", "private words")
    return dataset


def _films(folder: Path) -> Report:
    pixels = block((400, 300), PLACE)
    both = [_private(radiograph(pixels, number=n)) for n in (1, 2)]
    study = open_study(save_all(both, folder))
    first, second = (image.name for image in study.images)
    found = {
        first: (
            Finding(first, BOX, 0.9, 0.83, "certain", "hand"),
            Finding(first, Box(10.5, 20.25, 60, 80), 0.2, 0.2, "doubt"),
        ),
        second: (Finding(second, Box(0, 0, 400, 300), 0.2, 0.2, "doubt", "hand"),),
    }
    return report_on(study, found)


def _frames(folder: Path) -> Report:
    pixels = np.stack([block((400, 300), PLACE)] * 3)
    study = open_study(save(frames(pixels), folder / "frames.dcm"))
    name = study.images[1].name
    return report_on(study, {name: (Finding(name, BOX, 0.9, 0.83, "certain", "hand"),)})


def _ct(folder: Path) -> Report:
    volume = block((5, 240, 220), (slice(1, 3), *PLACE), dtype=np.int16)
    study = open_study(save_all(ct_series(volume), folder))
    name = study.images[0].name
    finding = Finding(name, Box(120, 90, 200, 210), 0.9, 0.83, "certain", slices=(1, 3))
    return report_on(study, {name: (finding,)})


def _quiet(folder: Path) -> Report:
    study = open_study(save(radiograph(block((400, 300), PLACE)), folder / "film.dcm"))
    return report_on(study, {})


KINDS: dict[str, Callable[[Path], Report]] = {
    "films": _films,
    "frames": _frames,
    "ct": _ct,
    "no finding": _quiet,
}


@pytest.fixture(scope="module", params=KINDS)
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Report:
    return KINDS[request.param](tmp_path_factory.mktemp(request.param.replace(" ", "-")))


def _made(report: Report, form: str) -> list[Dataset]:
    """Return the objects of a form; a form without anything to say is no case of these laws."""
    try:
        return made(report, form)
    except FracturaXError as error:
        assert not report.prediction.findings, error
        assert form in ("seg", "ko"), error
        pytest.skip("nothing to say without a finding")


@pytest.mark.parametrize("form", DICOM)
def test_the_validator_finds_no_error(report: Report, form: str, tmp_path: Path) -> None:
    for number, dataset in enumerate(_made(report, form)):
        path = save(dataset, tmp_path / f"{number}.dcm")
        done = subprocess.run(
            [debian("dciodvfy"), path], check=False, capture_output=True, text=True
        )
        errors = [line for line in done.stderr.splitlines() if line.startswith("Error")]
        assert not errors, errors


@pytest.mark.parametrize("form", DICOM)
def test_the_same_reading_gives_the_same_bytes_and_another_model_other_names(
    report: Report, form: str
) -> None:
    objects = _made(report, form)
    assert form_bytes(report, form) == form_bytes(report, form)
    model = replace(report.prediction.model, bundle_sha256="77" * 32)
    other = replace(report, prediction=replace(report.prediction, model=model))
    names = [
        {uid for one in datasets for uid in (one.SOPInstanceUID, one.SeriesInstanceUID)}
        for datasets in (objects, _made(other, form))
    ]
    assert len({one.SOPInstanceUID for one in objects}) == len(objects)
    assert not names[0] & names[1]


@pytest.mark.parametrize("form", DICOM)
def test_an_object_belongs_to_the_patient_and_study_of_its_source(
    report: Report, form: str
) -> None:
    for dataset in _made(report, form):
        for keyword in PERSON.keys() - {"SeriesNumber", "Manufacturer"}:
            assert str(dataset[keyword].value) == str(PERSON[keyword]), keyword
        assert not any(element.tag.is_private for element in dataset.iterall())


@pytest.mark.parametrize("form", DICOM)
def test_an_object_says_research_use_and_what_is_synthetic(report: Report, form: str) -> None:
    real = _made(report, form)
    synthetic = _made(replace(report, is_synthetic=True), form)
    for dataset in (*real, *synthetic):
        assert dataset.ContentQualification == "RESEARCH"
        assert "FracturaX" in dataset.SeriesDescription
    assert not any("SYNTHETIC" in one.SeriesDescription for one in real)
    assert all("SYNTHETIC" in one.SeriesDescription for one in synthetic)


def test_no_two_forms_share_a_name(report: Report) -> None:
    names: list[str] = []
    for form in DICOM:
        try:
            names += {one.SeriesInstanceUID for one in made(report, form)}
        except FracturaXError:
            assert not report.prediction.findings
    assert len(set(names)) == len(names)
