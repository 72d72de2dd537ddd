"""A written file recognized by its content, bounded, and read back by the reader of its form."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from fracturax.core.errors import DataError
from fracturax.imaging.guard import DEFAULT_LIMITS, as_unreadable, check_at_most
from fracturax.imaging.source import FileSource, clean_name, read_all, read_head
from fracturax.reporting.readback.gsps import read_gsps
from fracturax.reporting.readback.marks import ReadBack
from fracturax.reporting.readback.messages import read_hl7, read_json
from fracturax.reporting.readback.objects import read_capture, read_key_objects, read_pdf
from fracturax.reporting.readback.seg import read_seg
from fracturax.reporting.readback.sr import read_sr

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_LARGEST_TEXT = 32 << 20
_MOST_PIXELS = 400_000_000

_READERS: dict[str, Callable[[Dataset], ReadBack]] = {
    "1.2.840.10008.5.1.4.1.1.88.22": read_sr,  # Enhanced SR
    "1.2.840.10008.5.1.4.1.1.88.33": read_sr,  # Comprehensive SR
    "1.2.840.10008.5.1.4.1.1.88.34": read_sr,  # Comprehensive 3D SR
    "1.2.840.10008.5.1.4.1.1.88.59": read_key_objects,
    "1.2.840.10008.5.1.4.1.1.66.4": read_seg,
    "1.2.840.10008.5.1.4.1.1.11.1": read_gsps,
    "1.2.840.10008.5.1.4.1.1.11.2": read_gsps,  # Color Softcopy
    "1.2.840.10008.5.1.4.1.1.7": read_capture,
    "1.2.840.10008.5.1.4.1.1.7.2": read_capture,
    "1.2.840.10008.5.1.4.1.1.7.4": read_capture,
    "1.2.840.10008.5.1.4.1.1.104.1": read_pdf,
}
"""Reader by SOP class."""


def read_back(path: Path) -> ReadBack | None:
    """Read a file that FracturaX wrote; None if it is of a form that is not read back.

    Args:
        path: The file; its content tells what it is.

    Raises:
        UnreadableImageError: If the file cannot be read, or is damaged or hostile.
        DataError: If it is of a form of ours and lacks what that form has.
    """
    source = FileSource(clean_name(path.name), path)
    head = read_head(source)
    if head[128:132] == b"DICM":
        return _read_object(source)
    if head.startswith(b"MSH|"):
        return read_hl7(_bounded(source))
    if head.lstrip()[:1] == b"{":
        return read_json(_bounded(source))
    return None


def _bounded(source: FileSource) -> bytes:
    check_at_most(source.size, _LARGEST_TEXT, "the size of the document in bytes")
    return read_all(source, DEFAULT_LIMITS)


def _read_object(source: FileSource) -> ReadBack:
    from pydicom import dcmread

    from fracturax.imaging.header import DEFLATED, read_header

    # Surveyed with bounds first: pydicom alone recurses and inflates without any.
    header = read_header(source, DEFAULT_LIMITS)
    sop_class = str(header.dataset.get("SOPClassUID") or "")
    reader = _READERS.get(sop_class)
    if reader is None or header.transfer_syntax == DEFLATED:
        raise DataError(
            "the object is of no class that FracturaX writes",
            got=clean_name(sop_class)[:64] or "no SOP class",
            cure="images belong behind --source",
        )
    with as_unreadable("the object cannot be read back"):
        said = header.dataset
        pixels = int(said.get("Rows") or 0) * int(said.get("Columns") or 0)
        pixels *= int(said.get("NumberOfFrames") or 1) * int(said.get("SamplesPerPixel") or 1)
        check_at_most(pixels, _MOST_PIXELS, "the number of pixels")
        data = read_all(source, DEFAULT_LIMITS)
        DEFAULT_LIMITS.check_expansion(stored=8 * len(data), decoded=pixels, what="the object")
        return reader(dcmread(BytesIO(data)))
