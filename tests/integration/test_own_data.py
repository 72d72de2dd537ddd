"""One's own data through the command line: evaluated, trained on, and a release fetched."""

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from file_server import serving
from fracturax.core.registry import Registry
from fracturax.datasets import DATASETS, open_dataset
from fracturax.example import example_study_folder
from fracturax.imaging import read_image
from tiny_layouts import SALT, write_png, write_rows
from tiny_release import write_release

Command = Callable[..., Any]
RECIPE = """
name = "own"
[data]
dataset = "auto"
folds = 2
[network]
name = "classifier"
weights = "random"
[plan]
rows = 64
columns = 64
[optimizer]
batch_size = 4
epochs = 1
epoch_films = 4
precision = "32-true"
"""


@pytest.fixture(autouse=True)
def own_salt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRACTURAX_SALT", SALT)


def _films(root: Path, count: int) -> Path:
    rows = [
        {
            "image": write_png(root / f"{number}.png", number).name,
            "fracture": (number + 1) % 2,
            "patient": f"SECRET-{number // 2}",
        }
        for number in range(count)
    ]
    write_rows(root / "films.csv", rows)
    return root


def _example_films(root: Path) -> Path:
    """Write two synthetic films of the example as PNG, each in four shades."""
    rows: list[dict[str, object]] = []
    root.mkdir()
    for name in ("forearm/forearm_lateral", "leg/leg_ap"):
        path = example_study_folder() / f"{name}.dcm"
        pixels = read_image(path)[0].pixels
        for gamma in (0.9, 1.0, 1.1, 1.2):
            image = f"{path.stem}-{gamma}.png"
            assert cv2.imwrite(str(root / image), np.round(255 * pixels**gamma).astype(np.uint8))
            is_fractured = path.parent.name == "forearm"
            patient = f"SECRET-{path.parent.name}-{gamma}"
            rows.append({"image": image, "fracture": int(is_fractured), "patient": patient})
    write_rows(root / "films.csv", rows)
    return root


@pytest.mark.parametrize("name", ["csv", "auto"])
def test_the_packaged_model_is_judged_on_a_table_of_images(
    command: Command, tmp_path: Path, name: str
) -> None:
    root = _example_films(tmp_path / "films")
    answer = command(
        *("evaluate", "xray", "--dataset", name, "--root", root, "--resamples", "100", "--json"),
        *("--table", tmp_path / "table.csv"),
    )
    assert answer.code == 0, answer.err
    rows = {row["metric"]: row["value"] for row in json.loads(answer.out)["rows"]}
    assert (rows["images"], rows["groups"]) == (8, 8)
    # Drawn films in another exposure: one may look too little like a radiograph.
    assert rows["not_assessed"] <= 1
    assert rows["auroc"] > 0.9
    # Nobody marked a fracture: there is nothing to say of boxes.
    assert not any("map50" in metric for metric in rows)
    table = (tmp_path / "table.csv").read_text()
    assert "forearm_lateral-0.9.png" in table
    assert "SECRET" not in table + answer.out + answer.err


def test_of_a_study_with_several_films_the_most_suspicious_decides(
    command: Command, tmp_path: Path
) -> None:
    example = example_study_folder()
    root = tmp_path / "dicom"
    for study in ("forearm", "leg"):
        for path in (example / study).iterdir():
            (root / study).mkdir(parents=True, exist_ok=True)
            (root / study / path.name).write_bytes(path.read_bytes())
    from pydicom import dcmread

    rows = [
        {
            "study_instance_uid": dcmread(next((example / study).iterdir())).StudyInstanceUID,
            "fracture": label,
        }
        for study, label in (("forearm", "yes"), ("leg", "no"))
    ]
    write_rows(root / "labels.csv", rows)
    answer = command(
        *("evaluate", "xray", "--dataset", "dicom", "--root", root, "--resamples", "100"),
        *("--json", "--table", tmp_path / "table.csv"),
    )
    assert answer.code == 0, answer.err
    # The AP film of the forearm comes first and shows less than the lateral one.
    assert json.loads(answer.out)["rows"][0]["value"] == 1.0
    lines = (tmp_path / "table.csv").read_text().splitlines()[1:]
    statuses = sorted(line.split(",")[5] for line in lines)
    assert statuses in (["fracture", "no_fracture"], ["doubt", "fracture"])


def test_a_mistake_in_the_table_is_a_sentence_and_an_exit_code(
    command: Command, tmp_path: Path
) -> None:
    root = _films(tmp_path, 4)
    table = root / "films.csv"
    table.write_text(table.read_text().replace("1.png,0", "1.png,perhaps"))
    answer = command("evaluate", "xray", "--dataset", "csv", "--root", root)
    assert answer.code == 4
    assert "line 3, column fracture: is no word for a label" in answer.err
    assert "Traceback" not in answer.err
    assert "SECRET" not in answer.err


