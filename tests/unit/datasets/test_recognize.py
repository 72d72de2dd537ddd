"""A folder is recognized by its layout alone, a known release first, and never by a guess."""

from pathlib import Path

import pytest

from fracturax.core.errors import DataError, UnknownNameError
from fracturax.datasets import DATASETS, dataset_at, open_dataset, recognize
from tiny_layouts import write_csv, write_folder, write_png
from tiny_release import write_release


def test_nothing_fits_and_every_layout_that_was_looked_for_is_said(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", 0)
    with pytest.raises(DataError, match="no known layout fits") as caught:
        recognize(tmp_path)
    assert all(f"  {name}: " in str(caught.value) for name in DATASETS)
    with pytest.raises(DataError, match="no such folder"):
        recognize(tmp_path / "nowhere")


def test_two_that_fit_are_named(tmp_path: Path) -> None:
    write_csv(tmp_path)
    write_png(tmp_path / "fractured/a.png", 0)
    with pytest.raises(DataError, match="several data sets; got folder, csv"):
        open_dataset("auto", root=tmp_path)


def test_a_known_release_comes_before_a_layout(tmp_path: Path) -> None:
    write_release(tmp_path, films=20)
    (tmp_path / "films.csv").write_text("image,fracture\nimages/Fractured/IMG0000000.jpg,1\n")
    assert recognize(tmp_path) == "fracatlas"


def test_a_table_or_annotation_file_may_stand_for_its_folder(tmp_path: Path) -> None:
    write_csv(tmp_path)
    assert recognize(tmp_path / "films.csv") == "csv"


def test_a_name_is_kept_and_a_wrong_one_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path)
    assert dataset_at(tmp_path, name="csv") == "csv"
    assert dataset_at(tmp_path) == "folder"
    with pytest.raises(UnknownNameError, match="did you mean 'folder'"):
        dataset_at(tmp_path, name="folders")


@pytest.mark.parametrize("name", ["auto", "folder", "csv", "coco", "yolo"])
def test_a_folder_that_cannot_be_listed_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    write_folder(tmp_path)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "denied", "SECRET")

    monkeypatch.setattr(Path, "iterdir", refuse)
    monkeypatch.setattr(Path, "glob", refuse)
    with pytest.raises(DataError, match="cannot be read; got PermissionError") as caught:
        open_dataset(name, root=tmp_path)
    assert "SECRET" not in str(caught.value)


def test_a_damaged_json_does_not_stop_recognition(tmp_path: Path) -> None:
    write_folder(tmp_path)
    (tmp_path / "notes.json").write_bytes(b"\xff\xfe{")
    assert recognize(tmp_path) == "folder"
