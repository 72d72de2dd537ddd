"""Folder per class: the folder's name is the label, and nothing is guessed from another name."""

from pathlib import Path

import pytest

from fracturax.core.errors import DataError
from fracturax.datasets import open_dataset
from tiny_layouts import write_png


def _open(root: Path, split: str = "all"):
    return {case.name: case for case in open_dataset("folder", root=root, split=split)}


def _films(root: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        write_png(root / name, number)
    return root


@pytest.mark.parametrize(
    ("positive", "negative"),
    [
        ("fractured", "normal"),
        ("Fracture", "No_Fracture"),
        ("positive", "negative"),
        ("1", "0"),
        ("Fractured", "non-fractured"),
        ("fractured", "not fractured"),
    ],
)
def test_known_words_are_labels(tmp_path: Path, positive: str, negative: str) -> None:
    cases = _open(_films(tmp_path, f"{positive}/a.png", f"{negative}/deep/er/a.png"))
    assert {name: case.reference.fracture for name, case in cases.items()} == {
        f"{positive}/a.png": True,
        f"{negative}/deep/er/a.png": False,
    }


def test_parts_stand_above_the_classes(tmp_path: Path) -> None:
    _films(tmp_path, "train/1/a.png", "train/0/b.png", "val/1/c.png", "Test/0/d.png")
    assert {name: case.split for name, case in _open(tmp_path).items()} == {
        "train/1/a.png": "train",
        "train/0/b.png": "train",
        "val/1/c.png": "valid",
        "Test/0/d.png": "test",
    }
    assert set(_open(tmp_path, "validation")) == {"val/1/c.png"}


def test_files_that_are_no_images_and_hidden_ones_do_not_count(tmp_path: Path) -> None:
    _films(tmp_path, "1/a.png", "0/b.png", ".cache/x/c.png", "1/.thumb.png")
    (tmp_path / "1" / "notes.txt").write_text("x")
    (tmp_path / "README.md").write_text("x")
    (tmp_path / "papers").mkdir()
    assert set(_open(tmp_path)) == {"1/a.png", "0/b.png"}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("1/a.png", "scaphoid/b.png"), "no class that is known; got scaphoid; rename it: 1,"),
        (("1/a.png", "b.png"), "an image without a label is not normal; got b.png"),
        (("train/1/a.png", "b.png"), "outside the parts of the data set; got b.png"),
        (("train/1/a.png", "1/b.png"), "outside the parts of the data set; got 1"),
        (("val/1/a.png", "valid/1/b.png"), "are the same part of the data set; got val and valid"),
        (("1/normal/a.png", "0/b.png"), "a folder of one class lies in a folder of the other"),
        (("train/a.png",), "no folder with the name of a class"),
        ((), "no folder with the name of a class"),
    ],
)  # fmt: skip
def test_a_layout_that_is_not_clear_is_a_sentence(
    tmp_path: Path, names: tuple[str, ...], message: str
) -> None:
    with pytest.raises(DataError) as caught:
        _open(_films(tmp_path, *names))
    assert message in str(caught.value)


def test_links_bring_nothing_in(tmp_path: Path) -> None:
    root = tmp_path / "data"
    outside = write_png(tmp_path / "else/x.png", 0)
    _films(root, "1/a.png", "0/b.png")
    for target, message in (
        (outside, "leads out"),
        (outside.parent, "leads out"),
        (root / "0", "is a link"),
        (root / "nowhere.png", "leads to nothing"),
    ):
        link = root / "1" / "link.png"
        link.symlink_to(target)
        with pytest.raises(DataError, match=message):
            _open(root)
        link.unlink()


def test_empty_classes_hold_no_image(tmp_path: Path) -> None:
    (tmp_path / "fractured").mkdir()
    with pytest.raises(DataError, match="no labelled image"):
        _open(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        _open(tmp_path / "nowhere")
