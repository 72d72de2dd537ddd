"""A clean list strikes off what it says, and says where it is wrong."""

from pathlib import Path

import pytest

from fracturax.core.errors import DataError
from fracturax.datasets.clean_list import read_clean_list
from fracturax.datasets.splits import DroppedCase


def test_both_forms_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('name,keep,reason\nf1,1,\nf2,0,"copy of f1, re-encoded"\n')
    (tmp_path / "a.json").write_text(
        '[{"name": "f1", "keep": true, "reason": ""},'
        ' {"name": "f2", "keep": false, "reason": "copy of f1, re-encoded"}]'
    )
    expected = (DroppedCase("f2", "copy of f1, re-encoded"),)
    assert read_clean_list(tmp_path / "a.csv") == expected
    assert read_clean_list(tmp_path / "a.json") == expected


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "name,keep\nf1,1\n", "no reason"),
        ("a.csv", "name,keep,reason\nf1,1,\nf2,maybe,\n", "entry 1"),
        ("a.json", '[{"name": "f1", "keep": true}]', "entry 0"),
        ("a.json", "{", "no clean list"),
        ("a.json", "[3]", "no clean list"),
        ("a.csv", "", "lacks columns"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=words):
        read_clean_list(tmp_path / name)


def test_a_missing_list_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_clean_list(tmp_path / "none.csv")
