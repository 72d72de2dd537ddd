"""An image keeps the headers it came from: whole enough to answer to, small, and unseen."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from dicom_builders import GRADIENT, ct_slice, dicomdir, encoded, film, save
from fracturax.core.errors import ImageError
from fracturax.core.image import Image, Origin
from fracturax.imaging import open_study


def origin_of(image: Image) -> Origin:
    assert image.origin is not None
    return image.origin


def kept(path: Path) -> Dataset:
    (image,) = open_study(path).images
    return dcmread(io.BytesIO(origin_of(image).headers[0]))


def _with_everything(**attributes: Any) -> Dataset:
    dataset = film(GRADIENT, PatientName="Doe^Jane", ImagerPixelSpacing=[0.2, 0.3], **attributes)
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "1", "99T", "meaning"
    item.private_block(0x0011, "SOMEBODY", create=True).add_new(1, "LO", "private words")
    dataset.ProcedureCodeSequence = [item]
    dataset.private_block(0x0009, "SOMEBODY", create=True).add_new(1, "LO", "private words")
    dataset.RedPaletteColorLookupTableData = b"\1\2" * (1 << 16)
    icon = Dataset()
    icon.Rows = icon.Columns = 1
    icon.PixelData = b"\0\0"
    icon["PixelData"].VR = "OB"
    dataset.IconImageSequence = [icon]
    return dataset


def test_a_header_is_kept_without_pixels_private_groups_and_bulk(tmp_path: Path) -> None:
    path = save(_with_everything(), tmp_path / "a.dcm")
    header, stored = kept(path), dcmread(path)
    dropped = {element.keyword for element in stored} - {element.keyword for element in header}
    assert dropped == {"", "PixelData", "RedPaletteColorLookupTableData", "IconImageSequence"}
    assert not any(element.tag.is_private for element in header.iterall())
    assert header.ProcedureCodeSequence[0].CodeMeaning == "meaning"
    (image,) = open_study(path).images
    assert len(origin_of(image).headers[0]) < 2000


@pytest.mark.parametrize(
    "encoding", [(True, True), (False, True), (False, False)], ids=["implicit", "explicit", "big"]
)
def test_values_are_the_same_however_the_file_was_encoded(
    tmp_path: Path, encoding: tuple[bool, bool]
) -> None:
    implicit, little = encoding
    dataset = _with_everything(PixelAspectRatio=[3, 4], SmallestImagePixelValue=7, KVP=60)
    if implicit:
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    elif not little:
        dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
        dataset.PixelData = GRADIENT.astype(">u2").tobytes()
    header = kept(save(dataset, tmp_path / "a.dcm"))
    assert (header.Rows, header.Columns, header.SmallestImagePixelValue) == (48, 40, 7)
    assert header.ImagerPixelSpacing == [0.2, 0.3]
    assert header.PatientName == "Doe^Jane"


@pytest.mark.parametrize(
    ("terms", "name"),
    [
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("ISO_IR 126", "Διονυσιος"),
        ("ISO_IR 192", "Zoë^Ådne"),
    ],
)
@pytest.mark.parametrize("syntax", [None, ImplicitVRLittleEndian])
def test_a_name_keeps_its_bytes_and_character_set(
    tmp_path: Path, terms: str | list[str], name: str, syntax: str | None
) -> None:
    dataset = film(GRADIENT, SpecificCharacterSet=terms, PatientName=name)
    if syntax:
        dataset.file_meta.TransferSyntaxUID = syntax
    path = save(dataset, tmp_path / "a.dcm")
    header = kept(path)
    assert header.get_item("PatientName").value in path.read_bytes()
    assert str(header.PatientName) == name


def test_frames_of_a_film_and_slices_of_a_scan_are_numbered(tmp_path: Path) -> None:
    frames = film(np.zeros((3, 8, 8), np.uint16))
    images = open_study(save(frames, tmp_path / "frames.dcm")).images
    assert [origin_of(image).frames for image in images] == [((0, 1),), ((0, 2),), ((0, 3),)]
    for number, height in enumerate((6.0, 0.0, 3.0)):
        slice_ = ct_slice(np.zeros((4, 6), np.uint16), height, SOPInstanceUID=f"1.2.{number}")
        save(slice_, tmp_path / "ct" / f"{number}.dcm")
    (volume,) = open_study(tmp_path / "ct").images
    origin = origin_of(volume)
    headers = [dcmread(io.BytesIO(header)) for header in origin.headers]
    heights = [headers[header].ImagePositionPatient[2] for header, _ in origin.frames]
    assert heights == [0.0, 3.0, 6.0]


def test_members_of_archives_and_discs_have_an_origin_and_pictures_none(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a.dcm", encoded(film(GRADIENT, PatientID="zip")))
    assert kept(tmp_path / "x.zip").PatientID == "zip"
    save(film(GRADIENT, PatientID="disc"), tmp_path / "DISC" / "IM1")
    (tmp_path / "DICOMDIR").write_bytes(dicomdir(["DISC", "IM1"]))
    assert kept(tmp_path / "DICOMDIR").PatientID == "disc"
    from PIL import Image as PillowImage

    PillowImage.fromarray(GRADIENT.astype(np.uint8)).save(tmp_path / "a.png")
    assert open_study(tmp_path / "a.png").images[0].origin is None


def test_an_image_shows_nothing_of_its_origin(tmp_path: Path) -> None:
    path = save(film(GRADIENT, PatientName="Doe^Jane"), tmp_path / "a.dcm")
    (image,) = open_study(path).images
    assert "Doe" not in repr(image) and "Doe" not in repr(image.origin)


@pytest.mark.parametrize("frames", [(), ((1, 1),), ((0, 0),), ((-1, 1),)])
def test_an_origin_that_leads_nowhere_does_not_exist(frames: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(ImageError):
        Origin((b"",), frames)
