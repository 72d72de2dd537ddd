"""What is kept of a DICOM header beside the image: enough to write results back to its study."""

from __future__ import annotations

import struct
from typing import Any

from pydicom.charset import convert_encodings
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import correct_ambiguous_vr_element, write_data_element
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32, VR

from fracturax.imaging.attributes import text_of
from fracturax.imaging.header import EXPLICIT_LITTLE, Header

LARGEST_VALUE = (1 << 16) - 2
"""Values of more bytes (profiles, overlays) are not kept."""
_LUT_DATA = 0x00283006
_LARGEST_LUT = 2 << 16  # a window as a table of 16 bits: without it a film cannot be shown right

# IconImageSequence is a picture of its own; signatures no longer hold for what is left.
_LEFT_OUT = frozenset({0x00880200, 0x4FFE0001})
_FIRST_PIXEL_GROUP = 0x7FE0
# Bytes of these are the same in any byte order.
_ORDERLESS = frozenset(
    (
        *("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "OB"),
        *("PN", "SH", "ST", "TM", "UC", "UI", "UN", "UR", "UT"),
    )
)
_KNOWN = frozenset(vr.value for vr in VR if len(vr.value) == 2)


def stored_header(header: Header) -> bytes:
    """Return a header as a DICOM file: no pixels, no private groups, no bulk.

    Texts keep their bytes and character set; an element that cannot be written is left out.

    Args:
        header: As the file was read.

    Returns:
        A Part 10 file, explicit VR little endian.

    References:
        DICOM PS3.10, 7.1 "DICOM File Meta Information"; PS3.5, 7.8 "Private Data Elements".
    """
    meta = _element(0x00020001, "OB", b"\0\1")
    for tag, keyword in ((0x00020002, "SOPClassUID"), (0x00020003, "SOPInstanceUID")):
        meta += _element(tag, "UI", (text_of(header.dataset, keyword) or "").encode())
    meta += _element(0x00020010, "UI", EXPLICIT_LITTLE.encode())
    length = _element(0x00020000, "UL", struct.pack("<I", len(meta)))
    body = _dataset_bytes(header.dataset, None)
    return b"".join((bytes(128), b"DICM", length, meta, body))


def _dataset_bytes(dataset: Dataset, character_set: Any) -> bytes:
    pieces = []
    character_set = dataset.get("SpecificCharacterSet") or character_set
    for tag in sorted(dataset.keys()):
        if tag.group <= 2 or tag.group % 2 or tag.group >= _FIRST_PIXEL_GROUP or tag in _LEFT_OUT:
            continue
        try:
            piece = _kept(dataset, tag, character_set)
        except Exception:  # a value that no longer can be encoded is worth no film
            continue
        pieces.append(piece)
    return b"".join(pieces)


def _kept(dataset: Dataset, tag: int, character_set: Any) -> bytes:
    """Return the bytes of one element, empty if it is bulk."""
    element: Any = dataset.get_item(tag)
    vr = element.VR if element.VR in _KNOWN else dictionary_VR(tag)
    if vr == "SQ":
        items = b"".join(
            struct.pack("<HHI", 0xFFFE, 0xE000, len(item)) + item
            for item in (_dataset_bytes(part, character_set) for part in dataset[tag].value or ())
        )
        return _element(tag, vr, items)
    if element.is_raw and vr in _KNOWN:
        value: bytes = element.value or b""
        if element.is_little_endian or vr in _ORDERLESS:
            return _element(tag, vr, value) if len(value) <= _limit(tag) else b""
    converted = correct_ambiguous_vr_element(dataset[tag], dataset, True)
    out = DicomBytesIO()
    out.is_little_endian, out.is_implicit_VR = True, False
    write_data_element(out, converted, convert_encodings(character_set or "iso8859"))
    data: bytes = out.getvalue()
    return data if len(data) <= _limit(tag) + 12 else b""


def _limit(tag: int) -> int:
    return _LARGEST_LUT if tag == _LUT_DATA else LARGEST_VALUE


def _element(tag: int, vr: str, value: bytes) -> bytes:
    """Encode one element, explicit VR little endian."""
    if len(value) % 2:
        value += b"\0" if vr in ("UI", "OB", "UN") else b" "
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    size = "<HI" if vr in EXPLICIT_VR_LENGTH_32 else "<H"
    return head + struct.pack(size, *((0, len(value)) if size == "<HI" else (len(value),))) + value
