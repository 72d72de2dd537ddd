"""NIfTI → Volume: header by nibabel, voxels by ourselves, so that a gzip bomb has a bound."""

from __future__ import annotations

import gzip
import hashlib
import math
import zlib
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import GeometryError, UnreadableImageError
from fracturax.core.geometry import Geometry
from fracturax.core.image import Image, Step, Volume
from fracturax.imaging.guard import TRUNCATED, Limits, as_unreadable, check_at_most
from fracturax.imaging.kind import is_nifti_header
from fracturax.imaging.source import Source, read_all, read_head

_HEADER_BYTES = 544
_PIECE = 1 << 20
_MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
# NIfTI is RAS (right, anterior, superior grow), DICOM is LPS.
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def read_nifti(source: Source, limits: Limits) -> tuple[Image, ...]:
    """Read a NIfTI-1 or NIfTI-2 file, plain or gzipped, as one Volume.

    NIfTI axes (i, j, k) become (slices, rows, columns) = (k, j, i); the affine follows and is
    turned from RAS to LPS. NIfTI has no unit of intensity: CT in HU is assumed, and the history
    says so. int16 where that is exact, else float32.

    Args:
        source: The file.
        limits: What is accepted.

    Raises:
        UnreadableImageError: If it is damaged, truncated, larger than it says, or not 3-D.
        GeometryError: If its affine or spacing is impossible.

    References:
        NIfTI-1 data format, https://nifti.nimh.nih.gov/nifti-1
    """
    with as_unreadable("the NIfTI file is damaged"):
        head = nifti_head(read_head(source))
        header = _parse(head)
        shape = _shape(header)
        dtype = _dtype(header)
        offset = max(int(header["vox_offset"]), int(header["sizeof_hdr"]) + 4)
        voxels = math.prod(shape)
        size = offset + voxels * dtype.itemsize
        check_at_most(voxels * max(dtype.itemsize, 2), limits.volume_bytes, "the volume in bytes")
        data: bytes | bytearray = read_all(source, limits)
        sha256 = hashlib.sha256(data).hexdigest()
        if data[:2] == b"\x1f\x8b":
            limits.check_expansion(stored=len(data), decoded=size, what="the gzip file")
            data = _gunzip(data, size)
        if len(data) < size:
            raise UnreadableImageError(
                TRUNCATED, got=f"{len(data)} of {size} bytes", cure="copy it again"
            )
        stored = np.frombuffer(data, dtype, voxels, offset).reshape(shape[::-1])
        pixels, steps = _scaled(stored, header)
        geometry = _geometry(header, shape)
    return (Volume(pixels, source.name, sha256, geometry, history=steps),)


def nifti_head(head: bytes) -> bytes:
    """Return the first bytes of the header, unpacked if the file is gzipped.

    Raises:
        UnreadableImageError: If it is no NIfTI, or one of a pair of files.
    """
    if head[:2] == b"\x1f\x8b":
        with as_unreadable("the gzip file is damaged"):
            head = zlib.decompressobj(31).decompress(head, _HEADER_BYTES)
    if not is_nifti_header(head):
        raise UnreadableImageError(
            "the file is no NIfTI", got="another content", cure="give a .nii or .nii.gz file"
        )
    if b"ni" in (head[344:346], head[4:6]):
        raise UnreadableImageError(
            "the NIfTI is a pair of files", got="its header", cure="save it as a single .nii file"
        )
    return head


def _parse(head: bytes) -> Any:
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    is_second = head[4:7] == b"n+2"
    kind: Any = Nifti2Header if is_second else Nifti1Header
    return kind.from_fileobj(BytesIO(head[: 540 if is_second else 348]), check=False)


