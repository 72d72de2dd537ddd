"""Body regions FracturaX speaks of, and how DICOM body parts map to them."""

from __future__ import annotations

from typing import Literal, get_args

Region = Literal["hand", "leg", "hip", "shoulder"]

REGIONS: tuple[Region, ...] = get_args(Region)
"""Regions of the radiograph model: `hand` is the upper limb below the shoulder, `leg` the lower
limb below the hip, `hip` includes the pelvis, `shoulder` the clavicle and the scapula, as in
FracAtlas (Abedeen et al., 2023)."""

# BodyPartExamined, DICOM PS3.16 Annex L; lower case, without blanks and separators.
_BODY_PARTS: dict[Region, tuple[str, ...]] = {
    "hand": (
        *("hand", "finger", "thumb", "wrist", "forearm", "elbow", "arm", "humerus", "upperarm"),
        *("radius", "ulna", "upperlimb", "carpus", "scaphoid", "lowerarm", "upperextremity"),
    ),
    "leg": (
        *("leg", "foot", "toe", "ankle", "knee", "femur", "thigh", "lowerleg", "tibia", "fibula"),
        *("calcaneus", "patella", "lowerlimb", "lowerextremity", "heel", "tibiafibula", "tibfib"),
    ),
    "hip": ("hip", "hips", "hipjoint", "pelvis", "pelvic", "acetabulum"),
    "shoulder": ("shoulder", "clavicle", "scapula", "acjoint"),
}
_REGION_OF_BODY_PART = {part: region for region, parts in _BODY_PARTS.items() for part in parts}

_OUT_OF_SCOPE = frozenset(
    (
        *("chest", "thorax", "lung", "rib", "ribs", "sternum", "breast", "heart", "abdomen", "kub"),
        *("skull", "head", "face", "facialbones", "sinus", "jaw", "mandible", "maxilla", "teeth"),
        *("zygoma", "orbit", "nasalbone", "nose", "brain", "neck", "spine", "cspine", "tspine"),
        *("lspine", "ssspine", "cervicalspine", "thoracicspine", "lumbarspine", "sacrum"),
        *("coccyx", "wholebody", "wholespine"),
    )
)


def _normal(body_part: str) -> str:
    return "".join(letter for letter in body_part.lower() if letter.isalnum())


def region_of_body_part(body_part: str | None) -> Region | None:
    """Return the region of a DICOM BodyPartExamined, or None if it names none we know.

    Example:
        >>> region_of_body_part("LOWER LEG"), region_of_body_part("CHEST")
        ('leg', None)
    """
    return _REGION_OF_BODY_PART.get(_normal(body_part or ""))


def is_out_of_scope(body_part: str | None) -> bool:
    """Whether the file itself names a part of the body that is no limb, hip or shoulder.

    An unknown or missing body part is not out of scope: many sites leave it empty.

    Example:
        >>> is_out_of_scope("CHEST"), is_out_of_scope(None), is_out_of_scope("HAND")
        (True, False, False)
    """
    return _normal(body_part or "") in _OUT_OF_SCOPE
