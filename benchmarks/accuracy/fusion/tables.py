"""The tables of the fusion: leave one patient out, patient by patient, all differences descriptive.

    python benchmarks/accuracy/fusion/tables.py --root PAIRS --runs RUNS --out OUT

`RUNS` holds the runs of the streams (`film-stream`, `ct-densenet121`; `film-transformer` where it
was made). Degraded streams (`degraded`: each second film and cube) are made where they are missing.
Four patients, simulated films: a proof
that the system works, not that it is clinically better.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file
from sklearn.metrics import roc_auc_score

from fracturax.core.provenance import sha256_of_file, software_version
from fracturax.datasets.pairs import open_pairs
from fracturax.evaluation import calibration_error
from fracturax.models.catalog import FUSIONS
from fracturax.models.streams import STREAMS
from fracturax.pipelines.fusion_calibration import calibrated, even_weights
from fracturax.pipelines.fusion_streams import (
    FilmStreamRun,
    keep_film_stream,
    read_streams,
    store_crops,
    view_crops,
)
from fracturax.pipelines.train_fusion import answers_out_of_fold, train_without
from fracturax.training.degrade import DEGRADATIONS
from fracturax.training.film_stream import StreamPace
from fracturax.training.fusion import answer_table
from fracturax.training.fusion_recipe import FusionRecipe, load_fusion_recipe

NOTICE = "Research use only. Four patients, simulated films: a proof that the system works."
DICE_FROM = 0.5
_REPEATS = 50
TRANSFORMER_RUN = "film-transformer"


def main() -> None:
    """Train every fusion on every fold, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="prepared pairs")
    parser.add_argument("--runs", type=Path, required=True, help="runs of the streams")
    parser.add_argument("--out", type=Path, required=True, help="folder of the tables")
    parser.add_argument("--recipes", type=Path, default=Path("recipes"))
    parser.add_argument("--paper", action="store_true", help="the paper's pace too: minutes more")
    parser.add_argument("--weights", help="of the stem: train the Transformer on films if missing")
    options = parser.parse_args()
    data = open_pairs(options.root)
    crops = store_crops(data)
    patients = data.patients
    if options.weights:
        train_transformer(crops, patients, options.runs, options.weights)
    tables, own_logits = {}, {}
    for patient in patients:
        table, logits = read_streams(data, crops, patient, options.runs)
        tables[patient] = table
        own_logits[patient] = logits
    group, label = crops.group, crops.label
    document: dict[str, object] = {
        "notice": NOTICE,
        "software": f"fracturax {software_version()}",
        "pairs_sha256": sha256_of_file(options.root / "pairs.csv"),
        "patients": {p: {"cases": int((group == i).sum()),
                         "fractured": int(label[group == i].sum())}
                     for i, p in enumerate(patients)},
        "degraded_cases": _degraded_cases(tables),
    }  # fmt: skip
    fusions: dict[str, object] = {}
    degraded: dict[str, object] = {}
    base = load_fusion_recipe(options.recipes / "fracturax-fusion-attention-small.toml")
    paces: list[tuple[str, FusionRecipe]] = [("small", base)]
    if options.paper:
        paces.append(
            ("paper", load_fusion_recipe(options.recipes / "fracturax-fusion-attention.toml"))
        )
    for pace, recipe in paces:
        for name in FUSIONS if pace == "small" else ("concat", "attention", "cyclegan"):
            design = replace(recipe.network, fusion=name)
            chosen = replace(recipe, network=design)
            trained = {p: train_without(chosen, tables[p], i) for i, p in enumerate(patients)}
            logits, real = answers_out_of_fold(tables, trained, patients)
            rows = {
                "+".join(names): measure(
                    logits[names], label, group, patients, dice=_dice(tables, trained, names)
                )
                for names in logits
            }
            made = {
                "+".join(names): measure(real[names], label, group, patients)
                for names in logits
                if FUSIONS[name].is_generative and ("xray" in names) != ("ct" in names)
            }
            fusions[f"{name}, {pace}"] = {
                "subsets": rows,
                "absent_instead_of_generated": made,
                "best_epochs": {p: one.best_epoch for p, one in trained.items()},
                "mean_weights": mean_weights(tables, trained),
            }
            if any(table.spoilt for table in tables.values()):
                degraded[f"{name}, {pace}"] = weight_falls(tables, trained)
            print(pace, name, rows[max(rows, key=len)]["auroc"], flush=True)
    single = single_streams(tables, own_logits, options.runs, patients)
    document["single_networks"] = {
        name: measure(logits, label, group, patients, dice=dice)
        for name, (logits, dice) in single.items()
    }
    document["fusions"], document["degraded_streams"] = fusions, degraded
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "tables.json").write_text(
        json.dumps(document, indent=1) + "\n", encoding="utf-8"
    )
    (options.out / "tables.md").write_text(as_markdown(document), encoding="utf-8")
    if degraded:
        draw(degraded["attention, small"], options.out / "degraded.svg")


