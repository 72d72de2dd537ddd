"""CT data sets in miniature, one builder a layout; every voxel of them is synthetic."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import numpy.typing as npt
import SimpleITK

from dicom_builders import ct_slice, save
from fracturax.core.geometry import Box

SLICES, ROWS, COLUMNS = 6, 10, 8
SPACING_MM = (2.0, 0.7, 0.5)
"""Of slices, rows and columns."""


@dataclass(frozen=True)
class Truth:
    """What is true of a scan: its label, and whether that it has no box is known."""

    fracture: bool
    boxes: tuple[Box, ...] | None = None


def truth(fracture: bool) -> Truth:
    """Return a truth without boxes: none of a normal scan, unknown of a fractured one."""
    return Truth(fracture, None if fracture else ())


def drawn_ct(seed: int) -> npt.NDArray[np.int16]:
    """Return a synthetic CT in HU, shape (slices, rows, columns): a bone in soft tissue."""
    generator = np.random.default_rng(seed)
    hu = generator.normal(40, 15, (SLICES, ROWS, COLUMNS))
    hu[:, 3:7, 2:6] += 600
    return hu.astype(np.int16)


def drawn_mask(*labels: int) -> npt.NDArray[np.uint8]:
    """Return a mask that gives each label rows of the bone of its own, from the top."""
    mask = np.zeros((SLICES, ROWS, COLUMNS), np.uint8)
    for place, label in enumerate(labels):
        mask[1 + place, 3:7, 2:6] = label
    return mask


def affine_ras() -> npt.NDArray[np.float64]:
    """Return the NIfTI matrix of (i, j, k) = (column, row, slice) of an axial CT."""
    matrix = np.diag([-SPACING_MM[2], -SPACING_MM[1], SPACING_MM[0], 1.0])
    matrix[:3, 3] = (10.0, 20.0, -30.0)
    return matrix


def write_nifti(path: Path, voxels: npt.NDArray[np.generic]) -> Path:
    """Write an array (slices, rows, columns) as NIfTI."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(voxels.transpose(), affine_ras()), path)
    return path


def write_metaimage(path: Path, voxels: npt.NDArray[np.generic], *, packed: bool = True) -> Path:
    """Write an array (slices, rows, columns) as MetaImage."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = SimpleITK.GetImageFromArray(voxels)
    image.SetSpacing(SPACING_MM[::-1])
    image.SetOrigin((-10.0, -20.0, -30.0))
    SimpleITK.WriteImage(image, str(path), packed)
    return path


def write_lines(path: Path, *lines: str) -> Path:
    """Write a text file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_fracture_mnist(root: Path, *, side: int = 28) -> dict[str, Truth]:
    """Write the archive with 4, 2 and 2 cubes."""
    arrays: dict[str, npt.NDArray[np.uint8]] = {}
    truths = {}
    for part, name, count in (("train", "train", 4), ("val", "valid", 2), ("test", "test", 2)):
        generator = np.random.default_rng([side, *part.encode()])
        arrays[f"{part}_images"] = generator.integers(0, 255, (count, side, side, side), np.uint8)
        arrays[f"{part}_labels"] = (np.arange(count, dtype=np.uint8) % 3)[:, None]
        truths |= {f"{name}/{index}": truth(True) for index in range(count)}
    root.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(root / "fracturemnist3d.npz", **arrays)
    return truths


def replace_array(root: Path, name: str, values: npt.NDArray[np.generic] | None) -> None:
    """Replace an array of the archive, or take it out."""
    path = root / "fracturemnist3d.npz"
    with zipfile.ZipFile(path) as archive:
        kept = {one.filename: archive.read(one) for one in archive.infolist()}
    kept.pop(f"{name}.npy")
    if values is not None:
        stream = io.BytesIO()
        np.save(stream, values)
        kept[f"{name}.npy"] = stream.getvalue()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in kept.items():
            archive.writestr(member, data)


