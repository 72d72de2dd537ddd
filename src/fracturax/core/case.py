"""A Case: a study whose truth is known, and the patient it must never be separated from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from fracturax.core.anatomy import Region
from fracturax.core.geometry import Box
from fracturax.core.study import Study


@dataclass(frozen=True)
class Polygon:
    """The outline of a fracture as `(row, column)` points, in pixels of the original image."""

    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Reference:
    """What is known to be true about an image.

    Args:
        fracture: Whether it shows a fracture.
        boxes: Where, one box a fracture; None where nobody marked them.
        polygons: The outlines, as far as they were drawn.
        regions: Parts of the body it shows (more than one is possible).
        hardware: Whether it shows metal implants; None where unknown.
        views: Projections it shows (`frontal`, `lateral`, `oblique`).
        several_exposures: Whether the film holds more than one exposure; None where unknown.
    """

    fracture: bool
    boxes: tuple[Box, ...] | None = None
    polygons: tuple[Polygon, ...] = ()
    regions: tuple[Region, ...] = ()
    hardware: bool | None = None
    views: tuple[str, ...] = ()
    several_exposures: bool | None = None


@dataclass(frozen=True)
class Case:
    """A study with its reference; the pixels are read when they are asked for.

    Two cases are equal if all is equal that is known of them; how they are opened is not compared.

    Args:
        name: Names the case within its data set.
        reference: The truth.
        patient_key: Cases that share it are never put on two sides of a split. A salted hash
            where the patient is known, else the group of copies and neighbours.
        open: Reads the study.
        group: Hospital, device or acquisition group, in the data set's own words; None where
            unknown. A split that holds out a group goes by it.
        date: Day of the examination as `YYYY-MM-DD`; None where unknown. A temporal split goes by
            it. Never written or logged.
        split: The part the data set itself puts it in (`train`, `valid`, `test` or its own word);
            None where it says none.
        path: The file it is read from, or the folder that holds its files and no other's; None
            where there is neither.
    """

    name: str
    reference: Reference
    patient_key: str
    open: Callable[[], Study] = field(compare=False, repr=False)
    group: str | None = None
    date: str | None = field(default=None, repr=False)
    split: str | None = None
    path: Path | None = None


def patient_key(identifier: str, *, salt: str) -> str:
    """Return a key that groups a patient's studies and cannot be turned back without the salt.

    Example:
        >>> patient_key("4711", salt="a") == patient_key("4711", salt="b")
        False
    """
    digest = hashlib.blake2b(identifier.encode(), key=salt.encode()[:64], digest_size=8)
    return digest.hexdigest()
