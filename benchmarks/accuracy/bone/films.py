"""Does the quality of an untrained bone mask say where the mask is wrong: films graded by eye.

    OMP_NUM_THREADS=1 python benchmarks/accuracy/bone/films.py --root ../shared/data [--out FILE]

`films.csv` beside this script names films of FracAtlas, drawn at random within kinds (several
exposures, hip, shoulder, metal, several regions, fractured legs and hands), and whether one reader,
no radiologist, called the outlines right: most of what is outlined is bone (metal in it counts) and
much of the bone is outlined. `seen` films were graded
with the quality of that time in sight, and the rules that lower it (trunks, casts, too much bone)
were made on them. `fresh` films were graded from the outlines alone, before their qualities were
looked at. Afterwards two things were changed because drawn legs were refused, not to fit these
films: the width from which a body is a trunk was raised, and a frame that cuts a limb is no skin.
So `fresh` is not wholly untouched. `cast` means that one was seen. Outlines do not depend on the
rules.

The result holds numbers only: how often a mask is called usable where it is right and where not.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fracturax.evaluation import wilson_interval
from fracturax.imaging import read_image
from fracturax.transforms.bone_mask import USABLE, segment_bone

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Row:
    """A film, how it was graded, and what is told of it."""

    part: str
    kind: str
    is_right: bool
    quality: float


def measure(root: Path) -> list[Row]:
    """Segment the films of the table."""
    rows = []
    with (HERE / "films.csv").open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            film = read_image(find(root / "fracatlas" / "images", line["image"]))[0]
            quality = segment_bone(film).quality
            rows.append(Row(line["set"], line["kind"], line["is_right"] == "1", quality))
    return rows


def find(images: Path, number: str) -> Path:
    """Return the file of an image."""
    for folder in ("Fractured", "Non_fractured"):
        path = images / folder / f"IMG000{number}.jpg"
        if path.is_file():
            return path
    raise SystemExit(f"image {number} is not in {images}")


def share(rows: Sequence[Row]) -> dict[str, float | int | None]:
    """Return how many of them are called usable, with a 95 % interval (Wilson)."""
    usable = sum(row.quality >= USABLE for row in rows)
    if not rows:
        return {"usable": 0, "of": 0, "share": None, "low": None, "high": None}
    low, high = wilson_interval(usable, len(rows))
    return {
        "usable": usable,
        "of": len(rows),
        "share": round(usable / len(rows), 3),
        "low": round(low, 3),
        "high": round(high, 3),
    }


def summary(rows: Sequence[Row]) -> dict[str, object]:
    """Return counts of right and wrong masks, and of those called usable."""
    kinds: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        kinds[row.kind].append(row)
    usable = [row for row in rows if row.quality >= USABLE]
    return {
        "films": len(rows),
        "right": sum(row.is_right for row in rows),
        "wrong_called_usable": share([row for row in rows if not row.is_right]),
        "right_called_usable": share([row for row in rows if row.is_right]),
        "right_among_usable": f"{sum(row.is_right for row in usable)} of {len(usable)}",
        "kinds": {
            kind: {
                "films": len(some),
                "right": sum(row.is_right for row in some),
                "usable": sum(row.quality >= USABLE for row in some),
                "usable_but_wrong": sum(row.quality >= USABLE and not row.is_right for row in some),
            }
            for kind, some in sorted(kinds.items())
        },
    }


def main() -> None:
    """Measure, and write the result beside this script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=HERE / "films.json")
    options = parser.parse_args()
    rows = measure(options.root)
    document = {
        "usable_from": USABLE,
        "graded_by": "one reader, by eye, no radiologist",
        **{part: summary([row for row in rows if row.part == part]) for part in ("seen", "fresh")},
    }
    options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
