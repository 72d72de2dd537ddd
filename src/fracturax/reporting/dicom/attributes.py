"""What a written object takes over from its sources, and what it says about itself.

One rule for all forms: an object is built by whatever tool makes its kind, then `stamp` gives it
patient, study, series, equipment and dates. A value of the source that its representation does
not allow is left out, never repaired into another one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from pydicom import config
from pydicom.charset import convert_encodings, decode_bytes, encode_string, python_encoding
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.valuerep import CUSTOMIZABLE_CHARSET_VR, PersonName, validate_value

from fracturax.core.report import RESEARCH_USE_NOTICE, Report
from fracturax.imaging.attributes import value_of
from fracturax.imaging.guard import quiet
from fracturax.reporting.dicom.source import SourceImage
from fracturax.reporting.dicom.uids import object_uid, series_uid
from fracturax.reporting.forms import FORMS

MANUFACTURER = "FracturaX developers"
MODEL_NAME = "FracturaX"

EMPTY_IF_MISSING = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    *("StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID", "AccessionNumber"),
)
"""Taken over; stand empty where no source has them (type 2)."""

ONLY_IF_PRESENT = (
    *("IssuerOfPatientID", "PatientBirthTime", "PatientAge", "PatientSize", "PatientWeight"),
    *("StudyDescription", "TimezoneOffsetFromUTC"),
)
"""Taken over where a source has them (type 3)."""

_DIRECTION = re.compile("[ALRPHF]{1,3}")
_ALLOWED = {
    "PatientSex": re.compile("[MFO]"),
    "TimezoneOffsetFromUTC": re.compile(r"[+-](0\d|1[0-4])[0-5]\d"),
}
_ASCII_ONLY = {"", "ISO_IR 6", "ISO 2022 IR 6"}
_UTF8 = "ISO_IR 192"
_LONGEST = {"LO": 64, "SH": 16, "CS": 16, "ST": 1024, "LT": 10240, "PN": 64}
_FIRST_SERIES_NUMBER = 9200  # after those of scanners and work stations


def stamp(
    dataset: Dataset,
    report: Report,
    sources: Sequence[SourceImage],
    *,
    form: str,
    description: str,
    number: int = 1,
) -> Dataset:
    """Give an object its patient, study, series, equipment, dates and names, in place.

    Args:
        dataset: The object, its own content already in it.
        report: What it tells.
        sources: The images it is about.
        form: Name of the form; its objects share one series.
        description: What the series is, in English; the product's name is put before it.
        number: Counts the objects of the form from 1.

    Returns:
        The same object.

    References:
        DICOM PS3.3, C.7.1.1 "Patient Module", C.7.2 "Common Study IE Modules",
        C.7.5.1 "General Equipment Module".
    """
    dataset.remove_private_tags()
    for keyword in (*EMPTY_IF_MISSING, *ONLY_IF_PRESENT):
        if keyword in dataset:
            del dataset[keyword]
    for element in patient_and_study(sources):
        dataset.add(element)
    dataset.StudyInstanceUID = sources[0].header.StudyInstanceUID
    dataset.SeriesInstanceUID = series_uid(report, sources, form)
    dataset.SOPInstanceUID = object_uid(report, sources, form, number=number)
    dataset.SeriesNumber = _FIRST_SERIES_NUMBER + list(FORMS).index(form)
    dataset.InstanceNumber = number
    dataset.SeriesDescription = text_value(
        f"{'SYNTHETIC ' if report.is_synthetic else ''}{MODEL_NAME} {description}", "LO"
    )
    _stamp_equipment(dataset, report)
    moment = created_at(report, dataset.get("TimezoneOffsetFromUTC"))
    dataset.InstanceCreationDate = dataset.ContentDate = moment.strftime("%Y%m%d")
    dataset.InstanceCreationTime = dataset.ContentTime = moment.strftime("%H%M%S")
    for equipment in dataset.get("ContributingEquipmentSequence", ()):
        # The library that built it names itself, at the moment it did so.
        equipment.ContributionDateTime = moment.strftime("%Y%m%d%H%M%S")
    dataset.ContentQualification = "RESEARCH"
    set_character_set(dataset, sources)
    return dataset


def notice(report: Report) -> str:
    """Return what every object says in words: research use, and that films are synthetic."""
    synthetic = "SYNTHETIC images, no patient. " if report.is_synthetic else ""
    return synthetic + RESEARCH_USE_NOTICE


def patient_and_study(sources: Sequence[SourceImage]) -> Dataset:
    """Return the attributes that an object takes over, valid and complete.

    Each is the first valid value that a source has.
    """
    found = Dataset()
    for keyword in EMPTY_IF_MISSING:
        setattr(found, keyword, _first_valid(sources, keyword) or "")
    for keyword in ONLY_IF_PRESENT:
        value = _first_valid(sources, keyword)
        if value is not None:
            setattr(found, keyword, value)
    return found


def patient_orientation(source: SourceImage) -> list[str] | str:
    """Return where rows and columns of a film lead, empty where the file does not say rightly."""
    values = value_of(source.header, "PatientOrientation")
    if not isinstance(values, MultiValue) or len(values) != 2:
        return ""
    directions = [str(value).strip() for value in values]
    return directions if all(_DIRECTION.fullmatch(value) for value in directions) else ""


def text_value(text: str, vr: str) -> str:
    r"""Return a text as an element of this representation can hold it.

    Control characters and the value separator become blanks; what is too long is cut.

    Example:
        >>> text_value("left\\right\n", "LO")
        'left right'
    """
    is_long = vr in ("LT", "ST", "UT")
    kept = "".join(
        letter
        if (letter.isprintable() and (is_long or letter != "\\")) or (is_long and letter == "\n")
        else " "
        for letter in text.encode("utf-8", "replace").decode()
    )
    return kept.strip()[: _LONGEST.get(vr, len(kept))].strip()


def created_at(report: Report, offset: str | None = None) -> datetime:
    """Return the time of reading, in the time zone an object is in.

    Args:
        report: The report.
        offset: TimezoneOffsetFromUTC of the object, `+0200`; local time without.
    """
    moment = datetime.fromisoformat(report.created_at)
    if offset and moment.tzinfo is not None:
        sign = -1 if offset.startswith("-") else 1
        ahead = timedelta(hours=int(offset[1:3]), minutes=int(offset[3:5]))
        return moment.astimezone(timezone(sign * ahead))
    return moment


def set_character_set(dataset: Dataset, sources: Sequence[SourceImage]) -> None:
    """Keep the character set of the sources where it can say every text, else take UTF-8."""
    candidates = [value_of(source.header, "SpecificCharacterSet") for source in sources]
    texts = sorted(set(_texts(dataset)))
    for candidate in candidates:
        terms = _terms(candidate)
        if terms and _can_say(terms, texts):
            dataset.SpecificCharacterSet = terms if len(terms) > 1 else terms[0]
            return
    if all(text.isascii() for text in texts):
        dataset.pop("SpecificCharacterSet", None)
    else:
        dataset.SpecificCharacterSet = _UTF8


def _stamp_equipment(dataset: Dataset, report: Report) -> None:
    model = report.prediction.model
    dataset.Manufacturer = MANUFACTURER
    dataset.ManufacturerModelName = MODEL_NAME
    dataset.SoftwareVersions = [
        text_value(report.software, "LO"),
        text_value(f"model {model.name} {model.version} {model.precision}", "LO"),
    ]
    # The hash of the bundle tells one model from another as a serial number does a machine.
    dataset.DeviceSerialNumber = text_value(model.bundle_sha256, "LO") or "unknown"


def _first_valid(sources: Iterable[SourceImage], keyword: str) -> Any:
    for source in sources:
        value = _valid(source.header, keyword)
        if value is not None:
            return value
    return None


def _valid(header: Dataset, keyword: str) -> Any:
    """Return a value as text if its representation allows it, else None."""
    vr = dictionary_VR(tag_for_keyword(keyword) or 0)
    try:
        value = value_of(header, keyword)
        if value is None or isinstance(value, MultiValue):
            return None
        if vr == "PN":
            return _valid_name(value)
        text = str(value).strip()
        if vr in _LONGEST and text != text_value(text, vr):
            # A shortened identifier would be another one; a description stays readable.
            return text_value(text, vr) if keyword == "StudyDescription" else None
        with quiet():
            validate_value(vr, text, config.RAISE)
    except Exception:  # a hostile value fails in any way
        return None
    allowed = _ALLOWED.get(keyword)
    return text or None if allowed is None or allowed.fullmatch(text) else None


def _valid_name(value: PersonName) -> str | None:
    """Return a person's name, each of its three groups within its length."""
    groups = [text_value(group, "PN") for group in str(value).split("=")[:3]]
    components = ["^".join(group.split("^")[:5]) for group in groups]
    name = "=".join(components).rstrip("=")
    return name if name.strip("^= ") else None


def _texts(dataset: Dataset) -> Iterator[str]:
    """Yield every text whose bytes depend on the character set."""
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                yield from _texts(item)
        elif element.VR in CUSTOMIZABLE_CHARSET_VR and element.value is not None:
            values = element.value if isinstance(element.value, MultiValue) else [element.value]
            yield from (str(value) for value in values)


def _terms(candidate: Any) -> list[str]:
    """Return the terms of a character set if all of them exist and may stand together."""
    values = list(candidate) if isinstance(candidate, MultiValue) else [candidate or ""]
    terms = [str(value).strip() for value in values]
    if not all(term in python_encoding for term in terms if term) or not any(terms):
        return []
    if len(terms) > 1 and not all(term == "" or term.startswith("ISO 2022") for term in terms):
        return []
    return terms


def _can_say(terms: list[str], texts: Sequence[str]) -> bool:
    if set(terms) <= _ASCII_ONLY:  # pydicom would take Latin-1 for it
        return all(text.isascii() for text in texts)
    try:
        with quiet():
            encodings = convert_encodings(terms)
            return all(
                decode_bytes(encode_string(text, encodings), encodings, set()) == text
                for text in texts
            )
    except (LookupError, UnicodeError, ValueError):
        return False
