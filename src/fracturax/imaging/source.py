"""Where bytes come from: a file on disk or a member of an archive, read with a bound."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from fracturax.core.errors import UnreadableImageError
from fracturax.imaging.guard import Limits, as_unreadable, check_at_most

SNIFF_BYTES = 1024


class Source(Protocol):
    """Named bytes that can be opened again and again."""

    @property
    def name(self) -> str:
        """What the user knows it by: the path below the folder that was given."""
        ...

    @property
    def size(self) -> int:
        """Number of bytes, as far as the file system or the archive says."""
        ...

    def open(self) -> BinaryIO:
        """Open the bytes for reading."""
        ...


@dataclass(frozen=True)
class FileSource:
    """A file on disk.

    Args:
        name: What the user knows it by.
        path: Where it lies.
    """

    name: str
    path: Path

    @property
    def size(self) -> int:
        """Number of bytes on disk."""
        return self.path.stat().st_size

    def open(self) -> BinaryIO:
        """Open the file for reading."""
        return self.path.open("rb")


@dataclass(frozen=True)
class MemberSource:
    """A member of a zip archive, unpacked into memory only.

    Args:
        name: What the user knows it by.
        archive: The archive on disk.
        member: Position of the member in the archive's directory.
        size: Unpacked size that the directory declares; zipfile never returns more.
    """

    name: str
    archive: Path
    member: int
    size: int

    def open(self) -> BinaryIO:
        """Open the member for reading."""
        archive = zipfile.ZipFile(self.archive)
        # Closing the archive object leaves the member's own handle usable.
        with archive:
            return cast(BinaryIO, archive.open(archive.infolist()[self.member]))


@dataclass(frozen=True)
class BytesSource:
    """Bytes that were read already.

    Args:
        name: What the user knows them by.
        data: The whole file.
    """

    name: str
    data: bytes

    @property
    def size(self) -> int:
        """Number of bytes."""
        return len(self.data)

    def open(self) -> BinaryIO:
        """Open the bytes for reading."""
        return BytesIO(self.data)


@contextmanager
def opened(source: Source) -> Iterator[BinaryIO]:
    """Open a source; what the file system or the archive throws becomes one error.

    Raises:
        UnreadableImageError: If it cannot be opened.

    Example:
        >>> with opened(FileSource("gone.png", Path("gone.png"))) as stream:
        ...     pass
        Traceback (most recent call last):
        ...
        fracturax.core.errors.UnreadableImageError: the file cannot be opened; \
got FileNotFoundError; export the image again
    """
    with as_unreadable("the file cannot be opened"):
        stream = source.open()
    with stream:
        yield stream


def read_head(source: Source, count: int = SNIFF_BYTES) -> bytes:
    """Return the first bytes of a source, fewer if it is shorter.

    Raises:
        UnreadableImageError: If it cannot be read.
    """
    with opened(source) as stream, as_unreadable("the file cannot be read"):
        return stream.read(count)


def read_all(source: Source, limits: Limits) -> bytes:
    """Return all bytes of a source.

    Raises:
        UnreadableImageError: If it is larger than the limit or cannot be read.
    """
    with opened(source) as stream, as_unreadable("the file cannot be read"):
        check_at_most(source.size, limits.file_bytes, "the size of the file in bytes")
        data = stream.read(source.size + 1)
    if len(data) != source.size:
        raise UnreadableImageError(
            "the file changed while it was read",
            got=f"{len(data)} bytes instead of {source.size}",
            cure="wait until it is complete",
        )
    return data


def clean_name(name: str) -> str:
    r"""Return a name without what could steer a terminal or break an encoding.

    Example:
        >>> clean_name("a\x1b[31m.dcm")
        'a?[31m.dcm'
    """
    text = name.encode("utf-8", "replace").decode("utf-8")
    return "".join(letter if letter.isprintable() else "?" for letter in text)
