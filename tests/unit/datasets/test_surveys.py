"""Each layout is read to its end, whatever its loader would stop at."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tiny_layouts
from fracturax.core.errors import DataError
from fracturax.datasets import DATASETS, open_dataset, survey_dataset
from fracturax.datasets.survey import Outline, Survey, SurveyedFilm, file_conflicts

LAYOUTS = ("fracatlas", "folder", "csv", "coco", "yolo", "dicom")


def _write(layout: str, root: Path) -> Path:
    root.mkdir()
    getattr(tiny_layouts, f"write_{layout}")(root)
    return root


def _kinds(survey: Survey) -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = {}
    for one in survey.conflicts:
        kinds.setdefault(one.kind, []).append(one.name)
    return kinds


def test_every_layout_of_films_is_surveyed_here() -> None:
    assert set(LAYOUTS) == {name for name, entry in DATASETS.items() if entry.modality == "film"}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_survey_of_sound_data_says_what_the_loader_says(layout: str, tmp_path: Path) -> None:
    root = _write(layout, tmp_path / layout)
    cases = open_dataset(layout, root=root, salt=tiny_layouts.SALT)
    survey = survey_dataset("auto", root=root)
    assert survey.dataset == layout
    assert survey.conflicts == ()
    films = {film.name: film for film in survey.films}
    assert {name: film.label for name, film in films.items()} == {
        case.name: case.reference.fracture for case in cases
    }
    for case in cases:
        film = films[case.name]
        assert case.path is not None
        if case.path.is_file():
            assert root / film.file == case.path
        marked = {outline.box for outline in film.outlines}
        assert marked == {box.as_tuple() for box in case.reference.boxes or ()}
        sides = {side for split in survey.splits.values() for side in split.get(case.name, ())}
        assert sides == ({case.split} if case.split else set())


@pytest.mark.parametrize("layout", ["csv", "dicom"])
def test_patients_are_told_apart_without_naming_them(layout: str, tmp_path: Path) -> None:
    root = _write(layout, tmp_path / layout)
    survey = survey_dataset(layout, root=root)
    cases = open_dataset(layout, root=root, salt=tiny_layouts.SALT)
    key_of = {case.name: case.patient_key for case in cases}
    groups: dict[str, set[str | None]] = {}
    for film in survey.films:
        groups.setdefault(key_of[film.name], set()).add(film.patient)
    assert survey.knows_patients
    assert all(len(keys) == 1 for keys in groups.values())
    assert len({key for keys in groups.values() for key in keys}) == len(groups)
    assert "SECRET" not in repr(survey)


def _stray(root: Path) -> None:
    tiny_layouts.write_png(root / "stray.png", 1)


def _edit_csv(edit: Callable[[list[dict[str, str]]], None]) -> Callable[[Path], None]:
    def damage(root: Path) -> None:
        (path,) = root.glob("*.csv")
        with path.open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        edit(rows)
        tiny_layouts.write_rows(path, rows)  # type: ignore[arg-type]

    return damage


def _edit_coco(edit: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def damage(root: Path) -> None:
        path = next(path for path in sorted(root.rglob("*.json")) if "train" in str(path))
        document = json.loads(path.read_text())
        edit(document)
        path.write_text(json.dumps(document))

    return damage


def _append_label(line: str) -> Callable[[Path], None]:
    def damage(root: Path) -> None:
        path = sorted((root / "labels").rglob("*.txt"))[0]
        path.write_text(f"{path.read_text()}\n{line}\n")

    return damage


DAMAGES: list[tuple[str, Callable[[Path], None], str]] = [
    ("folder", _stray, "present_but_not_listed"),
    ("csv", _stray, "present_but_not_listed"),
    ("coco", _stray, "present_but_not_listed"),
    ("yolo", _stray, "present_but_not_listed"),
    (
        "folder",
        lambda root: shutil.move(
            next((root / "train" / "Fractured").iterdir()),
            tiny_layouts.write_png(root / "train/Fractured/normal/9.png", 9),
        ),
        "table_against_itself",
    ),
    ("csv", _edit_csv(lambda rows: rows[0].update(image="films/none.png")), "listed_but_absent"),
    ("csv", _edit_csv(lambda rows: rows[0].update(image="../out.png")), "row_cannot_be_read"),
    ("csv", _edit_csv(lambda rows: rows[0].update(fracture="perhaps")), "row_cannot_be_read"),
    ("csv", _edit_csv(lambda rows: rows[0].update(region="tail")), "row_cannot_be_read"),
    ("csv", _edit_csv(lambda rows: rows.append({**rows[1]})), "listed_twice"),
    (
        "csv",
        _edit_csv(lambda rows: rows.append({**rows[1], "fracture": "1"})),
        "table_against_itself",
    ),
    ("csv", _edit_csv(lambda rows: rows[0].update(fracture="0")), "table_against_annotation"),
    ("csv", _edit_csv(lambda rows: rows[0].update(row_max=rows[0]["row_min"])), "box_empty"),
    ("csv", lambda root: next(root.glob("*.csv")).write_bytes(b"\xff"), "tables_cannot_be_read"),
    (
        "coco",
        _edit_coco(lambda document: document["images"][0].update(file_name="none.png")),
        "listed_but_absent",
    ),
    (
        "coco",
        _edit_coco(lambda document: document["annotations"][0].update(image_id=999)),
        "unknown_in_annotations",
    ),
    (
        "coco",
        _edit_coco(lambda document: document["annotations"][0].update(bbox=[1, 2, 0, 4])),
        "box_empty",
    ),
    (
        "coco",
        _edit_coco(lambda document: document["annotations"][0].update(bbox="wide")),
        "row_cannot_be_read",
    ),
    (
        "coco",
        _edit_coco(
            lambda document: document["images"].append({**document["images"][0], "id": 999})
        ),
        "listed_twice",
    ),
    ("coco", _edit_coco(lambda document: document.pop("annotations")), "tables_cannot_be_read"),
    ("yolo", _append_label("0 0.5 0.5 0.2"), "row_cannot_be_read"),
    ("yolo", _append_label("9 0.5 0.5 0.2 0.2"), "row_cannot_be_read"),
    ("yolo", _append_label("0 0.5 nan 0.2 0.2"), "row_cannot_be_read"),
    ("yolo", _append_label("1 0.5 0.5 0.0 0.2"), "box_empty"),
    (
        "yolo",
        lambda root: next(iter(sorted((root / "images").rglob("*.png")))).unlink(),
        "unknown_in_annotations",
    ),
]


@pytest.mark.parametrize(("layout", "damage", "kind"), DAMAGES)
def test_a_defect_is_noted_once_and_the_other_films_are_read(
    layout: str, damage: Callable[[Path], None], kind: str, tmp_path: Path
) -> None:
    root = _write(layout, tmp_path / layout)
    before = survey_dataset(layout, root=root)
    damage(root)
    survey = survey_dataset(layout, root=root)
    kinds = _kinds(survey)
    assert len(kinds.pop(kind)) == 1
    # A film or row that became unknown leaves a file that nothing lists.
    assert set(kinds) <= {"present_but_not_listed", "listed_but_absent"}
    if kind != "tables_cannot_be_read":
        assert len([film for film in survey.films if film.label is not None]) >= 4
    assert {film.file for film in before.films} & {film.file for film in survey.films}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_whose_loader_refuses_is_audited_all_the_same(layout: str, tmp_path: Path) -> None:
    root = _write(layout, tmp_path / layout)
    tables = [path for path in root.rglob("*") if path.suffix in (".csv", ".json", ".yaml")]
    for path in tables:
        path.write_bytes(b'\0\xff\xfe"')
    if not tables:
        (root / "train").rename(root / "training set")
    with pytest.raises(DataError):
        open_dataset(layout, root=root, salt=tiny_layouts.SALT)
    survey = survey_dataset(layout, root=root)
    assert survey.conflicts
    assert {film.file for film in survey.films if film.file}


def _write_formats(root: Path) -> dict[str, tuple[float, ...]]:
    """Write the other formats as the release has them, all in accord with COCO."""
    document = json.loads(
        (root / "Annotations/COCO JSON/COCO_fracture_masks.json").read_text(encoding="utf-8")
    )
    images = {image["id"]: image for image in document["images"]}
    boxes, vgg = {}, {}
    for folder in ("PASCAL VOC", "YOLO", "VGG JSON"):
        (root / "Annotations" / folder).mkdir()
    for annotation in document["annotations"]:
        image = images[annotation["image_id"]]
        left, top, width, height = annotation["bbox"]
        stem = Path(image["file_name"]).stem
        boxes[stem] = (top, left, top + height, left + width)
        sides = {"xmin": left, "ymin": top, "xmax": left + width, "ymax": top + height}
        marks = "".join(f"<{name}>{round(value)}</{name}>" for name, value in sides.items())
        (root / f"Annotations/PASCAL VOC/{stem}.xml").write_text(
            f"<annotation><object><bndbox>{marks}</bndbox></object></annotation>"
        )
        shares = (
            *((left + width / 2) / image["width"], (top + height / 2) / image["height"]),
            *(width / image["width"], height / image["height"]),
        )
        (root / f"Annotations/YOLO/{stem}.txt").write_text(
            "0 " + " ".join(f"{share:.6f}" for share in shares) + "\n"
        )
        vgg[f"{stem}.jpg-1"] = {"filename": f"{stem}.jpg", "regions": [{}]}
    (root / "Annotations/VGG JSON/VGG.json").write_text(json.dumps(vgg))
    return boxes


def test_the_other_formats_of_fracatlas_are_compared_with_the_first(tmp_path: Path) -> None:
    root = _write("fracatlas", tmp_path / "release")
    boxes = _write_formats(root)
    assert survey_dataset("fracatlas", root=root).conflicts == ()
    first, second, third, fourth = sorted(boxes)[:4]
    voc, yolo = root / "Annotations/PASCAL VOC", root / "Annotations/YOLO"
    text = (voc / f"{first}.xml").read_text()
    (voc / f"{first}.xml").write_text(text.replace("<xmin>", "<xmin>9"))
    (yolo / f"{second}.txt").write_text("")
    (yolo / f"{third}.txt").write_text("0 0.5 0.5\n")
    (yolo / "IMG0000001.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    vgg = root / "Annotations/VGG JSON/VGG.json"
    entries = json.loads(vgg.read_text())
    entries[f"{fourth}.jpg-1"]["regions"] = []
    vgg.write_text(json.dumps(entries))
    (yolo / "classes.txt").write_text("fractured\n")
    survey = survey_dataset("fracatlas", root=root)
    assert _kinds(survey) == {
        "annotations_differ": [first, "IMG0000001", second, fourth],
        "row_cannot_be_read": [f"YOLO, {third}.txt"],
    }
    words = {one.name: one.words for one in survey.conflicts}
    assert "px apart" in words[first]
    assert words[second] == "COCO and YOLO differ: 1 and 0 fractures"
    assert words[fourth] == "COCO and VGG differ: 1 and 0 fractures"


def test_a_box_is_outside_from_the_second_pixel_on() -> None:
    film = SurveyedFilm("a", "a.png", outlines=(Outline((0, 0, 41, 40.9)), Outline((0, -9, 5, 5))))
    assert [one.words for one in file_conflicts(film, 40, 40)] == [
        "box 2 reaches 9 px outside the film of 40 x 40 px"
    ]


def test_a_turned_film_is_said_to_be_turned() -> None:
    film = SurveyedFilm("a", "a.png", annotated_size=(30, 40))
    assert "it is turned" in file_conflicts(film, 40, 30)[0].words
    assert file_conflicts(film, 30, 40) == []
