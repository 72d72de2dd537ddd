"""A passport says who stands where, and cannot be changed unseen."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fracturax.core.case import Case, Reference
from fracturax.core.errors import DataError, LeakageError
from fracturax.datasets.passport import Split, check_no_leak, film_hash, torn_pairs

SPLIT = Split("by hand", 3, {"a": 0, "b": 1, "c": 0}, hashes={"a": "00", "b": "11", "c": "22"})


def test_a_passport_travels_byte_for_byte(tmp_path: Path) -> None:
    SPLIT.write(tmp_path / "one.json")
    again = Split.read(tmp_path / "one.json")
    assert again == SPLIT
    again.write(tmp_path / "other.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "other.json").read_bytes()


def test_the_hash_is_known() -> None:
    # Written down: another machine, or another version, has to come to the same.
    assert SPLIT.sha256 == "76d12313953160735b6a0cfdc766d1ce12009a9c42a381986e841f874e4737b8"


def test_the_hash_covers_members_rule_seed_and_films() -> None:
    others = [
        replace(SPLIT, rule="otherwise"),
        replace(SPLIT, seed=4),
        replace(SPLIT, fold_of={"a": 0, "b": 1, "c": 1}),
        replace(SPLIT, hashes={"a": "00", "b": "11", "c": "33"}),
        replace(SPLIT, parts=("train", "test")),
    ]
    assert len({SPLIT.sha256, *(one.sha256 for one in others)}) == 6


def test_a_changed_passport_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    SPLIT.write(path)
    path.write_text(path.read_text().replace('"b": 1', '"b": 0'))
    with pytest.raises(DataError, match="was changed after it was made"):
        Split.read(path)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "null", "[" * 100_000, '{"rule": "a", "seed": 0, "fold_of": 3}', "\x00"],
)
def test_what_is_no_passport_is_said_to_be_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "split.json").write_text(text)
    with pytest.raises(DataError, match="is no passport"):
        Split.read(tmp_path / "split.json")


def test_a_missing_passport_is_an_error_without_a_path(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such passport"):
        Split.read(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("hashes", "words"),
    [
        ({"a": "00", "b": "11"}, "c is not there"),
        ({"a": "00", "b": "11", "c": "22", "d": "33"}, "d is in no part"),
        ({"a": "00", "b": "12", "c": "22"}, "b has other pixels"),
    ],
)
def test_other_films_than_the_split_s_are_named(hashes: dict[str, str], words: str) -> None:
    SPLIT.check_films({"a": "00", "b": "11", "c": "22"})
    with pytest.raises(DataError, match=words):
        SPLIT.check_films(hashes)


def test_a_torn_group_is_a_leak() -> None:
    check_no_leak(SPLIT, {"a": 0, "b": 1, "c": 0})
    with pytest.raises(LeakageError, match="a in fold 0, b in fold 1"):
        check_no_leak(SPLIT, {"a": 0, "b": 0, "c": 1})
    assert list(torn_pairs(SPLIT, {"a": 0, "b": 0, "c": 0})) == [("a", "b")]


def test_the_hash_of_a_case_is_that_of_its_files(tmp_path: Path) -> None:
    def never() -> None:
        raise AssertionError

    def case(path: Path | None) -> Case:
        return Case("a", Reference(False), "k", never, path=path)  # type: ignore[arg-type]

    film = tmp_path / "study" / "film.png"
    film.parent.mkdir()
    film.write_bytes(b"one")
    first, folder = film_hash(case(film)), film_hash(case(film.parent))
    assert first == "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
    film.write_bytes(b"two")
    assert film_hash(case(film)) != first
    assert film_hash(case(film.parent)) != folder
    assert film_hash(case(None)) is None


def test_a_passport_holds_no_more_than_it_says(tmp_path: Path) -> None:
    SPLIT.write(tmp_path / "split.json")
    document = json.loads((tmp_path / "split.json").read_text())
    keys = {"format", "rule", "seed", "parts", "fold_of", "hashes", "sha256", "made_with"}
    assert set(document) == keys
