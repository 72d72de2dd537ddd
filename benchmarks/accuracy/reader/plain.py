"""Plain classifiers in the folds of the radiograph model: its peers, and what films are worth.

    python benchmarks/accuracy/reader/plain.py train --root FRACATLAS --weights FOLDER --out RUNS
    python benchmarks/accuracy/reader/plain.py compare --root ../shared/data/fracatlas

`train` fine-tunes each network of `MODELS` on one logit a film: folds, input and augmentations of
the second opinion in `recipes/xray.toml`, 10,400 films a fold. Two learn from a half and a quarter
of the patient groups, as many steps. It writes what they say of the films they never saw, from both
views, into `tables/`; a run that was stopped goes on. On two cores with bfloat16 a fold of
MobileNetV2 takes 6 minutes, of ResNet-50 14.

`compare` writes `plain.json`, `plain.md` and `learning_curve.svg`: AUROC, sensitivity at a
specificity of 0.90 and the paired difference from what the packaged model's networks said of the
same films (`xray/values.csv`, calibrated across folds), without any lift of lying films, and with
that of `pipelines/way_up.py` in both.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.special import logit
from values import FoldValues, Values, sensitivity

from fracturax.datasets.clean_list import read_clean_list
from fracturax.datasets.passport import Split
from fracturax.evaluation import PredictionTable, auroc, delong_test, group_bootstrap_weighted
from fracturax.models.bundle import TURNED
from fracturax.pipelines.train import TrainingData, predict_out_of_fold, prepare_training_data
from fracturax.reporting.figures import Curve, draw_learning_curve, write_figure
from fracturax.training.engine import train_network
from fracturax.training.recipe import Recipe, load_recipe

HERE = Path(__file__).parent
XRAY = HERE.parent / "xray"
RECIPES = HERE.parents[2] / "recipes"
TABLES = HERE / "tables"
OURS = "FracturaX"


@dataclass(frozen=True)
class Plain:
    """A plain classifier.

    Args:
        words: What it is called.
        backbone: Its backbone.
        weights: File of the weights it begins from.
        frozen_blocks: Up to stride 4, in either backbone.
        backbone_factor: At 0.5 a ResNet-50 forgot what it began with (AUROC 0.77 in fold 0).
        share: Of the patient groups of each training part.
        note: What must be known to judge it.
    """

    words: str
    backbone: str = "mobilenet_v2"
    weights: str = "mobilenet_v2.safetensors"
    frozen_blocks: int = 4
    backbone_factor: float = 0.5
    share: float = 1.0
    note: str = ""


MODELS = {
    "mobilenet": Plain("MobileNetV2"),
    "resnet50": Plain(
        "ResNet-50 v2, stages 1 to 3",
        backbone="resnet50",
        weights="resnet50_v2_stages1-3.safetensors",
        frozen_blocks=2,
        backbone_factor=0.2,
        note="was still learning: its loss in training fell from 0.67 to 0.49. With heads for "
        "places the same backbone reached 0.923 in fold 0 (`search.md`).",
    ),
    "mobilenet-half": Plain("MobileNetV2, half of the groups", share=0.5),
    "mobilenet-quarter": Plain("MobileNetV2, a quarter of the groups", share=0.25),
}


def main() -> None:
    """Train, or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("train", "compare"))
    parser.add_argument("--root", type=Path, required=True, help="folder of FracAtlas")
    parser.add_argument("--weights", type=Path, help="folder of pretrained weights, to train")
    parser.add_argument("--out", type=Path, help="folder of the runs, to train")
    parser.add_argument("--only", nargs="+", choices=MODELS, default=list(MODELS))
    options = parser.parse_args()
    if options.what == "compare":
        compare(options.root)
        return
    recipe = load_recipe(RECIPES / "xray.toml")
    data = prepare_training_data(
        recipe,
        root=options.root,
        split=Split.read(XRAY / "split.json"),
        unwanted=read_clean_list(RECIPES / "xray-clean.csv"),
    )
    for name in options.only:
        train(name, recipe, data, weights=options.weights, out=options.out)


def train(name: str, recipe: Recipe, data: TrainingData, *, weights: Path, out: Path) -> None:
    """Train a model in every fold, and write what it says of the films held out."""
    plain = MODELS[name]
    stage = recipe.second_stages()[""]
    network = replace(
        stage.network,
        backbone=plain.backbone,
        weights=str(weights / plain.weights),
        frozen_blocks=plain.frozen_blocks,
    )
    pace = replace(stage.optimizer, backbone_factor=plain.backbone_factor)
    stage = replace(stage, network=network, optimizer=pace)
    trained = {}
    for fold in range(recipe.data.folds):
        chosen = _groups(data, fold, plain.share)
        films = [
            film
            for case, film in zip(data.cases, data.films, strict=True)
            if data.split.trains(case.name, fold) and case.patient_key in chosen
        ]
        folder = out / name / f"fold-{fold}"
        trained[fold] = train_network(stage, films, (), folder=folder)
    table = predict_out_of_fold(replace(stage, name=f"plain-{name}"), data, trained)
    table.write_csv(TABLES / f"plain-{name}.csv")