def write_ribfrac(root: Path) -> dict[str, Truth]:
    """Write four CTs with labels in two parts, and one of the test part without."""
    rows = {
        "ribfrac-train-info-1.csv": [
            "RibFrac1,0,0",
            "RibFrac1,1,3",
            "RibFrac1,2,-1",
            "RibFrac2,0,0",
        ],
        "ribfrac-val-info.csv": ["RibFrac421,0,0", "RibFrac421,1,4", "RibFrac422,0,0"],
    }
    for table, lines in rows.items():
        write_lines(root / table, "public_id,label_id,label_code", *lines)
    truths = {}
    for number, labels in ((1, (1, 2)), (2, ()), (421, (1,)), (422, ()), (501, ())):
        part = "Part1" if number < 421 else "ribfrac-val" if number < 501 else "ribfrac-test-images"
        name = f"{part}/RibFrac{number}-image.nii.gz"
        write_nifti(root / name, drawn_ct(number))
        if number < 501:
            write_nifti(root / f"labels/RibFrac{number}-label.nii.gz", drawn_mask(*labels))
            truths[name] = truth(bool(labels))
    return truths


def write_verse(root: Path) -> dict[str, Truth]:
    """Write two parts: a patient of two series, one ungraded in part, one graded healthy."""
    grades = ["verse401,L1,2", "verse401,L2,0", "verse402,L1,0", "verse402,L2,0"]
    grades += ["sub-verse403,L1,unknown", "sub-verse403,L2,1", "verse404,L1,0", "verse404,L2,0"]
    write_lines(root / "fracture_grading.csv", "subject,vertebra,genant", *grades)
    truths = {}
    for subject, stem, part, fracture in (
        ("sub-verse401", "sub-verse401_split-verse253", "01_training", True),
        ("sub-verse401", "sub-verse401_split-verse254", "01_training", True),
        ("sub-verse402", "sub-verse402", "01_training", False),
        ("sub-verse403", "sub-verse403_dir-ax", "02_validation", True),
        ("sub-verse404", "sub-verse404", "03_test", False),
    ):
        name = f"{part}/rawdata/{subject}/{stem}_ct.nii.gz"
        beside = root / part / "derivatives" / subject
        write_nifti(root / name, drawn_ct(len(truths)))
        write_nifti(beside / f"{stem}_seg-vert_msk.nii.gz", drawn_mask(20, 21))
        centroids = [
            {"direction": ["L", "A", "S"]},
            *({"label": label, "X": 4.0, "Y": 5.0, "Z": 1.0} for label in (20, 21)),
        ]
        (beside / f"{stem}_seg-subreg_ctd.json").write_text(json.dumps(centroids))
        truths[name] = truth(fracture)
    return truths


def write_spineweb(root: Path) -> dict[str, Truth]:
    """Write xVertSeg's Data1 with three CTs, one line a CT."""
    head = "case,L1,L2,L3,L4,L5"
    write_lines(root / "Data1/scores/scores.csv", head, "1,0,2,0,0,0", "2,0,0,0,0,0", "3,1,0,0,0,0")
    truths = {}
    for number, fracture in ((1, True), (2, False), (3, True)):
        name = f"Data1/images/image{number:03d}.mhd"
        write_metaimage(root / name, drawn_ct(number))
        write_metaimage(
            root / f"Data1/masks/mask{number:03d}.mhd", drawn_mask(200, 210, 220, 230, 240)
        )
        truths[name] = truth(fracture)
    return truths


