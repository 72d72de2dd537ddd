"""Real files of ../shared/data: a film, a CT series and a NIfTI volume."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from pydicom import dcmread

from fracturax.core.image import Volume
from fracturax.imaging import open_study, read_image

pytestmark = pytest.mark.shared_data


def test_hip_film_is_what_its_window_says(shared_data: Path) -> None:
    path = shared_data / "dicom" / "hip_radiograph_j2k.dcm"
    (film,) = open_study(path).images
    stored = dcmread(path).pixel_array.astype(np.float64)
    expected = np.clip((stored - 510.5) / 1023 + 0.5, 0, 1)
    assert np.abs(film.pixels - expected).max() < 1e-6
    assert film.acquisition.body_part == "hip"
    assert film.geometry.spacing_mm == (0.2, 0.2)


def test_ct_series_in_hu(shared_data: Path) -> None:
    (volume,) = open_study(shared_data / "totalsegmentator-ct" / "example_ct_dicom").images
    assert isinstance(volume, Volume)
    assert volume.pixels.shape == (20, 512, 512)
    assert volume.geometry.spacing_mm == pytest.approx((2.0, 0.9765625, 0.9765625))
    assert volume.pixels[0, 0, 0] == -1024  # outside the circle of the scanner


def test_nifti_ct_agrees_with_nibabel(shared_data: Path) -> None:
    path = shared_data / "totalsegmentator-ct" / "example_ct.nii.gz"
    (volume,) = read_image(path)
    reference = nibabel.load(path)
    assert np.array_equal(volume.pixels, np.asarray(reference.dataobj).transpose(2, 1, 0))
