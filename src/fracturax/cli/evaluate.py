"""`fracturax evaluate`: what a model, or a table of predictions, is worth."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fracturax.cli.console import JsonOption, print_json, progress, words
from fracturax.core.errors import ConfigError

if TYPE_CHECKING:
    from fracturax.core.case import Case
    from fracturax.evaluation import Evaluation
    from fracturax.models.runtime import XrayPredictor
    from fracturax.pipelines.corrupt import Robustness
    from fracturax.pipelines.evaluate import Judgement
    from fracturax.pipelines.table_report import TableOptions, TableReport


class Unit(StrEnum):
    """What one row of the evaluation is."""

    image = "image"
    study = "study"
    patient = "patient"


class Rule(StrEnum):
    """How the images of a study or patient are joined."""

    max = "max"
    mean = "mean"
    noisy_or = "noisy_or"


def add_to(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("evaluate")(evaluate)


def evaluate(
    subject: Annotated[
        str, typer.Argument(help="A model's name, a bundle's folder, or a table of predictions.")
    ],
    dataset: Annotated[
        str, typer.Option("--dataset", help="Name of the data set or layout; auto recognizes it.")
    ] = "fracatlas",
    root: Annotated[Path | None, typer.Option("--root", help="Folder of the data set.")] = None,
    split: Annotated[str, typer.Option("--split", help="A split the release defines.")] = "all",
    table: Annotated[
        Path | None, typer.Option("--table", help="Write the table of predictions here (CSV).")
    ] = None,
    boxes: Annotated[
        Path | None, typer.Option("--boxes", help="The boxes beside a table of predictions (CSV).")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write page, figures and tables to this folder.")
    ] = None,
    by: Annotated[
        list[str] | None, typer.Option("--by", help="Subgroups by a column of the table; again.")
    ] = None,
    unit: Annotated[Unit, typer.Option("--unit", help="What one row is.")] = Unit.image,
    rule: Annotated[Rule, typer.Option("--rule", help="How images are joined.")] = Rule.max,
    sensitivity: Annotated[
        float, typer.Option("--sensitivity", help="Choose an operating point for it.")
    ] = 0.95,
    specificity: Annotated[
        float, typer.Option("--specificity", help="Choose another for it.")
    ] = 0.95,
    missed_cost: Annotated[
        float | None,
        typer.Option("--missed-cost", help="Choose another by cost: a missed fracture in alarms."),
    ] = None,
    threshold: Annotated[
        list[float] | None, typer.Option("--threshold", help="Stated beforehand; again.")
    ] = None,
    prevalence: Annotated[
        float | None, typer.Option("--prevalence", help="Give PPV and NPV where this is the share.")
    ] = None,
    bundle: Annotated[
        str | None, typer.Option("--bundle", help="The model behind a table, for the checklists.")
    ] = None,
    passport: Annotated[
        Path | None, typer.Option("--passport", help="Its split, for the checklists.")
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option("--recipe", help="Its recipe (TOML), for the checklists.")
    ] = None,
    resamples: Annotated[int, typer.Option(help="Bootstrap resamples.", min=100)] = 1000,
    seed: Annotated[int, typer.Option("--seed", help="Seed of everything random.", min=0)] = 0,
    allow_training_films: Annotated[
        bool, typer.Option(help="Evaluate on films the model was trained on: measures memory.")
    ] = False,
    corrupt: Annotated[
        bool, typer.Option("--corrupt", help="Spoil the films in known ways, and compare.")
    ] = False,
    sample: Annotated[
        int | None, typer.Option("--sample", help="With --corrupt, read so many cases.", min=10)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print every number of a table of predictions, or of a model on a data set.

    Each comes with its 95 % interval. Thresholds are chosen on other folds than they are applied
    to.
    """
    from fracturax.pipelines.table_report import TableOptions

    options = TableOptions(
        by=tuple(by or ()),
        unit=unit.value,
        rule=rule.value,
        sensitivity=sensitivity,
        specificity=specificity,
        missed_cost=missed_cost,
        thresholds=tuple(threshold or ()),
        prevalence=prevalence,
        resamples=resamples,
        seed=seed,
    )
    is_table = subject.endswith(".csv")
    _check_corrupt(subject, corrupt=corrupt, sample=sample, is_table=is_table)
    result: Evaluation | TableReport | Robustness
    if is_table:
        from fracturax.pipelines.table_evaluation import evaluate_predictions

        result = evaluate_predictions(Path(subject), options, boxes=boxes)
        if out is not None:
            _write(result, out, bundle=bundle, passport=passport, recipe=recipe)
    elif corrupt:
        from fracturax.pipelines.corrupt import measure_robustness

        model, cases = _open(subject, dataset, root=root, split=split, boxes=boxes)
        result = measure_robustness(
            model,
            cases,
            most=sample,
            seed=seed,
            resamples=resamples,
            allow_training_films=allow_training_films,
            progress=progress,
        )
        if out is not None:
            result.write(out)
    else:
        from fracturax.evaluation.localization import write_boxes
        from fracturax.pipelines.evaluate import evaluate as judge

        model, cases = _open(subject, dataset, root=root, split=split, boxes=boxes)
        judgement = judge(
            model,
            cases,
            resamples=resamples,
            allow_training_films=allow_training_films,
            progress=progress,
        )
        if table is not None:
            judgement.table.write_csv(table, judgement.columns)
        if out is not None:
            source = f"{subject} on {dataset}"
            report = _report(judgement, options, source, of_memory=allow_training_films)
            _write(report, out, bundle=subject, passport=passport, recipe=recipe)
            judgement.table.write_csv(out / "predictions.csv", judgement.columns)
            write_boxes(judgement.assessed, out / "boxes.csv")
        result = judgement.evaluation
    _print(result, as_json=as_json)


