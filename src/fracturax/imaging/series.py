"""Slices of one CT, MR or PET series → one Volume, or the sentence that says why not."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import GeometryError, UnreadableImageError
from fracturax.core.geometry import Geometry
from fracturax.core.image import Origin, Step, Volume
from fracturax.imaging.attributes import (
    acquisition_of,
    groups_of,
    macro_of,
    numbers_of,
    spacing_numbers,
    text_of,
)
from fracturax.imaging.codec import layout_of
from fracturax.imaging.dicom import stored_frames
from fracturax.imaging.display import padding_of, rescale_of
from fracturax.imaging.guard import Limits, as_unreadable, check_at_most
from fracturax.imaging.header import Header
from fracturax.imaging.origin import stored_header
from fracturax.imaging.source import Source

_SEND_AGAIN = "send or export the whole series again"
_SAME_PLACE_MM = 0.01
_COSINE_TOLERANCE = 1e-3
_AIR_HU = -1000


@dataclass(frozen=True, eq=False)
class Slice:
    """One slice before its pixels are read.

    Args:
        file: Position of its file in the series.
        frame: Position of its frame in the file.
        shape: Rows and columns.
        spacing_mm: Between rows and between columns.
        position: Centre of the first pixel, LPS, mm; None if the file does not say.
        orientation: Direction of a row and of a column, LPS; None if the file does not say.
        thickness_mm: SliceThickness or spacing between slices, where a lone slice needs it.
    """

    file: int
    frame: int
    shape: tuple[int, int]
    spacing_mm: tuple[float, ...]
    position: npt.NDArray[np.float64] | None
    orientation: npt.NDArray[np.float64] | None
    thickness_mm: float | None


def read_volume(files: Sequence[tuple[Source, Header]], limits: Limits) -> Volume:
    """Read the files of one series as a volume.

    Slices are put in order along their normal (the cross product of row and column direction),
    whatever their numbers say. CT is returned in HU, as int16 where that is exact, else float32;
    MR and PET in arbitrary units. Padding of a CT becomes air (-1000 HU).

    Args:
        files: Sources with their headers: single slices, or one multi-frame file.
        limits: What is accepted.

    Returns:
        The volume, named after its first file, with an affine from (slice, row, column) to LPS mm.

    Raises:
        GeometryError: If slices are missing, doubled, tilted or differ in orientation or spacing.
        UnreadableImageError: If pixels cannot be read.

    References:
        DICOM PS3.3, C.7.6.2.1.1 "Image Position and Image Orientation".
    """
    with as_unreadable("the series cannot be read"):
        slices = [
            slice_ for index, (_, header) in enumerate(files) for slice_ in _slices(index, header)
        ]
        ordered, geometry = arrange(slices)
        rows, columns = ordered[0].shape
        check_at_most(len(ordered) * rows * columns * 2, limits.volume_bytes, "the volume in bytes")
        pixels, sha256, steps = _read_pixels(files, ordered, limits)
        first = files[0][1]
        acquisition = acquisition_of(groups_of(first.dataset, 0))
        unit: Literal["HU", "arbitrary"] = "HU" if acquisition.modality == "CT" else "arbitrary"
        origin = Origin(
            tuple(stored_header(header) for _, header in files),
            tuple((slice_.file, slice_.frame + 1) for slice_ in ordered),
        )
        return Volume(
            *(pixels, files[0][0].name, sha256, geometry, acquisition, steps, origin), unit=unit
        )


def _slices(index: int, header: Header) -> Iterable[Slice]:
    layout, _ = layout_of(header)
    if layout.samples != 1:
        raise UnreadableImageError("the series is coloured", cure="give the original series")
    for frame in range(layout.frames):
        groups = groups_of(header.dataset, frame)
        place = macro_of(groups, "PlanePositionSequence", "ImagePositionPatient")
        plane = macro_of(groups, "PlaneOrientationSequence", "ImageOrientationPatient")
        measures = macro_of(groups, "PixelMeasuresSequence", "PixelSpacing")
        between = macro_of(groups, "PixelMeasuresSequence", "SpacingBetweenSlices")
        thick = macro_of(groups, "PixelMeasuresSequence", "SliceThickness")
        thickness = numbers_of(thick, "SliceThickness") if thick is not None else ()
        if not thickness and between is not None:
            thickness = tuple(abs(gap) for gap in numbers_of(between, "SpacingBetweenSlices"))
        yield Slice(
            file=index,
            frame=frame,
            shape=(layout.rows, layout.columns),
            spacing_mm=spacing_numbers(measures, "PixelSpacing") if measures is not None else (),
            position=_vector(place, "ImagePositionPatient", 3),
            orientation=_vector(plane, "ImageOrientationPatient", 6),
            thickness_mm=thickness[0] if thickness else None,
        )


def _vector(holder: Any, keyword: str, count: int) -> npt.NDArray[np.float64] | None:
    if holder is None:
        return None
    numbers = spacing_numbers(holder, keyword)
    if len(numbers) != count or not all(math.isfinite(number) for number in numbers):
        raise GeometryError(f"{keyword} is not {count} finite numbers", cure=_SEND_AGAIN)
    return np.array(numbers)


def arrange(slices: Sequence[Slice]) -> tuple[list[Slice], Geometry]:
    """Put slices in order and return their common geometry.

    Args:
        slices: In any order, at least one.

    Returns:
        The slices along their normal, and the geometry of the volume. A lone slice without
        position has no affine, one without thickness no spacing.

    Raises:
        GeometryError: If they are no stack of parallel, equally spaced, equal slices.
    """
    first = slices[0]
    _check_alike(slices)
    Geometry(first.spacing_mm or None)  # refuses spacing that is not positive
    is_placed = first.position is not None and first.orientation is not None
    if len(slices) == 1 and not (is_placed and first.thickness_mm):
        spacing = (first.thickness_mm or 0.0, *first.spacing_mm)
        known = len(spacing) == 3 and bool(first.thickness_mm)
        return list(slices), Geometry(spacing, "patient") if known else Geometry()
    if first.orientation is None or any(slice_.position is None for slice_ in slices):
        raise GeometryError(
            f"{len(slices)} slices have no position",
            got="no ImagePositionPatient or ImageOrientationPatient",
            cure=_SEND_AGAIN,
        )
    if len(first.spacing_mm) != 2:
        raise GeometryError("the slices have no pixel spacing", cure=_SEND_AGAIN)
    normal = _normal(first.orientation)
    # Ties keep the order of the files; they are refused below.
    positions = [slice_.position for slice_ in slices if slice_.position is not None]
    heights: npt.NDArray[np.float64] = np.stack(positions) @ normal
    order = np.argsort(heights, kind="stable")
    ordered = [slices[index] for index in order]
    _check_gaps(heights[order])
    step = _step(ordered, normal)
    return ordered, _geometry(ordered[0], step)


def _check_alike(slices: Sequence[Slice]) -> None:
    first = slices[0]
    for number, other in enumerate(slices[1:], start=2):
        if other.shape != first.shape:
            raise GeometryError(
                f"files 1 and {number} of the series differ in size",
                got="{} x {} and {} x {}".format(*first.shape, *other.shape),
                cure=_SEND_AGAIN,
            )
        if len(other.spacing_mm) != len(first.spacing_mm) or not np.allclose(
            other.spacing_mm, first.spacing_mm, rtol=1e-3
        ):
            raise GeometryError(
                f"files 1 and {number} of the series differ in pixel spacing",
                got=f"{first.spacing_mm} and {other.spacing_mm} mm",
                cure=_SEND_AGAIN,
            )
        if first.orientation is None or other.orientation is None:
            if first.orientation is not other.orientation:
                raise GeometryError("some slices have no orientation", cure=_SEND_AGAIN)
        elif np.abs(other.orientation - first.orientation).max() > _COSINE_TOLERANCE:
            raise GeometryError(
                f"files 1 and {number} of the series differ in orientation",
                got="slices that are not parallel",
                cure="read them as two series, or " + _SEND_AGAIN,
            )


def _normal(orientation: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    along_row, along_column = orientation[:3], orientation[3:]
    lengths = np.linalg.norm(along_row), np.linalg.norm(along_column)
    is_unit = all(abs(length - 1.0) < 1e-2 for length in lengths)
    if not is_unit or abs(float(np.dot(along_row, along_column))) > 1e-2:
        raise GeometryError(
            "the directions of rows and columns are not perpendicular unit vectors",
            got=str(tuple(round(float(cosine), 4) for cosine in orientation)),
            cure=_SEND_AGAIN,
        )
    normal: npt.NDArray[np.float64] = np.cross(along_row, along_column)
    return normal / np.linalg.norm(normal)


def _check_gaps(heights: npt.NDArray[np.float64]) -> None:
    """Refuse doubled slices and gaps; positions rounded to 0.1 mm are neither."""
    if len(heights) < 2:
        return
    gaps = np.diff(heights)
    usual = float(np.sort(gaps)[(len(gaps) - 1) // 2])  # of two candidates the smaller: no gap
    doubled = np.flatnonzero(gaps < _SAME_PLACE_MM)
    if doubled.size:
        where = int(doubled[0]) + 1
        raise GeometryError(
            f"slices {where} and {where + 1} lie at the same place",
            got=f"{len(doubled)} doubled slices of {len(heights)}",
            cure="split the series by time, echo or reconstruction, or remove the copies",
        )
    tolerance = min(max(0.05 * usual, 0.1), 0.4 * usual)
    worst = int(np.argmax(np.abs(gaps - usual)))
    if abs(float(gaps[worst]) - usual) > tolerance:
        raise GeometryError(
            f"slices {worst + 1} and {worst + 2} are {gaps[worst]:.1f} mm apart, "
            f"the rest {usual:.1f} mm",
            cure=_SEND_AGAIN,
        )


def _step(ordered: Sequence[Slice], normal: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the way from one slice to the next, refusing a gantry tilt."""
    first, last = ordered[0], ordered[-1]
    assert first.position is not None and last.position is not None
    if len(ordered) == 1:
        return normal * (first.thickness_mm or 1.0)
    way = last.position - first.position
    height = float(np.dot(way, normal))
    sideways = float(np.linalg.norm(way - height * normal))
    if sideways > max(0.5 * min(first.spacing_mm), 0.002 * height):
        raise GeometryError(
            f"each slice is shifted against the last, a gantry tilt of "
            f"{math.degrees(math.atan2(sideways, height)):.1f} degrees",
            got=f"{sideways:.1f} mm over {height:.1f} mm",
            cure="resample the series to a straight stack",
        )
    return way / (len(ordered) - 1)


