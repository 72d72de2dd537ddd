"""The size of an image from its header is that of the image as it is read."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from PIL import ExifTags
from PIL.PngImagePlugin import PngInfo

from dicom_builders import film, save
from fracturax.core.errors import UnreadableImageError
from fracturax.imaging import read_image
from fracturax.imaging.size import image_size

PIXELS = np.arange(30 * 50, dtype=np.uint8).reshape(30, 50)


def _exif(orientation: int) -> PIL.Image.Exif:
    exif = PIL.Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return exif


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_is_the_size_that_reading_gives(tmp_path: Path, suffix: str, orientation: int) -> None:
    path = tmp_path / f"film.{suffix}"
    PIL.Image.fromarray(PIXELS).save(path, exif=_exif(orientation))
    read = read_image(path)[0].pixels
    assert image_size(path) == read.shape == ((50, 30) if orientation > 4 else (30, 50))


@pytest.mark.parametrize("orientation", range(2, 9))
def test_an_orientation_is_applied_once_in_every_format(tmp_path: Path, orientation: int) -> None:
    pixels = {}
    for suffix in ("png", "tif"):
        path = tmp_path / f"film.{suffix}"
        PIL.Image.fromarray(PIXELS).save(path, exif=_exif(orientation))
        (film,) = read_image(path)
        pixels[suffix] = film.pixels
        assert film.history[-1].name == "orient"
    assert np.array_equal(pixels["png"], pixels["tif"])


def test_a_png_whose_orientation_stands_in_text_or_behind_the_pixels(tmp_path: Path) -> None:
    path = tmp_path / "film.png"
    PIL.Image.fromarray(PIXELS).save(path, exif=_exif(6))
    data = path.read_bytes()
    start = data.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(data[start : start + 4], "big")
    behind = data[:start] + data[end:-12] + data[start:end] + data[-12:]
    path.write_bytes(behind)
    assert image_size(path) == read_image(path)[0].pixels.shape == (50, 30)
    text = PngInfo()
    raw = b"Exif\0\0" + _exif(6).tobytes().removeprefix(b"Exif\0\0")
    text.add_text("Raw profile type exif", f"\nexif\n{len(raw):8}\n{raw.hex()}\n")
    PIL.Image.fromarray(PIXELS).save(path, pnginfo=text)
    assert image_size(path) == read_image(path)[0].pixels.shape == (50, 30)


def test_dicom_says_rows_and_columns(tmp_path: Path) -> None:
    assert image_size(save(film(PIXELS), tmp_path / "film.dcm")) == (30, 50)


def test_pixels_that_are_cut_off_do_not_matter_and_a_header_does(tmp_path: Path) -> None:
    path = tmp_path / "film.png"
    PIL.Image.fromarray(PIXELS).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"IDAT") + 12])
    assert image_size(path) == (30, 50)
    for broken in (data[:20], b"", b"no image at all" * 9):
        path.write_bytes(broken)
        with pytest.raises(UnreadableImageError):
            image_size(path)
