"""YOLO labels: shares of the image's sides, and classes that have to be named."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from fracturax.core.errors import DataError
from fracturax.core.geometry import Box
from fracturax.datasets import open_dataset
from fracturax.datasets.class_names import read_class_names
from tiny_layouts import write_png, write_yolo
from tiny_release import COLUMNS, ROWS

NAMES = "names: [fracture, metal]\n"
LINE = "0 0.5 0.25 0.5 0.25"


def _write(root: Path, label: str | None = LINE, *, names: str = NAMES) -> Path:
    write_png(root / "images/a.png", 0)
    write_png(root / "images/b.png", 1)
    (root / "labels").mkdir(exist_ok=True)
    (root / "labels/b.txt").write_text("")
    if label is not None:
        (root / "labels/a.txt").write_text(label)
    (root / "data.yaml").write_text(names)
    return root


def _open(root: Path, split: str = "all"):
    return {case.name: case for case in open_dataset("yolo", root=root, split=split)}


def test_a_box_is_in_pixels_of_the_image(tmp_path: Path) -> None:
    reference = _open(_write(tmp_path))["images/a.png"].reference
    (box,) = reference.boxes or ()
    wanted = Box(ROWS / 8, COLUMNS / 4, ROWS * 3 / 8, COLUMNS * 3 / 4)
    assert np.allclose(box.as_tuple(), wanted.as_tuple())
    assert reference.polygons == ()


def test_an_outline_gives_its_box(tmp_path: Path) -> None:
    reference = _open(_write(tmp_path, "0 0.25 0.5 0.5 0.75 0.75 0.5"))["images/a.png"].reference
    (polygon,) = reference.polygons
    assert polygon.points == ((64, 28), (96, 56), (64, 84))
    assert reference.boxes == (Box(64, 28, 96, 84),)


def test_a_turned_photograph_is_measured_as_it_is_read(tmp_path: Path) -> None:
    _write(tmp_path)
    exif = PIL.Image.Exif()
    exif[274] = 6
    path = tmp_path / "images/a.jpg"
    PIL.Image.fromarray(np.zeros((100, 200), np.uint8)).save(path, exif=exif)
    (tmp_path / "images/a.png").unlink()
    case = _open(tmp_path)["images/a.jpg"]
    film = case.open().radiographs[0]
    (box,) = case.reference.boxes or ()
    assert (film.rows, film.columns) == (200, 100)
    assert box == Box(25, 25, 75, 75)


def test_a_missing_and_an_empty_label_file_mean_normal(tmp_path: Path) -> None:
    cases = _open(_write(tmp_path, None))
    assert [case.reference.boxes for case in cases.values()] == [(), ()]
    assert not any(case.reference.fracture for case in cases.values())


def test_a_folder_of_images_without_any_label_file_is_unlabelled(tmp_path: Path) -> None:
    write_yolo(tmp_path)
    write_png(tmp_path / "images/test/9.png", 9)
    assert len(_open(tmp_path, "train")) == 4
    for split in ("all", "test"):
        with pytest.raises(DataError, match="not normal; got images/test; put the labels into"):
            _open(tmp_path, split)


def test_parts_may_stand_above(tmp_path: Path) -> None:
    for number, part in enumerate(("train", "valid")):
        write_png(tmp_path / part / "images/a.png", number)
        (tmp_path / part / "labels").mkdir()
        (tmp_path / part / "labels/a.txt").write_text(LINE)
    (tmp_path / "data.yaml").write_text(NAMES)
    assert {name: case.split for name, case in _open(tmp_path).items()} == {
        "train/images/a.png": "train",
        "valid/images/a.png": "valid",
    }
    assert set(_open(tmp_path, "val")) == {"valid/images/a.png"}
    with pytest.raises(DataError, match="known: all, train, valid"):
        _open(tmp_path, "test")


def test_boxes_of_metal_are_left_out(tmp_path: Path) -> None:
    assert not _open(_write(tmp_path, "1 .5 .5 .1 .1"))["images/a.png"].reference.fracture


def test_an_image_whose_size_cannot_be_read_has_unmarked_fractures(tmp_path: Path) -> None:
    _write(tmp_path)
    (tmp_path / "images/a.png").write_bytes(b"")
    reference = _open(tmp_path)["images/a.png"].reference
    assert (reference.fracture, reference.boxes) == (True, None)


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("0 .5 .5 .1", "labels/a.txt, line 1: 4 values"),
        (LINE + "\n\n0 .5 .5 .1 .1 .9", "labels/a.txt, line 3: 6 values"),
        ("7 .5 .5 .1 .1", "line 1: the class must be a number from 0 to 1"),
        ("-1 .5 .5 .1 .1", "line 1: the class must be a number"),
        ("0.0 .5 .5 .1 .1", "line 1: the class must be a number"),
        ("0 .5 .5 .1 x", "line 1: a value that is no share"),
        ("0 .5 .5 nan .1", "line 1: a value that is no share"),
        ("0 250 130 40 40", "line 1: a value that is no share"),
        ("0 .5 .5 0 .1", "line 1: a box or outline without an area"),
        ("0 .5 .5 .5 .6 .5 .7", "line 1: a box or outline without an area"),
        ("<html>", "line 1: 1 values"),
    ],
)
def test_a_malformed_line_is_told_by_file_and_line(
    tmp_path: Path, label: str, message: str
) -> None:
    with pytest.raises(DataError) as caught:
        _open(_write(tmp_path, label))
    assert message in str(caught.value)


def test_a_label_of_no_image_a_link_and_bytes_that_are_no_text(tmp_path: Path) -> None:
    root = _write(tmp_path / "data")
    (root / "labels/z.txt").write_text(LINE)
    (root / "labels/classes.txt").write_text("fracture")
    (tmp_path / "secret.txt").write_text("secret")
    (root / "labels/b.txt").unlink()
    (root / "labels/b.txt").symlink_to(tmp_path / "secret.txt")
    (root / "labels/a.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError) as caught:
        _open(root)
    message = str(caught.value)
    assert "labels/z.txt: belongs to no image" in message
    assert "labels/b.txt: is a link that leads out" in message
    assert "labels/a.txt: a.txt is no text in UTF-8" in message
    assert "secret" not in message


@pytest.mark.parametrize(
    "text",
    [
        "names: [fracture, 'two words', \"it's\"]\n",
        "names: ['fracture', two words, 'it''s']   # three\nnc: 3\n",
        "# a comment\ntrain: ../train/images\nnames:\n- fracture\n- two words\n- it's\nval: x\n",
        "names:\n  - fracture  # one\n  - 'two words'\n\n  - \"it's\"\n",
        "names:\n  0: fracture\n  1: two words\n  2: it's\n",
        "nc: 3\nnames: {0: fracture, 1: 'two words', 2: \"it's\"}\n",
        'names: [\n  fracture,\n  two words,\n  "it\'s",\n]\n',
        'roboflow:\n  names: [no]\nnames: [fracture, two words, "it\'s"]\n',
    ],
)
def test_the_ways_class_names_are_written(tmp_path: Path, text: str) -> None:
    (tmp_path / "data.yaml").write_text(text)
    assert read_class_names(tmp_path / "data.yaml") == ("fracture", "two words", "it's")


@pytest.mark.parametrize(
    "text",
    [
        'names: [fracture, two words, "it\'s"]\n',
        "names:\n- fracture\n- two words\n- it's\n",
        "names:\n  0: fracture\n  1: two words # x\n  2: 'a # b'\n",
    ],
)
def test_they_are_read_as_a_yaml_library_reads_them(tmp_path: Path, text: str) -> None:
    yaml = pytest.importorskip("yaml")
    names = yaml.safe_load(text)["names"]
    (tmp_path / "data.yaml").write_text(text)
    wanted = list(names.values()) if isinstance(names, dict) else names
    assert list(read_class_names(tmp_path / "data.yaml")) == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nc: 1\n", "no key names"),
        ("names: fracture\n", "not numbered"),
        ("names:\n", "no value for names"),
        ("names: []\n", "holds no class name"),
        ("names: [fracture\n", "a list that is not closed"),
        ("names: [[fracture], x]\n", "not written plainly"),
        ("names: &a [fracture]\n", "not numbered"),
        ("names: [*a, x]\n", "not written plainly"),
        ("names: [!!python/object:os.system x]\n", "not written plainly"),
        ("names:\n  1: fracture\n  2: metal\n", "not numbered"),
        ("names:\n  0: fracture\n  0: metal\n", "not numbered"),
        ("names: [fracture]\nnames: [metal]\n", "the key names twice"),
        ("nc: 2\nnames: [fracture]\n", "another number in nc"),
    ],
)
def test_class_names_that_are_not_plain_are_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        _open(_write(tmp_path, names=text))


def test_class_numbers_without_names_mean_nothing(tmp_path: Path) -> None:
    _write(tmp_path)
    (tmp_path / "data.yaml").unlink()
    with pytest.raises(DataError, match="what the class numbers of the YOLO labels mean"):
        _open(tmp_path)
    (tmp_path / "labels/classes.txt").write_text("fracture\nmetal\n")
    assert _open(tmp_path)["images/a.png"].reference.fracture
    (tmp_path / "labels/classes.txt").write_text("distal radius\nmetal\n")
    with pytest.raises(DataError, match="the name of class 0 does not say"):
        _open(tmp_path)


def test_folders_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no images/ and labels/"):
        _open(tmp_path)
    write_yolo(tmp_path)
    write_png(tmp_path / "images/stray.png", 0)
    with pytest.raises(DataError, match=r"outside the parts of the data set; got stray\.png"):
        _open(tmp_path)
