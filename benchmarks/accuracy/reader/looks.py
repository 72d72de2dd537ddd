"""What each network of the radiograph model adds to the answer about a film, by paired tests.

    python benchmarks/accuracy/reader/looks.py --root ../shared/data/fracatlas

Reads `xray/values.csv`, what the networks of the folds said of films they never saw, and
fits the calibration anew with some of the values: on two folds, judged on the third. Lying films
are not lifted here, so that only the networks count. Writes `looks.json` and `looks.md`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from values import BOTH_LOOKS, FIRST_LOOK, FoldValues, compared

HERE = Path(__file__).parent
SETS: dict[str, tuple[str, ...]] = {
    "image logit alone": ("logit",),
    "first look": FIRST_LOOK,
    "first look, closer look": BOTH_LOOKS,
    "second opinion alone": ("second",),
    "all": (*BOTH_LOOKS, "second"),
}
ALL = "all"


def main() -> None:
    """Fit, compare, and write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder of FracAtlas")
    films = FoldValues.read(parser.parse_args().root)
    reference = films.reference
    whole = films.log_odds(SETS[ALL])
    document = []
    for name, chosen in SETS.items():
        for views in ("both views", "one view"):
            end = "" if views == "both views" else "_one_view"
            score = films.log_odds([f"{one}{end}" for one in chosen])
            document.append({"values": name, "views": views, **compared(reference, score, whole)})
    (HERE / "looks.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    (HERE / "looks.md").write_text(_as_markdown(document), encoding="utf-8")
    print(_as_markdown(document))


def _as_markdown(document: list[dict[str, object]]) -> str:
    first = document[0]
    lines = [
        "# What each network adds",
        "",
        f"{first['films']} films of FracAtlas out of fold, {first['fractured']} of them fractured;",
        "calibrations fitted on the other folds, lying films not lifted. Differences from all",
        "networks at both views, 95 % by DeLong.",
        "",
        "| values | views | AUROC | sensitivity at specificity 0.90 | difference |",
        "|---|---|---|---|---|",
    ]
    for row in document:
        lines.append(
            f"| {row['values']} | {row['views']} | {row['auroc']:.3f} "
            f"| {row['sensitivity_at_specificity_90']:.3f} | {row['difference']:+.3f} "
            f"({row['low']:+.3f} to {row['high']:+.3f}) |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
