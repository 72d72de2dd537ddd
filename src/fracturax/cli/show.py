"""`fracturax show`: what written results say and mark, as another program would see them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fracturax.cli.console import JsonOption, print_json, words
from fracturax.core.errors import DataError

if TYPE_CHECKING:
    from fracturax.pipelines.show import ShownFile

_MOST_LINES = 12


def add_to(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("show")(show)


def show(
    results: Annotated[Path, typer.Argument(help="A written file, or a folder of them.")],
    source: Annotated[
        Path | None, typer.Option("--source", "-s", help="The study they are about, to draw over.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for pictures.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Read written results back, and draw their boxes and masks over the images."""
    from fracturax.pipelines.show import documents
    from fracturax.pipelines.show import show as read_results

    shown = []
    for one in read_results(results, source=source, out=out):
        shown.append(one)
        if not as_json:
            _print(one)
    if as_json:
        print_json({"results": documents(shown)})
    unreadable = [one for one in shown if one.form == "unknown"]
    if len(unreadable) == len(shown):
        raise DataError("no written result can be read", got=unreadable[0].problem)


def _print(one: ShownFile) -> None:
    words.print(f"{one.file}  ({one.form})", style="bold", markup=False, soft_wrap=True)
    if one.title:
        words.print(f"  {one.title}", markup=False, soft_wrap=True)
    for line in one.lines[:_MOST_LINES]:
        words.print(f"  | {line}", markup=False, soft_wrap=True)
    if len(one.lines) > _MOST_LINES:
        words.print(
            f"  | ... {len(one.lines) - _MOST_LINES} lines more", markup=False, soft_wrap=True
        )
    for mark in one.marks:
        box = "" if mark.box is None else ", ".join(f"{side:.1f}" for side in mark.box.as_tuple())
        line = "dashed" if mark.is_dashed else "solid"
        words.print(f"  {mark.image}: [{box}] {line} {mark.label}", markup=False, soft_wrap=True)
    for path in one.pictures:
        words.print(f"  -> {path}", markup=False, soft_wrap=True)
    if one.problem:
        words.print(f"  {one.problem}", style="yellow", markup=False, soft_wrap=True)
