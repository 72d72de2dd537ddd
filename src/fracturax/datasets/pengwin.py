"""PENGWIN: pelvic CTs after trauma, with a mask of every fragment of sacrum and hip bones."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from fracturax.core.case import Case, Part, Reference
from fracturax.core.errors import DataError, ImageError
from fracturax.core.labels import LabelVolume
from fracturax.datasets.files import folder_at
from fracturax.datasets.problems import Problems
from fracturax.datasets.scans import (
    NIFTI,
    files_below,
    key_of_public_patient,
    missing_labels,
    open_scan,
    read_labels,
    stem_of,
)
from fracturax.datasets.words import cases_of_split
from fracturax.imaging.metaimage import EXTENSIONS

BONES = {"sacrum": (1, 10), "left hip bone": (11, 20), "right hip bone": (21, 30)}
"""First and last value of the fragments of each bone in the masks."""

_SUFFIX = "_label"
_IMAGES, _LABELS = "PENGWIN_CT_train_images*", "PENGWIN_CT_train_labels*"
_CURE = "give the folder that holds PENGWIN_CT_train_images_part1/ and PENGWIN_CT_train_labels/"


def open_pengwin(root: Path, *, split: str = "all") -> tuple[Case, ...]:
    """Open the training part of PENGWIN's CT task (100 pelvic CTs); a case is a CT.

    The layout is that of Zenodo: `PENGWIN_CT_train_images_part1/NNN.mha`, the same with `part2`,
    and `PENGWIN_CT_train_labels/NNN.mha`; also one folder `train/` with `NNN.mha` and
    `NNN_label.mha` (this second form could not be verified). Labels 1-10 are fragments of the
    sacrum, 11-20 of the left, 21-30 of the right hip bone.

    The label is made of the masks, so **each mask is read here once**, about a second each: a bone
    of more than one fragment is broken, one of one fragment unbroken, as the authors' annotation
    has it (a fracture that separates nothing is not marked). A CT without mask has no label, and is
    no case. The data set names no patient beside the number of the CT: a CT stands for itself.

    Args:
        root: The folder that holds these folders.
        split: `all`; the layout has no parts.

    Raises:
        DataError: If there is no CT with a mask, a mask has no CT, or up to twenty masks cannot be
            read or hold other labels.
        MissingExtraError: If a mask is MetaImage and SimpleITK is not installed.

    References:
        Liu et al., MICCAI 2023, 312-321, doi 10.1007/978-3-031-43996-4_30; Sang et al., arXiv
        2504.02382 (2025).
    """
    images, labels = _files(folder_at(root))
    if not images:
        raise DataError("this is not PENGWIN", got="no CT with its mask", cure=_CURE)
    if strangers := sorted(labels.keys() - images.keys()):
        raise DataError(
            "a mask of PENGWIN has no CT",
            got=f"{len(strangers)} such, {strangers[0]} the first",
            cure="download both parts of the images",
        )
    problems = Problems("PENGWIN", cure="download the masks again")
    cases = []
    for name, path in images.items():
        if name not in labels:
            continue
        try:
            parts = broken_bones(read_labels(labels[name]))
        except (DataError, ImageError) as error:
            problems.add(f"mask {name}", str(error))
            continue
        fracture = any(part.fracture for part in parts)
        cases.append(
            Case(
                name=name,
                reference=Reference(
                    fracture, boxes=None if fracture else (), regions=("hip",), parts=parts
                ),
                patient_key=key_of_public_patient("pengwin", name),
                open=partial(open_scan, path),
                path=path,
                modality="ct",
                open_labels=partial(read_labels, labels[name]),
            )
        )
    problems.check()
    if not cases:
        raise missing_labels("PENGWIN", cure="download PENGWIN_CT_train_labels.zip")
    return cases_of_split(cases, split, data="PENGWIN")


def is_pengwin(root: Path) -> bool:
    """Whether a folder is laid out as PENGWIN's CT task."""
    if not root.is_dir():
        return False
    if next(root.glob(_IMAGES), None) is not None:
        return True
    flat = root / "train"
    return flat.is_dir() and next(flat.glob(f"*{_SUFFIX}.mha"), None) is not None


def broken_bones(labels: LabelVolume) -> tuple[Part, ...]:
    """Return the bones that a mask holds, each with whether it is broken.

    A bone's `label` is the value of its first fragment; `kind` counts the fragments of a broken
    one.

    Raises:
        DataError: If the mask holds no bone, or a value above 30.

    Example:
        >>> import numpy as np
        >>> mask = LabelVolume(np.array([[[0, 1, 11, 12]]], np.uint8))
        >>> [(part.name, part.fracture, part.kind) for part in broken_bones(mask)]
        [('sacrum', False, ''), ('left hip bone', True, '2 fragments')]
    """
    found = sorted(labels.counts())
    strange = [value for value in found if value > BONES["right hip bone"][1]]
    if not found or strange:
        raise DataError(
            "a mask of PENGWIN holds other labels",
            got=f"label {strange[0]}" if strange else "no label",
            cure="labels are 1 to 30",
        )
    parts = []
    for bone, (first, last) in BONES.items():
        fragments = [value for value in found if first <= value <= last]
        if fragments:
            broken = len(fragments) > 1
            kind = f"{len(fragments)} fragments" if broken else ""
            parts.append(Part(bone, fragments[0], broken, kind))
    return tuple(parts)


def _files(root: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    """Return the CTs and the masks, by number."""
    endings = (*EXTENSIONS, *NIFTI)
    images: dict[str, Path] = {}
    labels: dict[str, Path] = {}
    for pattern, found in ((_IMAGES, images), (_LABELS, labels)):
        for folder in sorted(path for path in root.glob(pattern) if path.is_dir()):
            for path in files_below(folder, endings):
                if found.setdefault(stem_of(path), path) != path:
                    raise DataError(
                        "two files of PENGWIN have one number",
                        got=stem_of(path),
                        cure="keep one of them",
                    )
    if not images and (root / "train").is_dir():
        for path in files_below(root / "train", endings):
            stem = stem_of(path)
            if stem.endswith(_SUFFIX):
                labels[stem.removesuffix(_SUFFIX)] = path
            else:
                images[stem] = path
    return images, labels
