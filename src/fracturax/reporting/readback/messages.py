"""The JSON document, a FHIR bundle and an HL7 message read back, by no library of theirs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.reporting.readback.marks import Mark, Place, ReadBack

_FRAGMENT = re.compile(r"xywh=([0-9.e+-]+),([0-9.e+-]+),([0-9.e+-]+),([0-9.e+-]+)")
_UNESCAPED = {"F": "|", "S": "^", "T": "&", "R": "~", "E": "\\"}
_MOST_FINDINGS = 10_000
_UNCERTAIN = "64957009"  # SNOMED CT


def read_json(data: bytes) -> ReadBack | None:
    """Read a JSON file: our document, or a FHIR bundle; None if it is neither.

    Raises:
        DataError: If it is no JSON, or one of ours with parts missing.
    """
    try:
        document = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError("the file is no JSON", got=type(error).__name__) from None
    if not isinstance(document, dict):
        return None
    try:
        if document.get("resourceType") == "Bundle":
            return _bundle(document)
        if "study_key" in document and "research_use_notice" in document:
            return _document(document)
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        raise DataError(
            "the document lacks what ours have", got=type(error).__name__, cure="write it again"
        ) from None
    return None


def _document(document: dict[str, Any]) -> ReadBack:
    marks, lines, places = [], [], []
    for image in document["images"]:
        place = Place(sha256=image["file_sha256"], name=str(image["name"]))
        places.append(place)
        lines.append(f"{image['name']}: {image['status']}, {_share(image['probability'])}")
        for finding in image["findings"]:
            row_min, column_min, row_max, column_max = map(float, finding["box"])
            label = f"{_share(finding['probability'])} {finding['certainty']}"
            points = _rectangle(column_min, row_min, column_max, row_max)
            marks.append(Mark(place, label, finding["certainty"] == "doubt", points=points))
    title = f"{document['status']}, {_share(document['probability'])}"
    if document["reason"]:
        lines.insert(0, str(document["reason"]))
    return ReadBack("json", title, tuple(lines), tuple(marks[:_MOST_FINDINGS]), tuple(places))


def _share(probability: float | None) -> str:
    return "no probability" if probability is None else f"{100 * float(probability):.1f} %"


def _bundle(bundle: dict[str, Any]) -> ReadBack:
    resources = [entry["resource"] for entry in bundle["entry"]][:_MOST_FINDINGS]
    marks, lines, title = [], [], ""
    places: list[Place] = []
    for resource in resources:
        kind = resource["resourceType"]
        if kind == "DiagnosticReport":
            title = str(resource.get("conclusion", ""))
        for series in resource.get("series", ()):
            places += [Place(str(one["uid"])) for one in series["instance"]]
        if kind != "Observation":
            continue
        parts = {
            str(one["code"]["coding"][0]["code"]): one for one in resource.get("component", ())
        }
        said = resource.get("valueCodeableConcept") or resource.get("dataAbsentReason") or {}
        share = parts.get("122157", {}).get("valueQuantity", {}).get("value")
        label = str(said.get("text", ""))
        label += f", {_share(share)}" if share is not None else ""
        lines.append(f"{resource['code'].get('text', '')}: {label}")
        if "box" in parts:
            place = _named(parts["image"]["valueString"]) if "image" in parts else None
            frame = parts.get("frame", {}).get("valueInteger")
            if place is not None and frame is not None:
                place = Place(place.sop_instance_uid, int(frame))
            certainty = parts.get("111012", {}).get("valueCodeableConcept", {})
            is_doubt = certainty.get("coding", [{}])[0].get("code") == _UNCERTAIN
            points = _fragment(str(parts["box"]["valueString"]))
            marks.append(Mark(place, label, is_doubt, points=points))
    return ReadBack("fhir", title, tuple(lines), tuple(marks), tuple(dict.fromkeys(places)))


def _named(text: str) -> Place | None:
    if text.startswith("urn:oid:"):
        return Place(text.removeprefix("urn:oid:"))
    if text.startswith("sha256:"):
        return Place(sha256=text.removeprefix("sha256:"))
    return Place(text) if re.fullmatch(r"[0-9.]+", text) else None


def _fragment(text: str) -> npt.NDArray[np.float64]:
    match = _FRAGMENT.fullmatch(text)
    if match is None:
        raise ValueError("no box")
    left, top, width, height = (float(one) for one in match.groups())
    return _rectangle(left, top, left + width, top + height)


def _rectangle(left: float, top: float, right: float, bottom: float) -> npt.NDArray[np.float64]:
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    points = np.array(corners, np.float64)
    if not np.isfinite(points).all():
        raise ValueError("no box")
    return points


def read_hl7(data: bytes) -> ReadBack:
    """Read an ORU^R01 message of ours.

    Raises:
        DataError: If it is no such message.

    References:
        HL7 v2.5.1, 2.5 "Message Construction Rules", 2.7 "Use of Escape Sequences".
    """
    try:
        segments = [one.split("|") for one in data.decode("utf-8").split("\r") if one]
        if segments[0][:2] != ["MSH", "^~\\&"] or segments[0][8] != "ORU^R01^ORU_R01":
            raise ValueError("another message")
        observations = [one for one in segments if one[0] == "OBX"][:_MOST_FINDINGS]
        return _message(observations)
    except (ValueError, IndexError, KeyError) as error:
        raise DataError(
            "the file is no ORU^R01 message of ours",
            got=type(error).__name__,
            cure="write it again",
        ) from None


def _message(observations: list[list[str]]) -> ReadBack:
    lines: list[str] = []
    findings: dict[str, dict[str, str]] = {}
    for fields in observations:
        code, meaning = (*fields[3].split("^"), "")[:2]
        value = " / ".join(_shown(one, fields[2]) for one in fields[5].split("~"))
        lines.append(f"{fields[4]} {_plain(meaning)}: {value}".strip())
        if fields[4]:
            findings.setdefault(fields[4], {})[code] = fields[5]
    marks = tuple(_marks(findings))
    places = dict.fromkeys(mark.place for mark in marks if mark.place is not None)
    title = next((line for line in lines if line.startswith("Fracture of bone")), "")
    return ReadBack("hl7", title, tuple(lines), marks, tuple(places))


def _marks(findings: dict[str, dict[str, str]]) -> Iterator[Mark]:
    for parts in findings.values():
        place = _named(_plain(parts.get("image", "")))
        if place is not None and "frame" in parts:
            place = Place(place.sop_instance_uid, int(parts["frame"]))
        is_doubt = parts.get("111012", "").split("^")[0] == _UNCERTAIN
        label = _share(float(parts["122157"])) if "122157" in parts else ""
        yield Mark(place, label, is_doubt, points=_fragment(_plain(parts["box"])))


def _shown(value: str, kind: str) -> str:
    parts = value.split("^")
    return _plain(parts[1] if kind == "CWE" and len(parts) > 1 else value)


def _plain(text: str) -> str:
    return re.sub(r"\\([FSTRE])\\", lambda match: _UNESCAPED[match[1]], text)
