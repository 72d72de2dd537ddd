"""A Finding: one place in one image where the model sees a fracture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from fracturax.core.anatomy import Region
from fracturax.core.errors import ModelError
from fracturax.core.geometry import Box, Extent

Certainty = Literal["certain", "doubt"]


@dataclass(frozen=True, eq=False)
class Mask:
    """The pixels of a finding, cut to their bounding box.

    Args:
        values: True inside, shape `(rows, columns)`, or `(slices, rows, columns)` of a volume.
        offset: Where the first value lies in the original image, one number an axis.

    Raises:
        ModelError: If the values are no such array, are not cut to what is inside, or the offset
            is negative or has another number of axes.

    Example:
        >>> Mask(np.ones((4, 3), bool), (10, 20)).bounds
        ((10, 14), (20, 23))
    """

    values: npt.NDArray[np.bool_]
    offset: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.values.dtype != np.bool_ or self.values.ndim not in (2, 3):
            raise ModelError(
                "a mask is a boolean array (rows, columns) or (slices, rows, columns)",
                got=f"{self.values.dtype} of shape {self.values.shape}",
            )
        if len(self.offset) != self.values.ndim or min(self.offset) < 0:
            raise ModelError("a mask begins at no pixel of the image", got=str(self.offset))
        axes = range(self.values.ndim)
        if self.values.size == 0 or not all(
            self.values.take(edge, axis).any() for axis in axes for edge in (0, -1)
        ):
            raise ModelError(
                "a mask is not cut to its bounding box",
                got=f"shape {self.values.shape}",
                cure="use Mask.of to cut it",
            )
        self.values.flags.writeable = False

    @classmethod
    def of(cls, values: npt.NDArray[np.bool_]) -> Mask:
        """Cut a mask of the whole image to what is inside.

        Raises:
            ModelError: If nothing is.

        Example:
            >>> Mask.of(np.eye(5, dtype=bool)[1:]).offset
            (0, 1)
        """
        if not values.any():
            raise ModelError("a mask marks no pixel", got=f"shape {values.shape}")
        inside = np.nonzero(values)
        low = tuple(int(axis.min()) for axis in inside)
        high = tuple(int(axis.max()) + 1 for axis in inside)
        cut = tuple(slice(*pair) for pair in zip(low, high, strict=True))
        return cls(np.ascontiguousarray(values[cut]), low)

    @property
    def bounds(self) -> tuple[tuple[int, int], ...]:
        """Half-open range of pixels along each axis."""
        return tuple(
            (low, low + size) for low, size in zip(self.offset, self.values.shape, strict=True)
        )


@dataclass(frozen=True)
class Finding:
    """One suspected fracture.

    Args:
        image: Name of the image of the study it lies in.
        box: Where, in pixels of the original image.
        score: The detector's own score in [0, 1]; ranks findings, is no probability.
        probability: Calibrated probability that a fracture lies in the box.
        certainty: `certain` (drawn solid) reaches the high-specificity point, `doubt` (dotted)
            only the high-sensitivity point.
        region: Part of the body, where the model knows it.
        mask: Its pixels, where the model outlines it; they lie within `box` and `slices`.
        slices: Half-open range of the slices it spans in a volume; None for a film, and where
            the model does not say.
        extent_mm: Its box in the patient: least and greatest corner, each left, posterior,
            superior (LPS) in millimetres; None where the image does not say how it lies.

    Raises:
        ModelError: If score or probability lies outside [0, 1], the slices or the extent are no
            range, or the mask reaches out of the box or the slices.
    """

    image: str
    box: Box
    score: float
    probability: float
    certainty: Certainty
    region: Region | None = None
    mask: Mask | None = None
    slices: tuple[int, int] | None = None
    extent_mm: Extent | None = None

    def __post_init__(self) -> None:
        for name in ("score", "probability"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ModelError(f"the {name} of a finding lies outside [0, 1]")
        if self.slices is not None and not 0 <= self.slices[0] < self.slices[1]:
            raise ModelError("the slices of a finding are no range", got=str(self.slices))
        if self.extent_mm is not None and not all(
            low < high for low, high in zip(*self.extent_mm, strict=True)
        ):
            raise ModelError("the extent of a finding is empty", got=str(self.extent_mm))
        if self.mask is not None:
            self._check_mask(self.mask)

    def _check_mask(self, mask: Mask) -> None:
        box = self.box
        sides = [(box.row_min, box.row_max), (box.column_min, box.column_max)]
        room = [(math.floor(low), math.ceil(high)) for low, high in sides]
        if mask.values.ndim == 3:
            if self.slices is None:
                raise ModelError("a finding has a mask in slices and no slices")
            room.insert(0, self.slices)
        if any(
            low < least or high > most
            for (low, high), (least, most) in zip(mask.bounds, room, strict=True)
        ):
            raise ModelError(
                "the mask of a finding reaches out of its box", got=f"{mask.bounds} in {room}"
            )
