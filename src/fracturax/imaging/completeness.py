"""Whether the end of an image file is there, told by its own structure and not by a decoder.

Decoders forgive: a JPEG without its last bytes opens, and what is missing is painted grey.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import UnreadableImageError
from fracturax.imaging.codec import pixel_value
from fracturax.imaging.guard import TRUNCATED, Limits
from fracturax.imaging.header import DEFLATED, read_header
from fracturax.imaging.kind import Kind
from fracturax.imaging.source import BytesSource

# Inside the scan of a JPEG a marker is FF and anything but 00 (a stuffed byte) or a restart.
_JPEG_MARKER = re.compile(rb"\xff+[\x01-\xcf\xd8-\xfe]")
_JPEG_NAMES = {0xC4: "DHT", 0xCC: "DAC", 0xDA: "SOS", 0xDB: "DQT", 0xDD: "DRI", 0xFE: "COM"}
_TIFF_OFFSETS = {273: 279, 324: 325}  # strips and tiles: where they lie, how long they are
_MOST_TIFF_ENTRIES = 4096
_SEQUENCE_END = b"\xfe\xff\xdd\xe0"
_GREY, _GREY_SPREAD = range(120, 137), 2


@dataclass(frozen=True)
class Segment:
    """A piece of a JPEG or PNG: its marker or type, and where its content lies in the file."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True)
class Structure:
    """The pieces of a file, as far as they go.

    Args:
        segments: JPEG segments (`DQT`, `SOF0`, ...) or PNG chunks (`IHDR`, `IDAT`, ...), in order.
        gap: What of the end is missing, in words; None if nothing is.
        end: Where the image ends; bytes after it are none of it. None if it never does.
    """

    segments: tuple[Segment, ...]
    gap: str | None
    end: int | None


def missing_end(data: bytes, kind: Kind, limits: Limits) -> str | None:
    r"""Say what of a file's end is missing, or None if its structure is complete.

    Args:
        data: The whole file.
        kind: What its first bytes say.
        limits: What is accepted.

    Returns:
        Words for the gap; None if there is none, or if the file is damaged in another way, which
        its decoder will say.

    References:
        ITU-T T.81, Annex B (JPEG); PNG 2nd edition, 5; TIFF 6.0, 2; DICOM PS3.5, A.4.

    Example:
        >>> from fracturax.imaging.guard import DEFAULT_LIMITS
        >>> missing_end(b"\xff\xd8\xff\xe0\x00\x10JFIF", "jpeg", DEFAULT_LIMITS)
        'it ends inside a header segment'
    """
    if kind in ("jpeg", "png"):
        return structure_of(data, kind).gap
    if kind == "tiff":
        return _tiff_gap(data)
    return _dicom_gap(data, limits) if kind == "dicom" else None


def structure_of(data: bytes, kind: Kind) -> Structure:
    r"""Return the pieces of a JPEG or PNG, without decoding any.

    Example:
        >>> found = structure_of(b"\xff\xd8\xff\xfe\x00\x03a\xff\xd9\0\0", "jpeg")
        >>> [segment.kind for segment in found.segments], found.gap, found.end
        (['COM'], None, 9)
    """
    return _walk_jpeg(data) if kind == "jpeg" else _walk_png(data)


def grey_tail(pixels: npt.NDArray[np.uint8]) -> float:
    """Return the share of rows at the lower end that hold one middle grey and nothing else.

    A decoder that runs out of data leaves the rest at 128; saved again, such a file is whole and
    its picture is not. A frame that is grey at the top as well is a frame, and counts nothing.

    Args:
        pixels: Display values, shape `(rows, columns)`.

    Example:
        >>> film = np.tile(np.arange(100, dtype=np.uint8), (80, 1))
        >>> film[60:] = 128
        >>> grey_tail(film)
        0.25
    """
    level = int(pixels[-1, 0])
    if level not in _GREY:
        return 0.0
    low, high = pixels.min(axis=1), pixels.max(axis=1)
    is_flat = (low >= level - _GREY_SPREAD) & (high <= level + _GREY_SPREAD)
    if is_flat[0]:
        return 0.0
    return float(np.argmin(is_flat[::-1])) / len(is_flat)


