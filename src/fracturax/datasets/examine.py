"""Examine a file once: whether it is whole, its traits, and what tells it from its copies."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import ImageError, UnreadableImageError
from fracturax.core.image import Radiograph
from fracturax.datasets.traits import Traits, file_traits, pixel_traits
from fracturax.imaging import DEFAULT_LIMITS, Limits
from fracturax.imaging.completeness import grey_tail, missing_end
from fracturax.imaging.guard import TRUNCATED
from fracturax.imaging.kind import Kind, kind_of
from fracturax.imaging.source import BytesSource, FileSource, read_all
from fracturax.imaging.study import read_source

_GREY_TAIL = 0.02


@dataclass(frozen=True)
class Damage:
    """Why a file is not fit for use.

    Args:
        kind: `truncated` where its end is missing, `unreadable` for any other reason.
        reason: The reason in words.
    """

    kind: Literal["truncated", "unreadable"]
    reason: str


@dataclass(frozen=True, eq=False)
class Examined:
    """What is known of a file after it was read once.

    Args:
        file_sha256: Hash of its bytes; empty if they could not be read.
        rows: Pixel rows of its film; 0 where there is none.
        columns: Pixel columns of its film; 0 where there is none.
        traits: Its traits; of its header alone where the pixels could not be read.
        damage: What is wrong with it, or None.
        pixels: Display values of the film, shape `(rows, columns)`; None where it is damaged.
    """

    file_sha256: str
    rows: int = 0
    columns: int = 0
    traits: Traits = field(default_factory=Traits)
    damage: Damage | None = None
    pixels: npt.NDArray[np.uint8] | None = None


def examine(path: Path, *, limits: Limits = DEFAULT_LIMITS) -> Examined:
    """Read a file once and say what it is; whatever is wrong with it is an answer, no error.

    Args:
        path: An image file.
        limits: What is accepted.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.png"
        >>> _ = path.write_bytes(b"")
        >>> examine(path).damage
        Damage(kind='unreadable', reason='the file is empty')
    """
    try:
        data = read_all(FileSource(path.name, path), limits)
    except UnreadableImageError as error:
        return Examined("", damage=Damage("unreadable", str(error)))
    sha256 = hashlib.sha256(data).hexdigest()
    kind = kind_of(data[:1024])
    if kind is None or kind in ("zip", "gzip"):
        reason = "the file is no image" if data.strip(b"\0") else "the file holds zeros only"
        return Examined(
            sha256, damage=Damage("unreadable", reason if data else "the file is empty")
        )
    gap = missing_end(data, kind, limits)
    try:
        traits = file_traits(data, kind)
        film = _film(data, path.name, limits)
    except ImageError as error:
        return Examined(sha256, damage=_damage(gap, error))
    pixels = display_pixels(film)
    rows, columns = pixels.shape
    if gap is None and (share := grey_tail(pixels)) >= _GREY_TAIL:
        gap = f"the lower {100 * share:.0f} % are the grey that decoders paint for missing data"
    if gap is not None:
        return Examined(sha256, rows, columns, traits, Damage("truncated", gap))
    measured = pixel_traits(pixels)
    traits = Traits(
        {**traits.classes, **measured.classes, "color": _color(film)},
        {**traits.numbers, **measured.numbers},
    )
    return Examined(sha256, rows, columns, traits, pixels=pixels)


def picture_of(path: Path, *, limits: Limits = DEFAULT_LIMITS) -> npt.NDArray[np.uint8] | None:
    """Return the display values of a film, also of a truncated JPEG as far as it goes, or None.

    Example:
        >>> picture_of(Path("nowhere.jpg")) is None
        True
    """
    try:
        data = read_all(FileSource(path.name, path), limits)
        kind: Kind | None = kind_of(data[:1024])
        if kind == "jpeg" and missing_end(data, kind, limits) is not None:
            # An end put behind what is there makes the decoder show it, and the rest grey.
            data += b"\xff\xd9"
        return display_pixels(_film(data, path.name, limits))
    except ImageError:
        return None


def display_pixels(film: Radiograph) -> npt.NDArray[np.uint8]:
    """Return the display values of a film in 8 bit, as copies are compared and pictures shown."""
    return np.asarray(np.rint(film.pixels * np.float32(255)), dtype=np.uint8)


def _film(data: bytes, name: str, limits: Limits) -> Radiograph:
    images = read_source(BytesSource(name, data), limits=limits)
    films = [image for image in images if isinstance(image, Radiograph)]
    if not films:
        raise UnreadableImageError("the file holds no film", got="a volume")
    return films[0]


def _damage(gap: str | None, error: ImageError) -> Damage:
    if gap is None and error.what == TRUNCATED:
        gap = error.got
    return Damage("unreadable", str(error)) if gap is None else Damage("truncated", gap)


def _color(film: Radiograph) -> str:
    return "coloured" if film.acquisition.has_color else "grey"
