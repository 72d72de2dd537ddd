"""A fusion learns: on synthetic streams whose answer is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fracturax.core.errors import ConfigError, DataError, ModelError, UnknownNameError
from fracturax.training.fusion import Spoilt, StreamTable, answer_table, train_fusion
from fracturax.training.fusion_recipe import (
    FusionDesign,
    FusionPace,
    FusionRecipe,
    is_fusion_recipe,
    load_fusion_recipe,
)

RECIPES = Path(__file__).parents[3] / "recipes"


def _table(*, cases: int = 240, seed: int = 0) -> StreamTable:
    """Synthetic streams: CT tells the label, the film half of it; spoilt, either tells nothing."""
    generator = np.random.default_rng(seed)
    label = generator.random(cases) < 0.5
    sign = np.where(label, 1.0, -1.0)[:, None]

    def features(strength: float, width: int) -> np.ndarray:
        return (strength * sign + generator.normal(size=(cases, width))).astype(np.float32)

    def spoilt(width: int, *cells: int) -> Spoilt:
        # As blur does: far from what the stream ever says of a sharp image.
        noise = 3 + generator.normal(size=(cases, width))
        return Spoilt(noise.astype(np.float32), np.zeros((cases, *cells), np.float32))

    cells = {"xray": np.zeros((cases, 2, 2), bool), "ct": np.zeros((cases, 2, 2, 2), bool)}
    for one in cells.values():
        one[label, 0] = True
    maps = {name: np.where(one, 1.0, -1.0).astype(np.float32) for name, one in cells.items()}
    return StreamTable(
        {"xray": features(0.5, 4), "ct": features(1.5, 6)},
        maps,
        cells,
        label,
        np.arange(cases) % 3,
        {"xray": {"blur": spoilt(4, 2, 2)}, "ct": {"blur": spoilt(6, 2, 2, 2)}},
    )


def _recipe(fusion: str, *, epochs: int = 8) -> FusionRecipe:
    pace = FusionPace(epochs=epochs, patience=0, batch_size=16)
    return FusionRecipe("synthetic", FusionDesign("fusion", fusion, width=16), optimizer=pace)


def _accuracy(logits: np.ndarray, label: np.ndarray) -> float:
    return float(((logits[:, 1] > logits[:, 0]) == label).mean())


@pytest.mark.parametrize("fusion", ["concat", "attention", "cyclegan"])
def test_it_learns_from_any_subset_and_marks_where(fusion: str) -> None:
    trained = train_fusion(_recipe(fusion), _table())
    unseen = _table(seed=1)
    for names, least in ((("ct",), 0.9), (("xray",), 0.7), (("xray", "ct"), 0.9)):
        said = answer_table(trained.network, unseen, names)
        assert _accuracy(said.logits.numpy(), unseen.label) > least
    said = answer_table(trained.network, unseen)
    assert ((said.ct_where.numpy() > 0) == unseen.cells["ct"]).mean() > 0.9


def test_a_degraded_stream_weighs_less() -> None:
    network = train_fusion(_recipe("attention"), _table()).network
    unseen = _table(seed=1)
    for index, stream in enumerate(("xray", "ct")):
        clean = answer_table(network, unseen).weights[:, index]
        bad = answer_table(network, unseen.with_spoilt(stream, "blur")).weights[:, index]
        assert (bad < clean).float().mean() > 0.9


def test_the_same_seed_gives_the_same_fusion() -> None:
    one, other = (train_fusion(_recipe("cyclegan", epochs=1), _table()) for _ in range(2))
    assert one.curves == other.curves
    assert all(
        bool((a == b).all())
        for a, b in zip(one.network.parameters(), other.network.parameters(), strict=True)
    )


def test_an_inner_patient_stops_it_early_and_its_best_epoch_is_kept() -> None:
    recipe = _recipe("concat", epochs=60)
    recipe = replace(recipe, optimizer=replace(recipe.optimizer, patience=2))
    trained = train_fusion(recipe, _table(), inner=_table(seed=1))
    assert len(trained.curves) < 60
    losses = [row["inner_loss"] for row in trained.curves]
    assert trained.best_epoch == int(np.argmin(losses))


def test_streams_of_other_cases_and_no_numbers_are_refused() -> None:
    table = _table(cases=6)
    with pytest.raises(DataError, match="not of the same cases"):
        replace(table, label=table.label[:3])
    with pytest.raises(DataError, match="no number"):
        replace(table, features={"ct": np.full((6, 2), np.nan, np.float32)})


def test_a_training_that_runs_away_ends_and_says_so() -> None:
    recipe = _recipe("attention", epochs=2)
    wild = replace(recipe, optimizer=replace(recipe.optimizer, learning_rate=1e30))
    with pytest.raises(ModelError, match="no number"):
        train_fusion(wild, _table(cases=64))


def test_every_recipe_of_a_fusion_is_read() -> None:
    paths = sorted(RECIPES.glob("fracturax-fusion-*.toml"))
    assert len(paths) == 6
    for path in paths:
        assert is_fusion_recipe(path)
        assert load_fusion_recipe(path).name == path.stem
    pace = load_fusion_recipe(RECIPES / "fracturax-fusion-concat.toml").optimizer
    assert (pace.batch_size, pace.learning_rate, pace.epochs) == (16, 1e-3, 100)


def test_wrong_recipes_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="attention"):
        FusionRecipe("x", FusionDesign("fusion", "attenton"))
    with pytest.raises(ConfigError, match="two or more"):
        FusionRecipe("x", FusionDesign("fusion", "concat"), optimizer=FusionPace(batch_size=1))
