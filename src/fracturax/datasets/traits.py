"""Traits: what can be told of a film without looking at the anatomy, and may tell its label.

A network trained on films whose label shows in the size, the encoding or the number learns these.
Values are classes and measures, never an identifier: a hospital is a hash, a date is *present*.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from io import BytesIO
from itertools import groupby
from pathlib import PurePosixPath
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt
import PIL.Image
from PIL import ExifTags
from pydicom.dataset import Dataset

from fracturax.imaging.attributes import text_of
from fracturax.imaging.completeness import Structure, structure_of
from fracturax.imaging.guard import DEFAULT_LIMITS, as_unreadable
from fracturax.imaging.header import read_header
from fracturax.imaging.kind import Kind
from fracturax.imaging.source import BytesSource

TraitKind = Literal["class", "number"]


@dataclass(frozen=True)
class Trait:
    """A trait by name.

    Args:
        name: Its key in documents.
        title: What it is called in words.
        kind: Whether films are compared by equality or by order.
        cure: How training closes it, as an order.
        unit: Unit of a number, with a leading blank; empty for a class.
    """

    name: str
    title: str
    kind: TraitKind
    cure: str
    unit: str = ""


_RESIZE = "bring every film to one size, with its proportions kept and the rest filled"
_DECODE = "decode every film and encode it again in one and the same way, before training"
_GREY = "reduce every film to one grey channel"
_CROP = "crop the frame away, or paint the same frame around every film"
_NUMBERING = "split by neighbourhood of the numbering, and never feed the name to a model"
_HOSPITAL = "split by device and site, and report the figures of each"

TRAITS: tuple[Trait, ...] = (
    Trait("format", "File format", "class", _DECODE),
    Trait("bytes", "File size", "number", _DECODE, " bytes"),
    Trait("bytes_per_pixel", "Bytes per pixel", "number", _DECODE),
    Trait("size", "Size, rows × columns", "class", _RESIZE),
    Trait("rows", "Rows", "number", _RESIZE, " px"),
    Trait("columns", "Columns", "number", _RESIZE, " px"),
    Trait("aspect", "Columns per row", "number", _RESIZE),
    Trait("mode", "Colour mode", "class", _GREY),
    Trait("color", "Colour seen", "class", _GREY),
    Trait("depth", "Bits per value", "class", _GREY),
    Trait("levels", "Grey levels used", "number", "stretch every film by the same rule, in float"),
    Trait("quantization", "JPEG quantization table", "class", _DECODE),
    Trait("quality", "JPEG quality", "number", _DECODE),
    Trait("chroma", "Chroma subsampling", "class", _DECODE),
    Trait("coding", "Kind of compression", "class", _DECODE),
    Trait("segments", "Order of the file's segments", "class", _DECODE),
    Trait("padding", "Bytes after the end", "class", _DECODE),
    Trait("density", "Resolution entry", "class", _DECODE),
    Trait("metadata", "Metadata blocks", "class", _DECODE),
    Trait("software", "Software entry", "class", _DECODE),
    Trait("dates", "Date entry", "class", _DECODE),
    Trait("border", "Even frame, share of the film", "number", _CROP, " %"),
    Trait("border_sides", "Sides with an even frame", "class", _CROP),
    Trait("text", "Burned-in characters", "number", "mask burned-in text", " characters"),
    Trait("modality", "Modality", "class", _HOSPITAL),
    Trait("photometric", "Photometric interpretation", "class", _GREY),
    Trait("manufacturer", "Manufacturer", "class", _HOSPITAL),
    Trait("device", "Device model", "class", _HOSPITAL),
    Trait("site", "Site (hashed)", "class", _HOSPITAL),
    Trait("spacing", "Pixel spacing", "class", "resample every film to one spacing"),
    Trait("acquisition_group", "Acquisition group", "class", _DECODE),
    Trait("name_pattern", "Pattern of the file name", "class", _NUMBERING),
    Trait("folder", "Folder", "class", _NUMBERING),
    Trait("number", "Number in the name", "number", _NUMBERING),
)
"""All traits, in the order they are shown; a file has those that its format knows."""


@dataclass(frozen=True)
class Traits:
    """The traits of one film: classes and numbers by trait name."""

    classes: Mapping[str, str] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)


def file_traits(data: bytes, kind: Kind) -> Traits:
    """Return what a file's header and structure say, without decoding a pixel.

    Args:
        data: The whole file.
        kind: What its first bytes say.

    Raises:
        UnreadableImageError: If the header cannot be understood.

    Example:
        >>> buffer = BytesIO()
        >>> PIL.Image.new("L", (30, 20)).save(buffer, "JPEG", quality=60)
        >>> traits = file_traits(buffer.getvalue(), "jpeg")
        >>> traits.classes["size"], traits.classes["mode"], traits.numbers["quality"]
        ('20 x 30', 'L', 60.0)
    """
    with as_unreadable("the header cannot be understood"):
        if kind == "dicom":
            return _dicom_traits(data)
        if kind in ("jpeg", "png", "tiff"):
            return _raster_traits(data, kind)
    return Traits({"format": kind}, {"bytes": float(len(data))})


def pixel_traits(pixels: npt.NDArray[np.uint8]) -> Traits:
    """Measure frame, burned-in text and used grey levels of a film.

    Args:
        pixels: Display values, shape `(rows, columns)`.

    Example:
        >>> film = np.tile(np.arange(40, 140, dtype=np.uint8), (80, 1))
        >>> film[:8] = 0
        >>> traits = pixel_traits(film)
        >>> traits.numbers["border"], traits.classes["border_sides"], traits.numbers["levels"]
        (10.0, 'top', 101.0)
    """
    widths = border_widths(pixels)
    rows, columns = pixels.shape
    inner = max(0, rows - widths["top"] - widths["bottom"])
    inner *= max(0, columns - widths["left"] - widths["right"])
    sides = [side for side, width in widths.items() if width >= 0.01 * _side(pixels, side)]
    levels = np.count_nonzero(cv2.calcHist([pixels], [0], None, [256], [0, 256]))
    return Traits(
        {"border_sides": " ".join(sides) or "none"},
        {
            "border": round(100 * (1 - inner / pixels.size), 2),
            "levels": float(levels),
            "text": float(count_characters(pixels)),
        },
    )


def name_traits(name: str, folder: str) -> Traits:
    """Return the pattern of a file's name, its number, and its folder.

    Letters of the name stay hidden: a name may be that of a patient.

    Args:
        name: Path or name of the file.
        folder: Its folder, without the part that stands for the label.

    Example:
        >>> name_traits("images/IMG0000123.jpg", "images")
        Traits(classes={'name_pattern': 'AAA0000000.jpg', 'folder': 'images'}, \
numbers={'number': 123.0})
    """
    path = PurePosixPath(name)
    pattern = re.sub(r"[^\W\d_]", lambda found: "A" if found[0].isupper() else "a", path.stem)
    classes = {"name_pattern": re.sub(r"\d", "0", pattern) + path.suffix, "folder": folder or "."}
    number = number_in(path.stem)
    return Traits(classes, {} if number is None else {"number": float(number[1])})


def number_in(stem: str) -> tuple[str, int] | None:
    """Return the last number of a name and what stands before it; None if there is none.

    Example:
        >>> number_in("IMG0000123"), number_in("left_wrist")
        (('IMG', 123), None)
    """
    found = re.search(r"(\d{1,15})\D*$", stem)
    return None if found is None else (stem[: found.start()], int(found[1]))


def acquisition_groups(films: Sequence[Traits], *, at_least: int = 5) -> list[str]:
    """Group films by how they were made: size, mode, encoding and device; return a name for each.

    A size that fewer than `at_least` films have counts as odd, or cropped films would each be a
    group of their own.

    Example:
        >>> jpeg = {"size": "20 x 30", "mode": "L", "quantization": "q75 a1b2"}
        >>> acquisition_groups([Traits(jpeg)] * 5 + [Traits({**jpeg, "size": "9 x 9"})])[4:]
        ['20 x 30, L, q75 a1b2', 'odd size, L, q75 a1b2']
    """
    sizes = Counter(film.classes.get("size", "") for film in films)
    keys: list[tuple[str, ...]] = []
    for film in films:
        classes = dict(film.classes)
        if sizes[classes.get("size", "")] < at_least:
            classes["size"] = "odd size"
        keys.append(tuple(classes.get(name, "") for name in (*_GROUP_SHOWN, *_GROUP_HIDDEN)))
    shown = [", ".join(part for part in key[: len(_GROUP_SHOWN)] if part) for key in keys]
    variants: dict[str, dict[tuple[str, ...], None]] = {}
    for words, key in zip(shown, keys, strict=True):
        variants.setdefault(words, {})[key] = None
    numbered = {
        key: words if len(several) == 1 else f"{words}, variant {number}"
        for words, several in variants.items()
        for number, key in enumerate(several, start=1)
    }
    return [numbered[key] for key in keys]


_GROUP_SHOWN = ("manufacturer", "device", "size", "mode", "quantization")
_GROUP_HIDDEN = ("format", "depth", "chroma", "coding", "segments", "photometric", "site")


def border_widths(pixels: npt.NDArray[np.uint8]) -> dict[str, int]:
    """Return how many rows or columns at each side are evenly black or evenly white.

    Example:
        >>> film = np.full((50, 40), 90, np.uint8)
        >>> film[:, -6:] = 255
        >>> border_widths(film)
        {'top': 0, 'right': 6, 'bottom': 0, 'left': 0}
    """
    in_rows, in_columns = _even(pixels, 1), _even(pixels, 0)
    return {
        "top": _run(in_rows),
        "right": _run(in_columns[::-1]),
        "bottom": _run(in_rows[::-1]),
        "left": _run(in_columns),
    }


_BLACK, _WHITE = 12, 243


def _even(pixels: npt.NDArray[np.uint8], axis: int) -> npt.NDArray[np.bool_]:
    high = cv2.reduce(pixels, axis, cv2.REDUCE_MAX).ravel()
    low = cv2.reduce(pixels, axis, cv2.REDUCE_MIN).ravel()
    return np.asarray((high <= _BLACK) | (low >= _WHITE))


def _run(flags: npt.NDArray[np.bool_]) -> int:
    return len(flags) if flags.all() else int(np.argmin(flags))


def _side(pixels: npt.NDArray[np.uint8], side: str) -> int:
    rows, columns = pixels.shape
    return int(rows if side in ("top", "bottom") else columns)


_TEXT_SIDE = 1024
_STROKE_CONTRAST = 70
_LINE_OF = 3


def count_characters(pixels: npt.NDArray[np.uint8]) -> int:
    """Count what looks like burned-in characters: small bright strokes, in lines, at the margins.

    A character is a connected piece brighter than all around it, as high as letters are (1 to
    6 % of the film), with thin strokes, and with at least two more of its height beside it.
    A lone side marker (an L, an R) is none; nor is bone, which is no thin stroke in a line.

    Args:
        pixels: Display values, shape `(rows, columns)`.

    Example:
        >>> film = np.full((400, 400), 20, np.uint8)
        >>> _ = cv2.putText(film, "PORTABLE", (20, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 255, 1)
        >>> count_characters(film)
        8
    """
    scale = _TEXT_SIDE / max(pixels.shape)
    small = pixels
    if scale < 1:
        small = np.asarray(
            cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
        )
    side = max(small.shape)
    # What is thinner than a stroke may be stands out from an opening by a disc of that width.
    width = max(3, round(0.012 * side) | 1)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    strokes = cv2.morphologyEx(small, cv2.MORPH_TOPHAT, disc) >= _STROKE_CONTRAST
    strokes &= small >= 140
    count, _, boxes, _ = cv2.connectedComponentsWithStats(strokes.astype(np.uint8), connectivity=8)
    letters = []
    for left, top, wide, high, area in boxes[1:count].tolist():
        fits = 0.01 * side <= high <= 0.06 * side and wide <= 1.6 * high and wide >= 2
        if fits and area <= 0.75 * wide * high and area >= 0.12 * wide * high:
            row, column = (top + high / 2) / small.shape[0], (left + wide / 2) / small.shape[1]
            if min(row, column, 1 - row, 1 - column) <= 0.2:
                letters.append((left, top, wide, high))
    return sum(len(line) for line in _lines(letters) if len(line) >= _LINE_OF)


def _lines(letters: Sequence[tuple[int, int, int, int]]) -> list[list[tuple[int, int, int, int]]]:
    """Chain pieces of one height that stand side by side."""
    lines: list[list[tuple[int, int, int, int]]] = []
    for letter in sorted(letters):
        left, top, _, high = letter
        for line in lines:
            last_left, last_top, last_wide, last_high = line[-1]
            same_height = abs(high - last_high) <= 0.35 * last_high
            same_row = abs((top + high) - (last_top + last_high)) <= 0.3 * last_high
            beside = 0 <= left - (last_left + last_wide) <= 1.2 * last_high
            if same_height and same_row and beside:
                line.append(letter)
                break
        else:
            lines.append([letter])
    return lines


def _raster_traits(data: bytes, kind: Kind) -> Traits:
    formats = {"jpeg": ("JPEG",), "png": ("PNG",), "tiff": ("TIFF",)}[kind]
    with PIL.Image.open(BytesIO(data), formats=formats) as picture:
        columns, rows = picture.size
        info, exif = picture.info, picture.getexif()
        mode, quantization = picture.mode, getattr(picture, "quantization", None)
        tags: Any = getattr(picture, "tag_v2", {})
    blocks = [
        name for name in ("exif", "xmp", "icc_profile", "photoshop", "comment") if name in info
    ]
    dpi = info.get("dpi")
    software = exif.get(ExifTags.Base.Software) or info.get("Software") or "none"
    classes = {
        "format": formats[0],
        "size": f"{rows} x {columns}",
        "mode": mode,
        "depth": _raster_depth(mode, tags),
        "density": "none" if not dpi else f"{float(dpi[0]):.0f} x {float(dpi[1]):.0f}",
        "metadata": " ".join(blocks) or "none",
        "software": _one_line(software),
        "dates": "present" if _has_date(exif, info) else "none",
    }
    numbers = _size_numbers(rows, columns, len(data))
    if kind == "tiff":
        classes["coding"] = str(info.get("compression", "none"))
        return Traits(classes, numbers)
    structure = structure_of(data, kind)
    classes["segments"] = _segment_order(structure)
    classes["padding"] = _padding(data, structure.end)
    if kind == "png":
        classes["coding"] = "interlaced" if info.get("interlace") else "plain"
    if kind == "jpeg":
        classes |= _jpeg_frame(data, structure)
        if quantization:
            tables = tuple((key, tuple(table)) for key, table in sorted(quantization.items()))
            quality = _jpeg_quality(tables[0][1])
            digest = hashlib.sha256(repr(tables).encode()).hexdigest()[:4]
            classes["quantization"] = f"q{quality} {digest}"
            numbers["quality"] = float(quality)
    return Traits(classes, numbers)


def _size_numbers(rows: int, columns: int, size: int) -> dict[str, float]:
    return {
        "bytes": float(size),
        "rows": float(rows),
        "columns": float(columns),
        "aspect": round(columns / max(rows, 1), 4),
        "bytes_per_pixel": round(size / max(rows * columns, 1), 4),
    }


def _raster_depth(mode: str, tags: Any) -> str:
    bits = tags.get(258)
    if bits:
        return str(bits[0] if isinstance(bits, tuple) else bits)
    return "1" if mode == "1" else "16" if mode.startswith("I") else "8"


def _has_date(exif: PIL.Image.Exif, info: Mapping[Any, Any]) -> bool:
    inner = exif.get_ifd(ExifTags.IFD.Exif)
    dates = (ExifTags.Base.DateTimeOriginal, ExifTags.Base.DateTimeDigitized)
    return (
        ExifTags.Base.DateTime in exif
        or any(tag in inner for tag in dates)
        or any("date" in str(key).lower() or "time" in str(key).lower() for key in info)
    )


def _segment_order(structure: Structure) -> str:
    """Return the kinds of segments in order, each run of one kind once: who wrote the file."""
    return " ".join(kind for kind, _ in groupby(segment.kind for segment in structure.segments))[
        :120
    ]


def _padding(data: bytes, end: int | None) -> str:
    if end is None or end >= len(data):
        return "none"
    return "other" if data[end:].strip(b"\0") else "zeros"


_SAMPLINGS = {(1, 1): "4:4:4", (2, 1): "4:2:2", (2, 2): "4:2:0", (4, 1): "4:1:1", (1, 2): "4:4:0"}


def _jpeg_frame(data: bytes, structure: Structure) -> dict[str, str]:
    """Return what the frame header says: kind of coding and chroma subsampling."""
    for segment in structure.segments:
        if not segment.kind.startswith("SOF"):
            continue
        frame = data[segment.start : segment.end]
        coding = {"SOF0": "baseline", "SOF1": "extended", "SOF2": "progressive"}
        classes = {"coding": coding.get(segment.kind, segment.kind)}
        if len(frame) >= 9 and frame[5] == 1:
            classes["chroma"] = "none"
        elif len(frame) >= 12:
            luma, chroma = frame[7], frame[10]
            ratio = (luma >> 4) // max(chroma >> 4, 1), (luma & 15) // max(chroma & 15, 1)
            classes["chroma"] = _SAMPLINGS.get(ratio, "other")
        return classes
    return {}


# ITU-T T.81, table K.1, which IJG quality scales.
_LUMINANCE = np.array(
    [16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
     14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113,
     92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99]
)  # fmt: skip


@lru_cache(maxsize=256)
def _jpeg_quality(table: tuple[int, ...]) -> int:
    """Return the IJG quality whose luminance table is nearest in sum, which no order changes."""
    qualities = np.arange(1, 101)
    percent = np.where(qualities < 50, 5000 // qualities, 200 - 2 * qualities)
    tables = np.clip((_LUMINANCE[None] * percent[:, None] + 50) // 100, 1, 255)
    return int(qualities[np.abs(tables.sum(axis=1) - sum(table)).argmin()])


def _one_line(value: object) -> str:
    text = "".join(letter for letter in str(value) if letter.isprintable()).strip()
    return text[:48] or "none"


def _dicom_traits(data: bytes) -> Traits:
    header = read_header(BytesSource("", data), DEFAULT_LIMITS)
    dataset = header.dataset
    rows, columns = (int(text_of(dataset, word) or 0) for word in ("Rows", "Columns"))
    site = text_of(dataset, "InstitutionName") or text_of(dataset, "StationName")
    dates = ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate", "PatientBirthDate")
    classes = {
        "format": "DICOM",
        "size": f"{rows} x {columns}",
        "depth": text_of(dataset, "BitsStored") or "not stated",
        "photometric": text_of(dataset, "PhotometricInterpretation") or "not stated",
        "coding": header.transfer_syntax,
        "dates": "present" if any(text_of(dataset, word) for word in dates) else "none",
        "modality": text_of(dataset, "Modality") or "not stated",
        "manufacturer": _one_line(text_of(dataset, "Manufacturer") or "not stated"),
        "device": _one_line(text_of(dataset, "ManufacturerModelName") or "not stated"),
        "software": _one_line(text_of(dataset, "SoftwareVersions") or "none"),
        "site": hashlib.blake2b(site.encode(), digest_size=3).hexdigest() if site else "not stated",
        "spacing": _spacing(dataset),
    }
    return Traits(classes, _size_numbers(rows, columns, len(data)))


def _spacing(dataset: Dataset) -> str:
    for word in ("ImagerPixelSpacing", "PixelSpacing", "NominalScannedPixelSpacing"):
        value = text_of(dataset, word)
        if value is not None:
            return f"{float(value):.3g} mm"
    return "not stated"
