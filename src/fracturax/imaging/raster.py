"""PNG, JPEG and TIFF → Radiographs, by Pillow, sizes checked before a pixel is decoded."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image
from PIL import ExifTags

from fracturax.core.errors import UnreadableImageError
from fracturax.core.image import Acquisition, Image, Radiograph, Step
from fracturax.imaging.color import luma_of, luma_step
from fracturax.imaging.guard import Limits, as_unreadable, check_at_most
from fracturax.imaging.kind import Kind
from fracturax.imaging.source import Source, read_all

_FORMATS: dict[Kind, str] = {"png": "PNG", "jpeg": "JPEG", "tiff": "TIFF"}
_BITS_PER_SAMPLE, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0
_USED_RANGE = 0.02
_CHROMA_DIFFERENCE, _COLORED_SHARE, _CHROMA_STRIDE = 8, 0.001, 4

Gray = tuple[npt.NDArray[np.float32], bool, tuple[Step, ...]]


def read_raster(source: Source, kind: Kind, limits: Limits) -> tuple[Image, ...]:
    """Read a PNG, JPEG or TIFF; each page of a TIFF is one Radiograph.

    Colour becomes luma, transparency is laid on black, the EXIF orientation is applied. 8 bit is
    divided by 255, 16 bit by its full range, unless it uses less than 2 % of that (12-bit data
    in a 16-bit file, say): then the values that occur are stretched, and the history says so.

    Args:
        source: The file.
        kind: What its first bytes say.
        limits: What is accepted.

    Raises:
        UnreadableImageError: If it is damaged, truncated, too large or of an unsupported mode.
    """
    data = read_all(source, limits)
    sha256 = hashlib.sha256(data).hexdigest()
    with (
        as_unreadable(f"the {_FORMATS[kind]} file is damaged"),
        PIL.Image.open(BytesIO(data), formats=(_FORMATS[kind],)) as picture,
    ):
        pages = [_radiograph(page) for page in _pages(picture, kind, len(data), limits)]
    several = len(pages) > 1
    return tuple(
        Radiograph(
            pixels,
            name=source.name + (f"#{number}" if several else ""),
            file_sha256=sha256,
            acquisition=Acquisition(has_color=has_color),
            history=history,
        )
        for number, (pixels, has_color, history) in enumerate(pages, start=1)
    )


def _pages(
    picture: PIL.Image.Image, kind: Kind, file_bytes: int, limits: Limits
) -> Iterator[PIL.Image.Image]:
    """Yield the pages of a TIFF, the one image of any other; too large ones are refused."""
    count = int(getattr(picture, "n_frames", 1)) if kind == "tiff" else 1
    check_at_most(count, limits.frames, "the number of pages")
    pixels = 0
    for page in range(count):
        if count > 1:
            picture.seek(page)
        pixels += picture.width * picture.height
        check_at_most(pixels, limits.image_pixels, "the number of pixels")
        decoded = picture.width * picture.height * len(picture.getbands())
        limits.check_expansion(stored=file_bytes, decoded=decoded, what="the image")
        yield picture


def _radiograph(picture: PIL.Image.Image) -> Gray:
    # Read first: drafting and loading drop it.
    orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
    pixels, has_color, steps = _gray(picture)
    if orientation in _TURNS:
        if picture.format != "TIFF":  # Pillow has turned a TIFF while loading it
            turns, is_mirrored = _TURNS[orientation]
            turned = np.rot90(pixels, turns)
            pixels = np.ascontiguousarray(turned[:, ::-1] if is_mirrored else turned)
        steps = (*steps, Step("orient", (("exif_orientation", int(orientation)),)))
    return pixels, has_color, steps


# EXIF orientation → counter-clockwise quarter turns, then whether to mirror left and right.
_TURNS = {2: (0, True), 3: (2, False), 4: (2, True), 5: (3, True), 6: (3, False), 7: (1, True)}
_TURNS[8] = (1, False)


def _gray(picture: PIL.Image.Image) -> Gray:
    if picture.format == "JPEG" and picture.mode == "RGB":
        # libjpeg then leaves out the way to RGB and back: the Y of the file is the luma.
        picture.draft("YCbCr", picture.size)
    mode = picture.mode
    if mode == "YCbCr":
        return _from_luma_and_chroma(np.asarray(picture))
    if mode == "L":
        return *_scaled(np.asarray(picture), 255), ()
    if mode.startswith("I"):
        return _from_deep(picture)
    if mode == "1":
        return *_scaled(np.asarray(picture.convert("L")), 255), ()
    if mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in picture.info:
        return _from_transparent(picture)
    if mode in ("P", "RGB", "CMYK"):
        pixels, has_color = luma_of(np.asarray(picture.convert("RGB")), full_range=255)
        return pixels, has_color, (luma_step(mode),)
    raise UnreadableImageError(
        "the image has an unsupported pixel format",
        got=mode,
        cure="save it as 8- or 16-bit grey, or as RGB",
    )


def _scaled(stored: npt.NDArray[Any], full_range: int) -> tuple[npt.NDArray[np.float32], bool]:
    pixels = stored.astype(np.float32)
    pixels *= np.float32(1.0 / full_range)
    np.minimum(pixels, 1.0, out=pixels)
    return pixels, False


def _from_luma_and_chroma(channels: npt.NDArray[np.uint8]) -> Gray:
    pixels, _ = _scaled(channels[..., 0], 255)
    chroma = channels[::_CHROMA_STRIDE, ::_CHROMA_STRIDE, 1:].astype(np.int16) - 128
    colored = np.count_nonzero(np.abs(chroma).max(axis=-1) > _CHROMA_DIFFERENCE)
    has_color = colored > _COLORED_SHARE * chroma[..., 0].size
    return pixels, bool(has_color), (luma_step("YCbCr"),)


def _from_transparent(picture: PIL.Image.Image) -> Gray:
    straight = picture.convert("RGBA")
    black = PIL.Image.new("RGBA", straight.size, (0, 0, 0, 255))
    flat = np.asarray(PIL.Image.alpha_composite(black, straight))[..., :3]
    pixels, has_color = luma_of(flat, full_range=255)
    return pixels, has_color, (Step("lay_on_black"), luma_step("RGB"))


def _from_deep(picture: PIL.Image.Image) -> Gray:
    """Scale 16 bit by its full range, or by the values that occur where that leaves it black."""
    stored = np.asarray(picture)
    tags: Any = getattr(picture, "tag_v2", {})
    bits = tags.get(_BITS_PER_SAMPLE, (16,))
    full_range = (1 << int(bits[0] if isinstance(bits, tuple) else bits)) - 1
    low, high = int(stored.min()), int(stored.max())
    if low < 0 or high > 65535:
        raise UnreadableImageError(
            "the image has values outside 16 bit",
            got=f"{low} to {high}",
            cure="save it as 8- or 16-bit grey",
        )
    full_range = min(full_range, 65535)
    name = "full_range"
    bottom, top = 0, full_range
    if 0 < high - low < _USED_RANGE * full_range:
        name, bottom, top = "value_range", low, high
    pixels = stored.astype(np.float32)
    pixels -= np.float32(bottom)
    pixels *= np.float32(1.0 / (top - bottom))
    np.clip(pixels, 0.0, 1.0, out=pixels)
    steps = [Step(name, (("low", bottom), ("high", top)))]
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        # Pillow inverts WhiteIsZero for 8 bit only.
        np.subtract(1.0, pixels, out=pixels)
        steps.append(Step("invert"))
    return pixels, False, tuple(steps)
