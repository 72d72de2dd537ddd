"""The limits of what we accept, and the wall that turns what a parser throws into one error."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fracturax.core.errors import FracturaXError, UnreadableImageError

_MIB = 1 << 20
TRUNCATED = "the file is truncated"
"""What an UnreadableImageError says of a file whose end is missing."""


@dataclass(frozen=True)
class Limits:
    """How much of a file we are ready to hold, so that a hostile one ends in an error.

    Args:
        file_bytes: Size of one file as it lies on disk or unpacked from an archive.
        header_bytes: Everything of a DICOM file before its pixels.
        image_pixels: Pixels of the films of one file, all frames and colours together.
        volume_bytes: Decoded size of one volume.
        expansion: Decoded bytes for one stored byte; deflate reaches 1032 on a constant.
        expansion_free_bytes: Decoded size up to which `expansion` is not asked for.
        sequence_depth: DICOM sequences inside one another.
        frames: Frames of a DICOM file, pages of a TIFF.
        members: Members of an archive, records of a DICOMDIR, files of a folder.
        archive_bytes: Unpacked size of all members of an archive together.
        folder_depth: Folders inside one another.

    Example:
        >>> DEFAULT_LIMITS.image_pixels
        100000000
    """

    file_bytes: int = 2048 * _MIB
    header_bytes: int = 32 * _MIB
    image_pixels: int = 100_000_000
    volume_bytes: int = 1536 * _MIB
    expansion: int = 1000
    expansion_free_bytes: int = 32 * _MIB
    sequence_depth: int = 32
    frames: int = 10_000
    members: int = 200_000
    archive_bytes: int = 8192 * _MIB
    folder_depth: int = 32

    def check_expansion(self, *, stored: int, decoded: int, what: str) -> None:
        """Refuse stored bytes that claim to unpack into implausibly many.

        Args:
            stored: Bytes in the file.
            decoded: Bytes they are said to become.
            what: What they are (`the frame`), for the message.

        Raises:
            UnreadableImageError: If a small input claims to be a large output.

        Example:
            >>> DEFAULT_LIMITS.check_expansion(stored=1000, decoded=8000, what="the frame")
        """
        if decoded > self.expansion_free_bytes and decoded > self.expansion * max(stored, 1):
            raise UnreadableImageError(
                f"{what} unpacks into more than it can hold",
                got=f"{decoded} bytes out of {stored}",
                cure="do not trust this file; export the image again",
            )


DEFAULT_LIMITS = Limits()


def check_at_most(value: int, limit: int, what: str) -> None:
    """Refuse a count or size above its limit.

    Raises:
        UnreadableImageError: If `value` is above `limit`.

    Example:
        >>> check_at_most(3, 5, "the number of pages")
    """
    if value > limit:
        raise UnreadableImageError(
            f"{what} is above the limit of {limit}",
            got=str(value),
            cure="raise the limit if you trust the file",
        )


@contextmanager
def as_unreadable(what: str) -> Iterator[None]:
    """Turn whatever a parser or codec throws at hostile bytes into one UnreadableImageError.

    The original text is left out on purpose: parsers quote values, and values name patients.

    Raises:
        UnreadableImageError: For everything that is not yet an error of ours.

    Example:
        >>> with as_unreadable("the header cannot be parsed"):
        ...     int("x")
        Traceback (most recent call last):
        ...
        fracturax.core.errors.UnreadableImageError: the header cannot be parsed; \
got ValueError; export the image again
    """
    with quiet():
        try:
            yield
        except (FracturaXError, KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException as error:  # the edge; a panic of a Rust codec is no Exception
            raise UnreadableImageError(
                what, got=type(error).__name__, cure="export the image again"
            ) from None


_NOISY = (
    "pydicom",
    "nibabel",
    "nibabel.global",
    "PIL",
    "pylibjpeg",
    "openjpeg",
    "jpeg_ls",
    "highdicom",
)
_lock = threading.Lock()
_depth = 0
_catcher: warnings.catch_warnings[None] | None = None
_levels: dict[str, int] = {}


@contextmanager
def quiet() -> Iterator[None]:
    """Silence warnings and the parsers' loggers while any thread reads or writes.

    `warnings.catch_warnings` saves and restores a global list, which goes wrong when two threads
    overlap; only the first in and the last out touch it. Setting the level of a logger empties the
    caches of all of them, so what reads many small things is silenced as a whole.
    """
    global _depth, _catcher  # noqa: PLW0603
    with _lock:
        _depth += 1
        if _depth == 1:
            _catcher = warnings.catch_warnings(action="ignore")
            _catcher.__enter__()
            for name in _NOISY:
                _levels[name] = logging.getLogger(name).level
                logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if _depth == 0 and _catcher is not None:
                _catcher.__exit__(None, None, None)
                _catcher = None
                for name, level in _levels.items():
                    logging.getLogger(name).setLevel(level)
