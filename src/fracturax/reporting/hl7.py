"""The report as an HL7 v2.5.1 message, ORU^R01: what a radiology information system takes in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from fracturax.core.errors import DataError, MissingExtraError
from fracturax.core.finding import Finding
from fracturax.core.prediction import Status
from fracturax.core.report import RESEARCH_USE_NOTICE, Report
from fracturax.reporting.dicom import codes
from fracturax.reporting.dicom.codes import Code
from fracturax.reporting.fhir import media_fragment, middle_plane
from fracturax.reporting.identity import StudyIdentity, identity_of
from fracturax.reporting.terms import (
    BOX,
    DICOM_STUDY,
    FINDING_SITE,
    FRAME,
    IMAGE,
    IMAGING_STUDY,
    IMPRESSION,
    LATERALITY,
    OWN_ANSWERS,
    PROCEDURE_FINDINGS,
    SLICES,
)
from fracturax.reporting.wording import percent, sentence

if TYPE_CHECKING:
    from hl7apy.core import Message, Segment

    from fracturax.reporting.dicom.source import SourceImage

HL7_VERSION = "2.5.1"
# Table 0085: R, results entered but not verified; X, cannot be obtained; O, no result at all.
_UNVERIFIED, _NONE, _ORDER_DETAIL = "R", "X", "O"
_ABNORMAL: dict[Status, str] = {"fracture": "A", "doubt": "A", "no_fracture": "N"}
_ESCAPES = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"}
_LONGEST_LINE = 1000


def make_hl7(report: Report, sources: Sequence[SourceImage]) -> bytes:
    """Return the report as one ORU^R01 message, checked by hl7apy.

    PID names the patient, OBR the order, the first OBX the study (113014, *DICOM Study*), the next
    ones the answer, its probability, and each finding under a number of its own (OBX-4). All are
    *not verified* (R); what was not assessed is *cannot be obtained* (X) with the reason. The text
    is UTF-8 (MSH-18); no value of a file can begin a field or segment.

    Args:
        report: What to tell.
        sources: The DICOM objects of its images; without them patient, order and study stay
            unnamed.

    Returns:
        Segments that end with a carriage return. A transport (MLLP) wraps them.

    Raises:
        MissingExtraError: If hl7apy is not installed.
        DataError: If a value cannot be said.

    References:
        HL7 v2.5.1, chapters 2, 3 and 7; IHE Radiology, Results Distribution [RAD-128].
    """
    try:
        from hl7apy.consts import VALIDATION_LEVEL
        from hl7apy.core import Message
        from hl7apy.exceptions import HL7apyException
    except ModuleNotFoundError as error:
        raise MissingExtraError("dicom", verb="the form hl7") from error
    identity = identity_of(sources)
    try:
        message = Message("ORU_R01", version=HL7_VERSION, validation_level=VALIDATION_LEVEL.STRICT)
        _fill(message, report, identity)
        message.validate()
        text = str(message.to_er7())
    except HL7apyException as error:
        # The value stays unsaid: it may name a patient.
        raise DataError(
            "the report cannot be said in HL7",
            got=type(error).__name__,
            cure="please report it, without patient data; the other forms can be written",
        ) from None
    return f"{text.rstrip(chr(13))}\r".encode()


def _fill(message: Message, report: Report, identity: StudyIdentity) -> None:
    moment = datetime.fromisoformat(report.created_at).astimezone().strftime("%Y%m%d%H%M%S%z")
    _set(message.msh, _header(report, moment))
    result = message.add_group("ORU_R01_PATIENT_RESULT")
    _set(result.add_group("ORU_R01_PATIENT").add_segment("PID"), _patient(identity))
    order = result.add_group("ORU_R01_ORDER_OBSERVATION")
    _set(order.add_segment("OBR"), _order(identity, moment))
    for number, fields in enumerate(_observations(report, identity), start=1):
        segment = order.add_group("ORU_R01_OBSERVATION").add_segment("OBX")
        _set(segment, {1: str(number), **fields})


_Fields = dict[int, str | Sequence[str]]


def _set(segment: Segment, fields: _Fields) -> None:
    """Set fields by number; their text is escaped already."""
    for number, content in fields.items():
        name = f"{segment.name}_{number}".lower()
        first, *more = (content,) if isinstance(content, str) else content
        if first:
            setattr(segment, name, first)
        for repetition in more:
            segment.add_field(name).value = repetition


def _header(report: Report, moment: str) -> _Fields:
    seed = f"{report.study.key} {report.created_at} {report.prediction.model.bundle_sha256}"
    return {
        3: "FRACTURAX",
        7: moment,
        9: "ORU^R01^ORU_R01",
        10: hashlib.sha256(seed.encode()).hexdigest()[:20],
        11: "T" if report.is_synthetic else "P",
        12: HL7_VERSION,
        18: "UNICODE UTF-8",
    }


def _patient(identity: StudyIdentity) -> _Fields:
    """PID: number and name are required; nothing else of the patient is sent."""
    number = _escaped(identity.patient_id or "")
    issuer = _escaped(identity.patient_id_issuer or "")
    return {
        1: "1",
        # A number that is not known is a null, which is not the same as none.
        3: f"{number}^^^{issuer}^MR" if number else '""',
        5: list(_names(identity.patient_name or "")) or "^^^^^^U",
    }


def _names(name: str) -> Iterator[str]:
    """Yield a DICOM name as HL7 repetitions: prefix and suffix change places.

    References:
        DICOM PS3.5, 6.2.1.2 "Ideographic and Phonetic Characters"; HL7 v2.5.1, 2.A.89 "XPN".
    """
    for letter, group in zip("AIP", name.split("="), strict=False):
        parts = [_escaped(part) for part in group.split("^")]
        family, given, middle, prefix, suffix = (parts + [""] * 5)[:5]
        if family or given:
            yield f"{family}^{given}^{middle}^{suffix}^{prefix}^^L^{letter}"


def _order(identity: StudyIdentity, moment: str) -> _Fields:
    code, scheme, meaning = identity.procedure or (
        IMAGING_STUDY.value,
        IMAGING_STUDY.scheme,
        IMAGING_STUDY.meaning,
    )
    accession = _escaped(identity.accession_number or "")
    return {
        1: "1",
        2: _escaped(identity.placer_order_number or ""),
        3: _escaped(identity.filler_order_number or identity.accession_number or ""),
        4: "^".join(map(_escaped, (code, meaning, scheme))),
        7: _study_time(identity),
        18: accession,
        22: moment,
        24: "RAD",
        25: _UNVERIFIED,
    }


def _study_time(identity: StudyIdentity) -> str:
    try:
        datetime.strptime(f"{identity.date}{identity.time or '000000'}", "%Y%m%d%H%M%S")
    except ValueError:
        return ""
    return f"{identity.date}{identity.time or ''}{(identity.time and identity.offset) or ''}"


def _observations(report: Report, identity: StudyIdentity) -> Iterator[_Fields]:
    prediction = report.prediction
    status = prediction.status
    if identity.study_instance_uid:
        uid = _escaped(identity.study_instance_uid)
        yield _observation(DICOM_STUDY, "ST", uid, status=_ORDER_DETAIL)
    if status == "not_assessed":
        yield _observation(codes.FRACTURE, "TX", _escaped(sentence(prediction)), status=_NONE)
    else:
        answer = _coded(codes.STATUS[status], OWN_ANSWERS[status])
        yield _observation(codes.FRACTURE, "CWE", answer, abnormal=_ABNORMAL[status])
    if prediction.probability is not None:
        yield _number(codes.PROBABILITY, prediction.probability)
    for sub_id, finding in enumerate(prediction.findings, start=1):
        for fields in _finding(report, identity, finding):
            yield {**fields, 4: str(sub_id)}
    if prediction.findings:
        lines = [
            f"Finding {sub_id}: {percent(finding.probability)}, "
            f"{codes.CERTAINTY[finding.certainty].meaning.lower()}"
            for sub_id, finding in enumerate(prediction.findings, start=1)
        ]
        yield _observation(PROCEDURE_FINDINGS, "TX", _lines(lines))
    synthetic = ["SYNTHETIC: generated images, no patient."] if report.is_synthetic else []
    model = f"{report.software}, model {prediction.model.name} {prediction.model.version}"
    said = [sentence(prediction), *synthetic, RESEARCH_USE_NOTICE, model]
    yield _observation(IMPRESSION, "TX", _lines(said))


def _finding(report: Report, identity: StudyIdentity, finding: Finding) -> Iterator[_Fields]:
    status: Status = "fracture" if finding.certainty == "certain" else "doubt"
    answer = _coded(codes.STATUS[status], OWN_ANSWERS[status])
    yield _observation(codes.FRACTURE, "CWE", answer, abnormal=_ABNORMAL[status])
    yield _number(codes.PROBABILITY, finding.probability)
    certainty = _coded(codes.CERTAINTY[finding.certainty])
    yield _observation(codes.CERTAINTY_OF_FINDING, "CWE", certainty)
    image = next(one for one in report.study.images if one.name == finding.image)
    site = codes.site_of(image.acquisition.body_part, finding.region)
    if site is not None:
        yield _observation(FINDING_SITE, "CWE", _coded(site))
    if image.acquisition.laterality is not None:
        yield _observation(
            LATERALITY, "CWE", _coded(codes.LATERALITY[image.acquisition.laterality])
        )
    stored = identity.object_of(finding.image, middle_plane(finding, image))
    if stored is not None:
        uid, frame = stored
        yield _observation(IMAGE, "ST", _escaped(uid))
        if frame is not None:
            yield _observation(FRAME, "NM", str(frame))
    elif image.file_sha256:
        yield _observation(IMAGE, "ST", f"sha256:{image.file_sha256}")
    yield _observation(BOX, "ST", media_fragment(finding.box))
    if finding.slices is not None:
        yield _observation(SLICES, "ST", f"{finding.slices[0] + 1}-{finding.slices[1]}")


def _observation(
    term: Code,
    kind: str,
    value: str | Sequence[str],
    *,
    status: str = _UNVERIFIED,
    abnormal: str = "",
    units: str = "",
) -> _Fields:
    return {2: kind, 3: _coded(term), 5: value, 6: units, 8: abnormal, 11: status}


def _number(term: Code, share: float) -> _Fields:
    value = f"{float(share):.6f}".rstrip("0").rstrip(".")
    return _observation(term, "NM", value, units=_coded(codes.NO_UNITS))


def _coded(term: Code, alternate: Code | None = None) -> str:
    """Return a coded value, with our own word as the alternate one where there is one."""
    terms = (term,) if alternate is None or alternate.value == term.value else (term, alternate)
    parts = (part for one in terms for part in (one.value, one.meaning, one.scheme))
    return "^".join(map(_escaped, parts))


def _lines(lines: Sequence[str]) -> list[str]:
    """Return text line by line, each a repetition."""
    return [_escaped(line[:_LONGEST_LINE]) for line in lines]


def _escaped(text: str) -> str:
    r"""Return text that ends no component, field or segment.

    References:
        HL7 v2.5.1, 2.7 "Use of Escape Sequences in Text Fields".

    Example:
        >>> print(_escaped("left|right" + chr(13) + "a^b"))
        left\F\right a\S\b
    """
    letters = (letter if letter.isprintable() else " " for letter in text)
    plain = "".join(letters).encode("utf-8", "replace").decode()
    return "".join(_ESCAPES.get(letter, letter) for letter in plain).strip()
