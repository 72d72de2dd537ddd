"""`fracturax preprocess`: images through a plan of transforms, with a sheet of each step."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fracturax.cli.console import JsonOption, print_json, show_progress, words
from fracturax.core.errors import ConfigError, UnreadableImageError


def add_to(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("preprocess")(preprocess)


def preprocess(
    path: Annotated[
        Path | None, typer.Argument(help="Film, volume, folder, zip or DICOMDIR.")
    ] = None,
    out: Annotated[Path | None, typer.Argument(help="Folder to write into.")] = None,
    plan: Annotated[
        str, typer.Option("--plan", help="JSON file, or the name of a plan that comes with it.")
    ] = "film",
    has_sheet: Annotated[
        bool, typer.Option("--sheet/--no-sheet", help="Draw what each step did.")
    ] = True,
    shows_plans: Annotated[
        bool, typer.Option("--list", help="List the plans and transforms there are, and stop.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Denoise, normalize, crop, resample: each step recorded, each box on its way back.

    Writes 16-bit PNG for films and NIfTI for volumes, with the history as JSON beside.
    """
    if shows_plans:
        _list(as_json=as_json)
        return
    if path is None or out is None:
        raise ConfigError(
            "preprocess needs what to read and where to write",
            got="no folder" if path is not None else "neither",
            cure="fracturax preprocess --plan film IN OUT",
        )
    from fracturax.pipelines.preprocess import preprocess_to_folder
    from fracturax.pipelines.read import find_all
    from fracturax.transforms.step_plan import load_plan

    chosen = load_plan(plan)
    studies = find_all([path])
    made = preprocess_to_folder(studies, chosen, out=out, with_sheet=has_sheet)
    done = list(show_progress(made, "preprocessing", total=len(studies)))
    if as_json:
        print_json(
            {
                "plan": chosen.as_document(),
                "plan_sha256": chosen.sha256,
                "images": [
                    {**one.facts, "name": one.name, "files": [str(file) for file in one.files]}
                    | ({"reason": one.reason} if one.reason else {})
                    for one in done
                ],
            }
        )
    else:
        for one in done:
            said = one.reason or ", ".join(file.name for file in one.files)
            words.print(f"{one.name}: {said}", markup=False, soft_wrap=True)
            for remark in one.facts.get("remarks", ()):
                words.print(f"  {remark}", style="dim", markup=False, soft_wrap=True)
        words.print(f"plan {chosen.sha256[:12]}, written to {out.resolve()}", soft_wrap=True)
    if not any(one.files for one in done):
        raise UnreadableImageError(
            "no image could be preprocessed", got=done[0].reason if done else "no image"
        )


def _list(*, as_json: bool) -> None:
    from fracturax.transforms.catalog import TRANSFORMS
    from fracturax.transforms.step_plan import load_plan, plan_names

    plans = {name: load_plan(name) for name in plan_names()}
    if as_json:
        print_json(
            {
                "plans": {name: one.as_document() for name, one in plans.items()},
                "transforms": [
                    {
                        "name": entry.name,
                        "task": entry.task,
                        "paper": entry.paper,
                        "libraries": list(entry.libraries),
                    }
                    for entry in TRANSFORMS.values()
                ],
            }
        )
        return
    for name, one in plans.items():
        words.print(f"{name}: {', '.join(step.name for step in one.steps)}", markup=False)
    words.print()
    for entry in TRANSFORMS.values():
        words.print(f"  {entry.name:<18} {entry.task}", markup=False)
