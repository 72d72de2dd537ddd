"""A segmentation read back: its bits unpacked, each frame on the image it was made from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.reporting.readback.marks import Mark, Place, ReadBack
from fracturax.reporting.readback.planes import plane_of

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


def read_seg(dataset: Dataset) -> ReadBack:
    """Read a segmentation: one mark a frame, labelled as its segment.

    Raises:
        DataError: If its pixels are not what its header says.

    References:
        DICOM PS3.3, A.51 "Segmentation IOD", C.8.20 "Segmentation Modules"; PS3.5, 8.1.1 (one bit
        a pixel, the first pixel in the lowest bit).
    """
    labels, lines = {}, []
    for segment in dataset.get("SegmentSequence") or ():
        number = int(segment.get("SegmentNumber") or 0)
        words = (segment.get("SegmentLabel"), segment.get("SegmentDescription"))
        labels[number] = str(words[0] or "")
        lines.append(f"segment {number}: " + ", ".join(str(one) for one in words if one))
    marks = tuple(_marks(dataset, labels))
    places = dict.fromkeys(mark.place for mark in marks if mark.place is not None)
    title = str(dataset.get("ContentDescription") or dataset.get("SeriesDescription") or "")
    return ReadBack("seg", title, tuple(lines), marks, tuple(places))


def _marks(dataset: Dataset, labels: dict[int, str]) -> Iterator[Mark]:
    masks = _masks(dataset)
    groups = list(dataset.get("PerFrameFunctionalGroupsSequence") or ())
    shared = list(dataset.get("SharedFunctionalGroupsSequence") or ())[:1]
    if len(groups) != len(masks):
        raise DataError(
            "the frames of the segmentation are not described one by one",
            got=f"{len(masks)} frames, {len(groups)} descriptions",
            cure="write the segmentation again",
        )
    for number, (mask, group) in enumerate(zip(masks, groups, strict=True), start=1):
        segment = _first(group, shared, "SegmentIdentificationSequence")
        of = int(segment.get("ReferencedSegmentNumber") or 0) if segment is not None else 0
        plane = plane_of(dataset, number)
        yield Mark(_place(group, shared), labels.get(of, ""), mask=mask, plane=plane)


def _masks(dataset: Dataset) -> list[npt.NDArray[np.bool_]]:
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    count = int(dataset.get("NumberOfFrames") or 1)
    bits, size = int(dataset.BitsAllocated), rows * columns
    if bits == 1 and not dataset.file_meta.TransferSyntaxUID.is_compressed:
        data = np.frombuffer(dataset.PixelData, np.uint8)
        flat = np.unpackbits(data, bitorder="little")
    else:
        flat = np.asarray(dataset.pixel_array).reshape(-1)
    if flat.size < count * size:
        raise DataError(
            "the segmentation has fewer pixels than it says",
            got=f"{flat.size} of {count * size}",
            cure="copy or send it again",
        )
    frames = flat[: count * size].reshape(count, rows, columns) > 0
    return list(frames)


def _first(group: Any, shared: list[Any], sequence: str) -> Any:
    for holder in (group, *shared):
        for item in holder.get(sequence) or ():
            return item
    return None


def _place(group: Any, shared: list[Any]) -> Place | None:
    derivation = _first(group, shared, "DerivationImageSequence")
    if derivation is None:
        return None
    for source in derivation.get("SourceImageSequence") or ():
        frames = source.get("ReferencedFrameNumber")
        frame = frames if isinstance(frames, int) else next(iter(frames or ()), None)
        uid = str(source.get("ReferencedSOPInstanceUID") or "")
        return Place(uid, None if frame is None else int(frame))
    return None
