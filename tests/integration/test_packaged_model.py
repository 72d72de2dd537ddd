"""The model that comes with the package answers rightly on the example that comes with it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import fracturax as fx
from fracturax.core.image import Step
from fracturax.datasets.splits import DroppedCase
from fracturax.models.bundle import load_bundle, write_bundle
from fracturax.pipelines.card import write_card

RESULTS = Path(__file__).parents[2] / "benchmarks" / "accuracy" / "xray"


def test_the_planted_fracture_is_found_where_it_was_planted() -> None:
    study = fx.open(fx.example_study_folder() / "forearm")
    prediction = fx.read(study, fx.load("xray", threads=1))
    assert prediction.status == "fracture"
    assert prediction.decisive_image == "forearm_lateral.dcm"
    row_min, column_min, row_max, column_max = 494, 327, 564, 441  # truth.json, lateral film
    box = prediction.findings[0].box
    assert row_min <= (box.row_min + box.row_max) / 2 <= row_max
    assert column_min <= (box.column_min + box.column_max) / 2 <= column_max


def test_the_intact_leg_is_not_called_fractured() -> None:
    study = fx.open(fx.example_study_folder() / "leg")
    prediction = fx.read(study, fx.load("xray", threads=1))
    # A doubt may be had: it is asked for at nine in ten of all fractures.
    assert prediction.status in ("no_fracture", "doubt")
    assert not [one for one in prediction.findings if one.certainty == "certain"]


def test_the_packaged_plan_has_no_steps_and_its_bundle_written_again_has_its_hash(
    tmp_path: Path,
) -> None:
    bundle = load_bundle("xray")
    plan = bundle.manifest.plan
    film = fx.open(fx.example_study_folder() / "leg").radiographs[0]
    assert plan.prepare(film).pixels is film.pixels
    # The hash that answers of this model have always named.
    assert plan.sha256 == "db2e022025d4dde3af7024f09bd20d40108a658dfd92baade654223ce2ae2990"
    folder = tmp_path / "xray"
    shutil.copytree(bundle.folder, folder)
    again = write_bundle(folder, bundle.manifest, bundle.scope, bundle.register)
    assert again.sha256 == bundle.sha256


def test_a_bundle_with_steps_travels(tmp_path: Path) -> None:
    bundle = load_bundle("xray")
    folder = tmp_path / "xray"
    shutil.copytree(bundle.folder, folder)
    steps = (Step("crop_border"), Step("clahe", (("clip_limit", 3.0),)))
    plan = replace(bundle.manifest.plan, steps=steps)
    written = write_bundle(folder, replace(bundle.manifest, plan=plan), bundle.scope)
    again = load_bundle(folder).manifest.plan
    assert [step.name for step in again.steps] == ["crop_border", "clahe"]
    assert again.sha256 == plan.sha256 == written.identity().plan_sha256
    film = fx.open(fx.example_study_folder() / "leg").radiographs[0]
    assert again.prepare(film).pixels.tobytes() == plan.prepare(film).pixels.tobytes()


def test_the_packaged_card_says_what_the_kept_results_say(tmp_path: Path) -> None:
    def kept(name: str):
        return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))

    bundle = load_bundle("xray")
    results = {**kept("evaluation"), "scope": kept("scope"), "blank": kept("blank")}
    dropped = [DroppedCase(**one) for one in kept("dropped")]
    write_card(tmp_path / "card.md", bundle.manifest, results, dropped)
    assert (tmp_path / "card.md").read_text(encoding="utf-8") == bundle.card
