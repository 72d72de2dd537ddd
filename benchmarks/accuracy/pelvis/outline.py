"""What a segmenter marks in a film, as outlines over a blank: nothing of the film is in the file.

python benchmarks/accuracy/pelvis/outline.py FILM --model runs/pelvis/…/bundle --out outline.svg
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

import fracturax as fx
from fracturax.models.segmenter import load_segmenter

_LONGEST_SIDE = 600


def main() -> None:
    """Segment a film and write its outlines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("film", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    (film,) = fx.open(options.film).radiographs
    mask = load_segmenter(options.model).segment(film)
    options.out.write_text(as_svg(mask), encoding="utf-8")


def as_svg(mask: npt.NDArray[np.bool_]) -> str:
    """Return the outlines of a mask, shape `(rows, columns)`, as a small SVG picture."""
    scale = min(1.0, _LONGEST_SIDE / max(mask.shape))
    rows, columns = (max(1, round(side * scale)) for side in mask.shape)
    small = cv2.resize(mask.astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA) > 0.5
    found, _ = cv2.findContours(small.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_TC89_L1)
    paths = [
        "M" + "L".join(f"{x} {y}" for x, y in contour[:, 0].tolist()) + "Z"
        for contour in found
        if len(contour) > 2
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {columns} {rows}" '
        f'width="{columns}" height="{rows}">\n'
        f'<rect width="{columns}" height="{rows}" fill="#fff" stroke="#999"/>\n'
        f'<path d="{" ".join(paths)}" fill="#e8eef5" stroke="#1f4e79" stroke-width="1.5" '
        'fill-rule="evenodd"/>\n</svg>\n'
    )


if __name__ == "__main__":
    main()
