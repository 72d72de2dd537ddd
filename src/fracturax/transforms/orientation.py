"""One orientation for all volumes: each array axis runs in a stated direction of the patient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fracturax.core.errors import GeometryError
from fracturax.core.image import Image
from fracturax.transforms.axis_map import AxisMap
from fracturax.transforms.transform import Kind, Made, Transform, Values

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
        from nibabel import orientations

        if image.geometry.affine is None:
            raise GeometryError(
                "to_orientation needs a volume that says how it lies",
                got="no position",
                cure="leave it out of the plan",
            )
        # The affine leads to L, P and S, as DICOM has it.
        labels = (("R", "L"), ("A", "P"), ("I", "S"))
        library: Any = orientations
        is_now = library.io_orientation(np.asarray(image.geometry.affine))
        wanted = library.axcodes2ornt(tuple(self.axes), labels)
        change = library.ornt_transform(is_now, wanted)
        axes = [0, 0, 0]
        signs = [1, 1, 1]
        for old, (new, sign) in enumerate(change.astype(int).tolist()):
            axes[new], signs[new] = old, sign
        shape = tuple(pixels.shape[axis] for axis in axes)
        turned = pixels.transpose(axes)[tuple(slice(None, None, sign) for sign in signs)]
        offset = tuple(float(n) if sign < 0 else 0.0 for n, sign in zip(shape, signs, strict=True))
        scale = tuple(float(sign) for sign in signs)
        return Made(turned, AxisMap(pixels.shape, shape, tuple(axes), scale, offset))
