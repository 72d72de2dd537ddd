"""Small DICOM files, built with real encoders, and hostile ones; imported by conftest and tests."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    generate_uid,
)

DX = "1.2.840.10008.5.1.4.1.1.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
STUDY = "1.2.3.4.5"


def film(pixels: npt.NDArray[Any], **attributes: Any) -> Dataset:
    """Return a DX film with these stored pixels; attributes override, None removes."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = DX
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=[repr(sorted(attributes.items()))])
    dataset.Modality = "DX"
    dataset.PatientName = "Secret^Patient"
    dataset.StudyInstanceUID = STUDY
    dataset.SeriesInstanceUID = STUDY + ".1"
    dataset.InstanceNumber = 1
    is_color = pixels.ndim >= 3 and pixels.shape[-1] == 3
    frames = pixels if pixels.ndim - is_color == 3 else pixels[None]
    dataset.NumberOfFrames = len(frames)
    dataset.Rows, dataset.Columns = frames.shape[1:3]
    dataset.SamplesPerPixel = 3 if is_color else 1
    dataset.PhotometricInterpretation = "RGB" if is_color else "MONOCHROME2"
    if is_color:
        dataset.PlanarConfiguration = 0
    bits = 8 * pixels.dtype.itemsize
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit = bits - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    dataset["PixelData"].VR = "OW" if bits > 8 else "OB"
    for keyword, value in attributes.items():
        if value is None:
            dataset.pop(keyword, None)
        else:
            setattr(dataset, keyword, value)
    if "BitsStored" in attributes and "HighBit" not in attributes:
        dataset.HighBit = attributes["BitsStored"] - 1
    return dataset


def ct_slice(stored: npt.NDArray[Any], z_mm: float, **attributes: Any) -> Dataset:
    """Return an axial CT slice at a height, 0.5 mm rows and 0.8 mm columns apart."""
    place = {
        "SOPClassUID": CT,
        "Modality": "CT",
        "ImagePositionPatient": [-10.0, -20.0, z_mm],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "PixelSpacing": [0.5, 0.8],
        "SliceThickness": 3.0,
        "RescaleSlope": 1,
        "RescaleIntercept": -1024,
    }
    return film(stored, **{**place, **attributes})


