"""Conformant DICOM sources with a bright block planted at a known place; imported by tests.

`dicom_builders` makes files that can be read; these have besides every attribute that their
object definition requires, so that `dciodvfy` finds no error in them.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from dicom_builders import CT, DX, film, save
from fracturax.core.finding import Finding
from fracturax.core.prediction import ImagePrediction, ModelIdentity, OperatingPoints, Prediction
from fracturax.core.report import Report
from fracturax.core.study import Study
from fracturax.reporting.forms import make_forms

STUDY = "1.2.826.0.1.3680043.8.498.77.1"
FRAME_OF_REFERENCE = f"{STUDY}.9"
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
GRAYSCALE_FRAMES = "1.2.840.10008.5.1.4.1.1.7.3"  # Multi-frame Grayscale Word Secondary Capture
BRIGHT, DARK = 1600, 200

PERSON: dict[str, Any] = {
    "PatientName": "Test^Patient",
    "PatientID": "T-1",
    "PatientBirthDate": "19800102",
    "PatientSex": "O",
    "StudyInstanceUID": STUDY,
    "StudyDate": "20260101",
    "StudyTime": "101500",
    "StudyID": "S1",
    "AccessionNumber": "A-17",
    "ReferringPhysicianName": "Doe^Jane",
    "SeriesNumber": 1,
    "Manufacturer": "FracturaX tests",
}


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """Return a code as an item."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def block(
    shape: tuple[int, ...], region: tuple[slice, ...], *, dtype: type = np.uint16
) -> npt.NDArray[Any]:
    """Return a dark array with a bright block."""
    pixels = np.full(shape, DARK, dtype)
    pixels[region] = BRIGHT
    return pixels


def radiograph(pixels: npt.NDArray[Any], *, number: int = 1, **attributes: Any) -> Dataset:
    """Return a DX film for presentation; of MONOCHROME1 the low values are the bright ones."""
    inverse = attributes.get("PhotometricInterpretation") == "MONOCHROME1"
    complete: dict[str, Any] = {
        **PERSON,
        "SOPClassUID": DX,
        "SOPInstanceUID": f"{STUDY}.1.{number}",
        "SeriesInstanceUID": f"{STUDY}.1",
        "InstanceNumber": number,
        "NumberOfFrames": None,
        "ImageType": ["ORIGINAL", "PRIMARY", ""],
        "PresentationIntentType": "FOR PRESENTATION",
        "PatientOrientation": ["R", "F"],
        "ImageLaterality": "L",
        "AnatomicRegionSequence": [code("8205005", "SCT", "Wrist")],
        "BodyPartExamined": "WRIST",
        "ViewPosition": "AP",
        "ViewCodeSequence": [code("399348003", "SCT", "antero-posterior")],
        "BitsStored": 12,
        "PixelIntensityRelationship": "LOG",
        "PixelIntensityRelationshipSign": -1 if not inverse else 1,
        "RescaleIntercept": 0,
        "RescaleSlope": 1,
        "RescaleType": "US",
        "PresentationLUTShape": "INVERSE" if inverse else "IDENTITY",
        "LossyImageCompression": "00",
        "BurnedInAnnotation": "NO",
        "WindowCenter": 2048,
        "WindowWidth": 4096,
        "DetectorType": "DIRECT",
        "ImagerPixelSpacing": [0.2, 0.2],
        "PositionerType": "NONE",
        "AcquisitionContextSequence": [],
    }
    return film(pixels, **{**complete, **attributes})


def frames(pixels: npt.NDArray[np.uint16], **attributes: Any) -> Dataset:
    """Return several films in one object, shape of the pixels `(frames, rows, columns)`."""
    complete: dict[str, Any] = {
        **PERSON,
        "SOPClassUID": GRAYSCALE_FRAMES,
        "SOPInstanceUID": f"{STUDY}.2.1",
        "SeriesInstanceUID": f"{STUDY}.2",
        "Modality": "DX",
        "ConversionType": "DF",
        "ImageType": ["DERIVED", "SECONDARY"],
        "PatientOrientation": "",
        "Laterality": "L",
        "BitsStored": 12,
        "PresentationLUTShape": "IDENTITY",
        "RescaleIntercept": 0,
        "RescaleSlope": 1,
        "RescaleType": "US",
        "BurnedInAnnotation": "NO",
        "LossyImageCompression": "00",
        "FrameIncrementPointer": 0x00181063,
        "FrameTime": 40.0,
        "WindowCenter": 2048,
        "WindowWidth": 4096,
        "NominalScannedPixelSpacing": [0.2, 0.2],
    }
    return film(pixels, **{**complete, **attributes})


def orientations() -> Iterator[tuple[tuple[int, ...], bool]]:
    """Yield the 48 ways a CT can lie along the axes.

    That is: ImageOrientationPatient, and whether the files are numbered against their normal.
    """
    axes = np.eye(3, dtype=int)
    for order in permutations(range(3)):
        for row_sign, column_sign in product((1, -1), repeat=2):
            row, column = row_sign * axes[order[0]], column_sign * axes[order[1]]
            for against in (False, True):
                yield (*row.tolist(), *column.tolist()), against


