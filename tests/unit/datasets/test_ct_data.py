"""CT data sets: labels, parts, masks and boxes of tiny synthetic copies, and what is refused."""

import logging
import sys
from pathlib import Path

import numpy as np
import pytest

from fracturax.core.case import Case, Part, SliceBox
from fracturax.core.errors import DataError, ImageError, MissingExtraError
from fracturax.core.geometry import Box
from fracturax.core.image import Volume
from fracturax.core.labels import LabelVolume
from fracturax.datasets import open_dataset
from fracturax.datasets.fracture_mnist import is_official
from fracturax.datasets.gradings import read_gradings
from fracturax.datasets.pengwin import broken_bones
from tiny_ct import (
    CT_BUILDERS,
    SPACING_MM,
    drawn_ct,
    drawn_mask,
    replace_array,
    swap,
    write_lines,
    write_metaimage,
    write_nifti,
    write_sagittal,
)

UIDS = [f"1.2.826.0.1.3680043.{number}" for number in (6200, 27262, 21561)]


def _open(name: str, root: Path) -> dict[str, Case]:
    return {case.name: case for case in open_dataset(name, root=root)}


@pytest.fixture
def built(tmp_path: Path):
    def build(name: str) -> Path:
        CT_BUILDERS[name](tmp_path)
        return tmp_path

    return build


@pytest.mark.parametrize("name", [name for name in CT_BUILDERS if name != "fracture_mnist"])
def test_a_ct_opens_as_one_volume_in_hu_with_its_place(name: str, built) -> None:
    for case in _open(name, built(name)).values():
        (volume,) = case.open().images
        assert isinstance(volume, Volume)
        assert volume.unit == "HU"
        assert np.allclose(volume.geometry.spacing_mm, SPACING_MM)
        affine = np.asarray(volume.geometry.affine)
        assert np.allclose(affine[:3, 3], (-10, -20, -30))
        # Bone lies where it was drawn.
        assert volume.pixels[:, 3:7, 2:6].min() > 400 > volume.pixels[:, :3].max()


@pytest.mark.parametrize("name", [name for name in CT_BUILDERS if name != "fracture_mnist"])
def test_masks_lie_on_their_ct(name: str, built) -> None:
    seen = 0
    for case in _open(name, built(name)).values():
        if case.open_labels is None:
            continue
        labels = case.open_labels().on(case.open().images[0])
        bone = case.open().images[0].pixels > 400
        assert not (labels.values.astype(bool) & ~bone).any()
        for part in case.reference.parts:
            if part.label is not None and name != "rsna_cervical":
                assert part.label in labels.counts(), part
        seen += 1
    assert seen


def test_fracture_mnist_has_three_kinds_no_healthy_class_and_no_hu(built) -> None:
    cases = _open("fracture_mnist", built("fracture_mnist"))
    assert [case.reference.kind for case in cases.values()][:4] == [
        *("buckle", "nondisplaced", "displaced", "buckle"),
    ]
    assert all(case.reference.fracture for case in cases.values())
    with np.load(built("fracture_mnist") / "fracturemnist3d.npz", allow_pickle=False) as stored:
        (volume,) = cases["valid/1"].open().images
        assert np.array_equal(volume.pixels, stored["val_images"][1])
    assert volume.unit == "arbitrary"
    assert volume.geometry.spacing_mm == (64 / 28,) * 3
    # Nothing tells the patient, so that no split but the authors' is possible.
    keys = {(case.split, case.patient_key) for case in cases.values()}
    assert len(keys) == len({key for _, key in keys}) == 3


