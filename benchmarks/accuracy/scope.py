"""What the scope check of the packaged model refuses.

    python benchmarks/accuracy/scope.py --kind NAME FOLDER [--kind NAME FOLDER ...]

Reads every picture (JPEG, PNG) below each folder as one grey film, and every NIfTI volume as
three slices along each axis in a bone and a soft-tissue window, as a screenshot of a viewer would
show them; colour and modality, which the check would refuse by the file alone, are taken away.
Writes `xray/scope.json`: by kind, how many were assessed and which.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL.Image

from fracturax.core.image import Radiograph
from fracturax.models.bundle import load_bundle
from fracturax.models.runtime import XrayPredictor

HERE = Path(__file__).parent
SMALLEST, LARGEST = 96, 2000
WINDOWS = {"bone": (-450.0, 1050.0), "soft": (-160.0, 240.0)}
Film = npt.NDArray[np.float32]


def films_in(folder: Path) -> Iterator[tuple[str, Film]]:
    """Yield every picture and slice below a folder, with a name."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in (".jpg", ".jpeg", ".png"):
            with PIL.Image.open(path) as picture:
                picture.thumbnail((LARGEST, LARGEST))
                grey = np.asarray(picture.convert("L"), np.float32) / np.float32(255)
            if min(grey.shape) >= SMALLEST:
                yield path.name, grey
        elif path.name.endswith((".nii", ".nii.gz")):
            yield from slices_of(path)


def slices_of(path: Path) -> Iterator[tuple[str, Film]]:
    """Yield slices of a volume as a viewer shows them; masks have no window and are left out."""
    import nibabel

    values = np.asarray(nibabel.load(path).dataobj, np.float32)
    if values.ndim != 3 or len(np.unique(values[::7, ::7, ::7])) < 50:
        return
    for axis in range(3):
        for share in (0.3, 0.5, 0.7):
            plane = np.rot90(np.take(values, int(values.shape[axis] * share), axis=axis))
            if min(plane.shape) < SMALLEST:
                continue
            for name, (low, high) in WINDOWS.items():
                shown = np.clip((plane - low) / (high - low), 0, 1).astype(np.float32)
                yield f"{path.name} {axis} {share} {name}", np.ascontiguousarray(shown)


def main() -> None:
    """Measure and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", nargs=2, action="append", metavar=("NAME", "FOLDER"), default=[])
    parser.add_argument("--out", type=Path, default=HERE / "xray" / "scope.json")
    options = parser.parse_args()
    reader = XrayPredictor(load_bundle("xray"))
    kinds = {}
    for kind, folder in options.kind:
        answers = {
            name: reader.predict_image(Radiograph(film)) for name, film in films_in(Path(folder))
        }
        assessed = sorted(name for name, one in answers.items() if one.status != "not_assessed")
        kinds[kind] = {"images": len(answers), "assessed": len(assessed), "which": assessed}
    result = {"bundle_sha256": reader.bundle.sha256, "kinds": kinds}
    text = json.dumps(result, indent=1) + "\n"
    options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
