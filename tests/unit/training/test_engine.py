import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from torch import Tensor, nn

from fracturax.core.errors import ConfigError
from fracturax.models.xray import XrayNetwork
from fracturax.training import checkpoint as checkpoint_module
from fracturax.training.batches import ExactFilms, StoredFilm
from fracturax.training.engine import predict_films, train_network
from fracturax.training.loop import Trained
from fracturax.training.recipe import Recipe

pytestmark = pytest.mark.filterwarnings("ignore")


def _train(films: list[StoredFilm], recipe: Recipe, folder: Path, **more: Any) -> Trained:
    inner = more.pop("inner", ())
    return train_network(recipe, films, inner, folder=folder, show_progress=False, **more)


def _equal(one: nn.Module, other: nn.Module) -> bool:
    state = other.state_dict()
    return all(torch.equal(value, state[name]) for name, value in one.state_dict().items())


@pytest.fixture(scope="module")
def whole(
    stored_films: list[StoredFilm],
    recipe_of: Callable[..., Recipe],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Trained, Path]:
    """Two epochs of ten steps without a stop."""
    folder = tmp_path_factory.mktemp("whole")
    return _train(stored_films, recipe_of(epoch_films=40), folder), folder


def test_training_twice_gives_the_same_weights(
    whole: tuple[Trained, Path],
    stored_films: list[StoredFilm],
    recipe_of: Callable[..., Recipe],
    tmp_path: Path,
) -> None:
    again = _train(stored_films, recipe_of(epoch_films=40), tmp_path)
    assert _equal(again.network, whole[0].network)
    assert again.curves == whole[0].curves
    other = _train(stored_films, recipe_of(epoch_films=40, seed=1), tmp_path / "1", max_steps=2)
    assert not _equal(other.network, whole[0].network)


class _PowerCutError(Exception):
    """What stops a run between two epochs."""


def test_a_run_that_was_stopped_goes_on_to_the_same_weights(
    stored_films: list[StoredFilm],
    recipe_of: Callable[..., Recipe],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The generator of dropout is no part of a checkpoint; all else is.
    monkeypatch.setattr(nn.Dropout, "forward", lambda self, values: values)
    recipe, write = recipe_of(epoch_films=40), checkpoint_module.Checkpoints._write
    uninterrupted = _train(stored_films, recipe, tmp_path / "whole")
    folder = tmp_path / "stopped"

    def write_and_stop(self: Any, *arguments: Any, **options: Any) -> None:
        write(self, *arguments, **options)
        raise _PowerCutError

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint_module.Checkpoints, "_write", write_and_stop)
        with pytest.raises(_PowerCutError):
            _train(stored_films, recipe, folder)
    state = json.loads((folder / "checkpoint.json").read_text())
    assert (state["is_finished"], state["steps"], len(state["curves"])) == (False, 10, 1)
    resumed = _train(stored_films, recipe, folder)
    assert resumed.curves == uninterrupted.curves
    assert _equal(resumed.network, uninterrupted.network)


def test_a_finished_run_is_not_repeated(
    whole: tuple[Trained, Path], recipe_of: Callable[..., Recipe]
) -> None:
    # No film at all: nothing could be trained.
    again = _train([], recipe_of(epoch_films=40), whole[1])
    assert _equal(again.network, whole[0].network)


def test_the_run_of_another_recipe_is_not_taken_over(
    whole: tuple[Trained, Path],
    stored_films: list[StoredFilm],
    recipe_of: Callable[..., Recipe],
) -> None:
    with pytest.raises(ConfigError, match="another recipe"):
        _train(stored_films, recipe_of(epoch_films=40, learning_rate=2e-3), whole[1])


def test_a_checkpoint_is_safetensors_and_json(whole: tuple[Trained, Path]) -> None:
    from safetensors import safe_open

    files = {path.name for path in whole[1].iterdir()}
    assert files == {"checkpoint.safetensors", "checkpoint.json"}
    assert json.loads((whole[1] / "checkpoint.json").read_text())["is_finished"]
    assert not zipfile.is_zipfile(whole[1] / "checkpoint.safetensors")
    with safe_open(whole[1] / "checkpoint.safetensors", framework="np") as stream:
        assert any(name.startswith("average.") for name in stream.keys())  # noqa: SIM118


def test_loss_falls_on_films_that_can_be_learned(whole: tuple[Trained, Path]) -> None:
    first, last = whole[0].curves[0], whole[0].curves[-1]
    assert sum(last.values()) < sum(first.values())


def test_frozen_blocks_keep_their_weights(
    stored_films: list[StoredFilm], recipe_of: Callable[..., Recipe], tmp_path: Path
) -> None:
    pl.seed_everything(0, workers=True, verbose=False)
    fresh = XrayNetwork(weights="random", width=8)
    trained = _train(stored_films, recipe_of(frozen_blocks=4), tmp_path, max_steps=2)
    features = trained.network.get_submodule("backbone.features")
    for name, parameter in fresh.backbone.features.named_parameters():
        is_frozen = int(name.split(".")[0]) < 4
        assert torch.equal(features.get_parameter(name), parameter) == is_frozen, name


def test_a_share_of_the_way_from_the_start_is_kept(
    whole: tuple[Trained, Path],
    stored_films: list[StoredFilm],
    recipe_of: Callable[..., Recipe],
    tmp_path: Path,
) -> None:
    start = whole[0].network
    recipe = recipe_of(epoch_films=40)
    kept = {
        share: _train(
            stored_films,
            replace(recipe, kept_share=share),
            tmp_path / str(share),
            start=start,
            max_steps=2,
        ).network.state_dict()
        for share in (0.25, 1.0)
    }
    moved = 0.0
    for name, first in start.state_dict().items():
        if first.is_floating_point():
            expected = first + 0.25 * (kept[1.0][name] - first)
            torch.testing.assert_close(kept[0.25][name], expected)
            moved += float((kept[1.0][name] - first).abs().sum())
    assert moved > 0


def test_early_stopping_ends_a_run_whose_inner_loss_stays_up(
    stored_films: list[StoredFilm],
    recipe_of: Callable[..., Recipe],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from fracturax.training.engine import FilmModule

    risen = iter(range(100))

    def rising(self: FilmModule, batch: object, index: int) -> None:
        self._inner.append(float(next(risen)))

    monkeypatch.setattr(FilmModule, "validation_step", rising)
    recipe = recipe_of(epoch_films=4, epochs=9, patience=2)
    trained = _train(stored_films, recipe, tmp_path, inner=stored_films[:4])
    assert [row["inner_loss"] for row in trained.curves] == [0.0, 1.0, 2.0]


def test_film_logits_are_averaged_with_the_mirror_image(
    whole: tuple[Trained, Path], stored_films: list[StoredFilm]
) -> None:
    network, some = whole[0].network, stored_films[:3]
    with torch.inference_mode():
        expected = []
        for index in range(3):
            image = torch.from_numpy(ExactFilms(some)[index].image[None])
            answers: list[Tensor] = [network(view).fracture for view in (image, image.flip(3))]
            expected.append(float(torch.cat(answers).mean()))
    assert predict_films(network, some) == pytest.approx(expected, abs=1e-4)
    assert predict_films(network, some, mirrored=False) != pytest.approx(expected, abs=1e-7)
