"""A tree of DICOM files and a table of labels: each finds the other, or is told."""

from pathlib import Path
from zlib import crc32

import pytest

from dicom_builders import film, save
from fracturax.core.errors import DataError
from fracturax.datasets import open_dataset
from tiny_layouts import PATIENTS, SALT, drawn, write_dicom, write_png, write_rows


def _open(root: Path):
    return open_dataset("dicom", root=root, salt=SALT)


def _refusal(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        _open(root)
    message = str(caught.value)
    assert not any(secret in message for secret in (*PATIENTS, "1.2.826", "A0", "A1"))
    return message


def _film(root: Path, name: str, number: int, **attributes: object) -> Path:
    uid = f"1.2.826.{number}"
    own = {"StudyInstanceUID": uid, "SOPInstanceUID": f"{uid}.{crc32(name.encode())}"}
    return save(film(drawn(number).pixels, **own, **attributes), root / f"{name}.dcm")


def _labels(root: Path, *rows: dict[str, object]) -> Path:
    write_rows(root / "labels.csv", rows)
    return root


def test_header_and_table_make_the_case(tmp_path: Path) -> None:
    write_dicom(tmp_path)
    case = _open(tmp_path)[0]
    assert (case.group, case.date, case.split) == ("Maker Model 1", "2024-01-01", None)
    assert case.path == tmp_path / "export/0/0/IM0.dcm"
    assert case.name == case.open().key
    _labels(
        tmp_path,
        *(
            {"study_instance_uid": f"1.2.826.{number}", "fracture": number % 2, "region": "hip",
             "group": "ward", "date": "20200131", "split": "val", "view": "pa|lateral"}
            for number in range(6)
        ),
    )  # fmt: skip
    case = _open(tmp_path)[1]
    assert (case.group, case.date, case.split) == ("ward", "2020-01-31", "valid")
    assert case.reference.views == ("frontal", "lateral")
    assert case.reference.regions == ("hip",)


def test_a_study_of_several_films_is_one_case(tmp_path: Path) -> None:
    for name in ("ap", "lateral"):
        _film(tmp_path / "one", name, 0, PatientID="P", AccessionNumber="A0")
        _film(tmp_path / "mixed", f"x{name}", 1, PatientID="P", AccessionNumber="A1")
    _film(tmp_path / "mixed", "other", 2, PatientID="Q", AccessionNumber="A2")
    _labels(tmp_path, *({"accession_number": f"A{n}", "fracture": n % 2} for n in range(3)))
    cases = _open(tmp_path)
    assert [len(case.open().radiographs) for case in cases] == [2, 2, 1]
    # A folder stands for a study only if no other study's files lie in it.
    assert [case.path for case in cases] == [
        tmp_path / "one",
        None,
        tmp_path / "mixed/other.dcm",
    ]
    assert cases[0].patient_key == cases[1].patient_key != cases[2].patient_key


def test_by_file_a_case_is_a_file_even_if_it_cannot_be_read(tmp_path: Path) -> None:
    for number, name in enumerate(("ap", "lateral")):
        _film(tmp_path / "one", name, 0, PatientID="P", InstanceNumber=number)
    (tmp_path / "one/broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"x" * 90)
    _labels(
        tmp_path,
        {"file": "one/ap.dcm", "fracture": 0},
        {"file": r"one\lateral.dcm", "fracture": 1},
        {"file": "one/broken.dcm", "fracture": 1},
    )
    cases = {case.name: case for case in _open(tmp_path)}
    assert {name: case.reference.fracture for name, case in cases.items()} == {
        "one/ap.dcm": False,
        "one/lateral.dcm": True,
        "one/broken.dcm": True,
    }
    assert cases["one/ap.dcm"].patient_key == cases["one/lateral.dcm"].patient_key
    assert len(cases["one/ap.dcm"].open().radiographs) == 1


def test_the_same_patient_has_the_same_key_in_a_table_of_images(tmp_path: Path) -> None:
    write_dicom(tmp_path / "dicom")
    write_png(tmp_path / "csv/a.png", 0)
    write_rows(tmp_path / "csv/t.csv", [{"image": "a.png", "fracture": 1, "patient": PATIENTS[0]}])
    (image,) = open_dataset("csv", root=tmp_path / "csv", salt=SALT)
    assert image.patient_key == _open(tmp_path / "dicom")[0].patient_key


def _studies(root: Path) -> Path:
    for number in range(2):
        _film(root, f"f{number}", number, PatientID=PATIENTS[0], AccessionNumber=f"A{number}")
    return root


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (({"accession_number": "A0", "fracture": 1},), "has no line; an unlabelled one is"),
        (({"accession_number": "A7", "fracture": 1},), "line 2, column accession_number: no DICOM"),
        (({"accession_number": "", "fracture": 1},), "line 2, column accession_number: is empty"),
        (({"patient_id": PATIENTS[0], "fracture": 1},), "fits 2 studies; tell them apart by study"),
        (({"patient_id": PATIENTS[1], "fracture": 1},), "line 2, column patient_id: no DICOM"),
        (({"file": "../x.dcm", "fracture": 1},), "line 2, column file: leads out"),
        (({"file": "x.dcm", "fracture": 1},), "line 2, column file: names a file that"),
        (({"file": "f0.dcm", "fracture": 1},), "file f1.dcm: has no line"),
        (
            ({"accession_number": "A0", "fracture": 1}, {"accession_number": "A0", "fracture": 0}),
            "lines 2 and 3: are about one study",
        ),
        (
            ({"accession_number": "A0", "patient_id": PATIENTS[2], "fracture": 1},),
            "line 2, column patient_id: is not what the files of its accession_number say",
        ),
        (
            ({"accession_number": "A0", "fracture": ""}, {"accession_number": "A1", "fracture": 0}),
            "line 2, column fracture: is empty",
        ),
        (({"name": "A0", "fracture": 1},), "does not say which study a line is about"),
        (({"accession_numbr": "A0", "fracture": 1},), "did you mean 'accession_number'"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_without_an_identifier(
    tmp_path: Path, rows: tuple[dict[str, object], ...], message: str
) -> None:
    assert message in _refusal(_labels(_studies(tmp_path), *rows))


def test_two_patients_in_one_study_are_an_error(tmp_path: Path) -> None:
    _film(tmp_path, "a", 0, PatientID=PATIENTS[0], AccessionNumber="A0")
    _film(tmp_path, "b", 0, PatientID=PATIENTS[1], AccessionNumber="A0")
    _labels(tmp_path, {"accession_number": "A0", "fracture": 1})
    assert "the files of one study name two patients" in _refusal(tmp_path)


def test_without_a_patient_in_files_and_table_a_study_stands_for_itself(tmp_path: Path) -> None:
    for number in range(2):
        _film(tmp_path, f"f{number}", number, AccessionNumber=f"A{number}", StudyDate="20240231")
    rows = [{"accession_number": f"A{n}", "fracture": n, "patient_id": ""} for n in range(2)]
    cases = _open(_labels(tmp_path, *rows))
    assert cases[0].patient_key != cases[1].patient_key
    assert [case.date for case in cases] == [None, None]
    rows = [{**row, "patient_id": "P"} for row in rows]
    cases = _open(_labels(tmp_path, *rows))
    assert cases[0].patient_key == cases[1].patient_key


def test_no_table_and_no_files(tmp_path: Path) -> None:
    assert "no labels.csv" in _refusal(tmp_path)
    _labels(tmp_path, {"accession_number": "A", "fracture": 1})
    assert "there are no DICOM files" in _refusal(tmp_path)
    write_png(tmp_path / "a.png", 0)
    assert "files of other kinds only" in _refusal(tmp_path)
