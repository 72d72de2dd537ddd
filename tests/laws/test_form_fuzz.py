"""Whatever stands in a source: either a clear error, or an object that is valid."""

from __future__ import annotations

import copy
import io
import struct
import subprocess
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import config, dcmread
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset

from dicom_builders import encoded
from form_sources import block, ct_series, debian, form_bytes, radiograph, report_on
from fracturax.core.errors import FracturaXError
from fracturax.core.finding import Finding
from fracturax.core.geometry import Box, Geometry
from fracturax.core.image import Image, Origin, Radiograph, Volume
from fracturax.core.study import Study
from fracturax.reporting.forms import FORMS as REGISTRY

FORMS = tuple(name for name, form in REGISTRY.items() if form.suffix.endswith(".dcm"))
SHAPE = (60, 50)
FILM = radiograph(block(SHAPE, (slice(10, 20), slice(5, 30))))
SLICES = ct_series(block((3, *SHAPE), (slice(1, 2), slice(10, 20), slice(5, 30)), dtype=np.int16))
SOURCES = (FILM, *SLICES)

KEYWORDS = (
    *("SpecificCharacterSet", "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate"),
    *("PatientBirthTime", "PatientSex", "PatientAge", "PatientSize", "PatientWeight"),
    *("OtherPatientIDs", "EthnicGroup", "PatientComments", "PatientState", "PregnancyStatus"),
    *("PatientIdentityRemoved", "DeidentificationMethod", "ResponsiblePerson", "StudyInstanceUID"),
    *("StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName"),
    *("StudyDescription", "NameOfPhysiciansReadingStudy", "PhysiciansOfRecord"),
    *("AdmittingDiagnosesDescription", "Occupation", "AdditionalPatientHistory"),
    *("SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "FrameOfReferenceUID", "Modality"),
    *("PositionReferenceIndicator", "SeriesDescription", "SeriesNumber", "InstanceNumber"),
    *("InstitutionName", "StationName", "Manufacturer", "BodyPartExamined", "Laterality"),
    *("ImageLaterality", "PatientOrientation", "ViewPosition", "PatientPosition", "KVP"),
    *("TimezoneOffsetFromUTC", "InstanceCreationDate", "ImageType", "AcquisitionDateTime"),
    *("LossyImageCompression", "BurnedInAnnotation", "ContentDate", "ContentTime"),
    *("PixelSpacing", "ImagerPixelSpacing", "SliceThickness", "WindowCenter", "WindowWidth"),
    *("VOILUTFunction", "RescaleSlope", "RescaleIntercept", "RescaleType", "PresentationLUTShape"),
    *("NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "PixelRepresentation"),
    *("ImagePositionPatient", "ImageOrientationPatient", "Rows", "Columns"),
)
_LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())

_WORDS = st.one_of(
    st.text(max_size=80).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.sampled_from(
        [
            *(b"", b" ", b"\0", b"\\", b"a\\b", b"\\\\", b"x" * 65, b"x" * 3000, b"1" * 17),
            b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B",
            *(b"\xc4neas^R\xfcdiger", b"\xff\xfe", b"a\x1bb", b"\x0c\x0a\x0d"),
            *("Müller^Jürgen=王^小东=".encode(), "Иванов^Иван".encode("iso8859_5")),
            *("王^小东".encode("gb18030"), b"=====", b"^^^^^^^", b"A=B=C=D"),
            *(b"20261301", b"2026", b"2026.01.01", b"00000000", b"250000", b"1015"),
            *(b"101500.1234567", b"MALE", b"m", b"O", b"99Y", b"1e999", b"NaN", b"-0"),
            *(b"0\\0", b"2\\2", b"1\\2\\3\\4\\5\\6\\7", b"L\\R", b"BOTH", b"-1", b"0"),
            *(b"1.2.3", b"1..2", b"1.02.3", b"." * 64, b"1." * 40 + b"1", b"not a uid"),
            *(b"YES", b"01", b"MONOCHROME1", b"RGB", b"INVERSE", b"SIGMOID"),
        ]
    ),
)
_CHARACTER_SETS = st.sampled_from(
    [
        *(b"", b"ISO_IR 6", b"ISO_IR 100", b"ISO_IR 144", b"ISO_IR 192", b"GB18030"),
        *(b"ISO_IR 13", b"\\ISO 2022 IR 87", b"ISO 2022 IR 6\\ISO 2022 IR 149", b"utf8"),
        *(b"ISO_IR 100\\ISO_IR 192", b"ISO 2022 IR 13\\ISO 2022 IR 87", b"ISO_IR 999"),
        *(b"ISO-IR 100", b"ISO_IR 58", b"\xff"),
    ]
)
CHANGES = st.dictionaries(
    st.sampled_from(KEYWORDS), st.one_of(st.none(), _WORDS, _WORDS), max_size=8
)


@lru_cache
def _parts(position: int) -> tuple[bytes, dict[int, bytes]]:
    """Return the file meta information of a source, and its elements but for the pixels."""
    plain = copy.deepcopy(SOURCES[position])
    del plain.PixelData
    data = encoded(plain)
    start = _dataset_start(data)
    return data[:start], dict(_elements(data[start:]))


def _header(position: int, changes: Mapping[str, bytes | None]) -> bytes:
    """Return a source without its pixels, with raw values that no library would write."""
    meta, stored = _parts(position)
    elements = dict(stored)
    for keyword, value in changes.items():
        elements.pop(tag_for_keyword(keyword), None)
        if value is not None:
            elements[tag_for_keyword(keyword)] = _raw(keyword, value)
    return meta + b"".join(elements[tag] for tag in sorted(elements))


def _dataset_start(data: bytes) -> int:
    (length,) = struct.unpack_from("<I", data, 140)
    return 144 + int(length)


def _elements(data: bytes) -> Any:
    at = 0
    while at < len(data):
        group, element, vr = struct.unpack_from("<HH2s", data, at)
        long = vr in _LONG
        (length,) = struct.unpack_from("<I" if long else "<H", data, at + (8 if long else 6))
        end = at + (12 if long else 8) + length
        yield (group << 16) | element, data[at:end]
        at = end


def _raw(keyword: str, value: bytes) -> bytes:
    tag = tag_for_keyword(keyword)
    vr = dictionary_VR(keyword).split(" ")[0].encode()
    if vr == b"US":
        value = (value + b"\0\0")[:2]
    value += b"\0" * (len(value) % 2) if vr == b"UI" else b" " * (len(value) % 2)
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr)
    if vr in _LONG:
        return head + struct.pack("<HI", 0, len(value)) + value
    return head + struct.pack("<H", len(value)) + value


