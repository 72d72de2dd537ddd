"""The report as FHIR resources: what a record of a hospital takes in, in one transaction.

FHIR R4B, not R5: servers of hospitals speak R4, and the resources written here (DiagnosticReport,
Observation, ImagingStudy, AuditEvent, Device) are the same in R4 and R4B.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING, Any

from fracturax.core.errors import DataError, MissingExtraError
from fracturax.core.finding import Finding
from fracturax.core.geometry import Box
from fracturax.core.image import Image, Volume
from fracturax.core.prediction import Status
from fracturax.core.report import RESEARCH_USE_NOTICE, Report
from fracturax.reporting.dicom import codes
from fracturax.reporting.dicom.codes import Code
from fracturax.reporting.film import answered_images
from fracturax.reporting.identity import StudyIdentity, identity_of
from fracturax.reporting.terms import (
    ALGORITHM_NAME,
    ALGORITHM_VERSION,
    BOX,
    FRAME,
    HIGH_SENSITIVITY,
    HIGH_SPECIFICITY,
    IMAGE,
    IMAGING_STUDY,
    LATERALITY,
    OWN_ANSWERS,
    OWN_SYSTEM,
    SLICES,
    system_of,
)
from fracturax.reporting.wording import sentence

if TYPE_CHECKING:
    from fracturax.reporting.dicom.source import SourceImage

Resource = dict[str, Any]

FHIR_VERSION = "4.3.0"
_HL7 = "http://terminology.hl7.org/CodeSystem"
_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_INTERPRETATIONS: dict[Status, tuple[str, str]] = {
    "fracture": ("POS", "Positive"),
    "doubt": ("IND", "Indeterminate"),
    "no_fracture": ("NEG", "Negative"),
}


def fhir_bundle(report: Report, sources: Sequence[SourceImage]) -> Resource:
    """Return the report as a FHIR transaction, checked by fhir.resources.

    A DiagnosticReport with one Observation of the study's answer and one of each finding, the
    Device that answered, the ImagingStudy it answered about (of DICOM files), and the AuditEvent
    of the reading. A second reading of the same files by the same model updates what the first
    one wrote. Its status is *preliminary*: nobody has reviewed it. The patient is named by number
    only.

    Args:
        report: What to tell.
        sources: The DICOM objects of its images; without them patient, order and study stay
            unnamed.

    Raises:
        MissingExtraError: If fhir.resources is not installed.
        DataError: If a value cannot be said in FHIR.

    References:
        HL7 FHIR R4B (4.3.0).
    """
    try:
        from fhir.resources.R4B.bundle import Bundle
    except ModuleNotFoundError as error:
        raise MissingExtraError("dicom", verb="the form fhir") from error
    from pydantic import ValidationError

    document = _Writer(report, sources).bundle()
    try:
        Bundle.model_validate(document)
    except ValidationError as error:
        # The values stay unsaid: one of them may name a patient.
        places = sorted({".".join(map(str, one["loc"][:6])) for one in error.errors()})
        raise DataError(
            "the report cannot be said in FHIR",
            got=", ".join(places[:3]),
            cure="please report it, without patient data; the other forms can be written",
        ) from None
    return document


def make_fhir(report: Report, sources: Sequence[SourceImage]) -> bytes:
    """Return `fhir_bundle` as JSON text (UTF-8, indented, a newline at the end)."""
    bundle = fhir_bundle(report, sources)
    return f"{json.dumps(bundle, indent=2, ensure_ascii=False, allow_nan=False)}\n".encode()


class _Writer:
    """Writes the resources of one report, which refer to each other."""

    def __init__(self, report: Report, sources: Sequence[SourceImage]) -> None:
        self.report = report
        self.identity: StudyIdentity = identity_of(sources)
        self._inputs = [image.file_sha256 or image.name for image in report.study.images]

    def bundle(self) -> Resource:
        prediction = self.report.prediction
        entries = [
            self._entry("Device", self._device(), "device", is_shared=True),
            self._entry("DiagnosticReport", self._diagnostic_report(), "report"),
            self._entry("Observation", self._answer(), "answer"),
        ]
        for number, finding in enumerate(prediction.findings, start=1):
            name = f"finding-{number}"
            entries.append(self._entry("Observation", self._finding(finding, number), name))
        if self.identity.study_instance_uid:
            # What the archive has said about the study stays: it knows more than we do.
            entries.append(
                self._entry("ImagingStudy", self._imaging_study(), "study", is_shared=True)
            )
        entries.append(self._entry("AuditEvent", self._audit_event(), "audit"))
        return {
            "resourceType": "Bundle",
            "type": "transaction",
            "timestamp": _instant(self.report.created_at),
            "entry": entries,
        }

    def _entry(
        self, kind: str, content: Resource, what: str, *, is_shared: bool = False
    ) -> Resource:
        resource = {"resourceType": kind, "meta": self._meta(), **content}
        identifiers = resource.get("identifier")
        request: Resource = {"method": "POST", "url": kind}
        if identifiers:
            query = f"identifier={identifiers[0]['system']}|{identifiers[0]['value']}"
            request = (
                {"method": "POST", "url": kind, "ifNoneExist": query}
                if is_shared
                else {"method": "PUT", "url": f"{kind}?{query}"}
            )
        return {"fullUrl": self._urn(what), "resource": resource, "request": request}

    def _meta(self) -> Resource:
        label = {"code": "AIAST", "display": "Artificial Intelligence asserted"}
        security = [{"system": f"{_HL7}/v3-ObservationValue", **label}]
        if self.report.is_synthetic:
            label = {"code": "HTEST", "display": "test health data"}
            security.append({"system": f"{_HL7}/v3-ActReason", **label})
        return {"security": security}

    def _urn(self, what: str) -> str:
        """Return a name that the same input, model and resource always get."""
        model = self.report.prediction.model
        by = (model.name, model.version, model.bundle_sha256, model.plan_sha256, model.precision)
        # A Device is the same whatever it reads, and another one after an update.
        of = (self._software,) if what == "device" else (self.report.study.key, *self._inputs)
        return uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([OWN_SYSTEM, what, *by, *of])).urn

    @property
    def _software(self) -> str:
        return _line(self.report.software)

    def _reference(self, kind: str, what: str) -> Resource:
        return {"reference": self._urn(what), "type": kind}

    def _identifier(self, what: str) -> list[Resource]:
        return [{"system": "urn:ietf:rfc:3986", "value": self._urn(what)}]

    def _of_whom(self) -> Resource:
        """Say patient, order and time of the study, as far as its files do."""
        known: Resource = {}
        identity = self.identity
        if identity.patient_id:
            number: Resource = {
                "type": {"coding": [{"system": f"{_HL7}/v2-0203", "code": "MR"}]},
                "value": identity.patient_id,
            }
            if identity.patient_id_issuer:
                number["assigner"] = {"display": identity.patient_id_issuer}
            known["subject"] = {"type": "Patient", "identifier": number}
        if identity.accession_number:
            known["basedOn"] = [{"type": "ServiceRequest", "identifier": self._accession()}]
        return known

    def _accession(self) -> Resource:
        return {
            "type": {"coding": [{"system": f"{_HL7}/v2-0203", "code": "ACSN"}]},
            "value": self.identity.accession_number,
        }

    def _effective(self) -> Resource:
        return {"effectiveDateTime": moment} if (moment := self._started()) else {}

    def _started(self) -> str | None:
        """Say when the study was made: with the time only where its offset from UTC is known."""
        identity = self.identity
        try:
            day = datetime.strptime(identity.date or "", "%Y%m%d").date().isoformat()
        except ValueError:
            return None
        if identity.time is None or identity.offset is None:
            return day
        try:
            moment = datetime.strptime(f"{identity.time}{identity.offset}", "%H%M%S%z")
        except ValueError:
            return day
        return f"{day}T{moment.isoformat()[11:]}"

    def _device(self) -> Resource:
        model = self.report.prediction.model
        versions = {
            "software": self._software,
            "model": model.version,
            "precision": model.precision,
            "bundle_sha256": model.bundle_sha256,
            "plan_sha256": model.plan_sha256,
        }
        return {
            "identifier": self._identifier("device"),
            "status": "active",
            "manufacturer": "The FracturaX developers",
            "deviceName": [{"name": f"FracturaX {_line(model.name)}", "type": "model-name"}],
            "type": {
                "coding": [_coding(codes.ARTIFICIAL_INTELLIGENCE)],
                "text": "Finds fractures in radiographs",
            },
            "version": [
                {"type": {"text": name}, "value": _line(value)}
                for name, value in versions.items()
                if value
            ],
            "note": [{"text": RESEARCH_USE_NOTICE}],
        }

    def _diagnostic_report(self) -> Resource:
        prediction = self.report.prediction
        findings = [f"finding-{number}" for number, _ in enumerate(prediction.findings, start=1)]
        said = _line(sentence(prediction))
        note = "SYNTHETIC: generated images, no patient. " if self.report.is_synthetic else ""
        paragraphs = "".join(f"<p>{escape(one)}</p>" for one in (said, note, _NOTE) if one)
        resource: Resource = {
            "identifier": self._identifier("report"),
            "text": {
                "status": "generated",
                "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{paragraphs}</div>',
            },
            "status": "preliminary",
            "category": [
                {"coding": [{"system": f"{_HL7}/v2-0074", "code": "RAD", "display": "Radiology"}]}
            ],
            "code": {"coding": [_coding(IMAGING_STUDY)], "text": "Reading by FracturaX"},
            **self._of_whom(),
            **self._effective(),
            "issued": _instant(self.report.created_at),
            "result": [self._reference("Observation", one) for one in ("answer", *findings)],
            "conclusion": f"{said}. {note}{_NOTE}",
        }
        if self.identity.study_instance_uid:
            resource["imagingStudy"] = [self._reference("ImagingStudy", "study")]
        return resource

    def _observation(self, what: str) -> Resource:
        category = {"system": f"{_HL7}/observation-category", "code": "imaging"}
        resource: Resource = {
            "identifier": self._identifier(what),
            "status": "preliminary",
            "category": [{"coding": [category]}],
            "code": {"coding": [_coding(codes.FRACTURE)]},
            **self._of_whom(),
            **self._effective(),
            "issued": _instant(self.report.created_at),
            "device": self._reference("Device", "device"),
        }
        if self.identity.study_instance_uid:
            resource["derivedFrom"] = [self._reference("ImagingStudy", "study")]
        return resource

    def _answer(self) -> Resource:
        prediction = self.report.prediction
        points = prediction.operating_points
        resource = self._observation("answer")
        resource["code"]["text"] = "Fracture in the images of the study"
        resource["method"] = {"text": f"FracturaX {_line(prediction.model.name)}"}
        numbers = [
            (codes.PROBABILITY, prediction.probability),
            (HIGH_SENSITIVITY, points.high_sensitivity),
            (HIGH_SPECIFICITY, points.high_specificity),
        ]
        resource["component"] = [
            *(_share(term, value) for term, value in numbers if value is not None),
            _text(ALGORITHM_NAME, prediction.model.name),
            _text(ALGORITHM_VERSION, prediction.model.version),
        ]
        if prediction.decisive_image is not None:
            resource["component"] += self._place(prediction.decisive_image)
        if prediction.status == "not_assessed":
            resource["dataAbsentReason"] = {
                "coding": [
                    {"system": f"{_HL7}/data-absent-reason", "code": "not-performed"},
                    _coding(codes.STATUS["not_assessed"]),
                ],
                "text": _line(sentence(prediction)),
            }
        else:
            resource["valueCodeableConcept"] = _concept(
                codes.STATUS[prediction.status], OWN_ANSWERS[prediction.status]
            )
            code, display = _INTERPRETATIONS[prediction.status]
            system = f"{_HL7}/v3-ObservationInterpretation"
            meaning = {"system": system, "code": code, "display": display}
            resource["interpretation"] = [{"coding": [meaning]}]
            findings = [f"finding-{one}" for one, _ in enumerate(prediction.findings, start=1)]
            if findings:
                resource["hasMember"] = [self._reference("Observation", one) for one in findings]
        unread = [
            f"{answer.reason}"
            for _, answer in answered_images(self.report)
            if answer.status == "not_assessed" and answer.reason
        ]
        if unread and prediction.status != "not_assessed":
            words = "; ".join(dict.fromkeys(map(_line, unread)))
            resource["note"] = [{"text": f"{len(unread)} images not assessed: {words}"}]
        return resource

    def _finding(self, finding: Finding, number: int) -> Resource:
        resource = self._observation(f"finding-{number}")
        resource["code"]["text"] = f"Finding {number}"
        status: Status = "fracture" if finding.certainty == "certain" else "doubt"
        resource["valueCodeableConcept"] = _concept(codes.STATUS[status], OWN_ANSWERS[status])
        image = next(one for one in self.report.study.images if one.name == finding.image)
        site = codes.site_of(image.acquisition.body_part, finding.region)
        if site is not None:
            resource["bodySite"] = _concept(site)
        certainty = _concept(codes.CERTAINTY[finding.certainty])
        components = [
            _share(codes.PROBABILITY, finding.probability),
            {"code": _concept(codes.CERTAINTY_OF_FINDING), "valueCodeableConcept": certainty},
        ]
        if image.acquisition.laterality is not None:
            side = _concept(codes.LATERALITY[image.acquisition.laterality])
            components.append({"code": _concept(LATERALITY), "valueCodeableConcept": side})
        components += self._place(finding.image, middle_plane(finding, image))
        components.append(_text(BOX, media_fragment(finding.box)))
        slices = finding.slices
        if slices is not None:
            words = f"{slices[0] + 1}-{slices[1]}"
            components.append(_text(SLICES, words))
        resource["component"] = components
        return resource

    def _place(self, name: str, plane: int = 0) -> Iterator[Resource]:
        """Say which image, by the UID of its object or the hash of its file; never by its name."""
        stored = self.identity.object_of(name, plane)
        if stored is not None:
            uid, frame = stored
            yield _text(IMAGE, f"urn:oid:{uid}")
            if frame is not None:
                yield {"code": _concept(FRAME), "valueInteger": frame}
            return
        image = next(one for one in self.report.study.images if one.name == name)
        if image.file_sha256:
            yield _text(IMAGE, f"sha256:{image.file_sha256}")

    def _imaging_study(self) -> Resource:
        identity = self.identity
        series: dict[str, Resource] = {}
        for stored in identity.images:
            one = series.setdefault(
                stored.series_instance_uid,
                {
                    "uid": stored.series_instance_uid,
                    "modality": _modality(stored.modality),
                    "instance": [],
                },
            )
            instance = {
                "uid": stored.sop_instance_uid,
                "sopClass": {
                    "system": "urn:ietf:rfc:3986",
                    "code": f"urn:oid:{stored.sop_class_uid}",
                },
            }
            if instance not in one["instance"]:
                one["instance"].append(instance)
        numbers = [
            {"system": "urn:dicom:uid", "value": f"urn:oid:{identity.study_instance_uid}"},
            *([self._accession()] if identity.accession_number else []),
        ]
        unknown = {"extension": [{"url": _ABSENT, "valueCode": "unknown"}]}
        started = self._started()
        return {
            "identifier": numbers,
            "status": "available",
            "modality": [
                _modality(one) for one in dict.fromkeys(one.modality for one in identity.images)
            ],
            "subject": unknown,
            **self._of_whom(),
            **({"started": started} if started else {}),
            "series": list(series.values()),
        }

    def _audit_event(self) -> Resource:
        prediction = self.report.prediction
        device = self._reference("Device", "device")
        entities: list[Resource] = [
            {"what": self._reference("DiagnosticReport", "report"), "name": "answer"},
        ]
        if self.identity.study_instance_uid:
            entities.append({"what": self._reference("ImagingStudy", "study"), "name": "images"})
        else:
            hashes = [one.file_sha256 for one in self.report.study.images if one.file_sha256]
            detail = [{"type": "sha256", "valueString": one} for one in hashes]
            if detail:
                entities.append({"name": "images", "detail": detail})
        return {
            "type": _coding(Code("110100", "DCM", "Application Activity")),
            "action": "E",
            "recorded": _instant(self.report.created_at),
            "outcome": "0" if prediction.status != "not_assessed" else "4",
            "agent": [
                {
                    "type": _concept(Code("110150", "DCM", "Application")),
                    "who": device,
                    "requestor": False,
                }
            ],
            "source": {"observer": device},
            "entity": entities,
        }


_NOTE = f"Made by a program, reviewed by nobody yet. {RESEARCH_USE_NOTICE}"


def media_fragment(box: Box) -> str:
    """Write a box as columns and rows from the top left corner of the image.

    References:
        W3C Media Fragments URI 1.0, 4.2.2 "Spatial Dimension"; fractions of a pixel are ours.

    Example:
        >>> media_fragment(Box(10.5, 20, 30, 60))
        'xywh=20,10.5,40,19.5'
    """
    sides = (
        box.column_min,
        box.row_min,
        box.column_max - box.column_min,
        box.row_max - box.row_min,
    )
    return "xywh=" + ",".join(f"{round(float(side), 4):.10g}" for side in sides)


def middle_plane(finding: Finding, image: Image) -> int:
    """Return the slice that stands for a finding of a volume; 0 of a film."""
    if not isinstance(image, Volume):
        return 0
    count = int(image.pixels.shape[0])
    start, stop = finding.slices or (count // 2, count // 2 + 1)
    return min((start + stop - 1) // 2, count - 1)


def _line(text: str) -> str:
    """Return text as FHIR takes it: one line, printable, no lone surrogate."""
    letters = (one if one.isprintable() else " " for one in text)
    return "".join(letters).encode("utf-8", "replace").decode().strip() or "-"


def _instant(moment: str) -> str:
    """Return a time of a report as FHIR writes it; all of ours carry their offset."""
    return datetime.fromisoformat(moment).astimezone().isoformat(timespec="seconds")


def _coding(term: Code) -> Resource:
    return {"system": system_of(term), "code": term.value, "display": term.meaning}


def _concept(*terms: Code) -> Resource:
    return {"coding": [_coding(term) for term in terms], "text": terms[-1].meaning}


def _modality(code: str) -> Resource:
    return {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": code}


def _share(term: Code, share: float) -> Resource:
    unit = {"unit": "1", "system": system_of(codes.NO_UNITS), "code": codes.NO_UNITS.value}
    return {"code": _concept(term), "valueQuantity": {"value": float(share), **unit}}


def _text(term: Code, text: str) -> Resource:
    return {"code": _concept(term), "valueString": _line(text)}
