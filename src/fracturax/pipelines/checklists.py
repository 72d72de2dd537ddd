"""Fill reporting checklists from what a run left behind, and from nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fracturax.datasets.passport import Split
from fracturax.evaluation.result import Row
from fracturax.models.bundle import Bundle, Manifest, load_bundle
from fracturax.models.catalog import NETWORKS
from fracturax.pipelines.table_report import TableReport
from fracturax.reporting.checklists import CHECKLISTS, Checklist, fill_checklist
from fracturax.training.recipe import Recipe, load_recipe


@dataclass(frozen=True, eq=False)
class Artefacts:
    """What a run left behind.

    Args:
        report: The evaluation.
        bundle: The model; None where it is not at hand.
        passport: The split; None where it is not at hand.
        recipe: How it was trained; None where it is not at hand.
    """

    report: TableReport
    bundle: Bundle | None = None
    passport: Split | None = None
    recipe: Recipe | None = None

    @classmethod
    def read(
        cls,
        report: TableReport,
        *,
        bundle: str | None = None,
        passport: Path | None = None,
        recipe: Path | None = None,
    ) -> Artefacts:
        """Read what is at hand.

        Args:
            report: The evaluation.
            bundle: Folder, or name of a model.
            passport: File of the split.
            recipe: TOML file.

        Raises:
            ModelError: If the bundle is damaged.
            DataError: If the passport is none.
            ConfigError: If the recipe is wrong.
        """
        return cls(
            report,
            None if bundle is None else load_bundle(bundle),
            None if passport is None else Split.read(passport),
            None if recipe is None else load_recipe(recipe),
        )


def filled_checklists(artefacts: Artefacts) -> tuple[Checklist, ...]:
    """Return every checklist, filled as far as the artefacts go."""
    answers = answers_of(artefacts)
    return tuple(fill_checklist(name, answers) for name in CHECKLISTS)


def write_checklists(artefacts: Artefacts, out: Path) -> tuple[Path, ...]:
    """Write every checklist as Markdown, `checklist-<name>.md`.

    Args:
        artefacts: What fills them.
        out: A folder that is there.
    """
    paths = []
    for name, one in zip(CHECKLISTS, filled_checklists(artefacts), strict=True):
        path = out / f"checklist-{name.replace('_', '-')}.md"
        path.write_text(one.as_markdown(), encoding="utf-8", newline="\n")
        paths.append(path)
    return tuple(paths)


def answers_of(artefacts: Artefacts) -> dict[str, str]:
    """Return an answer for each key that an artefact can speak to."""
    answers = _of_report(artefacts.report)
    if artefacts.bundle is not None:
        answers |= _of_bundle(artefacts.bundle)
    if artefacts.passport is not None:
        answers["partition"] = _partition(artefacts.passport)
    if artefacts.recipe is not None:
        answers |= _of_recipe(artefacts.recipe)
    return answers


def _of_report(report: TableReport) -> dict[str, str]:
    table, counts = report.units.table, report.counts
    unit = counts.metrics[0]
    numbers = {name: int(counts[name].value) for name in counts.metrics}
    folds = np.unique(table.fold).tolist()
    auroc = report.discrimination["auroc"]
    methods = dict.fromkeys(
        row.method
        for part in (report.discrimination, report.calibration, *(p.numbers for p in report.points))
        for row in part.rows
    )
    answers = {
        "software": f"FracturaX {report.software}",
        "counts": ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in numbers.items()),
        "missing": f"{numbers['not_assessed']} of {numbers[unit]} {unit} were not assessed; "
        "they are counted and left out of every other number",
        "metrics": ", ".join(
            dict.fromkeys(
                row.metric
                for part in (report.discrimination, report.points[0].numbers, report.calibration)
                for row in part.rows
            )
            if report.points
            else report.discrimination.metrics
        ),
        "uncertainty": "; ".join(methods),
        "performance": f"AUROC {_said(auroc)}, in {report.source}",
        "diagnostic": "; ".join(
            f"{point.name}: sensitivity {_said(point.numbers['sensitivity'])}, "
            f"specificity {_said(point.numbers['specificity'])}"
            for point in report.points
            if {"sensitivity", "specificity"} <= set(point.numbers.metrics)
        ),
        "thresholds": "; ".join(f"{point.name}: {point.where}" for point in report.points),
        "cross_table": "; ".join(
            f"{point.name}: {point.confusion.tp} true and {point.confusion.fp} false positives, "
            f"{point.confusion.fn} false and {point.confusion.tn} true negatives"
            for point in report.points
        ),
        "indeterminate": f"the answer doubt, given {int((table.status == 'doubt').sum())} times, "
        "counts as positive at one operating point and as negative at the other",
        "calibration": ", ".join(f"{row.metric} {_said(row)}" for row in report.calibration.rows),
        "partition_level": _level(report),
    }
    if len(folds) > 1:
        sizes = ", ".join(f"{fold}: {int((table.fold == fold).sum())}" for fold in folds)
        answers["internal"] = f"each of {len(folds)} parts was held out in turn ({sizes})"
        answers["fold_counts"] = "by part, fractured and healthy: " + ", ".join(
            f"{fold}: {int(table.reference[table.fold == fold].sum())} and "
            f"{int((table.reference[table.fold == fold] == 0).sum())}"
            for fold in folds
        )
    if report.subgroups:
        columns = dict.fromkeys(one.column for one in report.subgroups)
        answers["subgroups"] = f"subgroups by {', '.join(columns)}, asked for by the evaluator"
    return {key: words for key, words in answers.items() if words}


def _level(report: TableReport) -> str:
    """Say whether patients stand in one part each; nothing where there is one part."""
    table = report.units.table
    if np.unique(table.fold).size < 2:
        return ""
    pairs = np.unique(np.stack([table.patient_key, table.fold], axis=1), axis=0)
    torn = len(pairs) - np.unique(table.patient_key).size
    if torn:
        return f"not by patient: {torn} values of patient_key stand in a second part"
    return "by patient: no patient_key stands in two parts (checked in the table)"


def _of_bundle(bundle: Bundle) -> dict[str, str]:
    manifest, facts = bundle.manifest, dict(bundle.manifest.training)
    plan = manifest.plan
    network = NETWORKS[manifest.network]
    answers = {
        "technology": f"deep learning ({network.name}): {network.task}",
        "version": f"{manifest.name} {manifest.version}, SHA-256 of the bundle {bundle.sha256}",
        "model": f"{network.task}; {network.paper}; input {plan.rows} x {plan.columns} pixels; "
        "output: calibrated probability of a fracture in the image, boxes with probabilities",
        "preprocessing": "".join(f"{step.name}, " for step in plan.steps)
        + f"grey values from percentile {plan.low_percentile:g} to "
        f"{plan.high_percentile:g}, {plan.rows} x {plan.columns} pixels, frame {plan.frame}",
        "ensembling": _ensembling(manifest),
        "availability": f"the bundle {manifest.name} {manifest.version}; where it is published is "
        "for the authors to say",
    }
    if "data" in facts:
        answers["data_source"] = f"trained on {facts['data']}, {facts.get('films', '?')} films"
    if "dropped" in facts:
        answers["exclusions"] = (
            f"{facts['dropped']} films left out as defective, copies, or by the clean list"
        )
    return answers


def _ensembling(manifest: Manifest) -> str:
    parts = []
    if manifest.is_mirrored:
        which = (
            "each film" if manifest.mirror_margin is None else "a film that is not clearly normal"
        )
        parts.append(f"{which} is also read mirrored, and both answers are averaged")
    if manifest.second is not None:
        parts.append("two networks read the whole film, and the calibration weighs both")
    return "; ".join(parts) or "none"


def _partition(passport: Split) -> str:
    sizes = ", ".join(f"{part} {size}" for part, size in passport.sizes().items())
    return f"{passport.rule}, seed {passport.seed}: {sizes}; passport SHA-256 {passport.sha256}"


def _of_recipe(recipe: Recipe) -> dict[str, str]:
    optimizer, network = recipe.optimizer, recipe.network
    share, patience = recipe.data.inner_share, optimizer.patience
    return {
        "selection": f"stopped after {patience} epochs without a better loss on {share:g} of the "
        "training groups"
        if share > 0
        else "none: every training ran equally long",
        "initialization": f"backbone {network.backbone}, weights {network.weights}",
        "training": f"{optimizer.epochs} epochs of {optimizer.epoch_films} films, learning rate "
        f"{optimizer.learning_rate:g}, seed {recipe.seed}; recipe {recipe.name}",
    }


def _said(row: Row) -> str:
    ends = "" if row.low is None or row.high is None else f" ({row.low:.3f} to {row.high:.3f})"
    return f"{row.value:.3f}{ends}"
