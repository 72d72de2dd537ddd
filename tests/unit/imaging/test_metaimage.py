"""MetaImage: equal to NIfTI of the same voxels and place, and hostile headers are refused."""

import sys
from pathlib import Path

import numpy as np
import pytest

from fracturax.core.errors import MissingExtraError, UnreadableImageError
from fracturax.imaging import read_image
from fracturax.imaging.guard import Limits
from fracturax.imaging.metaimage import read_metaimage
from tiny_ct import drawn_ct, write_metaimage, write_nifti


@pytest.mark.parametrize("ending", ["mha", "mhd"])
@pytest.mark.parametrize("packed", [False, True])
def test_voxels_and_place_are_those_of_the_nifti(tmp_path: Path, ending: str, packed: bool) -> None:
    voxels = drawn_ct(0)
    found = read_metaimage(write_metaimage(tmp_path / f"a.{ending}", voxels, packed=packed))
    (other,) = read_image(write_nifti(tmp_path / "a.nii.gz", voxels))
    assert np.array_equal(found.pixels, voxels)
    assert found.pixels.dtype == np.int16
    assert np.allclose(found.geometry.affine, other.geometry.affine)
    assert np.allclose(found.geometry.spacing_mm, other.geometry.spacing_mm)


def test_numbers_beyond_int16_become_float(tmp_path: Path) -> None:
    voxels = np.array([[[0, 70_000]]], np.int32)
    found = read_metaimage(write_metaimage(tmp_path / "a.mha", voxels))
    assert found.pixels.dtype == np.float32
    assert found.pixels.max() == 70_000


@pytest.mark.parametrize("packed", [False, True])
def test_a_truncated_file_is_refused(tmp_path: Path, packed: bool) -> None:
    path = write_metaimage(tmp_path / "a.mha", drawn_ct(0), packed=packed)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - 150])
    with pytest.raises(UnreadableImageError):
        read_metaimage(path)


def test_sizes_are_checked_before_anything_is_decoded(tmp_path: Path) -> None:
    path = write_metaimage(tmp_path / "a.mha", drawn_ct(0))
    with pytest.raises(UnreadableImageError, match="volume in bytes"):
        read_metaimage(path, limits=Limits(volume_bytes=500))
    text = path.read_bytes().replace(b"DimSize = 8 10 6", b"DimSize = 9999 999 99")
    path.write_bytes(text)
    with pytest.raises(UnreadableImageError, match=r"unpacks into more|volume in bytes"):
        read_metaimage(path)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"ElementDataFile = a.raw", b"ElementDataFile = ../a.raw", "another folder"),
        (b"ElementDataFile = a.raw", b"ElementDataFile = LIST", "another folder"),
        (b"ElementDataFile = a.raw", b"ElementDataFile = b.raw", "are not there"),
        (b"NDims = 3", b"NDims = 2\nDimSize = 8 10", "header is damaged|is no volume|decoded"),
        (b"DimSize = 8 10 6", b"DimSize = 8 10", "is no volume"),
        (b"DimSize = 8 10 6", b"DimSize = 8 -10 6", "is no volume"),
        (b"MET_SHORT", b"MET_OTHER", "no plain numbers"),
        (b"ElementDataFile", b"ElementDataFiles", "no MetaImage"),
        (b"DimSize = 8 10 6", b"DimSize = a b c", "header is damaged"),
    ],
)
def test_a_hostile_header_is_refused(tmp_path: Path, old: bytes, new: bytes, words: str) -> None:
    path = write_metaimage(tmp_path / "a.mhd", drawn_ct(0), packed=False)
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))
    with pytest.raises(UnreadableImageError, match=words):
        read_metaimage(path)


def test_pixels_behind_a_link_to_elsewhere_are_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    path = write_metaimage(tmp_path / "data" / "a.mhd", drawn_ct(0), packed=False)
    (tmp_path / "data" / "a.raw").rename(tmp_path / "secret.raw")
    (tmp_path / "data" / "a.raw").symlink_to(tmp_path / "secret.raw")
    with pytest.raises(UnreadableImageError, match="are not there"):
        read_metaimage(path)


def test_without_simpleitk_the_error_says_what_to_install(tmp_path: Path, monkeypatch) -> None:
    path = write_metaimage(tmp_path / "a.mha", drawn_ct(0))
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    with pytest.raises(MissingExtraError, match=r"fracturax\[imaging\]"):
        read_metaimage(path)
