"""`fracturax calibrate`: thresholds and a guarantee from a site's own labelled cases."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fracturax.cli.console import JsonOption, print_json, progress, words


def add_to(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("calibrate")(calibrate)


def calibrate(
    model: Annotated[str, typer.Argument(help="A model's name, or a bundle's folder.")],
    cases: Annotated[
        Path,
        typer.Option("--cases", help="CSV: the model's predictions with truth, or labelled films."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the new bundle.")],
    version: Annotated[str, typer.Option("--version-name", help="Version of the new bundle.")],
    source: Annotated[
        str, typer.Option("--source", help="Where the cases come from, in words; else the file.")
    ] = "",
    ppv: Annotated[
        float, typer.Option("--ppv", help="Share of fracture answers that are right, at least.")
    ] = 0.75,
    npv: Annotated[
        float, typer.Option("--npv", help="Share of no-fracture answers that are right, at least.")
    ] = 0.95,
    confidence: Annotated[
        float, typer.Option("--confidence", help="Of both, over the draw of the cases.")
    ] = 0.9,
    by_region: Annotated[
        bool, typer.Option("--by-region", help="Promise it of each body region by itself.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Set a model's thresholds so that its answers are proven to be right often enough.

    Writes a new bundle; where the cases are too few it says how many it takes.
    """
    from fracturax.evaluation.guarantee import Promise
    from fracturax.models.bundle import load_bundle
    from fracturax.models.runtime import XrayPredictor
    from fracturax.pipelines.calibrate import calibrate as run
    from fracturax.pipelines.calibrate import read_sample

    predictor = XrayPredictor(load_bundle(model), threads=1)
    promise = Promise(ppv=ppv, npv=npv, confidence=confidence)
    sample = read_sample(predictor, cases, source=source, progress=progress)
    bundle, proof = run(
        predictor.bundle, sample, promise, out=out, version=version, by_region=by_region
    )
    proven = list(zip(proof.guarantees, proof.abstentions, strict=True))
    if as_json:
        print_json(
            {
                "bundle": str(bundle.folder),
                "bundle_sha256": bundle.sha256,
                "guarantees": [
                    {
                        "region": one.region,
                        "no_fracture_below": one.points.high_sensitivity,
                        "fracture_from": one.points.high_specificity,
                        "cases": one.cases,
                        "abstention": abstention,
                        "words": one.as_words(),
                    }
                    for one, abstention in proven
                ],
            }
        )
        return
    for one, abstention in proven:
        points = one.points
        words.print(
            f"{one.region or 'all regions':12} no fracture below {points.high_sensitivity:.3f}, "
            f"fracture from {points.high_specificity:.3f}, {abstention:.0%} in doubt",
            markup=False,
            soft_wrap=True,
        )
        words.print(f"{'':12} {one.as_words()}", markup=False, soft_wrap=True)
    words.print(f"{bundle.folder}, SHA-256 {bundle.sha256}", markup=False, soft_wrap=True)
