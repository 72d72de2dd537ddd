"""Ratings and marks tables: what is read, and what is refused by row and column."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fracturax.core.errors import DataError, UnknownNameError
from fracturax.evaluation.readers import Auc, Marks, Ratings, analyse, study_of, study_of_marks

HEADER = "reader,treatment,case,truth,rating"
LINES = [
    f"{reader},{treatment},{case},{truth},{rating}"
    for reader in ("a", "b")
    for treatment in ("alone", "with AI")
    for case, truth, rating in (("7", 1, 4), ("20", 0, 1), ("3", 1, 5), ("100", 0, 2))
]


def write(tmp_path: Path, lines=LINES, header=HEADER) -> Path:
    path = tmp_path / "ratings.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def test_a_table_is_read_with_numbers_in_order_and_words_as_they_are(tmp_path) -> None:
    table = Ratings.from_csv(write(tmp_path), lowest=1, highest=5, readers=["a", "b"])
    study = study_of(table)
    assert study.treatments == ("alone", "with AI")
    assert study.cases == ("3", "7", "20", "100")
    assert study.truth.tolist() == [True, True, False, False]
    assert study.ratings[0, 0, :, 0].tolist() == [5, 4, 1, 2]
    assert table.time_s is None


def test_treatments_are_compared_in_the_order_asked_for(tmp_path) -> None:
    table = Ratings.from_csv(write(tmp_path))
    assert study_of(table, treatments=("with AI", "alone")).treatments == ("with AI", "alone")
    with pytest.raises(UnknownNameError, match="with AI"):
        study_of(table, treatments=("with IA", "alone"))


def change(row, line):
    return [*LINES[: row - 1], line, *LINES[row:]]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (change(2, "a,alone,20,0,high"), r"'rating' must be a number; got 'high' in row 2"),
        (change(2, "a,alone,20,0,nan"), r"'rating' must be a finite number; got 'nan' in row 2"),
        (change(2, "a,alone,20,0,"), r"'rating' must not be empty; got '' in row 2"),
        (change(3, "a,alone,3,1,6"), r"'rating' must lie in \[1, 5\]; got '6' in row 3"),
        (change(3, "a,alone,3,2,5"), r"'truth' must be 0 or 1; got '2' in row 3"),
        (change(3, "c,alone,3,1,5"), r"'reader' must name a reader .* got 'c' in row 3"),
        (change(3, "a,,3,1,5"), r"'treatment' must not be empty; got '' in row 3"),
        (change(5, "a,with AI,7,0,4"), r"must say the same .* case '7': 0 in row 5, 1 in row 1"),
        ([*LINES, LINES[2]], r"case '3' in rows 3 and 17"),
        (change(3, "a,alone,3,1"), r"row 3 of ratings.csv does not fit .* 4 cells for 5 columns"),
        ([], r"holds a header and nothing else"),
        ([line for line in LINES if ",1," in line], r"'truth' must hold both classes"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_row_and_column(tmp_path, lines, message) -> None:
    with pytest.raises(DataError, match=message):
        Ratings.from_csv(write(tmp_path, lines), lowest=1, highest=5, readers=["a", "b"])


def test_a_missing_column_and_a_missing_file_are_named(tmp_path) -> None:
    path = write(tmp_path, header="reader,modality,case,truth,rating")
    with pytest.raises(DataError, match="lacks columns; got no treatment"):
        Ratings.from_csv(path)
    with pytest.raises(DataError, match="no such table"):
        Ratings.from_csv(tmp_path / "none.csv")


def test_a_missing_case_a_missing_cell_and_an_allowed_gap(tmp_path) -> None:
    with pytest.raises(DataError, match=r"case '20', reader 'a', treatment 'alone'"):
        study_of(Ratings.from_csv(write(tmp_path, LINES[:1] + LINES[2:])))
    with pytest.raises(DataError, match=r"no rating of reader 'b' under treatment 'with AI'"):
        study_of(Ratings.from_csv(write(tmp_path, LINES[:12])))
    gap = Ratings.from_csv(write(tmp_path, change(2, "a,alone,20,0,")), allow_missing=True)
    assert study_of(gap, allow_missing=True).design.kind == "partially paired"


def test_optional_columns(tmp_path) -> None:
    header = HEADER + ",time_s,confidence,confirmed_later"
    extras = ["12.5,80,1", ",,", "3,70,0", "4,60,"] * 4
    lines = [f"{line},{extra}" for line, extra in zip(LINES, extras, strict=True)]
    table = Ratings.from_csv(write(tmp_path, lines, header))
    assert table.time_s[:2].tolist()[0] == 12.5
    assert np.isnan(table.time_s[1])
    assert table.confirmed_later[:4].tolist() == [True, False, False, False]
    for bad, message in (
        ("a,alone,7,1,4,-1,80,1", r"'time_s' must be positive; got -1.0 in row 1"),
        ("a,alone,7,1,4,1,80,0", r"'confirmed_later' must say the same"),
        ("a,alone,7,1,4,soon,80,1", r"'time_s' must be a number; got 'soon' in row 1"),
    ):
        with pytest.raises(DataError, match=message):
            Ratings.from_csv(write(tmp_path, [bad, *lines[1:]], header))
    wrong = [line.replace("100,0,2,4,60,", "100,0,2,4,60,1") for line in lines]
    with pytest.raises(DataError, match=r"'confirmed_later' is for fractured cases only"):
        Ratings.from_csv(write(tmp_path, wrong, header))


MARKS_HEADER = "reader,treatment,case,truth,lesion,rating,weight"


def marks_lines(seed=0, cases=16, lesions=3):
    """Random marks: fractured cases hold 1 to 3 lesions, false marks fall anywhere."""
    generator = np.random.default_rng(seed)
    lines = []
    per_case = {c: int(generator.integers(1, lesions + 1)) for c in range(0, cases, 2)}
    for reader in "ab":
        for treatment in ("alone", "with AI"):
            for case in range(cases):
                start = f"{reader},{treatment},{case},{int(case % 2 == 0)}"
                for lesion in range(per_case.get(case, 0)):
                    rating = str(generator.integers(1, 6)) if generator.random() < 0.7 else ""
                    lines.append(f"{start},L{lesion},{rating},{1 + lesion}")
                false = generator.integers(0, 3)
                lines += [f"{start},,{generator.integers(1, 5)}," for _ in range(false)]
                if not false and case not in per_case:
                    lines.append(f"{start},,,")
    return lines


def wafroc(lines, reader, treatment):
    """Every lesion against every healthy case, by its weight."""
    lesions, highest = [], {}
    totals = {}
    for line in lines:
        who, how, case, truth, lesion, rating, weight = line.split(",")
        if (who, how) != (reader, treatment):
            continue
        value = float(rating) if rating else -np.inf
        if truth == "0":
            highest[case] = max(highest.get(case, -np.inf), value)
        elif lesion:
            lesions.append((case, value, float(weight)))
            totals[case] = totals.get(case, 0) + float(weight)
    total = 0.0
    for case, value, weight in lesions:
        for other in highest.values():
            total += weight / totals[case] * (float(value > other) + 0.5 * float(value == other))
    return total / len(totals) / len(highest)


@pytest.mark.parametrize("seed", range(3))
def test_weighted_afroc_area_is_that_of_all_pairs(tmp_path, seed) -> None:
    lines = marks_lines(seed)
    marks = Marks.from_csv(write(tmp_path, lines, MARKS_HEADER))
    found = analyse(study_of_marks(marks), Auc(is_weighted_afroc=True), covariance="jackknife")
    assert found.figure == "wafroc"
    for value in found.reader_values:
        expected = wafroc(lines, value.reader, value.treatment)
        assert value.estimate.value == pytest.approx(expected, abs=1e-12)


def test_jackknife_of_the_weighted_afroc_area_leaves_out_one_case_after_the_other(tmp_path) -> None:
    lines = marks_lines(4)
    marks = Marks.from_csv(write(tmp_path, lines, MARKS_HEADER))
    found = analyse(study_of_marks(marks), Auc(is_weighted_afroc=True), covariance="jackknife")
    left = [
        wafroc([line for line in lines if line.split(",")[2] != str(case)], "b", "with AI")
        for case in range(16)
    ]
    value = next(v for v in found.reader_values if (v.reader, v.treatment) == ("b", "with AI"))
    expected = 15 / 16 * ((np.array(left) - np.mean(left)) ** 2).sum()
    assert value.estimate.standard_error**2 == pytest.approx(expected)


@pytest.mark.parametrize("covariance", ["delong", "jackknife", "unbiased"])
def test_one_lesion_a_case_is_the_plain_area(tmp_path, covariance) -> None:
    plain = study_of(Ratings.from_csv(write(tmp_path)))
    lines = [
        ",".join([*line.split(",")[:4], "L1" if line.split(",")[3] == "1" else "", line[-1], ""])
        for line in LINES
    ]
    lines = [line + ("2" if ",L1," in line else "") for line in lines]
    marked = study_of_marks(Marks.from_csv(write(tmp_path, lines, MARKS_HEADER)))
    first, second = (analyse(one, Auc(), covariance=covariance) for one in (plain, marked))
    assert first.components == second.components
    assert first.means == second.means


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a,alone,1,0,L0,3,1", r"'lesion' must be empty in a healthy case; got 'L0' in row 1"),
        ("a,alone,0,1,L9,3,1", r"lacks a row for a lesion .* 'L0' of case '0'"),
        ("a,alone,0,1,L0,3,7", r"'weight' must be given, and be one"),
        ("a,alone,0,1,L0,3,-1", r"'weight' must be positive; got '-1' in row 1"),
        ("a,alone,0,1,L0,bad,1", r"'rating' must be a number; got 'bad' in row 1"),
    ],
)
def test_wrong_marks_are_refused(tmp_path, line, message) -> None:
    lines = [one for one in marks_lines(1) if not one.startswith("a,alone,0,1,L0,")]
    with pytest.raises(DataError, match=message):
        study_of_marks(Marks.from_csv(write(tmp_path, [line, *lines], MARKS_HEADER)))


def test_a_lesion_marked_twice_and_a_fracture_without_lesion_are_refused(tmp_path) -> None:
    lines = marks_lines(1)
    with pytest.raises(DataError, match="a lesion has two rows in one reading"):
        Marks.from_csv(write(tmp_path, [*lines, "a,alone,0,1,L0,1,1"], MARKS_HEADER))
    bare = [
        one if one.split(",")[2] != "0" else ",".join(one.split(",")[:4]) + ",,," for one in lines
    ]
    with pytest.raises(DataError, match="a fractured case needs a row for each of its lesions"):
        study_of_marks(Marks.from_csv(write(tmp_path, bare, MARKS_HEADER)))


def test_rows_keep_their_number_beside_gaps(tmp_path) -> None:
    lines = change(2, "a,alone,20,0,")
    lines[4] = "a,with AI,7,1,high"
    with pytest.raises(DataError, match="got 'high' in row 5"):
        Ratings.from_csv(write(tmp_path, lines), allow_missing=True)
