"""Every transfer syntax the codecs know gives the pixels that were put in."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.pixels import apply_rescale
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from dicom_builders import encapsulated, film, jpeg_of, save
from fracturax.core.errors import UnreadableImageError
from fracturax.core.image import Radiograph, Volume
from fracturax.imaging import read_image

NOISE = np.random.default_rng(0).integers(0, 4096, (48, 40), dtype=np.uint16)


def shown(path: Path) -> npt.NDArray[np.float32]:
    (image,) = read_image(path)
    assert isinstance(image, Radiograph)
    assert not image.pixels.flags.writeable
    return image.pixels


def stretched(pixels: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    low, high = int(pixels.min()), int(pixels.max())
    return (pixels.astype(np.float64) - low) / (high - low)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
def test_lossless_compression_gives_the_stored_pixels(
    tmp_path: Path, syntax: str, dtype: type[np.integer[Any]]
) -> None:
    pixels = (NOISE % 256).astype(dtype) if dtype is np.uint8 else NOISE.astype(dtype)
    pixels = pixels - dtype(1000) if dtype is np.int16 else pixels
    dataset = film(pixels)
    dataset.compress(syntax, generate_instance_uid=False)
    assert np.allclose(shown(save(dataset, tmp_path / "a")), stretched(pixels), atol=1e-6)


@pytest.mark.parametrize(
    "syntax",
    [
        ExplicitVRLittleEndian,
        ImplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
    ],
)
def test_plain_pixels_in_every_encoding(tmp_path: Path, syntax: str) -> None:
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    dataset = film(NOISE, PixelData=NOISE.astype(f"{order}u2").tobytes(), BitsStored=12)
    dataset.file_meta.TransferSyntaxUID = syntax
    little = syntax != ExplicitVRBigEndian
    implicit = syntax == ImplicitVRLittleEndian
    dataset.save_as(
        tmp_path / "a", enforce_file_format=True, little_endian=little, implicit_vr=implicit
    )
    assert np.allclose(shown(tmp_path / "a"), stretched(NOISE), atol=1e-6)


@pytest.mark.parametrize("implicit", [True, False])
def test_dataset_without_preamble_and_meta(tmp_path: Path, implicit: bool) -> None:
    dataset = film(NOISE)
    del dataset.file_meta
    dataset.save_as(tmp_path / "a", implicit_vr=implicit, little_endian=True)
    assert np.allclose(shown(tmp_path / "a"), stretched(NOISE), atol=1e-6)


def test_jpeg_baseline_is_within_its_own_loss(tmp_path: Path) -> None:
    pixels = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    dataset = encapsulated(film(pixels), JPEGBaseline8Bit, jpeg_of(pixels, quality=95))
    assert np.abs(shown(save(dataset, tmp_path / "a")) - stretched(pixels)).max() < 0.03


def test_jpeg_lossless_by_gdcm(tmp_path: Path) -> None:
    gdcm = pytest.importorskip("gdcm")
    plain, packed = save(film(NOISE, BitsStored=12), tmp_path / "a"), tmp_path / "b"
    reader = gdcm.ImageReader()
    reader.SetFileName(str(plain))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(packed))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    assert dcmread(packed).file_meta.TransferSyntaxUID == JPEGLosslessSV1
    assert np.allclose(shown(packed), stretched(NOISE), atol=1e-6)


def test_run_length_beyond_the_frame_is_an_error_and_no_panic(tmp_path: Path) -> None:
    """pylibjpeg-rle panics in Rust on it, which Python does not count among its exceptions."""
    segment = bytes([0xC0, 7, 0xBE, 7])  # 65 and 67 bytes for the 64 pixels
    runs = struct.pack("<16I", 2, 64, 68, *[0] * 13) + segment * 2
    dataset = encapsulated(film(np.zeros((8, 8), np.uint16)), RLELossless, runs)
    with pytest.raises(UnreadableImageError, match="decoded"):
        read_image(save(dataset, tmp_path / "a"))


def test_bits_above_bits_stored_do_not_count(tmp_path: Path) -> None:
    """Overlays once lay in the high bits; signed pixels are extended from their own sign bit."""
    dirty = NOISE | 0xF000
    unsigned = save(film(dirty, BitsStored=12), tmp_path / "a")
    assert np.allclose(shown(unsigned), stretched(NOISE), atol=1e-6)
    signed = save(film(NOISE, BitsStored=12, PixelRepresentation=1), tmp_path / "b")
    twos = NOISE.astype(np.int32) - 4096 * (NOISE >= 2048)
    assert np.allclose(shown(signed), stretched(twos), atol=1e-6)


def test_frames_become_images_of_their_own(tmp_path: Path) -> None:
    images = read_image(save(film(np.stack([NOISE, NOISE.T.reshape(48, 40)])), tmp_path / "a.dcm"))
    assert [image.name for image in images] == ["a.dcm#1", "a.dcm#2"]
    assert images[0].file_sha256 == images[1].file_sha256


@pytest.mark.parametrize(
    "name",
    [
        "CT_small.dcm",
        "MR_small.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_implicit.dcm",
        "MR_small_jp2klossless.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
        "MR_small_RLE.dcm",
        "J2K_pixelrep_mismatch.dcm",
    ],
)
def test_foreign_files_agree_with_pydicom(name: str) -> None:
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.skip("pydicom came without its test files")
    dataset = dcmread(path)
    (volume,) = read_image(Path(str(path)))
    assert isinstance(volume, Volume)
    expected = apply_rescale(dataset.pixel_array, dataset)
    is_kept = expected > -1024  # padding of a CT becomes air
    assert np.array_equal(volume.pixels[0][is_kept], expected[is_kept])
    assert volume.unit == ("HU" if dataset.Modality == "CT" else "arbitrary")


def test_palette_and_color_become_luma(tmp_path: Path) -> None:
    ramp = (np.arange(16, dtype=np.uint16) * 4369).tobytes()
    palette: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for color in ("Red", "Green", "Blue"):
        palette[f"{color}PaletteColorLookupTableDescriptor"] = [16, 0, 16]
        palette[f"{color}PaletteColorLookupTableData"] = ramp
    indices = np.arange(16, dtype=np.uint8).reshape(4, 4)
    (gray,) = read_image(save(film(indices, **palette), tmp_path / "a"))
    assert np.allclose(gray.pixels, indices / 15, atol=1e-6)
    assert not gray.acquisition.has_color
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 255
    (colored,) = read_image(save(film(red), tmp_path / "b"))
    assert np.allclose(colored.pixels, 0.299)
    assert colored.acquisition.has_color