def save(dataset: Dataset, path: Path) -> Path:
    """Write a Part 10 file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def encoded(dataset: Dataset) -> bytes:
    """Return the bytes of a Part 10 file."""
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def encapsulated(dataset: Dataset, syntax: str, *frames: bytes) -> Dataset:
    """Replace the pixels by compressed frames."""
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate(list(frames))
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    return dataset


def jpeg_of(pixels: npt.NDArray[np.uint8], **options: Any) -> bytes:
    """Return a JPEG by Pillow."""
    buffer = io.BytesIO()
    PillowImage.fromarray(pixels).save(buffer, "JPEG", **options)
    return buffer.getvalue()


GRADIENT = np.arange(48 * 40, dtype=np.uint16).reshape(48, 40)


def _film_bytes(**attributes: Any) -> bytes:
    return encoded(film(GRADIENT, **attributes))


def _patched(data: bytes, old: bytes, new: bytes) -> bytes:
    assert data.count(old) == 1, data.count(old)
    return data.replace(old, new)


def _rows(rows: int, columns: int) -> bytes:
    return _film_bytes(Rows=rows, Columns=columns)


def _nested(depth: int) -> bytes:
    """Return sequences of undefined length inside one another, closed properly."""
    start = struct.pack("<HH2sHI", 0x0040, 0x0100, b"SQ", 0, 0xFFFFFFFF)
    start += struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    end = struct.pack("<HHI", 0xFFFE, 0xE00D, 0) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    data = _film_bytes()
    at = data.index(struct.pack("<HH", 0x7FE0, 0x0010))
    return data[:at] + start * depth + end * depth + data[at:]


def _deflate_bomb(size: int) -> bytes:
    head = _film_bytes()
    plain = head[head.index(struct.pack("<HH", 0x0008, 0x0016)) :]
    at = plain.index(struct.pack("<HH", 0x7FE0, 0x0010))
    bomb = plain[:at] + struct.pack("<HH2sHI", 0x0043, 0x1010, b"OB", 0, size)
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    out = packer.compress(bomb)
    for _ in range(size >> 20):
        out += packer.compress(bytes(1 << 20))
    return (
        _meta(DeflatedExplicitVRLittleEndian) + out + packer.compress(plain[at:]) + packer.flush()
    )


def _meta(syntax: str) -> bytes:
    value = syntax.encode() + b"\0" * (len(syntax) % 2)
    element = struct.pack("<HH2sH", 0x0002, 0x0010, b"UI", len(value)) + value
    length = struct.pack("<HH2sHI", 0x0002, 0x0000, b"UL", 4, len(element))
    return bytes(128) + b"DICM" + length + element


def _deflated_pixels(rows: int, columns: int) -> bytes:
    """A deflated film of zeros whose sizes agree: small on disk, huge in memory."""
    plain = _rows(rows, columns)
    plain = plain[plain.index(struct.pack("<HH", 0x0008, 0x0016)) :]
    at = plain.index(struct.pack("<HH", 0x7FE0, 0x0010))
    size = rows * columns * 2
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    out = packer.compress(plain[:at] + struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, size))
    for _ in range(size >> 20):
        out += packer.compress(bytes(1 << 20))
    return (
        _meta(DeflatedExplicitVRLittleEndian)
        + out
        + packer.compress(bytes(size % (1 << 20)))
        + packer.flush()
    )


def _j2k_lying(rows: int, columns: int) -> bytes:
    buffer = io.BytesIO()
    PillowImage.fromarray(GRADIENT.astype(np.uint8)).save(buffer, "JPEG2000", no_jp2=True)
    stream = buffer.getvalue()
    at = stream.index(b"\xff\x51") + 6
    stream = stream[:at] + struct.pack(">II", columns, rows) + stream[at + 8 :]
    dataset = film(GRADIENT.astype(np.uint8), Rows=rows, Columns=columns)
    return encoded(encapsulated(dataset, JPEG2000Lossless, stream))


def _jpeg_other_size() -> bytes:
    dataset = film(np.zeros((16, 16), np.uint8))
    return encoded(
        encapsulated(dataset, JPEGBaseline8Bit, jpeg_of(np.zeros((4000, 4000), np.uint8)))
    )


def _palette_outside() -> bytes:
    table = np.arange(16, dtype=np.uint16)
    attributes: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for color in ("Red", "Green", "Blue"):
        attributes[f"{color}PaletteColorLookupTableDescriptor"] = [16, 0, 16]
        attributes[f"{color}PaletteColorLookupTableData"] = table.tobytes()
    return encoded(film(np.full((8, 8), 200, np.uint8), **attributes))


def _zip(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


def _zip_of_zeros(size: int) -> bytes:
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        archive.open("a.dcm", "w", force_zip64=True) as member,
    ):
        for _ in range(size >> 20):
            member.write(bytes(1 << 20))
    return buffer.getvalue()


def _zip_link() -> bytes:
    link = zipfile.ZipInfo("a.dcm")
    link.external_attr = 0o120777 << 16
    return _zip((link, b"/etc/passwd"))


def _zip_encrypted() -> bytes:
    data = bytearray(_zip(("a.dcm", _film_bytes())))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def nifti_bytes(shape: tuple[int, ...], *, voxels: bytes) -> bytes:
    """Return a NIfTI-1 file of int16 with any declared shape and any bytes behind it."""
    from nibabel.nifti1 import Nifti1Header

    header = Nifti1Header()
    header.set_data_dtype(np.int16)
    header["dim"][: len(shape) + 1] = [len(shape), *shape]
    header["pixdim"][1:4] = 1.0
    header["vox_offset"] = 352
    header["magic"] = b"n+1\0"
    return bytes(header.binaryblock) + bytes(4) + voxels


def _dicomdir(file_id: list[str]) -> bytes:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    dataset.SOPInstanceUID = "1.2.3"
    record = Dataset()
    record.DirectoryRecordType = "IMAGE"
    record.ReferencedFileID = file_id
    dataset.DirectoryRecordSequence = [record]
    return encoded(dataset)


dicomdir = _dicomdir


def _no_syntax() -> bytes:
    data = _film_bytes()
    at = data.index(struct.pack("<HH2s", 2, 0x10, b"UI"))
    length = struct.unpack_from("<H", data, at + 6)[0]
    return data[:at] + data[at + 8 + length :]


def _lying_length() -> bytes:
    data = _film_bytes(StationName="ABCDEFGH")
    return _patched(data, b"SH\x08\x00ABCDEFGH", b"UT\0\0\xf0\xff\xff\x7fABCD")


def _png(rows: int, columns: int, *, rest: bytes = b"") -> bytes:
    chunk = struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)
    head = b"IHDR" + chunk
    crc = struct.pack(">I", zlib.crc32(head))
    packed = rest or zlib.compress(bytes(100))
    body = b"IDAT" + packed
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + head
        + crc
        + struct.pack(">I", len(packed))
        + body
        + struct.pack(">I", zlib.crc32(body))
        + b"\0\0\0\0IEND\xaeB`\x82"
    )


HOSTILE: dict[str, tuple[str, Callable[[], bytes]]] = {
    "text": ("a.dcm", lambda: b"this is no image\n" * 100),
    "empty": ("a.dcm", lambda: b""),
    "no_extension": ("IM0001", lambda: b"\0" * 5000),
    "truncated": ("a.dcm", lambda: _film_bytes()[:-1000]),
    "truncated_header": ("a.dcm", lambda: _film_bytes()[:400]),
    "no_transfer_syntax": ("a.dcm", _no_syntax),
    "wrong_transfer_syntax": (
        "a.dcm",
        lambda: _patched(_film_bytes(), b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0"),
    ),
    "unknown_transfer_syntax": (
        "a.dcm",
        lambda: encoded(encapsulated(film(GRADIENT), "1.2.840.10008.1.2.4.100", b"\0\0\0\1")),
    ),
    "syntax_of_another_codec": (
        "a.dcm",
        lambda: encoded(
            encapsulated(film(GRADIENT), JPEG2000Lossless, jpeg_of(GRADIENT.astype(np.uint8)))
        ),
    ),
    "no_pixels": ("a.dcm", lambda: _film_bytes(PixelData=None)),
    "short_pixels": ("a.dcm", lambda: _film_bytes(PixelData=b"\0" * 100)),
    "empty_pixels": ("a.dcm", lambda: _film_bytes(PixelData=b"")),
    "long_pixels": ("a.dcm", lambda: _film_bytes(PixelData=b"\0" * 10_000)),
    "rows_overflow": ("a.dcm", lambda: _rows(65535, 65535)),
    "many_frames": ("a.dcm", lambda: _film_bytes(NumberOfFrames=2_000_000_000)),
    "no_rows": ("a.dcm", lambda: _rows(0, 40)),
    "frames_nonsense": (
        "a.dcm",
        lambda: _patched(_film_bytes(), b"(\0\x08\0IS\x02\x001 ", b"(\0\x08\0IS\x02\x00x!"),
    ),
    "nested_300": ("a.dcm", lambda: _nested(300)),
    "nested_100000": ("a.dcm", lambda: _nested(100_000)),
    "lying_length": ("a.dcm", _lying_length),
    "palette_outside": ("a.dcm", _palette_outside),
    "deflate_bomb_in_header": ("a.dcm", lambda: _deflate_bomb(512 << 20)),
    "deflate_bomb_in_pixels": ("a.dcm", lambda: _deflated_pixels(9900, 10_000)),
    "deflate_garbage": (
        "a.dcm",
        lambda: _meta(DeflatedExplicitVRLittleEndian) + b"\x55garbage" * 9,
    ),
    "j2k_lying": ("a.dcm", lambda: _j2k_lying(9999, 9999)),
    "jpeg_other_size": ("a.dcm", _jpeg_other_size),
    "codec_garbage": (
        "a.dcm",
        lambda: encoded(encapsulated(film(GRADIENT), "1.2.840.10008.1.2.5", bytes(range(256)))),
    ),
    "zip_bomb": ("a.zip", lambda: _zip_of_zeros(1 << 30)),
    "zip_slip": ("a.zip", lambda: _zip(("../../a.dcm", _film_bytes()))),
    "zip_backslash_slip": ("a.zip", lambda: _zip(("..\\..\\a.dcm", _film_bytes()))),
    "zip_absolute": ("a.zip", lambda: _zip(("/etc/a.dcm", _film_bytes()))),
    "zip_in_zip": ("a.zip", lambda: _zip(("b.zip", _zip(("a.dcm", _film_bytes()))))),
    "zip_link": ("a.zip", _zip_link),
    "zip_encrypted": ("a.zip", _zip_encrypted),
    "zip_truncated": ("a.zip", lambda: _zip(("a.dcm", _film_bytes()))[:-40]),
    "zip_empty": ("a.zip", _zip),
    "gzip_bomb": ("a.nii.gz", lambda: gzip.compress(bytes(256 << 20))),
    "nifti_bomb_behind": (
        "a.nii.gz",
        lambda: gzip.compress(nifti_bytes((4, 4, 4), voxels=bytes(256 << 20))),
    ),
    "nifti_huge": (
        "a.nii.gz",
        lambda: gzip.compress(nifti_bytes((30000, 30000, 30000), voxels=bytes(64))),
    ),
    "nifti_short": (
        "a.nii.gz",
        lambda: gzip.compress(nifti_bytes((512, 512, 64), voxels=bytes(range(256)) * 999)),
    ),
    "nifti_4d": ("a.nii", lambda: nifti_bytes((4, 4, 4, 2), voxels=bytes(256))),
    "dicomdir_traversal": ("DICOMDIR", lambda: _dicomdir(["..", "..", "etc", "passwd"])),
    "dicomdir_absolute": ("DICOMDIR", lambda: _dicomdir(["/etc/passwd"])),
    "png_huge": ("a.png", lambda: _png(60_000, 60_000)),
    "png_bomb": (
        "a.png",
        lambda: _png(9900, 9900, rest=zlib.compress(bytes(9900 * 9901), 9)),
    ),
    "png_cut": ("a.png", lambda: _png(400, 400)[:60]),
    "jpeg_cut": ("a.jpg", lambda: jpeg_of(np.zeros((400, 400), np.uint8))[:-300]),
    "tiff_garbage": ("a.tif", lambda: b"II*\0" + b"\xff" * 300),
}
"""Name → file name and builder; each ends in one UnreadableImageError."""
