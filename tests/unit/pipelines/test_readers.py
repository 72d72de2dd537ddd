"""A whole reader study from its table, as a document, as words, and from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from fracturax.cli.app import app
from fracturax.core.errors import ConfigError, DataError
from fracturax.evaluation.readers import Auc, PilotComponents, Ratings, analyse, study_of
from fracturax.evaluation.readers.power import cases_for_power
from fracturax.pipelines.readers import StudyOptions, analyse_readers, pilot_components


@pytest.fixture
def ratings_csv(tmp_path: Path) -> Path:
    """Four readers alone and with AI, the AI itself, 40 cases."""
    generator = np.random.default_rng(0)
    lines = ["reader,treatment,case,truth,rating,time_s,confidence,confirmed_later"]
    readings = [(f"r{r}", t) for r in range(4) for t in ("alone", "with AI")] + [("AI", "AI")]
    for reader, treatment in readings:
        gain = {"alone": 1.0, "with AI": 1.8, "AI": 1.5}[treatment]
        for case in range(40):
            truth = case % 2
            rating = round(2 * (truth * gain + generator.normal(0, 0.8)))
            later = int(case % 8 == 1)
            time = f"{generator.uniform(5, 60):.2f}"
            lines.append(f"{reader},{treatment},{case},{truth},{rating},{time},{case},{later}")
    path = tmp_path / "ratings.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


OPTIONS = StudyOptions(threshold=1, model="AI")


def test_a_study_says_everything_its_table_holds(ratings_csv: Path) -> None:
    report = analyse_readers(ratings_csv, OPTIONS)
    assert [one.figure.split()[0] for one in report.analyses] == [
        "auc",
        "sensitivity",
        "specificity",
    ]
    table = Ratings.from_csv(ratings_csv)
    people = study_of(table.take(table.reader != "AI"))
    assert report.analyses[0] == analyse(people, Auc())
    assert report.early is not None
    assert report.early.fractured == 5
    assert report.times is not None
    assert report.confidence is not None
    assert [treatment for treatment, _ in report.standalone] == ["alone"] * 3 + ["with AI"] * 3
    assert report.agreement is not None
    assert "Fleiss' kappa of calls, alone" in report.agreement
    text = report.as_text()
    for words in ("early detection rate", "time ratio, alone / with AI", "model - readers"):
        assert words in text


def test_without_threshold_and_model_the_rest_is_there(ratings_csv: Path) -> None:
    report = analyse_readers(ratings_csv, StudyOptions(treatments=("with AI", "alone")))
    (only,) = report.analyses
    assert only.differences[0].name == "with AI - alone"
    assert report.early is None
    assert report.standalone == ()


def test_the_command_prints_the_numbers_at_full_precision(ratings_csv: Path) -> None:
    done = CliRunner().invoke(
        app, ["readers", "analyse", str(ratings_csv), "--threshold", "1", "--model", "AI", "--json"]
    )
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    expected = analyse_readers(ratings_csv, OPTIONS)
    assert document == json.loads(json.dumps(expected.as_document()))
    assert document["analyses"][0]["overall"]["p"] == expected.analyses[0].overall.p


def test_the_command_knows_fixed_readers_scales_and_readers(ratings_csv: Path) -> None:
    arguments = ["readers", "analyse", str(ratings_csv), "--treatments", "alone,with AI"]
    done = CliRunner().invoke(app, [*arguments, "--fixed", "readers", "--json"])
    assert json.loads(done.stdout)["analyses"][0]["inference"] == "fixed readers, random cases"
    done = CliRunner().invoke(app, [*arguments, "--scale", "0,1"])
    assert isinstance(done.exception, DataError)
    assert "must lie in [0, 1]" in str(done.exception)
    done = CliRunner().invoke(app, [*arguments, "--readers", "r0,r1,r2"])
    assert "must name a reader of the study" in str(done.exception)


def test_a_plan_from_a_pilot_and_from_components(ratings_csv: Path) -> None:
    people = ratings_csv.with_name("people.csv")
    lines = ratings_csv.read_text().splitlines()
    people.write_text("\n".join(line for line in lines if not line.startswith("AI,")) + "\n")
    pilot = pilot_components(people)
    assert pilot == PilotComponents.of(analyse(study_of(Ratings.from_csv(people)), Auc()))
    plan = ["readers", "plan", "--effect", "0.05", "--readers", "6,10", "--json"]
    done = CliRunner().invoke(app, [*plan, "--pilot", str(people)])
    assert done.exit_code == 0, done.output
    plans = json.loads(done.stdout)["plans"]
    expected = [cases_for_power(pilot, readers=r, power=0.8, effect=0.05) for r in (6, 10)]
    assert [(one["cases"], one["power"]) for one in plans] == [
        (one.cases, one.power) for one in expected
    ]
    written = "tr=0.0002,error=0.0008,cov1=0.00034,cov2=0.00034,cov3=0.00024,cases=114"
    done = CliRunner().invoke(app, [*plan, "--components", written, "--cases", "200"])
    assert [one["cases"] for one in json.loads(done.stdout)["plans"]] == [200, 200]
    for wrong in ([], ["--components", "tr=1"], ["--components", "tr=a"]):
        assert isinstance(CliRunner().invoke(app, [*plan, *wrong]).exception, ConfigError)


def test_marks_are_known_by_their_column(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    lines = ["reader,treatment,case,truth,lesion,rating"]
    for reader in "abc":
        for treatment in ("alone", "with AI"):
            for case in range(12):
                lesion = "L1" if case % 2 else ""
                mark = generator.integers(1, 100) + 40 * (case % 2)
                lines.append(f"{reader},{treatment},{case},{case % 2},{lesion},{mark}")
    path = tmp_path / "marks.csv"
    path.write_text("\n".join(lines) + "\n")
    (only,) = analyse_readers(path).analyses
    assert only.figure == "wafroc"
    with pytest.raises(ConfigError, match="table of marks"):
        analyse_readers(path, OPTIONS)


def test_a_figure_that_cannot_be_tested_does_not_stop_the_others(tmp_path: Path) -> None:
    # With AI every reader calls every fracture, alone every one misses the same: no variance.
    lines = ["reader,treatment,case,truth,rating"]
    generator = np.random.default_rng(1)
    for reader in range(3):
        for treatment in ("alone", "AI"):
            for case in range(20):
                truth = case % 2
                rating = generator.integers(1, 6) if truth == 0 else 5
                if treatment == "alone" and truth:
                    rating = 2
                lines.append(f"{reader},{treatment},{case},{truth},{rating}")
    path = tmp_path / "ratings.csv"
    path.write_text("\n".join(lines) + "\n")
    report = analyse_readers(path, StudyOptions(threshold=3))
    assert [one.figure.split()[0] for one in report.analyses] == ["auc", "specificity"]
    assert report.not_computed[0].startswith("sensitivity")
    assert "without any variance" in report.not_computed[0]
    assert "Not computed: sensitivity" in report.as_text()
