"""`fracturax evaluate`: what a model, or a table of predictions, is worth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fracturax.cli.console import JsonOption, print_json, progress, words
from fracturax.core.errors import ConfigError


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
    resamples: Annotated[int, typer.Option(help="Bootstrap resamples.", min=100)] = 1000,
    allow_training_films: Annotated[
        bool, typer.Option(help="Evaluate on films the model was trained on: measures memory.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Print AUROC, sensitivity, specificity, mAP and FROC, each with its 95 % interval."""
    from fracturax.evaluation import PredictionTable, evaluate_table

    if subject.endswith(".csv"):
        evaluation = evaluate_table(
            PredictionTable.from_csv(Path(subject)), None, resamples=resamples
        )
    else:
        if root is None:
            raise ConfigError(
                "a model is evaluated on a data set", got="no --root", cure="give its folder"
            )
        from fracturax.api import load
        from fracturax.datasets import open_dataset
        from fracturax.pipelines.evaluate import evaluate as judge

        cases = open_dataset(dataset, root=root, split=split)
        judgement = judge(
            load(subject, threads=1),
            cases,
            resamples=resamples,
            allow_training_films=allow_training_films,
            progress=progress,
        )
        evaluation = judgement.evaluation
        if table is not None:
            judgement.table.write_csv(table)
    if as_json:
        print_json(evaluation.as_document())
    else:
        words.print(evaluation.as_text(), markup=False, soft_wrap=True)
