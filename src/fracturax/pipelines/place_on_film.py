"""Film and CT of one patient: the film's pose, judged, and where places of the CT lie in it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from fracturax.core.errors import FracturaXError, ImageError
from fracturax.core.fusion import FilmPlacement
from fracturax.core.geometry import Box
from fracturax.core.image import Radiograph, Volume
from fracturax.simulation.cone_beam import VIEWS, ConeBeam, Pose
from fracturax.simulation.pose_search import PoseSearch

SOURCE_DETECTOR_MM, SOURCE_OBJECT_MM = 1150.0, 900.0
"""A usual table, where the file does not say better."""
Points = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FilmHint:
    """What a user knows of the films of a pair that their files do not say.

    Args:
        pose: About where the patient lay, within 10 degrees and 20 mm; None takes the view that
            the file states.
        pixel_mm: Pixel size at the detector; None takes that of the file.
    """

    pose: Pose | None = None
    pixel_mm: float | None = None


@dataclass(frozen=True, eq=False)
class PlacedFilm:
    """A film and where it lies over the CT.

    Args:
        film: The film.
        placement: Whether it may be used, and why not.
        beam: From the patient to its pixels; None where no pose was found.
    """

    film: Radiograph
    placement: FilmPlacement
    beam: ConeBeam | None = None

    def crop(self, center_mm: Points, *, pixels: int, pixel_mm: float) -> Floats | None:
        """Return a square of the film about a place of the patient, black outside the film.

        Args:
            center_mm: The place, patient coordinates (LPS), shape `(3,)`.
            pixels: Rows and columns.
            pixel_mm: Side of a pixel at the detector.

        Returns:
            Display values in [0, 1], shape `(pixels, pixels)`; None where the place is not in the
            film.
        """
        assert self.beam is not None, "a film without a pose is not cropped"
        row, column = self.beam.project(center_mm[None])[0].tolist()
        if not (0 <= row <= self.film.rows - 1 and 0 <= column <= self.film.columns - 1):
            return None
        down, along = (pixel_mm / one for one in self.beam.pixel_mm)
        # Shrinking by sampling alone would alias what is finer than a pixel of the crop.
        sigma = [0.5 * max(0.0, step**2 - 1) ** 0.5 for step in (down, along)]
        reach = [int(np.ceil(pixels / 2 * step + 4 * max(sigma) + 2)) for step in (down, along)]
        first = [max(0, int(at) - far) for at, far in zip((row, column), reach, strict=True)]
        last = [int(at) + far for at, far in zip((row, column), reach, strict=True)]
        part = np.array(self.film.pixels[first[0] : last[0], first[1] : last[1]])
        if max(sigma) > 0:
            part = np.asarray(
                cv2.GaussianBlur(part, (0, 0), sigmaX=max(sigma[1], 0.1), sigmaY=max(sigma[0], 0.1))
            )
        steps = np.arange(pixels) - pixels // 2
        columns = np.tile(column - first[1] + steps * along, (pixels, 1))
        rows = np.tile((row - first[0] + steps * down)[:, None], (1, pixels))
        cut = cv2.remap(
            part,
            columns.astype(np.float32),
            rows.astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=0,
        )
        return np.clip(np.asarray(cut, np.float32), 0, 1)

    def box_of(self, corners_mm: Points) -> Box | None:
        """Return the box of points of the patient in pixels of the film; None if it is outside.

        Args:
            corners_mm: Patient coordinates (LPS), shape `(n, 3)`.
        """
        assert self.beam is not None, "a film without a pose shows no place"
        seen = self.beam.project(corners_mm)
        low, high = seen.min(axis=0) - 0.5, seen.max(axis=0) + 0.5
        box = Box(float(low[0]), float(low[1]), float(high[0]), float(high[1]))
        return box.clipped(rows=self.film.rows, columns=self.film.columns)


def place_films(
    films: tuple[Radiograph, ...], ct: Volume, hint: FilmHint | None = None
) -> tuple[PlacedFilm, ...]:
    """Search the pose of each film in a CT; what was not found says why.

    Args:
        films: The films.
        ct: CT in HU of the same patient.
        hint: What their files do not say.
    """
    told = hint or FilmHint()
    starts = [_start(film, told) for film in films]
    if all(isinstance(one, str) for one in starts):
        return tuple(
            PlacedFilm(film, FilmPlacement(film.name, False, reason=str(reason)))
            for film, reason in zip(films, starts, strict=True)
        )
    try:
        search = PoseSearch(ct)
    except FracturaXError as error:
        return tuple(
            PlacedFilm(film, FilmPlacement(film.name, False, reason=str(error))) for film in films
        )
    return tuple(
        PlacedFilm(film, FilmPlacement(film.name, False, reason=start))
        if isinstance(start, str)
        else _place(film, start, search, ct)
        for film, start in zip(films, starts, strict=True)
    )


def pixel_at_detector(film: Radiograph) -> float:
    """Return the side of a film's pixels at the detector.

    Raises:
        ImageError: If its file does not say.
    """
    spacing = film.geometry.spacing_mm
    if spacing is None or film.geometry.spacing_meaning == "calibrated":
        raise ImageError(
            "the film does not say how large its pixels are at the detector",
            got="no spacing" if spacing is None else "a spacing calibrated in the body",
            cure="give --pixel-mm",
        )
    return float(spacing[0])


def _start(film: Radiograph, hint: FilmHint) -> tuple[Pose, float] | str:
    """Return pose and pixel size to begin with, or why there are none."""
    said = (film.acquisition.view_position or "").upper()
    pose = hint.pose or VIEWS.get(said)
    if pose is None:
        named = f"view {said}" if said else "no view"
        return f"where the patient lay is not known; got {named}; give --pose, such as AP"
    try:
        size = hint.pixel_mm if hint.pixel_mm is not None else pixel_at_detector(film)
    except ImageError as error:
        return str(error)
    return pose, size


def _place(
    film: Radiograph, start: tuple[Pose, float], search: PoseSearch, ct: Volume
) -> PlacedFilm:
    pose, size = start
    try:
        beam = ConeBeam(
            *(SOURCE_DETECTOR_MM, SOURCE_OBJECT_MM, film.rows, film.columns, (size, size)),
            pose=pose,
            center_mm=_middle(ct),
        )
        match = search.find(film, beam)
    except FracturaXError as error:
        return PlacedFilm(film, FilmPlacement(film.name, False, reason=str(error)))
    placement = FilmPlacement(film.name, match.is_usable, match.score, match.reason)
    return PlacedFilm(film, placement, match.beam if match.is_usable else None)


def _middle(ct: Volume) -> tuple[float, float, float]:
    affine = np.array(ct.geometry.affine)
    x, y, z = (affine[:3, :3] @ ((np.array(ct.pixels.shape) - 1) / 2) + affine[:3, 3]).tolist()
    return (x, y, z)
