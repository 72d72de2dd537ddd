"""One's own images in a folder per class: `fractured/` and `normal/`, or words that mean it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from fracturax.core.case import Case, Reference
from fracturax.core.errors import DataError
from fracturax.datasets.files import (
    folder_at,
    folders_in,
    holds_an_image,
    image_files,
    open_film,
)
from fracturax.datasets.salt import key_of_film
from fracturax.datasets.words import (
    FRACTURE_WORDS,
    NORMAL_WORDS,
    cases_of_split,
    is_split_word,
    label_of_word,
    split_of_word,
)
from fracturax.imaging.kind import claims_to_be_image
from fracturax.imaging.source import clean_name

_CURE = "put it into one of them"


def open_folder(root: Path, *, split: str = "all") -> tuple[Case, ...]:
    """Open images that lie in a folder per class; a case is an image.

    The name of a folder is its images' label (`FRACTURE_WORDS`, `NORMAL_WORDS`), whatever folders
    lie in it. Above the classes there may be one level of `train`, `valid`, `test`. Where a
    fracture is, and who the patient is, this layout does not say.

    Args:
        root: The folder that holds the classes or the parts.
        split: `all`, `train`, `valid` or `test`.

    Raises:
        DataError: If a folder with images is no class, or an image lies in no class.
    """
    parts = _parts(folder_at(root))
    cases: list[Case] = []
    for folder, word in parts:
        for class_folder, label in _classes(folder, root):
            cases += [
                _case(root, path, label=label, split=word)
                for path in image_files(class_folder, root=root)
            ]
    return cases_of_split(cases, split, data="the folder per class")


def is_folder(root: Path) -> bool:
    """Whether there is a folder with the name of a class, here or in each part of the data."""
    if not root.is_dir():
        return False
    parts = [folder for folder in folders_in(root) if is_split_word(folder.name)]
    return any(_has_class(folder) for folder in parts or [root])


def _has_class(folder: Path) -> bool:
    return any(label_of_word(inner.name) is not None for inner in folders_in(folder))


def _parts(root: Path) -> list[tuple[Path, str | None]]:
    """Return the folders that hold classes, each with the part of the data it is."""
    found = [folder for folder in folders_in(root) if is_split_word(folder.name)]
    if not found:
        return [(root, None)]
    beside = _loose_images(root)
    beside += [
        folder.name
        for folder in folders_in(root)
        if folder not in found and holds_an_image(folder, root=root)
    ]
    if beside:
        raise DataError(
            "an image lies outside the parts of the data set",
            got=clean_name(beside[0]),
            cure=f"the parts are {', '.join(folder.name for folder in found)}; {_CURE}",
        )
    parts: dict[str, str] = {}
    for folder in found:
        word = split_of_word(folder.name)
        if (other := parts.setdefault(word, folder.name)) != folder.name:
            raise DataError(
                "two folders are the same part of the data set",
                got=f"{other} and {folder.name}",
                cure="put them together",
            )
    return [(folder, split_of_word(folder.name)) for folder in found]


def _classes(folder: Path, root: Path) -> list[tuple[Path, bool]]:
    found: list[tuple[Path, bool]] = []
    for inner in folders_in(folder):
        label = label_of_word(inner.name)
        if label is not None:
            found.append((inner, label))
        elif holds_an_image(inner, root=root):
            raise DataError(
                "a folder with images is no class that is known",
                got=clean_name(inner.relative_to(root).as_posix()),
                cure=f"rename it: {', '.join(sorted(FRACTURE_WORDS - {'1.0'}))} for a fracture, "
                f"{', '.join(sorted(NORMAL_WORDS - {'0.0'}))} for none",
            )
    if not found:
        raise DataError(
            "there is no folder with the name of a class",
            got=f"none in {clean_name(folder.name) or 'the folder'}",
            cure="make fractured/ and normal/",
        )
    if loose := _loose_images(folder):
        raise DataError(
            "an image lies in no class, and an image without a label is not normal",
            got=clean_name(loose[0]),
            cure=f"the classes are {', '.join(inner.name for inner, _ in found)}; {_CURE}",
        )
    return found


def _loose_images(folder: Path) -> list[str]:
    """Return the names of the images that lie in a folder itself."""
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_file())
    # A file without extension beside the folders is a note sooner than a film.
    return [name for name in names if name.rfind(".") > 0 and claims_to_be_image(name)]


def _case(root: Path, path: Path, *, label: bool, split: str | None) -> Case:
    name = path.relative_to(root).as_posix()
    folder = path.relative_to(root).parts
    inner = folder[2 if split else 1 : -1]
    other = [part for part in inner if label_of_word(part) not in (None, label)]
    if other:
        raise DataError(
            "a folder of one class lies in a folder of the other",
            got=clean_name(name),
            cure="put the classes side by side",
        )
    return Case(
        name=name,
        reference=Reference(fracture=label, boxes=None if label else ()),
        patient_key=key_of_film(name),
        open=partial(open_film, path),
        split=split,
        path=path,
    )
