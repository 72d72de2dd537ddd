"""Images with their geometry and history: a Radiograph is a film, a Volume a scan in slices."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import ImageError
from fracturax.core.geometry import Geometry

Laterality = Literal["left", "right", "both"]


@dataclass(frozen=True)
class Step:
    """One thing that was done to an image: its name and its parameters, enough to repeat it.

    Args:
        name: What it is called.
        parameters: Pairs of name and value; in TOML and JSON a table.
    """

    name: str
    parameters: tuple[tuple[str, str | float | int | bool], ...] = ()


@dataclass(frozen=True)
class Acquisition:
    """How an image came to be, as far as its file says; never who the patient is.

    Args:
        modality: DICOM Modality (`DX`, `CR`, `CT`, `MR`, ...), or `OT` where the file has none.
        body_part: BodyPartExamined in lower case, or None.
        laterality: Side of the body, or None.
        view_position: ViewPosition (`AP`, `PA`, `LL`, ...), or None.
        kvp: Tube voltage in kV, or None.
        has_color: Whether the stored pixels were coloured (a photograph, a screen copy).
        is_phantom: Whether the file says that it shows no patient (QualityControlImage).
    """

    modality: str = "OT"
    body_part: str | None = None
    laterality: Laterality | None = None
    view_position: str | None = None
    kvp: float | None = None
    has_color: bool = False
    is_phantom: bool = False


@dataclass(frozen=True, eq=False)
class Origin:
    """The DICOM objects an image was read from, without their pixels.

    It names the patient, so it is never logged and stands in no page, picture, table or JSON
    document; only what is written back to a hospital takes it up.

    Args:
        headers: A DICOM file each (Part 10, explicit VR little endian): without pixels, private
            groups and values above 64 KiB, texts in the character set they came in.
        frames: Where each plane of the image lies: position in `headers`, and the number of the
            frame, from 1. One for a film; for a volume one a slice, in the order of its slices.

    Raises:
        ImageError: If a plane lies in no header or a frame number is below 1.
    """

    headers: tuple[bytes, ...] = field(repr=False)
    frames: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        if not self.frames or not all(
            0 <= header < len(self.headers) and frame >= 1 for header, frame in self.frames
        ):
            raise ImageError(
                "the planes of an image do not lie in its headers",
                got=f"{len(self.frames)} planes, {len(self.headers)} headers",
            )


@dataclass(frozen=True, eq=False)
class Image:
    """Pixels with what is known about them; read-only once built.

    Args:
        pixels: See `Radiograph` and `Volume`.
        name: What tells this image from the others of its study: the file's name, and the
            frame where a file holds several. Shown to the user, never logged.
        file_sha256: Hash of the file's bytes (of all files, in order, for a series).
        geometry: Spacing and position.
        acquisition: What the file says about how the image was made.
        history: What was done to the stored pixels, first step first.
        origin: The DICOM objects it was read from; None for PNG, JPEG, TIFF and NIfTI.
    """

    pixels: npt.NDArray[np.float32] | npt.NDArray[np.int16]
    name: str = "image"
    file_sha256: str = ""
    geometry: Geometry = field(default_factory=Geometry)
    acquisition: Acquisition = field(default_factory=Acquisition)
    history: tuple[Step, ...] = ()
    origin: Origin | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.pixels.size == 0:
            raise ImageError("an image has no pixels", got=f"shape {self.pixels.shape}")
        self.pixels.flags.writeable = False

    def after(self, step: Step, pixels: npt.NDArray[np.float32]) -> Image:
        """Return this image with new pixels and one more step in its history."""
        return replace(self, pixels=pixels, history=(*self.history, step))


@dataclass(frozen=True, eq=False)
class Radiograph(Image):
    """A projection image as a reader sees it: bone bright.

    `pixels` are float32 display values in [0, 1], shape `(rows, columns)`.
    """

    pixels: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pixels.ndim != 2 or self.pixels.dtype != np.float32:
            raise ImageError(
                "a radiograph is a float32 array (rows, columns)",
                got=f"{self.pixels.dtype} of shape {self.pixels.shape}",
            )
        if self.geometry.spacing_mm is not None and len(self.geometry.spacing_mm) != 2:
            raise ImageError("a radiograph has two spacings", got=str(self.geometry.spacing_mm))

    @property
    def rows(self) -> int:
        """Number of pixel rows."""
        return int(self.pixels.shape[0])

    @property
    def columns(self) -> int:
        """Number of pixel columns."""
        return int(self.pixels.shape[1])


@dataclass(frozen=True, eq=False)
class Volume(Image):
    """A cross-sectional scan, shape `(slices, rows, columns)`.

    `unit` says whether its values are Hounsfield units.
    """

    unit: Literal["HU", "arbitrary"] = "HU"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pixels.ndim != 3:
            raise ImageError(
                "a volume is an array (slices, rows, columns)", got=f"shape {self.pixels.shape}"
            )
