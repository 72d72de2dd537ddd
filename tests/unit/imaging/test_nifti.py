"""NIfTI: the same voxel lies at the same place, read by nibabel or by us."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest

from dicom_builders import nifti_bytes
from fracturax.core.errors import GeometryError
from fracturax.core.image import Volume
from fracturax.imaging import read_image

VOXELS = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_voxel_value_and_place_agree_with_nibabel(tmp_path: Path, name: str, kind: type) -> None:
    affine = np.array([[0.0, -2, 0, 5], [1.5, 0, 0.2, 6], [0, 0.1, 3, 7], [0, 0, 0, 1]])
    nibabel.save(kind(VOXELS, affine), tmp_path / name)
    (volume,) = read_image(tmp_path / name)
    assert isinstance(volume, Volume)
    assert volume.pixels.shape == (4, 3, 2)
    i, j, k = 1, 2, 3
    assert volume.pixels[k, j, i] == VOXELS[i, j, k]
    right, anterior, superior, _ = affine @ [i, j, k, 1]
    place = np.array(volume.geometry.affine) @ [k, j, i, 1]
    assert place[:3] == pytest.approx([-right, -anterior, superior], abs=1e-4)


def test_scaling_is_exact_in_int16_or_becomes_float32(tmp_path: Path) -> None:
    for slope, intercept, dtype in (
        (1.0, 0.0, np.int16),
        (2.0, -1024.0, np.int16),
        (0.5, 0.0, np.float32),
    ):
        picture = nibabel.Nifti1Image(VOXELS, np.eye(4))
        picture.header.set_slope_inter(slope, intercept)
        # nibabel divides by the slope when it saves; write the header it would have.
        data = bytearray(nifti_bytes(VOXELS.shape, voxels=VOXELS.tobytes(order="F")))
        data[112:120] = np.array([slope, intercept], np.float32).tobytes()
        (tmp_path / "a.nii").write_bytes(data)
        (volume,) = read_image(tmp_path / "a.nii")
        assert volume.pixels.dtype == dtype
        assert volume.pixels[3, 2, 1] == VOXELS[1, 2, 3] * slope + intercept


def test_unit_is_assumed_and_said(tmp_path: Path) -> None:
    (tmp_path / "a.nii").write_bytes(nifti_bytes((2, 3, 4), voxels=VOXELS.tobytes()))
    (volume,) = read_image(tmp_path / "a.nii")
    assert "assume_unit" in [step.name for step in volume.history]
    assert volume.geometry.affine is None  # neither qform nor sform


def test_members_of_a_gzip_are_one_file(tmp_path: Path) -> None:
    data = nifti_bytes((2, 3, 4), voxels=VOXELS.tobytes())
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(data[:356]) + gzip.compress(data[356:]))
    assert read_image(tmp_path / "a.nii.gz")[0].pixels.sum() == VOXELS.sum()


def test_impossible_affine(tmp_path: Path) -> None:
    data = bytearray(nifti_bytes((2, 3, 4), voxels=VOXELS.tobytes()))
    data[254:256] = (1).to_bytes(2, "little")
    data[280:328] = np.full(12, np.nan, np.float32).tobytes()
    (tmp_path / "a.nii").write_bytes(data)
    with pytest.raises(GeometryError):
        read_image(tmp_path / "a.nii")