def write_rsna_cervical(root: Path) -> dict[str, Truth]:
    """Write three studies, one with boxes, one with a mask along other axes."""
    head = "StudyInstanceUID,patient_overall,C1,C2,C3,C4,C5,C6,C7"
    uids = [f"1.2.826.0.1.3680043.{number}" for number in (6200, 27262, 21561)]
    answers = ["1,1,1,0,0,0,0,0", "0,0,0,0,0,0,0,0", "1,0,0,0,0,0,0,1"]
    write_lines(
        root / "train.csv", head, *(f"{uid},{row}" for uid, row in zip(uids, answers, strict=True))
    )
    write_lines(
        root / "train_bounding_boxes.csv",
        "StudyInstanceUID,x,y,width,height,slice_number",
        f"{uids[0]},2.0,3.5,4.0,2.5,2",
        f"{uids[0]},2.0,3.5,4.0,2.0,3",
    )
    truths = {}
    for seed, (uid, row) in enumerate(zip(uids, answers, strict=True)):
        voxels = drawn_ct(seed)
        for index, plane in enumerate(voxels):
            # The scanner numbers from the head down: file 1 is the highest slice.
            number = SLICES - index
            dataset = ct_slice(
                (plane + 1024).astype(np.uint16),
                -30.0 + SPACING_MM[0] * index,
                StudyInstanceUID=uid,
                SeriesInstanceUID=uid + ".1",
                SOPInstanceUID=f"{uid}.1.{number}",
                InstanceNumber=number,
                PixelSpacing=list(SPACING_MM[1:]),
            )
            save(dataset, root / "train_images" / uid / f"{number}.dcm")
        truths[f"train_images/{uid}"] = truth(row.startswith("1"))
    write_sagittal(root / "segmentations" / f"{uids[0]}.nii", drawn_mask(1, 2))
    return truths


def write_sagittal(path: Path, mask: npt.NDArray[np.uint8]) -> None:
    """Write a mask of an axial CT along sagittal axes, two of them turned, as the RSNA's are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    matrix = affine_ras()
    last = np.array([mask.shape[2] - 1, 0, mask.shape[0] - 1, 1])
    # Stored axes are (row, slice from above, column from behind) of the CT.
    turned = np.column_stack([matrix[:, 1], -matrix[:, 2], -matrix[:, 0], matrix @ last])
    nibabel.save(nibabel.Nifti1Image(mask[::-1, :, ::-1].transpose(1, 0, 2), turned), path)


def write_pengwin(root: Path) -> dict[str, Truth]:
    """Write three CTs in two parts; the bones of one are whole."""
    truths = {}
    for number, labels in ((1, (1, 11, 12, 21)), (2, (1, 11, 21)), (51, (1, 2, 11, 21))):
        part = 1 if number < 51 else 2
        name = f"PENGWIN_CT_train_images_part{part}/{number:03d}.mha"
        write_metaimage(root / name, drawn_ct(number))
        write_metaimage(root / f"PENGWIN_CT_train_labels/{number:03d}.mha", drawn_mask(*labels))
        truths[name] = truth(len(labels) > 3)
    return truths


CT_BUILDERS: dict[str, Callable[[Path], dict[str, Truth]]] = {
    "fracture_mnist": write_fracture_mnist,
    "ribfrac": write_ribfrac,
    "verse": write_verse,
    "spineweb": write_spineweb,
    "rsna_cervical": write_rsna_cervical,
    "pengwin": write_pengwin,
}


def swap(path: Path, old: str, new: str) -> None:
    """Replace a text of a table once."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


CT_UNLABEL: dict[str, tuple[str, Callable[[Path], object]]] = {
    "fracture_mnist": (
        "train/1",
        lambda root: replace_array(root, "train_labels", np.array([[0], [9], [2], [0]])),
    ),
    "ribfrac": (
        "Part1/RibFrac2-image.nii.gz",
        lambda root: swap(root / "ribfrac-train-info-1.csv", "RibFrac2,0,0\n", ""),
    ),
    "verse": (
        "01_training/rawdata/sub-verse402/sub-verse402_ct.nii.gz",
        lambda root: swap(root / "fracture_grading.csv", "verse402,L2,0", "verse402,L2,unknown"),
    ),
    "spineweb": (
        "Data1/images/image002.mhd",
        lambda root: swap(root / "Data1/scores/scores.csv", "\n2,0,0,", "\n2,0,,"),
    ),
    "rsna_cervical": (
        "train_images/1.2.826.0.1.3680043.27262",
        lambda root: swap(root / "train.csv", "27262,0,0", "27262,,0"),
    ),
    "pengwin": (
        "PENGWIN_CT_train_images_part1/002.mha",
        lambda root: (root / "PENGWIN_CT_train_labels/002.mha").unlink(),
    ),
}
"""A scan whose label is taken away, by layout."""
