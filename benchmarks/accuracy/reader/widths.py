"""How wide the closer look's windows should be, and what it brings to read several widths.

    python benchmarks/accuracy/xray_folds.py bundles FOLDER
    python benchmarks/accuracy/reader/widths.py FOLDER --root ../shared/data/fracatlas

The networks of the folds read the films they never saw, fractured ones and every ninth healthy
one, with each of `WIDTHS`; no network is trained. Boxes are ranked by the sum of both looks'
logits. Differences are paired, by a bootstrap of patient groups. Six minutes on two cores. Writes
`widths.json` and `widths.md`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from boxes import FOUND, found
from values import FoldValues

from fracturax.core.case import Case
from fracturax.evaluation import boxes_as_array, group_bootstrap_weighted
from fracturax.evaluation.localization import (
    ImageDetections,
    Matches,
    match_images,
)
from fracturax.models.bundle import Bundle, load_bundle
from fracturax.models.runtime import XrayPredictor
from fracturax.pipelines.out_of_fold import OutOfFold, read_both_ways_out_of_fold

HERE = Path(__file__).parent

WIDTHS: tuple[tuple[float, ...], ...] = (
    (1.0,),
    (0.9,),
    (0.8,),
    (0.9, 1.1, 0.7),
)
"""As multiples of the width in training; the first is what was done before."""
EVERY = 9


def main() -> None:
    """Read, compare, and write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of the folds' bundles")
    parser.add_argument("--root", type=Path, required=True, help="folder of FracAtlas")
    options = parser.parse_args()
    films = FoldValues.read(options.root)
    bundles = [load_bundle(options.folder / f"fold-{fold}") for fold in np.unique(films.fold)]
    rows = chosen(films)
    cases = [films.cases[row] for row in rows]
    folds = films.fold[rows].tolist()
    matches = {widths: match_images(read(cases, folds, bundles, widths)) for widths in WIDTHS}
    keys = [case.patient_key for case in cases]
    document = [compare(widths, matches, keys) for widths in WIDTHS]
    (HERE / "widths.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    text = _as_markdown(document, films=len(cases))
    (HERE / "widths.md").write_text(text, encoding="utf-8")
    print(text)


def chosen(films: FoldValues) -> list[int]:
    """Return the rows of all fractured films, and of some healthy ones."""
    fractured, healthy = (np.flatnonzero(films.reference == label).tolist() for label in (1, 0))
    return fractured + healthy[::EVERY]


def read(
    cases: Sequence[Case],
    folds: Sequence[int],
    bundles: Sequence[Bundle],
    widths: tuple[float, ...],
) -> list[ImageDetections]:
    """Let each fold's network read the films held out from it, in windows of some widths."""
    readers = []
    for bundle in bundles:
        look = bundle.manifest.closer
        assert look is not None, "the radiograph model has a closer look"
        manifest = replace(bundle.manifest, closer=replace(look, widths=widths))
        readers.append(XrayPredictor(replace(bundle, manifest=manifest), threads=1))
    _, both = read_both_ways_out_of_fold(cases, folds, readers)
    return _detections(both)


def _detections(films: OutOfFold) -> list[ImageDetections]:
    return [
        ImageDetections(
            case.name,
            case.name,
            raw.boxes,
            raw.box_logits,
            boxes_as_array(case.reference.boxes or ()),
        )
        for case, raw in zip(films.cases, films.answers, strict=True)
    ]


def compare(
    widths: tuple[float, ...], matches: dict[tuple[float, ...], Matches], keys: Sequence[str]
) -> dict[str, object]:
    """Return what some widths are worth, and their paired difference from the first."""

    def statistics(weights: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        own = found(matches[widths], weights)
        return np.concatenate([own, own - found(matches[WIDTHS[0]], weights)])

    drawn = group_bootstrap_weighted(keys, statistics, generator=np.random.default_rng(0))
    values = statistics(np.ones(len(keys), np.int64))
    row: dict[str, object] = {"widths": widths}
    for at, word in enumerate(FOUND):
        other = at + len(FOUND)
        row[word] = {
            "value": float(values[at]),
            "interval": drawn.interval(at),
            "difference": float(values[other]),
            "interval_of_difference": drawn.interval(other),
        }
    return row


def _as_markdown(document: list[dict], *, films: int) -> str:
    lines = [
        "# Widths of the closer look's windows",
        "",
        f"{films} films of FracAtlas out of fold, all fractured ones among them. Widths are",
        "multiples of that in training: the first of all candidates, with the others the best two",
        "are looked at again. In brackets the paired difference from the first row, 95 % by a",
        "bootstrap of patient groups.",
        "",
        f"| widths | {' | '.join(FOUND)} |",
        "|---|" + "---|" * len(FOUND),
    ]
    for row in document:
        cells = []
        for word in FOUND:
            value, difference = row[word]["value"], row[word]["difference"]
            low, high = row[word]["interval_of_difference"]
            cells.append(f"{value:.3f} ({difference:+.3f}, {low:+.3f} to {high:+.3f})")
        lines.append(f"| {', '.join(map(str, row['widths']))} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