def _walk_jpeg(data: bytes) -> Structure:
    segments: list[Segment] = []
    position, size = 2, len(data)

    def cut(gap: str) -> Structure:
        return Structure(tuple(segments), gap, None)

    while True:
        position = data.find(b"\xff", position)
        while 0 <= position < size and data[position] == 0xFF:
            position += 1
        if not 0 <= position < size:
            has_scan = any(segment.kind == "SOS" for segment in segments)
            return cut(
                "it ends without an end-of-image marker"
                if has_scan
                else "it ends before the picture begins"
            )
        marker = data[position]
        position += 1
        if marker == 0xD9:
            return Structure(tuple(segments), None, position)
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:
            continue
        start = position + 2
        position += max(2, int.from_bytes(data[position:start], "big"))
        if max(start, position) > size:
            return cut("it ends inside a header segment")
        segments.append(Segment(_jpeg_name(marker), start, position))
        if marker == 0xDA:
            found = _JPEG_MARKER.search(data, position)
            if found is None:
                return cut("it ends inside the picture")
            position = found.start()


def _jpeg_name(marker: int) -> str:
    if marker in _JPEG_NAMES:
        return _JPEG_NAMES[marker]
    if 0xC0 <= marker <= 0xCF:
        return f"SOF{marker - 0xC0}"
    return f"APP{marker - 0xE0}" if 0xE0 <= marker <= 0xEF else f"{marker:02X}"


def _walk_png(data: bytes) -> Structure:
    segments: list[Segment] = []
    position = 8
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        kind = data[position + 4 : position + 8].decode("latin-1")
        start, end = position + 8, position + 8 + length
        if end + 4 > len(data):
            return Structure(tuple(segments), f"it ends inside the chunk {kind!r}", None)
        segments.append(Segment(kind, start, end))
        position = end + 4
        if kind == "IEND":
            return Structure(tuple(segments), None, position)
    return Structure(tuple(segments), "it ends without its last chunk (IEND)", None)


def _tiff_gap(data: bytes) -> str | None:
    """Follow the directories of a TIFF; each, and every strip or tile, has to lie in the file."""
    try:
        for directory in _tiff_directories(data):
            for offsets, counts in _TIFF_OFFSETS.items():
                pieces = zip(directory.get(offsets, ()), directory.get(counts, ()), strict=False)
                if any(offset + count > len(data) for offset, count in pieces):
                    return "a strip of the picture ends after the file"
    except (struct.error, IndexError):
        return "a directory of the picture ends after the file"
    return None


def _tiff_directories(data: bytes) -> Iterator[dict[int, tuple[int, ...]]]:
    order = "<" if data[:2] == b"II" else ">"
    is_big = struct.unpack_from(order + "H", data, 2)[0] == 43
    word, entry_bytes, count_code = ("Q", 20, "Q") if is_big else ("I", 12, "H")
    (position,) = struct.unpack_from(order + word, data, 8 if is_big else 4)
    seen: set[int] = set()
    while position and position not in seen and len(seen) < _MOST_TIFF_ENTRIES:
        seen.add(position)
        (entries,) = struct.unpack_from(order + count_code, data, position)
        first = position + struct.calcsize(count_code)
        directory = {}
        for entry in range(
            first, first + min(entries, _MOST_TIFF_ENTRIES) * entry_bytes, entry_bytes
        ):
            tag, kind, count = struct.unpack_from(order + "HH" + word, data, entry)
            if tag in _TIFF_OFFSETS or tag in _TIFF_OFFSETS.values():
                directory[tag] = _tiff_values(data, entry, kind, count, order + word)
        yield directory
        (position,) = struct.unpack_from(order + word, data, first + entries * entry_bytes)


def _tiff_values(data: bytes, entry: int, kind: int, count: int, word: str) -> tuple[int, ...]:
    code = {3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}.get(kind, "I")
    value = entry + 4 + struct.calcsize(word)
    if struct.calcsize(f"{code}") * count > struct.calcsize(word):
        (value,) = struct.unpack_from(word, data, value)
    if value + struct.calcsize(code) * count > len(data):
        raise IndexError
    return struct.unpack_from(f"{word[0]}{count}{code}", data, value)


def _dicom_gap(data: bytes, limits: Limits) -> str | None:
    source = BytesSource("", data)
    try:
        header = read_header(source, limits)
        if header.pixels is None:
            # A film names its rows; a report or a presentation state does not.
            return "it ends before its pixels" if "Rows" in header.dataset else None
        if header.transfer_syntax == DEFLATED:
            return None
        if header.pixels.length is not None:
            stored, said = len(data) - header.pixels.offset, header.pixels.length
            return f"{stored} of {said} bytes of its pixels are there" if stored < said else None
        end = pixel_value(data, header.pixels)
    except UnreadableImageError as error:
        return error.got if error.what == TRUNCATED else None
    delimiter = data[header.pixels.offset + len(end) :][:4]
    return None if delimiter == _SEQUENCE_END else "its compressed pixels never end"
