"""What the scope check of the packaged model refuses.

    python benchmarks/accuracy/scope.py [--kind NAME FOLDER ...] [--trunk CT] [--noise]

Reads every picture (JPEG, PNG) below each folder as one grey film, and every NIfTI volume as
three slices along each axis in a bone and a soft-tissue window, as a screenshot of a viewer would
show them; colour and modality, which the check would refuse by the file alone, are taken away.
`--trunk` takes simulated films of a CT of a trunk, five heights in four views. `--noise` draws
images of noise. Writes `xray/scope.json`: by kind, how many were assessed and which, the AUROC that
tells its pictures from films of FracAtlas by their distance, and the bundle; kinds that were
measured before and are not named stay as they are. Distances of films are those of the networks of
the folds, which never saw them (`xray/scope.csv`); `restate.py` brings the table into the card.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL.Image
from scipy.ndimage import gaussian_filter

import fracturax as fx
from fracturax.core.image import Radiograph, Volume
from fracturax.evaluation import auroc
from fracturax.models.bundle import load_bundle
from fracturax.models.runtime import XrayPredictor
from fracturax.models.scope import TRUNK_LIMIT
from fracturax.simulation.cone_beam import VIEWS, ConeBeam
from fracturax.simulation.film import Exposure, expose
from fracturax.simulation.scene import Scene

HERE = Path(__file__).parent
SMALLEST, LARGEST = 96, 2000
WINDOWS = {"bone": (-450.0, 1050.0), "soft": (-160.0, 240.0)}
STRICT = 0.02
"""Share of films of FracAtlas that a limit without allowance for other hospitals would refuse."""
HEIGHTS_MM = (-80, -40, 0, 40, 80)
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


def trunk_films(path: Path) -> Iterator[tuple[str, Film]]:
    """Yield simulated films of a CT: no limb, though a hip may reach into the lowest."""
    ct = fx.open(path).images[0]
    assert isinstance(ct, Volume)
    scene = Scene(ct)
    across, back, up = scene.center_mm
    for view, pose in VIEWS.items():
        for height in HEIGHTS_MM:
            beam = ConeBeam(
                1150, 900, rows=512, columns=430, pixel_mm=(0.8, 0.8), pose=pose,
                center_mm=(across, back, up + height),
            )  # fmt: skip
            film = expose(scene.cast(beam), Exposure(), rng=np.random.default_rng(0))
            yield f"{view} {height:+d} mm", film.pixels


def noise_images() -> Iterator[tuple[str, Film]]:
    """Yield images of noise: white, and ever smoother."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        for sigma in (0, 1, 3, 9, 27):
            rough = gaussian_filter(rng.normal(size=(454, 373)), sigma)
            low, high = rough.min(), rough.max()
            yield f"noise {seed}, {sigma} pixels", ((rough - low) / (high - low)).astype(np.float32)


def held_out_films(path: Path) -> tuple[list[float], list[float]]:
    """Return how far held-out films lie from those that their network learned from.

    And how surely they show hip and shoulder.
    """
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return [float(row["distance"]) for row in rows], [float(row["trunk"]) for row in rows]


def main() -> None:
    """Measure and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", nargs=2, action="append", metavar=("NAME", "FOLDER"), default=[])
    parser.add_argument("--trunk", type=Path, metavar="CT")
    parser.add_argument("--noise", action="store_true")
    parser.add_argument("--out", type=Path, default=HERE / "xray" / "scope.json")
    options = parser.parse_args()
    reader = XrayPredictor(load_bundle("xray"))
    sources = {kind: films_in(Path(folder)) for kind, folder in options.kind}
    if options.trunk is not None:
        sources["simulated films of a trunk"] = trunk_films(options.trunk)
    if options.noise:
        sources["noise"] = noise_images()
    kinds = json.loads(options.out.read_text("utf-8"))["kinds"] if options.out.is_file() else {}
    films, trunks = held_out_films(options.out.with_name("scope.csv"))
    scope = reader.bundle.scope
    assert scope is not None, "the packaged bundle checks its scope"
    strict = float(np.quantile(films, 1 - STRICT))
    for kind, images in sources.items():
        assessed, distances = [], []
        for name, pixels in images:
            answer, raw = reader.examine(Radiograph(pixels))
            if answer.status != "not_assessed":
                assessed.append(name)
            if raw is not None:
                distances.append(float(scope.distance(raw.texture)))
        count = len(distances)
        kinds[kind] = {
            "images": count,
            "assessed": len(assessed),
            "which": sorted(assessed),
            "refused_at_2_percent": float(np.mean(np.array(distances) > strict)),
            "auroc": auroc([0] * len(films) + [1] * count, [*films, *distances]),
            "bundle_sha256": reader.bundle.sha256,
        }
    is_far = np.array(films) > scope.limit
    is_trunk = np.array(trunks) > TRUNK_LIMIT
    result = {
        "films_refused": float(np.mean(is_far | is_trunk)),
        "films_refused_as_trunks": float(np.mean(is_trunk)),
        "films": len(films),
        "limit": scope.limit,
        "limit_at_2_percent": strict,
        "kinds": kinds,
    }
    text = json.dumps(result, indent=1) + "\n"
    options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
