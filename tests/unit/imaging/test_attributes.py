"""What the header says about spacing, side, view and voltage; and what is never said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from dicom_builders import GRADIENT, film, save
from fracturax.core.errors import GeometryError
from fracturax.core.image import Image
from fracturax.imaging import read_image


def read(tmp_path: Path, **attributes: Any) -> Image:
    return read_image(save(film(GRADIENT, **attributes), tmp_path / "a.dcm"))[0]


@pytest.mark.parametrize(
    ("attributes", "spacing", "meaning"),
    [
        ({}, None, "unspecified"),
        ({"ImagerPixelSpacing": [0.1, 0.2]}, (0.1, 0.2), "imager_plane"),
        (
            {"ImagerPixelSpacing": [0.1, 0.1], "PixelSpacing": [0.1, 0.1]},
            (0.1, 0.1),
            "imager_plane",
        ),
        (
            {"ImagerPixelSpacing": [0.1, 0.1], "PixelSpacing": [0.08, 0.08]},
            (0.08, 0.08),
            "calibrated",
        ),
        (
            {"PixelSpacing": [0.1, 0.1], "PixelSpacingCalibrationType": "FIDUCIAL"},
            (0.1, 0.1),
            "calibrated",
        ),
        ({"PixelSpacing": [0.1, 0.1]}, (0.1, 0.1), "unspecified"),
        ({"NominalScannedPixelSpacing": [0.3, 0.3]}, (0.3, 0.3), "imager_plane"),
        (
            {"ImagerPixelSpacing": [0.1, 0.1], "EstimatedRadiographicMagnificationFactor": 2.0},
            (0.1, 0.1),
            "imager_plane",
        ),
    ],
)
def test_spacing_and_its_meaning(
    tmp_path: Path, attributes: dict[str, Any], spacing: Any, meaning: str
) -> None:
    geometry = read(tmp_path, **attributes).geometry
    assert geometry.spacing_mm == spacing
    assert geometry.spacing_meaning == meaning


@pytest.mark.parametrize("spacing", [["NaN", "NaN"], [0, 0], [-1, 1], [0.2], ["0.2", "1e400"]])
def test_impossible_spacing_is_an_error_of_geometry(tmp_path: Path, spacing: list[Any]) -> None:
    with pytest.raises(GeometryError, match="spacing"):
        read(tmp_path, PixelSpacing=spacing)


def test_acquisition(tmp_path: Path) -> None:
    made = read(
        tmp_path,
        ImageLaterality="R",
        ViewPosition="AP",
        BodyPartExamined="WRIST",
        KVP=55,
    ).acquisition
    assert (made.modality, made.laterality, made.view_position) == ("DX", "right", "AP")
    assert (made.body_part, made.kvp) == ("wrist", 55.0)
    assert read(tmp_path, Laterality="L").acquisition.laterality == "left"
    assert read(tmp_path, ImageLaterality="U").acquisition.laterality is None


def test_view_from_its_code(tmp_path: Path) -> None:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator = "272479007", "SCT"
    assert read(tmp_path, ViewCodeSequence=[code]).acquisition.view_position == "PA"


def test_image_says_nothing_of_the_patient(tmp_path: Path) -> None:
    assert "Secret" not in repr(read(tmp_path))
