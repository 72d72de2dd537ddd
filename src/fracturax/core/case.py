"""A Case: a study whose truth is known, and the patient it must never be separated from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from fracturax.core.anatomy import Region
from fracturax.core.geometry import Box
from fracturax.core.labels import LabelVolume
from fracturax.core.study import Study

CaseModality = Literal["film", "ct"]


@dataclass(frozen=True)
class Polygon:
    """The outline of a fracture as `(row, column)` points, in pixels of the original image."""

    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class SliceBox:
    """A fracture marked on one slice of a CT.

    Args:
        slice_number: The slice as the data set numbers it; in a DICOM series whose files are
            named by number that of the file. It is no index into a `Volume`, whose slices are in
            order of position.
        box: Where, in pixels of that slice.
    """

    slice_number: int
    box: Box


@dataclass(frozen=True)
class Part:
    """One bone, vertebra or fracture of a CT that the reference speaks of.

    Args:
        name: What it is called (`L1`, `sacrum`, `fracture 3`).
        label: Its value in the mask; None where there is no mask or it is not known.
        fracture: Whether it is fractured; None where nobody says.
        kind: The kind of fracture in the data set's words (`displaced`, `Genant 2`), or empty.
    """

    name: str
    label: int | None = None
    fracture: bool | None = None
    kind: str = ""


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
        kind: The kind of fracture, where the data set has several; else empty.
        parts: Bones, vertebrae or single fractures of a CT, each with its own answer.
        slice_boxes: Fractures marked on slices of a CT; None where nobody marked them.
    """

    fracture: bool
    boxes: tuple[Box, ...] | None = None
    polygons: tuple[Polygon, ...] = ()
    regions: tuple[Region, ...] = ()
    hardware: bool | None = None
    views: tuple[str, ...] = ()
    several_exposures: bool | None = None
    kind: str = ""
    parts: tuple[Part, ...] = ()
    slice_boxes: tuple[SliceBox, ...] | None = None


@dataclass(frozen=True)
class Case:
    """A study with its reference; the pixels are read when they are asked for.

    Two cases are equal if all is equal that is known of them; how they are opened is not compared.

    Args:
        name: Names the case within its data set.
        reference: The truth.
        patient_key: Cases that share it are never put on two sides of a split. A salted hash
            where the patient is known, else the group of copies and neighbours. Of a public data
            set whose patients have public numbers it is made of these without a salt.
        open: Reads the study.
        group: Hospital, device or acquisition group, in the data set's own words; None where
            unknown. A split that holds out a group goes by it.
        date: Day of the examination as `YYYY-MM-DD`; None where unknown. A temporal split goes by
            it. Never written or logged.
        split: The part the data set itself puts it in (`train`, `valid`, `test` or its own word);
            None where it says none.
        path: The file it is read from, or the folder that holds its files and no other's; None
            where there is neither.
        modality: `film` where the study is radiographs, `ct` where it is a volume.
        open_labels: Reads the mask of a CT, on the grid it is stored in; None where there is none.
    """

    name: str
    reference: Reference
    patient_key: str
    open: Callable[[], Study] = field(compare=False, repr=False)
    group: str | None = None
    date: str | None = field(default=None, repr=False)
    split: str | None = None
    path: Path | None = None
    modality: CaseModality = "film"
    open_labels: Callable[[], LabelVolume] | None = field(default=None, compare=False, repr=False)


def patient_key(identifier: str, *, salt: str) -> str:
    """Return a key that groups a patient's studies and cannot be turned back without the salt.

    Example:
        >>> patient_key("4711", salt="a") == patient_key("4711", salt="b")
        False
    """
    digest = hashlib.blake2b(identifier.encode(), key=salt.encode()[:64], digest_size=8)
    return digest.hexdigest()
