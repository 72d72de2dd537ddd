"""The page docs/reference/conformance.md: what the written objects hold, read from objects made now.

Every table is taken from the forms of the example study (its films are synthetic, and where it is
broken is known), or from the constants that the writers use; `tools/reference.py` writes and checks
the page.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

Objects = Mapping[str, list[Any]]

# What IHE RAD calls the primitives of AI results, where each stands, and the codes that show it.
_PRIMITIVES: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    (
        "Qualitative findings",
        "sr",
        "*Presence* of a fracture for the study and each image; certainty of each finding",
        ("705057003", "111012"),
    ),
    ("Measurements", "sr", "probability of the study, each image and each finding", ("122157",)),
    (
        "Regions",
        "sr",
        "outline of each box: in pixels of a film, in the patient of a CT",
        ("SCOORD",),
    ),
    (
        "Regions",
        "seg",
        "each finding as a segment: its mask, or its box filled",
        ("SegmentSequence", "RecommendedDisplayCIELabValue"),
    ),
    ("Locations", "", "not written: a finding has a region", ()),
    ("Parametric maps", "", "not written; the activation map is on the HTML page", ()),
    (
        "Tracking identifiers",
        "sr",
        "UID and name of each finding, image and the study",
        ("112040",),
    ),
    (
        "Tracking identifiers",
        "seg",
        "those of the findings in the structured report",
        ("TrackingUID",),
    ),
    ("Image references", "ko", "films with a finding, slices in the middle of one", ("113000",)),
    (
        "Image references",
        "sr",
        "image library: every film; first, last and marked slices",
        ("111028",),
    ),
    ("Algorithm", "sr", "name, version, hashes, thresholds (TID 4019)", ("111001", "111003")),
    ("Presentation", "gsps", "boxes and words over the untouched film", ("POLYLINE",)),
    ("Presentation", "sc", "for displays that show none of these: a picture", ("DERIVED",)),
)


def conformance_page() -> Iterator[str]:
    """Yield the page."""
    report, sources = _example()
    objects, messages = _made(report)
    yield (
        "# Conformance\n\nWhat FracturaX writes for other systems: the object part of a DICOM "
        "conformance statement, the table of the IHE profile AI Results, FHIR and HL7. All tables "
        "are taken from the code and from the forms of the example study.\n\n"
        "FracturaX is a writer of files. It offers no DICOM network service and no DICOMweb "
        "service of its own; its objects were stored in Orthanc by C-STORE and STOW-RS "
        "([how viewers show them](../how-to/dicom-results.md)). No Connectathon, no registration.\n"
    )
    yield from _classes(objects)
    yield from _profile(objects)
    yield from _taken_over(objects, sources)
    yield from _uids()
    yield from _layers()
    yield from _codes(objects)
    yield from _own_codes()
    yield from _fhir(messages["fhir"])
    yield from _hl7(messages["hl7"])
    yield from _attributes(objects, sources)


def _example() -> tuple[Any, list[Any]]:
    """Return a report on the example study, its findings those that were drawn."""
    from pydicom import dcmread

    from fracturax.core.finding import Finding
    from fracturax.core.geometry import Box
    from fracturax.core.prediction import (
        ImagePrediction,
        ModelIdentity,
        OperatingPoints,
        Prediction,
    )
    from fracturax.core.report import Report
    from fracturax.example import example_study_folder
    from fracturax.imaging import open_study

    folder = example_study_folder() / "forearm"
    truth = json.loads((folder.parent / "truth.json").read_text(encoding="utf-8"))["images"]
    study = open_study(folder)
    answers = []
    for image in study.images:
        boxes = truth[f"forearm/{Path(image.name).name}"]["boxes"]
        found = [Finding(image.name, Box(*box), 0.9, 0.8, "certain", "hand") for box in boxes]
        found.append(Finding(image.name, Box(20, 20, 90, 80), 0.2, 0.15, "doubt", "hand"))
        answers.append(ImagePrediction(image.name, "fracture", 0.9, None, tuple(found), "hand"))
    prediction = Prediction(
        study.key,
        "fracture",
        ModelIdentity("xray", "1", "0" * 64, "1" * 64, "fp32"),
        OperatingPoints(0.1, 0.5),
        0.9,
        None,
        study.images[0].name,
        tuple(answers),
    )
    report = Report(study, prediction, "2026-01-01T10:00:00+00:00", "fracturax", True)
    return report, [dcmread(path, stop_before_pixels=True) for path in sorted(folder.iterdir())]


def _made(report: Any) -> tuple[Objects, dict[str, bytes]]:
    from pydicom import dcmread

    from fracturax.reporting.forms import FORMS, make_forms

    objects: dict[str, list[Any]] = {}
    messages = {}
    for made in make_forms(report, [name for name, form in FORMS.items() if form.source != "none"]):
        if made.error is not None:
            raise made.error
        if made.form.source == "needed":
            objects[made.form.name] = [dcmread(io.BytesIO(data)) for data in made.files]
        else:
            messages[made.form.name] = made.files[0]
    return objects, messages


def _table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    lines = ["| " + " | ".join(head) + " |"]
    lines.append("|" + "---|" * lines[0].count("|", 1))
    for row in rows:
        lines.append("| " + " | ".join(str(cell).replace("|", r"\|") for cell in row) + " |")
    return "\n".join(lines) + "\n"


def _classes(objects: Objects) -> Iterator[str]:
    from fracturax.reporting.forms import FORMS

    yield "## Objects\n\nFor the example study: two films, each with two findings.\n"
    rows = []
    for form, made in objects.items():
        first = made[0]
        template = first.get("ContentTemplateSequence")
        rows.append(
            (
                f"`{form}`",
                FORMS[form].says,
                first.SOPClassUID.name,
                f"`{first.SOPClassUID}`",
                first.Modality,
                first.SeriesNumber,
                first.file_meta.TransferSyntaxUID.name,
                f"TID {template[0].TemplateIdentifier}" if template else "",
                len(made),
            )
        )
    head = ("form", "what", "SOP class", "UID", "modality", "series", "transfer syntax", "template")
    yield _table((*head, "objects"), rows)
    yield (
        "Each form is a series of its own in the study of its images. `ContentQualification` is "
        "`RESEARCH`; the notice of research use stands in words in every object.\n"
    )


def _profile(objects: Objects) -> Iterator[str]:
    yield (
        "## IHE AI Results (AIR)\n\nWhich object carries which primitive of the profile's actor "
        "Evidence Creator. The root of the results is the structured report.\n"
    )
    rows = []
    for primitive, form, words, shown_by in _PRIMITIVES:
        for mark in shown_by:
            if not any(_holds(made, mark) for made in objects[form]):
                raise LookupError(f"no {mark} in the form {form}, which is said to carry it")
        rows.append((primitive, f"`{form}`" if form else "none", words))
    yield _table(("primitive", "form", "how"), rows)


def _holds(dataset: Any, mark: str) -> bool:
    """Whether a code, keyword or value stands anywhere in an object."""
    for element in dataset:
        if element.keyword == mark:
            return True
        if element.VR == "SQ":
            if any(_holds(item, mark) for item in element.value):
                return True
        elif element.VR in ("SH", "CS", "LO") and mark in str(element.value).split("'"):
            return True
        elif str(element.value) == mark:
            return True
    return False


def _taken_over(objects: Objects, sources: list[Any]) -> Iterator[str]:
    from pydicom.datadict import dictionary_description, tag_for_keyword

    from fracturax.reporting.dicom.attributes import EMPTY_IF_MISSING, ONLY_IF_PRESENT
    from fracturax.reporting.dicom.source import REQUIRED

    yield (
        "## Taken over from the images\n\nThe first valid value that an image has. A value that "
        "its representation does not allow is left out. Private groups are not taken over.\n"
    )
    rows = []
    rules = (
        (REQUIRED[:1], "needed; refused without"),
        (EMPTY_IF_MISSING, "empty if no image has it"),
        (ONLY_IF_PRESENT, "left out if no image has it"),
    )
    for keywords, rule in rules:
        for keyword in keywords:
            tag = tag_for_keyword(keyword)
            rows.append((f"`{keyword}`", _tag(tag), dictionary_description(tag), rule))
    rows.append(
        ("`SpecificCharacterSet`", "(0008,0005)", "Specific Character Set", "kept; UTF-8 if it "
         "cannot say every text")
    )  # fmt: skip
    yield _table(("attribute", "tag", "name", "rule"), rows)
    others = ", ".join(f"`{keyword}`" for keyword in REQUIRED[1:])
    yield f"Needed of every image besides: {others}.\n"


def _tag(tag: Any) -> str:
    return f"({int(tag) >> 16:04X},{int(tag) & 0xFFFF:04X})"


def _uids() -> Iterator[str]:
    from fracturax.reporting.dicom import uids

    rule = " ".join((uids.__doc__ or "").split())
    yield (
        f"## UIDs\n\n{rule} A UID is `2.25.` and a number of 128 bits of a SHA-256, marked as a "
        "UUID of version 8. Into it go the form, the software, the model (name, version, hashes of "
        "bundle and plan, precision), both operating points, status and reason, and the hash, "
        "frames and UIDs of every image. So a second writing makes no double in an archive, and "
        "another model or version makes other objects beside.\n"
    )


def _layers() -> Iterator[str]:
    from fracturax.reporting.dicom.gsps import LAYERS

    yield "## Layers of the presentation state\n"
    rows = ((f"`{name}`", words, color) for name, (words, color) in LAYERS.items())
    yield _table(("layer", "holds", "colour"), rows)


def _codes(objects: Objects) -> Iterator[str]:
    used: dict[tuple[str, str], tuple[str, set[str]]] = {}
    for form, made in objects.items():
        for dataset in made:
            for code, meaning in _coded(dataset):
                used.setdefault(code, (meaning, set()))[1].add(form)
    yield "## Codes in the objects\n"
    rows = (
        (scheme, f"`{value}`", meaning, ", ".join(form for form in objects if form in forms))
        for (scheme, value), (meaning, forms) in sorted(used.items())
    )
    yield _table(("scheme", "code", "meaning", "forms"), rows)


def _coded(dataset: Any) -> Iterator[tuple[tuple[str, str], str]]:
    for element in dataset:
        if element.VR != "SQ":
            continue
        for item in element.value:
            if "CodeValue" in item:
                code = (str(item.CodingSchemeDesignator), str(item.CodeValue))
                yield code, str(item.CodeMeaning)
            yield from _coded(item)


def _own_codes() -> Iterator[str]:
    from fracturax.reporting.terms import OWN_ANSWERS, OWN_CODES, OWN_SYSTEM

    yield (
        "## Our own codes\n\nIn FHIR and HL7 only, for what no public scheme has a word for. "
        f"Scheme `99FRACTURAX` in HL7; in FHIR `{OWN_SYSTEM}`.\n"
    )
    rows = ((f"`{one.value}`", one.meaning) for one in (*OWN_CODES, *OWN_ANSWERS.values()))
    yield _table(("code", "meaning"), rows)


def _fhir(data: bytes) -> Iterator[str]:
    from fracturax.reporting.fhir import FHIR_VERSION

    bundle = json.loads(data)
    yield (
        f"## FHIR\n\nVersion {FHIR_VERSION} (R4B; these resources are the same in R4). One Bundle "
        f"of type `{bundle['type']}`; UIDs as `urn:oid:`, reports and findings named by a UUID "
        "derived like the UIDs above. Patient and order are referred to by identifier only.\n"
    )
    kinds: dict[str, tuple[set[str], set[str]]] = {}
    for entry in bundle["entry"]:
        resource, request = entry["resource"], entry["request"]
        seen, how = kinds.setdefault(resource["resourceType"], (set(), set()))
        seen.update(key for key in resource if key not in ("resourceType", "meta"))
        how.add("update, or create" if request["method"] == "PUT" else
                "create if there is none" if "ifNoneExist" in request else "create")  # fmt: skip
    rows = (
        (kind, ", ".join(sorted(how)), ", ".join(f"`{key}`" for key in sorted(seen)))
        for kind, (seen, how) in kinds.items()
    )
    yield _table(("resource", "request", "elements"), rows)


def _hl7(data: bytes) -> Iterator[str]:
    from fracturax.reporting.hl7 import HL7_VERSION

    yield (
        f"## HL7 v2\n\n`ORU^R01^ORU_R01`, version {HL7_VERSION}, UTF-8 (MSH-18), as IHE Results "
        "Distribution [RAD-128] names the study. A file holds one message; its segments end with a "
        "carriage return. Observations are *not verified* (`R`), what was not assessed is *cannot "
        "be obtained* (`X`), synthetic studies are sent as *training* (MSH-11 `T`).\n"
    )
    fields: dict[str, set[int]] = {}
    observed: dict[str, str] = {}
    for segment in data.decode().split("\r")[:-1]:
        name, *values = segment.split("|")
        shift = 2 if name == "MSH" else 1
        fields.setdefault(name, set()).update(
            number for number, value in enumerate(values, start=shift) if value
        )
        if name == "OBX":
            code, meaning, scheme = values[2].split("^")[:3]
            observed[f"`{code}^{meaning}^{scheme}`"] = values[1]
    rows = ((name, ", ".join(map(str, sorted(numbers)))) for name, numbers in fields.items())
    yield _table(("segment", "fields"), rows)
    yield _table(("observation (OBX-3)", "type (OBX-2)"), observed.items())


def _attributes(objects: Objects, sources: list[Any]) -> Iterator[str]:
    yield (
        "## Attributes\n\n*images*: taken over; *empty*: stands empty, the example has no value; "
        "*made*: written by FracturaX.\n"
    )
    for form, made in objects.items():
        yield f"### `{form}`\n"
        rows = {}
        for dataset in made:
            for element in dataset:
                rows[element.tag] = (
                    _tag(element.tag),
                    f"`{element.keyword}`",
                    element.VR,
                    _origin(element, sources),
                )
        yield _table(("tag", "attribute", "VR", "from"), (rows[tag] for tag in sorted(rows)))


def _origin(element: Any, sources: list[Any]) -> str:
    from fracturax.reporting.dicom.attributes import EMPTY_IF_MISSING, ONLY_IF_PRESENT

    kept = (*EMPTY_IF_MISSING, *ONLY_IF_PRESENT, "StudyInstanceUID", "SpecificCharacterSet")
    if element.keyword in kept:
        has_value = any(source.get(element.keyword) not in (None, "") for source in sources)
        return "images" if has_value else "empty"
    return "made" if element.value not in (None, "") and str(element.value) != "[]" else "empty"
