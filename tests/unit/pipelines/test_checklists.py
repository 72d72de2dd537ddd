"""Checklists: each answer comes from an artefact, and what has none is said to be open."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fracturax.core.errors import UnknownNameError
from fracturax.datasets.passport import Split
from fracturax.evaluation.table import PredictionTable
from fracturax.models.bundle import Bundle
from fracturax.pipelines.checklists import Artefacts, answers_of, write_checklists
from fracturax.pipelines.table_columns import UnitTable
from fracturax.pipelines.table_evaluation import evaluate_units
from fracturax.pipelines.table_report import TableOptions, TableReport
from fracturax.reporting.checklists import CHECKLISTS, fill_checklist
from fracturax.training.recipe import load_recipe
from tiny_model import tiny_manifest

RECIPE = Path(__file__).parents[3] / "recipes" / "xray.toml"


def _report(*, is_torn: bool = False) -> TableReport:
    generator = np.random.default_rng(0)
    reference = np.arange(60) % 3 == 0
    table = PredictionTable.from_records(
        {
            "case": f"c{row}", "image": "1", "patient_key": f"p{row // 2}",
            "reference": int(truth), "probability": probability,
            "status": "fracture" if probability > 0.5 else "doubt",
            "fold": str(row % 2 if is_torn else row // 2 % 2), "model": "xray",
        }
        for row, truth, probability in zip(
            range(60), reference, 1 / (1 + np.exp(-generator.normal(2.0 * reference))), strict=True
        )
    )  # fmt: skip
    return evaluate_units(UnitTable(table, {}), TableOptions(resamples=100), source="t.csv")


@pytest.fixture(scope="module")
def report() -> TableReport:
    return _report()


@pytest.mark.parametrize("name", CHECKLISTS)
def test_items_are_numbered_once_and_ask_for_something(name: str) -> None:
    items = fill_checklist(name, {}).items
    assert len({one.number for one in items}) == len(items)
    assert all(one.asks and one.section for one in items)
    assert fill_checklist(name, {}).open_items == items


def test_claim_has_its_44_items() -> None:
    assert [one.number for one in fill_checklist("claim_2024", {}).items] == [
        str(number) for number in range(1, 45)
    ]


def test_every_answer_is_asked_for_and_every_key_can_be_answered(report: TableReport) -> None:
    passport = Split("by patient", 0, {"a": 0, "b": 1})
    manifest = tiny_manifest(training=(("data", "fracatlas"), ("films", "9"), ("dropped", "2")))
    bundle = Bundle(Path(), manifest, None, "00ff")
    answers = answers_of(Artefacts(report, bundle, passport, load_recipe(RECIPE)))
    keys = {one.key for name in CHECKLISTS for one in fill_checklist(name, {}).items} - {""}
    assert answers.keys() <= keys
    assert keys - answers.keys() <= {"subgroups"}  # nobody asked for any


def test_an_answer_says_what_the_artefact_says(report: TableReport) -> None:
    passport = Split("by patient", 7, {"a": 0, "b": 1})
    answers = answers_of(Artefacts(report, passport=passport))
    auroc = report.discrimination["auroc"]
    assert f"{auroc.value:.3f} ({auroc.low:.3f} to {auroc.high:.3f})" in answers["performance"]
    assert passport.sha256 in answers["partition"]
    assert "seed 7" in answers["partition"]
    assert answers["partition_level"].startswith("by patient")
    assert "technology" not in answers


def test_artefacts_are_read_from_files(report: TableReport, tmp_path: Path) -> None:
    passport = Split("by patient", 7, {"a": 0, "b": 1})
    passport.write(tmp_path / "split.json")
    found = Artefacts.read(report, passport=tmp_path / "split.json", recipe=RECIPE)
    assert found.passport == passport
    assert "mobilenet_v2" in answers_of(found)["initialization"]


def test_patients_in_two_parts_are_not_called_disjoint() -> None:
    answers = answers_of(Artefacts(_report(is_torn=True)))
    assert answers["partition_level"] == (
        "not by patient: 30 values of patient_key stand in a second part"
    )


def test_what_is_open_is_listed(report: TableReport, tmp_path: Path) -> None:
    claim, stard = write_checklists(Artefacts(report), tmp_path)
    text = claim.read_text(encoding="utf-8")
    assert claim.name == "checklist-claim-2024.md"
    assert "- 44: Funding, and the role of the funders" in text
    assert "| 22 | Description of the model, with inputs and outputs | *open* |" in text
    assert "not the numbers of the published" in stard.read_text(encoding="utf-8")


def test_an_unknown_checklist_is_refused() -> None:
    with pytest.raises(UnknownNameError):
        fill_checklist("consort", {})
