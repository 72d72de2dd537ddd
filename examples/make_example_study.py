"""Draw the example studies: synthetic films of a broken forearm and of an intact leg.

No patient was ever in front of these rays. A bone is a tube with a drawn outline, a cortical shell
and spongy bone inside; what a ray passes of each is summed along chords of its elliptical cross
section, attenuated after Beer and Lambert, scattered, blurred, given quantum noise and toned like
a digital film. Run `python examples/make_example_study.py`; the same seed gives the same pixels.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from phantom_anatomy import FOREARM_AP, FOREARM_LATERAL, LEG_AP, Bone, Film
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import JPEG2000Lossless
from scipy.interpolate import PchipInterpolator

Map = npt.NDArray[np.float64]

ROWS, COLUMNS, LARGEST = 900, 760, 4095
QUANTA = 70_000  # per pixel without a body
# Attenuation per mm at some 40 keV; bone displaces soft tissue, so these are what it adds.
SOFT, CORTICAL, SPONGY = 0.024, 0.070, 0.017
NOTICE = "SYNTHETIC phantom, not a patient"
UID_ROOT = "1.2.826.0.1.3680043.8.498.20250101"
DESTINATION = Path(__file__).parents[1] / "src" / "fracturax" / "example"


def main() -> None:
    """Write the films of both studies and the truth beside them."""
    truth: dict[str, object] = {}
    for number, film in enumerate((FOREARM_AP, FOREARM_LATERAL, LEG_AP), start=1):
        attenuation, boxes = expose(film, np.random.default_rng(number))
        pixels = tone(attenuation, film, np.random.default_rng(100 + number))
        path = DESTINATION / film.folder / f"{film.name}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        film_dataset(film, pixels, number).save_as(path, enforce_file_format=True)
        truth[f"{film.folder}/{path.name}"] = {"fracture": bool(boxes), "boxes": boxes}
        sys.stderr.write(f"{path.name}: {path.stat().st_size / 1000:.0f} kB\n")
    document = {
        "notice": NOTICE,
        "box_order": ["row_min", "column_min", "row_max", "column_max"],
        "images": truth,
    }
    # Beside the study folders, not in them: a folder that is read as a study holds images only.
    text = json.dumps(document, indent=2) + "\n"
    (DESTINATION / "truth.json").write_text(text, encoding="utf-8")


def expose(film: Film, rng: np.random.Generator) -> tuple[Map, list[list[int]]]:
    """Sum what every ray meets; return the attenuation (rows, columns) and the fracture boxes."""
    y, x = np.mgrid[0:ROWS, 0:COLUMNS] * film.spacing_mm
    x -= COLUMNS * film.spacing_mm / 2
    flesh = np.zeros((ROWS, COLUMNS))
    for part in film.flesh:
        # Overlapping parts of one limb are one body: roughly the longer way counts, not the sum.
        flesh = np.power(flesh**4 + cross(part, *along(part, x, y), rng)[2] ** 4, 0.25)
    # Muscle bellies and fat planes: streaks along the limb.
    streaks = texture(rng, (ROWS, COLUMNS), along_px=110, across_px=16)
    mottle = texture(rng, (ROWS, COLUMNS), along_px=30, across_px=24)
    total = SOFT * flesh * (1 + 0.035 * streaks + 0.02 * mottle)
    boxes: list[list[int]] = []
    for bone in film.bones:
        cortical, spongy, crack = pass_bone(bone, x, y, rng)
        total += CORTICAL * cortical + SPONGY * spongy
        if bone.fracture:
            rows, columns = np.nonzero(crack)
            box = (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
            boxes.append([int(side) for side in box])
    return total, boxes


def along(bone: Bone, x: Map, y: Map) -> tuple[Map, Map]:
    """Return how far each pixel lies along the bone and across it, mm."""
    turn = math.radians(bone.angle)
    east, south = x - bone.start[0], y - bone.start[1]
    return (
        south * math.cos(turn) - east * math.sin(turn),
        east * math.cos(turn) + south * math.sin(turn),
    )


def cross(bone: Bone, t: Map, u: Map, rng: np.random.Generator) -> tuple[Map, Map, Map]:
    """Return the mm of cortical and spongy bone a ray crosses, and of the whole tube."""
    knots = np.asarray(bone.knots)
    fine = np.linspace(knots[0, 0], knots[-1, 0], 600)
    profile = PchipInterpolator(knots[:, 0], knots[:, 1:])(fine)
    # Where an outline slants, a shell of the same thickness takes more of the width.
    slants = [np.minimum(np.hypot(1, np.gradient(edge, fine)), 5) for edge in profile.T[:2]]
    at = [np.interp(t, fine, column) for column in (*profile.T, *slants)]
    left, right, depth, cortex, density, slant_left, slant_right = at
    inside = (t >= fine[0]) & (t <= fine[-1])
    if knots[0, 5] > 0:  # bones only: no real outline is drawn with a ruler
        wobble = 0.22 * texture(rng, t.shape, along_px=28, across_px=28)
        left, right = left + wobble, right + wobble
    outer = inside * chord(u, left, right, depth)
    left, right = left + cortex * slant_left, right - cortex * slant_right
    inner = np.minimum(inside * chord(u, left, right, depth - 0.75 * cortex), outer)
    trabeculae = texture(rng, t.shape, along_px=9, across_px=1.6)
    grain = texture(rng, t.shape, along_px=2.2, across_px=2.2)
    rough = 1 + 0.05 * texture(rng, t.shape, along_px=14, across_px=3)
    spongy = inner * density * np.clip(1 + 0.12 * trabeculae + 0.12 * grain, 0.2, None)
    return (outer - inner) * rough, spongy, outer


def chord(u: Map, left: Map, right: Map, depth: Map) -> Map:
    """Return the length of a ray at `u` through an ellipse between `left` and `right`, mm."""
    half = (right - left) / 2
    hit = 1 - ((u - (left + right) / 2) / np.maximum(half, 1e-6)) ** 2
    return 2 * np.maximum(depth, 0) * np.sqrt(np.clip(hit, 0, None)) * (half > 0)


def pass_bone(bone: Bone, x: Map, y: Map, rng: np.random.Generator) -> tuple[Map, Map, Map]:
    """Return cortical and spongy mm of a bone, broken where it is, and where the break shows."""
    t, u = along(bone, x, y)
    if bone.fracture is None:
        cortical, spongy, _ = cross(bone, t, u, rng)
        return cortical, spongy, np.zeros(t.shape, bool)
    broken = bone.fracture
    # Both sides share one jagged line; each keeps the part of the ray on its side of the plane.
    teeth_at = np.arange(-40, 40, 0.7)
    teeth = cv2.GaussianBlur(rng.normal(0, 1.0, (teeth_at.size, 1)), (0, 0), 0.8).ravel() * 1.1
    shifted = t - broken.shift[1], u - broken.shift[0]
    turn = math.radians(broken.angle)
    moved_t = (shifted[0] - broken.t) * math.cos(turn) - shifted[1] * math.sin(turn) + broken.t
    moved_u = (shifted[0] - broken.t) * math.sin(turn) + shifted[1] * math.cos(turn)
    sides = []
    for side, (at, across) in ((1.0, (t, u)), (-1.0, (moved_t, moved_u))):
        line = broken.t + broken.slope * across + np.interp(across, teeth_at, teeth)
        share = np.clip(side * (at - line) / broken.tilt + 0.5, 0, 1)
        cortical, spongy, whole = cross(bone, at, across, rng)
        near = (np.abs(at - line) < 2.5) & (whole > 1)
        sides.append((cortical * share, spongy * share, near))
    (shaft_c, shaft_s, shaft_near), (end_c, end_s, end_near) = sides
    return shaft_c + end_c, shaft_s + end_s, shaft_near | end_near


def texture(
    rng: np.random.Generator, shape: tuple[int, ...], *, along_px: float, across_px: float
) -> Map:
    """Return smooth noise of unit deviation, its grain longer along the film than across."""
    noise = rng.normal(size=shape)
    smooth = cv2.GaussianBlur(noise, (0, 0), sigmaX=across_px, sigmaY=along_px)
    return np.asarray(smooth / smooth.std())


def tone(attenuation: Map, film: Film, rng: np.random.Generator) -> npt.NDArray[np.uint16]:
    """Turn attenuation into stored values: detector, latitude, collimator, marker."""
    intensity = np.exp(-attenuation)
    intensity = 0.93 * intensity + 0.07 * cv2.GaussianBlur(intensity, (0, 0), 60) * 0.6
    intensity = cv2.GaussianBlur(intensity, (0, 0), 0.75)  # focal spot and detector
    quanta = QUANTA * intensity
    noise = cv2.GaussianBlur(rng.normal(size=quanta.shape), (0, 0), 0.7) / 0.4
    density = -np.log(np.maximum(quanta + noise * np.sqrt(quanta), 1) / QUANTA)
    density = np.clip(density, 0.06, None)  # direct exposure saturates the detector
    base = cv2.GaussianBlur(density, (0, 0), 45)
    toned = 0.66 * base + 1.15 * (density - base)
    low, high = np.percentile(toned, (12, 99.9))
    toned = np.clip((toned - low) / (high - low), 0, 1.08) ** 0.9 / 1.08
    marker = np.zeros(toned.shape, np.uint8)
    for text, (column, row), size in (
        (film.laterality, (48, 850), 1.7),
        ("SYNTHETIC", (90, 850), 0.75),
    ):
        cv2.putText(marker, text, (column, row), cv2.FONT_HERSHEY_DUPLEX, size, 255, 3, cv2.LINE_AA)
    lead = cv2.GaussianBlur(marker, (0, 0), 0.8) / 255
    toned = np.maximum(toned, 0.93 * lead)
    shutter = np.zeros(toned.shape)
    cv2.rectangle(shutter, (26, 20), (COLUMNS - 30, ROWS - 24), 1.0, -1)
    toned *= cv2.GaussianBlur(shutter, (0, 0), 1.2)
    stored = np.rint(toned * LARGEST).astype(np.uint16)
    return LARGEST - stored if film.is_inverted else stored


def film_dataset(film: Film, pixels: npt.NDArray[np.uint16], number: int) -> Dataset:
    """Build the DICOM object: a DX image that says in five places that it is synthetic."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"  # Digital X-Ray, For Presentation
    study = {"forearm": 1, "leg": 2}[film.folder]
    dataset.SOPInstanceUID = f"{UID_ROOT}.{study}.1.{number}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = (
        f"{UID_ROOT}.{study}",
        f"{UID_ROOT}.{study}.1",
    )
    dataset.PatientName, dataset.PatientID = "SYNTHETIC^PHANTOM", "SYNTHETIC"
    dataset.PatientBirthDate, dataset.PatientSex, dataset.PatientAge = "", "O", "040Y"
    dataset.StudyDate, dataset.StudyTime = "20250101", "120000"
    dataset.AccessionNumber, dataset.ReferringPhysicianName, dataset.StudyID = "", "", str(study)
    dataset.Modality, dataset.Manufacturer = "DX", "FracturaX phantom"
    dataset.PresentationIntentType = "FOR PRESENTATION"
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.StudyDescription = dataset.SeriesDescription = dataset.ImageComments = NOTICE
    dataset.BurnedInAnnotation, dataset.QualityControlImage = "NO", "YES"
    dataset.SeriesNumber, dataset.InstanceNumber = 1, number
    dataset.BodyPartExamined, dataset.ViewPosition = film.body_part, film.view_position
    dataset.ImageLaterality = film.laterality
    # Where rows and columns lead; the arm is shown with the hand up, so down is headward.
    dataset.PatientOrientation = {"forearm_ap": ["R", "H"], "forearm_lateral": ["A", "H"]}.get(
        film.name, ["L", "F"]
    )
    _say_where(dataset, film)
    dataset.KVP, dataset.DetectorType, dataset.PositionerType = "60", "SCINTILLATOR", "NONE"
    dataset.AcquisitionContextSequence = []
    dataset.ImagerPixelSpacing = [film.spacing_mm, film.spacing_mm]
    dataset.PixelIntensityRelationship, dataset.PixelIntensityRelationshipSign = "LOG", -1
    dataset.LossyImageCompression = "00"
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "0", "1", "US"
    low, high = np.percentile(pixels, (0.5, 99.8))
    dataset.WindowCenter = str(round((low + high) / 2))
    dataset.WindowWidth = str(round(high - low))
    dataset.PresentationLUTShape = "INVERSE" if film.is_inverted else "IDENTITY"
    photometric = "MONOCHROME1" if film.is_inverted else "MONOCHROME2"
    dataset.set_pixel_data(pixels, photometric, 12, generate_instance_uid=False)
    dataset.compress(JPEG2000Lossless, generate_instance_uid=False)
    return dataset


_REGIONS = {
    "FOREARM": ("14975008", "Forearm"),
    "LEG": ("30021000", "Lower leg"),
}
_VIEWS = {"AP": ("399348003", "antero-posterior"), "LL": ("399173006", "left lateral")}


def _say_where(dataset: Dataset, film: Film) -> None:
    """Name region, side and view in SNOMED CT, as the DX object asks."""
    side = {"L": ("7771000", "Left"), "R": ("24028007", "Right")}[film.laterality]
    region = _code(*_REGIONS[film.body_part])
    region.AnatomicRegionModifierSequence = [_code(*side)]
    dataset.AnatomicRegionSequence = [region]
    view = _code(*_VIEWS[film.view_position])
    view.ViewModifierCodeSequence = []
    dataset.ViewCodeSequence = [view]


def _code(value: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "SCT", meaning
    return code


if __name__ == "__main__":
    main()
