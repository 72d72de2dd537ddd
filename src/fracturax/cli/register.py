"""`fracturax register`: one image brought onto another, or a film's pose found in a CT; judged."""

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
    pose: Annotated[
        str | None,
        typer.Option(
            "--pose",
            help="A is a film and B the CT of the same patient: search the film's pose from here: "
            "AP, PA, LL, RL, or turns and shifts as of fracturax simulate.",
        ),
    ] = None,
    pixel_mm: Annotated[
        float | None,
        typer.Option("--pixel-mm", help="With --pose: the film's pixel size at the detector."),
    ] = None,
    source_detector_mm: Annotated[
        float, typer.Option("--source-detector-mm", help="With --pose: from source to detector.")
    ] = 1150.0,
    source_object_mm: Annotated[
        float,
        typer.Option("--source-object-mm", help="With --pose: from source to the CT's middle."),
    ] = 900.0,
    as_json: JsonOption = False,
) -> None:
    """Bring A onto B: the matrix, its quality, the moved image and pictures of both.

    With --pose, find where the patient of a CT lay when a film was taken. A registration that is
    not usable is told, with its picture and without a moved image.
    """
    if pose is not None:
        beam = (source_detector_mm, source_object_mm)
        _find_pose(moving, fixed, pose=pose, out=out, pixel_mm=pixel_mm, beam=beam, as_json=as_json)
        return
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


def _find_pose(
    film: Path,
    ct: Path,
    *,
    pose: str,
    out: Path,
    pixel_mm: float | None,
    beam: tuple[float, float],
    as_json: bool,
) -> None:
    from fracturax.pipelines.find_pose import find_pose_to_folder
    from fracturax.pipelines.register import open_one
    from fracturax.pipelines.simulate import pose_of

    start = pose_of(pose)
    found = find_pose_to_folder(
        open_one(film),
        open_one(ct),
        start=start,
        out=out,
        pixel_mm=pixel_mm,
        source_detector_mm=beam[0],
        source_object_mm=beam[1],
    )
    match = found.match
    if as_json:
        print_json({**found.facts, "files": [str(file) for file in found.files]})
    else:
        numbers = (*match.beam.pose.rotation_deg, *match.beam.pose.translation_mm)
        if match.is_usable:
            said = ",".join(f"{one:.2f}" for one in numbers)
            words.print(f"pose {said}, likeness {match.score:.2f}", markup=False)
        for file in found.files:
            words.print(f"  -> {file}", markup=False, soft_wrap=True)
    if not match.is_usable:
        raise ImageError(
            "the pose was not found",
            got=match.reason,
            cure="look at overlay.png; give the CT of the same patient, or a nearer --pose",
        )
