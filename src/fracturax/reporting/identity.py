"""By which numbers a hospital knows a study, read from the headers of its DICOM files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from fracturax.reporting.dicom.source import SourceImage


@dataclass(frozen=True)
class ImageIdentity:
    """A stored object that an image was read from.

    Args:
        image: Name of the image in the study.
        sop_instance_uid: Of the object.
        sop_class_uid: Of the object.
        series_instance_uid: Of its series.
        modality: Of its series.
        planes: Planes of the image that lie in it, each with the number of its frame from 1, None
            where the object holds one only.
    """

    image: str
    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    modality: str
    planes: tuple[tuple[int, int | None], ...] = ((0, None),)


@dataclass(frozen=True)
class StudyIdentity:
    """What the files say of patient, order and study; None where they say nothing.

    Args:
        study_instance_uid: Of the study.
        patient_id: Of the patient, in the numbers of `patient_id_issuer`.
        patient_id_issuer: Who gave that number.
        patient_name: As DICOM writes it, `family^given^middle^prefix^suffix`, representations
            apart by `=`.
        accession_number: Of the order.
        placer_order_number: Of the order, by who placed it.
        filler_order_number: Of the order, by who fills it.
        procedure: Code, scheme and meaning of the requested procedure.
        date: Study date, `YYYYMMDD`.
        time: Study time, `HHMMSS`.
        offset: Of that time from UTC, `+HHMM`.
        images: The stored objects, in the order of the study.
    """

    study_instance_uid: str | None = None
    patient_id: str | None = None
    patient_id_issuer: str | None = None
    patient_name: str | None = None
    accession_number: str | None = None
    placer_order_number: str | None = None
    filler_order_number: str | None = None
    procedure: tuple[str, str, str] | None = None
    date: str | None = None
    time: str | None = None
    offset: str | None = None
    images: tuple[ImageIdentity, ...] = ()

    def object_of(self, image: str, plane: int = 0) -> tuple[str, int | None] | None:
        """Return SOP instance UID and frame of a plane; None if the image came from no DICOM."""
        for stored in self.images:
            if stored.image == image and plane in (frames := dict(stored.planes)):
                return stored.sop_instance_uid, frames[plane]
        return None


def identity_of(sources: Sequence[SourceImage]) -> StudyIdentity:
    """Return by which numbers a hospital knows the study that these objects belong to.

    Args:
        sources: The DICOM objects of a report, of one patient and study; none for a study of PNG,
            JPEG, TIFF or NIfTI files, which has no such numbers.

    References:
        DICOM PS3.3, C.7.1.1 "Patient Module", C.7.2.1 "General Study Module".
    """
    if not sources:
        return StudyIdentity()
    first = sources[0].header
    return StudyIdentity(
        study_instance_uid=_said(first, "StudyInstanceUID"),
        patient_id=_said(first, "PatientID"),
        patient_id_issuer=_said(first, "IssuerOfPatientID"),
        patient_name=_said(first, "PatientName"),
        accession_number=_said(first, "AccessionNumber"),
        placer_order_number=_said(first, "PlacerOrderNumberImagingServiceRequest"),
        filler_order_number=_said(first, "FillerOrderNumberImagingServiceRequest"),
        procedure=_procedure(first),
        date=_digits(_said(first, "StudyDate"), 8),
        time=_digits(_said(first, "StudyTime"), 6),
        offset=_offset(_said(first, "TimezoneOffsetFromUTC")),
        images=tuple(one for source in sources for one in _objects(source)),
    )


def _objects(source: SourceImage) -> Iterator[ImageIdentity]:
    """Yield the stored objects of an image, each once."""
    for index, header in enumerate(source.headers):
        planes = [plane for plane, (at, _) in enumerate(source.frames) if at == index]
        if not planes:
            continue
        yield ImageIdentity(
            image=source.image.name,
            sop_instance_uid=_said(header, "SOPInstanceUID") or "",
            sop_class_uid=_said(header, "SOPClassUID") or "",
            series_instance_uid=_said(header, "SeriesInstanceUID") or "",
            modality=_said(header, "Modality") or "OT",
            planes=tuple((plane, source.frame_of(plane)) for plane in planes),
        )


def _said(header: Dataset, keyword: str) -> str | None:
    """Return the first value of an element as one line of printable text."""
    from fracturax.imaging.attributes import text_of

    text = text_of(header, keyword) or ""
    return "".join(letter for letter in text if letter.isprintable()).strip() or None


def _procedure(header: Dataset) -> tuple[str, str, str] | None:
    for keyword in ("RequestedProcedureCodeSequence", "ProcedureCodeSequence"):
        for item in header.get(keyword) or ():
            names = ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")
            code, scheme, meaning = (_said(item, name) for name in names)
            if code and scheme:
                return code, scheme, meaning or code
    return None


def _digits(text: str | None, count: int) -> str | None:
    """Return the digits that a date or time begins with, None if there are too few."""
    head = (text or "")[:count]
    return head if len(head) == count and head.isascii() and head.isdigit() else None


def _offset(text: str | None) -> str | None:
    is_offset = text is not None and text[0] in "+-" and len(text) == 5 and text[1:].isdigit()
    return text if is_offset else None