def test_fracture_mnist_says_when_the_file_is_not_the_official_one(built, caplog) -> None:
    root = built("fracture_mnist")
    assert not is_official(root / "fracturemnist3d.npz")
    with caplog.at_level(logging.WARNING):
        open_dataset("fracture_mnist", root=root)
    assert "another MD5" in caplog.text


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("train_labels", None, "lacks an array"),
        ("train_labels", np.array([[0], [1], [3], [0]], np.uint8), "row 2"),
        ("train_labels", np.array([[0], [1]], np.uint8), "4 train_images, 2 labels"),
        ("train_labels", np.array([0.5] * 4), "damaged"),
        ("val_images", np.zeros((2, 28, 28), np.uint8), "of shape"),
        ("val_images", np.zeros((2, 28, 28, 28), np.float32), "float32"),
        ("val_images", np.array([{}], dtype=object), "damaged"),
    ],
)
def test_fracture_mnist_refuses_another_archive(built, name, values, words: str) -> None:
    root = built("fracture_mnist")
    replace_array(root, name, values)
    with pytest.raises(DataError, match=words):
        open_dataset("fracture_mnist", root=root)


def test_fracture_mnist_refuses_what_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "fracturemnist3d.npz").write_bytes(b"no zip")
    with pytest.raises(DataError, match="damaged"):
        open_dataset("fracture_mnist", root=tmp_path)


def test_ribfrac_tells_each_fracture_and_its_kind(built) -> None:
    cases = _open("ribfrac", built("ribfrac"))
    assert cases["RibFrac1"].reference.parts == (
        Part("fracture 1", 1, True, "buckle"),
        Part("fracture 2", 2, True, ""),
    )
    assert cases["RibFrac421"].reference.parts[0].kind == "segmental"
    assert cases["RibFrac422"].reference.parts == ()
    assert {case.split for case in cases.values()} == {"train", "valid"}
    assert "RibFrac501" not in cases  # the test part has no labels


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("RibFrac1,1,3", "RibFrac1,1,9", "line 3, column label_code: must be one of"),
        ("RibFrac1,1,3", "RibFrac1,1,x", "line 3, column label_code: must be a number"),
        ("RibFrac1,1,3", "RibFrac1,,3", "line 3, column label_id: is empty"),
        ("RibFrac1,1,3", "RibFrac1,1.5,3", "line 3, column label_id: must be a whole"),
        ("RibFrac1,1,3", "RibFrac1,2,3", "line 4, column label_id: stands there twice"),
        ("RibFrac1,1,3", "RibFrac1,1,0", "line 3, column label_code: must be 0 for"),
        ("RibFrac2,0,0", "RibFrac9,0,0", "line 5, column public_id: names a CT that is not"),
        ("RibFrac2,0,0", ",0,0", "line 5, column public_id: is empty"),
    ],
)
def test_ribfrac_names_row_and_column(built, old: str, new: str, place: str) -> None:
    root = built("ribfrac")
    swap(root / "ribfrac-train-info-1.csv", old, new)
    with pytest.raises(DataError, match=place):
        open_dataset("ribfrac", root=root)


def test_verse_keeps_a_patients_series_together_and_other_patients_apart(built) -> None:
    cases = open_dataset("verse", root=built("verse"))
    keys = [case.patient_key for case in cases]
    assert len(set(keys)) == 4
    assert keys[0] == keys[1]
    assert [case.split for case in cases] == ["train", "train", "train", "valid", "test"]


def test_verse_grades_are_parts_and_an_ungraded_vertebra_stays_unknown(built) -> None:
    cases = _open("verse", built("verse"))
    (partly,) = (case for name, case in cases.items() if "403" in name)
    assert partly.reference.parts == (
        Part("L1", 20, None),
        Part("L2", 21, True, "Genant 1"),
    )
    assert partly.reference.fracture


def test_verse_without_gradings_has_no_labels_and_says_so(built) -> None:
    root = built("verse")
    (root / "fracture_grading.csv").unlink()
    with pytest.raises(DataError, match="no fracture labels"):
        open_dataset("verse", root=root)


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("verse401,L1,2", "verse401,L1,4", "line 2, column genant: must be a grade"),
        ("verse401,L1,2", "verse401,L1,", "line 2, column genant: is empty"),
        ("verse401,L1,2", "verse401,S1,2", "line 2, column vertebra: is no vertebra"),
        ("verse401,L2,0", "verse401,L1,0", "line 3, column vertebra: stands there twice"),
        ("verse404,L1,0", "verse499,L1,0", "line 8, column scan: names a CT that is not there"),
    ],
)
def test_verse_names_row_and_column(built, old: str, new: str, place: str) -> None:
    root = built("verse")
    swap(root / "fracture_grading.csv", old, new)
    with pytest.raises(DataError, match=place):
        open_dataset("verse", root=root)


