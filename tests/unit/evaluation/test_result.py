"""An Evaluation keeps every digit, and finds its rows by name."""

from __future__ import annotations

import json

import pytest

from fracturax.core.errors import DataError, UnknownNameError
from fracturax.evaluation import Evaluation, Row

ROW = Row("auroc", 0.1 + 0.2, 1 / 3 - 0.1, 1 / 3, 10, "bootstrap")


def test_a_document_keeps_every_digit():
    document = json.loads(json.dumps(Evaluation((ROW,), notes=("seed 0",)).as_document()))
    assert document["notes"] == ["seed 0"]
    assert Row(**document["rows"][0]) == ROW


def test_rows_are_found_by_name():
    evaluation = Evaluation((ROW,))
    assert evaluation["auroc"] is ROW
    assert "auroc" in evaluation and "map50" not in evaluation
    with pytest.raises(UnknownNameError, match="did you mean 'auroc'"):
        evaluation["auro"]


def test_tables_show_every_row_and_note():
    count = Row("images", 12, None, None, 12, "count")
    evaluation = Evaluation((ROW, count), notes=("seed 0",))
    for table in (evaluation.as_text(), evaluation.as_markdown()):
        assert "0.3000" in table and "0.2333–0.3333" in table and "seed 0" in table
        assert "12.0" not in table


def test_impossible_rows_are_refused():
    with pytest.raises(DataError, match="no number"):
        Row("auroc", float("nan"), None, None, 1, "")
    with pytest.raises(DataError, match="both ends"):
        Row("auroc", 0.5, 0.4, None, 1, "")
    with pytest.raises(DataError, match="both ends"):
        Row("auroc", 0.5, 0.6, 0.4, 1, "")
    with pytest.raises(DataError, match="share a metric"):
        Evaluation((ROW, ROW))
