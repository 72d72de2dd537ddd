"""PNG, JPEG and TIFF as they come: depth, colour, transparency, orientation, pages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from fracturax.core.errors import UnreadableImageError
from fracturax.core.image import Image
from fracturax.imaging import read_image

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)


def read(path: Path) -> Image:
    (image,) = read_image(path)
    return image


def saved(pixels: np.ndarray, path: Path, **options: object) -> Path:
    PillowImage.fromarray(pixels).save(path, **options)  # type: ignore[arg-type]
    return path


def test_8_bit_gray_is_divided_by_255(tmp_path: Path) -> None:
    image = read(saved(RAMP, tmp_path / "a.png"))
    assert np.allclose(image.pixels, RAMP / 255)
    assert image.pixels.dtype == np.float32
    assert not image.pixels.flags.writeable
    assert image.acquisition.modality == "OT"


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_16_bit_is_divided_by_its_full_range(tmp_path: Path, name: str) -> None:
    pixels = RAMP.astype(np.uint16) * 257
    image = read(saved(pixels, tmp_path / name))
    assert np.allclose(image.pixels, RAMP / 255)
    assert image.history[0].name == "full_range"


def test_16_bit_that_would_be_black_is_stretched_and_says_so(tmp_path: Path) -> None:
    image = read(saved(RAMP.astype(np.uint16) + 500, tmp_path / "a.png"))
    assert np.allclose(image.pixels, RAMP / 255, atol=1e-6)
    assert image.history[0].name == "value_range"
    assert image.history[0].parameters == (("low", 500), ("high", 755))


def test_gray_stored_as_rgb_has_no_color(tmp_path: Path) -> None:
    gray = np.repeat(RAMP[..., None], 3, axis=-1)
    for name in ("a.png", "a.jpg"):
        image = read(saved(gray, tmp_path / name))
        assert not image.acquisition.has_color
        assert np.abs(image.pixels - RAMP / 255).max() < 0.03


def test_jpeg_luma_is_that_of_the_decoded_colors(tmp_path: Path) -> None:
    colors = np.zeros((64, 64, 3), np.uint8)
    colors[..., 0], colors[:32, :, 1] = 200, 90
    image = read(saved(colors, tmp_path / "a.jpg", quality=95))
    assert image.acquisition.has_color
    expected = (colors @ [0.299, 0.587, 0.114]) / 255
    assert np.abs(image.pixels - expected).max() < 0.03


def test_transparency_is_laid_on_black(tmp_path: Path) -> None:
    pixels = np.full((4, 4, 4), 255, np.uint8)
    pixels[:2, :, 3] = 0
    image = read(saved(pixels, tmp_path / "a.png"))
    assert image.pixels[:, 0].tolist() == [0, 0, 1, 1]


def test_palette_and_bilevel(tmp_path: Path) -> None:
    PillowImage.fromarray(RAMP).convert("P").save(tmp_path / "p.png")
    PillowImage.fromarray(RAMP > 99).save(tmp_path / "b.png")
    assert np.allclose(read(tmp_path / "p.png").pixels, RAMP / 255, atol=1e-6)
    assert np.array_equal(read(tmp_path / "b.png").pixels, RAMP > 99)


def test_cmyk_agrees_with_rgb(tmp_path: Path) -> None:
    cmyk = PillowImage.fromarray(np.repeat(RAMP[..., None], 3, axis=-1)).convert("CMYK")
    cmyk.save(tmp_path / "a.tif")
    assert np.abs(read(tmp_path / "a.tif").pixels - RAMP / 255).max() < 0.01


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_as_pillow_does(tmp_path: Path, orientation: int) -> None:
    from PIL import ImageOps

    pixels = np.arange(32 * 48).reshape(32, 48) // 6
    picture = PillowImage.fromarray(pixels.astype(np.uint8))
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    picture.save(tmp_path / "a.png", exif=exif)
    with PillowImage.open(tmp_path / "a.png") as again:
        expected = np.asarray(ImageOps.exif_transpose(again))
    assert np.allclose(read(tmp_path / "a.png").pixels, expected / 255)


def test_pages_of_a_tiff_are_images(tmp_path: Path) -> None:
    first, second = PillowImage.fromarray(RAMP), PillowImage.fromarray(RAMP[::-1].copy())
    first.save(tmp_path / "a.tif", save_all=True, append_images=[second])
    images = read_image(tmp_path / "a.tif")
    assert [image.name for image in images] == ["a.tif#1", "a.tif#2"]
    assert np.allclose(images[1].pixels, RAMP[::-1] / 255)


def test_white_is_zero_is_inverted_at_16_bit(tmp_path: Path) -> None:
    pixels = RAMP.astype(np.uint16) * 257
    PillowImage.fromarray(pixels).save(tmp_path / "a.tif", tiffinfo={262: 0})
    assert np.allclose(read(tmp_path / "a.tif").pixels, 1 - RAMP / 255, atol=1e-6)


def test_floating_point_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImageError, match="pixel format"):
        read(saved(RAMP.astype(np.float32), tmp_path / "a.tif"))


def test_content_counts_and_not_the_extension(tmp_path: Path) -> None:
    saved(RAMP, tmp_path / "a.png")
    renamed = (tmp_path / "a.png").rename(tmp_path / "a.dcm")
    assert read(renamed).pixels.shape == (16, 16)