def test_verse_refuses_a_damaged_file_of_centroids(built) -> None:
    root = built("verse")
    path = next(root.rglob("*verse402*ctd.json"))
    for text in ('[{"label": 20}]', '[{"label": "x", "X": 1, "Y": 1, "Z": 1}]', "[1]", "{"):
        path.write_text(text)
        with pytest.raises(DataError):
            open_dataset("verse", root=root)


def test_both_forms_of_gradings_say_the_same(tmp_path: Path) -> None:
    wide = write_lines(tmp_path / "wide.csv", "case,L1,L2,L3", "1,0,3,-", "2,unknown,0,")
    lines = ("1,L1,0", "1,L2,3", "2,L1,NA", "2,L2,0", "2,L3,unknown")
    long = write_lines(tmp_path / "long.csv", "image,level,grade", *lines)
    assert read_gradings(wide) == read_gradings(long)


def test_a_table_of_neither_form_is_refused(tmp_path: Path) -> None:
    for head in ("scan,note", "scan,vertebra,genant,L1"):
        with pytest.raises(DataError, match="no table of gradings"):
            read_gradings(
                write_lines(tmp_path / "a.csv", head, "1,2" + ",1" * (head.count(",") - 1))
            )


def test_spineweb_knows_the_values_of_xvertseg_and_of_the_table(built, tmp_path: Path) -> None:
    cases = _open("spineweb", built("spineweb"))
    assert [part.label for part in cases["image001"].reference.parts] == [200, 210, 220, 230, 240]
    assert cases["image001"].reference.parts[1].kind == "Genant 2"
    own = tmp_path / "own"
    write_nifti(own / "images/spine-a.nii.gz", drawn_ct(0))
    write_nifti(own / "masks/spine-a.nii.gz", drawn_mask(7))
    write_lines(
        own / "fractures.csv", "scan,vertebra,genant,label,kind", "spine-a.nii.gz,T12,1,7,wedge"
    )
    (case,) = open_dataset("spineweb", root=own)
    assert case.reference.parts == (Part("T12", 7, True, "Genant 1, wedge"),)


def test_spineweb_names_the_row_of_a_ct_that_is_not_there(built) -> None:
    root = built("spineweb")
    (root / "Data1/images/image002.mhd").unlink()
    with pytest.raises(DataError, match="line 3, column scan: names a CT that is not there"):
        open_dataset("spineweb", root=root)


def test_rsna_tells_vertebrae_and_boxes_by_the_number_of_their_slice(built) -> None:
    cases = _open("rsna_cervical", built("rsna_cervical"))
    marked = cases[UIDS[0]].reference
    assert [part.name for part in marked.parts if part.fracture] == ["C1", "C2"]
    assert marked.slice_boxes == (
        SliceBox(2, Box(3.5, 2.0, 6.0, 6.0)),
        SliceBox(3, Box(3.5, 2.0, 5.5, 6.0)),
    )
    assert cases[UIDS[2]].reference.slice_boxes is None  # fractured and nobody marked it
    assert cases[UIDS[1]].reference.slice_boxes == ()


def test_rsna_masks_along_other_axes_are_turned_onto_the_ct(built) -> None:
    case = _open("rsna_cervical", built("rsna_cervical"))[UIDS[0]]
    assert case.open_labels is not None
    stored = case.open_labels()
    found = stored.on(case.open().images[0])
    assert np.array_equal(found.values, drawn_mask(1, 2))
    assert not np.array_equal(stored.values, found.values)


