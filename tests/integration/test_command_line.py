"""What a shell sees: one sentence, one exit code, one JSON document, never a traceback."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fracturax.example import example_study_folder
from fracturax.models.store import packaged_bundles

Command = Callable[..., Any]
FILM = example_study_folder() / "leg" / "leg_ap.dcm"


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    path = tmp_path / "notes.dcm"
    path.write_text("this is no image\n" * 20)
    return path


def _refused(answer: Any, code: int, words: str) -> None:
    assert answer.code == code, answer.err
    assert words in answer.err.replace("\n", " ")
    assert "Traceback" not in answer.err
    assert answer.out == ""


@pytest.mark.parametrize("verb", ["read", "info"])
def test_a_path_where_nothing_is(command: Command, verb: str, tmp_path: Path) -> None:
    _refused(command(verb, tmp_path / "nothing"), 3, "there is no such file or folder")


def test_an_unknown_model(command: Command, tmp_path: Path) -> None:
    answer = command("read", FILM, "--model", "no-such", "--out", tmp_path / "out")
    _refused(answer, 9, "no model of this name; got 'no-such'")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_no_bundle(command: Command, tmp_path: Path) -> None:
    _refused(command("read", FILM, "--model", tmp_path), 6, "is no bundle")


def test_a_recipe_with_a_wrong_key(command: Command, tmp_path: Path) -> None:
    recipe = tmp_path / "a.toml"
    recipe.write_text('name = "a"\n[data]\ndataset = "fracatlas"\nfold = 3\n')
    _refused(command("train", recipe, "--root", tmp_path), 8, "did you mean 'folds'?")


def test_a_recipe_that_is_not_there(command: Command, tmp_path: Path) -> None:
    _refused(command("train", tmp_path / "a.toml", "--root", tmp_path), 8, "no such recipe")


def test_a_data_set_that_is_not_there(command: Command, tmp_path: Path) -> None:
    recipe = tmp_path / "a.toml"
    recipe.write_text('name = "a"\n[data]\ndataset = "fracatlas"\n[network]\nname = "xray"\n')
    answer = command("train", recipe, "--root", tmp_path, "--out", tmp_path / "runs")
    _refused(answer, 4, "not the FracAtlas release")


def test_a_model_to_evaluate_without_a_data_set(command: Command) -> None:
    _refused(command("evaluate", "xray"), 8, "no --root")


def test_an_audit_says_what_to_mend_and_writes_page_document_and_clean_list(
    command: Command, tiny_release: Path, tmp_path: Path
) -> None:
    out, clean = tmp_path / "out", tmp_path / "clean.csv"
    answer = command("audit", tiny_release, "--out", out, "--fix", clean)
    assert answer.code == 0, answer.err
    assert answer.out == ""
    assert "80 films are fit for training" in answer.err
    assert json.loads((out / "audit.json").read_text())["dataset"] == "fracatlas"
    assert "Nothing to mend was found" in (out / "audit.html").read_text()
    assert clean.read_text().startswith("name,keep,reason\nIMG0000000,1,\n")


def test_an_audit_as_json_is_one_document(
    command: Command, tiny_release: Path, tmp_path: Path
) -> None:
    answer = command("audit", tiny_release, "--out", tmp_path / "out", "--json")
    assert json.loads(answer.out)["counts"]["files"] == 80


def test_an_audit_that_cannot_begin_is_refused(
    command: Command, tiny_release: Path, tmp_path: Path
) -> None:
    _refused(command("audit", tmp_path / "nothing"), 4, "there is no such folder")
    _refused(command("audit", tmp_path), 4, "no known layout fits")
    _refused(command("audit", tiny_release, "--dataset", "cocoa"), 9, "did you mean 'coco'")
    _refused(command("audit", tiny_release, "--fix", tmp_path / "a.txt"), 8, ".csv or .json")
    _refused(command("audit", tiny_release, "--split", tmp_path / "a.json"), 8, "fold_of")


def test_no_arguments_show_the_help(command: Command) -> None:
    answer = command()
    shown = answer.out + answer.err
    assert "Traceback" not in shown
    for word in ("Usage", "read", "info", "doctor", "audit", "train", "evaluate", "demo"):
        assert word in shown


def test_an_unknown_verb_and_an_unknown_option_are_usage_errors(command: Command) -> None:
    for arguments in (("raed", "x"), ("read", "x", "--modle", "y")):
        answer = command(*arguments)
        assert answer.code == 2
        assert "Traceback" not in answer.err


def test_the_real_command_says_one_sentence(text_file: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fracturax", "info", str(text_file.parent / "none")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("fracturax: there is no such file or folder")
    assert "Traceback" not in done.stderr


def test_info_says_what_is_there_and_nothing_of_the_patient(command: Command) -> None:
    answer = command("info", example_study_folder(), "--json")
    assert answer.code == 0, answer.err
    studies = json.loads(answer.out)["studies"]
    images = {image["name"]: image for study in studies for image in study["images"]}
    assert (
        set(images) == {"forearm_ap.dcm", "forearm_lateral.dcm", "leg_ap.dcm"} or len(images) == 3
    )
    assert all(image["is_phantom"] for image in images.values())
    assert all(image["kind"] == "radiograph" for image in images.values())


def test_info_lists_what_cannot_be_read(command: Command, text_file: Path) -> None:
    answer = command("info", text_file, "--json")
    (study,) = json.loads(answer.out)["studies"]
    assert study["images"] == []
    assert study["unreadable"][0]["name"] == "notes.dcm"


def test_doctor_is_content_where_a_model_is_packaged(command: Command) -> None:
    answer = command("doctor", "--json")
    checks = json.loads(answer.out)
    assert checks["is_healthy"] == bool(packaged_bundles())
    assert answer.code == (0 if packaged_bundles() else 1)
    assert checks["models"] == dict.fromkeys(packaged_bundles(), "verified")
    assert all(checks["libraries"].values())
    assert all(checks["codecs"].values())
    assert checks["extras"]["train"]


def test_results_in_the_forms_of_a_hospital_are_written_and_shown(
    command: Command, tmp_path: Path
) -> None:
    study = example_study_folder() / "forearm"
    out = tmp_path / "results"
    assert command("read", study, "--out", out, "--forms", "sr,gsps,hl7", "--json").code == 0
    answer = command("show", out, "--source", study, "--out", tmp_path / "pictures", "--json")
    assert answer.code == 0, answer.err
    shown = json.loads(answer.out)["results"]
    assert sorted(one["form"] for one in shown) == ["gsps", "hl7", "sr"]
    boxes = [sorted(round(mark["box"][0]) for mark in one["marks"]) for one in shown]
    assert boxes[0]
    assert boxes[0] == boxes[1] == boxes[2]
    assert all(one["problem"] is None for one in shown)
    assert all(Path(picture).is_file() for one in shown for picture in one["pictures"])


def test_a_source_of_another_study_is_refused(command: Command, tmp_path: Path) -> None:
    out = tmp_path / "results"
    assert command("read", FILM, "--out", out, "--forms", "sr").code == 0
    answer = command("show", out, "--source", example_study_folder() / "forearm", "--json")
    _refused(answer, 4, "the source holds none of the images")


def test_nothing_to_show(command: Command, tmp_path: Path, text_file: Path) -> None:
    _refused(command("show", tmp_path / "nothing", "--json"), 3, "no such file or folder")
    _refused(command("show", text_file, "--json"), 4, "there is no written result")


def test_models_are_listed_and_a_tampered_one_ends_in_an_error(
    command: Command, tmp_path: Path
) -> None:
    listed = json.loads(command("models", "list", "--json").out)["models"]
    assert {name: one["state"] for name, one in listed.items() if one["is_packaged"]} == (
        dict.fromkeys(packaged_bundles(), "verified")
    )
    copy = tmp_path / "copy"
    shutil.copytree(packaged_bundles()["xray"], copy)
    assert command("models", "verify", copy).code == 0
    with (copy / "closer.onnx").open("ab") as stream:
        stream.write(b"\0")
    answer = command("models", "verify", copy, "--json")
    assert answer.code == 1
    assert "changed or cut off" in json.loads(answer.out)["models"][str(copy)]["state"]
    _refused(command("models", "import", copy), 6, "changed or cut off")


def test_what_cannot_be_spoiled_or_calibrated_is_refused(command: Command, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("case\n")
    _refused(command("evaluate", table, "--corrupt"), 8, "films are spoiled for a model to read")
    _refused(command("evaluate", "xray", "--sample", "20"), 8, "add --corrupt")
    new = ("--out", tmp_path / "new", "--version-name", "2")
    missing = tmp_path / "none.csv"
    _refused(command("calibrate", "xray", "--cases", missing, *new), 4, "cannot be read")
    assert not (tmp_path / "new").exists()
