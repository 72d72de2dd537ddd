"""Corruptions: what spoils a film on its way, in five severities, to see what a reader bears."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from fracturax.core.errors import ConfigError
from fracturax.core.geometry import Geometry
from fracturax.core.image import Radiograph, Step
from fracturax.core.registry import Registry
from fracturax.transforms.augment import recompress

Film = npt.NDArray[np.float32]
"""Display values in [0, 1], shape `(rows, columns)`."""

Spoil = Callable[[Film, float, np.random.Generator], Film]
"""From a film, how much, and a source of chance, to the spoiled film; it may leave [0, 1]."""

SEVERITIES = (1, 2, 3, 4, 5)
_LONG_SIDE = 416
"""Blur is measured in pixels of a film whose longer side has so many."""
_HERE = "fracturax.transforms.corruption"


@dataclass(frozen=True)
class CorruptionEntry:
    """One way to spoil a film.

    Args:
        name: What it is called.
        code: Where its function lives.
        says: What a level is, in a few words.
        levels: One for each severity, mildest first.
    """

    name: str
    code: str
    says: str
    levels: tuple[float, float, float, float, float]


def corrupt(
    film: Radiograph, name: str, severity: int, generator: np.random.Generator
) -> Radiograph:
    """Return a spoiled film; the one given stays as it is.

    The new film knows no spacing and no DICOM object it came from: what is found on it does not go
    back.

    Args:
        film: The film.
        name: Which corruption, as in `CORRUPTIONS`.
        severity: 1 to 5.
        generator: Source of all chance.

    Raises:
        UnknownNameError: If there is no such corruption.
        ConfigError: If there is no such severity.

    References:
        Hendrycks & Dietterich, Benchmarking neural network robustness to common corruptions and
        perturbations, ICLR 2019: many kinds, five severities each.

    Example:
        >>> film = Radiograph(np.full((4, 4), 0.5, np.float32))
        >>> bool(corrupt(film, "exposure", 5, np.random.default_rng(1)).pixels[0, 0] != 0.5)
        True
    """
    entry = CORRUPTIONS[name]
    if severity not in SEVERITIES:
        raise ConfigError("a severity is a whole number from 1 to 5", got=str(severity))
    spoil: Spoil = CORRUPTIONS.load(name)
    values = spoil(film.pixels, entry.levels[severity - 1], generator)
    return replace(
        film,
        pixels=np.clip(values, 0, 1).astype(np.float32),
        geometry=Geometry(),
        origin=None,
        history=(*film.history, Step("corrupt", (("name", name), ("severity", severity)))),
    )


def add_noise(film: Film, level: float, generator: np.random.Generator) -> Film:
    """Add Gaussian noise of a standard deviation."""
    grain = generator.standard_normal(film.shape, dtype=np.float32)
    return np.asarray(film + np.float32(level) * grain, np.float32)


def blur(film: Film, level: float, generator: np.random.Generator) -> Film:
    """Blur by a Gaussian, `level` pixels wide on a film of 416."""
    sigma = level * max(film.shape) / _LONG_SIDE
    return np.asarray(cv2.GaussianBlur(film, (0, 0), sigma), np.float32)


def expose(film: Film, level: float, generator: np.random.Generator) -> Film:
    """Multiply or divide all values; what is too bright is lost."""
    factor = np.float32(level if generator.random() < 0.5 else 1 / level)
    return np.asarray(film * factor, np.float32)


def flatten(film: Film, level: float, generator: np.random.Generator) -> Film:
    """Keep a share of the contrast about the mean."""
    mean = film.mean(dtype=np.float64).astype(np.float32)
    return np.asarray((film - mean) * np.float32(level) + mean, np.float32)


def rotate(film: Film, level: float, generator: np.random.Generator) -> Film:
    """Rotate by so many degrees to either side; corners become black, or are cut off."""
    rows, columns = film.shape
    degrees = level if generator.random() < 0.5 else -level
    matrix = cv2.getRotationMatrix2D(((columns - 1) / 2, (rows - 1) / 2), degrees, 1.0)
    return np.asarray(cv2.warpAffine(film, matrix, (columns, rows)), np.float32)


def compress(film: Film, level: float, generator: np.random.Generator) -> Film:
    """Compress as JPEG of a quality."""
    return recompress(film, quality=int(level))


def crop(film: Film, level: float, generator: np.random.Generator) -> Film:
    """Cut off a share of rows and of columns, split at random between the two sides."""
    kept = []
    for size in film.shape:
        cut = min(round(level * size), size - 1)
        start = int(generator.integers(cut + 1))
        kept.append(slice(start, start + size - cut))
    return np.ascontiguousarray(film[tuple(kept)])


def occlude(film: Film, level: float, generator: np.random.Generator) -> Film:
    """Lay a lead marker with a letter on the film anywhere: `level` is its side, as a share."""
    side = max(2, round(level * min(film.shape)))
    top, left = (int(generator.integers(max(1, size - side))) for size in film.shape)
    plate = np.full((side, side), 230, np.uint8)
    corner = (side // 8, side - side // 8)
    cv2.putText(plate, "R", corner, cv2.FONT_HERSHEY_SIMPLEX, side / 28, 26, max(1, side // 12))
    covered = film.copy()
    place = covered[top : top + side, left : left + side]
    place[...] = plate[: place.shape[0], : place.shape[1]] / np.float32(255)
    return covered


CORRUPTIONS = Registry(
    "corruption",
    (
        CorruptionEntry(
            "noise",
            f"{_HERE}:add_noise",
            "standard deviation, white is 1",
            (0.02, 0.04, 0.08, 0.12, 0.2),
        ),
        CorruptionEntry(
            "blur",
            f"{_HERE}:blur",
            "sigma in pixels of a film of 416",
            (0.5, 1.0, 1.5, 2.5, 4.0),
        ),
        CorruptionEntry(
            "exposure",
            f"{_HERE}:expose",
            "all values times or through this",
            (1.2, 1.5, 1.8, 2.2, 3.0),
        ),
        CorruptionEntry(
            "contrast", f"{_HERE}:flatten", "share that is kept", (0.8, 0.6, 0.45, 0.3, 0.2)
        ),
        CorruptionEntry(
            "rotation", f"{_HERE}:rotate", "degrees to either side", (5, 10, 15, 30, 45)
        ),
        CorruptionEntry("compression", f"{_HERE}:compress", "JPEG quality", (50, 30, 20, 10, 5)),
        CorruptionEntry(
            "crop",
            f"{_HERE}:crop",
            "share of rows and columns cut off",
            (0.05, 0.1, 0.15, 0.2, 0.3),
        ),
        CorruptionEntry(
            "marker",
            f"{_HERE}:occlude",
            "side of a lead marker anywhere, share of the shorter side",
            (0.05, 0.08, 0.12, 0.18, 0.25),
        ),
    ),
)