def _open(
    subject: str, dataset: str, *, root: Path | None, split: str, boxes: Path | None
) -> tuple[XrayPredictor, tuple[Case, ...]]:
    """Open a model, and the data set it is evaluated on."""
    if root is None:
        raise ConfigError(
            "a model is evaluated on a data set", got="no --root", cure="give its folder"
        )
    if boxes is not None:
        raise ConfigError(
            "a table of boxes goes with a table of predictions",
            got=f"the model {subject}",
            cure="a model brings its own boxes; --out writes them",
        )
    from fracturax.datasets import open_dataset
    from fracturax.models.bundle import load_bundle
    from fracturax.models.runtime import XrayPredictor

    model = XrayPredictor(load_bundle(subject), threads=1)
    return model, open_dataset(dataset, root=root, split=split)


def _report(
    judgement: Judgement, options: TableOptions, source: str, *, of_memory: bool
) -> TableReport:
    """Make of a model's answers the report that a table of them would give."""
    from fracturax.pipelines.box_report import BoxReport
    from fracturax.pipelines.evaluate import MEMORY_NOTE
    from fracturax.pipelines.table_columns import join_units
    from fracturax.pipelines.table_evaluation import evaluate_units

    units = join_units(
        judgement.table, judgement.columns, by=options.by, unit=options.unit, rule=options.rule
    )
    if of_memory:
        units = replace(units, notes=(MEMORY_NOTE, *units.notes))
    found = BoxReport.of(
        judgement.table, judgement.assessed, resamples=options.resamples, seed=options.seed
    )
    return evaluate_units(units, options, source=source, boxes=found)


def _check_corrupt(subject: str, *, corrupt: bool, sample: int | None, is_table: bool) -> None:
    if sample is not None and not corrupt:
        raise ConfigError(
            "a sample is drawn for --corrupt only", got=f"--sample {sample}", cure="add --corrupt"
        )
    if corrupt and is_table:
        raise ConfigError(
            "films are spoiled for a model to read",
            got=f"the table {Path(subject).name}",
            cure="give a model and --root",
        )


def _print(result: Evaluation | TableReport | Robustness, *, as_json: bool) -> None:
    if as_json:
        print_json(result.as_document())
    else:
        words.print(result.as_text(), markup=False, soft_wrap=True)


def _write(
    report: TableReport,
    out: Path,
    *,
    bundle: str | None,
    passport: Path | None,
    recipe: Path | None,
) -> None:
    from fracturax.pipelines.checklists import Artefacts, write_checklists
    from fracturax.pipelines.evaluation_page import write_evaluation

    artefacts = Artefacts.read(report, bundle=bundle, passport=passport, recipe=recipe)
    paths = (*write_evaluation(report, out), *write_checklists(artefacts, out))
    words.print(f"{paths[0]} and {len(paths) - 1} more files", markup=False, soft_wrap=True)
