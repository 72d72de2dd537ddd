"""Where a film is taken from: source, detector, and how the patient lies between them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from fracturax.core.errors import GeometryError, UnknownNameError

Points = npt.NDArray[np.float64]

_MOST_PIXELS = 1 << 26
# Beam axes at rest in patient coordinates (LPS): along a row, down a column, with the central ray.
_ALONG_ROW = np.array([1.0, 0.0, 0.0])
_DOWN_COLUMN = np.array([0.0, 0.0, -1.0])
_CENTRAL_RAY = np.array([0.0, 1.0, 0.0])
_AXES = np.stack([_ALONG_ROW, _DOWN_COLUMN, _CENTRAL_RAY])


@dataclass(frozen=True)
class Pose:
    """How the patient is turned and moved while source and detector stand still.

    At rest the film is an anteroposterior one: the beam runs from front to back, the patient's
    left is on the right of the film, the head is up.

    Args:
        rotation_deg: Turns about the patient's axes x (to the left), y (to the back), z (to the
            head), one after the other about axes that stand still.
        translation_mm: Shifts along these axes, after the turns; y is the depth.

    Raises:
        GeometryError: If a number is not finite.

    Example:
        >>> Pose((0, 0, 90)).matrix.round().astype(int).tolist()
        [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    """

    rotation_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    translation_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        numbers = (*self.rotation_deg, *self.translation_mm)
        if len(numbers) != 6 or not all(math.isfinite(number) for number in numbers):
            raise GeometryError(
                "a pose is three turns in degrees and three shifts in millimetres",
                got=str(numbers),
                cure="give six finite numbers",
            )

    @property
    def matrix(self) -> Points:
        """Rotation matrix, shape (3, 3)."""
        return np.asarray(Rotation.from_euler("xyz", self.rotation_deg, degrees=True).as_matrix())

    @classmethod
    def from_matrix(cls, matrix: Points, translation_mm: Points) -> Pose:
        """Return the pose of a rotation matrix and a shift.

        Example:
            >>> turned = Pose((10, -5, 30), (1, 2, 3))
            >>> again = Pose.from_matrix(turned.matrix, np.array(turned.translation_mm))
            >>> np.allclose(again.rotation_deg, turned.rotation_deg)
            True
        """
        turns = Rotation.from_matrix(matrix).as_euler("xyz", degrees=True)
        return cls(
            (float(turns[0]), float(turns[1]), float(turns[2])),
            (float(translation_mm[0]), float(translation_mm[1]), float(translation_mm[2])),
        )

    def angle_to(self, other: Pose) -> float:
        """Return the angle in degrees between two poses, whatever the axis.

        Example:
            >>> round(Pose((10, 0, 0)).angle_to(Pose((0, 0, 0))), 6)
            10.0
        """
        between = Rotation.from_matrix(self.matrix @ other.matrix.T)
        return float(np.degrees(between.magnitude()))


VIEWS = {
    "AP": Pose(),
    "PA": Pose((0.0, 0.0, 180.0)),
    "LL": Pose((0.0, 0.0, 90.0)),
    "RL": Pose((0.0, 0.0, -90.0)),
}
"""Poses by their DICOM ViewPosition; LL has the patient's left at the detector."""


def view(name: str) -> Pose:
    """Return the pose of a view by its name.

    Raises:
        UnknownNameError: If there is no such view.

    Example:
        >>> view("pa").rotation_deg
        (0.0, 0.0, 180.0)
    """
    if name.upper() not in VIEWS:
        raise UnknownNameError("view", name, VIEWS)
    return VIEWS[name.upper()]


@dataclass(frozen=True)
class ConeBeam:
    """Source, flat detector and pose: what leads from a point in the patient to a pixel.

    Args:
        source_detector_mm: From source to detector (SID).
        source_object_mm: From source to `center_mm`, for a pose without translation.
        rows: Pixel rows of the detector.
        columns: Pixel columns of the detector.
        pixel_mm: Distance between pixel centres down a column and along a row, at the detector.
        pose: How the patient lies.
        center_mm: The point of the patient (LPS) that the pose turns about and that is seen in
            the middle of the detector where the pose has no translation.

    Raises:
        GeometryError: If a distance is no positive number, the object is not in between, or the
            detector is larger than its distance.

    Example:
        A point 100 mm nearer to the source than the centre is magnified more:

        >>> beam = ConeBeam(1000, 800, rows=101, columns=101, pixel_mm=(1.0, 1.0))
        >>> beam.project(np.array([[0, 0, 0], [8, 0, 0], [7, -100, 0]])).tolist()
        [[50.0, 50.0], [50.0, 60.0], [50.0, 60.0]]
    """

    source_detector_mm: float = 1150.0
    source_object_mm: float = 950.0
    rows: int = 512
    columns: int = 512
    pixel_mm: tuple[float, float] = (0.8, 0.8)
    pose: Pose = field(default_factory=Pose)
    center_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        distances = (self.source_detector_mm, self.source_object_mm, *self.pixel_mm)
        if not all(math.isfinite(distance) and distance > 0 for distance in distances):
            raise GeometryError(
                "the distances of a cone beam are positive millimetres", got=str(distances)
            )
        if self.source_object_mm >= self.source_detector_mm:
            raise GeometryError(
                "the object lies behind the detector",
                got=f"{self.source_object_mm} mm from the source, "
                f"the detector {self.source_detector_mm} mm",
                cure="give a source_object_mm below source_detector_mm",
            )
        is_sized = self.rows >= 1 and self.columns >= 1
        if not is_sized or self.rows * self.columns > _MOST_PIXELS:
            raise GeometryError(
                f"a detector has 1 to {_MOST_PIXELS} pixels",
                got=f"{self.rows} x {self.columns}",
            )
        sides = self.rows * self.pixel_mm[0], self.columns * self.pixel_mm[1]
        if max(sides) > self.source_detector_mm:
            raise GeometryError(
                "the detector is larger than its distance from the source",
                got=f"{sides[0]:g} x {sides[1]:g} mm at {self.source_detector_mm:g} mm",
                cure="give a smaller pixel_mm or fewer pixels",
            )
        if not all(math.isfinite(number) for number in self.center_mm):
            raise GeometryError("the centre is no point", got=str(self.center_mm))

    @property
    def source_mm(self) -> Points:
        """The source in patient coordinates, shape (3,)."""
        return self._to_patient(-self.source_object_mm * _CENTRAL_RAY)

    def project(self, points_mm: Points) -> Points:
        """Return the pixels that points of the patient are seen in.

        Args:
            points_mm: Patient coordinates (LPS), shape `(n, 3)`.

        Returns:
            Row and column, shape `(n, 2)`; whole numbers are pixel centres. They may lie outside
            the detector.

        Raises:
            GeometryError: If a point is not in front of the source.
        """
        moved = (np.asarray(points_mm, float) - self.center_mm) @ self.pose.matrix.T
        along, down, depth = ((moved + self.pose.translation_mm) @ _AXES.T).T
        depth = depth + self.source_object_mm
        if not (depth > 0).all():
            raise GeometryError(
                "a point lies behind the source",
                got=f"{float(depth.min()):.1f} mm in front of it",
                cure="give a greater source_object_mm",
            )
        magnification = self.source_detector_mm / depth
        row = down * magnification / self.pixel_mm[0] + (self.rows - 1) / 2
        column = along * magnification / self.pixel_mm[1] + (self.columns - 1) / 2
        return np.stack([row, column], axis=1)

    def detector_points(self, pixels: Points) -> Points:
        """Return where pixels lie; with `source_mm` the ends of their rays.

        Args:
            pixels: Row and column, shape `(n, 2)`.

        Returns:
            Patient coordinates (LPS, mm), shape `(n, 3)`.

        Example:
            >>> beam = ConeBeam(1000, 800, rows=3, columns=3, pixel_mm=(2.0, 1.0))
            >>> beam.detector_points(np.array([[1, 1], [0, 2]])).tolist()
            [[0.0, 200.0, 0.0], [1.0, 200.0, 2.0]]
        """
        rows, columns = np.asarray(pixels, float).T
        behind = self.source_detector_mm - self.source_object_mm
        return self._to_patient(
            np.multiply.outer((columns - (self.columns - 1) / 2) * self.pixel_mm[1], _ALONG_ROW)
            + np.multiply.outer((rows - (self.rows - 1) / 2) * self.pixel_mm[0], _DOWN_COLUMN)
            + behind * _CENTRAL_RAY
        )

    def sized(self, rows: int, columns: int) -> ConeBeam:
        """Return the same field with another number of pixels.

        Example:
            >>> ConeBeam(rows=512, columns=256, pixel_mm=(0.5, 0.5)).sized(128, 128).pixel_mm
            (2.0, 1.0)
        """
        pixel_mm = (
            self.pixel_mm[0] * self.rows / rows,
            self.pixel_mm[1] * self.columns / columns,
        )
        return replace(self, rows=rows, columns=columns, pixel_mm=pixel_mm)

    def _to_patient(self, points: Points) -> Points:
        # The inverse of a rotation is its transpose; rows times the matrix do just that.
        moved: Points = (points - self.pose.translation_mm) @ self.pose.matrix + self.center_mm
        return moved
