"""From a folder of films and masks to a tested bundle, patients held out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fracturax.core.errors import LeakageError
from fracturax.datasets.passport import Split
from fracturax.models.segmenter import load_segmenter
from fracturax.pipelines.train_segmenter import read_masked_films, train_segmenter
from fracturax.training.segment_recipe import SegmenterPace, SegmenterRecipe, UNetRecipe
from fracturax.transforms.plan import PreprocessingPlan
from masked_films import SALT, write_masked_films

pytestmark = pytest.mark.filterwarnings("ignore")

RECIPE = SegmenterRecipe(
    name="tiny",
    network=UNetRecipe("unet", "mobilenet_v2"),
    plan=PreprocessingPlan(32, 32),
    optimizer=SegmenterPace(learning_rate=2e-3, batch_size=4, epochs=1),
)


@pytest.fixture(autouse=True)
def salt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRACTURAX_SALT", SALT)


def test_a_folder_becomes_a_bundle_tested_on_another_patient(tmp_path: Path) -> None:
    write_masked_films(tmp_path / "data")
    trained = train_segmenter(
        RECIPE, root=tmp_path / "data", out=tmp_path / "run", show_progress=False
    )
    parts = {
        part: {film.patient_key for film in trained.data.part(part)[0]}
        for part in ("train", "valid", "test")
    }
    assert {part: len(keys) for part, keys in parts.items()} == {"train": 2, "valid": 1, "test": 1}
    assert not parts["test"] & (parts["train"] | parts["valid"])
    assert trained.evaluation["iou"].n == 3
    segmenter = load_segmenter(trained.bundle)
    assert dict(segmenter.manifest.training)["films_train"] == "6"
    assert {path.name for path in (tmp_path / "run").iterdir()} >= {
        *("split.json", "curves.png", "evaluation.json", "bundle", "network")
    }


def test_a_split_that_tears_a_patient_apart_is_refused(tmp_path: Path) -> None:
    write_masked_films(tmp_path / "data")
    made = read_masked_films(RECIPE, root=tmp_path / "data").split
    name = next(iter(made.fold_of))
    torn = replace(made, fold_of={**made.fold_of, name: (made.fold_of[name] + 1) % 3})
    with pytest.raises(LeakageError):
        read_masked_films(RECIPE, root=tmp_path / "data", split=torn)
    assert isinstance(torn, Split)
