"""The DICOM objects a report is about: decoded, or refused where nothing can be filed with them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import UID

from fracturax.core.errors import DataError
from fracturax.core.finding import Finding
from fracturax.core.image import Image, Volume
from fracturax.core.prediction import ImagePrediction
from fracturax.core.report import Report
from fracturax.imaging.attributes import value_of
from fracturax.imaging.guard import as_unreadable
from fracturax.reporting.film import answered_images

REQUIRED = ("StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID", "SOPInstanceUID")
"""Attributes without which nothing can be filed with a study."""

_UID = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*))+")
_NAME_SEPARATORS = re.compile(r"[\s^=,]+")


@dataclass(frozen=True, eq=False)
class SourceImage:
    """An image of the report with the DICOM objects it was read from.

    Args:
        image: The image.
        answer: What was answered about it.
        headers: Its objects, without pixels.
        frames: Where each plane lies: position in `headers`, number of the frame from 1.
    """

    image: Image
    answer: ImagePrediction
    headers: tuple[Dataset, ...]
    frames: tuple[tuple[int, int], ...]

    @property
    def header(self) -> Dataset:
        """The object of the first plane."""
        return self.headers[self.frames[0][0]]

    @property
    def is_volume(self) -> bool:
        """Whether it is a scan in slices."""
        return isinstance(self.image, Volume)

    @property
    def frame_of_reference(self) -> str | None:
        """The patient coordinate system of a volume, None where its place is not known."""
        uid = str(self.header.get("FrameOfReferenceUID") or "")
        is_placed = self.is_volume and self.image.geometry.affine is not None
        return uid if is_placed and is_uid(uid) else None

    def header_of(self, plane: int) -> Dataset:
        """Return the object that a plane lies in."""
        return self.headers[self.frames[plane][0]]

    def frame_of(self, plane: int) -> int | None:
        """Return the number of a plane's frame, from 1; None where its object holds one only."""
        header, frame = self.frames[plane]
        return frame if frame_count(self.headers[header]) > 1 else None


def is_uid(text: str) -> bool:
    """Whether a text is a DICOM UID.

    Example:
        >>> is_uid("1.2.840"), is_uid("1.02"), is_uid("")
        (True, False, False)
    """
    return len(text) <= 64 and _UID.fullmatch(text) is not None


def frame_count(header: Dataset) -> int:
    """Return how many frames an object holds.

    Example:
        >>> frame_count(Dataset())
        1
    """
    try:
        return max(int(header.get("NumberOfFrames") or 1), 1)
    except (TypeError, ValueError):
        return 1


def sources_of(report: Report) -> tuple[SourceImage, ...]:
    """Return the images of a report with their DICOM objects, in the order of the study.

    Raises:
        DataError: If an image was not read from DICOM, an object lacks what every DICOM form
            needs, or the images belong to several patients or studies.
    """
    found = []
    for image, answer in answered_images(report):
        origin = image.origin
        if origin is None:
            raise refused("the study was not read from DICOM", got="other image files")
        decoded = tuple(dcmread(BytesIO(header)) for header in origin.headers)
        found.append(SourceImage(image, answer, decoded, origin.frames))
    if not found:
        raise refused("no image of the study could be read", got="no DICOM object to refer to")
    sources = tuple(found)
    require(sources, REQUIRED)
    headers = [header for source in sources for header in source.headers]
    for header in headers:
        for keyword in REQUIRED:
            uid = str(header.get(keyword))
            if not is_uid(uid):
                raise refused(f"the {keyword} of an image is no UID", got=f"{len(uid)} characters")
        if not _is_image_class(UID(str(header.SOPClassUID))):
            raise refused(
                "an image is of no kind that the DICOM standard knows", got="another SOPClassUID"
            )
        for keyword in ("PatientID", "IssuerOfPatientID"):
            if isinstance(value_of(header, keyword), MultiValue):
                raise refused(f"the {keyword} of an image is no single value", got="several")
    _check_one(headers, "studies", [str(header.StudyInstanceUID) for header in headers])
    _check_one_patient(headers)
    return sources


def planes_of(source: SourceImage, finding: Finding) -> range:
    """Return the planes of an image that a finding spans; none where the model does not say."""
    if not source.is_volume:
        return range(1)
    if finding.slices is None:
        return range(1) if len(source.frames) == 1 else range(0)
    first, end = finding.slices
    return range(first, min(end, len(source.frames)))


def reference_to(source: SourceImage, plane: int) -> Dataset:
    """Return an item that refers to one plane of an image (Image SOP Instance Reference Macro)."""
    header, frame = source.header_of(plane), source.frame_of(plane)
    item = Dataset()
    item.ReferencedSOPClassUID = str(header.SOPClassUID)
    item.ReferencedSOPInstanceUID = str(header.SOPInstanceUID)
    if frame is not None:
        item.ReferencedFrameNumber = frame
    return item


def require(sources: Iterable[SourceImage], keywords: Sequence[str], *, form: str = "") -> None:
    """Refuse images that lack attributes.

    Args:
        sources: The images.
        keywords: What each of their objects must have, with a value.
        form: Name of the form that needs it; every DICOM form if empty.

    Raises:
        DataError: Which attributes are missing, and which forms work without.
    """
    headers = [header for source in sources for header in source.headers]
    lacking = [
        keyword
        for keyword in keywords
        if any(not _has_value(header, keyword) for header in headers)
    ]
    if lacking:
        raise refused(
            f"an image lacks attributes that {form.upper() or 'every DICOM form'} needs",
            got=f"no {', '.join(lacking)}",
            form=form,
        )


def _is_image_class(uid: UID) -> bool:
    return uid.type == "SOP Class" and "Image Storage" in uid.name


def _has_value(header: Dataset, keyword: str) -> bool:
    with as_unreadable(f"{keyword} cannot be understood"):
        return value_of(header, keyword) is not None


def _check_one(headers: Sequence[Dataset], what: str, values: Iterable[str]) -> None:
    different = set(values)
    if len(different) > 1:
        raise refused(
            f"the images belong to several {what}", got=f"{len(different)} {what}", mixed=True
        )


def _check_one_patient(headers: Sequence[Dataset]) -> None:
    for keyword in ("PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientName"):
        texts = {_comparable(header, keyword) for header in headers}
        # An attribute that one image lacks contradicts none.
        _check_one(headers, "patients", texts - {""} or {""})


def _comparable(header: Dataset, keyword: str) -> str:
    value = str(value_of(header, keyword) or "")
    if keyword == "PatientName":
        return " ".join(_NAME_SEPARATORS.split(value.casefold().strip("^= "))).strip()
    return value.strip()


def refused(what: str, *, got: str, form: str = "", mixed: bool = False) -> DataError:
    """Return the error that refuses a source: what lacks, and which forms work without.

    Args:
        what: What is wrong.
        got: What was met; never an identifier.
        form: Name of the form that needs it; every DICOM form if empty.
        mixed: Whether the images do not belong together, so that no other form helps.
    """
    from fracturax.reporting.forms import FORMS, forms_without_source

    working = forms_without_source()
    if form:
        working = (*working, *(name for name in ("sr",) if name in FORMS and name != form))
    cure = "give the images of one patient's study" if mixed else f"use {', '.join(working)}"
    return DataError(what, got=got, cure=cure)
