import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fracturax.core.errors import DataError, UnknownNameError
from fracturax.core.geometry import Box
from fracturax.datasets import open_dataset
from fracturax.datasets.fracatlas import neighbourhoods

TABLE = "dataset.csv"
COCO = "Annotations/COCO JSON/COCO_fracture_masks.json"


@pytest.fixture
def release(tiny_release: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return shutil.copytree(tiny_release, tmp_path / "release")


def test_a_case_says_what_the_tables_say(tiny_release: Path) -> None:
    cases = {case.name: case for case in open_dataset("fracatlas", root=tiny_release)}
    assert len(cases) == 80
    annotation = json.loads((tiny_release / COCO).read_text())["annotations"][0]
    column, row, width, height = annotation["bbox"]
    broken = cases["IMG0000000"].reference
    assert broken.fracture
    assert broken.boxes == (Box(row, column, row + height, column + width),)
    assert set(broken.polygons[0].points) == {
        (row, column),
        (row, column + width),
        (row + height, column + width),
        (row + height, column),
    }
    assert (broken.regions, broken.views) == (("hand",), ("frontal",))
    whole = cases["IMG0000001"].reference
    assert (whole.fracture, whole.boxes, whole.hardware) == (False, (), True)
    assert cases["IMG0000010"].reference.regions == ("leg",)


def test_the_outline_lies_on_the_dark_gap_of_the_film(tiny_release: Path) -> None:
    case = open_dataset("fracatlas", root=tiny_release)[0]
    film = case.open().radiographs[0].pixels
    assert case.reference.boxes
    top, left, bottom, right = (int(side) for side in case.reference.boxes[0].as_tuple())
    bone = film[:, left + 6 : right - 6]
    assert bone[top + 2 : bottom - 2].mean() < 0.5 * np.median(bone)


def test_pixels_are_read_only_when_a_case_is_opened(release: Path) -> None:
    for path in (release / "images").rglob("*.jpg"):
        path.write_bytes(b"")
    assert len(open_dataset("fracatlas", root=release)) == 80


def test_a_fractured_film_without_outline_is_unmarked_not_intact(release: Path) -> None:
    document = json.loads((release / COCO).read_text())
    document["annotations"].pop(0)
    (release / COCO).write_text(json.dumps(document))
    reference = open_dataset("fracatlas", root=release)[0].reference
    assert (reference.fracture, reference.boxes) == (True, None)


def test_the_splits_of_the_authors_part_the_fractured_films(tiny_release: Path) -> None:
    parts = {
        split: {case.name for case in open_dataset("fracatlas", root=tiny_release, split=split)}
        for split in ("train", "valid")
    }
    assert len(parts["train"]) == len(parts["valid"]) == 20
    assert not parts["train"] & parts["valid"]


def test_a_split_the_release_does_not_define_names_those_it_does(tiny_release: Path) -> None:
    with pytest.raises(DataError, match="known: all, train, valid"):
        open_dataset("fracatlas", root=tiny_release, split="test")


def test_an_unknown_data_set_names_its_neighbour(tiny_release: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'fracatlas'"):
        open_dataset("fractatlas", root=tiny_release)


def _no_table(root: Path) -> None:
    (root / TABLE).unlink()


def _no_film(root: Path) -> None:
    (root / "images/Fractured/IMG0000000.jpg").unlink()


def _no_annotations(root: Path) -> None:
    (root / COCO).unlink()


def _edit_table(old: str, new: str) -> Callable[[Path], None]:
    def edit(root: Path) -> None:
        text = (root / TABLE).read_text()
        assert old in text
        (root / TABLE).write_text(text.replace(old, new, 1))

    return edit


def _edit_annotation(**changes: object) -> Callable[[Path], None]:
    def edit(root: Path) -> None:
        document = json.loads((root / COCO).read_text())
        document["annotations"][0] |= changes
        (root / COCO).write_text(json.dumps(document))

    return edit


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_no_table, "not the FracAtlas release"),
        (_edit_table("fracture_count", "count"), "lacks columns; got no fracture_count"),
        (_edit_table("IMG0000000.jpg", "first.jpg"), "has no number"),
        (_edit_table(",0,0,0,1,1,1,0,0", ",0"), "too few values in line 2"),
        (lambda root: (root / TABLE).write_bytes(b"image_id\xff\xfe"), "dataset.csv"),
        (_no_film, "an image that is not there"),
        (_no_annotations, "COCO annotations"),
        (lambda root: (root / COCO).write_text("{"), "COCO annotations"),
        (lambda root: (root / COCO).write_text("[]"), "COCO annotations"),
        (_edit_annotation(image_id=999), "COCO annotations"),
        (_edit_annotation(bbox=[1, 2, 3]), "COCO annotations"),
        (_edit_annotation(bbox=[1, 2, 0, 5]), "COCO annotations"),
        (_edit_annotation(segmentation=[[1, 2, 3]]), "COCO annotations"),
        (_edit_annotation(segmentation={"counts": "abc", "size": [1, 1]}), "COCO annotations"),
    ],
)
def test_a_damaged_release_is_a_sentence(
    release: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(release)
    with pytest.raises(DataError) as caught:
        open_dataset("fracatlas", root=release)
    assert message in str(caught.value)


def test_a_table_in_any_order_gives_the_same_neighbourhoods(release: Path) -> None:
    keys = {case.name: case.patient_key for case in open_dataset("fracatlas", root=release)}
    head, *lines = (release / TABLE).read_text().splitlines()
    (release / TABLE).write_text("\n".join([head, *reversed(lines)]))
    again = {case.name: case.patient_key for case in open_dataset("fracatlas", root=release)}
    assert again == keys
    assert len(set(keys.values())) == 8


def test_neighbours_are_parted_only_where_the_region_changes_and_ten_are_together() -> None:
    regions = ["hand"] * 4 + ["leg"] * 9 + ["hip"] * 12 + ["leg"] * 3
    keys = neighbourhoods([(number, (region,)) for number, region in enumerate(regions)])
    # Four hands are too few to stand alone; the last neighbourhood is what is left.
    assert keys == ["n0"] * 13 + ["n13"] * 12 + ["n25"] * 3


def test_numbers_that_are_missing_do_not_part_neighbours() -> None:
    numbered = [(number, ("hand",)) for number in (3, 4, 900)]
    assert neighbourhoods(numbered, at_least=1) == ["n3"] * 3