def _geometry(first: Slice, step: npt.NDArray[np.float64]) -> Geometry:
    assert first.position is not None and first.orientation is not None
    along_row, along_column = first.orientation[:3], first.orientation[3:]
    affine = np.eye(4)
    affine[:3, 0] = step
    affine[:3, 1] = along_column * first.spacing_mm[0]  # rows follow each other down a column
    affine[:3, 2] = along_row * first.spacing_mm[1]
    affine[:3, 3] = first.position
    return Geometry.from_affine(affine)


def _read_pixels(
    files: Sequence[tuple[Source, Header]], ordered: Sequence[Slice], limits: Limits
) -> tuple[npt.NDArray[np.int16] | npt.NDArray[np.float32], str, tuple[Step, ...]]:
    """Decode the slices into one array; int16 until a slice needs float32."""
    place = {(slice_.file, slice_.frame): index for index, slice_ in enumerate(ordered)}
    volume: npt.NDArray[Any] | None = None
    digests: list[tuple[int, str]] = []
    slopes: set[tuple[float, float]] = set()
    padded = False
    for file in dict.fromkeys(slice_.file for slice_ in ordered):
        source, header = files[file]
        is_ct = (text_of(header.dataset, "Modality") or "").upper() == "CT"
        padding = padding_of(header.dataset) if is_ct else None
        padded = padded or padding is not None
        sha256, frames = stored_frames(source, header, limits)
        for frame, stored in enumerate(frames):
            rescale = rescale_of(groups_of(header.dataset, frame))
            slopes.add(rescale)
            values = _modality_values(stored, *rescale, padding=padding)
            if volume is None:
                volume = np.empty((len(ordered), *values.shape), np.int16)
            if values.dtype == np.float32 and volume.dtype == np.int16:
                volume = volume.astype(np.float32)
            volume[place[file, frame]] = values
        digests.append((file, sha256))
    assert volume is not None
    steps = [
        Step("rescale", (("slope", slope), ("intercept", intercept)))
        for slope, intercept in sorted(slopes)
    ]
    if padded:
        steps.append(Step("fill_padding", (("value", _AIR_HU),)))
    return volume, _one_digest(digests), tuple(steps)


def _one_digest(digests: Sequence[tuple[int, str]]) -> str:
    """Return the hash of a lone file, or the hash of the hashes of several, in slice order."""
    if len(digests) == 1:
        return digests[0][1]
    return hashlib.sha256("".join(digest for _, digest in digests).encode()).hexdigest()


def _modality_values(
    stored: npt.NDArray[np.integer[Any]],
    slope: float,
    intercept: float,
    *,
    padding: tuple[int, int] | None,
) -> npt.NDArray[np.int16] | npt.NDArray[np.float32]:
    """Return modality values of one slice, int16 if that is exact."""
    is_whole = slope.is_integer() and intercept.is_integer()
    values: npt.NDArray[Any]
    if is_whole and abs(slope) < 2**31 and abs(intercept) < 2**31:
        values = stored.astype(np.int64) * int(slope) + int(intercept)
    else:
        values = stored.astype(np.float32) * np.float32(slope) + np.float32(intercept)
    if padding is not None:
        values[(stored >= padding[0]) & (stored <= padding[1])] = _AIR_HU
    fits = is_whole and int(values.min()) >= -32768 and int(values.max()) <= 32767
    return values.astype(np.int16) if fits else values.astype(np.float32)
