"""MetaImage (.mha, .mhd) → Volume: the header is checked by ourselves, SimpleITK decodes."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import MissingExtraError, UnreadableImageError
from fracturax.core.geometry import Geometry
from fracturax.core.image import Step, Volume
from fracturax.imaging.guard import (
    DEFAULT_LIMITS,
    TRUNCATED,
    Limits,
    as_unreadable,
    check_at_most,
)
from fracturax.imaging.source import clean_name

EXTENSIONS = (".mha", ".mhd")
_LARGEST_HEADER = 1 << 16
_BYTES = {
    **dict.fromkeys(("MET_CHAR", "MET_UCHAR"), 1),
    **dict.fromkeys(("MET_SHORT", "MET_USHORT"), 2),
    **dict.fromkeys(("MET_INT", "MET_UINT", "MET_FLOAT"), 4),
    **dict.fromkeys(("MET_LONG", "MET_ULONG", "MET_LONG_LONG", "MET_ULONG_LONG"), 8),
    "MET_DOUBLE": 8,
}
_CURE = "export it again, as MetaImage or NIfTI"


def read_metaimage(path: Path, *, limits: Limits = DEFAULT_LIMITS) -> Volume:
    """Read a MetaImage of three dimensions, with its pixels inside (.mha) or beside it (.mhd).

    MetaImage positions are DICOM's (LPS); its axes (i, j, k) become (slices, rows, columns) =
    (k, j, i). It has no unit of intensity: HU is assumed, and the history says so. int16 where
    that is exact, else float32.

    Args:
        path: The file with the header.
        limits: What is accepted; the size is checked before anything is decoded.

    Raises:
        UnreadableImageError: If it is damaged, truncated, too large, not 3-D, or names pixels that
            lie in another folder or in several files.
        GeometryError: If its position or spacing is impossible.
        MissingExtraError: If SimpleITK is not installed.

    References:
        MetaIO documentation, https://itk.org/Wiki/ITK/MetaIO/Documentation
    """
    pixels, geometry, sha256 = _read(path, limits)
    whole = pixels.dtype.kind in "iu" and pixels.min() >= -32768 and pixels.max() <= 32767
    values: npt.NDArray[np.int16] | npt.NDArray[np.float32] = (
        pixels.astype(np.int16) if whole else pixels.astype(np.float32)
    )
    if not whole and not np.isfinite(values).all():
        raise UnreadableImageError(
            "some voxels are no numbers", got="NaN or infinity", cure="replace them by air"
        )
    steps = (
        Step("assume_unit", (("unit", "HU"), ("reason", "MetaImage has no unit of intensity"))),
    )
    return Volume(values, clean_name(path.name), sha256, geometry, history=steps)


def _read(path: Path, limits: Limits) -> tuple[npt.NDArray[Any], Geometry, str]:
    name = clean_name(path.name)
    if not path.is_file():
        raise UnreadableImageError("there is no such file", got=name, cure="check the path")
    with as_unreadable("the MetaImage header is damaged"):
        header = _header(path)
        data = _data_file(path, header)
        shape = _shape(header)
        size = math.prod(shape) * _BYTES[header["elementtype"]]
        stored = data.stat().st_size
    check_at_most(max(size, 2 * math.prod(shape)), limits.volume_bytes, "the volume in bytes")
    check_at_most(stored, limits.file_bytes, "the size of the file in bytes")
    if header.get("compresseddata", "False").lower() == "true":
        limits.check_expansion(stored=stored, decoded=size, what="the MetaImage")
    elif stored < size:
        raise UnreadableImageError(TRUNCATED, got=f"{stored} of {size} bytes", cure="copy it again")
    sitk = _library()
    with as_unreadable("the MetaImage cannot be decoded"):
        sitk.ProcessObject.SetGlobalWarningDisplay(False)
        reader = sitk.ImageFileReader()
        reader.SetImageIO("MetaImageIO")
        reader.SetFileName(str(path))
        image = reader.Execute()
        pixels = sitk.GetArrayFromImage(image)
        digest = hashlib.sha256()
        for file in dict.fromkeys((path, data)):
            with file.open("rb") as stream:
                while piece := stream.read(1 << 20):
                    digest.update(piece)
        direction = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
        affine = np.eye(4)
        # Columns in the order of the array axes: k (slice), j (row), i (column).
        affine[:3, :3], affine[:3, 3] = direction[:, ::-1], image.GetOrigin()
    return pixels, Geometry.from_affine(affine), digest.hexdigest()


def _header(path: Path) -> dict[str, str]:
    with path.open("rb") as stream:
        head = stream.read(_LARGEST_HEADER)
    found: dict[str, str] = {}
    for line in head.split(b"\n"):
        key, is_there, value = line.partition(b"=")
        if not is_there:
            break
        found[key.strip().decode("ascii").lower()] = value.strip().decode("ascii")
        if "elementdatafile" in found:
            return found
    raise UnreadableImageError(
        "the file is no MetaImage", got="no ElementDataFile in its header", cure=_CURE
    )


def _data_file(path: Path, header: dict[str, str]) -> Path:
    """Return the file that holds the pixels; one that is not beside the header is refused."""
    named = header["elementdatafile"]
    if named.upper() == "LOCAL":
        return path
    if "/" in named or "\\" in named or "%" in named or named.upper().startswith("LIST"):
        raise UnreadableImageError(
            "a MetaImage keeps its pixels in another folder or in several files",
            got="its ElementDataFile",
            cure="put them into one file beside the header",
        )
    data = path.parent / named
    if not data.is_file() or data.resolve().parent != path.resolve().parent:
        raise UnreadableImageError(
            "the pixels of a MetaImage are not there",
            got=f"no {clean_name(named)} beside {clean_name(path.name)}",
            cure="copy both files",
        )
    return data


def _shape(header: dict[str, str]) -> tuple[int, ...]:
    sizes = tuple(int(size) for size in header["dimsize"].split())
    if len(sizes) != 3 or min(sizes) < 1 or header.get("elementnumberofchannels", "1") != "1":
        raise UnreadableImageError(
            "the MetaImage is no volume", got=" x ".join(map(str, sizes)), cure="save one volume"
        )
    if header["elementtype"] not in _BYTES:
        raise UnreadableImageError("the voxels are no plain numbers", got="its ElementType")
    return sizes


def _library() -> Any:
    try:
        import SimpleITK
    except ModuleNotFoundError as error:
        raise MissingExtraError("imaging", verb="reading MetaImage files") from error
    return SimpleITK
