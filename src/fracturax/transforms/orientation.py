"""One orientation for all volumes: each array axis runs in a stated direction of the patient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import GeometryError
from fracturax.core.image import Image
from fracturax.transforms.axis_map import AxisMap
from fracturax.transforms.transform import Kind, Made, Transform, Values

ScalarT = TypeVar("ScalarT", bound=np.generic)

_OPPOSITE = {"L": "R", "R": "L", "P": "A", "A": "P", "S": "I", "I": "S"}


@dataclass(frozen=True)
class ToOrientation(Transform):
    """Swap and turn about the axes of a volume; no value is interpolated.

    Args:
        axes: The directions in which slices, rows and columns go on, of L and R (left, right),
            P and A (posterior, anterior), S and I (superior, inferior). `SPL` is axial slices
            from below, seen from the feet, as a radiologist has them.

    Raises:
        GeometryError: If the volume does not say how it lies.

    References:
        DICOM PS3.3, C.7.6.2.1.1 "Image Position and Image Orientation".
    """

    name: ClassVar[str] = "to_orientation"
    takes: ClassVar[tuple[Kind, ...]] = ("volume",)
    axes: str = "SPL"

    def __post_init__(self) -> None:
        lines = {min(letter, _OPPOSITE.get(letter, letter)) for letter in self.axes}
        is_fine = len(self.axes) == 3 and lines == {"L", "A", "I"}
        self._require(is_fine, "axes are one each of L or R, P or A, S or I", self.axes)

    def _make(self, pixels: Values, image: Image) -> Made:
        if image.geometry.affine is None:
            raise GeometryError(
                "to_orientation needs a volume that says how it lies",
                got="no position",
                cure="leave it out of the plan",
            )
        axis_map = orientation_map(pixels.shape, image.geometry.affine, self.axes)
        return Made(turn_axes(pixels, axis_map), axis_map)


def orientation_map(
    shape: tuple[int, ...], affine: tuple[tuple[float, ...], ...], axes: str = "SPL"
) -> AxisMap:
    """Return the way from a volume to the same one with its axes in stated directions.

    Args:
        shape: Of the volume.
        affine: Maps its indices to LPS, mm.
        axes: The directions in which slices, rows and columns go on afterwards.

    Example:
        >>> rows = ((0.0, 0.0, -1.0, 0.0), (0.0, 1.0, 0.0, 0.0), (2.0, 0.0, 0.0, 0.0))
        >>> orientation_map((4, 5, 6), (*rows, (0.0, 0.0, 0.0, 1.0))).scale
        (1.0, 1.0, -1.0)
    """
    from nibabel import orientations

    # The affine leads to L, P and S, as DICOM has it.
    labels = (("R", "L"), ("A", "P"), ("I", "S"))
    library: Any = orientations
    is_now = library.io_orientation(np.asarray(affine))
    wanted = library.axcodes2ornt(tuple(axes), labels)
    change = library.ornt_transform(is_now, wanted)
    order = [0, 0, 0]
    signs = [1, 1, 1]
    for old, (new, sign) in enumerate(change.astype(int).tolist()):
        order[new], signs[new] = old, sign
    turned = tuple(shape[axis] for axis in order)
    offset = tuple(float(n) if sign < 0 else 0.0 for n, sign in zip(turned, signs, strict=True))
    scale = tuple(float(sign) for sign in signs)
    return AxisMap(tuple(shape), turned, tuple(order), scale, offset)


def turn_axes(pixels: npt.NDArray[ScalarT], axis_map: AxisMap) -> npt.NDArray[ScalarT]:
    """Return a view of an array with its axes swapped and turned about as `orientation_map` says.

    Nothing is copied.
    """
    turns = tuple(slice(None, None, -1 if scale < 0 else 1) for scale in axis_map.scale)
    return pixels.transpose(axis_map.axes)[turns]
