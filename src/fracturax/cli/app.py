"""The command `fracturax`: its verbs, and the one edge where errors become exit codes."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from fracturax.cli import (
    audit,
    calibrate,
    compare,
    doctor,
    evaluate,
    fetch,
    info,
    models,
    prepare,
    preprocess,
    radiomics,
    read,
    readers,
    register,
    segment,
    show,
    simulate,
    split,
    train,
)
from fracturax.cli.console import words
from fracturax.core.errors import FracturaXError, edge_code
from fracturax.core.report import RESEARCH_USE_NOTICE

app = typer.Typer(
    name="fracturax",
    help=f"Finds bone fractures in radiographs. {RESEARCH_USE_NOTICE}",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_VERBS = (
    *(read, show, info, doctor, models, fetch, audit, split),
    *(preprocess, register, segment, simulate, radiomics, prepare),
    *(train, evaluate, calibrate, compare, readers),
)
for module in _VERBS:
    module.add_to(app)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        from fracturax.core.provenance import software_version

        typer.echo(f"fracturax {software_version()}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    pass


def run() -> None:
    """Run the command line; an expected error is a sentence and an exit code, no traceback."""
    try:
        app()
    except FracturaXError as error:
        words.print(f"fracturax: {error}", style="bold red", markup=False, soft_wrap=True)
        sys.exit(edge_code(error).exit_code)
    except KeyboardInterrupt:
        words.print("fracturax: stopped; what was written is whole", markup=False)
        sys.exit(130)