def _shape(header: Any) -> tuple[int, int, int]:
    dimensions = int(header["dim"][0])
    if not 1 <= dimensions <= 7:
        raise UnreadableImageError("the NIfTI header is damaged", got=f"{dimensions} dimensions")
    sizes = [int(size) for size in header["dim"][1 : dimensions + 1]]
    while len(sizes) > 3 and sizes[-1] == 1:
        sizes.pop()
    if len(sizes) > 3:
        raise UnreadableImageError(
            "the NIfTI holds more than one volume",
            got=" x ".join(map(str, sizes)),
            cure="save one volume of it",
        )
    sizes += [1] * (3 - len(sizes))
    if min(sizes) < 1:
        raise UnreadableImageError("the volume has no extent", got=" x ".join(map(str, sizes)))
    return sizes[0], sizes[1], sizes[2]


def _dtype(header: Any) -> np.dtype[Any]:
    dtype: np.dtype[Any] = header.get_data_dtype()
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise UnreadableImageError(
            "the voxels are no plain numbers", got=str(dtype), cure="save them as int16 or float32"
        )
    return dtype


def _gunzip(data: bytes | bytearray, size: int) -> bytearray:
    """Return exactly `size` unpacked bytes, in memory that is touched only as it is filled."""
    out = bytearray(size)
    view, filled = memoryview(out), 0
    with gzip.GzipFile(fileobj=BytesIO(data)) as stream:
        while filled < size:
            count = stream.readinto(view[filled : filled + _PIECE])
            if not count:
                break
            filled += count
        more = stream.read(1)
    if filled < size:
        raise UnreadableImageError(TRUNCATED, got=f"{filled} of {size} bytes", cure="copy it again")
    if more:
        raise UnreadableImageError(
            "the gzip file unpacks into more than its header says",
            got=f"more than {size} bytes",
            cure="do not trust this file",
        )
    return out


def _scaled(
    stored: npt.NDArray[Any], header: Any
) -> tuple[npt.NDArray[np.int16] | npt.NDArray[np.float32], tuple[Step, ...]]:
    slope, intercept = (float(header[name]) for name in ("scl_slope", "scl_inter"))
    is_scaled = slope != 0 and math.isfinite(slope) and math.isfinite(intercept)
    slope, intercept = (slope, intercept) if is_scaled else (1.0, 0.0)
    steps = (
        Step("rescale", (("slope", slope), ("intercept", intercept))),
        Step("assume_unit", (("unit", "HU"), ("reason", "NIfTI has no unit of intensity"))),
    )
    is_whole = stored.dtype.kind in "iu" and slope.is_integer() and intercept.is_integer()
    if is_whole:
        ends = (int(stored.min()) * int(slope), int(stored.max()) * int(slope))
        low, high = min(ends) + int(intercept), max(ends) + int(intercept)
        if low >= -32768 and high <= 32767:
            if (slope, intercept) == (1.0, 0.0):
                return stored.astype(np.int16), steps
            return (stored.astype(np.int64) * int(slope) + int(intercept)).astype(np.int16), steps
    values = stored.astype(np.float32)
    if is_scaled:
        values *= np.float32(slope)
        values += np.float32(intercept)
    if not np.isfinite(values).all():
        raise UnreadableImageError(
            "some voxels are no numbers", got="NaN or infinity", cure="replace them by air"
        )
    return values, steps


def _geometry(header: Any, shape: tuple[int, int, int]) -> Geometry:
    scale = _MM.get(int(header["xyzt_units"]) % 8, 1.0)
    if int(header["qform_code"]) <= 0 and int(header["sform_code"]) <= 0:
        sizes = [float(size) * scale for size in header["pixdim"][1:4]]
        return Geometry((sizes[2], sizes[1], sizes[0]), "patient")
    try:
        affine = np.asarray(header.get_best_affine(), dtype=float)
    except Exception as error:  # nibabel raises its own kinds on a damaged quaternion
        raise GeometryError(
            "the NIfTI has no usable affine", got=type(error).__name__, cure="write it again"
        ) from None
    affine = _RAS_TO_LPS @ affine
    affine[:3] *= scale
    # Columns in the order of the array axes: k (slice), j (row), i (column).
    return Geometry.from_affine(affine[:, [2, 1, 0, 3]])
