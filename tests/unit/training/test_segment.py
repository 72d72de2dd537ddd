"""A segmenter learns what can be learned, keeps its best weights, and goes on where it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from fracturax.core.errors import ConfigError, UnknownNameError
from fracturax.core.image import Radiograph
from fracturax.training import checkpoint as checkpoint_module
from fracturax.training.loop import Trained
from fracturax.training.segment import (
    AugmentedMasks,
    MaskModule,
    ShuffledDraws,
    StoredMask,
    store_masked,
    train_segmenter_network,
)
from fracturax.training.segment_recipe import (
    SegmenterPace,
    SegmenterRecipe,
    UNetRecipe,
    is_segmenter_recipe,
    load_segmenter_recipe,
)
from fracturax.transforms.plan import PreprocessingPlan
from masked_films import draw_masked

pytestmark = pytest.mark.filterwarnings("ignore")

PLAN = PreprocessingPlan(32, 32)
RECIPE = SegmenterRecipe(
    name="tiny",
    network=UNetRecipe("unet", "mobilenet_v2"),
    plan=PLAN,
    optimizer=SegmenterPace(learning_rate=2e-3, batch_size=4, epochs=2),
)
RECIPES = Path(__file__).parents[3] / "recipes"


@pytest.fixture(scope="module")
def films() -> list[StoredMask]:
    rng = np.random.default_rng(0)
    drawn = [draw_masked(rng) for _ in range(8)]
    return [
        store_masked(Radiograph(grey.astype(np.float32) / np.float32(255)), mask, PLAN)
        for grey, mask in drawn
    ]


def _train(films: list[StoredMask], folder: Path, **more: Any) -> Trained:
    recipe = more.pop("recipe", RECIPE)
    return train_segmenter_network(
        recipe, films, films[:2], folder=folder, show_progress=False, **more
    )


def _equal(one: nn.Module, other: nn.Module) -> bool:
    state = other.state_dict()
    return all(torch.equal(value, state[name]) for name, value in one.state_dict().items())


@pytest.fixture(scope="module")
def whole(films: list[StoredMask], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return _train(films, tmp_path_factory.mktemp("whole"))


def test_the_loss_falls_and_is_of_two_terms(whole: Trained) -> None:
    assert set(whole.curves[0]) == {"train_focal", "train_dice", "inner_loss"}
    assert whole.curves[-1]["train_dice"] < whole.curves[0]["train_dice"]


class _PowerCutError(Exception):
    """What stops a run between two epochs."""


def test_a_run_that_was_stopped_goes_on_to_the_same_weights(
    films: list[StoredMask], whole: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = checkpoint_module.Checkpoints._write

    def write_and_stop(self: Any, *arguments: Any, **options: Any) -> None:
        write(self, *arguments, **options)
        raise _PowerCutError

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint_module.Checkpoints, "_write", write_and_stop)
        with pytest.raises(_PowerCutError):
            _train(films, tmp_path)
    resumed = _train(films, tmp_path)
    assert resumed.curves == whole.curves
    assert _equal(resumed.network, whole.network)


def test_the_weights_with_the_least_inner_loss_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    module = MaskModule(nn.Linear(1, 1), RECIPE, 4)
    for value, loss in ((1.0, 0.5), (2.0, 0.3), (3.0, 0.4)):
        nn.init.constant_(module.network.weight, value)
        module._inner = [loss]
        module.close_epoch()
    assert float(module.kept.weight) == 2.0


def test_without_an_inner_part_the_last_weights_are_kept() -> None:
    module = MaskModule(nn.Linear(1, 1), RECIPE, 4)
    for value in (1.0, 2.0):
        nn.init.constant_(module.network.weight, value)
        module.close_epoch()
    assert float(module.kept.weight) == 2.0


def test_the_learning_rate_stays_or_falls_in_one_cycle() -> None:
    falling = replace(RECIPE, optimizer=replace(RECIPE.optimizer, final_share=0.1))
    for recipe, last in ((RECIPE, 2e-3), (falling, 2e-4)):
        module = MaskModule(nn.Linear(1, 1), recipe, 10)
        made = module.configure_optimizers()
        for _ in range(10):
            made["optimizer"].step()
            made["lr_scheduler"]["scheduler"].step()
        assert made["optimizer"].param_groups[0]["lr"] == pytest.approx(last)


def test_a_mask_follows_its_film(films: list[StoredMask]) -> None:
    # Brightness unchanged: what is bright in the changed film must be what its mask marks.
    still = replace(RECIPE.augmentation, contrast=0.0, brightness=0.0, noise=0.0)
    shown = AugmentedMasks(films, replace(RECIPE, augmentation=still))
    for index in range(len(films)):
        sample = shown[0, index, index]
        bright = sample.image > 0.5
        common = (bright & (sample.mask > 0)).sum()
        assert common / (bright | (sample.mask > 0)).sum() > 0.85


def test_an_epoch_shows_every_film_once_in_another_order() -> None:
    draws = ShuffledDraws(5, seed=0)
    first, second = list(draws), list(draws)
    assert sorted(index for _, _, index in first) == list(range(5))
    assert [index for _, _, index in first] != [index for _, _, index in second]
    assert list(ShuffledDraws(5, seed=0, first_epoch=1)) == second


PBRS = sorted(RECIPES.glob("pbrs-*.toml"))


def test_there_is_a_recipe_for_each_encoder() -> None:
    from fracturax.models.catalog import ENCODERS

    assert {load_segmenter_recipe(path).network.encoder for path in PBRS} == set(ENCODERS)


@pytest.mark.parametrize("path", PBRS, ids=lambda path: path.stem)
def test_a_published_recipe_is_that_of_the_paper(path: Path) -> None:
    recipe = load_segmenter_recipe(path)
    assert is_segmenter_recipe(path)
    assert recipe.name == path.stem
    assert (recipe.plan.rows, recipe.plan.columns) == (224, 224)
    pace = recipe.optimizer
    assert (pace.learning_rate, pace.batch_size, pace.epochs) == (1e-4, 10, 100)
    change = recipe.augmentation
    assert min(change.mirror, change.scale, change.rotation_degrees, change.shift) > 0
    assert min(change.noise, change.shear_degrees, change.brightness, change.contrast) > 0


def test_a_recipe_that_cannot_work_is_a_sentence() -> None:
    with pytest.raises(ConfigError, match="multiples of 32"):
        replace(RECIPE, plan=PreprocessingPlan(100, 96))
    with pytest.raises(ConfigError, match="finds the bones itself"):
        replace(RECIPE, plan=PreprocessingPlan(32, 32, roi="channel"))
    with pytest.raises(ConfigError, match="side marker"):
        replace(RECIPE, augmentation=replace(RECIPE.augmentation, marker=0.5))
    with pytest.raises(UnknownNameError, match="vgg16"):
        replace(RECIPE, network=UNetRecipe("unet", "vgg61"))
    assert not is_segmenter_recipe(RECIPES / "xray.toml")
