"""The images to look at first, as a key object selection: those where something was found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from highdicom.ko import KeyObjectSelection, KeyObjectSelectionDocument
from pydicom.dataset import Dataset

from fracturax.core.report import Report
from fracturax.reporting.dicom import codes
from fracturax.reporting.dicom.attributes import notice, stamp
from fracturax.reporting.dicom.content import concept, conclusion, evidence, observer
from fracturax.reporting.dicom.source import SourceImage, planes_of
from fracturax.reporting.dicom.uids import derived_uid, series_uid

_MARKED = ("fracture", "doubt")


def make_ko(report: Report, sources: Sequence[SourceImage]) -> list[Dataset]:
    """Return a selection of the images to look at first; none where nothing was found.

    These are the films with a suspected or doubtful fracture, and of a scan the slice in the
    middle of each finding. A viewer shows key images as flagged. A flag on a study without a
    finding would say the opposite of what was answered, so there is none.

    Args:
        report: What to tell.
        sources: Its images with their DICOM objects.

    References:
        DICOM PS3.3, A.35.4 "Key Object Selection Document IOD"; PS3.16, TID 2010.
    """
    sources = tuple(sources)
    keys = list(dict.fromkeys(_key_planes(sources)))
    if not keys:
        return []
    items = evidence(tuple(source for source, _ in keys))
    wanted = {str(source.header_of(plane).SOPInstanceUID) for source, plane in keys}
    by_uid = {item.SOPInstanceUID: item for item in items if item.SOPInstanceUID in wanted}
    headers = [source.header_of(plane) for source, plane in keys]
    content = KeyObjectSelection(
        document_title=concept(codes.OF_INTEREST),
        referenced_objects=[by_uid[str(header.SOPInstanceUID)] for header in headers],
        observer_device_context=observer(report),
        description=f"{conclusion(report.prediction)}. {notice(report)}",
    )
    references = [item for item in content[0].ContentSequence if item.ValueType == "IMAGE"]
    for reference, (source, plane) in zip(references, keys, strict=True):
        frame = source.frame_of(plane)
        if frame is not None:
            reference.ReferencedSOPSequence[0].ReferencedFrameNumber = frame
    series = series_uid(report, sources, "ko")
    document = KeyObjectSelectionDocument(
        evidence=list(by_uid.values()),
        content=content,
        series_instance_uid=series,
        series_number=1,
        sop_instance_uid=derived_uid(series, "1"),
        instance_number=1,
    )
    return [stamp(document, report, sources, form="ko", description="AI key images")]


def _key_planes(sources: Sequence[SourceImage]) -> Iterator[tuple[SourceImage, int]]:
    for source in sources:
        if source.answer.status not in _MARKED:
            continue
        if not source.is_volume:
            yield source, 0
            continue
        for finding in source.answer.findings:
            planes = planes_of(source, finding)
            if planes:
                yield source, planes[len(planes) // 2]
