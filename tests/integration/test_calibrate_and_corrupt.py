"""Calibrating a model by a table of its own version, and reading films that were spoiled."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fracturax.evaluation import PredictionTable
from fracturax.models.bundle import Bundle, load_bundle

Command = Callable[..., Any]
PROMISE = ("--ppv", "0.7", "--npv", "0.9")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle with random weights, `tiny@0`."""
    from tiny_model import export_tiny_bundle, tiny_network

    return export_tiny_bundle(tiny_network(), tmp_path_factory.mktemp("tiny") / "bundle")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn answers of `tiny@0` whose probabilities are true: random weights prove nothing."""
    generator = np.random.default_rng(4)
    probability = generator.beta(0.5, 1.5, 1500)
    fractured = generator.random(1500) < probability
    path = tmp_path_factory.mktemp("site") / "site.csv"
    PredictionTable.from_records(
        {
            "case": f"c{number}", "image": f"c{number}", "patient_key": f"p{number}",
            "reference": int(fractured[number]), "probability": probability[number],
            "status": "doubt", "fold": "", "model": "tiny@0",
        }
        for number in range(1500)
    ).write_csv(path, {})  # fmt: skip
    return path


def test_the_table_that_evaluate_writes_names_the_version(
    command: Command, tiny: Bundle, tiny_release: Path, tmp_path: Path
) -> None:
    path = tmp_path / "site.csv"
    answer = command(
        *("evaluate", tiny.folder, "--root", tiny_release, "--table", path, "--resamples", "100"),
    )
    assert answer.code == 0, answer.err
    assert set(PredictionTable.from_csv(path).model) == {"tiny@0"}


def test_calibrate_writes_a_new_version_with_what_was_proven(
    command: Command, tiny: Bundle, site: Path, tmp_path: Path
) -> None:
    out = tmp_path / "new"
    answer = command(
        *("calibrate", tiny.folder, "--cases", site, "--out", out, "--version-name", "0-site"),
        *("--source", "drawn films", *PROMISE, "--json"),
    )
    assert answer.code == 0, answer.err
    said = json.loads(answer.out)
    made = load_bundle(out)
    assert (made.manifest.version, made.sha256) == ("0-site", said["bundle_sha256"])
    (guarantee,) = made.manifest.guarantees
    (told,) = said["guarantees"]
    assert guarantee.points.high_sensitivity == told["no_fracture_below"]
    assert guarantee.cases == told["cases"] == 1500
    assert "like the 1500 of drawn films" in told["words"]


def test_calibrate_in_words_names_thresholds_and_bundle(
    command: Command, tiny: Bundle, site: Path, tmp_path: Path
) -> None:
    answer = command(
        *("calibrate", tiny.folder, "--cases", site, "--out", tmp_path / "new"),
        *("--version-name", "0-site", *PROMISE),
    )
    assert answer.code == 0, answer.err
    assert answer.out == ""
    assert "no fracture below" in answer.err
    assert load_bundle(tmp_path / "new").sha256 in answer.err


def test_the_table_of_one_version_does_not_calibrate_another(
    command: Command, tiny: Bundle, site: Path, tmp_path: Path
) -> None:
    assert site.read_text().count("tiny@0") == 1500
    for name, words in (("tiny@1", "not those of the model"), ("tiny", "does not say which")):
        table = tmp_path / "other.csv"
        table.write_text(site.read_text().replace("tiny@0", name))
        answer = command(
            *("calibrate", tiny.folder, "--cases", table, "--out", tmp_path / "new"),
            *("--version-name", "0-site", *PROMISE),
        )
        assert answer.code == 4
        assert words in answer.err.replace("\n", " ")
        assert not (tmp_path / "new").exists()


def test_evaluate_corrupt_measures_every_condition_and_writes_it(
    command: Command, tiny: Bundle, tiny_release: Path, tmp_path: Path
) -> None:
    from fracturax.pipelines.corrupt import conditions

    out = tmp_path / "out"
    answer = command(
        *("evaluate", tiny.folder, "--root", tiny_release, "--corrupt", "--sample", "10"),
        *("--resamples", "100", "--seed", "3", "--out", out, "--json"),
    )
    assert answer.code == 0, answer.err
    said = json.loads(answer.out)
    text = json.dumps(said)
    assert "tiny 0" in text
    for condition in conditions():
        assert f"not_assessed, {condition}" in text
    assert list(out.iterdir())
