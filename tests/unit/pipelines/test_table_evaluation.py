"""A table of predictions evaluated whole: numbers, points, subgroups, page and command line."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, matthews_corrcoef, roc_auc_score
from typer.testing import CliRunner

from fracturax.cli.app import app
from fracturax.core.errors import DataError, UnknownNameError
from fracturax.evaluation import ImageDetections
from fracturax.evaluation.localization import write_boxes
from fracturax.evaluation.table import PredictionTable
from fracturax.pipelines.evaluation_page import evaluation_document, write_evaluation
from fracturax.pipelines.table_columns import MIXED, read_units
from fracturax.pipelines.table_evaluation import evaluate_predictions
from fracturax.pipelines.table_report import TableOptions, TableReport
from fracturax.reporting.evaluation_page import evaluation_page

OPTIONS = TableOptions(by=("region",), thresholds=(0.4,), prevalence=0.1, resamples=100)


def _frame(patients: int = 90) -> pd.DataFrame:
    """Two images a patient, of two patients in a case more than one; three folds."""
    generator = np.random.default_rng(0)
    rows = []
    for patient in range(patients):
        for image in ("ap", "lateral"):
            reference = int(patient % 3 == 0 and image == "ap") or int(patient % 5 == 0)
            probability = 1 / (1 + np.exp(-generator.normal(2.2 * reference - 1, 1)))
            status = "fracture" if probability > 0.6 else "doubt" if probability > 0.3 else ""
            rows.append(
                {
                    "case": f"c{patient}", "image": image, "patient_key": f"p{patient}",
                    "reference": reference, "probability": probability,
                    "status": status or "no_fracture", "fold": str(patient % 3), "model": "xray",
                    "region": "hand" if patient % 2 else "<b>hip</b>", "age": patient + 0.5,
                    "view": image,
                }
            )  # fmt: skip
    rows[3] |= {"probability": None, "status": "not_assessed"}
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def table_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table") / "predictions.csv"
    _frame().to_csv(path, index=False, float_format="%.17g")
    return path


@pytest.fixture(scope="module")
def report(table_csv: Path) -> TableReport:
    return evaluate_predictions(table_csv, OPTIONS)


@pytest.fixture(scope="module")
def written(report: TableReport, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "evaluation"
    write_evaluation(report, out)
    return out


def test_numbers_are_those_of_scikit_learn_on_the_assessed(
    report: TableReport, table_csv: Path
) -> None:
    frame = pd.read_csv(table_csv).dropna(subset="probability")
    called = frame.status.isin(["fracture", "doubt"])
    point = report.points[0]
    assert report.discrimination["auroc"].value == pytest.approx(
        roc_auc_score(frame.reference, frame.probability)
    )
    assert point.numbers["accuracy"].value == pytest.approx(accuracy_score(frame.reference, called))
    assert point.numbers["mcc"].value == pytest.approx(matthews_corrcoef(frame.reference, called))
    assert report.calibration["brier"].value == pytest.approx(
        ((frame.probability - frame.reference) ** 2).mean()
    )
    assert report.counts["not_assessed"].value == 1


def test_every_number_has_an_interval_that_holds_it(report: TableReport) -> None:
    parts = (report.discrimination, report.calibration, *(one.numbers for one in report.points))
    rows = [row for part in parts for row in part.rows]
    assert len(rows) > 60
    for row in rows:
        assert row.low is not None, row.metric
        assert row.method
        if not row.metric.startswith(("ece", "brier_re")):  # biased upwards by resampling
            assert row.low <= row.value <= row.high  # type: ignore[operator]


def test_a_threshold_never_saw_the_fold_it_is_applied_to(table_csv: Path, tmp_path: Path) -> None:
    """What a fold's own rows say changes no threshold but those of the other folds."""
    frame = pd.read_csv(table_csv)
    before = evaluate_predictions(table_csv, OPTIONS)
    inside = (frame.fold == 0) & frame.probability.notna()
    frame.loc[inside, "probability"] = 1 - frame.loc[inside, "probability"]
    path = tmp_path / "changed.csv"
    frame.to_csv(path, index=False, float_format="%.17g")
    after = evaluate_predictions(path, OPTIONS)
    cuts = [
        next(one.thresholds for one in report.points if one.name == "Youden")
        for report in (before, after)
    ]
    assert cuts[0]["0"] == cuts[1]["0"]
    assert cuts[0]["1"] != cuts[1]["1"]


def test_with_one_fold_no_threshold_is_chosen_and_the_report_says_why(tmp_path: Path) -> None:
    path = tmp_path / "one.csv"
    _frame().assign(fold="0").to_csv(path, index=False)
    report = evaluate_predictions(path, TableOptions(resamples=100))
    assert [one.name for one in report.points] == ["answer: fracture or doubt", "answer: fracture"]
    missing = {one.what: one.why for one in report.not_computed}
    assert "one fold" in missing["operating point by Youden"]


def test_a_patient_in_two_folds_is_no_ground_for_a_threshold(tmp_path: Path) -> None:
    path = tmp_path / "torn.csv"
    frame = _frame()
    frame["fold"] = [str(row % 3) for row in range(len(frame))]
    frame.to_csv(path, index=False)
    report = evaluate_predictions(path, TableOptions(resamples=100))
    assert not any(one.name == "Youden" for one in report.points)


