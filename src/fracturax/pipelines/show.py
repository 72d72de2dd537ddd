"""Show: written results read back, and drawn over the images they are about."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError, FracturaXError, UnreadableImageError
from fracturax.core.geometry import Box
from fracturax.core.image import Image, Volume
from fracturax.imaging.source import clean_name
from fracturax.reporting.readback import (
    Mark,
    Place,
    Plane,
    ReadBack,
    draw_marks,
    plane_of,
    read_back,
)

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_MOST_FILES, _MOST_PICTURES = 2000, 100
_NEAR_PLANE = 0.51  # of the distance between slices: each point lies on one of them
_SKIPPED = frozenset({".html", ".csv", ".png", ".pdf", ".tmp"})


@dataclass(frozen=True)
class Shown:
    """A mark on one image.

    Args:
        image: Name of the image, with its slice where it has several.
        box: The smallest box about the mark, in pixels of that image; None for a point or line.
        label: What is said about it.
        is_dashed: Whether it is drawn with a broken line.
        layer: Graphic layer, where the form has layers.
        off_px: How far the place that the object gives in the patient lies from the one by
            reference, at the image's corners; None where it gives no place.
    """

    image: str
    box: Box | None
    label: str
    is_dashed: bool
    layer: str
    off_px: float | None = None


@dataclass(frozen=True, eq=False)
class ShownFile:
    """A written file, read back.

    Args:
        file: Its name.
        form: Its form, `sr`, `seg`, ...; `unknown` where it could not be read.
        title: What it calls itself.
        lines: What it says.
        marks: What it marks, image by image.
        references: How many images it refers to, and how many of them the source holds.
        pictures: What was written of it.
        problem: Why it could not be read or drawn.
    """

    file: str
    form: str
    title: str = ""
    lines: tuple[str, ...] = ()
    marks: tuple[Shown, ...] = ()
    references: tuple[int, int] = (0, 0)
    pictures: tuple[Path, ...] = ()
    problem: str = ""


@dataclass(frozen=True, eq=False)
class _Slice:
    """One plane of the source that a form can mark."""

    name: str
    image: Image
    index: int
    uid: str = ""
    frame: int = 1
    plane: Plane | None = None

    @property
    def shape(self) -> tuple[int, int]:
        return self.image.pixels.shape[-2], self.image.pixels.shape[-1]

    def pixels(self) -> npt.NDArray[np.uint8]:
        """Return what the plane looks like on a screen."""
        values = self.image.pixels.astype(np.float64)
        if isinstance(self.image, Volume):
            values = self.image.pixels[self.index].astype(np.float64)
            low, high = (
                (-500.0, 1300.0) if self.image.unit == "HU" else np.percentile(values, (1, 99))
            )
            values = (values - low) / max(float(high - low), 1e-6)
        return np.asarray(np.rint(np.clip(np.nan_to_num(values), 0, 1) * 255), np.uint8)


def show(
    results: Path, *, source: Path | None = None, out: Path | None = None
) -> Iterator[ShownFile]:
    """Read written results back and draw what they mark over the images.

    SR, SEG, presentation state, secondary capture, key objects, encapsulated PDF, FHIR, HL7 and the
    JSON document are read; pages, tables and plain pictures are left out.

    Args:
        results: A written file, or a folder of them.
        source: The study they are about; without it nothing is drawn but secondary captures.
        out: Folder for the pictures; none are written without it.

    Returns:
        One entry a file, in the order of their names.

    Raises:
        UnreadableImageError: If there is nothing at `results`, or `source` cannot be read.
        DataError: If no file there is a written result, or the source holds none of the images
            that the results refer to.
        ConfigError: If the folder cannot be written to.
    """
    files = list(_files(results))
    slices = [] if source is None else list(_slices(source))
    if out is not None:
        _make(out)
    shown = _Shower(slices, has_source=source is not None, out=out)
    count = 0
    for path in files:
        one = shown.show(path)
        if one is not None:
            count += 1
            yield one
    if not count:
        raise DataError(
            "there is no written result",
            got=f"{len(files)} files of other kinds",
            cure="give the folder that `fracturax read --out` wrote to",
        )
    if source is not None and shown.referred and not shown.found:
        raise DataError(
            "the source holds none of the images that the results are about",
            got=f"0 of {shown.referred}",
            cure="give the study they were read from: --source STUDY",
        )


class _Shower:
    """Shows one file after another over the same source."""

    def __init__(self, slices: Sequence[_Slice], *, has_source: bool, out: Path | None) -> None:
        self._slices, self._has_source, self._out = slices, has_source, out
        self.referred = self.found = 0

    def show(self, path: Path) -> ShownFile | None:
        """Read one file; what is wrong with it is said, and the others are still shown."""
        name = clean_name(path.name)
        try:
            read = read_back(path)
            if read is None:
                return None
            return self._drawn(name, read)
        except FracturaXError as error:
            return ShownFile(name, "unknown", problem=str(error))

    def _drawn(self, name: str, read: ReadBack) -> ShownFile:
        wanted = dict.fromkeys([*read.references, *(m.place for m in read.marks if m.place)])
        held = [place for place in wanted if any(_is_at(one, place) for one in self._slices)]
        self.referred += len(wanted)
        self.found += len(held)
        by_slice: dict[int, list[Mark]] = {}
        marks: list[Shown] = []
        for mark in read.marks:
            placements = list(self._placed(mark))
            for at, placed, off_px in placements:
                name_at = self._slices[at].name
                one = Shown(name_at, placed.box, mark.label, mark.is_dashed, mark.layer, off_px)
                by_slice.setdefault(at, []).append(placed)
                marks.append(one)
            if not placements:
                marks.append(_unplaced(mark))
        problem = ""
        if self._has_source and len(held) < len(wanted):
            problem = f"the source holds {len(held)} of the {len(wanted)} images it refers to"
        return ShownFile(
            name,
            read.form,
            _one_line(read.title),
            tuple(map(_printable, read.lines)),
            tuple(marks),
            (len(wanted), len(held)),
            tuple(self._write(name, read, by_slice)),
            problem,
        )

    def _placed(self, mark: Mark) -> Iterator[tuple[int, Mark, float | None]]:
        """Yield on which planes of the source a mark lies, in the pixels of each."""
        if mark.points_mm is not None:
            yield from self._in_space(mark, mark.points_mm)
            return
        for at, slice_ in enumerate(self._slices):
            if mark.place is not None and not _is_at(slice_, mark.place):
                continue
            if mark.place is None and mark.mask is None:
                continue
            if mark.mask is None:
                yield at, mark, None
            elif (placed := _on(slice_, mark)) is not None:
                yield at, *placed

    def _in_space(
        self, mark: Mark, points_mm: npt.NDArray[np.float64]
    ) -> Iterator[tuple[int, Mark, float | None]]:
        """Yield the planes that points of the patient lie on, all of them or some."""
        for at, slice_ in enumerate(self._slices):
            if slice_.plane is None:
                continue
            points, distance = slice_.plane.points_of(points_mm)
            near = distance <= _NEAR_PLANE * self._step(slice_)
            if near.all():
                yield at, replace(mark, points=points, points_mm=None), None
            elif near.any():
                inside = points[near]
                yield at, replace(mark, points=inside, points_mm=None), None

    def _step(self, slice_: _Slice) -> float:
        spacing = slice_.image.geometry.spacing_mm
        return spacing[0] if spacing is not None and len(spacing) == 3 else 1.0

    def _write(self, name: str, read: ReadBack, by_slice: dict[int, list[Mark]]) -> Iterator[Path]:
        """Write the pictures of a file: its own, and each plane it marks."""
        if self._out is None:
            return
        stem = "".join(one if one.isalnum() or one in "-_." else "_" for one in name)
        if read.attachment is not None:
            yield _save(self._out / f"{stem}.pdf", read.attachment)
        if read.picture is not None:
            yield _save(self._out / f"{stem}.png", _png(read.picture))
        chosen = sorted(by_slice) or self._unmarked(read)
        for number, at in enumerate(chosen[:_MOST_PICTURES], start=1):
            slice_ = self._slices[at]
            marks = by_slice.get(at, [])
            title = f"{read.form.upper()}  {slice_.name}  {_one_line(read.title)}"
            drawn = draw_marks(slice_.pixels(), marks, title=title)
            yield _save(self._out / f"{stem}-{number}.png", _png(drawn))

    def _unmarked(self, read: ReadBack) -> list[int]:
        """Return the planes that a form refers to without marking anything in them."""
        if read.picture is not None or not read.references:
            return []
        return [
            at
            for at, slice_ in enumerate(self._slices)
            if any(_is_at(slice_, place) for place in read.references)
        ][:4]


def _files(results: Path) -> Iterator[Path]:
    if not results.exists():
        raise UnreadableImageError(
            "there is no such file or folder", got=clean_name(results.name), cure="check the path"
        )
    if results.is_file():
        yield results
        return
    for count, path in enumerate(sorted(results.iterdir())):
        if count >= _MOST_FILES:
            raise DataError(
                f"the folder holds more than {_MOST_FILES} files", cure="give single files"
            )
        if path.is_file() and not path.is_symlink() and path.suffix.lower() not in _SKIPPED:
            yield path


def _slices(source: Path) -> Iterator[_Slice]:
    """Yield every plane of a source, with where it lies if its file says."""
    from fracturax.imaging import find_studies

    readable = 0
    for files in find_studies(source):
        study = files.open()
        for image in study.images:
            readable += 1
            yield from _planes(image)
    if not readable:
        raise UnreadableImageError(
            "no image of the source can be read", got=clean_name(source.name)
        )


def _planes(image: Image) -> Iterator[_Slice]:
    count = image.pixels.shape[0] if isinstance(image, Volume) else 1
    if image.origin is None:
        for index in range(count):
            yield _Slice(_name(image, index, count), image, index)
        return
    headers = [_header(data) for data in image.origin.headers]
    for index, (header, frame) in enumerate(image.origin.frames):
        dataset = headers[header]
        uid = str(dataset.get("SOPInstanceUID") or "")
        plane = plane_of(dataset, frame)
        yield _Slice(_name(image, index, count), image, index, uid, frame, plane)


def _header(data: bytes) -> Dataset:
    from pydicom import dcmread

    return dcmread(io.BytesIO(data))


def _name(image: Image, index: int, count: int) -> str:
    return f"{image.name} slice {index + 1}" if count > 1 else image.name


def _is_at(slice_: _Slice, place: Place) -> bool:
    if place.sop_instance_uid is not None:
        is_object = bool(slice_.uid) and slice_.uid == place.sop_instance_uid
        return is_object and place.frame in (None, slice_.frame)
    if place.sha256:
        # A file may lie in another folder now; its name still tells the frames of it apart.
        names = (None, PurePath(slice_.image.name).name)
        name = place.name and PurePath(place.name).name
        return slice_.image.file_sha256 == place.sha256 and name in names
    return place.name is not None and place.name == slice_.image.name


def _on(slice_: _Slice, mark: Mark) -> tuple[Mark, float | None] | None:
    """Return a mask in the pixels of a plane, and how far its own place is off, in pixels."""
    assert mark.mask is not None
    if mark.plane is None or slice_.plane is None:
        is_alike = mark.mask.shape == slice_.shape and mark.place is not None
        return (mark, None) if is_alike else None
    rows, columns = mark.mask.shape
    corners, distance = slice_.plane.points_of(mark.plane.corners_mm(rows, columns))
    own = np.array([[0.5, 0.5], [columns - 0.5, 0.5], [0.5, rows - 0.5]])
    if mark.place is None and distance.max() > 0.1:
        return None
    off = float(np.linalg.norm(corners - own, axis=1).max())
    if mark.mask.shape == slice_.shape and off < 0.01:
        return mark, off
    # Another grid than the image's: laid over it by its own place, nearest neighbour.
    turn = cv2.getAffineTransform(
        (own - 0.5).astype(np.float32), (corners - 0.5).astype(np.float32)
    )
    laid = cv2.warpAffine(
        mark.mask.astype(np.uint8), turn, slice_.shape[::-1], flags=cv2.INTER_NEAREST
    )
    return replace(mark, mask=laid > 0), off


def _unplaced(mark: Mark) -> Shown:
    place = mark.place
    name = "" if place is None else place.name or place.sop_instance_uid or ""
    return Shown(clean_name(name), mark.box, mark.label, mark.is_dashed, mark.layer)


def _make(folder: Path) -> None:
    from fracturax.core.errors import ConfigError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            "the folder for the pictures cannot be made",
            got=type(error).__name__,
            cure="give another one: --out FOLDER",
        ) from error


def _save(path: Path, content: bytes) -> Path:
    from fracturax.reporting.replacement import replacing

    with replacing(path) as stream:
        stream.write(content)
    return path


def _png(pixels: npt.NDArray[np.uint8]) -> bytes:
    from PIL import Image as PillowImage

    buffer = io.BytesIO()
    PillowImage.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _one_line(text: str) -> str:
    return " ".join(_printable(text).split())[:200]


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)[:500]


def documents(shown: Iterable[ShownFile]) -> list[dict[str, object]]:
    """Return what was read back as plain values, for JSON."""
    return [
        {
            "file": one.file,
            "form": one.form,
            "title": one.title,
            "lines": list(one.lines),
            "images_referred_to": one.references[0],
            "images_in_source": one.references[1],
            "marks": [
                {
                    "image": mark.image,
                    "box": None if mark.box is None else [float(v) for v in mark.box.as_tuple()],
                    "label": mark.label,
                    "is_dashed": mark.is_dashed,
                    "layer": mark.layer or None,
                    "off_px": mark.off_px,
                }
                for mark in one.marks
            ],
            "pictures": [str(path) for path in one.pictures],
            "problem": one.problem or None,
        }
        for one in shown
    ]
