"""Encoded pixels of a DICOM file → arrays, checked against the header before anything is held."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from fracturax.core.errors import UnreadableImageError
from fracturax.imaging.attributes import integer_of, text_of
from fracturax.imaging.guard import TRUNCATED, Limits, as_unreadable, check_at_most
from fracturax.imaging.header import NATIVE_SYNTAXES, Header, PixelElement

# One plugin a codec, so that the same file gives the same pixels on every machine. GDCM decodes
# JPEG 2000 in two thirds of the time, but a damaged codestream can make it abort the process.
_JPEG_2000 = {f"1.2.840.10008.1.2.4.{number}": "pylibjpeg" for number in (90, 91, 201, 202, 203)}
_JPEG_LS = {f"1.2.840.10008.1.2.4.{number}": "pyjpegls" for number in (80, 81)}
_JPEG_LOSSLESS = {f"1.2.840.10008.1.2.4.{number}": "gdcm" for number in (57, 70)}
_JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
_JPEG = {"1.2.840.10008.1.2.4.50": "pillow", _JPEG_EXTENDED: "pillow", **_JPEG_LOSSLESS}
_RLE = {"1.2.840.10008.1.2.5": "pylibjpeg"}
_PLUGINS = {**_JPEG_2000, **_JPEG_LS, **_JPEG, **_RLE}

_PHOTOMETRIC_SAMPLES = {
    "MONOCHROME1": 1,
    "MONOCHROME2": 1,
    "PALETTE COLOR": 1,
    "RGB": 3,
    "YBR_FULL": 3,
    "YBR_FULL_422": 3,
    "YBR_ICT": 3,
    "YBR_RCT": 3,
}

Stored = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class PixelLayout:
    """How the stored pixels of a file are laid out, checked for contradictions.

    Args:
        rows: Pixel rows.
        columns: Pixel columns.
        frames: Number of frames.
        samples: 1 for grey and palette, 3 for colour.
        bits_allocated: Bits a sample takes in the file.
        bits_stored: Bits of them that count.
        is_signed: Whether samples are two's complement.
        photometric: PhotometricInterpretation.
        planar: Whether colours lie plane by plane.
    """

    rows: int
    columns: int
    frames: int
    samples: int
    bits_allocated: int
    bits_stored: int
    is_signed: bool
    photometric: str
    planar: int

    @property
    def frame_bytes(self) -> int:
        """Size of one decoded frame."""
        samples = self.samples
        bits = self.rows * self.columns * samples * self.bits_allocated
        return (bits + 7) // 8

    @property
    def total_bytes(self) -> int:
        """Size of all decoded frames; bits are packed across frames."""
        bits = self.rows * self.columns * self.samples * self.bits_allocated * self.frames
        return (bits + 7) // 8


def layout_of(header: Header) -> tuple[PixelLayout, PixelElement]:
    """Return how the pixels of a file are laid out, and where they lie.

    Raises:
        UnreadableImageError: If there are no pixels or the header contradicts itself.

    References:
        DICOM PS3.3, C.7.6.3 "Image Pixel Module".
    """
    dataset = header.dataset
    if header.pixels is None:
        raise UnreadableImageError(
            "the DICOM file has no pixels",
            got=_kind_of_object(header),
            cure="give the images; reports and presentation states are no images",
        )
    if header.pixels.tag != 0x7FE00010:
        raise UnreadableImageError("the pixels are floating-point numbers", cure="give the image")
    allocated = integer_of(dataset, "BitsAllocated")
    layout = PixelLayout(
        rows=integer_of(dataset, "Rows"),
        columns=integer_of(dataset, "Columns"),
        frames=integer_of(dataset, "NumberOfFrames", 1),
        samples=integer_of(dataset, "SamplesPerPixel", 1),
        bits_allocated=allocated,
        bits_stored=integer_of(dataset, "BitsStored", allocated),
        is_signed=integer_of(dataset, "PixelRepresentation", 0) == 1,
        photometric=(text_of(dataset, "PhotometricInterpretation") or "").upper(),
        planar=integer_of(dataset, "PlanarConfiguration", 0),
    )
    _check_layout(layout, high_bit=integer_of(dataset, "HighBit", layout.bits_stored - 1))
    return layout, header.pixels


def _kind_of_object(header: Header) -> str:
    modality = text_of(header.dataset, "Modality") or ""
    names = {"SR": "a structured report", "PR": "a presentation state", "KO": "a key object note"}
    return names.get(modality.upper(), "no PixelData")


def _check_layout(layout: PixelLayout, *, high_bit: int) -> None:
    facts = (
        (min(layout.rows, layout.columns, layout.frames) >= 1, "the image has no area"),
        (max(layout.rows, layout.columns) <= 65535, "the image has a side above 65535"),
        (layout.bits_allocated in (1, 8, 16, 32), "BitsAllocated is not 1, 8, 16 or 32"),
        (1 <= layout.bits_stored <= layout.bits_allocated, "BitsStored exceeds BitsAllocated"),
        (high_bit == layout.bits_stored - 1, "HighBit is not BitsStored - 1"),
        (layout.planar in (0, 1), "PlanarConfiguration is neither 0 nor 1"),
        (
            _PHOTOMETRIC_SAMPLES.get(layout.photometric) == layout.samples,
            "PhotometricInterpretation and SamplesPerPixel do not fit, or are not supported",
        ),
    )
    for is_true, what in facts:
        if not is_true:
            shape = f"{layout.rows} x {layout.columns} x {layout.frames} frames"
            bits = f"{layout.bits_stored} of {layout.bits_allocated} bits"
            raise UnreadableImageError(
                what, got=f"{shape}, {bits}, {layout.samples} samples", cure="export it again"
            )


def check_size(
    header: Header, layout: PixelLayout, element: PixelElement, file_bytes: int, limits: Limits
) -> None:
    """Refuse pixels that cannot be what the header says, before they are read.

    Args:
        header: The header.
        layout: What it says about the pixels.
        element: Where they lie.
        file_bytes: Size of the file.
        limits: What is accepted.

    Raises:
        UnreadableImageError: If the declared size and the stored size contradict each other.
    """
    check_at_most(layout.frames, limits.frames, "the number of frames")
    is_native = header.transfer_syntax in NATIVE_SYNTAXES
    if is_native != (element.length is not None):
        raise UnreadableImageError(
            "the transfer syntax does not fit the pixels",
            got="compressed pixels" if element.length is None else "plain pixels",
            cure="export the image again",
        )
    if not is_native:
        stored = file_bytes - element.offset
        limits.check_expansion(stored=stored, decoded=layout.total_bytes, what="the pixel data")
        return
    expected = layout.total_bytes
    if layout.photometric == "YBR_FULL_422":
        expected = expected // 3 * 2
    stored = element.length or 0
    # One byte of padding makes an odd length even; writers that add more are refused.
    if stored not in (expected, expected + expected % 2):
        raise UnreadableImageError(
            "the pixels do not fill the image",
            got=f"{stored} bytes instead of {expected}",
            cure="copy or send it again",
        )
    if header.transfer_syntax != "1.2.840.10008.1.2.1.99" and element.offset + stored > file_bytes:
        raise UnreadableImageError(
            TRUNCATED,
            got=f"{file_bytes} of {element.offset + stored} bytes",
            cure="copy or send it again",
        )


def pixel_value(data: bytes, element: PixelElement) -> bytes | memoryview:
    """Return the value of the pixel element: plain pixels without a copy, or all fragments.

    Raises:
        UnreadableImageError: If a fragment ends after the file.

    References:
        DICOM PS3.5, A.4 "Transfer Syntaxes for Encapsulation of Encoded Pixel Data".
    """
    if element.length is not None:
        return memoryview(data)[element.offset : element.offset + element.length]
    position = element.offset
    while position + 8 <= len(data):
        group, item, length = struct.unpack_from("<HHI", data, position)
        if (group, item) == (0xFFFE, 0xE0DD):
            break
        position += 8 + length
        if (group, item) != (0xFFFE, 0xE000) or position > len(data):
            is_cut = position > len(data)
            raise UnreadableImageError(
                TRUNCATED if is_cut else "the compressed pixels are damaged",
                got="a fragment that ends after the file" if is_cut else "no fragment",
                cure="copy or send it again",
            )
    return data[element.offset : position]


def decode_frames(
    data: bytes | memoryview, header: Header, layout: PixelLayout, limits: Limits
) -> Iterator[Stored]:
    """Yield the stored pixels of each frame, shape `(rows, columns)` or `(rows, columns, 3)`.

    Colour comes as RGB. Bits above BitsStored are cleared or sign-extended.

    Args:
        data: The value of PixelData: plain pixels or encapsulated fragments.
        header: The header.
        layout: What it says about the pixels.
        limits: What is accepted.

    Raises:
        UnreadableImageError: If the transfer syntax is unknown or a frame cannot be decoded.
    """
    decoded = (
        _decode_native(data, header.transfer_syntax, layout)
        if header.transfer_syntax in NATIVE_SYNTAXES
        else _decode_encapsulated(bytes(data), header.transfer_syntax, layout, limits)
    )
    shape = (layout.rows, layout.columns) + ((3,) if layout.samples == 3 else ())
    count = 0
    while count < layout.frames:
        with as_unreadable("the pixels cannot be decoded"):
            frame = next(decoded, None)
        if frame is None or frame.shape != shape:
            raise UnreadableImageError(
                "the pixel data does not hold what the header says",
                got=f"{count} good frames of {layout.frames}",
                cure="copy or send it again",
            )
        count += 1
        yield frame


def _options(layout: PixelLayout) -> dict[str, Any]:
    return {
        "rows": layout.rows,
        "columns": layout.columns,
        "samples_per_pixel": layout.samples,
        "photometric_interpretation": layout.photometric,
        "bits_allocated": layout.bits_allocated,
        "bits_stored": layout.bits_stored,
        "pixel_representation": int(layout.is_signed),
        "planar_configuration": layout.planar,
        "pixel_keyword": "PixelData",
        "number_of_frames": layout.frames,
    }


def _decode_native(data: bytes | memoryview, syntax: str, layout: PixelLayout) -> Iterator[Stored]:
    is_plain = layout.samples == 1 and layout.bits_allocated in (8, 16)
    if not is_plain or (syntax == "1.2.840.10008.1.2.2" and layout.bits_allocated == 8):
        # Big endian bytes lie in swapped words; colour and single bits have layouts of their own.
        decoder = get_decoder(UID(syntax))
        for frame, _ in decoder.iter_array(data, raw=False, **_options(layout)):
            yield _native_order(frame)
        return
    order = ">" if syntax == "1.2.840.10008.1.2.2" else "<"
    dtype = np.dtype(f"{order}{'i' if layout.is_signed else 'u'}{layout.bits_allocated // 8}")
    count = layout.rows * layout.columns
    for index in range(layout.frames):
        flat = np.frombuffer(data, dtype, count, offset=index * layout.frame_bytes)
        yield _clear_unused_bits(_native_order(flat.reshape(layout.rows, layout.columns)), layout)


def _native_order(frame: npt.NDArray[Any]) -> Stored:
    return frame if frame.dtype.isnative else frame.astype(frame.dtype.newbyteorder("="))


def _clear_unused_bits(frame: Stored, layout: PixelLayout) -> Stored:
    """Overlays and other things once lay in the unused bits; the standard says to ignore them."""
    shift = layout.bits_allocated - layout.bits_stored
    if not shift:
        return frame
    if not layout.is_signed:
        return frame & frame.dtype.type((1 << layout.bits_stored) - 1)
    return (frame << shift) >> shift


def _decode_encapsulated(
    data: bytes, syntax: str, layout: PixelLayout, limits: Limits
) -> Iterator[Stored]:
    plugin = _PLUGINS.get(syntax)
    if plugin is None:
        raise UnreadableImageError(
            "the transfer syntax is not supported",
            got=UID(syntax).name if len(syntax) < 65 else "a malformed one",
            cure="export the image uncompressed or as JPEG 2000",
        )
    if plugin == "gdcm":
        _hush_gdcm()
    for encoded in islice(generate_frames(data, number_of_frames=layout.frames), layout.frames):
        _check_codestream(encoded, syntax, layout, limits)
    if syntax == _JPEG_EXTENDED and layout.bits_stored > 8:
        frames = generate_frames(data, number_of_frames=layout.frames)
        yield from (_decode_jpeg_12(encoded, layout) for encoded in frames)
        return
    decoder = get_decoder(UID(syntax))
    for frame, _ in decoder.iter_array(data, raw=False, decoding_plugin=plugin, **_options(layout)):
        yield frame


def _decode_jpeg_12(encoded: bytes, layout: PixelLayout) -> Stored:
    """Decode 12-bit JPEG by GDCM itself, which can what pydicom does not let it do."""
    import gdcm

    _hush_gdcm()
    if layout.samples != 1 or layout.bits_allocated != 16:
        raise ValueError("12-bit JPEG in colour")
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(encoded)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((layout.columns, layout.rows, 1))
    image.SetDataElement(element)
    kind = gdcm.PhotometricInterpretation.GetPIType(layout.photometric)
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(kind))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGExtendedProcess2_4))
    image.SetPixelFormat(
        gdcm.PixelFormat(1, 16, layout.bits_stored, layout.bits_stored - 1, int(layout.is_signed))
    )
    pixels = image.GetBuffer().encode("utf-8", "surrogateescape")
    return np.frombuffer(pixels, np.uint16).reshape(layout.rows, layout.columns)


def _hush_gdcm() -> None:
    """GDCM writes to standard error past Python; what it has to say comes as an exception."""
    import gdcm

    gdcm.Trace.WarningOff()
    gdcm.Trace.ErrorOff()
    gdcm.Trace.DebugOff()


def _check_codestream(encoded: bytes, syntax: str, layout: PixelLayout, limits: Limits) -> None:
    """Compare the size a codestream declares with the header's, before a codec believes it."""
    limits.check_expansion(
        stored=len(encoded), decoded=layout.frame_bytes, what="the compressed frame"
    )
    parse: Callable[[bytes], tuple[int, int, int]]
    if syntax in _JPEG_2000:
        parse = _jpeg_2000_size
    elif syntax in _RLE:
        return
    else:
        parse = _jpeg_size
    try:
        size = parse(encoded)
    except (struct.error, ValueError):
        raise UnreadableImageError(
            "the transfer syntax does not fit the pixels",
            got="another codestream than it names",
            cure="export the image again",
        ) from None
    if size != (layout.rows, layout.columns, layout.samples):
        raise UnreadableImageError(
            "the compressed frame has another size than the header says",
            got="{} x {} x {}".format(*size),
            cure="export the image again",
        )


