"""`fracturax prepare`: data sets that are made of others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fracturax.cli.console import JsonOption, print_json, progress, words

commands = typer.Typer(help="Make a data set of another.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    app.add_typer(commands, name="prepare")


@commands.command("pairs")
def pairs(
    root: Annotated[
        Path, typer.Option("--root", help="Folder of fractured bones, a folder a patient.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="New folder to write into.")],
    patient: Annotated[
        list[str] | None, typer.Option("--patient", help="Only this one; may be repeated.")
    ] = None,
    places: Annotated[int, typer.Option("--places", help="Places a patient.", min=2)] = 280,
    poses: Annotated[int, typer.Option("--poses", help="Films a place.", min=1)] = 2,
    seed: Annotated[int, typer.Option("--seed", help="Of all that is drawn.", min=0)] = 0,
    as_json: JsonOption = False,
) -> None:
    """Make pairs of CT patch and simulated film crop, with the fracture marked in both.

    Zeros outside the bones and in fracture gaps become soft tissue first. The films are synthetic.
    """
    from fracturax.pipelines.prepare_pairs import PairPlan, prepare_pairs

    plan = PairPlan(places=places, poses=poses, seed=seed)
    made = prepare_pairs(root, out, patients=patient, plan=plan, progress=progress)
    fractured = sum(case.label for case in made.cases)
    if as_json:
        print_json(
            {
                "folder": str(out),
                "patients": list(made.patients),
                "cases": len(made.cases),
                "fractured": fractured,
                "table_sha256": made.sha256,
            }
        )
        return
    words.print(
        f"{len(made.cases)} pairs of {len(made.patients)} patients, {fractured} with a fracture; "
        f"written to {out.resolve()}",
        markup=False,
        soft_wrap=True,
    )


@commands.command("radiomics")
def radiomics(
    root: Annotated[Path, typer.Option("--root", help="Folder of prepared pairs.")],
    as_json: JsonOption = False,
) -> None:
    """Describe prepared pairs in numbers: a table for the CT, one for the films, beside them."""
    from fracturax.pipelines.describe_pairs import describe_pairs

    files = describe_pairs(root, progress=progress)
    if as_json:
        print_json({"files": [str(file) for file in files]})
        return
    for file in files:
        words.print(f"  -> {file}", markup=False, soft_wrap=True)
