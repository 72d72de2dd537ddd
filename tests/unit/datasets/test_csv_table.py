"""What a table of one's own may say, and how a mistake in it is told."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fracturax.core.errors import ConfigError, DataError
from fracturax.core.geometry import Box
from fracturax.datasets import open_dataset
from fracturax.datasets.problems import MOST_SHOWN
from tiny_layouts import PATIENTS, SALT, write_csv, write_png


def _table(folder: Path, text: str, *, films: str = "abc") -> Path:
    for number, name in enumerate(films):
        write_png(folder / f"{name}.png", number)
    (folder / "t.csv").write_text(text, encoding="utf-8")
    return folder


def _open(root: Path, split: str = "all"):
    return {case.name: case for case in open_dataset("csv", root=root, split=split, salt=SALT)}


def _refusal(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        _open(root)
    return str(caught.value)


def test_a_case_says_what_its_line_says(tmp_path: Path) -> None:
    write_csv(tmp_path)
    case = _open(tmp_path)["films/0.png"]
    said = case.reference
    assert (said.fracture, said.regions, said.views, said.hardware) == (
        True,
        ("hand",),
        ("frontal",),
        False,
    )
    assert (case.split, case.group, case.date) == ("train", "ward", "2024-01-01")
    assert case.path == tmp_path / "films/0.png"
    assert set(_open(tmp_path, "valid")) == {"films/4.png", "films/5.png"}


@pytest.mark.parametrize("word", ["1", "yes", "TRUE", "Fracture", "fractured", "positive", "1.0"])
def test_words_for_a_fracture(tmp_path: Path, word: str) -> None:
    case = _open(_table(tmp_path, f"image,fracture\na.png,{word}\n"))["a.png"]
    assert (case.reference.fracture, case.reference.boxes) == (True, None)


@pytest.mark.parametrize("word", ["0", "no", "False", "normal", "negative", "no fracture"])
def test_words_for_none(tmp_path: Path, word: str) -> None:
    case = _open(_table(tmp_path, f"image,fracture\na.png,{word}\n"))["a.png"]
    assert (case.reference.fracture, case.reference.boxes) == (False, ())


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_commas_semicolons_tabs_and_a_byte_order_mark(tmp_path: Path, delimiter: str) -> None:
    lines = ["Image,Fracture,File Name Of Scan", '"a.png",1,x', "", "b.png,0,y"]
    text = "\r\n".join(line.replace(",", delimiter) for line in lines)
    _table(tmp_path, "")
    (tmp_path / "t.csv").write_text("\ufeff" + text, encoding="utf-8")
    assert set(_open(tmp_path)) == {"a.png", "b.png"}


def test_lines_of_one_image_are_joined(tmp_path: Path) -> None:
    _table(
        tmp_path,
        "image,fracture,region,row_min,column_min,row_max,column_max\n"
        "a.png,1,,1,2,3,4\n"
        "./a.png,yes,hip,5.5,6,70,800\n"
        "b.png,0,,,,,\n",
    )
    reference = _open(tmp_path)["a.png"].reference
    assert reference.boxes == (Box(1, 2, 3, 4), Box(5.5, 6, 70, 800))
    assert reference.regions == ("hip",)


def test_the_table_itself_may_be_given(tmp_path: Path) -> None:
    _table(tmp_path, "image,fracture\na.png,1\n")
    (tmp_path / "u.csv").write_text("image,fracture\nb.png,0\n")
    assert "several tables; got t.csv, u.csv" in _refusal(tmp_path)
    assert set(_open(tmp_path / "u.csv")) == {"b.png"}


def test_a_table_of_other_things_beside_it_does_not_matter(tmp_path: Path) -> None:
    _table(tmp_path, "image,fracture\na.png,1\n")
    (tmp_path / "ages.csv").write_text("who,age\nx,3\n")
    assert set(_open(tmp_path)) == {"a.png"}


def test_unknown_leaves_an_image_out_and_an_empty_cell_is_a_slip(tmp_path: Path) -> None:
    _table(tmp_path, "image,fracture\na.png,unknown\nb.png,0\n")
    assert set(_open(tmp_path)) == {"b.png"}
    _table(tmp_path, "image,fracture\na.png,\nb.png,0\n")
    assert "line 2, column fracture: is empty; write 1, 0 or unknown" in _refusal(tmp_path)
    _table(tmp_path, "image,fracture\na.png,unknown\n")
    assert "no labelled image" in _refusal(tmp_path)


def test_films_of_a_study_stay_together_and_take_the_patient_that_one_line_names(
    tmp_path: Path,
) -> None:
    _table(
        tmp_path,
        "image,fracture,patient,study\na.png,1,P1,s\nb.png,0,,s\nc.png,0,,other\nd.png,0,,\ne.png,0,P1,\n",
        films="abcde",
    )
    keys = {name: case.patient_key for name, case in _open(tmp_path).items()}
    assert keys["a.png"] == keys["b.png"] == keys["e.png"]
    assert len({keys["a.png"], keys["c.png"], keys["d.png"]}) == 3


def test_a_study_and_a_patient_of_the_same_number_are_two(tmp_path: Path) -> None:
    _table(tmp_path, "image,fracture,patient,study\na.png,1,7,\nb.png,0,,7\n")
    keys = [case.patient_key for case in _open(tmp_path).values()]
    assert keys[0] != keys[1]


def test_no_salt_is_asked_for_where_no_patient_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRACTURAX_SALT", "short")
    _table(tmp_path, "image,fracture,patient\na.png,1,\nb.png,0,\n")
    assert len(open_dataset("csv", root=tmp_path)) == 2
    _table(tmp_path, "image,fracture,patient\na.png,1,P\nb.png,0,\n")
    with pytest.raises(ConfigError, match="FRACTURAX_SALT is too short"):
        open_dataset("csv", root=tmp_path)


BOX = "image,fracture,row_min,column_min,row_max,column_max\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,fracture\na.png,1\nb.png,maybe\n", "line 3, column fracture: is no word for"),
        ("image,fracture\na.png,1\na.png,0\n", "lines 2 and 3, column fracture: contradict"),
        ("image,fracture,region\na.png,1,hip\na.png,1,leg\n", "lines 2 and 3, column region"),
        ("image,fracture,study,patient\na.png,1,s,P\nb.png,0,s,Q\n", "3, column patient: one"),
        ("image,fracture,patient\na.png,1,P\na.png,1,Q\n", "lines 2 and 3, column patient"),
        ("image,fracture\nz.png,1\n", "line 2, column image: names a file that is not there"),
        ("image,fracture\n,1\n", "line 2, column image: names no file"),
        ("image,fracture,region\na.png,1,chest\n", "line 2, column region: must be hand, leg"),
        ("image,fracture,view\na.png,1,axial\n", "line 2, column view: must be frontal"),
        ("image,fracture,hardware\na.png,1,some\n", "line 2, column hardware: must be 1, 0"),
        ("image,fracture,date\na.png,1,31.1.24\n", "line 2, column date: must be a day"),
        ("image,fracture,split\na.png,1,all\n", "line 2, column split: must not be 'all'"),
        (BOX + "a.png,1,1,2,3,\n", "line 2, column column_max: is empty"),
        (BOX + 'a.png,1,"1,5",2,3,4\n', "line 2, column row_min: must be a number, with a point"),
        (BOX + "a.png,1,nan,2,3,4\n", "line 2, column row_min: must be a number"),
        (BOX + "a.png,1,5,2,3,4\n", "line 2, column row_max: an empty box"),
        (BOX + "a.png,0,1,2,3,4\n", "a box in an image that is normal"),
        (BOX + "a.png,unknown,1,2,3,4\n", "a box in an image that is unlabelled"),
        (BOX + "a.png,1,1,2,3,4\na.png,1,1,2,3,4\n", "lines 2 and 3: the same box of one image"),
        ("image,fracture\na.png,1,9\n", "line 2: 3 values under 2 columns"),
        ("image,fracture,row_min\na.png,1,\n", "a part of the columns of a box; got no column_min"),
        ("image,label\na.png,1\n", "lacks columns; got no fracture"),
        ("image,fractured\na.png,1\n", "got 'fractured'; did you mean 'fracture'"),
        ("image,fracture,patients\na.png,1,P\n", "did you mean 'patient'"),
        ("image,fracture,patient,patient_id\na.png,1,P,P\n", "two columns for patient"),
        ("image,fracture\n", "no line below its head"),
        ("", "lacks columns"),
        ('image,fracture\n"a.png,1\n' + "x" * 200_000, "is no readable table"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_by_line_and_column(tmp_path: Path, text: str, message: str) -> None:
    assert message in _refusal(_table(tmp_path, text))


def test_lines_are_counted_as_an_editor_counts_them(tmp_path: Path) -> None:
    text = 'image,fracture,note\n\na.png,1,"two\nlines"\nb.png,x,\n'
    assert "line 5, column fracture" in _refusal(_table(tmp_path, text))


def test_twenty_problems_are_shown_and_the_rest_is_counted(tmp_path: Path) -> None:
    rows = "".join(f"no{number}.png,1\n" for number in range(30))
    message = _refusal(_table(tmp_path, "image,fracture\n" + rows))
    assert "got 30 problems" in message
    assert message.count("\n  line ") == MOST_SHOWN
    assert "and 10 more" in message


def test_no_message_holds_what_a_cell_says(tmp_path: Path) -> None:
    # As where columns have slipped by one: names and numbers of patients stand everywhere.
    secret = PATIENTS[0]
    columns = (
        "image,fracture,patient,region,hardware,date,split,row_min,column_min,row_max,column_max"
    )
    text = f"{columns}\n" + f"{','.join([secret] * 11)}\n" + f"a.png,{','.join([secret] * 10)}\n"
    message = _refusal(_table(tmp_path, text))
    assert "line 3, column fracture" in message
    assert secret not in message


def _link(folder: Path) -> str:
    (folder / "link.png").symlink_to(folder.parent / "secret.png")
    return "link.png"


def _linked_folder(folder: Path) -> str:
    (folder / "films").symlink_to(folder.parent)
    return "films/secret.png"


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (lambda _: "../secret.png", "leads out of"),
        (lambda _: "x/../../secret.png", "leads out of"),
        (lambda _: r"..\secret.png", "leads out of"),
        (lambda folder: str(folder.parent / "secret.png"), "is an absolute path"),
        (lambda _: r"C:\secret.png", "is an absolute path"),
        (lambda _: r"\\server\share\secret.png", "is an absolute path"),
        (_link, "is a link that leads out"),
        (_linked_folder, "is a link that leads out"),
        (lambda _: ".", "names no file"),
        (lambda _: "a" * 5000, "names a file that is not there"),
    ],
)
def test_an_image_may_not_lie_outside(
    tmp_path: Path, entry: Callable[[Path], str], reason: str
) -> None:
    write_png(tmp_path / "secret.png", 0)
    folder = tmp_path / "data"
    folder.mkdir()
    _table(folder, f'image,fracture\n"{entry(folder)}",1\n')
    message = _refusal(folder)
    assert f"line 2, column image: {reason}" in message
    assert "secret" not in message


def test_a_link_inside_is_welcome(tmp_path: Path) -> None:
    _table(tmp_path, "image,fracture\nlink.png,1\n")
    (tmp_path / "link.png").symlink_to(tmp_path / "a.png")
    assert set(_open(tmp_path)) == {"link.png"}


def test_a_table_that_is_too_large_or_no_text_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _table(tmp_path, "")
    (tmp_path / "t.csv").write_bytes("image,fracture\nä.png,1\n".encode("latin-1"))
    assert "no text in UTF-8; got a foreign byte in line 2" in _refusal(tmp_path)
    monkeypatch.setattr("fracturax.datasets.files.read_text.__kwdefaults__", {"largest": 100})
    (tmp_path / "t.csv").write_text("image,fracture\n" + "a.png,1\n" * 20)
    assert "larger than what is read" in _refusal(tmp_path)
