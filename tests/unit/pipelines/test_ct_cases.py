"""CT data sets in the pipelines: split, audited and evaluated, or refused with the reason."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from fracturax.core.errors import DataError
from fracturax.core.image import Volume
from fracturax.core.prediction import ModelIdentity, OperatingPoints, Prediction
from fracturax.core.study import Study
from fracturax.datasets import open_dataset
from fracturax.models.bundle import load_bundle
from fracturax.models.runtime import XrayPredictor
from fracturax.pipelines.audit import audit, write_audit
from fracturax.pipelines.corrupt import measure_robustness
from fracturax.pipelines.evaluate import evaluate
from fracturax.pipelines.prepare import prepare
from fracturax.pipelines.split import SplitRule, split
from tiny_ct import CT_BUILDERS, drawn_ct, drawn_mask, write_lines, write_nifti

POINTS = OperatingPoints(0.2, 0.5)


class Brightest:
    """A reader of CTs that calls bright ones fractured; it does not assess one of one slice."""

    identity = ModelIdentity("brightest", "7", "", "")
    operating_points = POINTS

    def predict(self, study: Study) -> Prediction:
        (volume,) = study.images
        assert isinstance(volume, Volume)
        if volume.pixels.shape[0] == 1:
            return Prediction(
                study.key, "not_assessed", self.identity, POINTS, reason="it is one slice"
            )
        probability = float(np.clip((volume.pixels.max() - 600) / 400, 0, 1))
        return Prediction(study.key, POINTS.status(probability), self.identity, POINTS, probability)


def _ribs(root: Path, count: int = 12) -> Path:
    """Write RibFrac with every second CT fractured, and those the brighter."""
    lines = []
    for number in range(1, count + 1):
        fractured = number % 2
        voxels = drawn_ct(number)
        voxels[2, 4, 4] = 950 if fractured else 700
        write_nifti(root / f"images/RibFrac{number}-image.nii.gz", voxels)
        mask = drawn_mask(*[1] * fractured)
        write_nifti(root / f"labels/RibFrac{number}-label.nii.gz", mask)
        lines += [f"RibFrac{number},0,0", *[f"RibFrac{number},1,2"] * fractured]
    write_lines(root / "ribfrac-train-info-1.csv", "public_id,label_id,label_code", *lines)
    return root


def test_a_reader_of_cts_is_evaluated_on_the_same_cases(tmp_path: Path) -> None:
    root = _ribs(tmp_path)
    write_nifti(root / "images/RibFrac3-image.nii.gz", drawn_ct(3)[:1])
    damaged = root / "images/RibFrac5-image.nii.gz"
    damaged.write_bytes(damaged.read_bytes()[:100])
    judged = evaluate(Brightest(), open_dataset("ribfrac", root=root), resamples=100)
    assert judged.evaluation["auroc"].value == 1
    assert set(judged.table.model) == {"brightest@7"}
    by_case = dict(zip(judged.table.case, judged.table.status, strict=True))
    assert [by_case[f"RibFrac{number}"] for number in (1, 2, 3, 5)] == [
        *("fracture", "doubt", "not_assessed", "not_assessed"),
    ]


def test_a_reader_of_films_refuses_cts(tmp_path: Path) -> None:
    cases = open_dataset("ribfrac", root=_ribs(tmp_path, 4))
    model = XrayPredictor(load_bundle("xray"), threads=1)
    for work in (evaluate, measure_robustness):
        with pytest.raises(DataError, match="these cases are CTs"):
            work(model, cases)
    with pytest.raises(DataError, match="these cases are CTs"):
        prepare(cases, keep=lambda *_: None)


def test_cts_are_split_by_patient_and_equal_files_stay_together(tmp_path: Path) -> None:
    root = _ribs(tmp_path)
    images = root / "images"
    shutil.copy(images / "RibFrac1-image.nii.gz", images / "RibFrac3-image.nii.gz")
    (one,), prepared = split(open_dataset("ribfrac", root=root), SplitRule(folds=3))
    assert [case.name for case in prepared.dropped] == ["RibFrac3"]
    assert len(one.fold_of) == len(one.hashes) == 11
    assert "not decoded" in prepared.notes[0]


def test_series_of_one_patient_are_on_one_side(tmp_path: Path) -> None:
    CT_BUILDERS["verse"](tmp_path)
    cases = open_dataset("verse", root=tmp_path)
    for seed in range(4):
        (one,), _ = split(cases, SplitRule(folds=2, seed=seed))
        assert len({one.fold_of[case.name] for case in cases if "401" in case.name}) == 1


def test_a_set_without_patients_can_be_split_no_other_way_than_its_own(tmp_path: Path) -> None:
    CT_BUILDERS["fracture_mnist"](tmp_path)
    cases = open_dataset("fracture_mnist", root=tmp_path)
    (one,), prepared = split(cases, SplitRule(folds=3))
    sides = {(case.split, one.fold_of[case.name]) for case in cases}
    assert len(sides) == 3
    assert any("no hash" in note for note in prepared.notes)


@pytest.mark.parametrize("name", list(CT_BUILDERS))
def test_an_audit_of_sound_cts_finds_nothing_and_says_what_it_did_not_look_for(
    name: str, tmp_path: Path
) -> None:
    root = tmp_path / "data"
    truths = CT_BUILDERS[name](root)
    found = audit(root)
    assert found.counts.read == found.counts.kept == len(truths)
    kinds = set(found.kinds_found())
    if name == "verse":  # both series of one patient lie in one part
        assert not found.leaks
    assert not kinds - (
        {"table_conflicts:annotations_differ"} if name == "rsna_cervical" else set()
    )
    assert "films only" in " ".join(found.notes)
    assert "films only" in write_audit(found, root=root, out=tmp_path / "out").read_text()


def test_an_audit_of_cts_finds_damage_copies_masks_and_leaks(tmp_path: Path) -> None:
    root = _ribs(tmp_path / "data")
    write_nifti(root / "images/RibFrac421-image.nii.gz", _voxels(root, 1))
    write_lines(root / "ribfrac-val-info.csv", "public_id,label_id,label_code", "RibFrac421,0,0")
    cut = root / "images/RibFrac2-image.nii.gz"
    cut.write_bytes(cut.read_bytes()[:-60])
    write_nifti(root / "labels/RibFrac5-label.nii.gz", drawn_mask(4))
    write_nifti(root / "labels/RibFrac7-label.nii.gz", drawn_mask(1)[:4])
    found = audit(root)
    assert [one.name for one in (*found.truncated, *found.unreadable)] == ["RibFrac2"]
    assert [group.has_contrary_labels for group in found.copies] == [True]
    assert {(one.kind, one.name) for one in found.table_conflicts} == {
        ("annotations_differ", "RibFrac5"),
        ("size_against_file", "RibFrac7"),
    }
    assert [leak.kind for leak in found.leaks] == ["copy"]
    dropped = {one.name for one in found.clean if not one.keep}
    assert dropped == {"RibFrac1", "RibFrac2", "RibFrac421"}


def test_an_audit_of_cts_that_the_loader_refuses_is_a_finding(tmp_path: Path) -> None:
    root = _ribs(tmp_path)
    (root / "images/RibFrac2-image.nii.gz").unlink()
    found = audit(root)
    (conflict,) = found.table_conflicts
    assert "column public_id: names a CT that is not there" in conflict.words
    assert "no CT was looked at" in found.notes[0]


def _voxels(root: Path, number: int) -> np.ndarray:
    cases = {case.name: case for case in open_dataset("ribfrac", root=root, split="train")}
    return cases[f"RibFrac{number}"].open().images[0].pixels