def _jpeg_2000_size(encoded: bytes) -> tuple[int, int, int]:
    """Return rows, columns, components of a JPEG 2000 codestream, from its SIZ marker."""
    start = encoded.find(b"\xff\x4f\xff\x51", 0, 4096)
    if start < 0:
        raise ValueError("no codestream")
    right, bottom, left, top, tile_width, tile_height, tile_x, tile_y, components = (
        struct.unpack_from(">8IH", encoded, start + 8)
    )
    if not (tile_width and tile_height and tile_x <= left and tile_y <= top):
        raise ValueError("no tiles")
    tiles = -(-(right - tile_x) // tile_width) * -(-(bottom - tile_y) // tile_height)
    if not 0 < tiles <= 65535:
        raise ValueError("too many tiles")
    return bottom - top, right - left, components


def _jpeg_size(encoded: bytes) -> tuple[int, int, int]:
    """Return rows, columns, components of a JPEG or JPEG-LS codestream, from its SOF marker."""
    if encoded[:2] != b"\xff\xd8":
        raise ValueError("no JPEG")
    position = 2
    while True:
        marker, length = struct.unpack_from(">HH", encoded, position)
        if marker == 0xFFFF:  # fill byte
            position += 1
            continue
        if marker >> 8 != 0xFF or marker in (0xFFD9, 0xFFDA):
            raise ValueError("no frame header")
        if (
            0xFFC0 <= marker <= 0xFFCF and marker not in (0xFFC4, 0xFFC8, 0xFFCC)
        ) or marker == 0xFFF7:
            _, rows, columns, components = struct.unpack_from(">BHHB", encoded, position + 4)
            return rows, columns, components
        position += 2 + length
