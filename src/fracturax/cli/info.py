"""`fracturax info`: what is in a file or folder, without any model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from fracturax.cli.console import JsonOption, print_json, show_progress, words
from fracturax.core.image import Image
from fracturax.core.study import Study


def add_to(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("info")(info)


def info(
    paths: Annotated[list[Path], typer.Argument(help="Films, folders, zips or DICOMDIRs.")],
    as_json: JsonOption = False,
) -> None:
    """Say what images are there, how they were made, and what cannot be read."""
    from fracturax.pipelines.read import find_all

    studies = find_all(paths)
    opened = (files.open() for files in studies)
    documents = [
        _study_document(study) for study in show_progress(opened, "opening", total=len(studies))
    ]
    if as_json:
        print_json({"studies": documents})
        return
    for document in documents:
        words.print(f"study {document['key']}", style="bold")
        for image in document["images"]:
            facts = ", ".join(f"{name} {value}" for name, value in image.items() if value)
            words.print(f"  {facts}", markup=False)
        for file in document["unreadable"]:
            words.print(f"  cannot be read: {file['name']}: {file['reason']}", markup=False)


def _study_document(study: Study) -> dict[str, Any]:
    return {
        "key": study.key,
        "images": [_image_document(image) for image in study.images],
        "unreadable": [{"name": file.name, "reason": file.reason} for file in study.unreadable],
    }


def _image_document(image: Image) -> dict[str, Any]:
    said = image.acquisition
    return {
        "name": image.name,
        "kind": type(image).__name__.lower(),
        "shape": list(image.pixels.shape),
        "modality": said.modality,
        "body_part": said.body_part,
        "view_position": said.view_position,
        "laterality": said.laterality,
        "kvp": said.kvp,
        "spacing_mm": image.geometry.spacing_mm and list(image.geometry.spacing_mm),
        "spacing_meaning": image.geometry.spacing_mm and image.geometry.spacing_meaning,
        "is_phantom": said.is_phantom,
        "history": [step.name for step in image.history],
    }
