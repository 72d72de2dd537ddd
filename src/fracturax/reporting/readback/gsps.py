"""A presentation state read back: the lines and words of its layers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from fracturax.reporting.readback.marks import Mark, Place, ReadBack

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


def read_gsps(dataset: Dataset) -> ReadBack:
    r"""Read a presentation state: every graphic in pixel units as a mark, every text as a line.

    References:
        DICOM PS3.3, C.10.5 "Graphic Annotation Module": in PIXEL units the top left corner of the
        first pixel is 0.0\0.0.
    """
    marks: list[Mark] = []
    lines: list[str] = []
    references = [
        place
        for series in dataset.get("ReferencedSeriesSequence") or ()
        for place in _places(series.get("ReferencedImageSequence"))
    ]
    for annotation in dataset.get("GraphicAnnotationSequence") or ():
        places = list(_places(annotation.get("ReferencedImageSequence"))) or references
        layer = str(annotation.get("GraphicLayer") or "")
        texts = [_text(one) for one in annotation.get("TextObjectSequence") or ()]
        lines += [f"{layer}: {line}" for text in texts for line in text.splitlines() if line]
        for place in places:
            marks += list(_graphics(annotation, place, layer))
    title = str(dataset.get("ContentDescription") or dataset.get("ContentLabel") or "")
    lines = list(dict.fromkeys(lines))
    return ReadBack("gsps", title, tuple(lines), tuple(marks), tuple(dict.fromkeys(references)))


def _graphics(annotation: Any, place: Place, layer: str) -> Iterator[Mark]:
    for graphic in annotation.get("GraphicObjectSequence") or ():
        data = np.array([float(one) for one in graphic.get("GraphicData") or ()])
        if graphic.get("GraphicAnnotationUnits") != "PIXEL" or data.size < 2 or data.size % 2:
            continue
        dashes = [
            str(style.get("LineDashingStyle") or "")
            for style in graphic.get("LineStyleSequence") or ()
        ]
        points = data.reshape(-1, 2)
        yield Mark(place, "", "DASHED" in dashes, layer, points=points)


def _text(item: Any) -> str:
    return str(item.get("UnformattedTextValue") or "").replace("\r", "\n")


def _places(sequence: Any) -> Iterator[Place]:
    for item in sequence or ():
        frames = item.get("ReferencedFrameNumber")
        numbers = [frames] if isinstance(frames, int) else list(frames or [None])
        uid = str(item.get("ReferencedSOPInstanceUID") or "")
        for frame in numbers:
            yield Place(uid, None if frame is None else int(frame))
