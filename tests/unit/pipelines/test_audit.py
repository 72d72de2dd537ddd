"""An audit finds what was planted, all of it, and nothing else."""

import csv
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fracturax as fx
from fracturax.core.audit import Audit
from fracturax.core.errors import ConfigError, DataError
from fracturax.datasets import open_dataset
from fracturax.pipelines import examination
from fracturax.pipelines.audit import audit, write_audit, write_clean_list
from planted_release import (
    CONFLICTS,
    CONTRARY,
    COPY,
    GREY_TAIL,
    TRUNCATED,
    UNREADABLE,
    name_of,
    path_of,
    write_planted,
)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_planted(tmp_path_factory.mktemp("planted") / "release")


@pytest.fixture(scope="module")
def found(planted: Path) -> Audit:
    return audit(planted, workers=1)


def _file(root: Path, number: int) -> str:
    return path_of(root, number).relative_to(root).as_posix()


def test_the_loader_refuses_what_the_audit_reads(planted: Path, found: Audit) -> None:
    with pytest.raises(DataError):
        open_dataset("fracatlas", root=planted)
    assert found.dataset == "fracatlas"
    assert found.counts.listed == 160


def test_truncated_and_unreadable_files_are_told_apart(found: Audit) -> None:
    assert {one.name for one in found.truncated} == {name_of(n) for n in TRUNCATED | GREY_TAIL}
    assert {one.name for one in found.unreadable} == {name_of(number) for number in UNREADABLE}
    assert all(one.reason for one in (*found.truncated, *found.unreadable))


def test_copies_are_found_and_contrary_labels_with_them(planted: Path, found: Audit) -> None:
    groups = {frozenset(group.files): group for group in found.copies}
    contrary, same = (
        frozenset(_file(planted, number) for number in pair) for pair in (CONTRARY, COPY)
    )
    stored_twice = frozenset({_file(planted, 63), "images/IMG0000063.jpg"})
    assert set(groups) == {contrary, same, stored_twice}
    assert groups[contrary].pairs[0].kind == "exact"
    assert groups[same].pairs[0].kind == "near"
    (conflict,) = found.label_conflicts
    assert conflict.fractured == (_file(planted, CONTRARY[0]),)
    assert conflict.not_fractured == (_file(planted, CONTRARY[1]),)


@pytest.mark.parametrize("kind", CONFLICTS)
def test_every_planted_contradiction_is_told_of_its_film_alone(found: Audit, kind: str) -> None:
    told = {one.name for one in found.table_conflicts if one.kind == kind}
    assert told == CONFLICTS[kind]


def test_no_contradiction_is_made_up(found: Audit) -> None:
    assert {one.kind for one in found.table_conflicts} == CONFLICTS.keys()


def test_the_planted_shortcut_is_named_with_its_rule_and_an_innocent_trait_is_not(
    found: Audit,
) -> None:
    shortcuts = {one.trait: one for one in found.shortcuts}
    for trait in ("quality", "quantization", "acquisition_group", "together"):
        assert shortcuts[trait].verdict == "shortcut", trait
        assert shortcuts[trait].auroc > 0.95
        assert shortcuts[trait].low <= shortcuts[trait].auroc <= shortcuts[trait].high
    assert re.search(
        r"JPEG quality .*: \d+ % of \d+ films are fractured", shortcuts["quality"].rule
    )
    # One fractured film, the copy, has a quality of its own.
    assert abs(shortcuts["quality"].rule_share - shortcuts["quality"].other_share) > 0.95
    assert shortcuts["padding"].verdict == "harmless"
    assert shortcuts["padding"].low < 0.5 < shortcuts["padding"].high + 0.1


def test_leaks_across_the_split_of_the_release(planted: Path, found: Audit) -> None:
    leaks = {(one.kind, one.one, one.other) for one in found.leaks}
    twice = _file(planted, 62)
    copies = tuple(_file(planted, number) for number in COPY)
    assert {("film", twice, twice), ("copy", *copies)} == {
        leak for leak in leaks if leak[0] != "neighbour"
    }


