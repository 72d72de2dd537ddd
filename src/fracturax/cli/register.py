"""`fracturax register`: one film or slice brought onto another, with a judgement."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fracturax.cli.console import JsonOption, print_json, words
from fracturax.core.errors import ConfigError, ImageError


def add_to(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("register")(register)


def register(
    moving: Annotated[Path, typer.Argument(help="A: film, NIfTI or CT series that is moved.")],
    fixed: Annotated[Path, typer.Argument(help="B: film, NIfTI or CT series that stays.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write into.")] = Path(
        "registration"
    ),
    freedom: Annotated[
        str, typer.Option("--freedom", help="rigid (turn, shift) or affine (scale, shear too).")
    ] = "affine",
    slice_a: Annotated[
        int | None, typer.Option("--slice-a", help="Slice of A, from 1; else the middle one.")
    ] = None,
    slice_b: Annotated[
        int | None, typer.Option("--slice-b", help="Slice of B, from 1; else the middle one.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the random samples.", min=0)] = 0,
    as_json: JsonOption = False,
) -> None:
    """Bring A onto B: the matrix, its quality, the moved image and pictures of both.

    A registration that is not usable is told, with its picture and without a moved image.
    """
    if freedom not in ("rigid", "affine"):
        raise ConfigError(
            "no such freedom", got=repr(freedom), cure="give --freedom rigid or --freedom affine"
        )
    from fracturax.pipelines.register import open_one, register_to_folder

    done = register_to_folder(
        open_one(moving),
        open_one(fixed),
        out=out,
        freedom="rigid" if freedom == "rigid" else "affine",
        moving_slice=None if slice_a is None else slice_a - 1,
        fixed_slice=None if slice_b is None else slice_b - 1,
        seed=seed,
    )
    found = done.registration
    if as_json:
        print_json({**done.facts, "files": [str(file) for file in done.files]})
    else:
        if found.is_usable:
            words.print(f"quality {found.quality:.2f}, found by {found.method.replace('_', ' ')}")
        for file in done.files:
            words.print(f"  -> {file}", markup=False, soft_wrap=True)
    if not found.is_usable:
        raise ImageError(
            "the registration failed",
            got=found.reason,
            cure="look at overlay.png; give films of the same part, or try --freedom rigid",
        )
