"""The networks of the folds on spoiled films that they never saw.

    python benchmarks/accuracy/spoiled.py --root ../shared/data/fracatlas

As `fracturax evaluate --corrupt` does for one reader, with 100 fractured films and 100 others, each
read by the network that was not trained on it. Calibration and thresholds are those of the packaged
bundle before alignment to its network, fitted on all folds; the scope check is left out, since
each network has its own features. Writes `xray/robustness.*`: AUROC, its change, sensitivity and
specificity with intervals by corruption and severity.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from xray_folds import fold_bundles

import fracturax as fx
from fracturax.core.prediction import ModelIdentity, OperatingPoints, Prediction
from fracturax.core.study import Study
from fracturax.datasets import open_dataset
from fracturax.evaluation import PredictionTable
from fracturax.models.runtime import XrayPredictor
from fracturax.pipelines.corrupt import measure_robustness

RESULTS = Path(__file__).parent / "xray"
OF_EITHER_CLASS = 100


class FoldReader:
    """Reads each film with the network of the fold that held it out."""

    def __init__(self, readers: list[XrayPredictor], fold_of: dict[str, int]) -> None:
        self._readers, self._fold_of = readers, fold_of

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is."""
        return self._readers[0].identity

    @property
    def operating_points(self) -> OperatingPoints:
        """The thresholds behind its answers."""
        return self._readers[0].operating_points

    def predict(self, study: Study) -> Prediction:
        """Answer about the one film of a case of FracAtlas."""
        fold = self._fold_of[Path(study.images[0].name).stem]
        return self._readers[fold].predict(study)


def main() -> None:
    """Spoil, read and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder of FracAtlas")
    options = parser.parse_args()
    table = PredictionTable.from_csv(RESULTS / "out_of_fold.csv")
    fold_of = dict(zip(table.case.tolist(), map(int, table.fold), strict=True))
    case_of = {case.name: case for case in open_dataset("fracatlas", root=options.root)}
    generator = np.random.default_rng(0)
    rows = [
        row
        for label in (0, 1)
        for row in generator.permutation(np.flatnonzero(table.reference == label)).tolist()[
            :OF_EITHER_CLASS
        ]
    ]
    cases = [case_of[name] for name in table.case[sorted(rows)].tolist()]
    shipped = fx.load("xray").bundle.manifest
    moved = float(dict(shipped.training)["calibration_moved_by"])
    calibration = replace(shipped.calibration, intercept=shipped.calibration.intercept - moved)
    with tempfile.TemporaryDirectory() as folder:
        readers = []
        for bundle in fold_bundles(Path(folder)):
            manifest = replace(
                bundle.manifest,
                version=f"{shipped.version}, networks of the folds",
                calibration=calibration,
                box_calibration=shipped.box_calibration,
                operating_points=shipped.operating_points,
                box_operating_points=shipped.box_operating_points,
                mirror_margin=shipped.mirror_margin,
            )
            readers.append(XrayPredictor(replace(bundle, manifest=manifest), threads=1))
        robustness = measure_robustness(FoldReader(readers, fold_of), cases)
    for path in robustness.write(RESULTS):
        print(path)
    print(robustness.as_text())


if __name__ == "__main__":
    main()
