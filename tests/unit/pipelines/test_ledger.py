"""The ledger of a card: subgroups of everything that is known, and none left out."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from fracturax.core.errors import DataError
from fracturax.evaluation.table import PredictionTable
from fracturax.models.bundle import load_bundle
from fracturax.pipelines.failures import failure_atlas
from fracturax.pipelines.ledger import LEDGER, Ledger, count_films
from fracturax.pipelines.table_columns import UnitTable
from fracturax.pipelines.table_evaluation import evaluate_units
from fracturax.pipelines.table_report import TableOptions, TableReport

TABLE = Path(__file__).parents[3] / ("benchmarks/accuracy/xray/out_of_fold.csv")


@pytest.fixture(scope="module")
def units() -> UnitTable:
    """A table of 200 films, the size of the fracture known of the fractured ones."""
    generator = np.random.default_rng(1)
    reference = (np.arange(200) % 4 == 0).astype(np.int64)
    probability = 1 / (1 + np.exp(-generator.normal(2 * reference - 1, 1)))
    status = np.where(probability > 0.7, "fracture", np.where(probability > 0.3, "doubt", ""))
    table = PredictionTable.from_records(
        {
            "case": f"c{row}", "image": f"c{row}", "patient_key": f"p{row}",
            "reference": int(reference[row]), "probability": float(probability[row]),
            "status": str(status[row]) or "no_fracture", "fold": "0", "model": "m",
        }
        for row in range(200)
    )  # fmt: skip
    size = np.where(np.arange(200) % 8 == 0, "small", "large")
    columns = {
        "view": np.where(np.arange(200) % 3 == 0, "lateral", ""),
        "fracture_size": np.where(reference == 1, size, ""),
    }
    return UnitTable(table, columns)


@pytest.fixture(scope="module")
def report(units: UnitTable) -> TableReport:
    """What the table says."""
    by = TableOptions(by=("view", "fracture_size"), resamples=50)
    return evaluate_units(units, by, source="table.csv")


def test_a_trait_of_fractures_is_measured_against_all_healthy_films(
    units: UnitTable, report: TableReport
) -> None:
    areas = [one for one in report.subgroups if one.column == "fracture_size"]
    area, share = areas
    assert area.heterogeneity is None  # they share the healthy films
    assert share.overall.metric.startswith("sensitivity")
    table = units.table
    for group in area.subgroups:
        chosen = (units.columns["fracture_size"] == group.name) | (table.reference == 0)
        expected = roc_auc_score(table.reference[chosen], table.probability[chosen])
        assert group.row is not None
        assert group.row.value == pytest.approx(expected, abs=1e-12)
        assert group.n == 25


def test_every_value_has_a_line_and_a_missing_one_fails(
    units: UnitTable, report: TableReport
) -> None:
    subgroups = report.as_document()["subgroups"]
    assert isinstance(subgroups, list)
    films = count_films(units.columns, units.table.reference)
    assert films["view"] == {"lateral": 67, "missing": 133}
    ledger = Ledger.of(subgroups, films)
    assert [(one.column, one.name, one.films) for one in ledger.lines] == [
        ("fracture_size", "large", 25), ("fracture_size", "small", 25),
        ("view", "lateral", 67), ("view", "missing", 133),
    ]  # fmt: skip
    assert LEDGER["region"] in ledger.unknown
    without = [one for one in subgroups if one["column"] != "view"]
    with pytest.raises(DataError, match="no line for view 'lateral', which has 67"):
        Ledger.of(without, films)
    films["view"]["lateral"] = 66
    with pytest.raises(DataError, match="a line of 67 films for view"):
        Ledger.of(subgroups, films)


def test_the_atlas_names_the_worst_first(units: UnitTable) -> None:
    missed, alarms = failure_atlas(units, worst=3)
    table = units.table
    wrong = (table.reference == 1) & (table.status == "no_fracture")
    assert missed.count == wrong.sum()
    assert missed.worst[0].probability == pytest.approx(table.probability[wrong].min(), abs=1e-4)
    given = [one.probability for one in alarms.worst]
    assert given == sorted(given, reverse=True)
    assert len(given) == 3 < alarms.count
    assert alarms.among == 150
    assert {trait.column for trait in alarms.traits} == {"view"}


def test_the_card_of_the_packaged_model_accounts_for_every_subgroup_of_its_table() -> None:
    card = (load_bundle("xray").folder / "card.md").read_text(encoding="utf-8")
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    stated = json.loads(TABLE.with_name("evaluation.json").read_text(encoding="utf-8"))
    for column, words in LEDGER.items():
        assert column in rows[0]
        for name, films in stated["films_of_subgroups"][column].items():
            assert f"| {words}: {name} | {films} |" in card
        counted = sum(stated["films_of_subgroups"][column].values())
        known = [row for row in rows if row["reference"] == "1" or column != "fracture_size"]
        assert counted == len(known)
    assert "does not say" not in card