def _study(kind: str, changes: Mapping[str, bytes | None]) -> Study:
    if kind == "film":
        image: Image = Radiograph(
            np.zeros(SHAPE, np.float32),
            name="a.dcm",
            origin=Origin((_header(0, changes),), ((0, 1),)),
        )
    else:
        headers = tuple(_header(n, changes if n == 2 else {}) for n in (1, 2, 3))
        affine = np.diag([3.0, 0.5, 0.8, 1.0])[:, [2, 1, 0, 3]]
        image = Volume(
            np.zeros((3, *SHAPE), np.int16),
            name="a.dcm",
            geometry=Geometry.from_affine(affine),
            origin=Origin(headers, tuple((n, 1) for n in range(3))),
        )
    return Study("4f1a", (image,))


def _check_by_pydicom(data: bytes) -> Dataset:
    """Read an object again with every value of it converted and checked."""
    before = config.settings.reading_validation_mode
    config.settings.reading_validation_mode = config.RAISE
    try:
        dataset = dcmread(io.BytesIO(data))
        for element in dataset.iterall():
            assert element.value is not None or element.VM == 0
            str(element)
    finally:
        config.settings.reading_validation_mode = before
    return dataset


def _made(kind: str, form: str, changes: Mapping[str, bytes | None]) -> list[bytes]:
    study = _study(kind, changes)
    name = study.images[0].name
    slices = (1, 2) if kind == "volume" else None
    finding = Finding(name, Box(10, 5, 20, 30), 0.9, 0.8, "certain", "hand", slices=slices)
    try:
        return form_bytes(report_on(study, {name: (finding,)}), form)
    except FracturaXError as error:
        assert "failed on this report" not in str(error), error.__cause__
        for keyword in ("PatientName", "PatientID"):
            identifier = (changes.get(keyword) or b"").decode("ascii", "replace")
            assert len(identifier) < 4 or identifier not in str(error)
        return []


@pytest.mark.parametrize("kind", ["film", "volume"])
@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes=CHANGES, character_set=st.one_of(st.none(), _CHARACTER_SETS))
def test_no_source_makes_an_invalid_object(
    kind: str,
    form: str,
    changes: dict[str, bytes | None],
    character_set: bytes | None,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    if character_set is not None:
        changes = {**changes, "SpecificCharacterSet": character_set}
    for data in _made(kind, form, changes):
        _check_by_pydicom(data)
        path = tmp_path_factory.getbasetemp() / f"fuzzed-{kind}.{form}.dcm"
        path.write_bytes(data)
        errors = _errors(path)
        assert not errors, errors


def _errors(path: Path) -> list[str]:
    done = subprocess.run(
        [debian("dciodvfy"), path], check=False, capture_output=True, text=True, errors="replace"
    )
    lines = (done.stdout + done.stderr).splitlines()
    # It counts bytes where the standard counts characters, which pydicom has done; and it says
    # once more at the end that there was something.
    pardoned = ("Length invalid for this VR", "contains invalid data values for Value")
    return [
        line
        for line in lines
        if line.startswith("Error") and not any(words in line for words in pardoned)
    ]
