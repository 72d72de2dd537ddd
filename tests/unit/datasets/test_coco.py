"""COCO annotations: what they mean, where they lie, and what is wrong with them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fracturax.core.case import Polygon
from fracturax.core.errors import DataError
from fracturax.core.geometry import Box
from fracturax.datasets import open_dataset
from tiny_layouts import write_coco, write_png

Document = dict[str, Any]


def _document(**changes: Any) -> Document:
    box = {"id": 1, "image_id": 1, "category_id": 3, "bbox": [10, 20, 30, 40]}
    return {
        "images": [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}],
        "annotations": [box],
        "categories": [{"id": 3, "name": "fracture"}],
        **changes,
    }


def _write(
    root: Path, document: object, *, at: str = "annotations/all.json", films: str = ""
) -> Path:
    for number, name in enumerate(("a", "b")):
        write_png(root / films / f"{name}.png", number)
    path = root / at
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return root


def _open(root: Path, split: str = "all"):
    return {case.name: case for case in open_dataset("coco", root=root, split=split)}


@pytest.mark.parametrize(
    ("at", "films", "split"),
    [
        ("annotations/all.json", "", None),
        ("annotations/all.json", "images", None),
        ("annotations/instances_train2017.json", "train2017", "train"),
        ("annotations/instances_val.json", "images/val", "valid"),
        ("annotations/train.json", "images", "train"),
        ("coco.json", "", None),
        ("_annotations.coco.json", "", None),
        ("test/_annotations.coco.json", "test", "test"),
    ],
)
def test_the_usual_places(tmp_path: Path, at: str, films: str, split: str | None) -> None:
    cases = _open(_write(tmp_path, _document(), at=at, films=films))
    prefix = f"{films}/" if films else ""
    assert set(cases) == {f"{prefix}a.png", f"{prefix}b.png"}
    assert {case.split for case in cases.values()} == {split}
    fractured = cases[f"{prefix}a.png"].reference
    assert (fractured.fracture, fractured.boxes) == (True, (Box(20, 10, 60, 40),))
    normal = cases[f"{prefix}b.png"].reference
    assert (normal.fracture, normal.boxes, normal.hardware) == (False, (), None)


def test_the_annotation_file_itself_may_be_given(tmp_path: Path) -> None:
    _write(tmp_path, _document(), films="images")
    assert set(_open(tmp_path / "annotations/all.json")) == {"images/a.png", "images/b.png"}


def test_outlines_are_rows_and_columns(tmp_path: Path) -> None:
    box = _document()["annotations"][0] | {"segmentation": [[1, 2, 3, 4, 5, 6]]}
    case = _open(_write(tmp_path, _document(annotations=[box])))["a.png"]
    assert case.reference.polygons == (Polygon(((2, 1), (4, 3), (6, 5))),)


def test_a_mask_in_rle_leaves_its_box_and_a_crowd_leaves_fractures_unmarked(tmp_path: Path) -> None:
    mask = {"counts": "abc", "size": [128, 112]}
    box = _document()["annotations"][0] | {"segmentation": mask}
    case = _open(_write(tmp_path, _document(annotations=[box])))["a.png"]
    assert (case.reference.boxes, case.reference.polygons) == ((Box(20, 10, 60, 40),), ())
    crowd = box | {"iscrowd": 1}
    case = _open(_write(tmp_path, _document(annotations=[box, crowd])))["a.png"]
    assert (case.reference.fracture, case.reference.boxes) == (True, None)


@pytest.mark.parametrize(
    ("name", "is_fractured"),
    [
        ("fractures", True),
        ("wrist positive", True),
        ("forearm fracture", True),
        ("no fracture", False),
        ("normal", False),
        ("metal", False),
        ("boneanomaly", False),
    ],
)
def test_a_category_says_what_it_marks(tmp_path: Path, name: str, is_fractured: bool) -> None:
    document = _document(categories=[{"id": 3, "name": name}])
    assert _open(_write(tmp_path, document))["a.png"].reference.fracture == is_fractured


def test_a_category_that_does_not_tell_is_an_error_only_where_it_is_used(tmp_path: Path) -> None:
    unused = _document(categories=[{"id": 3, "name": "fracture"}, {"id": 4, "name": "Colles"}])
    assert _open(_write(tmp_path, unused))["a.png"].reference.fracture
    with pytest.raises(DataError, match="'Colles' does not say whether it is a fracture"):
        _open(_write(tmp_path, _document(categories=[{"id": 3, "name": "Colles"}])))


def test_parts_are_opened_one_by_one(tmp_path: Path) -> None:
    write_coco(tmp_path)
    (tmp_path / "valid/_annotations.coco.json").write_text('{"images": [')
    assert len(_open(tmp_path, "train")) == 4
    with pytest.raises(DataError, match="no readable JSON"):
        _open(tmp_path)
    with pytest.raises(DataError, match="known: all, train, valid"):
        _open(tmp_path, "test")


def _images(*images: object) -> Document:
    return _document(images=list(images), annotations=[])


def _annotation(**changes: object) -> Document:
    return _document(annotations=[{**_document()["annotations"][0], **changes}])


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (_images({"id": 1}), "images[0]: needs an id and a file_name"),
        (_images("a.png"), "images[0]: needs an id and a file_name"),
        (_images({"id": [1], "file_name": "a.png"}), "images[0]: needs an id"),
        (_images({"id": 1, "file_name": 5}), "images[0].file_name: must be a text"),
        (_images({"id": 1, "file_name": "z.png"}), "images[0].file_name: names a file that is not"),
        (_images({"id": 1, "file_name": "../a.png"}), "images[0].file_name: leads out"),
        (_images({"id": 1, "file_name": "/etc/passwd"}), "file_name: is an absolute path"),
        (_images(*[{"id": 1, "file_name": name} for name in ("a.png", "b.png")]), "[1]: its id"),
        (_images(*[{"id": key, "file_name": "a.png"} for key in (1, 2)]), "lists an image twice"),
        (_annotation(image_id=9), "annotations[0].image_id: is the id of no image"),
        (_annotation(category_id=9), "annotations[0].category_id: is the id of no category"),
        (_annotation(image_id=None), "annotations[0].image_id: is the id of no image"),
        (_annotation(image_id={}), "annotations[0]: needs an image_id"),
        (_annotation(bbox=[1, 2, 3]), "annotations[0].bbox: must be four numbers"),
        (_annotation(bbox=[1, 2, 0, 3]), "annotations[0].bbox: is empty"),
        (_annotation(bbox=["1", 2, 3, 4]), "annotations[0].bbox: must be four numbers"),
        (_annotation(bbox=[float("nan"), 2, 3, 4]), "annotations[0].bbox: must be four numbers"),
        (_annotation(bbox=[10**400, 2, 3, 4]), "annotations[0].bbox: must be four numbers"),
        (_annotation(bbox=None), "annotations[0].bbox: must be four numbers"),
        (_annotation(segmentation=[[1, 2, 3]]), "[0].segmentation: a polygon must be"),
        (_annotation(segmentation=[[1, 2, 3, 4]]), "[0].segmentation: a polygon must be"),
        (_annotation(segmentation=[7]), "[0].segmentation: a polygon must be"),
        (_document(categories=[{"id": 3}]), "categories[0]: needs an id and a name"),
        (_document(annotations={}), "lists images and lacks what is known of them"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_by_its_place(tmp_path: Path, document: Document, message: str) -> None:
    with pytest.raises(DataError) as caught:
        _open(_write(tmp_path, document))
    assert message in str(caught.value)


def _deep(root: Path) -> None:
    text = '{"images": [' + "[" * 200_000
    (root / "annotations/all.json").write_text(text)


def _long_number(root: Path) -> None:
    (root / "annotations/all.json").write_text('{"images": [' + "9" * 5000 + "]}")


def _foreign(root: Path) -> None:
    (root / "annotations/all.json").write_bytes(b'{"images": ["\xff"]}')


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_deep, "nested too deep"),
        (_long_number, "a number too long"),
        (_foreign, "no text in UTF-8"),
    ],
)
def test_hostile_json_is_a_sentence(
    tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(_write(tmp_path, _document()))
    with pytest.raises(DataError, match=message):
        _open(tmp_path)


def test_images_that_nobody_has_labelled_are_not_normal(tmp_path: Path) -> None:
    _write(
        tmp_path, {"images": _document()["images"], "categories": []}, at="annotations/test.json"
    )
    with pytest.raises(DataError, match="lacks what is known of them; got no list annotations"):
        _open(tmp_path)


def test_an_image_in_two_files_is_an_error(tmp_path: Path) -> None:
    _write(tmp_path, _document(), at="annotations/train.json")
    _write(tmp_path, _document(), at="annotations/all.json")
    with pytest.raises(DataError, match=r"in two annotation files; got all.json and train.json"):
        _open(tmp_path)


def test_json_of_another_kind_is_left_out(tmp_path: Path) -> None:
    _write(tmp_path, _document(), at="coco.json")
    (tmp_path / "package.json").write_text('{"name": "x"}')
    (tmp_path / "other.json").write_text('{"annotations": [1, 2]}')
    assert len(_open(tmp_path)) == 2
    (tmp_path / "coco.json").unlink()
    with pytest.raises(DataError, match="no labelled image"):
        _open(tmp_path)
    (tmp_path / "other.json").unlink()
    with pytest.raises(DataError, match="no COCO annotation file"):
        _open(tmp_path)