def _groups(data: TrainingData, fold: int, share: float) -> set[str]:
    """Draw a share of the groups of a training part; a smaller share is part of a larger one."""
    keys = sorted({case.patient_key for case in data.cases if data.split.trains(case.name, fold)})
    drawn = np.random.default_rng([0, fold]).permutation(keys)
    return set(drawn[: round(share * len(keys))].tolist())


def compare(root: Path) -> None:
    """Compare all models that were trained with ours, and draw the learning curve."""
    films = FoldValues.read(root)
    names = [name for name in films.columns if name != TURNED and not name.endswith("_one_view")]
    scores = {OURS: films.log_odds(names)}
    for name, plain in MODELS.items():
        path = TABLES / f"plain-{name}.csv"
        if path.is_file():
            scores[plain.words] = _peer(path, films)
    reference = films.reference
    groups = np.array([case.patient_key for case in films.cases])
    document = []
    for name, score in scores.items():
        ours = scores[OURS]
        row: dict[str, object] = {"model": name, "films": len(reference)}
        for said, own, baseline in (
            ("as_it_is", score, ours),
            ("lifted", films.lifted(score), films.lifted(ours)),
        ):
            test = delong_test(reference, baseline, own)
            low, high = _interval(reference, own, groups)
            row[said] = {
                "auroc": float(auroc(reference, own)),
                "low": low,
                "high": high,
                "sensitivity_at_specificity_90": sensitivity(reference, own),
                "ours_less_this": test.difference,
                "ours_less_this_low": test.low,
                "ours_less_this_high": test.high,
                "p": test.p,
            }
        document.append(row)
    text = json.dumps(document, indent=1) + "\n"
    (HERE / "plain.json").write_text(text, encoding="utf-8")
    (HERE / "plain.md").write_text(_as_markdown(document), encoding="utf-8")
    print(_as_markdown(document))
    _draw(document, films=2 * len(reference) // 3)


def _peer(path: Path, films: FoldValues) -> Values:
    """Return the logits of a peer's table, in the order of the films, centred within each fold.

    Networks of two folds differ in their level, and no calibration was fitted.
    """
    table = PredictionTable.from_csv(path)
    row_of = {case: row for row, case in enumerate(table.case.tolist())}
    table = table.take([row_of[case.name] for case in films.cases])
    assert (table.fold.astype(np.int64) == films.fold).all(), "the folds differ"
    score: Values = logit(np.clip(table.probability, 1e-9, 1 - 1e-9))
    for fold in np.unique(films.fold):
        score[films.fold == fold] -= np.median(score[films.fold == fold])
    return score


def _interval(
    reference: npt.NDArray[np.int64], score: Values, groups: npt.NDArray[np.str_]
) -> tuple[float, float]:
    def area(weights: npt.NDArray[np.int64]) -> float:
        return auroc(reference, score, weights=weights)

    drawn = group_bootstrap_weighted(groups, area, generator=np.random.default_rng(0))
    low, high = drawn.interval(0)
    return float(low), float(high)


def _as_markdown(document: list[dict]) -> str:
    lines = [
        "# Plain classifiers in the same folds",
        "",
        f"{document[0]['films']} films of FracAtlas, each read by networks that never saw it or a",
        "film of its group; fine-tuned from ImageNet, 10,400 films of 416 x 352 a fold. Intervals",
        "by a bootstrap of groups, paired differences by DeLong, 95 %.",
        "",
        "| model | lying films | AUROC | sensitivity at specificity 0.90 | ours less this |",
        "|---|---|---|---|---|",
    ]
    for row in document:
        for said in ("as_it_is", "lifted"):
            one = row[said]
            lines.append(
                f"| {row['model']} | {said.replace('_', ' ')} "
                f"| {one['auroc']:.3f} ({one['low']:.3f} to {one['high']:.3f}) "
                f"| {one['sensitivity_at_specificity_90']:.3f} "
                f"| {one['ours_less_this']:+.3f} ({one['ours_less_this_low']:+.3f} to "
                f"{one['ours_less_this_high']:+.3f}) |"
            )
    compared = {row["model"] for row in document}
    notes = [one for one in MODELS.values() if one.note and one.words in compared]
    lines += [line for one in notes for line in ("", f"{one.words} {one.note}")]
    return "\n".join(lines) + "\n"


def _draw(document: list[dict], *, films: int) -> None:
    """Draw AUROC against the number of training films."""
    share_of = {
        plain.words: plain.share for plain in MODELS.values() if plain.backbone == "mobilenet_v2"
    }
    found = sorted(
        (films * share_of[row["model"]], row["as_it_is"])
        for row in document
        if row["model"] in share_of
    )
    if len(found) < 2:
        return
    curve = Curve(
        "MobileNetV2",
        [count for count, _ in found],
        [one["auroc"] for _, one in found],
        low=[one["low"] for _, one in found],
        high=[one["high"] for _, one in found],
    )
    figure = draw_learning_curve([curve], y="AUROC, out of fold", x="Training films")
    write_figure(figure, HERE / "learning_curve.svg")


if __name__ == "__main__":
    main()