@pytest.mark.parametrize(
    ("table", "old", "new", "place"),
    [
        ("train.csv", "27262,0,0", "27262,,0", "line 3, column patient_overall: is empty"),
        ("train.csv", "27262,0,0", "27262,2,0", "line 3, column patient_overall: must be 1, 0"),
        ("train.csv", "27262,0,0", "27262,1,0", "line 3, column patient_overall: contradicts"),
        ("train.csv", "27262,0", "27263,0", "line 3, column StudyInstanceUID: names a study"),
        ("train.csv", "1.2.826.0.1.3680043.27262", "..", "line 3, column StudyInstanceUID"),
        ("train_bounding_boxes.csv", "4.0,2.5,2", "4.0,,2", "line 2, column height: is empty"),
        ("train_bounding_boxes.csv", "4.0,2.5,2", "4.0,-1,2", "line 2, column width: an empty"),
        ("train_bounding_boxes.csv", "2.5,2", "2.5,99", "line 2, column slice_number: names a"),
        ("train_bounding_boxes.csv", "6200,2.0", "27262,2.0", "line 2, .*without fracture"),
        ("train_bounding_boxes.csv", "6200,2.0", "9,2.0", "line 2, .*is no study"),
    ],
)
def test_rsna_names_row_and_column(built, table: str, old: str, new: str, place: str) -> None:
    root = built("rsna_cervical")
    swap(root / table, old, new)
    with pytest.raises(DataError, match=place):
        open_dataset("rsna_cervical", root=root)


def test_pengwin_reads_of_the_masks_which_bone_is_broken(built) -> None:
    cases = _open("pengwin", built("pengwin"))
    assert cases["001"].reference.parts == (
        Part("sacrum", 1, False),
        Part("left hip bone", 11, True, "2 fragments"),
        Part("right hip bone", 21, False),
    )
    assert cases["001"].reference.regions == ("hip",)
    assert not cases["002"].reference.fracture


def test_pengwin_reads_the_flat_form_too(tmp_path: Path) -> None:
    write_metaimage(tmp_path / "train/003.mha", drawn_ct(3))
    write_metaimage(tmp_path / "train/003_label.mha", drawn_mask(11, 12))
    (case,) = open_dataset("auto", root=tmp_path)
    assert case.name == "003"
    assert case.reference.fracture


def test_pengwin_refuses_other_labels_and_a_mask_without_ct(built) -> None:
    root = built("pengwin")
    for mask in (drawn_mask(31), drawn_mask()):
        write_metaimage(root / "PENGWIN_CT_train_labels/002.mha", mask)
        with pytest.raises(DataError, match="mask 002: a mask of PENGWIN holds other labels"):
            open_dataset("pengwin", root=root)
    (root / "PENGWIN_CT_train_images_part1/002.mha").unlink()
    with pytest.raises(DataError, match="has no CT"):
        open_dataset("pengwin", root=root)


def test_pengwin_without_simpleitk_says_what_to_install(built, monkeypatch) -> None:
    root = built("pengwin")
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    with pytest.raises(MissingExtraError, match=r"fracturax\[imaging\]"):
        open_dataset("pengwin", root=root)


def test_a_bone_that_the_mask_does_not_show_is_no_part() -> None:
    parts = broken_bones(LabelVolume(drawn_mask(11)))
    assert [(part.name, part.fracture) for part in parts] == [("left hip bone", False)]


def test_a_mask_that_fits_no_ct_is_refused_when_it_is_used(built, tmp_path: Path) -> None:
    case = _open("rsna_cervical", built("rsna_cervical"))[UIDS[0]]
    write_sagittal(tmp_path / f"segmentations/{UIDS[0]}.nii", drawn_mask(1)[:-1])
    assert case.open_labels is not None
    with pytest.raises(DataError, match="does not lie on the grid"):
        case.open_labels().on(case.open().images[0])


def test_a_ct_that_is_a_bomb_or_damaged_is_refused_when_it_is_opened(built) -> None:
    root = built("ribfrac")
    case = _open("ribfrac", root)["RibFrac1"]
    assert case.path is not None
    case.path.write_bytes(case.path.read_bytes()[:200])
    with pytest.raises(ImageError):
        case.open()


@pytest.mark.parametrize("name", list(CT_BUILDERS))
def test_an_empty_folder_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        open_dataset(name, root=tmp_path)
    with pytest.raises(DataError):
        open_dataset(name, root=tmp_path / "nothing")
