"""Whether two images are of one patient, as their files say; who that is never leaves here."""

from __future__ import annotations

from io import BytesIO

from pydicom import dcmread
from pydicom.dataset import Dataset

from fracturax.core.image import Image
from fracturax.imaging.attributes import text_of
from fracturax.imaging.guard import as_unreadable, quiet

_ALONGSIDE = ("IssuerOfPatientID", "PatientBirthDate", "PatientSex")
"""What a number of a patient may not contradict where both files state it."""


@quiet()
def is_same_patient(one: Image, other: Image) -> bool | None:
    """Whether two images are of the same patient; None where a file does not say whose it is.

    Raises:
        UnreadableImageError: If a header cannot be understood.
    """
    first, second = _header(one), _header(other)
    return None if first is None or second is None else are_of_one_patient(first, second)


def are_of_one_patient(first: Dataset, second: Dataset) -> bool | None:
    """Whether two headers are of the same patient; None where one does not say whose it is.

    Numbers decide; the same number with another issuer, birth date or sex is another patient. A
    name decides nothing: it is written in many ways.

    Raises:
        UnreadableImageError: If a header cannot be understood.

    Example:
        >>> one, other = Dataset(), Dataset()
        >>> one.PatientID, other.PatientID = "A 17 ", "a 17"
        >>> are_of_one_patient(one, other)
        True
        >>> one.PatientSex, other.PatientSex = "F", "M"
        >>> are_of_one_patient(one, other), are_of_one_patient(one, Dataset())
        (False, None)
    """
    numbers = [_plain(header, "PatientID") for header in (first, second)]
    if not all(numbers):
        return None
    if numbers[0] != numbers[1]:
        return False
    for keyword in _ALONGSIDE:
        said = [_plain(header, keyword) for header in (first, second)]
        if all(said) and said[0] != said[1]:
            return False
    return True


def _header(image: Image) -> Dataset | None:
    if image.origin is None:
        return None
    with as_unreadable("the DICOM header cannot be understood"):
        header: Dataset = dcmread(BytesIO(image.origin.headers[0]), force=True)
    return header


def _plain(header: Dataset, keyword: str) -> str:
    return " ".join((text_of(header, keyword) or "").split()).casefold()
