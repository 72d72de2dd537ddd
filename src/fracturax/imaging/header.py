"""The header of a DICOM file: surveyed with bounds first, parsed by pydicom after.

pydicom recurses into nested sequences, inflates without bound and accepts a value that ends
beyond the file. The survey walks the elements once, without recursion and without reading a
value, and refuses all three; it also finds where the pixels begin, so that a folder is scanned
without reading them.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO, TypeVar

from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from fracturax.core.errors import UnreadableImageError
from fracturax.imaging.guard import TRUNCATED, Limits, as_unreadable, check_at_most
from fracturax.imaging.source import Source, opened, read_all

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
NATIVE_SYNTAXES = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED})

_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_SYNTAX_TAG = 0x00020010
_FIRST_PIXEL_TAG, _LAST_PIXEL_TAG = 0x7FE00008, 0x7FE00010
_LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_FIRST_CHUNK = 1 << 16


@dataclass(frozen=True)
class PixelElement:
    """Where the pixels lie: tag, position of the value, its length (None if encapsulated)."""

    tag: int
    offset: int
    length: int | None


@dataclass(frozen=True, eq=False)
class Header:
    """The parsed header of a DICOM file.

    Args:
        dataset: Every element before the pixels.
        transfer_syntax: How the dataset and its pixels are encoded (UID).
        pixels: Where the pixels lie, in the file or, if deflated, in the inflated bytes from
            the dataset on; None if there are none.
        start: Where the dataset begins in the file.
    """

    dataset: Dataset
    transfer_syntax: str
    pixels: PixelElement | None
    start: int


class _NeedMoreError(Exception):
    """The prefix ends before the header does."""


@dataclass(frozen=True)
class _Element:
    """One data element: tag, value representation, length, where its value begins."""

    tag: int
    vr: bytes
    length: int
    value: int


def read_header(source: Source, limits: Limits) -> Header:
    """Read the header of a DICOM file, no more of the file than it takes.

    Args:
        source: The file.
        limits: What is accepted.

    Returns:
        The header; `pixels` is None for a file without any.

    Raises:
        UnreadableImageError: If the header is truncated, nested beyond the limit, too large, or
            names no transfer syntax.

    References:
        DICOM PS3.10, 7.1 "DICOM File Meta Information"; PS3.5, 7 "The Data Set".
    """
    with opened(source) as stream, as_unreadable("the DICOM header cannot be parsed"):
        size = source.size
        grow = _growing(stream)
        start, syntax = _grown(lambda data: _read_meta(data, len(data) >= size), grow, limits)
        if syntax == DEFLATED:
            packed = read_all(source, limits)[start:]
            grow, start_in = _inflating(packed), 0
        else:
            start_in = start
        if syntax == "":
            syntax = _guess_syntax(grow(start_in + 8)[start_in:])
        end, pixels = _grown(
            lambda data: _survey(data, start_in, syntax, limits, complete=_is_all(grow, data)),
            grow,
            limits,
        )
        dataset = read_dataset(
            BytesIO(grow(end)[start_in:end]),
            is_implicit_VR=syntax == IMPLICIT_LITTLE,
            is_little_endian=syntax != EXPLICIT_BIG,
        )
    return Header(dataset, syntax, pixels, start)


def inflate(packed: bytes, *, size: int, limits: Limits) -> bytes:
    """Return the first `size` bytes of a raw deflate stream, never more.

    Raises:
        UnreadableImageError: If so few bytes cannot hold so many, or the stream ends early.

    References:
        DICOM PS3.5, A.5 "Deflated Explicit VR Little Endian Transfer Syntax".
    """
    limits.check_expansion(stored=len(packed), decoded=size, what="the deflated dataset")
    with as_unreadable("the deflated dataset is damaged"):
        data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, size)
    if len(data) < size:
        raise _truncated(f"{len(data)} of {size} bytes")
    return data


def _truncated(got: str) -> UnreadableImageError:
    return UnreadableImageError(TRUNCATED, got=got, cure="copy or send it again")


_Grow = Callable[[int], bytes]
ResultT = TypeVar("ResultT")


def _growing(stream: BinaryIO) -> _Grow:
    """Return a function that gives the first n bytes of a stream, reading each byte once."""
    held = bytearray()

    def grow(count: int) -> bytes:
        if count > len(held):
            held.extend(stream.read(count - len(held)))
        return bytes(held[:count])

    return grow


def _inflating(packed: bytes) -> _Grow:
    return lambda count: zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, count)


def _is_all(grow: _Grow, data: bytes) -> bool:
    return len(grow(len(data) + 1)) == len(data)


def _grown(read: Callable[[bytes], ResultT], grow: _Grow, limits: Limits) -> ResultT:
    """Call `read` with longer and longer prefixes until it has enough."""
    count = _FIRST_CHUNK
    while True:
        try:
            return read(grow(count))
        except _NeedMoreError:
            check_at_most(count, limits.header_bytes - 1, "the DICOM header in bytes")
            count = min(count * 8, limits.header_bytes)


def _read_meta(data: bytes, complete: bool) -> tuple[int, str]:
    """Return where the dataset begins and its transfer syntax, empty if there is no group 2."""
    position = 132 if data[128:132] == b"DICM" else 0
    begun, syntax, command_end = position, "", position
    while position + 8 <= len(data):
        element = _element(data, position, implicit=False, big=False)
        if element.tag >> 16 not in (0x0000, 0x0002):
            break
        if element.length == _UNDEFINED:
            raise UnreadableImageError("the DICOM file meta information is damaged")
        if element.tag == _SYNTAX_TAG:
            value = data[element.value : element.value + element.length]
            syntax = value.decode("ascii", "replace").strip("\0 ")
        position = command_end = element.value + element.length
        if position > len(data):
            if complete:
                raise _truncated("an end inside the file meta information")
            raise _NeedMoreError
    if not complete and position + 8 > len(data):
        raise _NeedMoreError
    if command_end > begun and not syntax:
        raise UnreadableImageError(
            "the file does not say how it is encoded",
            got="no TransferSyntaxUID",
            cure="export it as a complete DICOM file",
        )
    if position + 8 > len(data):
        raise _truncated("no dataset after the file meta information")
    return position, syntax


def _guess_syntax(first: bytes) -> str:
    """Return the encoding of a dataset without file meta information, told by its first tag."""
    explicit = first[4:6].isalpha() and first[4:6].isupper()
    if not explicit:
        return IMPLICIT_LITTLE
    return EXPLICIT_BIG if first[:2] == b"\0\x08" else EXPLICIT_LITTLE


def _element(data: bytes, position: int, *, implicit: bool, big: bool) -> _Element:
    """Decode tag, representation and length at a position that has 8 bytes left."""
    order = ">" if big else "<"
    group, element = struct.unpack_from(order + "HH", data, position)
    tag = group << 16 | element
    vr = data[position + 4 : position + 6]
    if implicit or group == 0xFFFE or not (vr.isalpha() and vr.isupper()):
        return _Element(
            tag, b"", struct.unpack_from(order + "I", data, position + 4)[0], position + 8
        )
    if vr not in _LONG_VRS:
        return _Element(
            tag, vr, struct.unpack_from(order + "H", data, position + 6)[0], position + 8
        )
    if position + 12 > len(data):
        raise _NeedMoreError
    return _Element(tag, vr, struct.unpack_from(order + "I", data, position + 8)[0], position + 12)


@dataclass
class _Open:
    """A sequence, item or run of fragments the survey is inside of; `end` None is undefined."""

    end: int | None
    is_fragments: bool = False


def _survey(
    data: bytes, position: int, syntax: str, limits: Limits, *, complete: bool
) -> tuple[int, PixelElement | None]:
    """Return where the header ends and where the pixels lie, refusing what would hurt a parser."""
    implicit, big = syntax == IMPLICIT_LITTLE, syntax == EXPLICIT_BIG
    inside: list[_Open] = []
    while True:
        while inside and inside[-1].end is not None and position >= inside[-1].end:
            inside.pop()
        if position > len(data) or (position + 8 > len(data) and not complete):
            if complete:
                raise _truncated("a value that ends after the file")
            raise _NeedMoreError
        if position + 8 > len(data):
            if inside:
                raise _truncated("an end inside a sequence")
            return len(data), None
        try:
            element = _element(data, position, implicit=implicit, big=big)
        except _NeedMoreError:
            if complete:
                raise _truncated("an end inside an element") from None
            raise
        if not inside and _FIRST_PIXEL_TAG <= element.tag <= _LAST_PIXEL_TAG:
            length = None if element.length == _UNDEFINED else element.length
            return position, PixelElement(element.tag, element.value, length)
        position = _step(element, inside)
        if len(inside) > 2 * limits.sequence_depth:
            raise UnreadableImageError(
                f"the DICOM sequences are nested more than {limits.sequence_depth} deep",
                got="a deeper nesting",
                cure="do not trust this file; export the image again",
            )


def _step(element: _Element, inside: list[_Open]) -> int:
    """Enter, leave or skip one element; return where the next one begins."""
    if element.tag in (_ITEM_END, _SEQUENCE_END):
        if inside:
            inside.pop()
        return element.value
    end = None if element.length == _UNDEFINED else element.value + element.length
    in_fragments = bool(inside) and inside[-1].is_fragments
    if element.tag == _ITEM and not in_fragments:
        inside.append(_Open(end))
        return element.value
    if end is None:
        is_sequence = element.vr in (b"SQ", b"UN") or (
            element.vr == b"" and element.tag != _LAST_PIXEL_TAG
        )
        inside.append(_Open(None, is_fragments=not is_sequence))
        return element.value
    if element.vr == b"SQ":
        inside.append(_Open(end))
        return element.value
    return end
