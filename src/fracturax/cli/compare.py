"""`fracturax compare`: which of two or more models is better, on the same cases."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from fracturax.cli.console import JsonOption, print_json, words

if TYPE_CHECKING:
    from fracturax.pipelines.compare import MetricName


def add_to(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("compare")(compare)


def compare(
    tables: Annotated[
        list[Path], typer.Argument(help="Tables of predictions (CSV), one a model; new one first.")
    ],
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            help="Bootstrap its difference: auroc, auprc, brier, sensitivity, specificity, "
            "accuracy; again.",
        ),
    ] = None,
    threshold: Annotated[
        list[float] | None,
        typer.Option("--threshold", help="Compare answers at it too; stated beforehand; again."),
    ] = None,
    margin: Annotated[
        float | None, typer.Option("--margin", help="AUROC that the new model may lose.")
    ] = None,
    resamples: Annotated[int, typer.Option(help="Bootstrap resamples.", min=100)] = 1000,
    permutations: Annotated[int, typer.Option(help="Exchanges drawn.", min=100)] = 1000,
    seed: Annotated[int, typer.Option("--seed", help="Seed of everything random.", min=0)] = 0,
    as_json: JsonOption = False,
) -> None:
    """Compare models on the same cases: DeLong, McNemar, bootstrap, permutation, non-inferiority.

    Images of one patient are taken as dependent. With more than two models p-values are adjusted
    by Holm and by Benjamini and Hochberg over all pairs.
    """
    from fracturax.pipelines.compare import CompareOptions
    from fracturax.pipelines.compare import compare as compare_tables

    options = CompareOptions(
        metrics=cast("tuple[MetricName, ...]", tuple(metric or ("auroc", "auprc", "brier"))),
        thresholds=tuple(threshold or ()),
        margin=margin,
        resamples=resamples,
        permutations=permutations,
        seed=seed,
    )
    report = compare_tables(tables, options)
    if as_json:
        print_json(report.as_document())
    else:
        words.print(report.as_text(), markup=False, soft_wrap=True)
