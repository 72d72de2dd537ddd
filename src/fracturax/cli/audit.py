"""`fracturax audit`: what is wrong with a data set, before a model learns it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fracturax.cli.console import JsonOption, print_json, progress, words
from fracturax.core.report import RESEARCH_USE_NOTICE


def add_to(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("audit")(audit)


def audit(
    root: Annotated[Path, typer.Argument(help="Folder of the data set.", show_default=False)],
    dataset: Annotated[
        str, typer.Option("--dataset", help="Name of its layout; recognized if not given.")
    ] = "auto",
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for audit.html and audit.json.")
    ] = Path("audit"),
    split: Annotated[
        Path | None,
        typer.Option("--split", help="A split to check for leaks: JSON with fold_of."),
    ] = None,
    fix: Annotated[
        Path | None,
        typer.Option("--fix", help="Write which films to keep, and why not: .csv or .json."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find damaged files, copies, contradictions, shortcuts and leaks; nothing is changed."""
    from fracturax.pipelines.audit import audit as examine
    from fracturax.pipelines.audit import check_clean_list, write_audit, write_clean_list
    from fracturax.reporting import finding_lines, headline

    if fix is not None:
        check_clean_list(fix)
    found = examine(root, dataset=dataset, split=split, progress=progress)
    page = write_audit(found, root=root, out=out, progress=progress)
    if fix is not None:
        write_clean_list(found, fix)
    if as_json:
        print_json(found.as_document())
        return
    counts = found.counts
    words.print(headline(found), style="bold")
    for line in finding_lines(found):
        words.print(f"{line.number:>7} {line.words}", markup=False, soft_wrap=True)
    for note in found.notes:
        words.print(f"note: {note}", markup=False, soft_wrap=True)
    words.print(f"{counts.files} files were read, {counts.kept} films are fit for training")
    words.print(f"Page: {page.resolve()}", markup=False, soft_wrap=True)
    if fix is not None:
        words.print(f"Clean list: {fix.resolve()}", markup=False, soft_wrap=True)
    words.print(RESEARCH_USE_NOTICE, style="dim")
