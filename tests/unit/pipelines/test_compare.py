"""Models compared on the same cases: every test, aligned rows, adjusted p-values."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from statsmodels.stats.multitest import multipletests
from typer.testing import CliRunner

from fracturax.cli.app import app
from fracturax.core.errors import ConfigError, DataError
from fracturax.evaluation import delong_test
from fracturax.evaluation.table import PredictionTable
from fracturax.pipelines.compare import CompareOptions, ComparisonReport, compare

OPTIONS = CompareOptions(
    metrics=("auroc", "brier", "sensitivity"),
    thresholds=(0.5,),
    margin=0.1,
    resamples=100,
    permutations=100,
)


def _frame(name: str, gain: float, *, images: int = 1) -> pd.DataFrame:
    generator = np.random.default_rng(len(name) + round(10 * gain))
    rows = []
    for row in range(160):
        reference = int(row // images % 4 == 0)
        probability = 1 / (1 + np.exp(-generator.normal(gain * reference - 0.5 * gain, 1)))
        rows.append(
            {
                "case": f"c{row}", "image": "1", "patient_key": f"p{row // images}",
                "reference": reference, "probability": probability,
                "status": "fracture" if probability > 0.5 else "no_fracture",
                "fold": "0", "model": name,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def _written(folder: Path, frames: dict[str, pd.DataFrame]) -> list[Path]:
    paths = []
    for name, frame in frames.items():
        paths.append(folder / f"{name}.csv")
        frame.to_csv(paths[-1], index=False, float_format="%.17g")
    return paths


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    frames = {name: _frame(name, gain) for name, gain in (("a", 2.0), ("b", 1.6), ("c", 0.4))}
    return _written(tmp_path_factory.mktemp("tables"), frames)


@pytest.fixture(scope="module")
def report(tables: list[Path]) -> ComparisonReport:
    return compare(tables, OPTIONS)


def test_each_pair_gets_each_test(report: ComparisonReport) -> None:
    pairs = {(one.a, one.b) for one in report.tests}
    assert pairs == {("a", "b"), ("a", "c"), ("b", "c")}
    tests = {one.test for one in report.tests if (one.a, one.b) == ("a", "b")}
    assert {"DeLong", "bootstrap, auroc", "bootstrap, brier", "permutation, auroc"} <= tests
    assert {"McNemar, accuracy, threshold 0.5", "bootstrap, sensitivity, threshold 0.5"} <= tests
    assert not report.not_computed


def test_delong_is_that_of_the_evaluation(report: ComparisonReport, tables: list[Path]) -> None:
    first, second = (PredictionTable.from_csv(path) for path in tables[:2])
    wanted = delong_test(first.reference, first.probability, second.probability)
    found = next(one.comparison for one in report.tests if one.test == "DeLong")
    assert (found.difference, found.p) == (wanted.difference, wanted.p)


def test_mcnemar_is_the_binomial_test_of_the_disagreements(
    report: ComparisonReport, tables: list[Path]
) -> None:
    first, second = (pd.read_csv(path) for path in tables[:2])
    inside = first.reference == 1
    right_a, right_b = (one.probability[inside] >= 0.5 for one in (first, second))
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    exact = binomtest(only_a, only_a + only_b).pvalue
    found = next(
        one.comparison for one in report.tests if one.test == "McNemar, sensitivity, threshold 0.5"
    )
    assert found.p < exact  # mid-p takes half of the observed table off
    assert found.difference == pytest.approx((only_a - only_b) / inside.sum())


def test_p_values_are_adjusted_over_all_pairs(report: ComparisonReport) -> None:
    family = [one for one in report.tests if one.test == "DeLong"]
    p_values = [one.comparison.p for one in family]
    for method, column in (("holm", "holm"), ("fdr_bh", "benjamini_hochberg")):
        wanted = multipletests(p_values, method=method)[1]
        assert [getattr(one, column) for one in family] == pytest.approx(wanted)


def test_the_order_of_rows_does_not_matter(
    report: ComparisonReport, tables: list[Path], tmp_path: Path
) -> None:
    shuffled = pd.read_csv(tables[1], dtype=str).sample(frac=1, random_state=1)
    path = tmp_path / "b.csv"
    shuffled.to_csv(path, index=False)
    again = compare([tables[0], path, tables[2]], OPTIONS)
    assert again.as_document()["tests"] == report.as_document()["tests"]


def test_exchanged_tables_turn_the_sign(report: ComparisonReport, tables: list[Path]) -> None:
    turned = compare([tables[1], tables[0]], OPTIONS)
    there = {one.test: one.comparison for one in report.tests if (one.a, one.b) == ("a", "b")}
    for one in turned.tests:
        assert one.comparison.difference == pytest.approx(-there[one.test].difference)
    assert turned.non_inferiority[0][2].difference < 0


def test_images_of_a_patient_widen_the_interval(tmp_path: Path) -> None:
    """Four copies of each image are no more evidence than one."""
    paths = {}
    for copies in (1, 4):
        frames = {}
        for name, gain in (("a", 2.0), ("b", 1.0)):
            frame = pd.concat([_frame(name, gain)] * copies, ignore_index=True)
            frame["case"] = [f"c{row}" for row in range(len(frame))]
            frames[f"{name}{copies}"] = frame
        paths[copies] = _written(tmp_path, frames)
    options = CompareOptions(metrics=("brier",), resamples=100, permutations=100)
    once, often = (
        next(one.comparison for one in compare(paths[copies], options).tests) for copies in (1, 4)
    )
    assert "groups" in often.method
    assert often.p == pytest.approx(once.p, rel=0.1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda frame: frame.iloc[:-1], r"lacks an image.*case 'c159', image '1', row 160"),
        (lambda frame: frame.iloc[1:], r"lacks an image.*case 'c0'"),
        (lambda frame: frame.replace({"case": {"c7": "x"}}), r"lacks an image.*'c7'"),
        (
            lambda frame: frame.assign(reference=[1, 1, *frame.reference[2:]]),
            r"column 'reference' of z.csv contradicts.*1 in row 2.*case 'c1'",
        ),
        (
            lambda frame: frame.replace({"patient_key": {"p5": "p6"}}),
            r"column 'patient_key' of z.csv.*'p6' in row 6.*case 'c5'",
        ),
    ],
)
def test_other_cases_are_refused_by_name(
    tables: list[Path], tmp_path: Path, change: object, words: str
) -> None:
    (path,) = _written(tmp_path, {"z": change(_frame("z", 1.0))})  # type: ignore[operator]
    with pytest.raises(DataError, match=words):
        compare([tables[0], path], OPTIONS)
    if len(pd.read_csv(path)) < 160:
        with pytest.raises(DataError, match="that the first table lacks"):
            compare([path, tables[0]], OPTIONS)


def test_one_table_or_an_unknown_number_is_refused(tables: list[Path]) -> None:
    with pytest.raises(ConfigError, match="two tables"):
        compare(tables[:1])
    with pytest.raises(ConfigError, match="cannot be compared"):
        CompareOptions(metrics=("f2",))  # type: ignore[arg-type]


def test_the_command_says_the_same(tables: list[Path], report: ComparisonReport) -> None:
    words = ["--metric", "auroc", "--metric", "brier", "--metric", "sensitivity"]
    words += [
        "--threshold",
        "0.5",
        "--margin",
        "0.1",
        "--resamples",
        "100",
        "--permutations",
        "100",
    ]
    said = CliRunner().invoke(app, ["compare", *map(str, tables), *words, "--json"])
    assert said.exit_code == 0, said.output
    assert json.loads(said.stdout) == json.loads(json.dumps(report.as_document()))
    text = CliRunner().invoke(app, ["compare", *map(str, tables), *words]).stderr
    assert "no worse than by 0.1 AUROC" in text
    assert "Holm" in text
