"""State the results of the radiograph model anew, from the tables that its training kept.

    python benchmarks/accuracy/restate.py --root ../shared/data/fracatlas --version-name 2026.16
    python benchmarks/accuracy/restate.py --root ... --version-name ... --pictures FOLDER

For when a report or the card says more than it did: no network runs. Answers, calibration and
boxes stay as they are; the table gets what is known of its films today, and page, ledger, failure
atlas, card and the bundle's hashes follow. With `--pictures` the worst failures are drawn into a
folder of your own; no film is kept in the repository.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np

from fracturax.core.case import Case
from fracturax.datasets import open_dataset
from fracturax.datasets.acquisition import acquisitions_of
from fracturax.datasets.splits import DroppedCase
from fracturax.evaluation import PredictionTable
from fracturax.evaluation.localization import read_boxes
from fracturax.models.bundle import load_bundle, write_bundle
from fracturax.pipelines.card import write_card
from fracturax.pipelines.evaluate import known_columns
from fracturax.pipelines.failures import Failures, as_document, as_markdown, failure_atlas
from fracturax.pipelines.prepare import only_film
from fracturax.pipelines.statement import BOXES, NUMBERS, TABLE, state
from fracturax.pipelines.table_columns import join_units
from fracturax.reporting.film import display_pixels

HERE = Path(__file__).parent
BUNDLE = HERE.parents[1] / "src" / "fracturax" / "bundles" / "xray"
RESULTS = HERE / "xray"
_TILE = 320
_ACROSS = 6


def main() -> None:
    """Write the results, the atlas, the card and the bundle."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder of FracAtlas")
    parser.add_argument("--version-name", required=True)
    parser.add_argument("--pictures", type=Path, help="folder for pictures of the worst failures")
    options = parser.parse_args()
    case_of = {case.name: case for case in open_dataset("fracatlas", root=options.root)}
    table = PredictionTable.from_csv(RESULTS / TABLE)
    cases = [case_of[name] for name in table.case.tolist()]
    columns = {**known_columns(cases), "acquisition": np.array(acquisitions_of(cases))}
    boxes = read_boxes(RESULTS / BOXES, table) if (RESULTS / BOXES).is_file() else None
    old = json.loads((RESULTS / NUMBERS).read_text(encoding="utf-8"))
    document = state(RESULTS, old, table, columns, boxes)
    atlas = failure_atlas(join_units(table, columns, by=tuple(columns)))
    text = json.dumps(as_document(atlas), indent=1, sort_keys=True) + "\n"
    (RESULTS / "failures.json").write_text(text, encoding="utf-8")
    (RESULTS / "failures.md").write_text(as_markdown(atlas), encoding="utf-8")
    bundle = load_bundle(BUNDLE)
    today = datetime.now(UTC).date().isoformat()
    manifest = replace(bundle.manifest, version=options.version_name, created=today)
    dropped = json.loads((RESULTS / "dropped.json").read_text(encoding="utf-8"))
    measured = {
        name: json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("scope", "blank")
    }
    document = {**document, **measured}
    write_card(BUNDLE / "card.md", manifest, document, [DroppedCase(**one) for one in dropped])
    written = write_bundle(BUNDLE, manifest, bundle.scope, bundle.register)
    print(written.manifest.version, written.sha256)
    if options.pictures is not None:
        options.pictures.mkdir(parents=True, exist_ok=True)
        for one in atlas:
            draw(options.pictures / f"{one.kind}.png", one, case_of)


def draw(path: Path, failures: Failures, case_of: dict[str, Case]) -> None:
    """Draw the worst failures as tiles, the reference boxes on them."""
    tiles = []
    for one in failures.worst:
        case = case_of[one.case]
        grey = display_pixels(only_film(case))
        scale = _TILE / max(grey.shape)
        small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        tile = np.zeros((_TILE + 18, _TILE, 3), np.uint8)
        tile[: small.shape[0], : small.shape[1]] = small[..., None]
        for box in case.reference.boxes or ():
            start = (round(box.column_min * scale), round(box.row_min * scale))
            end = (round(box.column_max * scale), round(box.row_max * scale))
            cv2.rectangle(tile, start, end, (0, 220, 255), 1)
        words = f"{one.case[-4:]} p {one.probability:.3f}"
        cv2.putText(tile, words, (2, _TILE + 13), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255,) * 3)
        tiles.append(tile)
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % _ACROSS)
    rows = [np.hstack(tiles[at : at + _ACROSS]) for at in range(0, len(tiles), _ACROSS)]
    cv2.imwrite(str(path), np.vstack(rows))


if __name__ == "__main__":
    main()
