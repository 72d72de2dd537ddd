"""What a file is, told by its first bytes and never by its extension."""

from __future__ import annotations

import re
import struct
from pathlib import PurePosixPath
from typing import Literal

Kind = Literal["dicom", "png", "jpeg", "tiff", "nifti", "nifti_gz", "zip", "gzip"]

_IMAGE_EXTENSIONS = frozenset(
    {
        ".dcm",
        ".dicom",
        ".dic",
        ".ima",
        ".nii",
        ".gz",
        ".zip",
        ".img",
        ".hdr",
        ".mha",
        ".mhd",
        ".nrrd",
    }
    | {
        ".png",
        ".jpg",
        ".jpeg",
        ".jpe",
        ".tif",
        ".tiff",
        ".bmp",
        ".gif",
        ".webp",
        ".jp2",
        ".j2k",
        ".jls",
    }
)
_NO_IMAGE_NAMES = frozenset(
    {"license", "licence", "copying", "readme", "authors", "notice", "version", "changelog"}
    | {"changes", "makefile", "dicomdir", "autorun", "lockfile"}
)
_MAGIC: tuple[tuple[bytes, Kind], ...] = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\x1f\x8b", "gzip"),
)
_ONLY_DIGITS_OR_EMPTY = re.compile(r"(\.\d*)?")


def kind_of(head: bytes) -> Kind | None:
    r"""Return what the first kilobyte of a file says it is, or None.

    DICOM wins over a preamble that looks like something else: a preamble is free text, and
    whatever program hides there is never run.

    Example:
        >>> kind_of(b"\x89PNG\r\n\x1a\n"), kind_of(b"hello")
        ('png', None)
    """
    if head[128:132] == b"DICM" or _looks_like_bare_dataset(head):
        return "dicom"
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    return "nifti" if is_nifti_header(head) else None


def is_nifti_header(head: bytes) -> bool:
    r"""Whether bytes begin with a NIfTI-1 or NIfTI-2 header, single file or pair.

    Example:
        >>> is_nifti_header((348).to_bytes(4, "little") + bytes(340) + b"n+1\0")
        True
    """
    if len(head) < 348:
        return False
    sizes = struct.unpack_from("<i", head)[0], struct.unpack_from(">i", head)[0]
    if 348 in sizes:
        return head[344:348] in (b"n+1\0", b"ni1\0")
    return 540 in sizes and head[4:8] in (b"n+2\0", b"ni2\0")


def _looks_like_bare_dataset(head: bytes) -> bool:
    """Whether bytes are a DICOM dataset that lost its preamble: it begins in group 2 or 8."""
    if len(head) < 16:
        return False
    group, element = struct.unpack_from("<HH", head)
    if group in (0x0002, 0x0008) and element <= 0x0100:
        explicit = head[4:6].isalpha() and head[4:6].isupper()
        return explicit or 0 < struct.unpack_from("<I", head, 4)[0] <= 256
    big_group, big_element = struct.unpack_from(">HH", head)
    return (
        big_group == 0x0008
        and big_element <= 0x0100
        and head[4:6].isalpha()
        and head[4:6].isupper()
    )


def claims_to_be_image(name: str) -> bool:
    """Whether a name promises an image, so that one that is none must be reported.

    A file without extension or with a number for one is what scanners write; names that come
    with every disc (`LICENSE`, `DICOMDIR`) are not meant.

    Example:
        >>> [claims_to_be_image(name) for name in ("a.dcm", "IM00012", "notes.txt", "LICENSE")]
        [True, True, False, False]
    """
    path = PurePosixPath(name.lower())
    if path.suffix in _IMAGE_EXTENSIONS:
        return True
    bare = _ONLY_DIGITS_OR_EMPTY.fullmatch(path.suffix) is not None
    return bare and path.name not in _NO_IMAGE_NAMES
