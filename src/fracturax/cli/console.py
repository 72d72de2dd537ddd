"""What all commands share: words to standard error, one JSON document to standard output."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

ItemT = TypeVar("ItemT")

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on standard output.")
]

words = Console(stderr=True, highlight=False)
"""Where everything goes that is meant for people."""


def print_json(document: object) -> None:
    """Print a JSON document on standard output, numbers at full precision."""
    json.dump(document, sys.stdout, indent=2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")


def show_progress(items: Iterable[ItemT], doing: str, *, total: int) -> Iterable[ItemT]:
    """Go through items behind a progress bar; without a terminal nothing is drawn."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=words, transient=True, disable=not words.is_terminal) as bar:
        yield from bar.track(items, total=total, description=doing)


def progress(items: Sequence[ItemT], doing: str) -> Iterable[ItemT]:
    """Draw the progress of a pipeline."""
    return show_progress(items, doing, total=len(items))