def ct_series(
    volume: npt.NDArray[np.int16],
    *,
    orientation: Sequence[float] = (1, 0, 0, 0, 1, 0),
    against: bool = False,
    spacing: tuple[float, float, float] = (3.0, 0.5, 0.8),
    **attributes: Any,
) -> list[Dataset]:
    """Return a CT of stored values, shape `(slices, rows, columns)`, along its normal.

    Args:
        volume: HU + 1024.
        orientation: ImageOrientationPatient.
        against: Whether the instances are numbered against the normal.
        spacing: Between slices, rows and columns, in mm.
        attributes: Of each file.
    """
    normal = np.cross(orientation[:3], orientation[3:])
    origin = np.array([-31.0, 17.0, 120.0])
    count = len(volume)
    made = []
    for index, pixels in enumerate(volume):
        number = count - index if against else index + 1
        place = origin + index * spacing[0] * normal
        complete: dict[str, Any] = {
            **PERSON,
            "SOPClassUID": CT,
            "SOPInstanceUID": f"{STUDY}.3.{number}",
            "SeriesInstanceUID": f"{STUDY}.3",
            "Modality": "CT",
            "InstanceNumber": number,
            "NumberOfFrames": None,
            "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
            "AcquisitionNumber": 1,
            "FrameOfReferenceUID": FRAME_OF_REFERENCE,
            "PositionReferenceIndicator": "",
            "PatientPosition": "HFS",
            "BodyPartExamined": "WRIST",
            "KVP": 120,
            "Laterality": "L",
            "ImageOrientationPatient": [round(float(cosine), 8) for cosine in orientation],
            "ImagePositionPatient": [
                round(float(mm), 6) for mm in origin + index * spacing[0] * normal
            ],
            "PixelSpacing": list(spacing[1:]),
            "SliceThickness": spacing[0],
            "RescaleSlope": 1,
            "RescaleIntercept": -1024,
            "RescaleType": "HU",
            "BitsStored": 12,
        }
        made.append(film(pixels.astype(np.uint16), **{**complete, **attributes}))
    return made


def enhanced_ct(series: Sequence[Dataset]) -> Dataset:
    """Return the slices of a CT as the frames of one object, in the same order."""
    first = series[0]
    made = film(
        np.stack([one.pixel_array for one in series]),
        **PERSON,
        SOPClassUID=ENHANCED_CT,
        SOPInstanceUID=f"{STUDY}.4.1",
        SeriesInstanceUID=f"{STUDY}.4",
        Modality="CT",
        ImageType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"],
        FrameOfReferenceUID=FRAME_OF_REFERENCE,
        PositionReferenceIndicator="",
        BodyPartExamined="WRIST",
        BitsStored=12,
    )
    measures, orientation, values, shared = Dataset(), Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = first.PixelSpacing, first.SliceThickness
    orientation.ImageOrientationPatient = first.ImageOrientationPatient
    values.RescaleSlope, values.RescaleIntercept, values.RescaleType = 1, -1024, "HU"
    shared.PixelMeasuresSequence = [measures]
    shared.PlaneOrientationSequence = [orientation]
    shared.PixelValueTransformationSequence = [values]
    made.SharedFunctionalGroupsSequence = [shared]
    made.PerFrameFunctionalGroupsSequence = []
    for one in series:
        position, groups = Dataset(), Dataset()
        position.ImagePositionPatient = one.ImagePositionPatient
        groups.PlanePositionSequence = [position]
        made.PerFrameFunctionalGroupsSequence.append(groups)
    return made


def save_all(datasets: Sequence[Dataset], folder: Path) -> Path:
    """Write objects into a folder."""
    for dataset in datasets:
        save(dataset, folder / f"{dataset.SOPInstanceUID}.dcm")
    return folder


def report_on(study: Study, found: Mapping[str, tuple[Finding, ...]], **changes: Any) -> Report:
    """Return a report with these findings, by name of the image."""
    answers = tuple(
        ImagePrediction(
            image.name,
            "fracture" if found.get(image.name) else "no_fracture",
            0.83 if found.get(image.name) else 0.04,
            None,
            found.get(image.name, ()),
        )
        for image in study.images
    )
    status = "fracture" if any(found.values()) else "no_fracture"
    prediction = Prediction(
        study.key,
        status,  # type: ignore[arg-type]
        ModelIdentity("xray", "2026.13", "3f" * 32, "a9" * 32, "int8"),
        OperatingPoints(0.1, 0.5),
        0.83 if status == "fracture" else 0.04,
        decisive_image=study.images[0].name,
        images=answers,
    )
    report = Report(study, prediction, "2026-01-01T10:00:00+00:00", "fracturax 0.1.0")
    return replace(report, **changes)


def debian(program: str) -> str:
    """Return the path of a Debian program; without it the test is skipped, and fails in CI."""
    path = shutil.which(program, path="/usr/bin:/usr/sbin")
    if path is None:
        message = f"{program} is not installed; see .ci/run"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    return path


def form_bytes(report: Report, form: str) -> list[bytes]:
    """Return the files of a form.

    Raises:
        FracturaXError: If it cannot be made of this report.
    """
    (one,) = make_forms(report, [form])
    if one.error is not None:
        raise one.error
    return list(one.files)


def made(report: Report, form: str) -> list[Dataset]:
    """Return the objects of a form, written and read again."""
    return [dcmread(io.BytesIO(data)) for data in form_bytes(report, form)]
