"""Secondary captures, key object selections and encapsulated PDFs read back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fracturax.core.errors import DataError
from fracturax.reporting.readback.marks import Place, ReadBack
from fracturax.reporting.readback.sr import read_sr

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


def read_capture(dataset: Dataset) -> ReadBack:
    """Read a secondary capture: its own pixels, and which image it is a copy of."""
    words = ("SeriesDescription", "ImageComments", "DerivationDescription")
    said = [str(dataset.get(word)) for word in words if dataset.get(word)]
    kind = "\\".join(str(one) for one in dataset.get("ImageType") or ())
    burned = f"burned-in annotation: {dataset.get('BurnedInAnnotation') or 'not said'}"
    places = [
        Place(str(item.get("ReferencedSOPInstanceUID") or ""), None)
        for item in dataset.get("SourceImageSequence") or ()
    ]
    pixels = np.asarray(dataset.pixel_array)
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3):
        raise DataError(
            "the secondary capture is no picture of 8 bits",
            got=f"{pixels.dtype} of shape {pixels.shape}",
            cure="give one that FracturaX wrote",
        )
    title = said[0] if said else ""
    return ReadBack("sc", title, (kind, burned, *said[1:]), (), tuple(places), pixels)


def read_key_objects(dataset: Dataset) -> ReadBack:
    """Read a key object selection: why, and which objects."""
    read = read_sr(dataset)
    return ReadBack("ko", read.title, read.lines, (), read.references)


def read_pdf(dataset: Dataset) -> ReadBack:
    """Read an encapsulated PDF: its title, and the document itself.

    Raises:
        DataError: If what it carries is no PDF.
    """
    data = bytes(dataset.get("EncapsulatedDocument") or b"")
    length = int(dataset.get("EncapsulatedDocumentLength") or len(data))
    data = data[:length] if length <= len(data) else data
    if not data.startswith(b"%PDF-"):
        raise DataError("the object carries no PDF", cure="write the report again")
    lines = (f"{dataset.get('MIMETypeOfEncapsulatedDocument')}, {len(data)} bytes",)
    return ReadBack("pdf", str(dataset.get("DocumentTitle") or ""), lines, attachment=data)
