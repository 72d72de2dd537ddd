"""What a written form says and marks, once it is read back."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fracturax.core.geometry import Box
from fracturax.reporting.readback.planes import Plane


@dataclass(frozen=True)
class Place:
    """Which image is meant: by the UID of its object, or by the hash or name of its file.

    Args:
        sop_instance_uid: Of a DICOM object.
        frame: Of that object, from 1; None if it holds one image or all are meant.
        sha256: Of a file that is no DICOM.
        name: Of a file, as the JSON document gives it.
    """

    sop_instance_uid: str | None = None
    frame: int | None = None
    sha256: str | None = None
    name: str | None = None


@dataclass(frozen=True, eq=False)
class Mark:
    """One thing drawn over an image; exactly one of points, points in space, mask or words.

    Args:
        place: Which image; None where only the points in space tell.
        label: What is said about it.
        is_dashed: Whether its line is broken.
        layer: Graphic layer it lies on, as the form names it.
        points: Corners of a line, shape `(n, 2)`: column, row, from the top left corner of the
            first pixel.
        points_mm: The same in the patient (LPS), shape `(n, 3)`.
        mask: Marked pixels, shape `(rows, columns)`.
        plane: Where the mask lies in the patient, if it says.
    """

    place: Place | None
    label: str = ""
    is_dashed: bool = False
    layer: str = ""
    points: npt.NDArray[np.float64] | None = None
    points_mm: npt.NDArray[np.float64] | None = None
    mask: npt.NDArray[np.bool_] | None = None
    plane: Plane | None = None

    @property
    def box(self) -> Box | None:
        """The smallest box about it in its image; None if it has no extent there."""
        if self.mask is not None:
            rows, columns = np.nonzero(self.mask)
            if not rows.size:
                return None
            return Box(rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
        if self.points is None or not len(self.points):
            return None
        (left, top), (right, bottom) = self.points.min(axis=0), self.points.max(axis=0)
        if right <= left or bottom <= top:
            return None
        return Box(float(top), float(left), float(bottom), float(right))


@dataclass(frozen=True, eq=False)
class ReadBack:
    """A written form, read back.

    Args:
        form: Its name, as `--forms` takes it.
        title: What it calls itself.
        lines: What it says in words.
        marks: What it draws.
        references: Images it refers to, marked or not.
        picture: Its own pixels, RGB or grey, if it is a picture itself.
        attachment: Its own document (a PDF), if it carries one.
    """

    form: str
    title: str = ""
    lines: tuple[str, ...] = ()
    marks: tuple[Mark, ...] = ()
    references: tuple[Place, ...] = ()
    picture: npt.NDArray[np.uint8] | None = None
    attachment: bytes | None = field(default=None, repr=False)
