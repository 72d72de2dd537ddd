"""What a second opinion should be: three plain classifiers of fold 0 beside the first network.

    python benchmarks/accuracy/reader/seconds.py --root ../shared/data/fracatlas

Reads `tables/seconds-fold-0.csv`, logits of classifiers that never saw these films, and
`xray/values.csv`. Pairs are the mean of log-odds: nothing was fitted to make them. Writes
`seconds.json` and `seconds.md`.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import numpy as np
from values import BOTH_LOOKS, FoldValues, compared

HERE = Path(__file__).parent
WORDS = {
    "turned": "MobileNetV2, films turned in training as for the first network",
    "upright": "MobileNetV2, films not turned",
    "resnet50": "ResNet-50 v2, films not turned, its backbone at half of the pace",
}
FIRST = "xray, both looks"


def main() -> None:
    """Compare, and write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder of FracAtlas")
    options = parser.parse_args()
    films = FoldValues.read(options.root)
    with (HERE / "tables" / "seconds-fold-0.csv").open(encoding="utf-8", newline="") as stream:
        said_of = {row["case"]: row for row in csv.DictReader(stream)}
    held_out = np.array([case.name in said_of for case in films.cases])
    names = [case.name for case in films.cases if case.name in said_of]
    first = films.log_odds(BOTH_LOOKS)[held_out]
    scores = {FIRST: first}
    for column, words in WORDS.items():
        score = np.array([float(said_of[name][column]) for name in names])
        scores[words] = score
        scores[f"xray + {words}"] = (score + first) / 2
    reference = films.reference[held_out]
    document = []
    for name, score in scores.items():
        for lying, own, other in (
            ("as they are", score, first),
            ("lifted", films.lifted(score, held_out), films.lifted(first, held_out)),
        ):
            document.append({"tried": name, "lying": lying, **compared(reference, own, other)})
    (HERE / "seconds.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    (HERE / "seconds.md").write_text(_as_markdown(document), encoding="utf-8")
    print(_as_markdown(document))


def _as_markdown(document: list[dict[str, object]]) -> str:
    first = document[0]
    lines = [
        "# What a second opinion should be",
        "",
        f"{first['films']} films of fold 0, {first['fractured']} of them fractured; classifiers of",
        "10,400 films each. Pairs are the mean of log-odds. Differences from xray by DeLong, 95 %.",
        "Kept, and trained for all folds: films not turned.",
        "",
        "| tried | lying films | AUROC | sensitivity at specificity 0.90 | less xray |",
        "|---|---|---|---|---|",
    ]
    for row in document:
        lines.append(
            f"| {row['tried']} | {row['lying']} | {row['auroc']:.3f} "
            f"| {row['sensitivity_at_specificity_90']:.3f} | {row['difference']:+.3f} "
            f"({row['low']:+.3f} to {row['high']:+.3f}) |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
