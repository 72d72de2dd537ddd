"""Drawn films with masks: bright ovals on dark, noisy ground, of a few made-up patients."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

SALT = "a salt for drawn patients"


def draw_masked(
    rng: np.random.Generator, shape: tuple[int, int] = (72, 60)
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Return a film of an oval, 8-bit grey values, and its mask."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    center = rng.uniform(0.4, 0.6, 2) * shape
    half = rng.uniform(0.2, 0.3, 2) * shape
    mask = ((rows - center[0]) / half[0]) ** 2 + ((columns - center[1]) / half[1]) ** 2 < 1
    grey = np.where(mask, 180.0, 60.0) + rng.normal(0, 8, shape)
    return np.clip(grey, 0, 255).astype(np.uint8), np.asarray(mask)


def write_masked_films(root: Path, *, patients: int = 4, films: int = 3, seed: int = 0) -> None:
    """Write images/, masks/ and cases.csv."""
    rng = np.random.default_rng(seed)
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    lines = ["image,patient"]
    for patient in range(patients):
        for number in range(films):
            name = f"p{patient}-{number}.png"
            grey, mask = draw_masked(rng)
            cv2.imwrite(str(root / "images" / name), grey)
            cv2.imwrite(str(root / "masks" / name), mask.astype(np.uint8) * 255)
            lines.append(f"{name},patient {patient}")
    (root / "cases.csv").write_text("\n".join(lines) + "\n")
