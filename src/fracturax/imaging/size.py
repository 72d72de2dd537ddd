"""How many rows and columns an image has, told by its header alone."""

from __future__ import annotations

from pathlib import Path

import PIL.Image
from PIL import ExifTags

from fracturax.core.errors import UnreadableImageError
from fracturax.imaging.attributes import integer_of
from fracturax.imaging.guard import DEFAULT_LIMITS, Limits, as_unreadable
from fracturax.imaging.header import read_header
from fracturax.imaging.kind import kind_of
from fracturax.imaging.source import FileSource, clean_name, opened, read_head

_FORMATS = {"png": "PNG", "jpeg": "JPEG", "tiff": "TIFF"}
_TURNED = (5, 6, 7, 8)
_PNG_SIGNATURE_BYTES = 8
_MOST_CHUNKS = 100_000
_EXIF_AS_TEXT = b"Raw profile type exif"


def image_size(path: Path, *, limits: Limits = DEFAULT_LIMITS) -> tuple[int, int]:
    """Return rows and columns of the image in a file, as reading it would give, without a pixel.

    Args:
        path: A DICOM, PNG, JPEG or TIFF file; of several frames or pages the first counts.
        limits: What is accepted.

    Raises:
        UnreadableImageError: If the file is none of these, or its header does not tell.
    """
    source = FileSource(clean_name(path.name), path)
    kind = kind_of(read_head(source))
    if kind == "dicom":
        dataset = read_header(source, limits).dataset
        rows, columns = integer_of(dataset, "Rows"), integer_of(dataset, "Columns")
    elif kind in _FORMATS:
        with (
            opened(source) as stream,
            as_unreadable("the header of the image is damaged"),
            PIL.Image.open(stream, formats=(_FORMATS[kind],)) as picture,
        ):
            rows, columns = picture.height, picture.width
            # Pillow decodes a PNG to find its EXIF data: ask only where there are some. The size it
            # gives of a TIFF is turned already.
            is_told = kind == "jpeg" or (kind == "png" and _png_has_exif(source))
            if is_told and picture.getexif().get(ExifTags.Base.Orientation) in _TURNED:
                rows, columns = columns, rows
    else:
        raise UnreadableImageError("the file is no image whose size is known")
    if rows < 1 or columns < 1:
        raise UnreadableImageError("the image has no pixels", got=f"{rows} x {columns}")
    return rows, columns


def _png_has_exif(source: FileSource) -> bool:
    """Whether a PNG has EXIF data, as a chunk or in the text form of older programs."""
    with opened(source) as stream:
        stream.seek(_PNG_SIGNATURE_BYTES)
        for _ in range(_MOST_CHUNKS):
            head = stream.read(8 + len(_EXIF_AS_TEXT))
            kind, data = head[4:8], head[8:]
            if kind == b"eXIf" or (kind in (b"tEXt", b"zTXt", b"iTXt") and data == _EXIF_AS_TEXT):
                return True
            if len(head) < 8 or kind == b"IEND":
                return False
            length = int.from_bytes(head[:4], "big")
            stream.seek(length + 4 - len(data), 1)
    return True
