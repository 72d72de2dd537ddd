"""`fracturax segment`: the bones of films and CTs as masks, with their size and quality."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from fracturax.cli.console import JsonOption, print_json, show_progress, words
from fracturax.core.errors import ConfigError, ImageError

_METHODS = ("otsu", "multi_otsu", "k_means")


def add_to(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("segment")(segment)


def segment(
    path: Annotated[Path, typer.Argument(help="Film, CT, folder, zip or DICOMDIR.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write into.")] = Path("masks"),
    method: Annotated[
        str, typer.Option("--method", help="Threshold of films: otsu, multi_otsu or k_means.")
    ] = "multi_otsu",
    model: Annotated[
        Path | None, typer.Option("--model", help="Bundle of a segmenter, for films; else none.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find bones: mask, outlines, area in mm² or volume in mm³; without a trained model a quality.

    Masks of films are PNG, labels of a CT NIfTI. Where spacing is unknown, sizes are in pixels.
    """
    if method not in _METHODS:
        raise ConfigError(
            "no such method", got=repr(method), cure=f"give one of {', '.join(_METHODS)}"
        )
    from fracturax.pipelines import segment as run
    from fracturax.pipelines.read import find_all

    if model is None:
        find = partial(run.segment, method=method)  # type: ignore[arg-type]
    else:
        from fracturax.models.segmenter import load_segmenter

        find = partial(run.segment_by, load_segmenter(model))
    studies = find_all([path])
    made = run.segment_to_folder(studies, out=out, find=find)
    done = list(show_progress(made, "segmenting", total=len(studies)))
    if as_json:
        print_json(
            {
                "images": [
                    {"name": one.name, "reason": one.reason or None, **one.facts}
                    | {"files": [str(file) for file in one.files]}
                    for one in done
                ]
            }
        )
    else:
        for one in done:
            said = f"not usable: {one.reason}" if one.reason else _said(one.facts)
            words.print(f"{one.name}: {said}", markup=False, soft_wrap=True)
            for file in one.files:
                words.print(f"  -> {file}", markup=False, soft_wrap=True)
    if all(one.reason for one in done):
        raise ImageError("there is no usable mask", got=done[0].reason if done else "no image")


def _said(facts: dict[str, object]) -> str:
    if facts.get("area_mm2") is not None:
        size = f"{facts['area_mm2']:,.0f} mm²"
    elif facts.get("volume_mm3") is not None:
        size = f"{facts['volume_mm3']:,.0f} mm³"
    else:
        count = facts.get("area_px", facts.get("volume_voxels"))
        size = f"{count:,} pixels (spacing unknown)"
    return size if facts["quality"] is None else f"{size}, quality {facts['quality']:.2f}"
