"""Films drawn by a program that are hard for a copy detector: alike in layout, each with a grain.

Every film shows the same limb in the same frame, with the same label burned in; what tells one
from another is where exactly the bones lie, and the fine structure in them.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

ROWS, COLUMNS = 300, 240

Film = npt.NDArray[np.uint8]


def draw_limb(seed: int, *, exposure: int = 0) -> Film:
    """Draw the limb of one patient.

    Args:
        seed: The patient: shape and fine structure of the bones.
        exposure: Which of the patient's films in this pose; another one has other noise, and the
            bones have moved a little against each other.
    """
    patient = np.random.default_rng(seed)
    noise = np.random.default_rng([seed, exposure])
    film = np.full((ROWS, COLUMNS), 18, np.float32)
    cv2.ellipse(film, (120, 165), (82, 150), 0, 0, 360, 62, -1)
    structure = _structure(patient)
    for middle in (75, 105, 135, 165):
        x = middle + patient.uniform(-5, 5)
        top, bottom = 40 + patient.uniform(-12, 12), 255 + patient.uniform(-12, 12)
        width = patient.uniform(7, 10)
        lean = patient.uniform(-4, 4)
        moved = noise.uniform(-2.5, 2.5, 3) if exposure else np.zeros(3)
        bone = _bone(x + moved[0], top + moved[1], bottom + moved[1], width, lean + 2 * moved[2])
        shift = np.array([[1, 0, moved[0]], [0, 1, moved[1]]])
        inner = cv2.warpAffine(structure, shift, (COLUMNS, ROWS), borderMode=cv2.BORDER_REFLECT)
        film += bone * (95 + 28 * inner)
    film = cv2.GaussianBlur(film, (0, 0), 0.8)
    film += noise.normal(0, 2.0, film.shape)
    pixels = np.clip(film, 0, 255).astype(np.uint8)
    cv2.putText(pixels, "R  HAND", (8, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 255, 2)
    pixels[-10:] = 235
    return pixels


def _structure(generator: np.random.Generator) -> npt.NDArray[np.float32]:
    layers = np.zeros((ROWS, COLUMNS), np.float32)
    for size in (1.5, 3.0, 6.0):
        layer = generator.normal(size=(ROWS, COLUMNS)).astype(np.float32)
        layer = cv2.GaussianBlur(layer, (0, 0), size)
        layers += layer / layer.std()
    return layers / layers.std()


def _bone(
    x: float, top: float, bottom: float, width: float, lean: float
) -> npt.NDArray[np.float32]:
    bone = np.zeros((ROWS, COLUMNS), np.float32)
    ends = [(x - lean, top), (x + lean, bottom)]
    points = [(round(16 * a), round(16 * b)) for a, b in ends]
    cv2.line(bone, points[0], points[1], 1.0, round(2 * width), cv2.LINE_AA, 4)
    for point in points:
        cv2.circle(bone, point, round(16 * 1.4 * width), 1.0, -1, cv2.LINE_AA, 4)
    return bone
