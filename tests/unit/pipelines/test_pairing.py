"""Which files become a pair: by what a user says, or because a folder holds film and CT of one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dicom_builders import ct_slice, film, save
from fracturax.core.errors import ConfigError, UnreadableImageError
from fracturax.core.image import Radiograph, Volume
from fracturax.imaging import find_studies
from fracturax.imaging.patient import is_same_patient
from fracturax.pipelines.pair_check import contradiction
from fracturax.pipelines.pairing import join_pair, pair_of
from fracturax.pipelines.read import find_all
from tiny_ct import drawn_ct, write_nifti


def write_film(path: Path, **attributes: Any) -> Path:
    pixels = np.arange(400, dtype=np.uint16).reshape(20, 20)
    path.parent.mkdir(parents=True, exist_ok=True)
    return save(film(pixels, StudyInstanceUID="1.2.9", **attributes), path)


def write_series(folder: Path, *, uid: str = "1.2.7", **attributes: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(3):
        stored = np.full((20, 20), 1000 + 50 * number, np.uint16)
        stored[5:9, 5:9] = 1700
        one = ct_slice(
            stored, 3.0 * number, StudyInstanceUID=uid, SeriesInstanceUID=uid + ".1",
            InstanceNumber=number + 1, **attributes,
        )  # fmt: skip
        save(one, folder / f"{number}.dcm")
    return folder


def test_film_and_series_become_one_study(tmp_path: Path) -> None:
    files = pair_of(write_film(tmp_path / "0.dcm"), write_series(tmp_path / "ct"))
    study = files.open()
    assert [type(image) for image in study.images] == [Radiograph, Volume]
    assert not study.unreadable
    apart = [
        one.key for path in (tmp_path / "0.dcm", tmp_path / "ct") for one in find_studies(path)
    ]
    assert files.key not in apart and len(files.key) == 16


@pytest.mark.parametrize("swapped", [True, False])
def test_what_is_given_in_the_wrong_place_is_refused(tmp_path: Path, swapped: bool) -> None:
    one, other = write_film(tmp_path / "film.dcm"), write_series(tmp_path / "ct")
    with pytest.raises(ConfigError, match="--xray takes films" if swapped else "--ct takes one CT"):
        pair_of(*((other, other) if swapped else (one, one)))


def test_two_series_are_no_one_ct(tmp_path: Path) -> None:
    write_series(tmp_path / "ct" / "a")
    write_series(tmp_path / "ct" / "b", uid="1.2.8")
    with pytest.raises(ConfigError, match="2 images or series"):
        pair_of(write_film(tmp_path / "film.dcm"), tmp_path / "ct")


def test_a_path_without_images_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImageError, match="no such file"):
        pair_of(tmp_path / "nowhere", write_series(tmp_path / "ct"))


def test_a_folder_with_film_and_ct_of_one_patient_is_one_study(tmp_path: Path) -> None:
    write_film(tmp_path / "both" / "film.dcm", PatientID="A 17")
    write_series(tmp_path / "both" / "ct", PatientID="a 17 ")
    assert len(find_all([tmp_path / "both"], joins_pairs=True)) == 1
    assert len(find_all([tmp_path / "both"])) == 2


@pytest.mark.parametrize(
    ("of_film", "of_ct"),
    [
        ({"PatientID": "A"}, {"PatientID": "B"}),
        ({"PatientID": "A", "PatientSex": "F"}, {"PatientID": "A", "PatientSex": "M"}),
        ({"PatientID": "A"}, {}),
        ({}, {}),
    ],
)
def test_a_folder_of_others_stays_as_it_is(tmp_path: Path, of_film: dict, of_ct: dict) -> None:
    write_film(tmp_path / "film.dcm", **of_film)
    write_series(tmp_path / "ct", **of_ct)
    assert len(join_pair(find_studies(tmp_path))) == 2


def test_a_picture_beside_a_nifti_is_a_pair_and_with_more_it_is_not(tmp_path: Path) -> None:
    import cv2

    write_nifti(tmp_path / "ct.nii.gz", drawn_ct(0))
    cv2.imwrite(str(tmp_path / "film.png"), np.arange(4096, dtype=np.uint8).reshape(64, 64))
    assert len(join_pair(find_studies(tmp_path))) == 1
    write_nifti(tmp_path / "other.nii.gz", drawn_ct(1))
    assert len(join_pair(find_studies(tmp_path))) == 3


def test_files_of_one_name_keep_apart(tmp_path: Path) -> None:
    write_film(tmp_path / "a" / "0.dcm")
    write_series(tmp_path / "ct")
    study = pair_of(tmp_path / "a", tmp_path / "ct").open()
    assert len({image.name for image in study.images}) == 2
    assert not study.unreadable


@pytest.mark.parametrize(
    ("of_film", "of_ct", "same"),
    [
        ({"PatientID": "1 "}, {"PatientID": "1"}, True),
        ({"PatientID": "1"}, {"PatientID": "2"}, False),
        (
            {"PatientID": "1", "PatientBirthDate": "19500101"},
            {"PatientID": "1", "PatientBirthDate": "19600101"},
            False,
        ),
        ({"PatientID": "1"}, {}, None),
    ],
)
def test_who_is_the_same_patient(
    tmp_path: Path, of_film: dict, of_ct: dict, same: bool | None
) -> None:
    files = pair_of(
        write_film(tmp_path / "film.dcm", **of_film), write_series(tmp_path / "ct", **of_ct)
    )
    radiograph, volume = files.open().images
    assert isinstance(radiograph, Radiograph) and isinstance(volume, Volume)
    assert is_same_patient(radiograph, volume) is same
    said = contradiction([radiograph], volume)
    assert (said is not None) == (same is False)
    # Nothing that names a patient is in what is said.
    assert not said or not any(value in said for value in ("19500101", "Secret"))
