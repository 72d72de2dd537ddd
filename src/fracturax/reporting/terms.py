"""The coded words of messages: those of the DICOM objects, and what only messages say."""

from __future__ import annotations

from fracturax.core.prediction import Status
from fracturax.reporting.dicom.codes import Code

OWN_SYSTEM = "https://github.com/fracturax/fracturax/blob/main/docs/reference/conformance.md"
_OWN = "99FRACTURAX"
_SYSTEMS = {
    "SCT": "http://snomed.info/sct",
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
    "LN": "http://loinc.org",
    "UCUM": "http://unitsofmeasure.org",
    _OWN: OWN_SYSTEM,
}

ALGORITHM_NAME = Code("111001", "DCM", "Algorithm Name")
ALGORITHM_VERSION = Code("111003", "DCM", "Algorithm Version")
DICOM_STUDY = Code("113014", "DCM", "DICOM Study")
FINDING_SITE = Code("363698007", "SCT", "Finding site")
LATERALITY = Code("272741003", "SCT", "Laterality")
IMAGING_STUDY = Code("18748-4", "LN", "Diagnostic imaging study")
IMPRESSION = Code("19005-8", "LN", "Radiology Imaging study [Impression] (narrative)")
PROCEDURE_FINDINGS = Code("59776-5", "LN", "Procedure findings Narrative")

# What no public scheme has a word for.
BOX = Code("box", _OWN, "Box of the finding in its image, xywh=x,y,width,height")
IMAGE = Code("image", _OWN, "Image that the finding lies in")
FRAME = Code("frame", _OWN, "Frame of that image, from 1")
SLICES = Code("slices", _OWN, "Slices that the finding reaches through, from 1")
HIGH_SENSITIVITY = Code("high-sensitivity", _OWN, "Probability from which the answer is doubt")
HIGH_SPECIFICITY = Code("high-specificity", _OWN, "Probability from which the answer is fracture")
OWN_CODES = (BOX, IMAGE, FRAME, SLICES, HIGH_SENSITIVITY, HIGH_SPECIFICITY)

OWN_ANSWERS: dict[Status, Code] = {
    "fracture": Code("fracture", _OWN, "Fracture suspected"),
    "doubt": Code("doubt", _OWN, "Doubtful: please look closely"),
    "no_fracture": Code("no_fracture", _OWN, "No fracture found"),
    "not_assessed": Code("not_assessed", _OWN, "Not assessed"),
}
"""The four answers in our own words, beside the public ones."""


def system_of(code: Code) -> str:
    """Return the name that FHIR has for a coding scheme.

    Raises:
        KeyError: If it has none.

    References:
        HL7 FHIR R4B, 4.3.0.3 "Using Code Systems"; DICOM PS3.16, 8 "Coding Schemes".

    Example:
        >>> system_of(ALGORITHM_NAME)
        'http://dicom.nema.org/resources/ontology/DCM'
    """
    return _SYSTEMS[code.scheme]
