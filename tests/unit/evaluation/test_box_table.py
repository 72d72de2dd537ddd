"""The table of boxes: what is written comes back, and what is wrong is named."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fracturax.core.errors import DataError
from fracturax.evaluation import ImageDetections, PredictionTable
from fracturax.evaluation.localization import BOX_COLUMNS, read_boxes, write_boxes

HEADER = ",".join(BOX_COLUMNS)
ANSWERS = ((1, "fracture"), (0, "doubt"), (1, "doubt"), (0, "not_assessed"))
TABLE = PredictionTable.from_records(
    {
        "case": f"c{row}",
        "image": "1",
        "patient_key": f"p{row}",
        "reference": reference,
        "probability": None if status == "not_assessed" else 0.5,
        "status": status,
        "fold": "",
        "model": "xray",
    }
    for row, (reference, status) in enumerate(ANSWERS)
)


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    nothing = np.empty((0, 4))
    boxes = np.array([[1.25, 2.5, 30.75, 40.0], [5.0, 6.0, 7.0, 8.0]])
    images = (
        ImageDetections("c0", "1", boxes, np.array([0.75, 0.125]), boxes[:1]),
        ImageDetections("c1", "1", boxes[1:], np.array([0.5]), nothing),
        ImageDetections("c2", "1", nothing, np.empty(0), None),
    )
    write_boxes(images, tmp_path / "boxes.csv")
    found = read_boxes(tmp_path / "boxes.csv", TABLE)
    assert [one.case for one in found] == ["c0", "c1", "c2"]  # c3 was not assessed
    for one, wanted in zip(found, images, strict=True):
        np.testing.assert_array_equal(one.predicted, wanted.predicted)
        np.testing.assert_array_equal(one.scores, wanted.scores)
        assert (one.reference is None) == (wanted.reference is None)
    assert found[0].reference is not None
    np.testing.assert_array_equal(found[0].reference, boxes[:1])
    assert found[1].reference_count == 0  # a healthy image has none


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("c9,1,predicted,0.5,0,0,1,1", r"'case' names no image .*'c9' in row 2"),
        ("c0,1,seen,0.5,0,0,1,1", r"'kind' must be predicted or reference; got 'seen' in row 2"),
        ("c0,1,predicted,,0,0,1,1", r"'score' must be a number; got '' in row 2"),
        ("c0,1,predicted,0.5,0,nan,1,1", r"'column_min' must be a number; got 'nan' in row 2"),
        ("c0,1,reference,,5,0,5,1", r"empty box; got '5, 0, 5, 1' in row 2"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text(f"{HEADER}\nc0,1,predicted,0.5,0,0,1,1\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match=said):
        read_boxes(path, TABLE)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "there is no such table; got boxes.csv"),
        (lambda path: path.write_text("case,image\n"), "lacks columns; got no kind, score"),
        (lambda path: path.write_bytes(b"\xff\xfe\x00"), "boxes.csv is no readable CSV table"),
    ],
)
def test_what_is_no_table_of_boxes_is_refused(
    tmp_path: Path, make: Callable[[Path], object], said: str
) -> None:
    make(tmp_path / "boxes.csv")
    with pytest.raises(DataError, match=said):
        read_boxes(tmp_path / "boxes.csv", TABLE)