def train_transformer(crops, patients, runs: Path, weights: str) -> None:
    """Train the Transformer on films, leaving each patient out, where it was not."""
    film = FilmStreamRun("film_transformer", weights, StreamPace())
    missing = [one for one in patients if not (runs / TRANSFORMER_RUN / one).is_dir()]
    if not missing:
        return
    views = view_crops(crops, weights, seed=film.pace.seed)
    for patient in missing:
        keep_film_stream(film, views, patients.index(patient), runs / TRANSFORMER_RUN / patient)


def _degraded_cases(tables):
    first = next(iter(tables.values()))
    return {
        stream: int(np.isfinite(next(iter(kinds.values())).features).all(axis=1).sum())
        for stream, kinds in first.spoilt.items()
    }


def single_streams(tables, own_logits, runs, patients):
    """Return each stream's own network out of fold: logits, and Dice of its map."""
    first = next(iter(tables.values()))
    found = {}
    for title, stream in (("CNN on films", "xray"), ("3-D CNN on CT", "ct")):
        logits, dice = np.zeros(len(first.label)), {}
        for index, patient in enumerate(patients):
            own = first.group == index
            logits[own] = own_logits[patient][stream][own]
            dice[patient] = {
                stream: dice_of(
                    tables[patient].maps[stream][own], tables[patient].cells[stream][own]
                )
            }
        found[title] = (logits, dice)
    if all((runs / TRANSFORMER_RUN / one / "answers.safetensors").is_file() for one in patients):
        logits, dice = np.zeros(len(first.label)), {}
        for index, patient in enumerate(patients):
            own = first.group == index
            said = load_file(runs / TRANSFORMER_RUN / patient / "answers.safetensors")
            logits[own] = said["logit"][own]
            dice[patient] = {"xray": dice_of(said["map"][own], first.cells["xray"][own])}
        found["Transformer on films"] = (logits, dice)
    return found


def dice_of(map_logits, cells):
    """Return the Dice of all cells of some cases together, a cell from probability 0.5 on."""
    said = map_logits > np.log(DICE_FROM / (1 - DICE_FROM))
    total = said.sum() + cells.sum()
    return float(2 * (said & cells).sum() / total) if total else float("nan")


def _dice(tables, trained, names):
    found = {}
    for index, (patient, table) in enumerate(tables.items()):
        part = table.part(table.group == index)
        said = answer_table(trained[patient].network, part, names)
        found[patient] = {
            stream: dice_of(maps.numpy(), part.cells[stream])
            for stream, maps in (("xray", said.xray_where), ("ct", said.ct_where))
            if stream in names
        }
    return found


def measure(logits, label, group, patients, *, dice=None):
    """Return the numbers of one answer, patient by patient and over all."""
    probability = calibrated(logits, label, group)
    rows = {}
    for index, patient in enumerate(patients):
        own = group == index
        rows[patient] = _numbers(logits[own], probability[own], label[own])
        if dice is not None:
            rows[patient]["dice"] = {k: round(v, 3) for k, v in dice[patient].items()}
    return {
        "auroc": {p: one["auroc"] for p, one in rows.items()},
        "by_patient": rows,
        "ece": round(even_error(label, probability, group), 4),
        "ece_as_drawn": round(calibration_error(label.astype(int), probability), 4),
        "accuracy": round(float(((probability >= 0.5) == label).mean()), 3),
    }


def even_error(label, probability, group):
    """Return the ECE at the prevalence that probabilities are of, each patient counting alike."""
    times = np.maximum(1, np.rint(_REPEATS * even_weights(label, group))).astype(int)
    return calibration_error(np.repeat(label.astype(int), times), np.repeat(probability, times))


def _numbers(logits, probability, label):
    said = probability >= 0.5
    hits = int((said & label).sum())
    return {
        "auroc": round(float(roc_auc_score(label, logits)), 3),
        "accuracy": round(float((said == label).mean()), 3),
        "f1": round(2 * hits / max(1, int(said.sum()) + int(label.sum())), 3),
        "ece": round(calibration_error(label.astype(int), probability), 3),
    }


def mean_weights(tables, trained):
    """Return the mean weight of each stream, all present, patient by patient."""
    found = {}
    for index, (patient, table) in enumerate(tables.items()):
        said = answer_table(trained[patient].network, table.part(table.group == index))
        mean = said.weights.mean(dim=0).tolist()
        found[patient] = {s: round(w, 3) for s, w in zip(STREAMS, mean, strict=True) if w > 0}
    return found


