"""Write the numbers of the README from the result files, or check that they are in step.

python tools/readme_numbers.py [--check]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- numbers:begin -->", "<!-- numbers:end -->"
METRICS = {
    "auroc": "AUROC",
    "sensitivity@high_sensitivity": "sensitivity, *doubt* counted as positive",
    "specificity@high_sensitivity": "specificity, *doubt* counted as positive",
    "sensitivity@high_specificity": "sensitivity, only *fracture* counted as positive",
    "specificity@high_specificity": "specificity, only *fracture* counted as positive",
    "map50_fractured": "mAP50 of the boxes, fractured films",
    "map50_95_fractured": "mAP50-95 of the boxes, fractured films",
    "froc_sensitivity@0.5": "fractures found at 0.5 false boxes a film, all films",
}


def main() -> None:
    """Write or check."""
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    wanted = f"{before}{BEGIN}\n{numbers()}\n{END}{after}"
    if "--check" not in sys.argv:
        readme.write_text(wanted, encoding="utf-8")
    elif wanted != text:
        sys.exit("README.md is not in step with benchmarks/; run: python tools/readme_numbers.py")


def numbers() -> str:
    """Return the numbers as Markdown."""
    accuracy = load("accuracy/xray/evaluation.json")
    facts = accuracy["facts"]
    rows = {row["metric"]: row for row in accuracy["evaluation"][accuracy["precision"]]["rows"]}
    lines = [
        f"Out of fold on FracAtlas ({facts['films']} films, {facts['fractured']} with a fracture, "
        f"{facts['folds']} folds; copies, defective files and neighbours kept apart), 95 % "
        "intervals by a bootstrap of groups:",
        "",
        "| number | value | interval |",
        "|---|---|---|",
    ]
    for metric, words in METRICS.items():
        row = rows[metric]
        interval = f"{row['low']:.3f} to {row['high']:.3f}"
        lines.append(f"| {words} | {row['value']:.3f} | {interval} |")
    return "\n".join([*lines, "", *peer(), "", speed()])


def peer() -> list[str]:
    """Return what the paired test against the peer says."""
    result = load("accuracy/xray/against_peer.json")
    where = "in the same folds" if result["same_folds"] else "in three folds of its own"
    return [
        f"A fine-tuned MobileNetV2 classifier (320 px) {where} ({result['films']} films that "
        "neither was trained on; its training saw 10,400 films a fold, ours 41,600 and 48,000 "
        f"windows): {in_words(result['neither_lifted'])} Our score is calibrated not to tell "
        "whether a film was stored lying, which in this data set tells the label; that costs some "
        f"AUROC. With both calibrated so: {in_words(result['both_lifted'])}"
    ]


def in_words(test: dict[str, Any]) -> str:
    """Return one paired comparison in words."""
    bounds = test["group_bootstrap"]
    return (
        f"AUROC {test['auroc_peer']:.3f}, ours {test['auroc_ours']:.3f} (ranks within folds); "
        f"difference {test['difference']:.3f} ({bounds['low']:.3f} to {bounds['high']:.3f})."
    )


def speed() -> str:
    """Return what the speed benchmark measured."""
    result = load("speed/reading.json")
    film, network = result["film"], result["network"]
    return (
        f"On {result['machine']}: a 2140 × 1760 JPEG 2000 film from "
        "file to JSON in "
        f"{1000 * film['total_s']:.0f} ms, {1000 * film['decode_s']:.0f} ms of it decoding; "
        f"a FracAtlas film in memory to its answer in "
        f"{1000 * result['answer']['as_shipped_median_s']:.0f} ms (median); "
        f"{result['folder']['images_per_s']:.0f} FracAtlas images a second; the first film of a "
        f"new process in {result['cold']['read_s']:.1f} s; "
        f"at most {result['memory']['json']['highest_mb']:.0f} MB of memory for JSON and "
        f"{result['memory']['html,json,png,csv']['highest_mb']:.0f} MB with pages and pictures; "
        "the network "
        f"{network['times_faster_than_torch']:.1f} times as fast as in torch eager."
    )


def load(name: str) -> dict[str, Any]:
    """Load a result file."""
    document: dict[str, Any] = json.loads((ROOT / "benchmarks" / name).read_text("utf-8"))
    return document


if __name__ == "__main__":
    main()
