"""From a release to a bundle to a report, through the command line."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import jsonschema
import numpy as np
import pytest

import fracturax as fx
from dicom_builders import ct_slice, save
from fracturax.core.errors import LeakageError, ModelError
from fracturax.core.prediction import STATUSES
from fracturax.evaluation import PredictionTable
from fracturax.models.bundle import Bundle
from fracturax.models.openvino_session import computes_bfloat16
from fracturax.pipelines.guard import LARGEST_LOSS
from fracturax.reporting import schema
from tiny_release import write_release

MR = "1.2.840.10008.5.1.4.1.1.4"
pytestmark = pytest.mark.timeout(900)  # the first test waits for a training
Command = Callable[..., Any]


def test_a_training_leaves_the_evidence_beside_the_bundle(run_folder: Path) -> None:
    results = {path.name for path in (run_folder / "results").iterdir()}
    assert results == {
        *("out_of_fold.csv", "out_of_fold_boxes.csv", "evaluation.json", "split.json"),
        *("dropped.json", "curves.png", "page", "values.csv", "scope.csv"),
    }
    table = PredictionTable.from_csv(run_folder / "results" / "out_of_fold.csv")
    split = json.loads((run_folder / "results" / "split.json").read_text())
    assert len(table) == len(split["fold_of"]) == 80
    distances = (run_folder / "results" / "scope.csv").read_text().splitlines()
    assert {line.split(",")[0] for line in distances[1:]} == set(table.case.tolist())
    assert dict(zip(table.case, map(int, table.fold), strict=True)) == split["fold_of"]
    assert (run_folder / "curves.png").stat().st_size > 1000


def test_the_card_says_the_numbers_of_the_evaluation(run_folder: Path, bundle: Bundle) -> None:
    document = json.loads((run_folder / "results" / "evaluation.json").read_text())
    rows = document["evaluation"][document["precision"]]["rows"]
    (auroc,) = [row for row in rows if row["metric"] == "auroc"]
    shown = f"| AUROC | {auroc['value']:.3f} | {auroc['low']:.3f} to {auroc['high']:.3f} | 80 |"
    assert shown in bundle.card
    assert "CC BY 4.0" in bundle.card
    assert "Research use only" in bundle.card


def test_the_page_of_a_training_holds_its_boxes_and_subgroups(
    run_folder: Path, bundle: Bundle, command: Command, tmp_path: Path
) -> None:
    results = run_folder / "results"
    page = (results / "page" / "evaluation.html").read_text(encoding="utf-8")
    assert 'id="froc"' in page
    assert "AUROC by region" in page
    assert "| region: hand |" in bundle.card
    assert "area below the AFROC curve" in bundle.card
    kept = json.loads((results / "evaluation.json").read_text(encoding="utf-8"))
    columns = kept["report"]["options"]["by"]
    assert {"region", "view", "hardware", "exposures", "acquisition"} <= set(columns)
    again = command(
        *("evaluate", results / "out_of_fold.csv", "--boxes", results / "out_of_fold_boxes.csv"),
        *(word for column in columns for word in ("--by", column)),
        "--json",
    )
    assert again.code == 0, again.err
    said = json.loads(again.out)
    assert said["localization"] == kept["report"]["localization"]
    assert said["subgroups"] == kept["report"]["subgroups"]
    # Sides are rounded to hundredths of a pixel where they are written, not where they were judged.
    judged = {row["metric"]: row for row in kept["evaluation"]["fp32"]["rows"]}
    (found,) = [row for row in said["localization"]["rows"] if row["metric"] == "map50_fractured"]
    if kept["precision"] == "fp32":
        assert found["value"] == pytest.approx(judged["map50_fractured"]["value"], abs=0.02)


def test_the_shipped_network_is_not_more_suspicious_of_healthy_films_than_those_of_the_folds(
    bundle: Bundle, tiny_release: Path
) -> None:
    facts = dict(bundle.manifest.training)
    model = fx.load(bundle.folder)
    cases = [case for case in fx.open_dataset("fracatlas", root=tiny_release)
             if not case.reference.fracture]  # fmt: skip
    points = bundle.manifest.operating_points
    probabilities = [
        bundle.manifest.calibration.probability(model.infer(case.open().radiographs[0]).values)
        for case in cases
    ]
    share = np.mean([one >= points.high_sensitivity - 1e-9 for one in probabilities])
    assert share <= float(facts["suspicious_healthy"]) + 2 / len(cases)


def test_a_bundle_knows_what_it_was_made_of(bundle: Bundle) -> None:
    facts = dict(bundle.manifest.training)
    assert (facts["films"], facts["fractured"], facts["folds"]) == ("80", "40", "2")
    assert (bundle.manifest.name, bundle.manifest.version) == ("tiny", "3")
    assert len(bundle.register) == 80
    assert bundle.scope is not None
    assert bundle.manifest.box_calibration.inputs == ("box", "closer")
    assert bundle.manifest.calibration.inputs[-2:] == ("second", "turned") or (
        bundle.manifest.calibration.inputs[-1] == "second"
    )


def test_a_second_opinion_that_was_exchanged_is_noticed(bundle: Bundle, tmp_path: Path) -> None:
    assert bundle.manifest.second == "second.onnx"
    copy = shutil.copytree(bundle.folder, tmp_path / "copy")
    shutil.copyfile(copy / "model.onnx", copy / "second.onnx")
    with pytest.raises(ModelError, match=r"second\.onnx"):
        fx.load(copy)


def test_a_way_that_costs_too_much_does_not_ship(run_folder: Path, bundle: Bundle) -> None:
    document = json.loads((run_folder / "results" / "evaluation.json").read_text())
    ways = {
        name: {row["metric"]: row for row in way["rows"]}
        for name, way in document["guards"].items()
    }
    margin = bundle.manifest.mirror_margin
    kept = {
        "int8": bundle.manifest.default_precision == "int8",
        "bf16": "bf16" in dict(bundle.manifest.graphs),
    }
    # Bfloat16 is tried beside single precision alone, and where there are units for it.
    if kept["int8"] or not computes_bfloat16():
        del kept["bf16"]
    least = len(kept) + 1
    for name in ways.keys() - kept.keys():
        kept[name] = margin is not None and name == f"one_view_below_{margin:.2f}"
    assert set(ways) == set(kept)
    assert len(ways) >= least
    assert 0 <= document["read_once"] <= (margin is not None)
    for name, rows in ways.items():
        lost = [
            (row["value"] if row["low"] is None else row["low"]) < -LARGEST_LOSS[metric]
            for metric, row in rows.items()
            if metric in LARGEST_LOSS
        ]
        assert len(lost) == len(LARGEST_LOSS)
        assert kept[name] is not any(lost)


def test_a_run_that_is_started_again_is_not_repeated(
    run_folder: Path, tiny_release: Path, bundle: Bundle, command: Command, tmp_path: Path
) -> None:
    copy = shutil.copytree(run_folder.parents[1], tmp_path / "copy")
    before = (copy / "runs/tiny/final/checkpoint.safetensors").read_bytes()
    again = command(
        "train", copy / "tiny.toml", "--root", tiny_release, "--out", copy / "runs", "--fold", "0"
    )
    assert again.code == 0, again.err
    assert (copy / "runs/tiny/final/checkpoint.safetensors").read_bytes() == before


def test_the_peer_is_trained_by_the_same_command(
    tiny_release: Path, command: Command, run_folder: Path, tmp_path: Path
) -> None:
    recipe = (run_folder.parents[1] / "tiny.toml").read_text().partition("[closer")[0]
    recipe = recipe.replace('"xray"', '"classifier"')
    (tmp_path / "peer.toml").write_text(recipe)
    answer = command(
        *("train", tmp_path / "peer.toml", "--root", tiny_release, "--out", tmp_path / "runs"),
        *("--fold", "1", "--max-steps", "1", "--json"),
    )
    assert answer.code == 0, answer.err
    assert json.loads(answer.out)["films"] == 80
    assert len(PredictionTable.from_csv(tmp_path / "runs/tiny/predictions.csv")) == 40


def test_the_example_is_read_with_the_bundle(
    bundle: Bundle, command: Command, tmp_path: Path
) -> None:
    answer = command(
        *("read", fx.example_study_folder(), "--model", bundle.folder, "--out", tmp_path),
        *("--forms", "html,json,png,csv", "--json"),
    )
    assert answer.code == 0, answer.err
    said = json.loads(answer.out)
    assert len(said["studies"]) == sum(said["counts"].values()) == 2
    for study in said["studies"]:
        files = [Path(file) for file in study.pop("files")]
        assert study.pop("left_out") == []
        assert sorted(file.suffix for file in files) == [".html", ".json", ".png"]
        written = json.loads(next(file for file in files if file.suffix == ".json").read_text())
        assert written == study
        jsonschema.Draft202012Validator(schema()).validate(written)
        assert written["status"] in STATUSES
        assert written["is_synthetic"]
        assert all(file.stat().st_size > 500 for file in files)
    assert (tmp_path / "index.html").is_file()
    assert len((tmp_path / "predictions.csv").read_text(encoding="utf-8-sig").splitlines()) == 4


def test_of_a_mixed_folder_the_good_is_read_and_the_rest_is_listed(
    bundle: Bundle, command: Command, tiny_release: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    shutil.copy(tiny_release / "images/Fractured/IMG0000000.jpg", folder / "good.jpg")
    (folder / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"rubbish" * 40)
    stored = np.arange(128 * 128, dtype=np.int16).reshape(128, 128)
    for number in range(3):
        save(
            ct_slice(stored, 3.0 * number, Modality="MR", SOPClassUID=MR, InstanceNumber=number + 1,
                     SOPInstanceUID=f"1.2.{number + 1}"),
            folder / f"mr{number}.dcm",
        )  # fmt: skip
    answer = command("read", folder, "--model", bundle.folder, "--out", tmp_path / "out", "--json")
    assert answer.code == 0, answer.err
    assert "Traceback" not in answer.err
    studies = json.loads(answer.out)["studies"]
    images = {image["name"]: image for study in studies for image in study["images"]}
    unreadable = [file["name"] for study in studies for file in study["unreadable"]]
    assert images["good.jpg"]["status"] in ("fracture", "doubt", "no_fracture")
    assert unreadable == ["broken.dcm"]
    (scan,) = [image for name, image in images.items() if name != "good.jpg"]
    assert (scan["status"], scan["reason"].startswith("a cross-sectional MR")) == (
        "not_assessed",
        True,
    )


def test_a_text_file_called_dcm_is_reported_and_the_exit_code_says_so(
    bundle: Bundle, command: Command, tmp_path: Path
) -> None:
    (tmp_path / "notes.dcm").write_text("this is no image\n" * 20)
    answer = command(
        *("read", tmp_path / "notes.dcm", "--model", bundle.folder, "--out", tmp_path / "out"),
        "--json",
    )
    assert answer.code == 3
    assert "Traceback" not in answer.err
    (study,) = json.loads(answer.out)["studies"]
    assert (study["status"], study["unreadable"][0]["name"]) == ("not_assessed", "notes.dcm")


@pytest.mark.parametrize("options", [("--forms", "docx"), ("--precision", "int3")])
def test_a_form_or_precision_there_is_not_is_an_unknown_name(
    bundle: Bundle, command: Command, tmp_path: Path, options: tuple[str, str]
) -> None:
    film, out = fx.example_study_folder() / "leg", tmp_path / "out"
    answer = command("read", film, "--model", bundle.folder, "--out", out, *options)
    assert answer.code == 9
    assert f"of this name; got '{options[1]}'" in answer.err
    assert not out.exists()


def test_reading_twice_gives_the_same_answer_in_any_number_of_threads(
    bundle: Bundle, tiny_release: Path
) -> None:
    study = fx.open(tiny_release / "images/Fractured/IMG0000002.jpg")
    answers = [fx.read(study, fx.load(bundle.folder, threads=threads)) for threads in (1, 2)]
    assert answers[0].probability == pytest.approx(answers[1].probability, abs=1e-4)
    assert answers[0].status == answers[1].status


def test_the_public_verbs_go_from_a_film_to_a_page(
    bundle: Bundle, tiny_release: Path, tmp_path: Path
) -> None:
    study = fx.open(tiny_release / "images/Non_fractured/IMG0000003.jpg")
    prediction = fx.read(study, fx.load(bundle.folder))
    page = fx.write(fx.report(study, prediction), tmp_path / "page.html")
    assert prediction.study_key in page.read_text(encoding="utf-8")


def test_a_model_is_not_judged_on_films_it_learned(
    bundle: Bundle, tiny_release: Path, command: Command
) -> None:
    refused = command("evaluate", bundle.folder, "--root", tiny_release)
    assert refused.code == 5
    assert "trained on a film of these cases: IMG0000000; got itself" in refused.err
    assert "Traceback" not in refused.err
    with pytest.raises(LeakageError):
        fx.evaluate(fx.load(bundle.folder), fx.open_dataset("fracatlas", root=tiny_release))


def test_numbers_of_its_own_training_films_say_so(
    bundle: Bundle, tiny_release: Path, command: Command, tmp_path: Path
) -> None:
    allowed = command(
        *("evaluate", bundle.folder, "--root", tiny_release, "--allow-training-films"),
        *("--resamples", "100", "--out", tmp_path / "page"),
    )
    assert allowed.code == 0, allowed.err
    assert "these numbers measure memory, not skill" in " ".join(
        (allowed.out + allowed.err).split()
    )
    page = (tmp_path / "page" / "evaluation.html").read_text(encoding="utf-8")
    assert "measure memory, not skill" in page


def test_a_model_is_judged_on_films_it_never_saw_and_its_table_says_the_same(
    bundle: Bundle, command: Command, tmp_path: Path
) -> None:
    root = write_release(tmp_path / "other", films=40, first_number=5000, seed=9)
    judged = command(
        *("evaluate", bundle.folder, "--root", root, "--table", tmp_path / "table.csv"),
        *("--by", "region", "--out", tmp_path / "page", "--resamples", "100", "--json"),
    )
    assert judged.code == 0, judged.err
    rows = {row["metric"]: row for row in json.loads(judged.out)["rows"]}
    assert rows["images"]["value"] == 40
    assert 0 <= rows["auroc"]["low"] <= rows["auroc"]["value"] <= rows["auroc"]["high"] <= 1
    assert "map50_fractured" in rows
    assert "by region" in (tmp_path / "page" / "evaluation.html").read_text(encoding="utf-8")
    again = command(
        *("evaluate", tmp_path / "table.csv", "--boxes", tmp_path / "page" / "boxes.csv"),
        *("--by", "hardware", "--resamples", "100", "--json"),
    )
    assert again.code == 0, again.err
    said = json.loads(again.out)
    table = {row["metric"]: row for row in said["discrimination"]["rows"]}
    assert table["auroc"]["value"] == pytest.approx(rows["auroc"]["value"])
    found = {row["metric"]: row for row in said["localization"]["rows"]}
    # Sides were rounded to hundredths of a pixel.
    assert found["map50_fractured"]["value"] == pytest.approx(
        rows["map50_fractured"]["value"], abs=0.02
    )


def test_a_film_that_cannot_be_read_counts_as_not_assessed(
    bundle: Bundle, command: Command, tmp_path: Path
) -> None:
    root = write_release(tmp_path / "other", films=40, first_number=5000, seed=9)
    blank = np.zeros((128, 112), np.uint8)
    assert cv2.imwrite(str(root / "images/Fractured/IMG0005000.jpg"), blank)
    broken = root / "images/Non_fractured/IMG0005001.jpg"
    broken.write_bytes(broken.read_bytes()[:500])
    judged = command("evaluate", bundle.folder, "--root", root, "--resamples", "100", "--json")
    assert judged.code == 0, judged.err
    rows = {row["metric"]: row["value"] for row in json.loads(judged.out)["rows"]}
    assert (rows["images"], rows["not_assessed"] >= 2) == (40, True)
