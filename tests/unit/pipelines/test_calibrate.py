"""A site's cases set thresholds and guarantee; the new bundle answers by them and says so."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from fracturax.core.anatomy import REGIONS
from fracturax.core.errors import ConfigError, DataError, ModelError
from fracturax.core.prediction import Guarantee, OperatingPoints
from fracturax.core.study import Study
from fracturax.evaluation import PredictionTable
from fracturax.evaluation.guarantee import Promise
from fracturax.example import example_study_folder
from fracturax.imaging import open_study
from fracturax.models.bundle import load_bundle
from fracturax.models.runtime import XrayPredictor
from fracturax.pipelines.calibrate import Sample, calibrate, prove, read_sample
from fracturax.pipelines.read import report
from fracturax.reporting.document import report_document, schema
from fracturax.reporting.page import page_bytes

PROMISE = Promise(ppv=0.7, npv=0.9)


def _table(count: int = 1500, *, model: str = "xray") -> PredictionTable:
    generator = np.random.default_rng(4)
    probability = generator.beta(0.5, 1.5, count)
    fractured = generator.random(count) < probability
    return PredictionTable.from_records(
        {
            "case": f"c{number}", "image": f"c{number}", "patient_key": f"p{number}",
            "reference": int(fractured[number]), "probability": probability[number],
            "status": "doubt", "fold": "", "model": model,
        }
        for number in range(count)
    )  # fmt: skip


def _sample(count: int = 1500) -> Sample:
    region = np.array([REGIONS[number % 2] for number in range(count)])
    return Sample(_table(count), region, "the site")


def test_one_promise_over_all_regions_or_one_for_each_never_both() -> None:
    (whole,) = prove(_sample(), PROMISE).guarantees
    assert (whole.region, whole.cases, whole.ppv, whole.npv) == (None, 1500, 0.7, 0.9)
    apart = {one.region: one for one in prove(_sample(), PROMISE, by_region=True).guarantees}
    assert set(apart) == set(REGIONS)
    assert apart[REGIONS[0]].cases == 750
    empty = apart[REGIONS[3]]
    assert (empty.ppv, empty.npv, empty.cases) == (None, None, 0)
    assert {empty.status(one) for one in (0.0, 0.5, 1.0)} == {"doubt"}


def test_too_few_cases_are_refused_with_how_many_it_takes() -> None:
    with pytest.raises(DataError, match="it takes 45 answers of fracture and 145 of none"):
        prove(_sample(40), PROMISE)


def test_a_calibrated_bundle_answers_by_its_thresholds_and_says_so(tmp_path: Path) -> None:
    shipped = load_bundle("xray")
    bundle, proof = calibrate(shipped, _sample(), PROMISE, out=tmp_path / "new", version="site-1")
    assert bundle.sha256 != shipped.sha256
    assert bundle.manifest.guarantees == proof.guarantees
    assert bundle.manifest.calibration == shipped.manifest.calibration
    assert "at least 70 %" in bundle.card
    (guarantee,) = proof.guarantees
    study = open_study(example_study_folder() / "leg")
    before = XrayPredictor(shipped, threads=1).predict(study)
    after = XrayPredictor(bundle, threads=1).predict(study)
    assert before.guarantee is None
    assert after.probability == before.probability
    assert after.operating_points == guarantee.points
    assert after.status == guarantee.status(after.probability or 0.0)
    document = report_document(report(study, after))
    jsonschema.validate(document, schema())
    assert document["guarantee"] is not None
    assert document["guarantee"]["words"] == guarantee.as_words()
    page = page_bytes(report(study, after)).decode()
    assert "with 90 % confidence" in page


def test_each_region_has_its_own_thresholds(tmp_path: Path) -> None:
    shipped = load_bundle("xray")
    study = open_study(example_study_folder() / "leg")
    region = XrayPredictor(shipped, threads=1).predict(study).images[0].region
    never = Guarantee(OperatingPoints(0, 1), None, None, 0.9, 7, "the site", region)
    manifest = replace(shipped.manifest, guarantees=(never,))
    one = Study(study.key, study.images[:1])
    reader = XrayPredictor(replace(shipped, manifest=manifest), threads=1)
    assert reader.predict(one).status == "doubt"
    with pytest.raises(ModelError, match="two guarantees of one region"):
        replace(shipped.manifest, guarantees=(never, never))


def test_a_table_of_predictions_is_taken_and_that_of_another_model_is_not(tmp_path: Path) -> None:
    model = XrayPredictor(load_bundle("xray"), threads=1)
    path = tmp_path / "site.csv"
    regions = {"region": np.array(["leg"] * 30)}
    _table(30, model=model.identity.label).write_csv(path, regions)
    sample = read_sample(model, path)
    assert (len(sample.table), set(sample.region), sample.source) == (30, {"leg"}, "site")
    _table(30, model="other").write_csv(path, regions)
    with pytest.raises(DataError, match="not those of the model; got other"):
        read_sample(model, path)
    _table(30, model="xray@2025.1").write_csv(path, regions)
    with pytest.raises(DataError, match=r"not those of the model; got xray@2025\.1"):
        read_sample(model, path)
    _table(30).write_csv(path, regions)
    with pytest.raises(DataError, match="does not say which version"):
        read_sample(model, path)
    with pytest.raises(DataError, match="cannot be read"):
        read_sample(model, tmp_path / "none.csv")


def test_labelled_films_are_read_by_the_model(tmp_path: Path) -> None:
    model = XrayPredictor(load_bundle("xray"), threads=1)
    films = sorted(example_study_folder().rglob("*.dcm"))
    lines = ["image,fracture"]
    for number, film in enumerate(films):
        shutil.copyfile(film, tmp_path / film.name)
        lines.append(f"{film.name},{number % 2}")
    path = tmp_path / "site.csv"
    path.write_text("\n".join(lines) + "\n")
    sample = read_sample(model, path, source="drawn films")
    assert sample.table.reference.tolist() == [number % 2 for number in range(len(films))]
    assert sample.table.is_assessed.all()
    assert sample.source == "drawn films"


def test_nothing_is_overwritten_and_a_new_version_is_asked_for(tmp_path: Path) -> None:
    shipped = load_bundle("xray")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(ConfigError, match="not empty"):
        calibrate(shipped, _sample(), PROMISE, out=tmp_path / "full", version="2")
    with pytest.raises(ConfigError, match="another version"):
        calibrate(
            shipped, _sample(), PROMISE, out=tmp_path / "new", version=shipped.manifest.version
        )