def weight_falls(tables, trained):
    """Return in how many cases of held-out patients a degraded stream weighs less than it did."""
    found = {}
    for names in (("xray", "ct"), None):
        for stream in ("xray", "ct"):
            for kind in DEGRADATIONS:
                falls, before, after = {}, [], []
                for index, (patient, table) in enumerate(tables.items()):
                    if kind not in table.spoilt.get(stream, {}):
                        continue
                    known = np.isfinite(table.spoilt[stream][kind].features).all(axis=1)
                    part = table.part((table.group == index) & known)
                    column = STREAMS.index(stream)
                    clean = answer_table(trained[patient].network, part, names).weights[:, column]
                    bad = answer_table(
                        trained[patient].network, part.with_spoilt(stream, kind), names
                    ).weights[:, column]
                    falls[patient] = round(float((bad < clean).float().mean()), 3)
                    before += clean.tolist()
                    after += bad.tolist()
                if not falls:
                    continue
                title = "film and CT" if names else "all streams"
                found[f"{title}: {stream}, {kind}"] = {
                    "falls": round(float(np.mean(np.array(after) < np.array(before))), 3),
                    "cases": len(before),
                    "falls_by_patient": falls,
                    "weight_before": round(float(np.mean(before)), 3),
                    "weight_after": round(float(np.mean(after)), 3),
                }
    return found


def as_markdown(document) -> str:
    """Return the tables as text."""
    patients = list(document["patients"])
    lines = [
        "# Fusion, leave one patient out",
        "",
        document["notice"] + " Differences are descriptive. Accuracy and F1 at a calibrated "
        "probability of 0.5; calibrated on the other patients' answers out of fold. ECE over all "
        "patients, at the prevalence that probabilities are of (a quarter), each patient counting "
        "alike.",
        "",
        "## Single networks and fusions of all streams",
        "",
        "| model | " + " | ".join(f"{p} AUROC, accuracy, F1, Dice" for p in patients) + " | ECE |",
        "|---|" + "---|" * (len(patients) + 1),
    ]
    rows = dict(document["single_networks"])
    for name, one in document["fusions"].items():
        rows[f"fusion: {name}"] = one["subsets"][max(one["subsets"], key=lambda k: k.count("+"))]
    for name, row in rows.items():
        cells = []
        for p in patients:
            r = row["by_patient"][p]
            dice = ", ".join(f"{k} {v:.2f}" for k, v in r.get("dice", {}).items()) or "-"
            cells.append(f"{r['auroc']:.2f}, {r['accuracy']:.2f}, {r['f1']:.2f}, {dice}")
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {row['ece']:.3f} |")
    for name, one in document["fusions"].items():
        lines += ["", f"## Which streams: {name}", "",
                  "| streams | " + " | ".join(f"{p} AUROC" for p in patients) + " | ECE |",
                  "|---|" + "---|" * (len(patients) + 1)]  # fmt: skip
        for names, row in one["subsets"].items():
            cells = [f"{row['auroc'][p]:.2f}" for p in patients]
            lines.append(f"| {names} | " + " | ".join(cells) + f" | {row['ece']:.3f} |")
        for names, row in one["absent_instead_of_generated"].items():
            cells = [f"{row['auroc'][p]:.2f}" for p in patients]
            lines.append(
                f"| {names}, nothing generated | " + " | ".join(cells) + f" | {row['ece']:.3f} |"
            )
    if document["degraded_streams"]:
        lines += ["", "## How often a degraded stream weighs less than it did", ""]
        for name, rows in document["degraded_streams"].items():
            lines += [
                f"### {name}",
                "",
                "| what | falls in | cases | mean weight before, after |",
                "|---|---|---|---|",
            ]
            for what, r in rows.items():
                lines.append(
                    f"| {what} | {100 * r['falls']:.0f} % | {r['cases']} | "
                    f"{r['weight_before']:.2f}, {r['weight_after']:.2f} |"
                )
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def draw(rows, path: Path) -> None:
    """Draw the mean weight of a stream as it was and degraded."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "fusion"
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(8, 4), layout="constrained")
    names = list(rows)
    places = np.arange(len(names))
    axis.barh(places - 0.2, [rows[n]["weight_before"] for n in names], 0.38, label="as it was")
    axis.barh(places + 0.2, [rows[n]["weight_after"] for n in names], 0.38, label="degraded")
    for place, name in zip(places, names, strict=True):
        axis.text(
            1.02, place, f"falls in {100 * rows[name]['falls']:.0f} %", va="center", fontsize=8
        )
    axis.set(yticks=places, yticklabels=names, xlim=(0, 1.25), xlabel="mean weight of the stream")
    axis.invert_yaxis()
    axis.legend(loc="lower right", fontsize=8)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
