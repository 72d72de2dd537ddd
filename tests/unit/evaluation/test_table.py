"""The table of predictions says which row and column is wrong, and survives a file."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fracturax.core.errors import DataError
from fracturax.evaluation import COLUMNS, PredictionTable


def records(**changes):
    made = [
        {
            "case": f"c{row}",
            "image": "1",
            "patient_key": f"p{row // 2}",
            "reference": row % 2,
            "probability": 1 / (row + 3),
            "status": "doubt",
            "fold": row % 3,
            "model": "xray",
        }
        for row in range(6)
    ]
    made[4] |= {"probability": None, "status": "not_assessed"}
    made[2] |= changes
    return made


def test_a_table_comes_back_from_its_file_to_the_last_bit(tmp_path):
    table = PredictionTable.from_records(records())
    table.write_csv(tmp_path / "table.csv")
    again = PredictionTable.from_csv(tmp_path / "table.csv")
    for name in COLUMNS:
        one, other = getattr(table, name), getattr(again, name)
        assert one.dtype.kind == other.dtype.kind
        assert np.array_equal(one, other, equal_nan=name == "probability")
    assert again.is_assessed.tolist() == [True, True, True, True, False, True]
    assert again.fold.tolist() == ["0", "1", "2", "0", "1", "2"]


def test_keys_that_look_like_numbers_stay_text(tmp_path):
    frame = PredictionTable.from_records(records(patient_key="007", model="NA")).as_frame()
    frame.to_csv(tmp_path / "table.csv", index=False)
    table = PredictionTable.from_csv(tmp_path / "table.csv")
    assert (table.patient_key[2], table.model[2]) == ("007", "NA")


def test_all_kinds_of_missing_are_missing():
    for missing in (None, "", float("nan"), pd.NA):
        table = PredictionTable.from_records(records(probability=missing, status="not_assessed"))
        assert np.isnan(table.probability[2])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"probability": 1.2}, r"'probability' must lie in \[0, 1\]; got 1.2 in row 3"),
        ({"probability": "high"}, "'probability' must be a number .* got 'high' in row 3"),
        ({"probability": "nan"}, "'probability' must be a number .* got 'nan' in row 3"),
        ({"probability": None}, "'probability' must be empty where .* in row 3"),
        ({"status": "not_assessed"}, "'probability' must be empty where .* in row 3"),
        ({"reference": 2}, "'reference' must be 0 or 1; got 2 in row 3"),
        ({"reference": ""}, "'reference' must be 0 or 1; got '' in row 3"),
        ({"reference": None}, "'reference' must be 0 or 1; got None in row 3"),
        ({"status": "maybe"}, "'status' must be one of .* got 'maybe' in row 3"),
        ({"patient_key": ""}, "'patient_key' must not be empty; got '' in row 3"),
        ({"case": "c0"}, "name every image once; got the same image in rows 1 and 3"),
    ],
)
def test_what_is_wrong_is_named_with_row_and_column(changes, words):
    with pytest.raises(DataError, match=words):
        PredictionTable.from_records(records(**changes))


def test_a_table_needs_its_columns_rows_and_classes(tmp_path):
    frame = pd.DataFrame(records())
    with pytest.raises(DataError, match="lacks columns; got no fold, model"):
        PredictionTable.from_frame(frame.drop(columns=["fold", "model"]))
    with pytest.raises(DataError, match="at least 1"):
        PredictionTable.from_frame(frame.iloc[:0])
    with pytest.raises(DataError, match="must hold both classes; got 0 of 3"):
        PredictionTable.from_frame(frame[frame["reference"] == 0])
    with pytest.raises(DataError, match="no such table"):
        PredictionTable.from_csv(tmp_path / "absent.csv")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(DataError, match="no readable CSV"):
        PredictionTable.from_csv(tmp_path / "empty.csv")
