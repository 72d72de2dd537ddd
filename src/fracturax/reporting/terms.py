"""The coded words of an answer, the same in every message: SNOMED CT, DICOM, LOINC, HL7."""

from __future__ import annotations

from dataclasses import dataclass

from fracturax.core.anatomy import Region
from fracturax.core.finding import Certainty
from fracturax.core.image import Laterality
from fracturax.core.prediction import Status


@dataclass(frozen=True)
class Term:
    """A coded word.

    Args:
        value: The code.
        scheme: Coding scheme as DICOM names it: `SCT`, `DCM`, `LN`, `UCUM`, or `99FRACTURAX`,
            our own.
        meaning: What it stands for.

    Raises:
        KeyError: From `system` and `hl7` if the scheme is unknown.

    References:
        DICOM PS3.16, 8 "Coding Schemes"; HL7 v2 table 0396.
    """

    value: str
    scheme: str
    meaning: str

    @property
    def system(self) -> str:
        """The coding scheme as FHIR names it."""
        return _SYSTEMS[self.scheme][0]

    @property
    def hl7(self) -> str:
        """The coding scheme as HL7 v2 names it."""
        return _SYSTEMS[self.scheme][1]


OWN_SYSTEM = "https://github.com/fracturax/fracturax/blob/main/docs/reference/conformance.md"
_SYSTEMS = {
    "SCT": ("http://snomed.info/sct", "SCT"),
    "DCM": ("http://dicom.nema.org/resources/ontology/DCM", "DCM"),
    "LN": ("http://loinc.org", "LN"),
    "UCUM": ("http://unitsofmeasure.org", "UCUM"),
    "99FRACTURAX": (OWN_SYSTEM, "99FRX"),
}

FRACTURE = Term("125605004", "SCT", "Fracture of bone")
FINDING_SITE = Term("363698007", "SCT", "Finding site")
CERTAINTY = Term("111012", "DCM", "Certainty of Finding")
ALGORITHM_NAME = Term("111001", "DCM", "Algorithm Name")
ALGORITHM_VERSION = Term("111003", "DCM", "Algorithm Version")
DICOM_STUDY = Term("113014", "DCM", "DICOM Study")
IMAGING_STUDY = Term("18748-4", "LN", "Diagnostic imaging study")
IMPRESSION = Term("19005-8", "LN", "Radiology Imaging study [Impression] (narrative)")
PROCEDURE_FINDINGS = Term("59776-5", "LN", "Procedure findings Narrative")
PERCENT = Term("%", "UCUM", "percent")

# What no public scheme has a word for.
CONFIDENCE = Term("certainty", "99FRACTURAX", "Operating point that the finding reaches")
BOX = Term("box", "99FRACTURAX", "Box of the finding in its image: xywh=x,y,width,height")
IMAGE = Term("image", "99FRACTURAX", "Image that the finding lies in")
FRAME = Term("frame", "99FRACTURAX", "Frame of that image, from 1")
SLICES = Term("slices", "99FRACTURAX", "Slices that the finding reaches through, from 1")
LATERALITY = Term("272741003", "SCT", "Laterality")
HIGH_SENSITIVITY = Term("high-sensitivity", "99FRACTURAX", "Operating point: doubt from")
HIGH_SPECIFICITY = Term("high-specificity", "99FRACTURAX", "Operating point: fracture from")

ANSWERS: dict[Status, Term] = {
    "fracture": Term("415684004", "SCT", "Suspected"),
    "doubt": Term("64957009", "SCT", "Uncertain"),
    "no_fracture": Term("260415000", "SCT", "Not detected"),
    "not_assessed": Term("not_assessed", "99FRACTURAX", "Not assessed"),
}
OWN_ANSWERS: dict[Status, Term] = {
    "fracture": Term("fracture", "99FRACTURAX", "Fracture suspected"),
    "doubt": Term("doubt", "99FRACTURAX", "Doubtful: please look closely"),
    "no_fracture": Term("no_fracture", "99FRACTURAX", "No fracture found"),
    "not_assessed": Term("not_assessed", "99FRACTURAX", "Not assessed"),
}
CERTAINTIES: dict[Certainty, Term] = {
    "certain": Term("certain", "99FRACTURAX", "Certain: reaches the high-specificity point"),
    "doubt": Term("doubt", "99FRACTURAX", "In doubt: reaches the high-sensitivity point only"),
}
SITES: dict[Region, Term] = {
    "hand": Term("53120007", "SCT", "Upper limb"),
    "leg": Term("61685007", "SCT", "Lower limb"),
    "hip": Term("29836001", "SCT", "Hip"),
    "shoulder": Term("16982005", "SCT", "Shoulder"),
}
SIDES: dict[Laterality, Term] = {
    "left": Term("7771000", "SCT", "Left"),
    "right": Term("24028007", "SCT", "Right"),
    "both": Term("51440002", "SCT", "Right and left"),
}
