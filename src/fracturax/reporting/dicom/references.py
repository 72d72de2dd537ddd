"""References to stored frames: each object once, its frames named where it has several."""

from __future__ import annotations

from collections.abc import Iterable

from pydicom.dataset import Dataset

from fracturax.imaging.attributes import integer_of


def references(places: Iterable[tuple[Dataset, int]]) -> list[Dataset]:
    """Return items of a Referenced Image Sequence.

    Args:
        places: Header of a stored object and number of a frame in it, from 1.

    Returns:
        One item an object, in order of first mention.

    References:
        DICOM PS3.3, Table 10-3 "Image SOP Instance Reference Macro".

    Example:
        >>> header = Dataset()
        >>> header.SOPClassUID, header.SOPInstanceUID, header.NumberOfFrames = "1.2", "1.3", 9
        >>> [item.ReferencedFrameNumber for item in references([(header, 4), (header, 2)])]
        [[2, 4]]
    """
    items: dict[str, tuple[Dataset, Dataset, set[int]]] = {}
    for header, frame in places:
        uid = str(header.SOPInstanceUID)
        if uid not in items:
            item = Dataset()
            item.ReferencedSOPClassUID = header.SOPClassUID
            item.ReferencedSOPInstanceUID = uid
            items[uid] = item, header, set()
        items[uid][2].add(frame)
    for item, header, frames in items.values():
        if integer_of(header, "NumberOfFrames", 1) > 1:
            item.ReferencedFrameNumber = sorted(frames)
    return [item for item, _, _ in items.values()]
