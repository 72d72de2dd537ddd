"""Radiograph to CT: the pose whose simulated film looks like the one at hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from fracturax.core.errors import GeometryError, ImageError
from fracturax.core.geometry import Geometry
from fracturax.core.image import Radiograph, Volume
from fracturax.simulation.attenuation import CT_KEV
from fracturax.simulation.cone_beam import ConeBeam, Pose
from fracturax.simulation.film import develop
from fracturax.simulation.scene import Scene

Reals = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]

ENOUGH_LIKENESS = 0.75
"""Correlation from which on a pose is used; see docs/decisions/0007-simulation.md."""
# Turns in degrees, shifts in millimetres: how far a step of the derivative goes, and the search.
_STEPS = np.array([0.5, 0.5, 0.5, 1.0, 4.0, 1.0])
_REACH = np.array([25.0, 25.0, 25.0, 60.0, 120.0, 60.0])
_FIRST_TURNS_DEG = 8.0
_SMOOTH_PX, _LEAST_CONTRAST, _TINY = 0.7, 0.15, 1e-9


@dataclass(frozen=True)
class Level:
    """How fine one pass of the search looks.

    Args:
        pixels: Longer side of the films that are compared.
        voxel_mm: Side of the CT's voxels, about.
        detail: Size of what is compared, as a share of the film.
        rounds: Most steps of the optimizer.
    """

    pixels: int
    voxel_mm: float
    detail: float
    rounds: int


_LEVELS = (
    Level(48, 5.0, 0.20, 8),
    Level(96, 3.5, 0.12, 10),
    Level(192, 2.0, 0.05, 6),
    Level(320, 1.5, 0.03, 5),
)
_FLESH_HU = 40.0
_FLESH_FROM_HU, _FLESH_TO_HU = -200.0, 150.0


@dataclass(frozen=True)
class PoseMatch:
    """The pose that was found, and whether to use it.

    Args:
        beam: Geometry with the pose that fits best.
        score: Correlation of film and simulated film after their local contrast is made equal,
            -1 to 1.
        is_usable: Whether the score is high enough and the search ended inside its reach.
        reason: Why it is not usable; else empty.
    """

    beam: ConeBeam
    score: float
    is_usable: bool
    reason: str = ""


class PoseSearch:
    """A CT made ready to find the poses of films in.

    A film is compared with plain films of the CT (one energy, no scatter, no noise), both with
    their local mean and contrast made equal, so that tube, scatter and gain matter little. The sum
    of squared differences, which falls as the correlation rises, is lowered by Gauss-Newton steps
    within bounds, from coarse to fine; first from seven starts, the guess and turns by 8 degrees.
    Flesh moves between a film and a CT, bone does not: all flesh of the CT is made alike before.

    Args:
        volume: CT in HU.

    Raises:
        GeometryError: If the CT has no place in the patient.
        ImageError: If it cannot be simulated from.
        MissingExtraError: If numba is not installed.

    References:
        Penney et al., A comparison of similarity measures for use in 2-D-3-D medical image
        registration, IEEE Trans. Med. Imaging 17, 586-595 (1998), doi 10.1109/42.730403.
    """

    def __init__(self, volume: Volume) -> None:
        bones = _with_even_flesh(volume)
        self._scenes = [Scene(coarsened(bones, level.voxel_mm)) for level in _LEVELS]

    def find(self, film: Radiograph, start: ConeBeam) -> PoseMatch:
        """Search the pose that explains a film, from a guess about 10 degrees and 20 mm off.

        Args:
            film: The radiograph, bone bright, of the detector that `start` describes.
            start: Geometry with the guessed pose. Distances and detector are held.

        Returns:
            The best pose with its score. A search that failed says so.

        Raises:
            GeometryError: If the film is not of the detector's shape.
            ImageError: If the film is constant.
        """
        _check(film, start)
        pose, score = start.pose, -1.0
        for number, (level, scene) in enumerate(zip(_LEVELS, self._scenes, strict=True)):
            comparison = _Comparison(film, scene, start, level)
            guesses = _turned(pose) if number == 0 else (pose,)
            found = [comparison.improve(guess) for guess in guesses]
            pose, score = max(found, key=lambda one: one[1])
        reason = ""
        if score < ENOUGH_LIKENESS:
            reason = f"the film is not explained: score {score:.2f}, {ENOUGH_LIKENESS} is needed"
        elif _is_at_the_end(pose, start.pose):
            reason = "the search ended at the end of its reach; start nearer"
        return PoseMatch(replace(start, pose=pose), score, not reason, reason)


class _Comparison:
    """Film and CT at one level of detail."""

    def __init__(self, film: Radiograph, scene: Scene, start: ConeBeam, level: Level) -> None:
        share = min(1.0, level.pixels / max(start.rows, start.columns))
        rows, columns = (max(8, round(size * share)) for size in film.pixels.shape)
        self._beam = start.sized(rows, columns)
        self._around = start.pose
        self._level = level
        self._scene = scene
        pixels = np.array(film.pixels)
        small = cv2.resize(pixels, (columns, rows), interpolation=cv2.INTER_AREA)
        self._film = self._even(np.asarray(small, np.float32))

    def improve(self, guess: Pose) -> tuple[Pose, float]:
        """Return a better pose and its correlation."""
        best = least_squares(
            self._difference,
            np.clip(_offset(guess, self._around), -0.99 * _REACH, 0.99 * _REACH),
            jac=self._derivative,
            bounds=(-_REACH, _REACH),
            x_scale=_STEPS,
            max_nfev=self._level.rounds,
            xtol=1e-4,
            ftol=1e-5,
        )
        # Of two images of norm 1 the squared distance is 2 - 2 x correlation.
        return _moved(self._around, best.x), float(1 - best.cost)

    def _difference(self, offset: Reals) -> Reals:
        beam = replace(self._beam, pose=_moved(self._around, offset))
        light = np.exp(-self._scene.cast(beam).attenuation(CT_KEV))
        simulated = self._even(develop(light, "log", beam))
        return np.asarray((simulated - self._film).ravel(), float)

    def _derivative(self, offset: Reals) -> Reals:
        here = self._difference(offset)
        columns = [
            (self._difference(offset + step) - here) / step.sum() for step in np.diag(_STEPS)
        ]
        return np.stack(columns, axis=1)

    def _even(self, picture: Floats) -> Floats:
        """Return a picture with local mean 0, local contrast 1, and norm 1."""
        sigma = self._level.detail * max(picture.shape) / 2
        low = cv2.GaussianBlur(picture, (0, 0), sigma)
        high = cv2.GaussianBlur(picture, (0, 0), _SMOOTH_PX) - low
        contrast = np.sqrt(cv2.GaussianBlur(high * high, (0, 0), 1.5 * sigma))
        # Where there is next to no contrast, noise is not made as strong as bone.
        even = high / (contrast + _LEAST_CONTRAST * float(contrast.max()) + _TINY)
        return np.asarray(even / (np.linalg.norm(even) + _TINY), np.float32)


def coarsened(volume: Volume, voxel_mm: float) -> Volume:
    """Return a CT whose voxels are means of blocks, about `voxel_mm` wide.

    Raises:
        GeometryError: If the CT has no place in the patient.

    Example:
        >>> from fracturax.core.geometry import Geometry
        >>> fine = Volume(np.zeros((9, 8, 8), np.int16),
        ...     geometry=Geometry.from_affine(np.diag([1.0, 1.0, 1.0, 1.0])))
        >>> coarse = coarsened(fine, 2.0)
        >>> coarse.pixels.shape, coarse.geometry.spacing_mm, coarse.geometry.affine[0][3]
        ((5, 4, 4), (2.0, 2.0, 2.0), 0.5)
    """
    geometry = volume.geometry
    if geometry.affine is None or geometry.spacing_mm is None:
        raise GeometryError(
            "the CT does not say how it lies in the patient",
            got="no position and orientation",
            cure="give a DICOM series, or a NIfTI with sform or qform",
        )
    affine = np.array(geometry.affine)
    pixels: npt.NDArray[Any] = volume.pixels
    for axis, spacing in enumerate(geometry.spacing_mm):
        block = max(1, min(round(voxel_mm / spacing), pixels.shape[axis]))
        starts = np.arange(0, pixels.shape[axis], block)
        counts = np.diff(np.append(starts, pixels.shape[axis]))
        shape = [-1 if other == axis else 1 for other in range(3)]
        sums = np.add.reduceat(pixels, starts, axis=axis, dtype=np.float32)
        pixels = sums / counts.reshape(shape).astype(np.float32)
        affine[:3, 3] += affine[:3, axis] * (block - 1) / 2
        affine[:3, axis] *= block
    pixels = np.asarray(pixels, np.float32)
    return replace(volume, pixels=pixels, geometry=Geometry.from_affine(affine), origin=None)


def _with_even_flesh(volume: Volume) -> Volume:
    """Return a CT whose fat, muscle and organs have one value."""
    hu: npt.NDArray[Any] = volume.pixels
    is_flesh = (hu > _FLESH_FROM_HU) & (hu < _FLESH_TO_HU)
    return replace(volume, pixels=np.where(is_flesh, _FLESH_HU, hu).astype(np.float32))


def _check(film: Radiograph, start: ConeBeam) -> None:
    if film.pixels.shape != (start.rows, start.columns):
        raise GeometryError(
            "the film is not of this detector",
            got=f"{film.rows} x {film.columns}, the detector {start.rows} x {start.columns}",
            cure="give rows, columns and pixel_mm of the film",
        )
    if not film.pixels.max() > film.pixels.min():
        raise ImageError("the film is the same everywhere", got=f"{float(film.pixels.min()):g}")


def _turned(pose: Pose) -> tuple[Pose, ...]:
    """Return a pose and the same turned about each axis of the beam, both ways."""
    turns = _FIRST_TURNS_DEG * np.vstack([np.zeros(3), np.eye(3), -np.eye(3)])
    return tuple(_moved(pose, np.concatenate([turn, np.zeros(3)])) for turn in turns)


def _moved(pose: Pose, offset: Reals) -> Pose:
    turned = Rotation.from_rotvec(offset[:3], degrees=True).as_matrix() @ pose.matrix
    return Pose.from_matrix(turned, np.array(pose.translation_mm) + offset[3:])


def _offset(pose: Pose, around: Pose) -> Reals:
    turn = Rotation.from_matrix(pose.matrix @ around.matrix.T).as_rotvec(degrees=True)
    return np.concatenate([turn, np.subtract(pose.translation_mm, around.translation_mm)])


def _is_at_the_end(pose: Pose, start: Pose) -> bool:
    return bool((np.abs(_offset(pose, start)) > 0.98 * _REACH).any())
