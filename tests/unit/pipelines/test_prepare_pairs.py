"""Pairs made of a drawn pelvis of two rods (synthetic): labels, places, leaks, repetition."""

from __future__ import annotations

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

from fracturax.cli.app import app
from fracturax.core.errors import DataError
from fracturax.datasets.pairs import CT_MM, PairedData, open_pairs
from fracturax.pipelines.prepare_pairs import PairPlan, prepare_pairs

SPACING_MM, SLICE_MM = 2.0, 1.0
SHAPE = (46, 24, 62)  # columns to the left, rows to the back, slices to the head
PLAN = PairPlan(places=8, films=2, poses=1, least_voxels=10, apart_mm=2.0)


def _write(folder: Path, name: str, values: np.ndarray, affine: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values, affine), folder / f"{folder.name}_{name}.nii.gz")


def draw_pelvis(root: Path, patient: str = "001", *, is_broken: bool = True) -> Path:
    """Write two rods in the layout of the release: one broken, one whole, all else 0 HU."""
    generator = np.random.default_rng(5)
    # NIfTI counts to the right and to the front: LPS as patient 001 is stored.
    affine = np.diag([-SPACING_MM, -SPACING_MM, SLICE_MM, 1.0])
    for name, left in (("LI", 6), ("RI", 30)):
        mask = np.zeros(SHAPE, np.int16)
        mask[left : left + 10, 7:17, 3:58] = 1
        if name == "LI" and is_broken:
            mask[left : left + 10, 7:17, 3:27] = 2
        hu = np.where(mask > 0, generator.integers(250, 900, SHAPE), 0).astype(np.int16)
        if name == "LI" and is_broken:
            hu[left : left + 10, 7:17, 26] = 0  # the gap, as in the release
            mask[left : left + 10, 7:17, 26] = 0
        _write(root / patient, name, hu, affine)
        _write(root / patient, f"{name}_mask", mask, affine)
    return root


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> PairedData:
    """Pairs of the drawn pelvis."""
    folder = tmp_path_factory.mktemp("pairs")
    return prepare_pairs(draw_pelvis(folder / "release"), folder / "pairs", plan=PLAN)


def test_a_label_says_whether_a_fracture_lies_inside(made: PairedData) -> None:
    labels = {case.label for case in made.cases}
    assert labels == {False, True}
    for case in made.cases:
        patch = case.ct()
        inner = patch.fracture[4:52, 4:52, 4:52]
        assert bool(inner.sum() >= PLAN.least_voxels) == case.label
        assert bool(inner.any()) == case.label
        assert (case.bone == "LI") or not case.label


def test_no_zero_is_left_and_bone_keeps_its_values(made: PairedData) -> None:
    for case in made.cases:
        patch = case.ct()
        assert (patch.hu == 0).mean() < 0.01
        assert np.median(patch.hu[patch.bone]) > 250
    broken = next(case.ct() for case in made.cases if case.label)
    gap = broken.hu[broken.fracture & ~broken.bone]
    assert gap.size
    assert abs(float(np.median(gap))) > 5


def test_the_fracture_is_on_the_film_where_it_is_in_the_ct(made: PairedData) -> None:
    # The crop's middle is the projected middle of the patch: a fracture that lies higher in the
    # CT lies higher on the film.
    for case in made.cases:
        patch, film = case.ct(), case.film()
        assert film.pixels.min() >= 0
        assert film.pixels.max() <= 1
        if not case.label or not film.fracture.any():
            continue
        slices = np.argwhere(patch.fracture)[:, 0].mean() - 28
        rows = np.argwhere(film.fracture)[:, 0].mean() - 64
        assert -rows * 0.7 / 1.3 == pytest.approx(slices * CT_MM, abs=9)


def test_the_same_seed_gives_the_same_files(made: PairedData, tmp_path: Path) -> None:
    root = made.folder.parent / "release"
    again = prepare_pairs(root, tmp_path / "again", plan=PLAN)
    assert again.sha256 == made.sha256
    case, other = made.cases[0], again.cases[0]
    assert case.ct_path.read_bytes() == other.ct_path.read_bytes()
    assert case.film_path.read_bytes() == other.film_path.read_bytes()


def test_what_cannot_be_paired_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there are no bones"):
        prepare_pairs(tmp_path / "nowhere", tmp_path / "out")
    root = draw_pelvis(tmp_path / "whole", is_broken=False)
    with pytest.raises(DataError, match="no bone is broken"):
        prepare_pairs(root, tmp_path / "none", plan=PLAN)
    with pytest.raises(DataError, match="no such patient; got 007"):
        prepare_pairs(root, tmp_path / "other", patients=["007"])
    small = np.ones((4, 4, 4), np.int16)
    _write(root / "001", "LI_mask", small, np.eye(4))
    with pytest.raises(DataError, match="does not fit its bone"):
        prepare_pairs(root, tmp_path / "unfit", plan=PLAN)
    (root / "001" / "001_LI_mask.nii.gz").unlink()
    with pytest.raises(DataError, match="has no mask"):
        prepare_pairs(root, tmp_path / "maskless", plan=PLAN)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note.txt").write_text("mine")
    command = ["prepare", "pairs", "--root", str(root), "--out", str(tmp_path / "full")]
    result = CliRunner().invoke(app, command)
    assert "holds something" in str(result.exception)


def test_a_changed_folder_is_refused(made: PairedData, tmp_path: Path) -> None:
    folder = tmp_path / "pairs"
    shutil.copytree(made.folder, folder)
    case = open_pairs(folder).cases[0]
    case.ct_path.write_bytes(case.ct_path.read_bytes()[:200])
    with pytest.raises(DataError, match="cannot be read"):
        case.ct()
    case.film_path.unlink()
    with pytest.raises(DataError, match=r"line 2 of pairs\.csv cannot be read"):
        open_pairs(folder)
    table = folder / "pairs.csv"
    table.write_text(table.read_text().replace(",1,ct/", ",0,ct/", 1))
    with pytest.raises(DataError, match="not the one that was written"):
        open_pairs(folder)
