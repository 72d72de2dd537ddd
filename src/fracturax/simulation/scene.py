"""A CT made ready for rays, and what they bring back: paths through water, bone and labels."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError, GeometryError, ImageError, MissingExtraError
from fracturax.core.geometry import Box
from fracturax.core.image import Volume
from fracturax.simulation.attenuation import (
    BONE_G_CM3,
    TISSUE_HU,
    mass_attenuation,
    solid_bone_hu,
)
from fracturax.simulation.cone_beam import ConeBeam

_EMPTY_HU = -950
_MOST_LABELS = 255
_SAME_PLACE_MM = 0.01


@dataclass(frozen=True, eq=False)
class Projection:
    """What the rays of a film crossed.

    Args:
        beam: Where they came from.
        water_mm: Water of density 1 along each ray, shape `(rows, columns)`.
        bone_mm: Solid cortical bone along each ray, same shape.
        labels: The labels that were followed, as they stand in their volume.
        paths_mm: Way inside each label, shape `(rows, columns, labels)`.
    """

    beam: ConeBeam
    water_mm: npt.NDArray[np.float32]
    bone_mm: npt.NDArray[np.float32]
    labels: tuple[int, ...]
    paths_mm: npt.NDArray[np.float32]

    def attenuation(self, kev: float) -> npt.NDArray[np.float32]:
        """Return the line integral of the attenuation at one energy, no unit."""
        water = float(mass_attenuation("water", kev)) / 10
        bone = float(mass_attenuation("bone", kev)) * BONE_G_CM3 / 10
        return np.asarray(self.water_mm * water + self.bone_mm * bone, np.float32)

    def mask(self, label: int) -> npt.NDArray[np.bool_]:
        """Return the pixels whose ray meets a label, shape `(rows, columns)`.

        Raises:
            DataError: If the label was not followed.
        """
        if label not in self.labels:
            raise DataError("the label was not projected", got=f"{label}, of {self.labels}")
        return np.asarray(self.paths_mm[..., self.labels.index(label)] > 0)

    def box(self, label: int) -> Box | None:
        """Return the box of a label in pixels of the film; None where it is not in the film."""
        mask = self.mask(label)
        if not mask.any():
            return None
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        return Box(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)


class Scene:
    """A CT that films are taken of, prepared once for any number of them.

    Args:
        volume: CT in HU with a place in the patient. Values are rounded to whole HU.
        labels: Label volume on the same grid (bones, fragments), or None; 0 is none.

    Raises:
        ImageError: If the CT is not in HU, is constant or holds values that are no numbers.
        GeometryError: If it has no place in the patient, or the labels are on another grid.
        DataError: If the labels are empty, no whole numbers, or more than 255.
        MissingExtraError: If numba is not installed.

    Example:
        >>> from fracturax.core.geometry import Geometry
        >>> hu = np.full((20, 20, 20), -1000, np.int16)
        >>> hu[5:15, 5:15, 5:15] = 0
        >>> cube = Volume(hu, geometry=Geometry.from_affine(np.diag([1.0, 1.0, 1.0, 1.0])))
        >>> scene = Scene(cube)
        >>> beam = ConeBeam(rows=33, columns=33, pixel_mm=(1.0, 1.0), center_mm=scene.center_mm)
        >>> round(float(scene.cast(beam).water_mm[16, 16]), 3)
        10.0
    """

    def __init__(self, volume: Volume, labels: Volume | None = None) -> None:
        self._joseph = _compiled_rays()
        self._affine = _place(volume)
        self._hu = _whole_hu(volume)
        self.labels, self._labels = _numbered(labels, volume)
        is_empty = self._hu <= _EMPTY_HU
        if self.labels:
            is_empty &= self._labels == 0
        self._is_occupied = _occupied_blocks(~is_empty, self._joseph.BLOCK)
        middle = (np.array(self._hu.shape) - 1) / 2
        center = self._affine[:3, :3] @ middle + self._affine[:3, 3]
        self.center_mm = (float(center[0]), float(center[1]), float(center[2]))
        """The middle of the CT in patient coordinates (LPS)."""

    def cast(self, beam: ConeBeam) -> Projection:
        """Send the rays of a film through the CT.

        A ray ends at the detector: what lies behind is not in the film. Outside the CT is air.
        Blocks of air alone (at most -950 HU) are skipped.

        Args:
            beam: Source, detector and pose.

        Raises:
            GeometryError: If the source lies inside the CT.
        """
        to_voxels = np.linalg.inv(self._affine)
        ends = beam.detector_points(np.array([[0, 0], [1, 0], [0, 1]]))
        points = np.vstack([beam.source_mm, ends])
        source, corner, below, beside = points @ to_voxels[:3, :3].T + to_voxels[:3, 3]
        if ((source > -0.5) & (source < np.array(self._hu.shape) - 0.5)).all():
            raise GeometryError(
                "the source lies inside the CT",
                got=f"{beam.source_object_mm:g} mm from its centre",
                cure="give a greater source_object_mm",
            )
        shape = beam.rows, beam.columns
        water, bone = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        paths = np.zeros((*shape, len(self.labels)), np.float32)
        self._joseph.cast_rays(
            *(self._hu, self._labels, self._is_occupied),
            *(source, corner, below - corner, beside - corner, _lengths(beam)),
            *(TISSUE_HU, solid_bone_hu(), water, bone, paths),
        )
        return Projection(beam, water, bone, self.labels, paths)


def _compiled_rays() -> ModuleType:
    try:
        from fracturax.simulation import joseph
    except ImportError as error:
        raise MissingExtraError("imaging", verb="casting rays through a CT") from error
    return joseph


def _lengths(beam: ConeBeam) -> npt.NDArray[np.float64]:
    down = (np.arange(beam.rows) - (beam.rows - 1) / 2) * beam.pixel_mm[0]
    along = (np.arange(beam.columns) - (beam.columns - 1) / 2) * beam.pixel_mm[1]
    return np.sqrt(beam.source_detector_mm**2 + down[:, None] ** 2 + along[None, :] ** 2)


def _place(volume: Volume) -> npt.NDArray[np.float64]:
    if volume.geometry.affine is None:
        raise GeometryError(
            "the CT does not say how it lies in the patient",
            got="no position and orientation",
            cure="give a DICOM series, or a NIfTI with sform or qform",
        )
    return np.array(volume.geometry.affine)


def _whole_hu(volume: Volume) -> npt.NDArray[np.int16]:
    if volume.unit != "HU":
        raise ImageError("only a CT can be simulated from", got=f"a volume in {volume.unit} units")
    pixels = volume.pixels
    low, high = float(pixels.min()), float(pixels.max())
    if not np.isfinite((low, high)).all():
        raise ImageError(
            "some voxels are no numbers", got="NaN or infinity", cure="replace them by air"
        )
    if low == high:
        raise ImageError("the CT is the same everywhere", got=f"{low:g} HU", cure="give another")
    if pixels.dtype == np.int16:
        return np.ascontiguousarray(pixels)
    return np.ascontiguousarray(np.rint(np.clip(pixels, -32000, 32000)), np.int16)


def _numbered(
    labels: Volume | None, volume: Volume
) -> tuple[tuple[int, ...], npt.NDArray[np.uint8]]:
    """Return the labels there are, and the volume with their places in that list plus one."""
    if labels is None:
        return (), np.empty((0, 0, 0), np.uint8)
    require_same_grid(labels, volume)
    if not np.equal(np.mod(labels.pixels, 1), 0).all() or labels.pixels.min() < 0:
        raise DataError("labels are whole numbers from 0", got=str(labels.pixels.dtype))
    whole = labels.pixels.astype(np.int64)
    found = np.unique(whole)
    found = found[found > 0]
    if not 1 <= found.size <= _MOST_LABELS:
        raise DataError(
            f"a label volume holds 1 to {_MOST_LABELS} labels", got=f"{found.size} labels"
        )
    numbers = np.zeros(int(found[-1]) + 1, np.uint8)
    numbers[found] = np.arange(1, found.size + 1)
    return tuple(int(label) for label in found), np.ascontiguousarray(numbers[whole])


def require_same_grid(labels: Volume, volume: Volume) -> None:
    """Refuse a label volume that does not lie voxel on voxel on its CT.

    Raises:
        GeometryError: If shape or place differ.
    """
    if labels.pixels.shape != volume.pixels.shape:
        raise GeometryError(
            "the labels do not fit their CT",
            got=f"shape {labels.pixels.shape}, the CT {volume.pixels.shape}",
            cure="resample them onto the CT",
        )
    places = labels.geometry.affine, volume.geometry.affine
    if places[0] is not None and not np.allclose(places[0], places[1] or 0, atol=_SAME_PLACE_MM):
        raise GeometryError(
            "the labels lie elsewhere than their CT",
            got="another affine",
            cure="resample them onto the CT",
        )


def _occupied_blocks(is_occupied: npt.NDArray[np.bool_], side: int) -> npt.NDArray[np.bool_]:
    from scipy.ndimage import binary_dilation

    starts = [np.arange(0, size, side) for size in is_occupied.shape]
    blocks = is_occupied
    for axis, places in enumerate(starts):
        blocks = np.logical_or.reduceat(blocks, places, axis=axis)
    # A ray is asked for at the middle of a block's planes; it may begin and end in the next one.
    return np.ascontiguousarray(binary_dilation(blocks, np.ones((3, 3, 3), np.bool_)))
