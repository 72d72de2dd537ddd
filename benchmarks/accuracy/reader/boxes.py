"""Boxes of two models, or of two versions of one, on the films that both read, by paired tests.

    python benchmarks/accuracy/reader/boxes.py NAME --words "WORDS" \
        --ours OURS.csv OURS_boxes.csv --other OTHER.csv OTHER_boxes.csv

Tables of predictions out of fold with their boxes, as `xray/` and `tables/` hold them; those of an
earlier version are in the history of the repository. Writes `NAME.json` and `NAME.md`: mAP50,
mAP50-95, sensitivity by free response, each with the paired difference, by a bootstrap of patient
groups; AUROC of the films' scores, ranked within folds, by DeLong.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from fracturax.evaluation import PredictionTable, delong_test, group_bootstrap_weighted
from fracturax.evaluation.localization import (
    ImageDetections,
    Matches,
    average_precision,
    froc_of_matches,
    match_images,
    read_boxes,
    sensitivity_at_false_positives,
)

HERE = Path(__file__).parent
FALSE_BOXES = 0.5
"""A film, at which sensitivity is told."""
FOUND = (
    "mAP50, fractured films",
    "mAP50-95, fractured films",
    "mAP50, all films",
    f"sensitivity at {FALSE_BOXES} false boxes a film",
)


def main() -> None:
    """Compare, and write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="of the files")
    parser.add_argument("--words", required=True, help="what the other model is called")
    parser.add_argument("--ours", nargs=2, type=Path, required=True)
    parser.add_argument("--other", nargs=2, type=Path, required=True)
    options = parser.parse_args()
    document = {"other": options.words, **compare(options.ours, options.other)}
    text = json.dumps(document, indent=1) + "\n"
    (HERE / f"{options.name}.json").write_text(text, encoding="utf-8")
    (HERE / f"{options.name}.md").write_text(_as_markdown(document), encoding="utf-8")
    print(_as_markdown(document))


def compare(ours: Sequence[Path], other: Sequence[Path]) -> dict[str, Any]:
    """Return both models' numbers on the films that both read, and their paired differences."""
    tables, boxes = zip(*map(_answers, (ours, other)), strict=True)
    known = set(tables[1].case.tolist())
    names = [case for case in tables[0].case.tolist() if case in known]
    one, two = (_in_order(table, names) for table in tables)
    assert (one.reference == two.reference).all(), "the references differ"
    assert (one.fold == two.fold).all(), "the folds differ"
    matches = [match_images([own[name] for name in names]) for own in boxes]

    def statistics(weights: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        values = [found(own, weights) for own in matches]
        return np.concatenate([*values, values[0] - values[1]])

    drawn = group_bootstrap_weighted(
        one.patient_key, statistics, generator=np.random.default_rng(0)
    )
    values = statistics(np.ones(len(names), np.int64))
    columns = ("ours", "other", "difference")
    document: dict[str, Any] = {
        "films": len(names),
        "fractures": int(matches[0].references.sum()),
        "folds": sorted(set(one.fold.tolist())),
    }
    for row, word in enumerate(FOUND):
        places = {name: row + at * len(FOUND) for at, name in enumerate(columns)}
        document[word] = {
            name: {"value": float(values[at]), "interval": drawn.interval(at)}
            for name, at in places.items()
        }
    test = delong_test(one.reference, _within_folds(one), _within_folds(two))
    document["AUROC"] = {
        "ours": {"value": test.auroc_a},
        "other": {"value": test.auroc_b},
        "difference": {"value": test.difference, "interval": (test.low, test.high)},
    }
    return document


def found(matches: Matches, weights: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return what `FOUND` names, in its order.

    Args:
        matches: At the overlaps of COCO.
        weights: How often each film counts, shape `(films,)`.
    """
    fractured = average_precision(matches, weights=weights * matches.is_abnormal)
    at_half = matches.at(0.5)
    curve = froc_of_matches(at_half, weights=weights)
    return np.array(
        [
            fractured[0],
            fractured.mean(),
            average_precision(at_half, weights=weights)[0],
            sensitivity_at_false_positives(curve, [FALSE_BOXES])[0],
        ]
    )


def _answers(paths: Sequence[Path]) -> tuple[PredictionTable, dict[str, ImageDetections]]:
    table = PredictionTable.from_csv(paths[0])
    return table, {image.case: image for image in read_boxes(paths[1], table)}


def _in_order(table: PredictionTable, names: Sequence[str]) -> PredictionTable:
    row_of = {case: row for row, case in enumerate(table.case.tolist())}
    return table.take([row_of[name] for name in names])


def _within_folds(table: PredictionTable) -> npt.NDArray[np.float64]:
    """Return each film's rank within its fold: networks of two folds differ in their scale."""
    ranks = np.empty(len(table))
    for fold in np.unique(table.fold):
        rows = table.fold == fold
        ranks[rows] = rankdata(table.probability[rows]) / rows.sum()
    return ranks


def _as_markdown(document: Mapping[str, Any]) -> str:
    lines = [
        f"# The packaged radiograph model beside {document['other']}",
        "",
        f"{document['films']} films of FracAtlas with {document['fractures']} fractures, of fold "
        f"{', '.join(map(str, document['folds']))}, each read",
        "by networks that never saw it or a film of its group. Intervals by a bootstrap of patient",
        "groups, that of AUROC's difference by DeLong, 95 %.",
        "",
        f"| | ours | {document['other']} | difference |",
        "|---|---|---|---|",
    ]
    for word in (*FOUND, "AUROC"):
        row = document[word]
        lines.append(
            f"| {word} | {_cell(row['ours'])} | {_cell(row['other'])} "
            f"| {_cell(row['difference'], sign='+')} |"
        )
    return "\n".join(lines) + "\n"


def _cell(value: Mapping[str, Any], sign: str = "") -> str:
    text = f"{value['value']:{sign}.3f}"
    if "interval" in value:
        low, high = value["interval"]
        text += f" ({low:{sign}.3f} to {high:{sign}.3f})"
    return text


if __name__ == "__main__":
    main()
