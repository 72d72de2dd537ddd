"""May settled films be read from one view? The networks of the folds, on films they never saw.

    python benchmarks/accuracy/reader/one_view.py --root ../shared/data/fracatlas

Reads every film of FracAtlas from both views and from one, in single precision, and writes
`one_view.json`: the margin, the share of films that are read once, what that gains or loses, and
AUROC of both ways; and `../xray/folds/values.csv`, which `looks.py` reads. The packaged bundle is
not changed: `../xray_folds.py publish` does that.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from fracturax.datasets import open_dataset
from fracturax.datasets.passport import Split
from fracturax.models.runtime import XrayPredictor
from fracturax.pipelines.guard import compare_ways, holds
from fracturax.pipelines.out_of_fold import judge_across_folds, read_out_of_fold
from fracturax.pipelines.settled import mirror_margin, settle
from fracturax.pipelines.ways import Way

HERE = Path(__file__).parent
XRAY = HERE.parent / "xray"
sys.path.insert(0, str(HERE.parent))
from xray_folds import fold_bundles  # noqa: E402  a script beside this folder

MODEL = "xray"


def main() -> None:
    """Read all films twice, and write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder of FracAtlas")
    options = parser.parse_args()
    fold_of = Split.read(XRAY / "split.json").fold_of
    cases = [case for case in open_dataset("fracatlas", root=options.root) if case.name in fold_of]
    folds = [int(fold_of[case.name]) for case in cases]
    with tempfile.TemporaryDirectory() as folder:
        bundles = fold_bundles(Path(folder))
        single = [replace(b, manifest=replace(b.manifest, is_mirrored=False)) for b in bundles]
        both, once = (
            read_out_of_fold(
                cases, folds, [XrayPredictor(b, precision="fp32", threads=1) for b in way]
            )
            for way in (bundles, single)
        )
    margin = mirror_margin(both, once)
    manifest = replace(bundles[0].manifest, mirror_margin=margin)
    settled = settle(both, once, manifest)
    exact, cheaper = (judge_across_folds(one, model=MODEL) for one in (both, settled))
    differences = compare_ways(exact, cheaper)
    ships = holds(differences)
    way = Way("fp32", False, margin, settled, {"fp32": cheaper}, {}, both, once)
    way.write_values(XRAY / "folds" / "values.csv")
    alone = [one is other for one, other in zip(settled.answers, once.answers, strict=True)]
    document = {
        "films": len(cases),
        "margin_log_odds": margin,
        "read_once": float(np.mean(alone)),
        "holds": ships,
        "differences": differences.as_document(),
        "both_views": exact.evaluation.as_document(),
        "settled_once": cheaper.evaluation.as_document(),
    }
    text = json.dumps(document, indent=1) + "\n"
    (HERE / "one_view.json").write_text(text, encoding="utf-8")
    print(margin, document["read_once"], ships)
    print(differences)
    print(exact.evaluation)


if __name__ == "__main__":
    main()
