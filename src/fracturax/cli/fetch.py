"""`fracturax fetch`: the official release of a public data set, or a check of a copy at hand."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fracturax.cli.console import JsonOption, print_json, progress, words
from fracturax.core.errors import ConfigError

if TYPE_CHECKING:
    from fracturax.pipelines.fetch import Offer


def add_to(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("fetch")(fetch)


def fetch(
    name: Annotated[str, typer.Argument(help="Name of the data set: fracatlas.")],
    root: Annotated[
        Path | None,
        typer.Option("--root", help="Folder for it, or of a copy at hand; else its name here."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Accept the licence.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Download the official release of a data set, verified, or check the copy in --root.

    A download that was stopped goes on when it is started again. Nothing is overwritten.
    """
    from fracturax.datasets import DATASETS
    from fracturax.pipelines.fetch import fetch as run

    entry = DATASETS[name]
    done = run(
        entry,
        root=root or Path(name),
        accept=lambda offer: _is_accepted(offer, yes=yes),
        progress=progress,
    )
    assert entry.release is not None
    document = {
        "name": entry.name,
        "root": str(done.root),
        "films": done.copy.films,
        "films_of_release": entry.release.films,
        "missing": list(done.copy.missing),
        "is_whole": done.is_whole,
        "licence": entry.licence,
        "cite": entry.paper,
    }
    if as_json:
        print_json(document)
        return
    words.print(f"{done.root}: {done.copy.films} films", markup=False)
    if done.is_whole:
        words.print("the release is whole")
    else:
        words.print(
            f"not the whole release, which has {entry.release.films} films; it can be used",
            style="yellow",
        )
        for path in done.copy.missing:
            words.print(f"  missing: {path}", markup=False)
    words.print(f"licence: {entry.licence}; cite {entry.paper}", markup=False, soft_wrap=True)


def _is_accepted(offer: Offer, *, yes: bool) -> bool:
    words.print(f"{offer.title}, {offer.doi}, {offer.file.size >> 20} MiB", markup=False)
    words.print(f"licence: {offer.licence}, {offer.licence_url}", markup=False, soft_wrap=True)
    words.print(f"checked when done: SHA-256 {offer.file.sha256}", markup=False, soft_wrap=True)
    if yes:
        return True
    if not sys.stdin.isatty():
        raise ConfigError(
            "the licence must be accepted", got="nobody to ask", cure="read it, and pass --yes"
        )
    return typer.confirm("Accept the licence?", err=True)