def test_leaks_across_a_split_that_is_given(planted: Path, tmp_path: Path) -> None:
    fold_of = {name_of(number): 0 for number in range(160)}
    fold_of |= {name_of(CONTRARY[1]): 1, name_of(100): 1, "a stranger": 0}
    split = tmp_path / "mine.json"
    split.write_text(json.dumps({"fold_of": fold_of}))
    found = audit(planted, split=split, workers=1)
    mine = [one for one in found.leaks if one.split == "mine.json"]
    assert ("copy", "fold 0", "fold 1") in {
        (one.kind, one.one_side, one.other_side) for one in mine
    }
    neighbours = {
        (one.one, one.other)
        for one in mine
        if one.kind == "neighbour" and "100" in one.one + one.other
    }
    files = [_file(planted, number) for number in (99, 100, 101)]
    assert neighbours == {(files[0], files[1]), (files[1], files[2])}
    strangers = [one for one in found.table_conflicts if one.name == "a stranger"]
    assert [one.kind for one in strangers] == ["unknown_in_split"]


@pytest.mark.parametrize("text", ["{", "[]", '{"fold_of": 3}', '{"folds": {}}'])
def test_a_split_that_is_none_is_refused_before_a_film_is_read(
    planted: Path, tmp_path: Path, text: str
) -> None:
    split = tmp_path / "mine.json"
    split.write_text(text)
    with pytest.raises(ConfigError, match="fold_of"):
        audit(planted, split=split)


def test_balance_counts_films_and_fractures(found: Audit) -> None:
    region = next(one for one in found.balance if one.name == "region")
    assert {row.value for row in region.rows} == {"hand", "leg", "hip", "shoulder"}
    for row in region.rows:
        assert row.low <= row.share == row.fractured / row.films <= row.high
    kept = sum(row.films for row in region.rows)
    assert kept <= found.counts.read


def test_the_clean_list_keeps_one_copy_and_nothing_doubtful(
    planted: Path, found: Audit, tmp_path: Path
) -> None:
    path = tmp_path / "clean.csv"
    before = {file: file.read_bytes() for file in planted.rglob("*") if file.is_file()}
    write_clean_list(found, path)
    with path.open(newline="") as stream:
        rows = {row["name"]: row for row in csv.DictReader(stream)}
    assert list(next(iter(rows.values()))) == ["name", "keep", "reason"]
    dropped = {name: row["reason"] for name, row in rows.items() if row["keep"] == "0"}
    expected = {
        *(name_of(number) for number in TRUNCATED | GREY_TAIL | UNREADABLE),
        *(name_of(number) for number in CONTRARY),
        *(name_of(number) for number in (COPY[1], 41, 43, 45)),
        "IMG0009999",
    }
    assert set(dropped) == expected
    assert dropped[name_of(COPY[1])] == f"copy of {name_of(COPY[0])}"
    assert "contrary labels" in dropped[name_of(CONTRARY[0])]
    assert "dataset.csv says fractured, the folder says not fractured" in dropped[name_of(41)]
    assert "no file" in dropped[name_of(45)]
    assert all(row["reason"] == "" for row in rows.values() if row["keep"] == "1")
    assert {file: file.read_bytes() for file in before} == before


def test_the_clean_list_as_json_says_the_same(found: Audit, tmp_path: Path) -> None:
    write_clean_list(found, tmp_path / "clean.json")
    rows = json.loads((tmp_path / "clean.json").read_text())
    assert len(rows) == len(found.clean)
    assert {row["keep"] for row in rows} == {True, False}
    with pytest.raises(ConfigError, match=r"\.csv or \.json"):
        write_clean_list(found, tmp_path / "clean.txt")


