"""Forms of a reader study: balanced, without the truth, and back as the table that is analysed."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from fracturax.core.errors import ConfigError, DataError
from fracturax.evaluation.readers import Ratings
from fracturax.pipelines.reader_forms import KEY, collect_forms, write_forms

READERS, TREATMENTS = ("ann", "bo", "cy", "di"), ("alone", "with AI")
CASES = {f"case-{number}": number % 3 == 0 for number in range(12)}


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    path = tmp_path / "cases.csv"
    lines = [f"{name},{int(truth)}" for name, truth in CASES.items()]
    path.write_text("\n".join(["case,reference", *lines]) + "\n")
    return path


@pytest.fixture
def study(cases: Path, tmp_path: Path) -> Path:
    write_forms(cases, readers=READERS, treatments=TREATMENTS, out=tmp_path / "study", seed=3)
    return tmp_path / "study"


def lines_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def fill(study: Path, skip: int | None = None) -> None:
    for path in study.glob("form-*.csv"):
        rows = lines_of(path)
        for number, row in enumerate(rows):
            rating = 4 if CASES[row["case"]] else 2
            row["rating"] = "" if number == skip else str(rating + (row["treatment"] == "with AI"))
            row["time_s"] = "12.5"
        with path.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, rows[0])
            writer.writeheader()
            writer.writerows(rows)


def test_everyone_reads_every_case_once_a_session_and_once_under_each_treatment(
    study: Path,
) -> None:
    for reader in READERS:
        rows = lines_of(study / f"form-{reader}.csv")
        for session in ("1", "2"):
            inside = [row for row in rows if row["session"] == session]
            assert sorted(row["case"] for row in inside) == sorted(CASES)
            assert [int(row["place"]) for row in inside] == list(range(1, len(CASES) + 1))
            assert Counter(row["treatment"] for row in inside) == dict.fromkeys(TREATMENTS, 6)
        assert len({(row["case"], row["treatment"]) for row in rows}) == len(rows)


def test_orders_are_drawn_and_who_begins_how_is_balanced(study: Path, tmp_path: Path) -> None:
    forms = {reader: lines_of(study / f"form-{reader}.csv") for reader in READERS}
    assert len({tuple(row["case"] for row in rows) for rows in forms.values()}) == len(READERS)
    first = {reader: {row["case"]: row["treatment"] for row in rows if row["session"] == "1"}
             for reader, rows in forms.items()}  # fmt: skip
    for case in CASES:
        assert Counter(one[case] for one in first.values()) == dict.fromkeys(TREATMENTS, 2)
    assert Counter(rows[0]["treatment"] for rows in forms.values()) == dict.fromkeys(TREATMENTS, 2)


def test_a_form_does_not_tell_the_truth(study: Path) -> None:
    head = lines_of(study / "form-ann.csv")[0]
    assert not {"truth", "reference", "label"} & set(head)
    assert {row["case"]: row["truth"] == "1" for row in lines_of(study / KEY)} == CASES


def test_filled_forms_become_the_table_that_is_analysed(study: Path, tmp_path: Path) -> None:
    fill(study)
    assert collect_forms(study, out=tmp_path / "ratings.csv") == 4 * 2 * 12
    ratings = Ratings.from_csv(tmp_path / "ratings.csv")
    assert set(ratings.reader.tolist()) == set(READERS)
    assert dict(zip(ratings.case.tolist(), ratings.truth.tolist(), strict=True)) == CASES
    assert ratings.time_s is not None
    assert set(ratings.time_s.tolist()) == {12.5}
    with_ai = ratings.treatment == "with AI"
    assert (ratings.rating[with_ai & ratings.truth] == 5).all()


def test_what_was_taken_out_doubled_or_renamed_is_told(study: Path, tmp_path: Path) -> None:
    fill(study)
    form = study / "form-bo.csv"
    whole = form.read_text().splitlines()
    for lines, words in (
        (whole[:-2], r"form-bo\.csv lacks readings that others have; got 2,"),
        ([*whole, whole[-1]], "is there twice"),
        ([one.replace("alone", "alnoe") for one in whole], "lacks readings that others have"),
    ):
        form.write_text("\n".join(lines) + "\n")
        with pytest.raises(DataError, match=words):
            collect_forms(study, out=tmp_path / "ratings.csv")
    assert not (tmp_path / "ratings.csv").exists()


@pytest.mark.parametrize("name", [KEY, "form-bo.csv", "nowhere/ratings.csv"])
def test_the_table_takes_nobodys_place(study: Path, name: str) -> None:
    fill(study)
    before = {path.name: path.read_bytes() for path in study.iterdir()}
    with pytest.raises(ConfigError):
        collect_forms(study, out=study / name)
    assert {path.name: path.read_bytes() for path in study.iterdir()} == before


def test_a_gap_is_named_or_left_out(study: Path, tmp_path: Path) -> None:
    fill(study, skip=4)
    with pytest.raises(DataError, match=r"row 5 of form-ann\.csv has no rating"):
        collect_forms(study, out=tmp_path / "ratings.csv")
    assert collect_forms(study, out=tmp_path / "ratings.csv", allow_missing=True) == 4 * 23


def test_what_was_filled_in_wrongly_is_named(study: Path, tmp_path: Path) -> None:
    form = study / "form-bo.csv"
    text = form.read_text()
    form.write_text(text.replace(",,,", ",high,,", 1))
    with pytest.raises(DataError, match=r"form-bo\.csv: the column 'rating' must be a number"):
        collect_forms(study, out=tmp_path / "ratings.csv", allow_missing=True)
    form.write_text(text.replace("case-", "other-", 1))
    with pytest.raises(DataError, match="is of no case of the key"):
        collect_forms(study, out=tmp_path / "ratings.csv", allow_missing=True)
    form.write_text(text)
    with pytest.raises(DataError, match="no form has a rating"):
        collect_forms(study, out=tmp_path / "ratings.csv", allow_missing=True)
    (study / KEY).unlink()
    with pytest.raises(DataError, match="there is no such table"):
        collect_forms(study, out=tmp_path / "ratings.csv")


@pytest.mark.parametrize(
    ("readers", "treatments", "words"),
    [
        (("a", "a"), TREATMENTS, "each reader has a name of its own"),
        ((), TREATMENTS, "each reader has a name"),
        (("a",), ("alone", "alone"), "each treatment has a name"),
        (("../a",), TREATMENTS, "becomes that of a file"),
        (("a\0",), TREATMENTS, "becomes that of a file"),
        (("Ann", "ann"), TREATMENTS, "each reader has a name of its own"),
    ],
)
def test_names_that_cannot_be_are_refused(
    cases: Path,
    tmp_path: Path,
    readers: tuple[str, ...],
    treatments: tuple[str, ...],
    words: str,
) -> None:
    with pytest.raises(ConfigError, match=words):
        write_forms(cases, readers=readers, treatments=treatments, out=tmp_path / "study")
    assert not (tmp_path / "study").exists()


def test_forms_are_never_written_over(study: Path, cases: Path) -> None:
    with pytest.raises(ConfigError, match="a new folder"):
        write_forms(cases, readers=READERS, treatments=TREATMENTS, out=study)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("case,name\na,1\n", "does not say what is true"),
        ("case,truth\na,1\na,0\n", "names a case twice"),
        ("case,truth\na,maybe\n", "must be 0 or 1"),
        ("case,truth\n=1+1,1\n", "takes a cell for a formula"),
    ],
)
def test_a_table_of_cases_that_cannot_be_used_is_refused(
    tmp_path: Path, text: str, words: str
) -> None:
    (tmp_path / "cases.csv").write_text(text)
    with pytest.raises(DataError, match=words):
        write_forms(
            tmp_path / "cases.csv", readers=READERS, treatments=TREATMENTS, out=tmp_path / "study"
        )