def test_subgroups_partition_the_rows(report: TableReport) -> None:
    area = report.subgroups[0]
    assert [one.name for one in area.subgroups] == ["<b>hip</b>", "hand"]
    assert sum(one.n for one in area.subgroups) == int(report.assessed.sum())
    assert {one.overall.metric for one in report.subgroups} == {
        "auroc", "sensitivity", "specificity",
    }  # fmt: skip


def test_images_are_joined_to_patients_by_the_rule(table_csv: Path) -> None:
    units = read_units(table_csv, by=("region", "view"), unit="patient", rule="mean")
    frame = pd.read_csv(table_csv)
    mean = frame.groupby("patient_key", sort=False).probability.mean()
    assert units.table.case.tolist() == mean.index.tolist()
    assert units.table.probability == pytest.approx(mean.to_numpy())
    assert set(units.columns["view"].tolist()) == {MIXED}
    assert set(units.columns["region"].tolist()) == {"hand", "<b>hip</b>"}
    assert "180 images were joined to 90 patients by the rule mean." in units.notes


def test_answers_of_images_are_not_those_of_a_mean(table_csv: Path) -> None:
    report = evaluate_predictions(table_csv, TableOptions(unit="study", rule="mean", resamples=100))
    assert not any(one.name.startswith("answer") for one in report.points)
    assert "studies" in report.counts
    assert any("answers" in one.what for one in report.not_computed)


def test_many_numbers_are_cut_at_their_quartiles(table_csv: Path) -> None:
    units = read_units(table_csv, by=("age",))
    names, counts = np.unique(units.columns["age"], return_counts=True)
    assert [name[:2] for name in names.tolist()] == ["1:", "2:", "3:", "4:"]
    assert counts.sum() == 180
    assert counts.max() - counts.min() <= 2


def test_two_models_in_one_table_are_refused(tmp_path: Path) -> None:
    frame = _frame()
    frame.loc[0, "model"] = "other"
    path = tmp_path / "two.csv"
    frame.to_csv(path, index=False)
    with pytest.raises(DataError, match="one model"):
        evaluate_predictions(path)


def test_an_unknown_column_names_its_neighbour(table_csv: Path) -> None:
    with pytest.raises(UnknownNameError, match="region"):
        read_units(table_csv, by=("regoin",))


def test_the_page_is_whole_safe_and_alone(written: Path) -> None:
    page = (written / "evaluation.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in page
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)
    assert "<script" not in page
    assert "<b>hip</b>" not in page
    assert "&lt;b&gt;hip&lt;/b&gt;" in page
    for name in ("roc", "precision-recall", "reliability", "decision", "scores", "confusion"):
        assert f'id="{name}"' in page
        assert (written / f"{name}.svg").stat().st_size > 0
        assert (written / f"{name}.png").read_bytes()[:4] == b"\x89PNG"
    assert "there are no boxes" in page
    assert "Research use only" in page


def test_the_tables_say_what_the_report_says(report: TableReport, written: Path) -> None:
    with (written / "numbers.csv").open(encoding="utf-8") as stream:
        rows = {(row["part"], row["metric"]): row for row in csv.DictReader(stream)}
    area = rows["Telling fractured from healthy", "auroc"]
    assert float(area["value"]) == report.discrimination["auroc"].value
    assert float(area["low"]) == report.discrimination["auroc"].low
    shown = f"{report.discrimination['auroc'].value:.3f}"
    assert f"AUROC & {shown} &" in (written / "numbers.tex").read_text(encoding="utf-8")
    assert f"| AUROC | {shown} |" in (written / "numbers.md").read_text(encoding="utf-8")


def test_a_table_of_boxes_comes_into_the_page_as_a_froc_curve(tmp_path: Path) -> None:
    frame = _frame(30)
    table = PredictionTable.from_frame(frame[frame.probability.notna()])
    box = np.array([[10.0, 10.0, 50.0, 50.0]])
    detections = tuple(
        ImageDetections(case, image, box, np.array([probability]), box if truth else box[:0])
        for case, image, probability, truth in zip(
            table.case.tolist(), table.image.tolist(), table.probability, table.reference,
            strict=True,
        )
    )  # fmt: skip
    table.write_csv(tmp_path / "table.csv")
    write_boxes(detections, tmp_path / "boxes.csv")
    report = evaluate_predictions(
        tmp_path / "table.csv", TableOptions(resamples=100), boxes=tmp_path / "boxes.csv"
    )
    assert report.boxes is not None
    # Every fracture is marked exactly, and every healthy image has a false mark of its own score.
    numbers = report.boxes.numbers
    assert numbers["map50_95_fractured"].value == 1
    assert numbers["wafroc_area"].value == pytest.approx(report.discrimination["auroc"].value)
    assert numbers["wafroc_area"].value == numbers["afroc_area"].value
    page = evaluation_page(evaluation_document(report))
    assert 'id="froc"' in page
    assert "mAP50, fractured images" in page
    assert "Area below the wAFROC curve" in page
    assert "there are no boxes" not in page
    assert report.as_document()["localization"] == numbers.as_document()


def test_the_command_prints_full_precision(table_csv: Path, report: TableReport) -> None:
    said = CliRunner().invoke(
        app,
        ["evaluate", str(table_csv), "--by", "region", "--resamples", "100", "--prevalence",
         "0.1", "--threshold", "0.4", "--json"],
    )  # fmt: skip
    assert said.exit_code == 0, said.output
    document = json.loads(said.stdout)
    assert document == json.loads(json.dumps(report.as_document()))
    assert document["discrimination"]["rows"][0]["low"] == report.discrimination["auroc"].low
