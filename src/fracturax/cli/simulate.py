"""`fracturax simulate`: radiographs of a CT from any pose, with masks of its labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fracturax.cli.console import JsonOption, print_json, show_progress, words


def add_to(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("simulate")(simulate)


def simulate(
    ct: Annotated[Path, typer.Argument(help="CT: NIfTI, or file, folder or zip of DICOM.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write into.")],
    pose: Annotated[
        list[str] | None,
        typer.Option(
            "--pose",
            help="AP, PA, LL, RL, or turns in degrees about x (left), y (back), z (head) and "
            "shifts in mm: 5,0,-10,0,20,0. Several times for several films. Default: AP.",
        ),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option("--labels", help="Label volume on the grid of the CT.")
    ] = None,
    rows: Annotated[int, typer.Option("--rows", help="Pixel rows of the detector.")] = 512,
    columns: Annotated[int, typer.Option("--columns", help="Its pixel columns.")] = 512,
    pixel_mm: Annotated[float, typer.Option("--pixel-mm", help="Its pixel size.")] = 0.8,
    source_detector_mm: Annotated[
        float, typer.Option("--source-detector-mm", help="From source to detector.")
    ] = 1150.0,
    source_object_mm: Annotated[
        float, typer.Option("--source-object-mm", help="From source to the middle of the CT.")
    ] = 900.0,
    kvp: Annotated[float, typer.Option("--kvp", help="Tube voltage.")] = 80.0,
    scatter: Annotated[
        float, typer.Option("--scatter", help="Scatter; 0 is none, 0.08 a grid, 0.5 no grid.")
    ] = 0.08,
    photons_per_mm2: Annotated[
        float, typer.Option("--photons-per-mm2", help="Through air; fewer is noisier. 0: no noise.")
    ] = 2e6,
    seed: Annotated[int, typer.Option("--seed", help="Of noise and filled flesh.")] = 0,
    fills_zeros: Annotated[
        bool, typer.Option("--fill-zeros", help="For CTs cut down to bones: make flesh of 0 HU.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Simulate radiographs of a CT: 16-bit PNG, label masks, and the geometry as JSON.

    The films are synthetic and say so.
    """
    from fracturax.pipelines.simulate import open_ct, pose_of, simulate_to_folder
    from fracturax.simulation.cone_beam import ConeBeam
    from fracturax.simulation.film import Exposure
    from fracturax.simulation.spectrum import Spectrum

    poses = [pose_of(text) for text in pose or ["AP"]]
    beams = [
        ConeBeam(
            *(source_detector_mm, source_object_mm, rows, columns, (pixel_mm, pixel_mm)),
            pose=one,
        )
        for one in poses
    ]
    exposure = Exposure(
        Spectrum(kvp),
        photons_per_mm2=photons_per_mm2 if photons_per_mm2 != 0 else None,
        scatter=scatter,
    )
    volume = open_ct(ct, fills_zeros=fills_zeros, seed=seed)
    followed = None if labels is None else open_ct(labels)
    made = simulate_to_folder(volume, beams, exposure, out=out, labels=followed, seed=seed)
    done = list(show_progress(made, "simulating", total=len(beams)))
    if as_json:
        print_json(
            {"films": [{**one.facts, "files": [str(file) for file in one.files]} for one in done]}
        )
        return
    for one in done:
        files = ", ".join(file.name for file in one.files)
        words.print(f"{one.film.name}: {files}", markup=False, soft_wrap=True)
    words.print(f"synthetic films, written to {out.resolve()}", markup=False, soft_wrap=True)
