"""What segmenting writes: masks that can be read again, sizes in millimetres or in pixels."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from dicom_builders import ct_slice, save
from fracturax.core.errors import ImageError
from fracturax.core.geometry import Geometry
from fracturax.core.image import Radiograph, Volume
from fracturax.example import example_study_folder
from fracturax.imaging import find_studies, read_image
from fracturax.pipelines.preprocess import write_nifti, write_png
from fracturax.pipelines.segment import segment, segment_to_folder, size_of

BLOCK = (slice(2, 10), slice(14, 26), slice(14, 26))


def _ct(*, affine: bool = True) -> Volume:
    hu = np.full((12, 40, 40), -1000, np.float32)
    hu[:, 4:36, 4:36] = 40
    hu[BLOCK] = 600
    place = np.array([[0, 0, 0.8, -9], [0, 0.8, 0, 5], [2.0, 0, 0, 70], [0, 0, 0, 1]])
    return Volume(hu, geometry=Geometry.from_affine(place) if affine else Geometry())


def test_the_mask_of_a_film_is_written_with_its_size(tmp_path: Path) -> None:
    studies = find_studies(example_study_folder() / "leg")
    (done,) = segment_to_folder(studies, out=tmp_path)
    assert [file.name for file in done.files] == [
        "leg_ap.mask.png", "leg_ap.overlay.png", "leg_ap.json",
    ]  # fmt: skip
    film = read_image(example_study_folder() / "leg" / "leg_ap.dcm")[0]
    with PillowImage.open(done.files[0]) as picture:
        mask = np.asarray(picture)
    assert mask.shape == film.pixels.shape
    assert set(np.unique(mask).tolist()) <= {0, 255}
    facts = json.loads(done.files[2].read_text())
    assert facts["area_px"] == np.count_nonzero(mask)
    spacing = film.geometry.spacing_mm
    assert spacing is not None
    assert facts["area_mm2"] == pytest.approx(facts["area_px"] * spacing[0] * spacing[1])
    assert facts["is_synthetic"]
    assert facts["is_usable"] == (facts["reason"] is None)


@pytest.mark.parametrize("has_place", [True, False])
def test_the_labels_of_a_ct_lie_where_the_ct_lies(tmp_path: Path, has_place: bool) -> None:
    volume = _ct(affine=has_place)
    write_nifti(volume, tmp_path / "ct.nii.gz")
    studies = find_studies(tmp_path / "ct.nii.gz")
    (done,) = segment_to_folder(studies, out=tmp_path / "out")
    assert not done.reason
    again = read_image(done.files[0])[0]
    assert again.pixels.dtype == np.int16
    expected = np.zeros(volume.pixels.shape, bool)
    expected[BLOCK] = True
    assert np.array_equal(again.pixels > 0, expected)
    assert done.facts["parts"][0]["volume_voxels"] == expected.sum()
    if has_place:
        assert np.allclose(again.geometry.affine, volume.geometry.affine, atol=1e-4)
        assert done.facts["volume_mm3"] == pytest.approx(expected.sum() * 2 * 0.8**2)


def test_sizes_are_in_pixels_alone_where_spacing_is_unknown() -> None:
    found = segment(_ct(affine=False))
    size = size_of(found.labels, _ct(affine=False))
    assert size == {
        "volume_voxels": 8 * 12 * 12, "volume_mm3": None, "spacing_meaning": None,
    }  # fmt: skip
    assert "1 mm" in found.remark


def test_an_empty_mask_has_no_area_and_one_that_does_not_fit_is_refused() -> None:
    film = Radiograph(np.zeros((9, 9), np.float32), geometry=Geometry((0.1, 0.1)))
    assert size_of(np.zeros((9, 9), bool), film)["area_mm2"] == 0
    with pytest.raises(ImageError, match="does not fit its image"):
        size_of(np.zeros((9, 8), bool), film)


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (60, 60)])
def test_blank_films_have_an_empty_mask_and_a_reason(shape: tuple[int, int]) -> None:
    found = segment(Radiograph(np.full(shape, 0.4, np.float32)))
    assert not found.is_usable
    assert found.quality == 0
    assert not found.labels.any()


def test_pixels_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ImageError, match="no numbers"):
        segment(Radiograph(np.full((30, 30), np.nan, np.float32)))


def test_a_ct_with_a_gap_or_a_tilt_says_so_and_the_others_are_written(tmp_path: Path) -> None:
    for number, height in enumerate((0, 3, 6, 15, 18)):
        save(ct_slice(np.zeros((4, 6), np.uint16), height), tmp_path / "gap" / str(number))
    for number in range(5):
        place = {"ImagePositionPatient": [0.0, -0.8 * number, 3.0 * number]}
        save(ct_slice(np.zeros((4, 6), np.uint16), 0.0, **place), tmp_path / "tilt" / str(number))
    write_png(Radiograph(np.eye(40, dtype=np.float32)), tmp_path / "film.png")
    reasons = []
    for name in ("gap", "tilt", "film.png"):
        studies = find_studies(tmp_path / name)
        try:
            reasons += [one.reason for one in segment_to_folder(studies, out=tmp_path / "out")]
        except ImageError as error:
            reasons.append(str(error))
    assert "9.0 mm apart" in reasons[0]
    assert "gantry tilt" in reasons[1]
    assert (tmp_path / "out" / "film.mask.png").is_file()
