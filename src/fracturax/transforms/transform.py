"""A transform: a small frozen object that makes one image of another and says how to go back."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import ConfigError, ImageError
from fracturax.core.image import Image, Radiograph, Step, Volume
from fracturax.transforms.axis_map import AxisMap

Values = npt.NDArray[np.float32]
Unit = Literal["HU", "arbitrary"]
Kind = Literal["film", "volume"]


@dataclass(frozen=True, eq=False)
class Made:
    """What a transform made of pixels.

    Args:
        pixels: The new ones.
        axis_map: Where the old ones lie in them; None where they stayed.
        unit: The unit of a volume, where it changed.
        remark: What a user should know, such as why nothing was done; else empty.
    """

    pixels: Values
    axis_map: AxisMap | None = None
    unit: Unit | None = None
    remark: str = ""


@dataclass(frozen=True, eq=False)
class Transformed:
    """An image after a transform.

    Args:
        image: The new image, with one more step in its history.
        axis_map: Where the old image's pixels lie in it; boxes and masks go there and back by it.
        remark: What a user should know; else empty.
    """

    image: Image
    axis_map: AxisMap
    remark: str = ""


@dataclass(frozen=True)
class Transform(ABC):
    """Base of all transforms: parameters are the fields of a frozen dataclass, all plain values.

    A film keeps display values in [0, 1], a volume its unit unless the transform says otherwise.
    """

    name: ClassVar[str]
    takes: ClassVar[tuple[Kind, ...]] = ("film", "volume")

    def apply(self, image: Image) -> Transformed:
        """Return a new image; the one given stays as it is.

        Raises:
            ImageError: If the transform does not take such an image, or a pixel is no number.
        """
        kind: Kind = "volume" if isinstance(image, Volume) else "film"
        if kind not in self.takes:
            raise ImageError(
                f"the transform {self.name} does not take a {kind}",
                got=f"shape {image.pixels.shape}",
                cure=f"leave it out of the plan; it is for a {' or a '.join(self.takes)}",
            )
        pixels = image.pixels.astype(np.float32, copy=False)
        if not math.isfinite(float(pixels.sum(dtype=np.float64))):
            raise ImageError(
                "some pixels are no numbers", got="NaN or infinity", cure="replace them first"
            )
        made = self._make(pixels, image)
        values = np.ascontiguousarray(made.pixels, np.float32)
        if isinstance(image, Radiograph) and (values.min() < 0 or values.max() > 1):
            values = np.clip(values, 0, 1)
        axis_map = made.axis_map or AxisMap.identity(image.pixels.shape)
        changed = replace(
            image,
            pixels=values,
            geometry=axis_map.geometry(image.geometry),
            # On another grid of pixels it is no plane of the objects it came from: what is found
            # on it goes back by the map first.
            origin=image.origin if axis_map.is_identity else None,
            history=(*image.history, self.step),
        )
        if isinstance(changed, Volume) and made.unit is not None:
            changed = replace(changed, unit=made.unit)
        return Transformed(changed, axis_map, made.remark)

    @abstractmethod
    def _make(self, pixels: Values, image: Image) -> Made:
        """Make the new pixels; those given are not written to."""

    @property
    def step(self) -> Step:
        """The transform as a step of a history or a plan, enough to repeat it."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        return Step(self.name, tuple((name, value) for name, value in values if value is not None))

    def _require(self, is_so: bool, what: str, got: float | str) -> None:
        """Refuse a parameter.

        Raises:
            ConfigError: If it is not as it has to be.
        """
        if not is_so:
            raise ConfigError(f"{self.name}: {what}", got=str(got))


def require_display_values(pixels: Values, *, name: str) -> None:
    """Refuse values outside [0, 1], such as Hounsfield units.

    Raises:
        ImageError: If there are any.
    """
    low, high = float(pixels.min()), float(pixels.max())
    if low < 0 or high > 1:
        raise ImageError(
            f"the transform {name} takes values from 0 to 1",
            got=f"{low:g} to {high:g}",
            cure="put a normalization, such as hu_window, before it",
        )