def test_a_recipe_trains_on_a_table_and_keeps_patients_together(
    command: Command, tmp_path: Path
) -> None:
    (tmp_path / "own.toml").write_text(RECIPE)
    answer = command(
        *("train", tmp_path / "own.toml", "--root", _films(tmp_path / "films", 40)),
        *("--out", tmp_path / "runs", "--fold", "0", "--max-steps", "1", "--json"),
    )
    assert answer.code == 0, answer.err
    assert json.loads(answer.out)["films"] == 40
    folds = json.loads((tmp_path / "runs/own/split.json").read_text())["fold_of"]
    for patient in range(20):
        assert folds[f"{2 * patient}.png"] == folds[f"{2 * patient + 1}.png"]
    assert set(np.bincount(list(folds.values()))) == {20}


def test_a_bundle_without_any_marked_fracture_is_refused_before_the_training(
    command: Command, tmp_path: Path
) -> None:
    (tmp_path / "own.toml").write_text(RECIPE.replace('"classifier"', '"xray"'))
    root = _films(tmp_path / "films", 12)
    answer = command("train", tmp_path / "own.toml", "--root", root, "--out", tmp_path / "runs")
    assert answer.code == 4
    assert "a bundle needs films whose fractures are marked" in answer.err
    assert not (tmp_path / "runs").exists()


def test_fetch_checks_a_copy_at_hand(
    command: Command, tiny_release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = command("fetch", "fracatlas", "--root", tiny_release, "--json")
    assert answer.code == 0, answer.err
    said = json.loads(answer.out)
    assert (said["films"], said["films_of_release"], said["is_whole"]) == (80, 4083, False)
    assert said["missing"] == ["Utilities/Fracture Split/test.csv"]
    assert "not the whole release" in command("fetch", "fracatlas", "--root", tiny_release).err
    entry = DATASETS["fracatlas"]
    assert entry.release is not None
    whole = dataclasses.replace(entry, release=dataclasses.replace(entry.release, films=80))
    monkeypatch.setattr("fracturax.datasets.DATASETS", Registry("data set", (whole,)))
    assert command("fetch", "fracatlas", "--root", tiny_release).code == 0


def test_fetch_downloads_what_was_accepted(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = write_release(tmp_path / "release", films=20)
    (release / "Utilities/Fracture Split/test.csv").write_text("image_id\n")
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", release)
    content = Path(archive).read_bytes()
    sums = {name: hashlib.new(name, content).hexdigest() for name in ("md5", "sha256")}
    entry = DATASETS["fracatlas"]
    assert entry.release is not None
    known = dataclasses.replace(entry.release, size=len(content), films=20, **sums)
    entry = dataclasses.replace(entry, release=known)
    monkeypatch.setattr("fracturax.datasets.DATASETS", Registry("data set", (entry,)))
    monkeypatch.chdir(tmp_path)
    with serving(content) as server:
        monkeypatch.setattr("fracturax.pipelines.fetch.FIGSHARE", server.url)
        server.answers["/articles/22363012/versions/7"] = {
            "title": "The dataset",
            "doi": "10.6084/m9.figshare.22363012.v7",
            "license": {"name": "CC BY 4.0", "url": "https://creativecommons.org/"},
            "files": [
                {
                    "name": "FracAtlas.zip",
                    "size": len(content),
                    "computed_md5": sums["md5"],
                    "download_url": f"{server.url}/file",
                }
            ],
        }
        refused = command("fetch", "fracatlas")
        assert refused.code == 8
        assert "licence: CC BY 4.0" in refused.err
        assert not (tmp_path / "fracatlas").exists()
        answer = command("fetch", "fracatlas", "--yes", "--json")
    assert answer.code == 0, answer.err
    said = json.loads(answer.out)
    assert (said["root"], said["films"], said["is_whole"]) == ("fracatlas", 20, True)
    assert len(open_dataset("fracatlas", root=tmp_path / "fracatlas")) == 20


def test_fetch_without_a_server_names_the_way_around(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fracturax.pipelines.fetch.FIGSHARE", "http://127.0.0.1:9")
    answer = command("fetch", "fracatlas", "--root", tmp_path / "new", "--yes")
    assert answer.code == 4
    assert "cannot be reached" in answer.err
    assert "--root" in answer.err
    assert "Traceback" not in answer.err
    assert command("fetch", "csv").code == 8
    assert command("fetch", "no-such").code == 9
