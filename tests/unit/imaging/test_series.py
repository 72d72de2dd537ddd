"""Slices become a volume with a true affine, or the sentence that says why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from dicom_builders import CT, ct_slice, film, save
from fracturax.core.errors import GeometryError
from fracturax.core.image import Volume
from fracturax.imaging import open_study, read_image


def write(folder: Path, heights: list[float], **attributes: Any) -> Path:
    for number, height in enumerate(heights):
        stored = np.full((4, 6), number, np.uint16)
        # File names run against the heights: only positions count.
        save(
            ct_slice(stored, height, InstanceNumber=99 - number, **attributes), folder / f"{number}"
        )
    return folder


def read(folder: Path) -> Volume:
    study = open_study(folder)
    (volume,) = study.images
    assert isinstance(volume, Volume)
    return volume


def test_slices_are_sorted_by_position_and_in_hu(tmp_path: Path) -> None:
    volume = read(write(tmp_path / "ct", [6.0, 0.0, 3.0]))
    assert volume.pixels.dtype == np.int16
    assert volume.pixels[:, 0, 0].tolist() == [-1023, -1022, -1024]
    assert volume.geometry.spacing_mm == pytest.approx((3.0, 0.5, 0.8))
    assert volume.unit == "HU"


def test_affine_maps_an_index_to_the_patient(tmp_path: Path) -> None:
    oblique = [0.8, 0.6, 0.0, 0.0, 0.0, -1.0]
    normal = np.cross(oblique[:3], oblique[3:])
    for number in range(3):
        stored = np.zeros((4, 6), np.uint16)
        place = (np.array([5.0, 6.0, 7.0]) + 2.5 * number * normal).tolist()
        attributes = {"ImagePositionPatient": place, "ImageOrientationPatient": oblique}
        save(ct_slice(stored, 0.0, **attributes), tmp_path / "ct" / str(number))
    affine = np.array(read(tmp_path / "ct").geometry.affine)
    expected = [5.0, 6.0, 7.0] + 2 * 2.5 * normal
    expected += 3 * 0.5 * np.array(oblique[3:]) + 4 * 0.8 * np.array(oblique[:3])
    assert affine @ [2, 3, 4, 1] == pytest.approx([*expected, 1.0])


def test_fractional_rescale_gives_float32(tmp_path: Path) -> None:
    volume = read(write(tmp_path / "ct", [0.0, 3.0], RescaleSlope=0.5))
    assert volume.pixels.dtype == np.float32
    assert volume.pixels[1, 0, 0] == -1023.5


def test_padding_of_a_ct_is_air(tmp_path: Path) -> None:
    volume = read(write(tmp_path / "ct", [0.0, 3.0], PixelPaddingValue=0))
    assert volume.pixels[:, 0, 0].tolist() == [-1000, -1023]


@pytest.mark.parametrize(
    ("heights", "sentence"),
    [
        ([0, 3, 6, 15, 18], "slices 3 and 4 are 9.0 mm apart, the rest 3.0 mm"),
        ([0, 3, 3, 6], "slices 2 and 3 lie at the same place"),
    ],
)
def test_gap_and_copy_are_named(tmp_path: Path, heights: list[float], sentence: str) -> None:
    with pytest.raises(GeometryError, match=sentence):
        open_study(write(tmp_path / "ct", heights))


def test_positions_rounded_to_a_tenth_are_even(tmp_path: Path) -> None:
    heights = [round(0.625 * number, 1) for number in range(9)]
    assert read(write(tmp_path / "ct", heights)).pixels.shape == (9, 4, 6)


def test_gantry_tilt_is_refused_with_its_angle(tmp_path: Path) -> None:
    tilt = np.deg2rad(15.0)
    for number in range(5):
        place = {
            "ImagePositionPatient": [0.0, -3.0 * number * np.tan(tilt), 3.0 * number],
        }
        save(ct_slice(np.zeros((4, 6), np.uint16), 0.0, **place), tmp_path / "ct" / str(number))
    with pytest.raises(GeometryError, match=r"gantry tilt of 15\.0 degrees"):
        open_study(tmp_path / "ct")


@pytest.mark.parametrize(
    "odd",
    [
        {"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]},
        {"PixelSpacing": [0.5, 0.9]},
        {"PixelSpacing": ["NaN", "NaN"]},
        {"ImagePositionPatient": None},
        {"ImagePositionPatient": ["NaN", "0", "0"]},
    ],
)
def test_a_slice_unlike_the_others_is_refused(tmp_path: Path, odd: dict[str, Any]) -> None:
    write(tmp_path / "ct", [0.0, 3.0])
    save(ct_slice(np.zeros((4, 6), np.uint16), 6.0, **odd), tmp_path / "ct" / "9")
    with pytest.raises(GeometryError):
        open_study(tmp_path / "ct")


def test_bad_series_stands_aside_and_the_film_is_read(tmp_path: Path) -> None:
    write(tmp_path / "ct", [0.0, 3.0, 30.0], SeriesInstanceUID="1.2.3.4.5.2")
    save(film(np.eye(8, dtype=np.uint16)), tmp_path / "film.dcm")
    study = open_study(tmp_path)
    assert [image.name for image in study.images] == ["film.dcm"]
    assert [entry.name for entry in study.unreadable] == ["ct/0 and 2 more"]
    assert "27.0 mm apart" in study.unreadable[0].reason


def test_single_slice_is_a_volume(tmp_path: Path) -> None:
    (volume,) = read_image(save(ct_slice(np.zeros((4, 6), np.uint16), 1.0), tmp_path / "a"))
    assert volume.pixels.shape == (1, 4, 6)
    assert volume.geometry.spacing_mm == pytest.approx((3.0, 0.5, 0.8))


def test_mr_is_in_arbitrary_units(tmp_path: Path) -> None:
    attributes = {"Modality": "MR", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.4"}
    volume = read(write(tmp_path / "mr", [0.0, 3.0], **attributes))
    assert (volume.unit, volume.acquisition.modality) == ("arbitrary", "MR")


def test_screen_copy_of_a_ct_is_no_volume(tmp_path: Path) -> None:
    copy = film(np.eye(8, dtype=np.uint8), Modality="CT", SOPClassUID="1.2.840.10008.5.1.4.1.1.7")
    assert read_image(save(copy, tmp_path / "a"))[0].pixels.ndim == 2


def test_enhanced_multi_frame_ct(tmp_path: Path) -> None:
    shared, plane, measures, values = Dataset(), Dataset(), Dataset(), Dataset()
    plane.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    measures.PixelSpacing, measures.SliceThickness = [0.5, 0.8], 2.0
    values.RescaleSlope, values.RescaleIntercept = 1, -1000
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [plane], [measures]
    shared.PixelValueTransformationSequence = [values]
    frames = []
    for height in (4.0, 0.0, 2.0):
        frame, place = Dataset(), Dataset()
        place.ImagePositionPatient = [0.0, 0.0, height]
        frame.PlanePositionSequence = [place]
        frames.append(frame)
    stored = np.arange(3, dtype=np.uint16)[:, None, None] * np.ones((1, 4, 6), np.uint16)
    dataset = film(
        stored,
        Modality="CT",
        SOPClassUID=CT + ".1",
        SharedFunctionalGroupsSequence=[shared],
        PerFrameFunctionalGroupsSequence=frames,
    )
    volume = read(save(dataset, tmp_path / "a"))
    assert volume.pixels[:, 0, 0].tolist() == [-999, -998, -1000]
    assert volume.geometry.spacing_mm == pytest.approx((2.0, 0.5, 0.8))