def test_the_document_holds_the_eight_lists_and_no_number_that_is_none(found: Audit) -> None:
    document = json.loads(json.dumps(found.as_document(), allow_nan=False))
    for name in (
        *("truncated", "unreadable", "copies", "label_conflicts"),
        *("table_conflicts", "shortcuts", "balance", "leaks"),
    ):
        assert isinstance(document[name], list)
        assert document[name], name
    assert document["fracturax"] == fx.__version__
    assert document["dataset"] == "fracatlas"
    assert document["notice"].startswith("Research use only")


def test_the_page_shows_the_pictures_and_leads_to_every_finding(
    planted: Path, found: Audit, tmp_path: Path
) -> None:
    page = write_audit(found, root=planted, out=tmp_path / "out").read_text(encoding="utf-8")
    assert f"{found.findings} things to mend before you train" in page
    assert page.count("data:image/jpeg;base64,") >= 10
    anchors = set(re.findall(r' id="([^"]+)"', page))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= anchors
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    links = re.findall(r'(?:src|href)="([^"#][^"]*)"', page)
    assert all(link.startswith("data:image/") for link in links)
    assert "<script" not in page
    assert json.loads((tmp_path / "out" / "audit.json").read_text(encoding="utf-8"))


def _write_folder(root: Path, films: int = 6) -> Path:
    generator = np.random.default_rng(5)
    for number in range(films):
        folder = root / ("fractured" if number % 2 else "normal")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = generator.integers(0, 255, (40, 30), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return root


def test_hostile_names_are_shown_as_text(tmp_path: Path) -> None:
    root = _write_folder(tmp_path / "films")
    evil = "a<img src=x onerror=alert(1)>&\"'.png"
    shutil.copy(root / "normal/0.png", root / "fractured" / evil)
    (root / "normal" / "b<script>.png").write_bytes(b"")
    found = audit(root)
    assert len(found.label_conflicts) == len(found.unreadable) == 1
    page = write_audit(found, root=root, out=tmp_path / "out").read_text(encoding="utf-8")
    assert "<img src=x" not in page
    assert "<script>" not in page
    assert "b&lt;script&gt;.png" in page


def test_too_few_films_are_said_and_not_guessed_at(tmp_path: Path) -> None:
    found = audit(_write_folder(tmp_path / "films"))
    assert found.shortcuts == ()
    assert "20 independent films" in found.notes[0]
    assert found.findings == 0


def test_a_data_set_without_a_layout_or_an_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        audit(tmp_path)
    with pytest.raises(DataError):
        audit(tmp_path / "nowhere")
    (tmp_path / "fractured").mkdir()
    (tmp_path / "normal").mkdir()
    with pytest.raises(DataError, match="no image"):
        audit(tmp_path)


@pytest.fixture
def in_two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "_FEW", 0)
    monkeypatch.setattr(examination, "_CHUNK", 2)


@pytest.mark.usefixtures("in_two_processes")
def test_two_processes_find_the_same(tmp_path: Path) -> None:
    root = _write_folder(tmp_path / "films", 12)
    (root / "normal" / "0.png").write_bytes(b"damaged")
    assert audit(root, workers=2).as_document() == audit(root, workers=1).as_document()


@pytest.mark.usefixtures("in_two_processes")
@pytest.mark.skipif(os.name != "posix", reason="a fork carries the patched reader along")
def test_a_file_on_which_the_reader_dies_takes_no_other_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = examination.examine

    def dying(path: Path) -> object:
        if path.name == "7.png":
            os._exit(139)
        return real(path)

    monkeypatch.setattr(examination, "examine", dying)
    root = _write_folder(tmp_path / "films", 12)
    paths = sorted(root.rglob("*.png"))
    records = examination.examine_files(paths, workers=2)
    dead = [path.name for path, one in zip(paths, records, strict=True) if one.examined.damage]
    assert dead == ["7.png"]
