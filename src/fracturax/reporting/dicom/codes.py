"""The codes the objects speak in: SNOMED CT, DICOM's own and UCUM.

Every code stands in the DICOM standard (PS3.16), except the fracture, *Presence* and
*Certain*, which are SNOMED CT's alone.
"""

from __future__ import annotations

from typing import NamedTuple

from fracturax.core.anatomy import Region
from fracturax.core.finding import Certainty
from fracturax.core.image import Laterality
from fracturax.core.prediction import Status


class Code(NamedTuple):
    """A coded concept: value, coding scheme, meaning."""

    value: str
    scheme: str
    meaning: str


FRACTURE = Code("125605004", "SCT", "Fracture of bone")
MORPHOLOGIC_ABNORMALITY = Code("49755003", "SCT", "Morphologically Abnormal Structure")
FRACTURE_MORPHOLOGY = Code("72704001", "SCT", "Fracture")
SEGMENTATION = Code("113076", "DCM", "Segmentation")
SOURCE_OF_PROCESSING = Code("121322", "DCM", "Source image for image processing operation")
PRESENCE = Code("705057003", "SCT", "Presence")
CERTAINTY_OF_FINDING = Code("111012", "DCM", "Certainty of Finding")
PROBABILITY = Code("122157", "DCM", "Probability")
NO_UNITS = Code("1", "UCUM", "no units")
COMMENT = Code("121106", "DCM", "Comment")
CONCLUSION = Code("121077", "DCM", "Conclusion")
ARTIFICIAL_INTELLIGENCE = Code("123110", "DCM", "Artificial Intelligence")
OF_INTEREST = Code("113000", "DCM", "Of Interest")
SOURCE = Code("260753009", "SCT", "Source")
IMAGE_LIBRARY = Code("111028", "DCM", "Image Library")
IMAGE_LIBRARY_GROUP = Code("126200", "DCM", "Image Library Group")
QUALITATIVE_EVALUATIONS = Code("C0034375", "UMLS", "Qualitative Evaluations")

PIXELS = Code("{pixels}", "UCUM", "pixels")

MODALITY = {
    value: Code(value, "DCM", meaning)
    for value, meaning in (
        ("DX", "Digital Radiography"),
        ("CR", "Computed Radiography"),
        ("RG", "Radiographic imaging"),
        ("RF", "Radiofluoroscopy"),
        ("XA", "X-Ray Angiography"),
        ("CT", "Computed Tomography"),
        ("MR", "Magnetic Resonance"),
        ("PT", "Positron emission tomography"),
        ("OT", "Other Modality"),
    )
}
"""Modalities, PS3.16, CID 29."""

STATUS: dict[Status, Code] = {
    "fracture": Code("52101004", "SCT", "Present"),
    "doubt": Code("82334004", "SCT", "Indeterminate"),
    "no_fracture": Code("272519000", "SCT", "Absent"),
    "not_assessed": Code("373121007", "SCT", "Not Evaluated"),
}
"""Whether there is a fracture, as the value of `PRESENCE`."""

CERTAINTY: dict[Certainty, Code] = {
    "certain": Code("17162000", "SCT", "Certain"),
    "doubt": Code("64957009", "SCT", "Uncertain"),
}
"""How sure a finding is: solid and dotted boxes."""

LATERALITY: dict[Laterality, Code] = {
    "left": Code("7771000", "SCT", "Left"),
    "right": Code("24028007", "SCT", "Right"),
    "both": Code("51440002", "SCT", "Bilateral"),
}

SITE: dict[Region, Code] = {
    "hand": Code("53120007", "SCT", "Upper limb"),
    "leg": Code("61685007", "SCT", "Lower limb"),
    "hip": Code("29836001", "SCT", "Hip"),
    "shoulder": Code("16982005", "SCT", "Shoulder"),
}
"""Regions of the model: `hand` is the whole upper limb below the shoulder, `leg` the lower one."""

# BodyPartExamined, lower case without blanks and separators: PS3.16, Table L-1.
_SITE_OF_BODY_PART: dict[str, Code] = {
    part: Code(value, "SCT", meaning)
    for parts, value, meaning in (
        (("hand",), "85562004", "Hand"),
        (("finger",), "7569003", "Finger"),
        (("thumb",), "76505004", "Thumb"),
        (("wrist",), "74670003", "Wrist joint"),
        (("scaphoid",), "30518006", "Scaphoid"),
        (("forearm", "lowerarm"), "14975008", "Forearm"),
        (("radius",), "62413002", "Radius"),
        (("ulna",), "23416004", "Ulna"),
        (("elbow",), "16953009", "Elbow joint"),
        (("humerus",), "85050009", "Humerus"),
        (("arm", "upperarm"), "40983000", "Upper arm"),
        (("upperlimb", "upperextremity"), "53120007", "Upper limb"),
        (("foot",), "56459004", "Foot"),
        (("toe",), "29707007", "Toe"),
        (("calcaneus", "heel"), "80144004", "Calcaneus"),
        (("ankle",), "70258002", "Ankle joint"),
        (("leg", "lowerleg"), "30021000", "Lower leg"),
        (("tibia",), "12611008", "Tibia"),
        (("fibula",), "87342007", "Fibula"),
        (("tibiafibula", "tibfib"), "110536004", "Tibia and fibula"),
        (("knee",), "72696002", "Knee"),
        (("patella",), "64234005", "Patella"),
        (("femur",), "71341001", "Femur"),
        (("thigh",), "68367000", "Thigh"),
        (("lowerlimb", "lowerextremity"), "61685007", "Lower limb"),
        (("hip", "hips"), "29836001", "Hip"),
        (("hipjoint",), "24136001", "Hip joint"),
        (("pelvis",), "816092008", "Pelvis"),
        (("acetabulum",), "37783008", "Acetabulum"),
        (("shoulder",), "16982005", "Shoulder"),
        (("clavicle",), "51299004", "Clavicle"),
        (("scapula",), "79601000", "Scapula"),
        (("acjoint",), "85856004", "Acromioclavicular joint"),
        (("chest", "thorax"), "816094009", "Chest"),
        (("rib", "ribs"), "113197003", "Rib"),
        (("skull",), "89546000", "Skull"),
        (("spine", "wholespine"), "421060004", "Spine"),
        (("cspine", "cervicalspine"), "122494005", "Cervical spine"),
        (("tspine", "thoracicspine"), "122495006", "Thoracic spine"),
        (("lspine", "lumbarspine"), "122496007", "Lumbar spine"),
    )
    for part in parts
}

_PROCEDURE = {
    "CT": Code("77477000", "SCT", "Computed tomography"),
    **dict.fromkeys(("CR", "DX", "RG"), Code("168537006", "SCT", "Plain radiography")),
}
_ANY_PROCEDURE = Code("363679005", "SCT", "Imaging procedure")


def site_of(body_part: str | None, region: Region | None) -> Code | None:
    """Return where in the body: what the file names, else the region the model saw, else None.

    Example:
        >>> site_of("FOREARM", "leg"), site_of(None, "hip")
        (Code(value='14975008', scheme='SCT', meaning='Forearm'),
         Code(value='29836001', scheme='SCT', meaning='Hip'))
    """
    plain = "".join(letter for letter in (body_part or "").lower() if letter.isalnum())
    named = _SITE_OF_BODY_PART.get(plain)
    return named if named is not None or region is None else SITE[region]


def procedure_of(modality: str) -> Code:
    """Return the kind of examination that a modality makes.

    Example:
        >>> procedure_of("DX").meaning
        'Plain radiography'
    """
    return _PROCEDURE.get(modality, _ANY_PROCEDURE)
