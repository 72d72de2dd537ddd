"""A DICOM file → its images: a Radiograph for each frame of a film, or one Volume."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

from fracturax.core.errors import UnreadableImageError
from fracturax.core.image import Image, Origin, Radiograph
from fracturax.imaging.attributes import acquisition_of, film_geometry, groups_of, text_of
from fracturax.imaging.codec import (
    PixelLayout,
    Stored,
    check_size,
    decode_frames,
    layout_of,
    pixel_value,
)
from fracturax.imaging.color import apply_palette, luma_of, luma_step
from fracturax.imaging.display import render, rendering_of
from fracturax.imaging.guard import Limits, as_unreadable, check_at_most
from fracturax.imaging.header import DEFLATED, Header, inflate
from fracturax.imaging.origin import stored_header
from fracturax.imaging.source import Source, read_all

_CROSS_SECTIONS = frozenset({"CT", "MR", "PT"})
_NO_PICTURES = {"SEG": "a segmentation", "RTDOSE": "a dose distribution"}
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def is_cross_section(header: Header) -> bool:
    """Whether a file is a slice or stack of CT, MR or PET, and no screen copy of one."""
    dataset = header.dataset
    modality = (text_of(dataset, "Modality") or "").upper()
    sop_class = text_of(dataset, "SOPClassUID") or ""
    photometric = (text_of(dataset, "PhotometricInterpretation") or "").upper()
    return (
        modality in _CROSS_SECTIONS
        and not sop_class.startswith(_SECONDARY_CAPTURE)
        and photometric in ("MONOCHROME1", "MONOCHROME2")
    )


def read_films(source: Source, header: Header, limits: Limits) -> tuple[Image, ...]:
    """Read the frames of a projection image, each a Radiograph named `name#1`, `name#2`, ...

    Args:
        source: The file.
        header: Its header.
        limits: What is accepted.

    Raises:
        UnreadableImageError: If the pixels cannot be read.
        GeometryError: If the pixel spacing is impossible.
    """
    with as_unreadable("the DICOM file cannot be read"):
        layout = layout_of(header)[0]
        modality = (text_of(header.dataset, "Modality") or "").upper()
        if modality in _NO_PICTURES:
            raise UnreadableImageError(
                "the file shows no patient", got=_NO_PICTURES[modality], cure="give the images"
            )
        pixels = layout.rows * layout.columns * layout.frames * layout.samples
        check_at_most(pixels, limits.image_pixels, "the number of pixels")
        film_geometry(groups_of(header.dataset, 0))  # a wrong spacing shows before the decoding
        data, sha256 = read_pixel_bytes(source, header, layout, limits)
        frames = decode_frames(data, header, layout, limits)
        films = tuple(_film(header, layout, frame, index) for index, frame in enumerate(frames))
        stored = (stored_header(header),)
    several = len(films) > 1
    return tuple(
        replace(
            film,
            name=source.name + (f"#{index}" if several else ""),
            file_sha256=sha256,
            origin=Origin(stored, ((0, index),)),
        )
        for index, film in enumerate(films, start=1)
    )


def read_pixel_bytes(
    source: Source, header: Header, layout: PixelLayout, limits: Limits
) -> tuple[bytes | memoryview, str]:
    """Return the value of PixelData and the SHA-256 of the whole file, from one reading.

    Raises:
        UnreadableImageError: If the pixels are not what the header says.
    """
    element = layout_of(header)[1]
    if header.transfer_syntax != DEFLATED:
        check_size(header, layout, element, source.size, limits)
        data = read_all(source, limits)
        return pixel_value(data, element), hashlib.sha256(data).hexdigest()
    check_size(header, layout, element, 0, limits)
    packed = read_all(source, limits)
    end = element.offset + (element.length or 0)
    data = inflate(packed[header.start :], size=end, limits=limits)
    return pixel_value(data, element), hashlib.sha256(packed).hexdigest()


def stored_frames(source: Source, header: Header, limits: Limits) -> tuple[str, Iterator[Stored]]:
    """Return the SHA-256 of a grey file and its frames, decoded as they are asked for."""
    layout = layout_of(header)[0]
    data, sha256 = read_pixel_bytes(source, header, layout, limits)
    return sha256, decode_frames(data, header, layout, limits)


def _film(header: Header, layout: PixelLayout, frame: Stored, index: int) -> Radiograph:
    groups = groups_of(header.dataset, index)
    has_color = False
    if layout.samples == 1 and layout.photometric != "PALETTE COLOR":
        pixels, history = render(frame, rendering_of(groups, is_signed=layout.is_signed))
    elif layout.samples == 1:
        colors, full = apply_palette(frame, header.dataset, is_signed=layout.is_signed)
        pixels, has_color = luma_of(colors, full_range=full)
        history = (luma_step("PALETTE COLOR"),)
    else:
        if layout.is_signed:
            raise UnreadableImageError("a colour image has signed pixels", cure="export it again")
        pixels, has_color = luma_of(frame, full_range=(1 << layout.bits_stored) - 1)
        history = (luma_step(layout.photometric),)
    return Radiograph(
        pixels,
        geometry=film_geometry(groups),
        acquisition=acquisition_of(groups, has_color=has_color),
        history=history,
    )
